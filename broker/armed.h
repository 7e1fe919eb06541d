/* SPDX-License-Identifier: MIT */
/*
 * For a close(2) that destroys what nobody meant it to destroy: the last reference to a connection of
 * which another process should have had one, or, before Linux 6.9, the garbage of others, which the
 * close of any UNIX socket may collect. There may be a TCP socket with unsent data and SO_LINGER in
 * it; its close waits until it has lingered, and no longer than until the next signal (socket(7)). So
 * while a process is armed an interval timer interrupts it, every ARMED_US microseconds.
 */
#pragma once

enum {
	ARMED_US = 100,
};

/* Once, before armed_begin(). 0 or a negative errno value. */
int armed_prepare(void);

void armed_begin(void);
void armed_end(void);
