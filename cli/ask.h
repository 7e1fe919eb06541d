/* SPDX-License-Identifier: MIT */
/* The question of `can` and `explain`, and what both say in answer. */
#pragma once

#include <jansson.h>

#include "rules.h"
#include "who.h"

struct cli_args;

struct ask {
	const char *who_text;
	const char *path;
	size_t length;
	unsigned verbs;
	bool each;   /* VERBS was `any`: every verb is a question of its own */
	int32_t day; /* days since 1970-01-01 UTC */
	bool json;
	char *command; /* "fdbroker explain", with the options that say which policy and day */
	struct who who;
	struct rules rules;
	uint32_t *ids;
	size_t *lacks; /* of each who, or NULL: what its nearest alternative lacks */
	struct policy_identity identity;
	bool unserved; /* the broker has no worker for this peer, whatever the rules say */
};

/*
 * Read the arguments and load the policy; in text, stderr has what is to be known of the peer.
 * Always to be followed by ask_clear(). Returns CLI_YES, or CLI_USAGE after saying why.
 */
int ask_start(const struct cli_args *args, struct ask *ret_ask);
void ask_clear(struct ask *ask);

struct policy_request ask_request(const struct ask *ask, unsigned verbs, uint32_t from);

/* What the policy decides about these verbs together. */
struct answer {
	unsigned verbs;
	struct policy_decision decision;
	uint32_t *allows; /* the rules that the broker tries, in this order; the first decides */
	size_t n_allows;
	char *suggestion; /* a rule that would allow what no rule decides, or NULL */
	char *refused;    /* or why WHO cannot be allowed it as it stands */
	uint32_t *around; /* rules with an except that the suggestion goes round */
	size_t n_around;
	uint32_t *over; /* rules that would allow it, were their last day not over */
	size_t n_over;
};
struct answer ask_answer(const struct ask *ask, unsigned verbs);
void answer_clear(struct answer *answer);

/* What is said of a peer that is unserved. */
#define ASK_UNSERVED                                                                               \
	"the rules for this peer begin in more than 256 places: the broker serves it nothing"

/* Verdict, deciding rule, and the conditions of an allow. brief: the first line alone. */
void answer_print(struct ask *ask, const struct answer *answer, bool brief);

/* The rule to write and what it goes round, or why there is none. */
void answer_print_suggestion(struct ask *ask, const struct answer *answer, FILE *out,
			     const char *indent);

/* The same as members of the object. */
void answer_json(struct ask *ask, const struct answer *answer, json_t *object);

/* "TAG file:line  text", and the rule as JSON. */
void ask_print_rule(struct ask *ask, const char *tag, uint32_t rule);
json_t *ask_rule_json(struct ask *ask, uint32_t rule);

/* The object with what both commands say of the question; verdict: of all verbs. */
json_t *ask_json(struct ask *ask, bool allowed);

/* "2027-01-31", malloc'ed. */
char *ask_day_text(int32_t day);
