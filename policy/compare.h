/* SPDX-License-Identifier: MIT */
/* What the review asks of two rules. */
#pragma once

#include "overlap.h"
#include "review.h"

struct policy_review {
	const struct policy_ast *ast;
	struct policy_report *report;
	bool thorough; /* POLICY_COMPILE_REVIEW */
	policy_candidates *find;
	const void *index;

	const char *unproven; /* why not everything was compared, or NULL */
	bool *skipped;        /* by rule: it is dead, or another covers it */
	struct policy_overlap overlap;
	struct policy_pattern *scratch;
	struct policy_automaton **automata; /* by target; NULL: not made yet */
	POLICY_VECTOR(uint32_t) made;
	POLICY_VECTOR(uint32_t) found; /* by policy_review_find() */
};

int policy_review_init(struct policy_review *review);
void policy_review_done(struct policy_review *review);

/* Something was too much; the first reason is reported. */
void policy_review_give_up(struct policy_review *review, const char *why);

/* --- patterns ---------------------------------------------------------------------------- */

/* A pattern as it was written. */
struct policy_written {
	const char *text;
	uint32_t length;
	uint32_t target; /* its own number in ast->targets */
	uint32_t named;  /* that of the target of the rule: this pattern, or a set that holds it */
};

/* The patterns of targets or excepts, one after the other. */
struct policy_patterns {
	const struct policy_ast *ast;
	const struct policy_place *place;
	struct policy_range range;
	uint32_t at;
	uint32_t in_set;
};

static inline struct policy_patterns
policy_patterns_of(const struct policy_ast *ast, const struct policy_ast_rule *rule,
		   struct policy_range range)
{
	return (struct policy_patterns){ast, &rule->place, range, 0, 0};
}

bool policy_patterns_next(struct policy_patterns *patterns, struct policy_written *ret_written);

/* Where everything that the pattern matches begins with. */
uint32_t policy_literal_prefix(const struct policy_written *written);

/* False: no path matches both. */
bool policy_may_meet(const char *a, size_t a_length, const char *b, size_t b_length);

/* Lives until policy_review_forget(). */
int policy_review_automaton(struct policy_review *review, const struct policy_written *written,
			    const struct policy_automaton **ret_automaton);

/* Bounds the memory: to be called when no automaton is in use. */
void policy_review_forget(struct policy_review *review);

static inline unsigned
policy_rule_reading(const struct policy_ast_rule *rule)
{
	return rule->verdict == POLICY_DENY || rule->options.hidden ? POLICY_READING_DOTS : 0;
}

/*
 * A path that the pattern of the rule matches and no except of the rule does, in overlap.path.
 * POLICY_OVERLAP_NONE is proven.
 */
int policy_review_witness(struct policy_review *review, const struct policy_ast_rule *rule,
			  const struct policy_written *written,
			  enum policy_overlap_result *ret_result);

/* Does a rule match the path? reading: of its excepts. */
int policy_rule_matches(struct policy_review *review, const struct policy_ast_rule *rule,
			const char *path, size_t length, unsigned reading, bool *ret_matches);

/* Is it proven that b matches each path that this pattern of a matches and a does not except? */
int policy_review_includes(struct policy_review *review, const struct policy_ast_rule *b,
			   const struct policy_ast_rule *a, const struct policy_written *written,
			   bool *ret_includes);

/* Add the patterns that may meet `near` to the search. */
int policy_review_add(struct policy_review *review, const struct policy_ast_rule *rule,
		      struct policy_range range, const struct policy_written *near, unsigned role,
		      unsigned reading);

/* --- verbs and who ----------------------------------------------------------------------- */

/*
 * Is every peer for whom a and b hold (b may be NULL) one that the rule is for? When all steps are
 * used up it says no.
 */
bool policy_rule_is_for(struct policy_review *review, const struct policy_ast_rule *rule,
			const struct policy_ast_conjunction *a,
			const struct policy_ast_conjunction *b);

/* Can both hold for one peer? */
bool policy_who_meet(const struct policy_ast *ast, const struct policy_ast_conjunction *a,
		     const struct policy_ast_conjunction *b);

/* --- candidates -------------------------------------------------------------------------- */

typedef bool policy_is_candidate(struct policy_review *review, const void *context,
				 const struct policy_ast_rule *rule);

/*
 * Rules with a target that matches overlap.path and that the function takes, into `found`.
 * ret_all: these are all of them.
 */
int policy_review_find(struct policy_review *review, enum policy_verdict verdict,
		       policy_is_candidate *is_candidate, const void *context, bool *ret_all);

/* --- messages ---------------------------------------------------------------------------- */

/* "FILE:LINE" and what follows, in new memory; NULL: there is none. */
char *policy_review_place(const struct policy_review *review, const struct policy_ast_rule *rule,
			  const char *after);

/* together.c: two allows that do not add up. */
int policy_review_together(struct policy_review *review);
