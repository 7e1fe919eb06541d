/* SPDX-License-Identifier: MIT */
/*
 * Errors and warnings about policy text:
 *
 *     50-web.policy:7:24: error[P014]: '**' must be a whole path component
 *         7 | allow web read /srv/www** /index.html
 *           |                        ^~
 *           = help: ...
 *
 * The first POLICY_DIAG_SHOWN of each severity are written, the rest are counted. What comes from
 * policy files and file names is escaped (policy_escape()): nothing in it reaches a terminal raw.
 */
#pragma once

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
	unsigned long errors;
	unsigned long warnings;
	unsigned long notes;
};

/* Write bytes as printable ASCII: everything else, and DEL, becomes \xHH; a tab stays if tabs. */
void policy_escape(FILE *out, const char *bytes, size_t length, int tabs);

/* The number, severity and message of code i of the table, NULL after the last. */
const char *policy_diag_code(size_t i, unsigned *ret_number, enum policy_severity *ret_severity);
