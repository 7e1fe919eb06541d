/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match.h"

/* One question, and the best answer so far. */
struct decide {
	const struct policy_image *image;
	const struct policy_identity *identity;
	const struct policy_request *request;
	struct policy_split split;
	int64_t steps;
	bool exhausted;
	uint32_t deny;           /* the first rule that denies, or POLICY_NO_RULE */
	uint32_t allow;          /* likewise, from request->from on */
	struct walk_place place; /* where the pattern of `allow` ended */
	struct walk walk;
	struct walk except; /* within a step of `walk` */
};

static bool
is_excepted(struct decide *d, const struct image_rule *rule)
{
	for (uint32_t i = 0; i < rule->excepts.n; i++) {
		struct walk_place place;

		policy_walk_start(&d->except, d->image, d->identity, &d->split,
				  d->image->excepts[rule->excepts.first + i], &d->steps);
		while (policy_walk_next(&d->except, &place))
			if (image_node(d->image, place.node)->shape & IMAGE_NODE_ENDS)
				return true;
		d->exhausted |= d->except.exhausted;
	}
	return false;
}

static bool
is_over(const struct policy_image *image, const struct image_rule *rule, int32_t day)
{
	return rule->expires && day != POLICY_NO_DAY &&
	       image->options[rule->options].options.until < day;
}

/* A deny takes a request of which it covers one verb; an allow has to cover all. */
static bool
verbs_hold(bool denies, unsigned covers, unsigned verbs)
{
	return denies ? (covers & verbs) != 0 : (covers & verbs) == verbs;
}

static void
consider(struct decide *d, const struct image_entry *entry, const struct walk_place *place)
{
	uint32_t number = entry->rule;
	bool denies = image_verdict(d->image, number) == POLICY_DENY;

	if (!verbs_hold(denies, entry->covers, d->request->verbs))
		return;
	if (denies ? number >= d->deny : number >= d->allow || number < d->request->from)
		return;
	if (entry->more) {
		const struct image_rule *rule = &d->image->rules[number];

		if (is_over(d->image, rule, d->request->day) || is_excepted(d, rule))
			return;
	}
	if (denies) {
		d->deny = number;
	} else {
		d->allow = number;
		d->place = *place;
	}
}

/* The first of these entries for this subject or a higher one. */
static uint32_t
find_entry(const struct image_entry *entries, uint32_t subject, uint32_t low, uint32_t high)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (entries[middle].subject < subject)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Entries of rules, sorted by subject; the shorter of the two lists is gone through. */
static void
consider_entries(struct decide *d, const struct image_entry *entries, uint32_t n,
		 const struct walk_place *place)
{
	const struct policy_identity *identity = d->identity;
	uint32_t at = 0;

	if (n <= 16 * (identity->n_subjects + 1)) {
		d->steps -= n / 4;
		for (; at < n; at++)
			if (policy_identity_is(identity, entries[at].subject))
				consider(d, &entries[at], place);
		return;
	}
	for (size_t i = 0; i < identity->n_subjects && at < n && d->steps >= 0; i++) {
		uint32_t subject = identity->subjects[i];

		d->steps -= 4;
		at = find_entry(entries, subject, at, n);
		for (; at < n && entries[at].subject == subject && d->steps >= 0; at++) {
			d->steps--;
			consider(d, &entries[at], place);
		}
	}
}

/* Lists stand at the end. */
static void
consider_node(struct decide *d, const struct image_entry *entries, uint32_t n,
	      const struct walk_place *place)
{
	const struct policy_image *image = d->image;

	while (n > 0 && entries[n - 1].subject == IMAGE_NONE && d->steps >= 0) {
		uint32_t n_list;
		const struct image_entry *list = image_list(image, entries[--n].rule, &n_list);

		d->steps--;
		consider_entries(d, list, n_list, place);
	}
	consider_entries(d, entries, n, place);
}

static void
decide(struct decide *d)
{
	struct walk_place place;

	policy_walk_start(&d->walk, d->image, d->identity, &d->split, 0, &d->steps);
	while (policy_walk_next(&d->walk, &place)) {
		const struct image_node *node = image_node(d->image, place.node);

		if (node->n_denies > 0)
			consider_node(d, image_denies(node), node->n_denies, &place);
		if (node->n_allows > 0 && d->deny == POLICY_NO_RULE)
			consider_node(d, image_allows(node), node->n_allows, &place);
	}
	d->exhausted |= d->walk.exhausted || d->steps < 0;
}

void
policy_decide(const struct policy_image *image, const struct policy_identity *identity,
	      const struct policy_request *request, struct policy_decision *ret_decision)
{
	_uninitialized_ struct decide d; /* large: what is read of it is set below */

	*ret_decision = (struct policy_decision){.rule = POLICY_NO_RULE};
	if (request->verbs == 0 || (request->verbs & ~(unsigned)POLICY_VERBS_ALL) ||
	    !policy_split_for(image, request->path, request->length, &d.split))
		return;
	d.image = image;
	d.identity = identity;
	d.request = request;
	d.steps = POLICY_STEPS_MAX;
	d.exhausted = false;
	d.deny = d.allow = POLICY_NO_RULE;
	decide(&d);
	if (d.exhausted) {
		ret_decision->exhausted = true;
	} else if (d.deny != POLICY_NO_RULE) {
		ret_decision->rule = d.deny;
	} else if (d.allow != POLICY_NO_RULE) {
		const struct policy_split *split = &d.split;
		uint8_t fixed = d.place.fixed;

		ret_decision->verdict = POLICY_ALLOW;
		ret_decision->rule = d.allow;
		ret_decision->next = image->options[image->rules[d.allow].options].end;
		ret_decision->literal = !(d.place.flags & WALK_WILD) && split->n > 0;
		if (ret_decision->literal)
			fixed--;
		if (fixed > 0)
			ret_decision->prefix = (uint16_t)(split->names[fixed - 1].at +
							  split->names[fixed - 1].length);
	}
}

/* --- for people and for the compiler ----------------------------------------------------- */

struct explain {
	struct decide d;
	policy_explain_fn *fn;
	void *context;
	unsigned clause; /* that does not hold for all that is found now */
};

static void
explain_rule(struct explain *e, uint32_t subject, uint32_t number)
{
	const struct image_rule *rule = &e->d.image->rules[number];
	unsigned failed = e->clause;
	bool denies = image_verdict(e->d.image, number) == POLICY_DENY;

	if (!policy_identity_is(e->d.identity, subject))
		failed |= POLICY_CLAUSE_WHO;
	if (!verbs_hold(denies, rule->covers, e->d.request->verbs))
		failed |= POLICY_CLAUSE_VERBS;
	if (is_over(e->d.image, rule, e->d.request->day))
		failed |= POLICY_CLAUSE_UNTIL;
	if (is_excepted(&e->d, rule))
		failed |= POLICY_CLAUSE_EXCEPT;
	e->fn(e->context, number, failed);
}

static void
explain_entries(struct explain *e, const struct image_entry *entries, uint32_t n)
{
	for (uint32_t i = 0; i < n && e->d.steps >= 0; i++) {
		e->d.steps--;
		if (entries[i].subject == IMAGE_NONE) {
			uint32_t n_list;
			const struct image_entry *list =
				image_list(e->d.image, entries[i].rule, &n_list);

			explain_entries(e, list, n_list);
		} else {
			explain_rule(e, entries[i].subject, entries[i].rule);
		}
	}
}

bool
policy_explain(const struct policy_image *image, const struct policy_identity *identity,
	       const struct policy_request *request, policy_explain_fn *fn, void *context)
{
	struct explain e = {
		.d = {.image = image,
		      .identity = identity,
		      .request = request,
		      .steps = (int64_t)POLICY_STEPS_MAX * 100000},
		.fn = fn,
		.context = context,
	};

	if (!policy_split(request->path, request->length, &e.d.split))
		return true;
	/* Once as it is, and once as if wildcards took leading dots. */
	for (int pass = 0; pass < (e.d.split.dots[e.d.split.n] > 0 ? 2 : 1); pass++) {
		struct walk_place place;

		policy_walk_start(&e.d.walk, image, identity, &e.d.split, 0, &e.d.steps);
		e.d.walk.any_dots = pass == 1;
		e.clause = pass == 1 ? POLICY_CLAUSE_DOT : 0;
		while (policy_walk_next(&e.d.walk, &place)) {
			const struct image_node *node = image_node(image, place.node);

			explain_entries(&e, image_denies(node), node->n_denies + node->n_allows);
		}
		e.d.exhausted |= e.d.walk.exhausted;
	}
	return !e.d.exhausted && e.d.steps >= 0;
}

static bool
each_entry(const struct policy_image *image, const struct image_entry *entries, uint32_t n,
	   bool (*fn)(void *context, uint32_t rule), void *context)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct image_entry *list;
		uint32_t n_list;
		bool more;

		if (entries[i].subject == IMAGE_NONE) {
			list = image_list(image, entries[i].rule, &n_list);
			more = each_entry(image, list, n_list, fn, context);
		} else {
			more = fn(context, entries[i].rule);
		}
		if (!more)
			return false;
	}
	return true;
}

bool
policy_each_match(const struct policy_image *image, const char *path, size_t length,
		  enum policy_verdict verdict, bool (*fn)(void *context, uint32_t rule),
		  void *context)
{
	const struct policy_identity nobody = {
		.user = "${user}", .user_length = 7, .uid = "${uid}", .uid_length = 6};
	_uninitialized_ struct walk walk;
	struct policy_split split;
	struct walk_place place;
	int64_t steps = POLICY_STEPS_MAX;

	if (!policy_split(path, length, &split))
		return true;
	policy_walk_start(&walk, image, &nobody, &split, 0, &steps);
	while (policy_walk_next(&walk, &place)) {
		const struct image_node *node = image_node(image, place.node);
		bool denies = verdict == POLICY_DENY;

		if (!each_entry(image, denies ? image_denies(node) : image_allows(node),
				denies ? node->n_denies : node->n_allows, fn, context))
			return false;
	}
	return !walk.exhausted;
}
