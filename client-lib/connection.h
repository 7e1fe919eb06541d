/* SPDX-License-Identifier: MIT */
/* A connection to the broker. Internal to the library. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct connection {
	int fd;      /* -1: not connected */
	ino_t inode; /* of the socket: the number alone may come to mean another file */
	/* Whose it is: the worker refuses messages of anybody else. */
	pid_t pid;
	unsigned forks; /* a child may have its parent's pid, in a pid namespace of its own */
	uid_t uid;
	gid_t gid;
	uint32_t next_id;
};

/* Close the socket, if the number still means it. */
void connection_close(struct connection *connection);

/* In a child of fork(2). */
void connection_forked(void);

/*
 * Ask for one file and wait until deadline (CLOCK_MONOTONIC). Connects when needed, and once more,
 * as often as the deadline permits, whenever the request is known not to have been executed.
 * Returns 0 and a descriptor, or a negative errno value out of those that fdbroker.h lists.
 */
int connection_open(struct connection *connection, const char *socket_path, const char *path,
		    int flags, mode_t mode, const struct timespec *deadline, int *ret_fd);
