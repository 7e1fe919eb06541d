/* SPDX-License-Identifier: MIT */
/*
 * Reading one source: lines.c makes words of lines, statement.c finds out which statement they are,
 * rule.c, options.c, value.c, target.c, expect.c and who.c read its parts.
 */
#pragma once

#include "ast.h"
#include "pattern.h"

#define POLICY_RULE_HELP "write: allow WHO VERBS TARGET... [except TARGET...] [OPTION...]"

struct policy_parser {
	struct policy_ast *ast;
	struct policy_report *report;
	struct policy_place place;
	POLICY_VECTOR(struct policy_span) words; /* of the line */
	struct policy_pattern *pattern;          /* scratch */
	struct policy_pattern_error error;       /* scratch: it is large */
	int32_t today;                           /* days since 1970-01-01 UTC */
	bool header;                             /* was seen */
	bool skipped;                            /* a line was: the header may stand in it */
	bool dos;                                /* the file has lines of DOS: reported */
	bool stop;                               /* the rest of the file means nothing */
};

static inline const char *
policy_word_text(const struct policy_parser *p, size_t i)
{
	return p->place.text + p->words.items[i].at;
}

/* Is there a word i, and is it this text? */
static inline bool
policy_word_at(const struct policy_parser *p, size_t i, const char *text)
{
	return i < p->words.n &&
	       policy_word_is(policy_word_text(p, i), p->words.items[i].length, text);
}

static inline bool
policy_word_is_target(const struct policy_parser *p, size_t i)
{
	return policy_word_text(p, i)[0] == '/' || policy_word_text(p, i)[0] == '@';
}

static inline unsigned long
policy_parser_errors(const struct policy_parser *p)
{
	return p->report->by_severity[POLICY_ERROR].count;
}

/* Report that `what` is missing before word i, which need not be there. */
void policy_report_incomplete(struct policy_parser *p, size_t i, const char *what,
			      const char *help);

/* The parse functions return 0 also after reports, or -ENOMEM. */

/* The words of the line make a statement; there is at least one. */
int policy_parse_statement(struct policy_parser *p);

int policy_parse_rule(struct policy_parser *p, enum policy_verdict verdict);
int policy_parse_expect(struct policy_parser *p);

/* False: reported. */
bool policy_parse_verbs(struct policy_parser *p, struct policy_span word,
			enum policy_verdict verdict, unsigned *ret_verbs);

/* A word that begins with '/' or '@' becomes a target of the tree. */
int policy_parse_target(struct policy_parser *p, struct policy_span word, bool in_set);

/* A pattern is followed by a comma, which would be part of a name. True: reported. */
bool policy_report_comma(struct policy_parser *p, struct policy_span span);

/* A word that is neither a target nor an option: say what it may have been meant as. */
void policy_report_word(struct policy_parser *p, struct policy_span span);

/* Is the word the name of an option, or anything with a '='? */
bool policy_is_option(const struct policy_parser *p, size_t i);

/*
 * Read the options, all words from i on, into the rule, whose verbs are known. Targets among them
 * are errors.
 */
void policy_parse_options(struct policy_parser *p, size_t i, struct policy_ast_rule *rule);
