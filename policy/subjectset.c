/* SPDX-License-Identifier: MIT */
#include "subjectset.h"

#include <string.h>

#include "match.h"

void
policy_subjectset_free(struct subjects *s)
{
	policy_intern_free(&s->keys);
	policy_vector_free(&s->subjects);
	policy_vector_free(&s->conjunctions);
	policy_vector_free(&s->atoms);
	policy_vector_free(&s->scratch);
	policy_vector_free(&s->parts);
}

static int
compare_atoms(const void *a, const void *b)
{
	const struct image_atom *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->value < y->value ? -1 : x->value > y->value;
}

static int
add_atom(struct subjects *s, const struct policy_ast_atom *atom)
{
	struct image_atom add = {atom->kind, atom->id};
	uint32_t id;
	int r;

	if (atom->kind == POLICY_ATOM_UNIT || atom->kind == POLICY_ATOM_LABEL) {
		r = policy_intern(s->strings, atom->text, atom->length, &id);
		if (r < 0)
			return r;
		add.value = s->strings->keys.items[id].at;
	}
	return policy_vector_push(&s->scratch, add);
}

/* The atoms of a conjunction: sorted, each once, without `any`. */
static int
add_part(struct subjects *s, const struct policy_ast *ast, const struct policy_ast_conjunction *c)
{
	struct policy_range part = {(uint32_t)s->scratch.n, 0};
	struct image_atom *atoms;
	int r;

	for (uint32_t i = 0; i < c->atoms.n; i++) {
		const struct policy_ast_atom *atom = &ast->atoms.items[c->atoms.first + i];

		if (atom->kind == POLICY_ATOM_ANY)
			continue;
		r = add_atom(s, atom);
		if (r < 0)
			return r;
	}
	part.n = (uint32_t)s->scratch.n - part.first;
	if (part.n > 1) {
		uint32_t unique = 1;

		atoms = s->scratch.items + part.first;
		qsort(atoms, part.n, sizeof(*atoms), compare_atoms);
		for (uint32_t i = 1; i < part.n; i++)
			if (compare_atoms(&atoms[i], &atoms[unique - 1]) != 0)
				atoms[unique++] = atoms[i];
		part.n = unique;
		s->scratch.n = part.first + part.n;
	}
	return policy_vector_push(&s->parts, part);
}

static struct image_conjunction
with_anchor(const struct subjects *s, struct policy_range atoms, uint32_t subject)
{
	struct image_conjunction c = {POLICY_ATOM_ANY, 0, subject, atoms};

	/* Users come first, and are who the fewest are. */
	for (uint32_t i = 0; i < atoms.n; i++) {
		const struct image_atom *atom = &s->atoms.items[atoms.first + i];

		if (atom->kind == POLICY_ATOM_UNIT)
			continue;
		c.kind = atom->kind;
		c.key = atom->value;
		if (atom->kind == POLICY_ATOM_LABEL) {
			const char *label = s->strings->bytes.items + atom->value;

			c.key = policy_hash(label, strlen(label));
		}
		break;
	}
	return c;
}

static int
add_subject(struct subjects *s, uint32_t subject)
{
	bool named = true;
	int r;

	for (size_t i = 0; i < s->parts.n; i++) {
		struct policy_range part = s->parts.items[i];
		struct policy_range atoms = {(uint32_t)s->atoms.n, part.n};

		named &= part.n > 0;
		r = policy_vector_reserve(&s->atoms, part.n);
		if (r < 0)
			return r;
		if (part.n > 0)
			memcpy(s->atoms.items + s->atoms.n, s->scratch.items + part.first,
			       part.n * sizeof(s->atoms.items[0]));
		s->atoms.n += part.n;
		r = policy_vector_push(&s->conjunctions, with_anchor(s, atoms, subject));
		if (r < 0)
			return r;
	}
	return policy_vector_push(&s->subjects,
				  ((struct image_subject){named ? IMAGE_SUBJECT_NAMED : 0}));
}

/* Between two conjunctions in the key of a subject: no atom is of this kind. */
static const struct image_atom separator = {UINT32_MAX, UINT32_MAX};

static int
make_key(struct subjects *s, const struct image_atom **ret_key, size_t *ret_n)
{
	size_t start = s->scratch.n;
	int r;

	for (size_t i = 0; i < s->parts.n; i++) {
		struct policy_range part = s->parts.items[i];

		r = policy_vector_reserve(&s->scratch, (size_t)part.n + 1);
		if (r < 0)
			return r;
		if (part.n > 0)
			memcpy(s->scratch.items + s->scratch.n, s->scratch.items + part.first,
			       part.n * sizeof(s->scratch.items[0]));
		s->scratch.n += part.n;
		s->scratch.items[s->scratch.n++] = separator;
	}
	*ret_key = s->scratch.items + start;
	*ret_n = s->scratch.n - start;
	return 0;
}

int
policy_subjectset_add(struct subjects *s, const struct policy_ast *ast, struct policy_range who,
		      uint32_t *ret_subject)
{
	const struct image_atom *key;
	size_t n;
	int r;

	s->scratch.n = s->parts.n = 0;
	for (uint32_t i = 0; i < who.n; i++) {
		const struct policy_ast_conjunction *c = &ast->conjunctions.items[who.first + i];

		if (c->inert)
			continue;
		r = add_part(s, ast, c);
		if (r < 0)
			return r;
		/* Whoever else is named: it is everybody. */
		if (s->parts.items[s->parts.n - 1].n == 0) {
			s->parts.items[0] = s->parts.items[s->parts.n - 1];
			s->parts.n = 1;
			break;
		}
	}
	*ret_subject = IMAGE_NONE;
	if (s->parts.n == 0)
		return 0;
	r = make_key(s, &key, &n);
	if (r == 0)
		r = policy_intern(&s->keys, key, n * sizeof(*key), ret_subject);
	if (r < 0 || *ret_subject < s->subjects.n)
		return r;
	return add_subject(s, *ret_subject);
}

static int
compare_conjunctions(const void *a, const void *b)
{
	const struct image_conjunction *x = a, *y = b;
	const uint32_t keys[][2] = {
		{x->kind, y->kind},
		{x->key, y->key},
		{x->subject, y->subject},
		{x->atoms.first, y->atoms.first},
	};

	for (size_t i = 0; i < ELEMENTS(keys); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

int
policy_subjectset_sort(struct subjects *s)
{
	struct image_atom *sorted = malloc((s->atoms.n + 1) * sizeof(*sorted));
	uint32_t n = 0;

	if (!sorted)
		return -ENOMEM;
	if (s->conjunctions.n > 1)
		qsort(s->conjunctions.items, s->conjunctions.n, sizeof(s->conjunctions.items[0]),
		      compare_conjunctions);
	for (size_t i = 0; i < s->conjunctions.n; i++) {
		struct policy_range *atoms = &s->conjunctions.items[i].atoms;

		if (atoms->n > 0)
			memcpy(sorted + n, s->atoms.items + atoms->first,
			       atoms->n * sizeof(*sorted));
		atoms->first = n;
		n += atoms->n;
	}
	free(s->atoms.items);
	s->atoms.items = sorted;
	s->atoms.room = s->atoms.n + 1;
	return 0;
}
