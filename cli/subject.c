/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

#include "policy/match.h"
#include "policy/reach.h"
#include "text.h"

static int
note_subject(void *context, const struct policy_prefix *prefix, const struct image_entry *entry)
{
	uint32_t *subjects = context;

	(void)prefix;
	subjects[entry->rule] = entry->subject;
	return 0;
}

/* What the image says of who a rule is for stands with its patterns. */
uint32_t
subject_of(struct ask *ask, uint32_t rule)
{
	const struct policy_image *image = ask->rules.image;
	size_t n = policy_image_rules(image);

	if (!ask->subjects) {
		ask->subjects = cli_resize(NULL, n, sizeof(uint32_t));
		memset(ask->subjects, 0xff, n * sizeof(uint32_t));
		if (policy_each_prefix(image, NULL, note_subject, ask->subjects) < 0)
			cli_out_of_memory();
	}
	return ask->subjects[rule];
}

static bool
holds(const struct policy_image *image, const struct image_atom *atom,
      const struct policy_peer *peer)
{
	const char *text = image->strings + atom->value;

	switch (atom->kind) {
	case POLICY_ATOM_USER:
		return peer->has_uid && peer->uid == atom->value;
	case POLICY_ATOM_GROUP:
		for (size_t i = 0; i < peer->n_groups; i++)
			if (peer->groups[i] == atom->value)
				return true;
		return peer->has_gid && peer->gid == atom->value;
	case POLICY_ATOM_UNIT:
		return peer->unit && policy_glob_matches(text, peer->unit);
	case POLICY_ATOM_LABEL:
		return peer->label && strcmp(peer->label, text) == 0;
	default:
		return false;
	}
}

/* The atoms that the peer lacks, joined by '+'. */
char *
subject_lacking(const struct ask *ask, const struct image_conjunction *c, size_t *ret_n)
{
	const struct policy_image *image = ask->rules.image;
	char *text = cli_format("%s", "");
	size_t n = 0;

	for (uint32_t i = 0; i < c->atoms.n; i++) {
		const struct image_atom *atom = &image->atoms[c->atoms.first + i];
		bool is_text = atom->kind == POLICY_ATOM_UNIT || atom->kind == POLICY_ATOM_LABEL;
		_cleanup_free_ char *before = NULL, *word = NULL;

		if (holds(image, atom, &ask->who.peer))
			continue;
		before = text;
		word = who_atom((enum policy_atom_kind)atom->kind, atom->value,
				is_text ? image->strings + atom->value : NULL);
		text = cli_format("%s%s%s", before, n++ > 0 ? "+" : "", word);
	}
	*ret_n = n;
	return text;
}

size_t
subject_lacks(struct ask *ask, uint32_t rule)
{
	const struct policy_image *image = ask->rules.image;
	uint32_t subject = subject_of(ask, rule);
	size_t least = SIZE_MAX;

	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		_cleanup_free_ char *text = NULL;
		size_t n = 0;

		if (image->conjunctions[i].subject != subject)
			continue;
		text = subject_lacking(ask, &image->conjunctions[i], &n);
		if (n < least)
			least = n;
	}
	return least;
}

static bool
names_unit(const struct policy_image *image, const struct image_conjunction *c)
{
	for (uint32_t i = 0; i < c->atoms.n; i++)
		if (image->atoms[c->atoms.first + i].kind == POLICY_ATOM_UNIT)
			return true;
	return false;
}

bool
subject_has_unit(struct ask *ask, uint32_t rule)
{
	const struct policy_image *image = ask->rules.image;
	uint32_t subject = subject_of(ask, rule);
	bool found = false;

	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];
		_cleanup_free_ char *text = NULL;
		size_t n = 0;

		if (c->subject != subject)
			continue;
		text = subject_lacking(ask, c, &n);
		if (n == 0 && !names_unit(image, c))
			return false;
		found |= names_unit(image, c);
	}
	return found;
}
