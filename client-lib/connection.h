/* SPDX-License-Identifier: MIT */
/* A connection to the broker. Internal to the library. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct statx;

enum {
	CONNECTION_PAGES_MAX = 8192,    /* of an answer, however little is in each */
	CONNECTION_OVERFLOW_ID = 65534, /* whoever has none here, user_namespaces(7) */
	CONNECTION_LIST_MAX = 9712,     /* bytes of entries in a page */
	CONNECTION_REASON_MAX = 1021,   /* with a NUL */
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
	unsigned made;                      /* how often it was connected */
	char reason[CONNECTION_REASON_MAX]; /* of the last refusal, as the policy says; or "" */
};

/* Close the socket, if the number still means it. */
void connection_close(struct connection *connection);

/* In a child of fork(2). */
void connection_forked(void);

/*
 * Ask for one file and wait until deadline (CLOCK_MONOTONIC). Connects when needed, and once more,
 * as often as the deadline permits, whenever the request is known not to have been executed, or may be
 * executed twice; and asks again while the file's owner holds a lease on it (fcntl(2)), without
 * O_NONBLOCK. Returns 0 and a descriptor, or a negative errno value out of those that fdbroker.h lists.
 */
int connection_open(struct connection *connection, const struct where *where, const char *path,
		    int flags, mode_t mode, const struct timespec *deadline, int *ret_fd);

/* The same for what a file is. flags: 0 or AT_SYMLINK_NOFOLLOW. */
int connection_stat(struct connection *connection, const struct where *where, const char *path,
		    int flags, const struct timespec *deadline, struct statx *ret_status);

/*
 * The same for the names in a directory: a page from the place `from`, 0 or *ret_next of the page
 * before, for wire_next_entry(). entries: CONNECTION_LIST_MAX bytes. *ret_next 0: this was the last.
 */
int connection_list(struct connection *connection, const struct where *where, const char *path,
		    uint64_t from, const struct timespec *deadline, char *entries,
		    size_t *ret_length, uint64_t *ret_next);

/*
 * The same for who the broker says that we are: lines of printable ASCII, as fdbroker-protocol(7)
 * has them, at most size bytes into text, without a NUL. -EPROTO: there was no end of them.
 */
int connection_whoami(struct connection *connection, const struct where *where,
		      const struct timespec *deadline, char *text, size_t size, size_t *ret_length);
