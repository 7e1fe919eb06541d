/* SPDX-License-Identifier: MIT */
/* The rules that have a say about a path, or nearly would: which clauses of them do not hold. */
#pragma once

#include "ask.h"

/* Beside enum policy_clause: the pattern would match, if ${user} or ${uid} stood for another. */
#define NEAR_CLAUSE_USER (1u << 5)

enum {
	NEAR_CLAUSES_N = 6,
};

/* The name of the clause 1 << i. */
extern const char *const near_clause_names[NEAR_CLAUSES_N];

struct near_rule {
	uint32_t rule;
	unsigned failed; /* 0: it matches */
	size_t lacks;    /* atoms of who */
};

struct near_rules {
	struct near_rule *items; /* those that match first, then the best near misses */
	size_t n;
	size_t n_matched;
	size_t n_shown;  /* those behind are shown only when all are asked for */
	bool incomplete; /* not all could be found */
};

/*
 * In this order: rules whose who holds, then those of which the peer lacks least; of them those that
 * would turn the decision; then by how many clauses fail. When no rule decided, denies come last.
 */
void near_find(struct ask *ask, unsigned verbs, const struct policy_decision *decision,
	       struct near_rules *ret_rules);
void near_clear(struct near_rules *rules);

/* Why the clause, one bit of failed, does not hold, and what to write. malloc'ed. */
char *near_reason(struct ask *ask, unsigned verbs, uint32_t rule, unsigned clause);

/*
 * Two allows, near misses by their verbs alone, that list all verbs between them. False: there are
 * none.
 */
bool near_together(const struct ask *ask, const struct near_rules *rules, unsigned verbs,
		   uint32_t ret_pair[2]);

/*
 * The rules with patterns that have most literal components of their beginning in common with the
 * path. Returns how many components these are; 0: no rule has one. rules: room for *n.
 */
size_t near_begin(const struct ask *ask, uint32_t *rules, size_t *n);
