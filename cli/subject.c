/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

#include "policy/match.h"
#include "text.h"

bool
subject_is_overflow(const struct ask *ask)
{
	const struct who *who = &ask->who;

	if (who->peer.has_uid && who->peer.uid == POLICY_OVERFLOW_ID)
		return true;
	for (size_t i = 0; !who->groups_system && i < who->peer.n_groups; i++)
		if (who->groups[i] == POLICY_OVERFLOW_ID)
			return true;
	return false;
}

static void
note_conjunction(struct ask *ask, const struct image_conjunction *c)
{
	const struct policy_image *image = ask->rules.image;
	size_t *least = &ask->lacks[c->subject], lacks = 0;

	for (uint32_t i = 0; i < c->atoms.n; i++)
		lacks += !policy_atom_holds(image, &image->atoms[c->atoms.first + i],
					    &ask->who.peer);
	if (lacks < *least)
		*least = lacks;
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

		if (policy_atom_holds(image, atom, &ask->who.peer))
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
	uint32_t n = image_count(image, SECTION_SUBJECTS), subject = image->rules[rule].subject;

	/* Of all whos in one go: there may be as many as rules. */
	if (!ask->lacks) {
		ask->lacks = cli_resize(NULL, (size_t)n + 1, sizeof(*ask->lacks));
		memset(ask->lacks, 0xff, ((size_t)n + 1) * sizeof(*ask->lacks));
		for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++)
			note_conjunction(ask, &image->conjunctions[i]);
	}
	/* Behind the last: a rule whose who names nobody. */
	return ask->lacks[subject < n ? subject : n];
}
