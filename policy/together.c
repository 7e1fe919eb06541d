/* SPDX-License-Identifier: MIT */
/* Two allows that together list the verbs of a request which neither grants. */
#include <string.h>

#include "compare.h"
#include "intern.h"

enum {
	ITEMS_MAX = 1 << 20,
	CHEAP_TESTS = 1 << 22,
	EXACT_TESTS = 20000,
	ROUNDS_MAX = 16, /* paths that are looked at for one pair */
	VERBS_ALL = POLICY_READ | POLICY_WRITE | POLICY_CREATE,
};

/* Those that a request can have; one verb is never divided. */
static const unsigned requests[] = {
	POLICY_READ | POLICY_WRITE,
	POLICY_READ | POLICY_CREATE,
	POLICY_WRITE | POLICY_CREATE,
	POLICY_READ | POLICY_WRITE | POLICY_CREATE,
};

/* A pattern of an allow. */
struct item {
	struct policy_written written;
	uint32_t prefix; /* bytes of it that all its paths begin with */
	uint32_t rule;
};

struct together {
	struct policy_review *review;
	POLICY_VECTOR(struct item) items;
	/* Items whose prefix the next one may begin with, by their verbs. */
	struct {
		uint32_t *items;
		size_t n;
		size_t room;
	} open[VERBS_ALL + 1];
	struct policy_intern reported; /* two numbers of rules */
	uint32_t cheap;
	uint32_t exact;
	bool stop;
};

/* Two rules, the peer that is just so that both are for it, and what it asks for. */
struct pair {
	const struct policy_ast_rule *a, *b;
	const struct policy_ast_conjunction *who_a, *who_b;
	const struct item *item_a, *item_b;
	unsigned verbs;
};

static bool
is_divided(unsigned request, unsigned a, unsigned b)
{
	return (request & ~(a | b)) == 0 && (request & ~a) != 0 && (request & ~b) != 0;
}

static bool
may_add_up(unsigned a, unsigned b)
{
	for (size_t i = 0; i < ELEMENTS(requests); i++)
		if (is_divided(requests[i], a, b))
			return true;
	return false;
}

/* Decides the request of the pair, if it matches the path. */
static bool
decides(struct policy_review *review, const void *context, const struct policy_ast_rule *rule)
{
	const struct pair *pair = context;
	unsigned covered = policy_verbs_covered(rule->verdict, rule->verbs);

	if (rule->verdict == POLICY_DENY ? !(covered & pair->verbs) : (pair->verbs & ~covered) != 0)
		return false;
	return policy_rule_is_for(review, rule, pair->who_a, pair->who_b);
}

/*
 * The rules that decide the request on the path that was found: later paths avoid them, as pairs
 * from *n on. ret_free: there are none.
 */
static int
avoid_deciders(struct policy_review *review, const struct pair *pair, enum policy_verdict verdict,
	       unsigned *n, bool *ret_free)
{
	const struct policy_overlap *o = &review->overlap;
	bool all, matches;
	int r;

	r = policy_review_find(review, verdict, decides, pair, &all);
	*ret_free = r == 0 && all;
	for (size_t i = 0; r == 0 && i < review->found.n; i++) {
		const struct policy_ast_rule *rule =
			&review->ast->rules.items[review->found.items[i]];
		const struct policy_written *near = &pair->item_a->written;

		r = policy_rule_matches(review, rule, o->path, o->length, POLICY_READING_DOTS,
					&matches);
		if (r < 0 || !matches)
			continue;
		*ret_free = false;
		if (*n == POLICY_PAIRS_MAX)
			continue;
		r = policy_review_add(review, rule, rule->targets, near, POLICY_ROLE_TARGET(*n),
				      policy_rule_reading(rule));
		if (r == 0)
			r = policy_review_add(review, rule, rule->excepts, near,
					      POLICY_ROLE_EXCEPT(*n), POLICY_READING_DOTS);
		(*n)++;
	}
	return r;
}

static int
start_pair(struct policy_review *review, const struct pair *pair)
{
	const struct policy_automaton *a, *b;
	int r;

	review->overlap.members.n = 0;
	r = policy_review_automaton(review, &pair->item_a->written, &a);
	if (r == 0)
		r = policy_review_automaton(review, &pair->item_b->written, &b);
	if (r == 0)
		r = policy_overlap_add(&review->overlap, a, POLICY_ROLE_FIRST,
				       policy_rule_reading(pair->a));
	if (r == 0)
		r = policy_overlap_add(&review->overlap, b, POLICY_ROLE_SECOND,
				       policy_rule_reading(pair->b));
	if (r == 0)
		r = policy_review_add(review, pair->a, pair->a->excepts, &pair->item_b->written,
				      POLICY_ROLE_NOT, POLICY_READING_DOTS);
	if (r == 0)
		r = policy_review_add(review, pair->b, pair->b->excepts, &pair->item_a->written,
				      POLICY_ROLE_NOT, POLICY_READING_DOTS);
	return r;
}

/* Is there a path on which nothing decides the request? It is in overlap.path then. */
static int
find_path(struct policy_review *review, const struct pair *pair, bool *ret_found)
{
	enum policy_overlap_result result;
	unsigned n = 0;
	int r = start_pair(review, pair);

	*ret_found = false;
	for (unsigned round = 0; r == 0 && round < ROUNDS_MAX; round++) {
		bool undenied, unallowed;
		unsigned before = n;

		r = policy_overlap_search(&review->overlap, &result);
		if (r < 0 || result == POLICY_OVERLAP_NONE)
			return r;
		if (result == POLICY_OVERLAP_UNKNOWN)
			break;
		r = avoid_deciders(review, pair, POLICY_DENY, &n, &undenied);
		if (r == 0)
			r = avoid_deciders(review, pair, POLICY_ALLOW, &n, &unallowed);
		if (r < 0)
			return r;
		if (review->overlap.steps <= 0)
			break;
		if (undenied && unallowed) {
			*ret_found = true;
			return 0;
		}
		if (n == before)
			break;
	}
	policy_review_give_up(review, "some patterns are too intricate");
	return r;
}

static void
pair_numbers(const struct together *t, const struct pair *pair, uint32_t ret_numbers[2])
{
	uint32_t a = (uint32_t)(pair->a - t->review->ast->rules.items);
	uint32_t b = (uint32_t)(pair->b - t->review->ast->rules.items);

	ret_numbers[0] = a < b ? a : b;
	ret_numbers[1] = a < b ? b : a;
}

static bool
was_reported(const struct together *t, const struct pair *pair)
{
	uint32_t numbers[2], id;

	pair_numbers(t, pair, numbers);
	return policy_intern_find(&t->reported, numbers, sizeof(numbers), &id) == 0;
}

static int
report_pair(struct together *t, const struct pair *pair)
{
	struct policy_review *review = t->review;
	const struct policy_ast_rule *first = pair->a < pair->b ? pair->a : pair->b;
	const struct policy_ast_rule *later = pair->a < pair->b ? pair->b : pair->a;
	uint32_t numbers[2], id;
	_cleanup_free_ char *argument = NULL, *place = NULL;
	char verbs[POLICY_VERBS_TEXT_MAX];
	int r;

	pair_numbers(t, pair, numbers);
	r = policy_intern(&t->reported, numbers, sizeof(numbers), &id);
	if (r < 0)
		return r;
	place = policy_review_place(review, first, "");
	if (!place || asprintf(&argument, "'%s' on %.*s", policy_verbs_text(pair->verbs, verbs),
			       (int)review->overlap.length, review->overlap.path) < 0)
		return -ENOMEM;
	policy_report_add(
		review->report, POLICY_CODE_TOGETHER, &later->place,
		policy_word_from(&later->place, later->who_span.at + later->who_span.length),
		argument, "the other is %s: one rule has to list every verb", place);
	return 0;
}

/* Each peer and each request that the two rules could be for. */
static int
compare_exactly(struct together *t, struct pair *pair)
{
	const struct policy_ast *ast = t->review->ast;
	int r;

	for (uint32_t i = 0; i < pair->a->who.n * pair->b->who.n; i++) {
		pair->who_a = &ast->conjunctions.items[pair->a->who.first + i / pair->b->who.n];
		pair->who_b = &ast->conjunctions.items[pair->b->who.first + i % pair->b->who.n];
		t->review->overlap.steps--;
		if (!policy_who_meet(ast, pair->who_a, pair->who_b))
			continue;
		for (size_t k = 0; k < ELEMENTS(requests); k++) {
			bool found;

			pair->verbs = requests[k];
			if (!is_divided(requests[k], pair->a->verbs, pair->b->verbs))
				continue;
			if (t->exact++ == EXACT_TESTS || t->review->overlap.steps <= 0) {
				policy_review_give_up(t->review, "there are too many of them");
				return 0;
			}
			r = find_path(t->review, pair, &found);
			if (r < 0)
				return r;
			if (found)
				return report_pair(t, pair);
		}
	}
	return 0;
}

static bool
may_be_one_peer(struct policy_review *review, const struct policy_ast_rule *a,
		const struct policy_ast_rule *b)
{
	const struct policy_ast_conjunction *items = review->ast->conjunctions.items;

	for (uint32_t i = 0; i < a->who.n; i++) {
		for (uint32_t k = 0; k < b->who.n; k++) {
			review->overlap.steps--;
			if (policy_who_meet(review->ast, &items[a->who.first + i],
					    &items[b->who.first + k]))
				return true;
		}
	}
	return false;
}

static int
compare_items(struct together *t, const struct item *a, const struct item *b)
{
	const struct policy_ast_rule *rules = t->review->ast->rules.items;
	struct pair pair = {.a = &rules[a->rule], .b = &rules[b->rule], .item_a = a, .item_b = b};

	if (a->rule == b->rule || !(pair.a->options.types & pair.b->options.types) ||
	    !policy_may_meet(a->written.text, a->written.length, b->written.text,
			     b->written.length) ||
	    !may_be_one_peer(t->review, pair.a, pair.b) || was_reported(t, &pair))
		return 0;
	policy_review_forget(t->review);
	return compare_exactly(t, &pair);
}

/* A beginning comes before all that begins with it, and these come together. */
static int
compare_prefixes(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	uint32_t least = x->prefix < y->prefix ? x->prefix : y->prefix;
	int c = memcmp(x->written.text, y->written.text, least);

	if (c != 0)
		return c;
	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	return x->written.target < y->written.target ? -1 : x->written.target > y->written.target;
}

static bool
may_hold(const struct item *open, const struct item *item)
{
	if (open->prefix == open->written.length && item->prefix != open->prefix)
		return false;
	return open->prefix <= item->prefix &&
	       memcmp(open->written.text, item->written.text, open->prefix) == 0;
}

/* Those whose paths the item, and what comes after it, does not share. */
static void
close_items(struct together *t, unsigned verbs, const struct item *item)
{
	typeof(t->open[0]) *open = &t->open[verbs];

	while (open->n > 0 && !may_hold(&t->items.items[open->items[open->n - 1]], item))
		open->n--;
}

/* The item with those of these verbs whose prefix it begins with. */
static int
compare_open(struct together *t, unsigned verbs, const struct item *item)
{
	typeof(t->open[0]) *open = &t->open[verbs];
	int r;

	close_items(t, verbs, item);
	for (size_t k = 0; k < open->n; k++) {
		if (t->cheap++ == CHEAP_TESTS || t->exact > EXACT_TESTS ||
		    t->review->overlap.steps <= 0) {
			policy_review_give_up(t->review, "there are too many of them");
			t->stop = true;
			return 0;
		}
		r = compare_items(t, &t->items.items[open->items[k]], item);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
compare_all(struct together *t)
{
	int r;

	if (t->items.n > 0)
		qsort(t->items.items, t->items.n, sizeof(struct item), compare_prefixes);
	for (uint32_t i = 0; i < t->items.n && !t->stop; i++) {
		const struct item *item = &t->items.items[i];
		unsigned mine = t->review->ast->rules.items[item->rule].verbs & VERBS_ALL;

		for (unsigned verbs = 0; verbs <= VERBS_ALL && !t->stop; verbs++) {
			if (!may_add_up(verbs, mine))
				continue;
			r = compare_open(t, verbs, item);
			if (r < 0)
				return r;
		}
		close_items(t, mine, item);
		r = policy_vector_push(&t->open[mine], i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
collect_items(struct together *t)
{
	const struct policy_ast *ast = t->review->ast;

	for (uint32_t i = 0; i < ast->rules.n; i++) {
		const struct policy_ast_rule *rule = &ast->rules.items[i];
		struct policy_patterns patterns = policy_patterns_of(ast, rule, rule->targets);
		struct policy_written w;

		/* What covers a rule stands for it: with that one, other rules add up as well. */
		if (rule->verdict != POLICY_ALLOW || t->review->skipped[i] ||
		    (rule->verbs & VERBS_ALL) == 0 || (rule->verbs & VERBS_ALL) == VERBS_ALL)
			continue;
		while (policy_patterns_next(&patterns, &w)) {
			int r;

			if (t->items.n == ITEMS_MAX) {
				policy_review_give_up(t->review, "there are too many of them");
				return 0;
			}
			r = policy_vector_push(&t->items,
					       (struct item){w, policy_literal_prefix(&w), i});
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int
policy_review_together(struct policy_review *review)
{
	struct together t = {.review = review};
	int r = collect_items(&t);

	if (r == 0)
		r = compare_all(&t);
	policy_vector_free(&t.items);
	for (unsigned verbs = 0; verbs <= VERBS_ALL; verbs++)
		policy_vector_free(&t.open[verbs]);
	policy_intern_free(&t.reported);
	return r;
}
