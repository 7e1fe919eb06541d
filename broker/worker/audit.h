/* SPDX-License-Identifier: MIT */
/* Records of decisions, for the log process. Never waits: what finds the pipe full is counted and said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/ipc.h"
#include "broker/worker/strict.h"
#include "policy/policy.h"

enum {
	AUDIT_SEEN = 16,
};

/*
 * Which grants of a connection are on record already, so that reading one file in a loop is one
 * line.
 */
struct audit_seen {
	uint64_t hashes[AUDIT_SEEN]; /* 0: free */
};

struct audit_event {
	uint64_t connection;
	enum ipc_outcome outcome;
	uint32_t error;
	uint32_t flags;
	unsigned verbs;
	const char *path;
	size_t path_length;
	const char *asked; /* what led to it by symbolic links */
	size_t asked_length;
	uint32_t rule; /* or POLICY_NO_RULE */
	/* Of the rule that does not hold, */
	enum ipc_condition condition;
	/* and what it is about: a directory on the way, or without a length the object. */
	struct policy_directory object;
};

/* Draw the key of the hashes: a client must not be able to hide one path behind another. */
int audit_start(void);

/* Has this grant been recorded on this connection? Remembers it. */
bool audit_seen(struct audit_seen *seen, const struct audit_event *event);

/* Take that back: what was to be on record is not. */
void audit_forget(struct audit_seen *seen, const struct audit_event *event);

/* False: it is lost, and counted. */
bool audit_write(const struct policy_image *image, const struct audit_event *event);

/* Are there lost ones that nothing has been said of? */
bool audit_is_behind(void);

/* Say so, if there is room for it. */
void audit_catch_up(void);
