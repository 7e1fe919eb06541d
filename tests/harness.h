/* SPDX-License-Identifier: MIT */
/*
 * What the hostile tests share: a real broker in a directory of its own, a client that speaks the
 * protocol by hand, and what can be seen of both from outside.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cmocka.h>

#include "client-lib/wire.h"

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

enum {
	FDS_AT_ONCE = 253, /* what one message can carry at most, unix(7) */
	WAIT_SECONDS = 10, /* for what should come at once */
	HARNESS_KNOWN = 32,
};

/* True: the test needs root and is left out. With CI=true it fails instead. */
bool needs_root(void);

/* Open descriptors of a process, 0 for our own; -1: we may not know. */
int count_fds(pid_t pid);

void sleep_ms(unsigned ms);
double seconds_now(void);

/* Does the kernel have SO_PASSRIGHTS, and so keep descriptors out of a socket? */
bool kernel_can_refuse(void);

/* A directory under TMPDIR that others can pass; and away with all that is in it. */
void make_directory(char directory[64]);
void remove_directory(const char *directory);

/* A mount namespace of one's own, and in it a TMPDIR where nobody else makes files. Needs root. */
void make_own_tmpdir(void);
void write_file(const char *path, const char *content);

/*
 * --- a broker -----------------------------------------------------------------------------------
 * Its policy lets our uid read data/ (a literal `..x` too) and read and write rw/; data2/ is next
 * to it. It ends with the test program, however that ends.
 */
struct harness {
	char directory[64];
	char socket[80];
	char file[80]; /* data/file, which we may read */
	char log[80];
	pid_t pid;
	pid_t worker; /* ours */
	double found; /* when it was: if nobody asks it for a minute, it ends */
	int broker_fds, worker_fds;
	int per_worker; /* descriptors that the broker holds of each worker */
	size_t n_workers;
	size_t n_known;
	pid_t known[HARNESS_KNOWN];
	int known_fds[HARNESS_KNOWN];
};

/* What is not the same for every broker. */
struct harness_how {
	const char *rules;        /* more of them; @ stands for the directory */
	const char *const *files; /* who/NAME, root's and for nobody else; ends with NULL */
	const char *user;         /* the helpers' account */
	bool old_kernel;          /* it sees a kernel without SO_PASSRIGHTS */
	/* In the broker's process, before it is the broker. 0, or it does not become one. */
	int (*prepare)(void *context);
	void *context;
};
void harness_start_how(struct harness *h, const struct harness_how *how);
void harness_start(struct harness *h, bool old_kernel);

/* The one of a test program that needs no more than one, and what cmocka calls for it. */
extern struct harness broker;
int harness_setup(void **state);
int harness_teardown(void **state);
void harness_test_end(void **state); /* assert_clean_end(), as the last test */

/* Ends it; its wait status. */
int harness_stop(struct harness *h);

/* Does the log say this by now? */
bool log_says(const struct harness *h, const char *words);

/* The policy again, and new workers: those of before have gone. */
void harness_reload(struct harness *h);

/* It ends with 0 when asked to, and nothing of it died before. */
void assert_clean_end(struct harness *h);

/* The child of the broker with this command line, up to the first argument, or 0. */
pid_t helper_of(const struct harness *h, const char *wanted);

/* Pid of the worker that serves this uid, or 0. */
pid_t worker_of(const struct harness *h, uid_t uid);

/* The workers that serve this uid, and how many connections each was given. Returns how many. */
struct worker_seen {
	pid_t pid;
	gid_t gid;
	unsigned connections;
};
size_t workers_of(const struct harness *h, uid_t uid, struct worker_seen *ret_seen, size_t max);

/* All that take connections, whomever they serve. */
size_t count_workers(const struct harness *h);

/* Those of them that are in their first phase. */
size_t count_starting(const struct harness *h);

/* Is there one that was told to end and has not? */
bool has_draining(const struct harness *h);

/* A number of the status, of the whole broker. */
unsigned long status_number(const struct harness *h, const char *key);

/* Well-formed requests are served, on a new connection and on this one. */
void assert_served(const struct harness *h);
void assert_served_on(const struct harness *h, int socket);

/*
 * Another worker takes over, because ours was sent descriptors that it does not get rid of but by
 * ending; then nothing is left of them.
 */
void assert_renewed(struct harness *h);

/*
 * The same worker lives, and no process has more or fewer descriptors than after the start, but for
 * those of the broker that belong to workers of others.
 */
void assert_undisturbed(const struct harness *h);

/* From now on that holds of the workers of others too that there are now. Needs root. */
void harness_know(struct harness *h);
void assert_known_undisturbed(const struct harness *h);

/*
 * --- a client by hand ---------------------------------------------------------------------------
 */

int raw_connect(const struct harness *h);
int raw_try_connect(const struct harness *h); /* a negative errno value where it cannot */

/* A request for one file. Returns its size. */
size_t raw_request(void *buffer, uint32_t id, uint32_t flags, const char *path, size_t path_length);

/* As many files as one message may ask for, each the one we may read. Returns its size. */
size_t raw_greatest_request(char *buffer);

struct raw {
	const void *bytes;
	size_t size;
	const struct ucred *credentials; /* NULL: the kernel's */
	const int *fds;
	size_t n_fds;
	size_t first_fds; /* so many of them in a header of their own */
	bool fds_first;   /* before the credentials */
	int flags;
};

/* 0 or a negative errno value. */
int raw_send(int socket, const struct raw *raw);
int raw_send_bytes(int socket, const void *bytes, size_t size);

struct reply {
	ssize_t size; /* 0: the connection ended; or a negative errno value */
	struct wire_reply head;
	struct wire_result results[WIRE_ITEMS_MAX];
	size_t n_fds;
	int fds[FDS_AT_ONCE];
	bool truncated;
};

void raw_receive(int socket, int flags, struct reply *reply);
void reply_drop(struct reply *reply);

/* The next answer to raw_greatest_request(): all that it asked for, or a refusal of the whole. Its status. */
int raw_take_all(int socket);

/* The next thing on this connection is its end. */
void assert_ended(int socket);

/* A reply to the whole request, with this errno value. */
void assert_refused(int socket, uint32_t id, int status);

/* Ask for one file: its errno value; or 0 and, when asked for, the descriptor. */
int raw_open(int socket, uint32_t flags, const char *path, size_t path_length, int *ret_fd);
