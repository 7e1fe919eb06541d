/* SPDX-License-Identifier: MIT */
/*
 * The end of a client's connection. Before Linux 6.16 anybody can send descriptors to it, and whoever
 * drops the last reference to one, by receiving or by closing, may have to wait: for a TCP socket
 * that lingers, or for a file system that a client serves itself (FUSE), for which no signal helps.
 */
#pragma once

#include <stdbool.h>

/* Is the next thing to be received a message with descriptors? Looks at it, and no more. */
bool hangup_is_due(int fd);

/*
 * Close a client's socket, and have the broker count one less. may_hold: descriptors may have been
 * sent to it. Then what is there is read, up to a message that has some: with one it is shut down, and
 * stays open, unread, until this process ends; an ending process does not linger, and nobody waits for
 * it. False: it stays, and another worker should take over soon.
 */
bool hangup(int fd, bool may_hold);

/* Only that: of a connection that there was no descriptor for. */
void hangup_count(void);
