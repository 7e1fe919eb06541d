/* SPDX-License-Identifier: MIT */
/*
 * Reports about sources. They are kept in the order of files, lines and columns, whichever pass of
 * the compiler finds them, and written by policy_report_flush().
 */
#pragma once

#include "codes.h"
#include "policy.h"

/* A source line. */
struct policy_place {
	uint32_t source;
	uint32_t line; /* from 1; 0: this is about the policy as a whole */
	const char *text;
	uint32_t length;
};

/* A piece of a source line. */
struct policy_span {
	uint32_t at; /* from 0 */
	uint32_t length;
};

/* The word of the line that begins at or after `at`. */
struct policy_span policy_word_from(const struct policy_place *place, uint32_t at);

struct policy_entry {
	struct policy_place place;
	struct policy_span span;
	enum policy_code code;
	char *argument;
	char *help;
};

struct policy_report {
	const struct policy_source *sources;
	struct {
		struct policy_entry entries[POLICY_DIAG_SHOWN];
		size_t n;
		unsigned long count;
	} by_severity[POLICY_ERROR + 1];
};

/* argument replaces `%` in the message of the code; NULL: the text of the span. */
__attribute__((format(printf, 6, 7))) void
policy_report_add(struct policy_report *report, enum policy_code code,
		  const struct policy_place *place, struct policy_span span, const char *argument,
		  const char *help, ...);

/* Write and count everything, and free it. */
void policy_report_flush(struct policy_report *report, struct policy_diag *diag);

/*
 * A message about a file as a whole, written at once; those that are too many are told by the next
 * policy_report_flush(). help may be NULL.
 */
void policy_diag_file(struct policy_diag *diag, enum policy_code code,
		      enum policy_severity severity, const char *path, const char *argument,
		      const char *help);
