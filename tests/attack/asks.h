/* SPDX-License-Identifier: MIT */
/* A peer with ids of its own that asks `broker` for one file after the other, by hand. Needs root. */
#pragma once

#include <sys/stat.h>

#include "client-lib/wire.h"
#include "tests/people.h"

enum {
	A = 61001, /* nobody on this machine, in no database; their groups have the same numbers */
	B = 61002,
	C = 61003,
	G = 61010, /* a group of none of them */
};

struct peer {
	int socket;
	struct ucred credentials;
};

/* What became of one question. */
struct told {
	int status; /* of the reply; -1: there was none, the connection has ended */
	int error;  /* of the file */
	int fd;     /* or -1 */
	struct statx object;
	uint64_t next;
	size_t length;
	char text[WIRE_REPLY_MAX]; /* a reason, or entries */
};

/* A path beneath the broker's directory; good for the next few calls. */
const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct peer peer_begin(uid_t uid);
void peer_end(struct peer *p);

/* Who asks most of the questions of a program, and a last test for those that need no other. */
extern struct peer peer;
void asks_end(void **state);

/* One question: sent, and its answer; told->fd is the caller's. */
void peer_send(const struct peer *p, enum wire_operation operation, const struct wire_file *file);
/* WIRE_ITEMS_MAX of them to open, in one message. */
void peer_send_batch(const struct peer *p, const struct wire_file files[WIRE_ITEMS_MAX]);
void peer_receive(const struct peer *p, struct told *ret_told);

/*
 * Ask, and again on a new connection while the worker is being replaced. The errno value of the file.
 * ret_told: NULL, and a descriptor is closed; or its descriptor is the caller's.
 */
int peer_ask(struct peer *p, enum wire_operation operation, const struct wire_file *file,
	     struct told *ret_told);

/* The same for one path. */
int peer_open(struct peer *p, unsigned flags, mode_t mode, const char *path, int *ret_fd);
int peer_stat(struct peer *p, unsigned flags, const char *path, struct statx *ret_object);

/* All pages; names, sorted, each with a "/" behind it, as one text that is the caller's to free. */
int peer_list(struct peer *p, const char *path, char **ret_names);

/* The file that this descriptor is of, is it the one of that path? */
bool is_same(int fd, const char *path);

/* Lines of the log that have both texts. wait: until there are as many. */
unsigned log_count(const char *one, const char *other);
void log_wait(unsigned n, const char *one, const char *other);

/* Names beneath the broker's directory, all of them. */
unsigned count_names(void);

/* A file of that owner, with that content. */
void make_file(const char *path, uid_t owner, mode_t mode, const char *content);
void make_dir(const char *path, uid_t owner, mode_t mode);

/* As cmocka_run_group_tests_name(); without root nothing is run, or fails. */
extern const struct CMUnitTest asks_without_root[1];
#define asks_run(name, tests, setup)                                                               \
	(geteuid() == 0 ? cmocka_run_group_tests_name(name, tests, setup, harness_teardown)        \
			: cmocka_run_group_tests_name(name, asks_without_root, NULL, NULL))
