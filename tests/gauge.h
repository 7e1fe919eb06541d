/* SPDX-License-Identifier: MIT */
/*
 * A process of another user that connects, asks for one file and hangs up, again and again: how
 * long that takes, while others do what they do.
 */
#pragma once

#include <sys/types.h>

struct harness;

enum {
	GAUGE_MOST = 20000, /* samples; further ones are not kept */
};

struct gauge_shared;

struct gauge {
	pid_t pid;
	uid_t uid;
	struct gauge_shared *shared;
};

struct gauge_figures {
	unsigned n;
	unsigned again; /* of these: on a second connection, the first ended without an answer */
	unsigned wrong; /* answers that were not the expected one */
	int got;        /* the last of these: an errno value, or 0 */
	double median, p99, max; /* milliseconds; an answer that is still missing counts in max */
};

/* expected: the errno value that this uid gets for path, or 0. Ends with the calling process. */
void gauge_start(struct gauge *g, const struct harness *h, uid_t uid, const char *path,
		 int expected);
void gauge_begin(struct gauge *g);
struct gauge_figures gauge_end(struct gauge *g); /* does not wait for an answer */
void gauge_show(const char *when, const struct gauge *g, const struct gauge_figures *f);
void gauge_settle(struct gauge *g); /* does */
void gauge_stop(struct gauge *g);

/* All ids; no supplementary groups. In a child: ends it when that fails. */
void become(uid_t uid);

/* As raw_connect() and raw_open(), for a child: negative errno values, no assertions. */
int quiet_connect(const char *socket);
int quiet_open(int socket, const char *path); /* an errno value of the answer, or 0 */
