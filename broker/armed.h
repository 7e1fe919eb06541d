/* SPDX-License-Identifier: MIT */
/*
 * For calls that may destroy what a client sent along. A message can carry a TCP socket with unsent
 * data and SO_LINGER; who drops the last reference to it, by close(2) or by recvmsg(2) without room
 * for it, waits until it has lingered, and no longer than until the next signal (socket(7)). So while
 * a process is armed an interval timer interrupts it, every ARMED_US microseconds. A file system does
 * not let itself be interrupted: what workers do about that is in worker/hangup.h.
 *
 * SO_PASSRIGHTS (Linux 6.16) keeps such messages out; then only connections from before the option
 * was set need this. Before Linux 6.9 also the close of any other UNIX socket can: it may have to
 * collect the garbage of others.
 */
#pragma once

enum {
	ARMED_US = 100,
};

/* Once, before armed_begin(). 0 or a negative errno value. */
int armed_prepare(void);

void armed_begin(void);
void armed_end(void);
