/* SPDX-License-Identifier: MIT */
/*
 * Errors and warnings about policy text:
 *
 *     50-web.policy:7:24: error[P014]: '**' must be a whole path component
 *         7 | allow web read /srv/www** /index.html
 *           |                        ^~
 *           = help: ...
 *
 * The first POLICY_DIAG_SHOWN of each severity are written, of files and of lines together, the rest
 * are counted. What comes from policy files and file names is escaped (policy_escape()): nothing in it reaches a terminal raw.
 *
 * As JSON, with the same escapes in its strings, the above is
 *
 *     {"file":"50-web.policy","line":7,"column":24,"length":2,"severity":"error","code":"P014",
 *     "message":"...","source":"allow web ...","help":"..."}
 *
 * on one line. A message about a whole file, or about the policy as a whole (its file is then
 * "policy"), has no line, column, length and source. `source` is cut
 * as the text is, with "..."; line and column are those of the whole line. What is only counted
 * comes at the end: {"severity":"error","more":12}.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum policy_severity {
	POLICY_NOTE,
	POLICY_WARNING,
	POLICY_ERROR,
};

enum {
	POLICY_DIAG_SHOWN = 100,
};

struct policy_diag {
	FILE *out; /* NULL: count only */
	bool json; /* an object on one line for each message */
	unsigned long errors;
	unsigned long warnings;
	unsigned long notes;
	unsigned long more[POLICY_ERROR + 1]; /* of them: not shown, and it was said how many */
};

/* Write bytes as printable ASCII: everything else, and DEL, becomes \xHH; a tab stays if tabs. */
void policy_escape(FILE *out, const char *bytes, size_t length, int tabs);

/* The number, severity and message of code i of the table, NULL after the last. */
const char *policy_diag_code(size_t i, unsigned *ret_number, enum policy_severity *ret_severity);
