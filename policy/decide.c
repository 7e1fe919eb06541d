/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "format.h"
#include "match.h"
#include "words.h"

static bool
atom_holds(const struct image_atom *atom, const struct policy_peer *peer)
{
	if (atom->kind == POLICY_ATOM_USER)
		return peer->has_uid && peer->uid == atom->id;
	if (peer->has_gid && peer->gid == atom->id)
		return true;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == atom->id)
			return true;
	return false;
}

int
policy_subjects(const struct policy_image *image, const struct policy_peer *peer, uint32_t *ids,
		size_t max, size_t *ret_n)
{
	size_t n = 0;

	for (uint32_t s = 0; s < image_count(image, SECTION_SUBJECTS); s++) {
		struct policy_range atoms = image->subjects[s].atoms;
		bool holds = true;

		for (uint32_t i = 0; i < atoms.n && holds; i++)
			holds = atom_holds(&image->atoms[atoms.first + i], peer);
		if (!holds)
			continue;
		if (n == max)
			return -E2BIG;
		ids[n++] = s;
	}
	*ret_n = n;
	return 0;
}

enum policy_scope
policy_scope(const struct policy_image *image, const uint32_t *ids, size_t n)
{
	enum policy_scope scope = POLICY_SCOPE_NONE;

	for (size_t i = 0; i < n; i++) {
		const struct image_subject *s;

		if (ids[i] >= image_count(image, SECTION_SUBJECTS))
			continue;
		s = &image->subjects[ids[i]];
		if (s->allows.n == 0)
			continue;
		if (s->atoms.n > 0)
			return POLICY_SCOPE_OWN;
		scope = POLICY_SCOPE_ANY;
	}
	return scope;
}

/* What a rule covers beyond what it says. */
static unsigned
covered_verbs(const struct image_rule *rule)
{
	unsigned verbs = rule->verbs;

	if (verbs & POLICY_READ)
		verbs |= POLICY_STAT;
	if (rule->verdict == POLICY_DENY && (verbs & POLICY_WRITE))
		verbs |= POLICY_CREATE;
	return verbs;
}

/* The first pattern of the targets that matches, or NULL. */
static const struct image_pattern *
find_target(const struct policy_image *image, struct policy_range targets,
	    const struct policy_split *split, bool dots)
{
	for (uint32_t t = 0; t < targets.n; t++) {
		struct policy_range list = image->lists[image->targets[targets.first + t]];

		for (uint32_t i = 0; i < list.n; i++) {
			const struct image_pattern *pattern = &image->patterns[list.first + i];

			if (policy_pattern_matches(image, pattern, split, dots))
				return pattern;
		}
	}
	return NULL;
}

/* The lowest matching rule below `best` among these of one subject, else `best`. */
static uint32_t
first_rule(const struct policy_image *image, struct policy_range rules,
	   const struct policy_split *split, unsigned verbs, uint32_t best, uint32_t *ret_prefix)
{
	for (uint32_t i = 0; i < rules.n; i++) {
		uint32_t number = image->subject_rules[rules.first + i];
		const struct image_rule *rule = &image->rules[number];
		bool deny = rule->verdict == POLICY_DENY;
		unsigned common = covered_verbs(rule) & verbs;
		const struct image_pattern *pattern;

		if (number >= best)
			break;
		if (deny ? common == 0 : common != verbs)
			continue;
		pattern = find_target(image, rule->targets, split, deny);
		if (!pattern || find_target(image, rule->excepts, split, true))
			continue;
		*ret_prefix = pattern->prefix;
		return number;
	}
	return best;
}

void
policy_decide(const struct policy_image *image, const uint32_t *ids, size_t n, const char *path,
	      size_t length, unsigned verbs, struct policy_decision *ret_decision)
{
	uint32_t best = POLICY_NO_RULE, prefix = 0;
	struct policy_split split;

	*ret_decision = (struct policy_decision){.rule = POLICY_NO_RULE};
	if (verbs == 0 || (verbs & ~(unsigned)POLICY_VERBS_ALL) ||
	    !policy_split(path, length, &split))
		return;
	for (size_t i = 0; i < n; i++) {
		/* A number of another image: its denies cannot be known. */
		if (ids[i] >= image_count(image, SECTION_SUBJECTS))
			return;
		best = first_rule(image, image->subjects[ids[i]].denies, &split, verbs, best,
				  &prefix);
	}
	ret_decision->rule = best;
	if (best != POLICY_NO_RULE)
		return;
	for (size_t i = 0; i < n; i++)
		best = first_rule(image, image->subjects[ids[i]].allows, &split, verbs, best,
				  &prefix);
	if (best == POLICY_NO_RULE)
		return;
	ret_decision->verdict = POLICY_ALLOW;
	ret_decision->rule = best;
	ret_decision->prefix = prefix;
}

struct reached {
	uint32_t prefix;
	unsigned verbs;
	bool recursive;
};

static bool
is_recursive(const struct policy_image *image, const struct image_pattern *pattern)
{
	for (uint32_t i = 0; i < pattern->components.n; i++) {
		uint32_t ref = image->component_refs[pattern->components.first + i];

		if (image->components[ref].kind == POLICY_COMPONENT_GLOBSTAR)
			return true;
	}
	return false;
}

/* Keep the table in the order of prefixes. */
static int
add_reached(struct reached *table, size_t *n, struct reached add)
{
	size_t low = 0, high = *n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (table[middle].prefix < add.prefix)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < *n && table[low].prefix == add.prefix) {
		table[low].verbs |= add.verbs;
		table[low].recursive |= add.recursive;
		return 0;
	}
	if (*n == POLICY_PREFIXES_MAX)
		return -E2BIG;
	memmove(table + low + 1, table + low, (*n - low) * sizeof(table[0]));
	table[low] = add;
	(*n)++;
	return 0;
}

static int
add_rule(const struct policy_image *image, const struct image_rule *rule, struct reached *table,
	 size_t *n)
{
	for (uint32_t t = 0; t < rule->targets.n; t++) {
		struct policy_range list = image->lists[image->targets[rule->targets.first + t]];

		for (uint32_t i = 0; i < list.n; i++) {
			const struct image_pattern *pattern = &image->patterns[list.first + i];
			struct reached add = {pattern->prefix, covered_verbs(rule),
					      is_recursive(image, pattern)};
			int r = add_reached(table, n, add);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int
policy_reach(const struct policy_image *image, const uint32_t *ids, size_t n, policy_reach_fn *fn,
	     void *context)
{
	struct reached table[POLICY_PREFIXES_MAX];
	size_t reached = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct policy_range allows;

		if (ids[i] >= image_count(image, SECTION_SUBJECTS))
			continue;
		allows = image->subjects[ids[i]].allows;
		for (uint32_t a = 0; a < allows.n; a++) {
			uint32_t rule = image->subject_rules[allows.first + a];

			r = add_rule(image, &image->rules[rule], table, &reached);
			if (r < 0)
				return r;
		}
	}
	for (size_t i = 0; i < reached; i++) {
		const struct image_prefix *prefix = &image->prefixes[table[i].prefix];
		const struct policy_reach reach = {
			.prefix = table[i].prefix,
			.directory = image->strings + prefix->directory,
			.name = prefix->name == IMAGE_NO_STRING ? NULL
								: image->strings + prefix->name,
			.verbs = table[i].verbs,
			.recursive = table[i].recursive,
		};

		r = fn(context, &reach);
		if (r != 0)
			return r;
	}
	return 0;
}
