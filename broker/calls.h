/* SPDX-License-Identifier: MIT */
/*
 * Which system calls the broker and all that it starts may make: what is in none of these lists is
 * for nobody.
 */
#pragma once

/*
 * Of the broker, and of every process that it starts, whatever that one does later. Any other call
 * is answered ENOSYS: the C library, and modules of the user database, then do without. Sets
 * no_new_privs, which every filter needs that a process without CAP_SYS_ADMIN enters: a helper of a
 * broker that is root gains nothing by its exec, and loses nothing (capabilities(7)). Returns as
 * filter_enter().
 */
int calls_enter_broker(void);

/*
 * Of a process without privilege that looks up names: the C library, and modules of the user
 * database, which may ask a service of this machine or another. It sees the file system, makes
 * threads, and does nothing to another process. Any other call kills it.
 */
int calls_enter_look_up(void);

/*
 * Of the log process: it reads, writes and closes what it was given, and gets more of that from the
 * broker. It opens nothing. Any other call kills it.
 */
int calls_enter_log(void);
