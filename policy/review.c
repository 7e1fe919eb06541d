/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "compare.h"

enum {
	/* Steps of policy/overlap.c: what each load may take, and what a thorough review may. */
	LOAD_STEPS = 1 << 23,
	LOAD_STEPS_RULE = 128,
	THOROUGH_STEPS = 1 << 27,
};

/* Why a target has no effect, or the number of the deny. */
#define ALIVE     UINT32_MAX
#define BY_EXCEPT (UINT32_MAX - 1)

struct cause {
	uint32_t rule;
	bool others;  /* not this deny alone */
	bool nothing; /* a pattern matches no path: `[.]a` skips what begins with a dot */
};

static bool
is_inert(const struct policy_ast *ast, const struct policy_ast_rule *rule)
{
	for (uint32_t i = 0; i < rule->who.n; i++)
		if (!ast->conjunctions.items[rule->who.first + i].inert)
			return false;
	return true;
}

/* --- dead rules -------------------------------------------------------------------------- */

/* A deny that takes something from the rule, for good. */
static bool
takes_from(struct policy_review *review, const void *context, const struct policy_ast_rule *deny)
{
	const struct policy_ast_rule *rule = context;
	const struct policy_ast *ast = review->ast;

	if (deny->options.until != POLICY_FOREVER ||
	    !(policy_verbs_covered(POLICY_DENY, deny->verbs) & rule->verbs))
		return false;
	for (uint32_t i = 0; i < rule->who.n; i++) {
		const struct policy_ast_conjunction *c =
			&ast->conjunctions.items[rule->who.first + i];

		if (!c->inert && policy_rule_is_for(review, deny, c, NULL))
			return true;
	}
	return false;
}

/* Behind the brace or bracket that opens at text[at]: its end. */
static uint32_t
closing(const struct policy_written *w, uint32_t at, char close)
{
	const char *end = memchr(w->text + at, close, w->length - at);

	return end ? (uint32_t)(end - w->text) : w->length;
}

/* A path that the pattern matches, without any search. False: the pattern is not that simple. */
static bool
plain_path(const struct policy_written *w, char *path, size_t *ret_length)
{
	size_t n = 0;

	if (w->length > POLICY_PATH_MAX)
		return false;
	for (uint32_t i = 0; i < w->length; i++) {
		switch (w->text[i]) {
		case '$':
		case '\\':
			return false;
		case '[':
			path[n++] = w->text[i + 1];
			i = closing(w, i, ']');
			if (path[n - 1] == '.' || path[n - 1] == '\\')
				return false;
			break;
		case '{':
			for (i++; i < w->length && w->text[i] != ',' && w->text[i] != '}'; i++)
				path[n++] = w->text[i];
			i = closing(w, i, '}');
			break;
		case '*':
			if (i + 1 < w->length && w->text[i + 1] == '*') {
				/* `**` stands for nothing: not even for its slash. */
				n--;
				i++;
			} else {
				path[n++] = 'x';
			}
			break;
		default:
			path[n++] = w->text[i];
			break;
		}
	}
	if (n == 0)
		path[n++] = '/';
	*ret_length = n;
	return !memchr(path, '\\', n) && policy_path_is_canonical(path, n);
}

struct taken {
	struct policy_review *review;
	const struct policy_ast_rule *rule;
	bool found;
};

static bool
note_taken(void *context, uint32_t deny)
{
	struct taken *t = context;

	t->found = takes_from(t->review, t->rule, &t->review->ast->rules.items[deny]);
	return !t->found;
}

/* Nearly every pattern is: a path of it that no deny and no except is anywhere near. */
static bool
is_plainly_alive(struct policy_review *review, const struct policy_ast_rule *rule,
		 const struct policy_written *written, bool denies)
{
	struct policy_patterns excepts = policy_patterns_of(review->ast, rule, rule->excepts);
	struct taken taken = {review, rule, false};
	_uninitialized_ char path[POLICY_PATH_MAX];
	struct policy_written except;
	size_t length;

	if (!plain_path(written, path, &length))
		return false;
	while (policy_patterns_next(&excepts, &except)) {
		uint32_t prefix = policy_literal_prefix(&except);

		if (prefix <= length && memcmp(except.text, path, prefix) == 0)
			return false;
	}
	return !denies ||
	       review->find(review->index, POLICY_DENY, path, length, note_taken, &taken);
}

/* Which of the rule's verbs do the denies that were found leave to somebody? */
static unsigned
verbs_left(struct policy_review *review, const struct policy_ast_rule *rule, const bool *counts)
{
	const struct policy_ast *ast = review->ast;
	unsigned left = 0;

	for (uint32_t i = 0; i < rule->who.n && left == 0; i++) {
		const struct policy_ast_conjunction *c =
			&ast->conjunctions.items[rule->who.first + i];

		if (c->inert)
			continue;
		left = rule->verbs;
		for (size_t k = 0; k < review->found.n && left != 0; k++) {
			const struct policy_ast_rule *deny =
				&ast->rules.items[review->found.items[k]];

			if (counts[k] && policy_rule_is_for(review, deny, c, NULL))
				left &= ~policy_verbs_covered(POLICY_DENY, deny->verbs);
		}
	}
	return left;
}

/* Is this pattern of the rule denied to everybody, for every verb? */
static int
find_cause(struct policy_review *review, const struct policy_ast_rule *rule,
	   const struct policy_written *written, bool denies, struct cause *ret_cause)
{
	enum policy_overlap_result result;
	_cleanup_free_ bool *counts = NULL;
	bool all;
	int r;

	*ret_cause = (struct cause){.rule = ALIVE};
	r = policy_review_witness(review, rule, written, &result);
	if (r < 0)
		return r;
	if (result == POLICY_OVERLAP_NONE)
		*ret_cause = (struct cause){.rule = BY_EXCEPT, .nothing = rule->excepts.n == 0};
	if (result != POLICY_OVERLAP_FOUND || !denies)
		return 0;
	r = policy_review_find(review, POLICY_DENY, takes_from, rule, &all);
	if (r < 0 || review->found.n == 0)
		return r;
	counts = malloc(review->found.n * sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	for (size_t i = 0; i < review->found.n; i++) {
		r = policy_rule_matches(review, &review->ast->rules.items[review->found.items[i]],
					review->overlap.path, review->overlap.length,
					POLICY_READING_DOTS | POLICY_READING_WIDE, &counts[i]);
		if (r < 0)
			return r;
	}
	/* Most rules end here: the search is for those that may be dead. */
	if (verbs_left(review, rule, counts) != 0)
		return 0;
	for (size_t i = 0; i < review->found.n; i++) {
		const struct policy_ast_rule *deny =
			&review->ast->rules.items[review->found.items[i]];

		if (!counts[i])
			continue;
		r = policy_review_includes(review, deny, rule, written, &counts[i]);
		if (r < 0)
			return r;
		if (!counts[i] && verbs_left(review, rule, counts) != 0)
			return 0;
	}
	for (size_t i = review->found.n; i-- > 0;) {
		if (!counts[i])
			continue;
		/* Name only those that it takes. */
		counts[i] = false;
		if (verbs_left(review, rule, counts) == 0)
			continue;
		counts[i] = true;
		ret_cause->others = ret_cause->rule != ALIVE;
		ret_cause->rule = review->found.items[i];
	}
	return 0;
}

static int
report_dead(struct policy_review *review, const struct policy_ast_rule *rule, enum policy_code code,
	    struct policy_span span, struct cause cause)
{
	const char *what = code == POLICY_CODE_DEAD ? "rule" : "target";
	_cleanup_free_ char *argument = NULL;

	if (cause.rule == BY_EXCEPT && cause.nothing) {
		policy_report_add(review->report, code, &rule->place, span, "it matches no path",
				  "a wildcard takes a leading dot only where the rule is 'hidden'");
		return 0;
	}
	if (cause.rule == BY_EXCEPT) {
		policy_report_add(review->report, code, &rule->place, span,
				  "its own 'except' covers it",
				  "take the %s out, or except less from it", what);
		return 0;
	}
	argument = policy_review_place(review, &review->ast->rules.items[cause.rule],
				       cause.others ? " and other rules deny it" : " denies it");
	if (!argument)
		return -ENOMEM;
	policy_report_add(review->report, code, &rule->place, span, argument,
			  "a deny always wins: take the %s out, or let the deny except it", what);
	return 0;
}

/* causes: of the rule's targets. */
static int
report_causes(struct policy_review *review, uint32_t number, const struct cause *causes)
{
	const struct policy_ast_rule *rule = &review->ast->rules.items[number];
	struct cause whole = {.rule = BY_EXCEPT};
	uint32_t n = 0;
	int r = 0;

	for (uint32_t i = 0; i < rule->targets.n; i++) {
		/* What could be found without any other rule is no error of a load. */
		n += causes[i].rule != ALIVE && !causes[i].nothing;
		if (causes[i].rule == BY_EXCEPT)
			continue;
		if (whole.rule == BY_EXCEPT)
			whole = causes[i];
		whole.others |= causes[i].others || whole.rule != causes[i].rule;
	}
	if (n == rule->targets.n) {
		review->skipped[number] = true;
		return report_dead(review, rule, POLICY_CODE_DEAD,
				   policy_word_from(&rule->place, 0), whole);
	}
	for (uint32_t i = 0; r == 0 && i < rule->targets.n; i++)
		if (causes[i].rule != ALIVE)
			r = report_dead(review, rule, POLICY_CODE_DEAD_TARGET,
					review->ast->targets.items[rule->targets.first + i].span,
					causes[i]);
	return r;
}

static int
review_dead(struct policy_review *review, uint32_t number, unsigned denied)
{
	const struct policy_ast_rule *rule = &review->ast->rules.items[number];
	struct policy_patterns patterns = policy_patterns_of(review->ast, rule, rule->targets);
	bool denies = (rule->verbs & ~denied) == 0;
	_cleanup_free_ struct cause *causes = NULL;
	struct policy_written w;
	int r;

	if (rule->verdict != POLICY_ALLOW ||
	    (!denies && rule->excepts.n == 0 && !review->thorough) || is_inert(review->ast, rule))
		return 0;
	if (!review->thorough && policy_patterns_next(&patterns, &w) &&
	    is_plainly_alive(review, rule, &w, denies))
		return 0;
	patterns = policy_patterns_of(review->ast, rule, rule->targets);
	causes = malloc((rule->targets.n + 1) * sizeof(*causes));
	if (!causes)
		return -ENOMEM;
	for (uint32_t i = 0; i < rule->targets.n; i++)
		causes[i] = (struct cause){.rule = BY_EXCEPT};
	while (policy_patterns_next(&patterns, &w)) {
		struct cause *known = &causes[w.named - rule->targets.first], cause;

		if (known->rule == ALIVE)
			continue;
		r = find_cause(review, rule, &w, denies, &cause);
		if (r < 0)
			return r;
		if ((cause.rule == ALIVE || cause.nothing) && !review->thorough)
			return 0;
		cause.nothing |= known->nothing;
		known->nothing = cause.nothing;
		if (known->rule != BY_EXCEPT && cause.rule != ALIVE)
			known->others |= cause.others ||
					 (cause.rule != BY_EXCEPT && cause.rule != known->rule);
		else
			*known = cause;
	}
	return report_causes(review, number, causes);
}

/* --- covered rules ----------------------------------------------------------------------- */

static bool
same_options(const struct policy_options *a, const struct policy_options *b)
{
	return a->types == b->types && a->owner == b->owner && a->strict == b->strict &&
	       a->audit == b->audit && a->exec == b->exec &&
	       a->symlinks_beneath == b->symlinks_beneath && a->mode == b->mode &&
	       (a->owner != POLICY_OWNER_UID || a->owner_uid == b->owner_uid);
}

/* But for the paths. */
static bool
may_cover(struct policy_review *review, const void *context, const struct policy_ast_rule *b)
{
	const struct policy_ast_rule *a = context;
	const struct policy_ast *ast = review->ast;

	if (a == b || review->skipped[b - ast->rules.items] ||
	    (policy_verbs_covered(a->verdict, a->verbs) &
	     ~policy_verbs_covered(b->verdict, b->verbs)) != 0 ||
	    b->options.until < a->options.until || !same_options(&a->options, &b->options))
		return false;
	for (uint32_t i = 0; i < a->who.n; i++) {
		const struct policy_ast_conjunction *c = &ast->conjunctions.items[a->who.first + i];

		if (!c->inert && !policy_rule_is_for(review, b, c, NULL))
			return false;
	}
	return true;
}

static int
covers_paths(struct policy_review *review, const struct policy_ast_rule *b,
	     const struct policy_ast_rule *a, bool *ret_covers)
{
	struct policy_patterns patterns = policy_patterns_of(review->ast, a, a->targets);
	struct policy_written w;
	int r = 0;

	*ret_covers = true;
	while (r == 0 && *ret_covers && policy_patterns_next(&patterns, &w)) {
		enum policy_overlap_result result;

		r = policy_review_witness(review, a, &w, &result);
		if (r == 0 && result != POLICY_OVERLAP_NONE)
			r = policy_review_includes(review, b, a, &w, ret_covers);
		if (review->overlap.steps <= 0)
			*ret_covers = false;
	}
	return r;
}

/* Does b make a superfluous? Of two equal rules it is the later one that is. */
static int
covers(struct policy_review *review, const struct policy_ast_rule *b,
       const struct policy_ast_rule *a, bool *ret_covers)
{
	bool back = false;
	int r = covers_paths(review, b, a, ret_covers);

	if (r < 0 || !*ret_covers || b < a || !may_cover(review, b, a))
		return r;
	r = covers_paths(review, a, b, &back);
	*ret_covers = !back;
	return r;
}

static int
review_covered(struct policy_review *review, uint32_t number)
{
	const struct policy_ast_rule *rule = &review->ast->rules.items[number];
	struct policy_patterns patterns = policy_patterns_of(review->ast, rule, rule->targets);
	enum policy_overlap_result result = POLICY_OVERLAP_NONE;
	struct policy_written w;
	bool covered = false, all;
	int r = 0;

	if (review->skipped[number] || is_inert(review->ast, rule))
		return 0;
	while (r == 0 && result != POLICY_OVERLAP_FOUND && policy_patterns_next(&patterns, &w))
		r = policy_review_witness(review, rule, &w, &result);
	if (r < 0 || result != POLICY_OVERLAP_FOUND)
		return r;
	r = policy_review_find(review, rule->verdict, may_cover, rule, &all);
	for (size_t i = 0; r == 0 && !covered && i < review->found.n; i++) {
		const struct policy_ast_rule *b = &review->ast->rules.items[review->found.items[i]];
		_cleanup_free_ char *argument = NULL;

		r = covers(review, b, rule, &covered);
		if (r < 0 || !covered)
			continue;
		argument = policy_review_place(review, b, "");
		if (!argument)
			return -ENOMEM;
		policy_report_add(review->report, POLICY_CODE_COVERED, &rule->place,
				  policy_word_from(&rule->place, 0), argument,
				  "take this rule out: it changes nothing");
	}
	review->skipped[number] = covered;
	return r;
}

/* ----------------------------------------------------------------------------------------- */

static int
review_all(struct policy_review *review)
{
	const struct policy_ast *ast = review->ast;
	unsigned denied = 0;
	int r = 0;

	for (uint32_t i = 0; i < ast->rules.n; i++)
		if (ast->rules.items[i].verdict == POLICY_DENY &&
		    ast->rules.items[i].options.until == POLICY_FOREVER)
			denied |= policy_verbs_covered(POLICY_DENY, ast->rules.items[i].verbs);
	for (uint32_t i = 0; r == 0 && i < ast->rules.n; i++) {
		r = review_dead(review, i, denied);
		policy_review_forget(review);
	}
	for (uint32_t i = 0; r == 0 && review->thorough && i < ast->rules.n; i++) {
		r = review_covered(review, i);
		policy_review_forget(review);
	}
	if (r == 0 && review->thorough)
		r = policy_review_together(review);
	return r;
}

int
policy_review(const struct policy_ast *ast, struct policy_report *report, unsigned flags,
	      policy_candidates *find, const void *index)
{
	struct policy_review review = {
		.ast = ast,
		.report = report,
		.thorough = flags & POLICY_COMPILE_REVIEW,
		.find = find,
		.index = index,
	};
	int r;

	if (ast->rules.n == 0)
		return 0;
	review.overlap.steps = LOAD_STEPS + LOAD_STEPS_RULE * (int64_t)ast->rules.n;
	if (review.thorough)
		review.overlap.steps += THOROUGH_STEPS;
	r = policy_review_init(&review);
	if (r == 0)
		r = review_all(&review);
	if (review.overlap.steps <= 0)
		policy_review_give_up(&review, "there are too many of them");
	if (r == 0 && review.thorough && review.unproven) {
		const struct policy_place policy = {.text = ""};

		policy_report_add(report, POLICY_CODE_NOT_REVIEWED, &policy,
				  (struct policy_span){0}, review.unproven,
				  "what was reported is true; there may be more");
	}
	policy_review_done(&review);
	return r;
}
