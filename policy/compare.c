/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include <string.h>

enum {
	AUTOMATA_KEPT = 16384,
	FOUND_MAX = 64,       /* candidates for one path */
	LOOKED_AT_MAX = 1024, /* rules that match it */
	/* What a search by path costs, in steps of policy/overlap.c. */
	FIND_STEPS = 10,
};

int
policy_review_init(struct policy_review *review)
{
	review->skipped = calloc(review->ast->rules.n + 1, sizeof(*review->skipped));
	review->scratch = malloc(sizeof(*review->scratch));
	review->automata = calloc(review->ast->targets.n + 1, sizeof(*review->automata));
	return review->skipped && review->scratch && review->automata ? 0 : -ENOMEM;
}

static void
forget_all(struct policy_review *review)
{
	for (size_t i = 0; i < review->made.n; i++) {
		free(review->automata[review->made.items[i]]);
		review->automata[review->made.items[i]] = NULL;
	}
	review->made.n = 0;
}

void
policy_review_forget(struct policy_review *review)
{
	if (review->made.n > AUTOMATA_KEPT)
		forget_all(review);
}

void
policy_review_done(struct policy_review *review)
{
	forget_all(review);
	free(review->skipped);
	free(review->scratch);
	free(review->automata);
	policy_vector_free(&review->made);
	policy_vector_free(&review->found);
	policy_vector_free(&review->overlap.members);
}

void
policy_review_give_up(struct policy_review *review, const char *why)
{
	if (!review->unproven)
		review->unproven = why;
}

/* --- patterns ---------------------------------------------------------------------------- */

bool
policy_patterns_next(struct policy_patterns *patterns, struct policy_written *ret_written)
{
	const struct policy_ast *ast = patterns->ast;

	while (patterns->at < patterns->range.n) {
		uint32_t named = patterns->range.first + patterns->at, target = named;
		const struct policy_place *place = patterns->place;
		const struct policy_ast_target *t = &ast->targets.items[named];

		if (t->is_set) {
			const struct policy_ast_set *set = &ast->sets.items[t->set];

			if (patterns->in_set == set->targets.n) {
				patterns->at++;
				patterns->in_set = 0;
				continue;
			}
			place = &set->place;
			target = set->targets.first + patterns->in_set++;
			t = &ast->targets.items[target];
		} else {
			patterns->at++;
		}
		*ret_written = (struct policy_written){place->text + t->span.at, t->span.length,
						       target, named};
		return true;
	}
	return false;
}

static bool
is_special(char byte)
{
	return byte == '*' || byte == '[' || byte == '{' || byte == '$' || byte == '\\';
}

/* How many of its bytes stand for themselves, whatever follows. */
static uint32_t
literal_bytes(const char *text, uint32_t length)
{
	uint32_t n = 0;

	while (n < length && !is_special(text[n]))
		n++;
	return n;
}

uint32_t
policy_literal_prefix(const struct policy_written *written)
{
	uint32_t n = literal_bytes(written->text, written->length);

	/* `**` may be nothing, and then the slash before it is nothing, too. */
	if (written->length - n >= 2 && memcmp(written->text + n, "**", 2) == 0)
		n--;
	return n;
}

bool
policy_may_meet(const char *a, size_t a_length, const char *b, size_t b_length)
{
	for (size_t i = 0; i < a_length && i < b_length; i++) {
		if (is_special(a[i]) || is_special(b[i]))
			return true;
		if (a[i] != b[i])
			return false;
	}
	return true;
}

int
policy_review_automaton(struct policy_review *review, const struct policy_written *written,
			const struct policy_automaton **ret_automaton)
{
	struct policy_automaton **automaton = &review->automata[written->target];
	int r;

	if (!*automaton) {
		struct policy_pattern_error error;

		if (!policy_pattern_parse(written->text, written->length, review->scratch, &error))
			return -EINVAL;
		r = policy_vector_reserve(&review->made, 1);
		if (r == 0)
			r = policy_automaton_new(review->scratch, automaton);
		if (r < 0)
			return r;
		review->made.items[review->made.n++] = written->target;
	}
	*ret_automaton = *automaton;
	return 0;
}

/* Does one of these patterns match? */
static int
any_matches(struct policy_review *review, struct policy_patterns patterns, const char *path,
	    size_t length, unsigned reading, bool *ret_matches)
{
	const struct policy_automaton *automaton;
	struct policy_written w;
	int r;

	*ret_matches = false;
	/* Without steps nothing is proven any more, so that what is left out here does no harm. */
	while (review->overlap.steps > 0 && policy_patterns_next(&patterns, &w)) {
		review->overlap.steps--;
		if (!policy_may_meet(w.text, w.length, path, length))
			continue;
		if (literal_bytes(w.text, w.length) == w.length) {
			*ret_matches = w.length == length && memcmp(w.text, path, length) == 0;
		} else {
			r = policy_review_automaton(review, &w, &automaton);
			if (r < 0)
				return r;
			review->overlap.steps -= (int64_t)length;
			*ret_matches = policy_automaton_matches(automaton, path, length, reading);
		}
		if (*ret_matches)
			return 0;
	}
	return 0;
}

int
policy_rule_matches(struct policy_review *review, const struct policy_ast_rule *rule,
		    const char *path, size_t length, unsigned reading, bool *ret_matches)
{
	bool excepted = false;
	int r;

	r = any_matches(review, policy_patterns_of(review->ast, rule, rule->targets), path, length,
			policy_rule_reading(rule), ret_matches);
	if (r < 0 || !*ret_matches)
		return r;
	r = any_matches(review, policy_patterns_of(review->ast, rule, rule->excepts), path, length,
			reading, &excepted);
	*ret_matches = !excepted;
	return r;
}

int
policy_review_add(struct policy_review *review, const struct policy_ast_rule *rule,
		  struct policy_range range, const struct policy_written *near, unsigned role,
		  unsigned reading)
{
	struct policy_patterns patterns = policy_patterns_of(review->ast, rule, range);
	const struct policy_automaton *automaton;
	struct policy_written w;
	int r;

	/* Without steps nothing is proven any more, so that what is left out here does no harm. */
	while (review->overlap.steps > 0 && policy_patterns_next(&patterns, &w)) {
		review->overlap.steps--;
		if (!policy_may_meet(w.text, w.length, near->text, near->length))
			continue;
		r = policy_review_automaton(review, &w, &automaton);
		if (r == 0)
			r = policy_overlap_add(&review->overlap, automaton, role, reading);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The pattern without what the rule excepts. */
static int
start_search(struct policy_review *review, const struct policy_ast_rule *rule,
	     const struct policy_written *written)
{
	const struct policy_automaton *automaton;
	int r;

	review->overlap.members.n = 0;
	r = policy_review_automaton(review, written, &automaton);
	if (r == 0)
		r = policy_overlap_add(&review->overlap, automaton, POLICY_ROLE_FIRST,
				       policy_rule_reading(rule));
	if (r == 0)
		r = policy_review_add(review, rule, rule->excepts, written, POLICY_ROLE_NOT,
				      POLICY_READING_DOTS);
	return r;
}

int
policy_review_witness(struct policy_review *review, const struct policy_ast_rule *rule,
		      const struct policy_written *written, enum policy_overlap_result *ret_result)
{
	struct policy_patterns excepts = policy_patterns_of(review->ast, rule, rule->excepts);
	struct policy_overlap *o = &review->overlap;
	bool literal = literal_bytes(written->text, written->length) == written->length;
	const struct policy_automaton *automaton;
	bool excepted = true;
	int r = 0;

	if (literal) {
		o->length = written->length;
		memcpy(o->path, written->text, written->length);
	} else {
		r = policy_review_automaton(review, written, &automaton);
		if (r < 0)
			return r;
	}
	if (literal ||
	    policy_automaton_example(automaton, policy_rule_reading(rule), o->path, &o->length))
		r = any_matches(review, excepts, o->path, o->length, POLICY_READING_DOTS,
				&excepted);
	if (r < 0)
		return r;
	if (literal || !excepted) {
		*ret_result = excepted ? POLICY_OVERLAP_NONE : POLICY_OVERLAP_FOUND;
		return 0;
	}
	r = start_search(review, rule, written);
	return r < 0 ? r : policy_overlap_search(o, ret_result);
}

int
policy_review_includes(struct policy_review *review, const struct policy_ast_rule *b,
		       const struct policy_ast_rule *a, const struct policy_written *written,
		       bool *ret_includes)
{
	enum policy_overlap_result result;
	int r;

	if (literal_bytes(written->text, written->length) == written->length)
		return policy_rule_matches(review, b, written->text, written->length,
					   POLICY_READING_DOTS | POLICY_READING_WIDE, ret_includes);
	r = start_search(review, a, written);
	if (r == 0)
		r = policy_review_add(review, b, b->targets, written, POLICY_ROLE_TARGET(0),
				      policy_rule_reading(b));
	if (r == 0)
		r = policy_review_add(review, b, b->excepts, written, POLICY_ROLE_EXCEPT(0),
				      POLICY_READING_DOTS | POLICY_READING_WIDE);
	if (r == 0)
		r = policy_overlap_search(&review->overlap, &result);
	if (r < 0)
		return r;
	if (result == POLICY_OVERLAP_UNKNOWN)
		policy_review_give_up(review, "some patterns are too intricate");
	*ret_includes = result == POLICY_OVERLAP_NONE;
	return 0;
}

/* --- verbs and who ----------------------------------------------------------------------- */

/* Does the unit match? A star in it is matched by a star only. */
static bool
unit_matches(const struct policy_ast_atom *glob, const struct policy_ast_atom *unit)
{
	uint32_t g = 0, u = 0, star = UINT32_MAX, mark = 0;

	while (u < unit->length) {
		if (g < glob->length && glob->text[g] == '*') {
			star = g++;
			mark = u;
		} else if (g < glob->length && glob->text[g] == unit->text[u]) {
			g++;
			u++;
		} else if (star != UINT32_MAX) {
			g = star + 1;
			u = ++mark;
		} else {
			return false;
		}
	}
	while (g < glob->length && glob->text[g] == '*')
		g++;
	return g == glob->length;
}

/* Does it hold for every peer for whom `known` does? */
static bool
atom_follows(const struct policy_ast_atom *atom, const struct policy_ast_atom *known)
{
	if (atom->kind != known->kind)
		return false;
	switch (atom->kind) {
	case POLICY_ATOM_USER:
	case POLICY_ATOM_GROUP:
		return atom->id == known->id;
	case POLICY_ATOM_UNIT:
		return unit_matches(atom, known);
	case POLICY_ATOM_LABEL:
		return atom->length == known->length &&
		       memcmp(atom->text, known->text, atom->length) == 0;
	default:
		return false;
	}
}

static bool
atom_follows_from(const struct policy_ast *ast, const struct policy_ast_atom *atom,
		  const struct policy_ast_conjunction *c)
{
	for (uint32_t i = 0; c && i < c->atoms.n; i++)
		if (atom_follows(atom, &ast->atoms.items[c->atoms.first + i]))
			return true;
	return atom->kind == POLICY_ATOM_ANY;
}

bool
policy_rule_is_for(struct policy_review *review, const struct policy_ast_rule *rule,
		   const struct policy_ast_conjunction *a, const struct policy_ast_conjunction *b)
{
	const struct policy_ast *ast = review->ast;

	if (review->overlap.steps <= 0)
		return false;
	review->overlap.steps -= rule->who.n;
	for (uint32_t i = 0; i < rule->who.n; i++) {
		const struct policy_ast_conjunction *c =
			&ast->conjunctions.items[rule->who.first + i];
		bool follows = !c->inert;

		for (uint32_t k = 0; k < c->atoms.n && follows; k++) {
			const struct policy_ast_atom *atom = &ast->atoms.items[c->atoms.first + k];

			follows =
				atom_follows_from(ast, atom, a) || atom_follows_from(ast, atom, b);
		}
		if (follows)
			return true;
	}
	return false;
}

bool
policy_who_meet(const struct policy_ast *ast, const struct policy_ast_conjunction *a,
		const struct policy_ast_conjunction *b)
{
	if (a->inert || b->inert)
		return false;
	for (uint32_t i = 0; i < a->atoms.n; i++)
		for (uint32_t k = 0; k < b->atoms.n; k++)
			if (policy_atoms_at_odds(&ast->atoms.items[a->atoms.first + i],
						 &ast->atoms.items[b->atoms.first + k]))
				return false;
	return true;
}

/* --- candidates -------------------------------------------------------------------------- */

struct finding {
	struct policy_review *review;
	policy_is_candidate *is_candidate;
	const void *context;
	uint32_t left;
	int r;
};

static bool
take_candidate(void *context, uint32_t rule)
{
	struct finding *f = context;
	struct policy_review *review = f->review;

	review->overlap.steps--;
	if (f->left-- == 0)
		return false;
	for (size_t i = 0; i < review->found.n; i++)
		if (review->found.items[i] == rule)
			return true;
	if (!f->is_candidate(review, f->context, &review->ast->rules.items[rule]))
		return true;
	if (review->found.n == FOUND_MAX)
		return false;
	f->r = policy_vector_push(&review->found, rule);
	return f->r == 0;
}

static int
compare_rules(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int
policy_review_find(struct policy_review *review, enum policy_verdict verdict,
		   policy_is_candidate *is_candidate, const void *context, bool *ret_all)
{
	struct finding f = {review, is_candidate, context, LOOKED_AT_MAX, 0};
	bool all = false;

	review->found.n = 0;
	review->overlap.steps -= FIND_STEPS;
	if (review->overlap.steps > 0)
		all = review->find(review->index, verdict, review->overlap.path,
				   review->overlap.length, take_candidate, &f);
	if (f.r < 0)
		return f.r;
	/* In whatever order they were found: the first in the files is named. */
	if (review->found.n > 1)
		qsort(review->found.items, review->found.n, sizeof(review->found.items[0]),
		      compare_rules);
	if (!all)
		policy_review_give_up(review, "there are too many of them");
	*ret_all = all;
	return 0;
}

/* --- messages ---------------------------------------------------------------------------- */

char *
policy_review_place(const struct policy_review *review, const struct policy_ast_rule *rule,
		    const char *after)
{
	char *text;

	if (asprintf(&text, "%s:%u%s", review->report->sources[rule->place.source].name,
		     rule->place.line, after) < 0)
		return NULL;
	return text;
}
