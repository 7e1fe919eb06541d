/* SPDX-License-Identifier: MIT */
/* One request and the reply to it. Internal to the library. */
#pragma once

#include "connection.h"
#include "wire.h"

/* What is asked, and what came of it. */
struct question {
	enum wire_operation operation;
	struct wire_file file; /* with WIRE_WHOAMI only from where on */
	int fd;                /* WIRE_OPEN */
	struct statx *status;  /* WIRE_STAT */
	char *text;            /* WIRE_LIST, WIRE_WHOAMI: a page */
	size_t text_length;
	uint64_t next;
};

enum outcome {
	OUTCOME_FAILED,       /* with a negative errno value */
	OUTCOME_DONE,         /* with a descriptor, or a page */
	OUTCOME_NOT_EXECUTED, /* the worker is being replaced: nothing was done */
	OUTCOME_UNKNOWN,      /* the connection ended without an answer */
};

/*
 * Send the question on this connection and read what comes back, until deadline (CLOCK_MONOTONIC).
 * *ret_error is set with OUTCOME_FAILED.
 */
enum outcome question_ask(struct connection *connection, struct question *question,
			  const struct timespec *deadline, int *ret_error);

/*
 * Milliseconds left, rounded up, so that a wait never ends just before the deadline; 0 when it
 * passed.
 */
int deadline_left(const struct timespec *deadline);
