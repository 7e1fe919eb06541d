/* SPDX-License-Identifier: MIT */
/* A connection to the broker. Internal to the library. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum {
	CONNECTION_PAGES_MAX = 8192,    /* of an answer, however little is in each */
	CONNECTION_OVERFLOW_ID = 65534, /* whoever has none here, user_namespaces(7) */
};

/* Which broker: where it listens, and who it may be, beside root and the caller. */
struct where {
	const char *path;
	bool has_uid;
	uid_t uid;
};

/* What the environment says of it: FDBROKER_SOCKET and FDBROKER_SERVER_UID. */
void where_find(struct where *ret_where);

/* A uid in digits. False, and then trusted is nobody more: it is something else. */
bool where_parse_uid(const char *text, uid_t *ret_uid);

/* Is a server of that uid, as the kernel gives it to us, to be trusted? */
bool where_trusts(const struct where *where, uid_t server);

struct connection {
	int fd;      /* -1: not connected */
	ino_t inode; /* of the socket: the number alone may come to mean another file */
	/* Whose it is: the worker refuses messages of anybody else. */
	pid_t pid;
	unsigned forks; /* a child may have its parent's pid, in a pid namespace of its own */
	uid_t uid;
	gid_t gid;
	uint32_t next_id;
	unsigned made; /* how often it was connected */
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
int connection_open(struct connection *connection, const struct where *where, const char *path,
		    int flags, mode_t mode, const struct timespec *deadline, int *ret_fd);

/*
 * The same for who the broker says that we are: lines of printable ASCII, as fdbroker-protocol(7)
 * has them, at most size bytes into text, without a NUL. -EPROTO: there was no end of them.
 */
int connection_whoami(struct connection *connection, const struct where *where,
		      const struct timespec *deadline, char *text, size_t size, size_t *ret_length);
