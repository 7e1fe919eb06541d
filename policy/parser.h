/* SPDX-License-Identifier: MIT */
/* Reading one source: lines.c makes words of lines, statement.c makes statements of words. */
#pragma once

#include "ast.h"
#include "pattern.h"

struct policy_parser {
	struct policy_ast *ast;
	struct policy_report *report;
	struct policy_place place;
	POLICY_VECTOR(struct policy_span) words; /* of the line */
	struct policy_pattern *pattern;          /* scratch */
	bool header;                             /* was seen */
	bool stop;                               /* the rest of the file means nothing */
};

/* The words of the line make a statement; there is at least one. 0 also after reports. */
int policy_parse_statement(struct policy_parser *parser);
