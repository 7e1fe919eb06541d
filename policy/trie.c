/* SPDX-License-Identifier: MIT */
#include "trie.h"

#include <string.h>

#include "match.h"
#include "words.h"

void
policy_trie_free(struct trie *trie)
{
	policy_vector_free(&trie->nodes);
	policy_vector_free(&trie->bytes);
	free(trie->slots);
	policy_intern_free(&trie->component_keys);
	policy_vector_free(&trie->components);
	policy_vector_free(&trie->pieces);
	policy_vector_free(&trie->classes);
}

int
policy_trie_root(struct trie *trie, uint32_t *ret_root)
{
	*ret_root = (uint32_t)trie->nodes.n;
	return policy_vector_push(&trie->nodes, ((struct trie_node){.parent = TRIE_NO_NODE,
								    .literals = TRIE_NO_NODE,
								    .wilds = TRIE_NO_NODE,
								    .next = TRIE_NO_NODE}));
}

static int
grow(struct trie *trie)
{
	size_t n = trie->n_slots ? 2 * trie->n_slots : 1024;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < trie->nodes.n; i++) {
		size_t slot = trie->nodes.items[i].key & (n - 1);

		if (trie->nodes.items[i].parent == TRIE_NO_NODE)
			continue;
		while (slots[slot] != 0)
			slot = (slot + 1) & (n - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	free(trie->slots);
	trie->slots = slots;
	trie->n_slots = n;
	return 0;
}

/* A component of a pattern that is being added. */
struct step {
	uint32_t key;
	uint32_t hash;
	uint32_t at;       /* no literal: as in struct trie_node */
	uint32_t length;   /* a literal */
	const char *bytes; /* likewise */
	bool globstar;
};

static bool
is_child(const struct trie *trie, const struct trie_node *node, uint32_t parent,
	 const struct step *step)
{
	if (node->parent != parent || node->hash != step->hash || node->length != step->length)
		return false;
	if (step->length == 0)
		return node->at == step->at;
	return memcmp(trie->bytes.items + node->at, step->bytes, step->length) == 0;
}

static int
add_child(struct trie *trie, uint32_t number, const struct step *step, uint32_t *ret_node)
{
	struct trie_node *parent = &trie->nodes.items[number];
	uint32_t node = (uint32_t)trie->nodes.n;
	struct trie_node add = {
		.parent = number,
		.key = step->key,
		.hash = step->hash,
		.at = step->at,
		.length = step->length,
		.literals = TRIE_NO_NODE,
		.wilds = TRIE_NO_NODE,
		.repeated = step->globstar || parent->repeated,
	};
	int r;

	if (node == TRIE_NO_NODE / 2 || trie->bytes.n > UINT32_MAX - POLICY_PATH_MAX)
		return -EFBIG;
	if (step->length > 0) {
		r = policy_vector_reserve(&trie->bytes, step->length);
		if (r < 0)
			return r;
		add.at = (uint32_t)trie->bytes.n;
		memcpy(trie->bytes.items + add.at, step->bytes, step->length);
		trie->bytes.n += step->length;
		add.next = parent->literals;
		parent->literals = node;
		parent->n_literals++;
	} else {
		add.next = parent->wilds;
		parent->wilds = node;
		parent->n_wilds++;
	}
	*ret_node = node;
	return policy_vector_push(&trie->nodes, add);
}

static int
find_or_add(struct trie *trie, uint32_t parent, const struct step *step, uint32_t *ret_node)
{
	size_t mask = trie->n_slots - 1, slot = step->key & mask;
	int r;

	for (; trie->slots[slot] != 0; slot = (slot + 1) & mask) {
		*ret_node = trie->slots[slot] - 1;
		if (is_child(trie, &trie->nodes.items[*ret_node], parent, step))
			return 0;
	}
	r = add_child(trie, parent, step, ret_node);
	if (r == 0)
		trie->slots[slot] = *ret_node + 1;
	return r;
}

/* Go down from the root. */
static int
add_steps(struct trie *trie, uint32_t root, struct step *steps, uint32_t n, uint32_t *ret_node)
{
	uint32_t node = root, key = root;
	int r = 0;

	if (2 * (trie->nodes.n + n) > trie->n_slots)
		r = grow(trie);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		key = (uint32_t)policy_mix(key + UINT64_C(0x9e3779b97f4a7c15), steps[i].hash);
		steps[i].key = key;
		r = find_or_add(trie, node, &steps[i], &node);
	}
	*ret_node = node;
	return r;
}

/* --- components that are no literals ----------------------------------------------------- */

static enum image_component_kind
kind_of(const struct policy_pattern *p, const struct policy_component *c)
{
	const struct policy_piece *pieces = &p->pieces[c->first];
	bool name = true;

	if (c->kind == POLICY_COMPONENT_GLOBSTAR)
		return IMAGE_COMPONENT_GLOBSTAR;
	for (uint32_t i = 0; i < c->n; i++)
		name &= pieces[i].kind == POLICY_PIECE_LITERAL ||
			pieces[i].kind == POLICY_PIECE_USER || pieces[i].kind == POLICY_PIECE_UID;
	if (name)
		return IMAGE_COMPONENT_NAME;
	if (c->n <= 3 && pieces[c->n == 1 || pieces[0].kind == POLICY_PIECE_STAR ? 0 : 1].kind ==
				 POLICY_PIECE_STAR) {
		bool head = pieces[0].kind == POLICY_PIECE_LITERAL;
		bool tail = c->n > 1 && pieces[c->n - 1].kind == POLICY_PIECE_LITERAL;

		if (c->n == 1u + head + tail)
			return IMAGE_COMPONENT_AFFIX;
	}
	return IMAGE_COMPONENT_PIECES;
}

static int
add_piece(struct trie *trie, const struct policy_pattern *p, const struct policy_piece *piece)
{
	struct image_piece add = {(uint16_t)piece->kind, (uint16_t)piece->length, 0};
	uint32_t id = 0;
	int r = 0;

	if (piece->kind == POLICY_PIECE_LITERAL) {
		r = policy_intern(trie->strings, p->bytes + piece->at, piece->length, &id);
		if (r == 0)
			add.at = trie->strings->keys.items[id].at;
	} else if (piece->kind == POLICY_PIECE_CLASS) {
		add.at = (uint32_t)trie->classes.n;
		r = policy_vector_push(&trie->classes, p->classes[piece->at]);
	}
	return r < 0 ? r : policy_vector_push(&trie->pieces, add);
}

static int
add_pieces(struct trie *trie, const struct policy_pattern *p, const struct policy_component *c,
	   enum image_component_kind kind)
{
	static const struct policy_piece empty = {POLICY_PIECE_LITERAL, 0, 0};
	const struct policy_piece *pieces = &p->pieces[c->first];
	const struct policy_piece *affixes[] = {&empty, &empty};
	int r = 0;

	if (kind == IMAGE_COMPONENT_GLOBSTAR)
		return 0;
	if (kind != IMAGE_COMPONENT_AFFIX) {
		for (uint32_t i = 0; r == 0 && i < c->n; i++)
			r = add_piece(trie, p, &pieces[i]);
		return r;
	}
	if (pieces[0].kind == POLICY_PIECE_LITERAL)
		affixes[0] = &pieces[0];
	if (pieces[c->n - 1].kind == POLICY_PIECE_LITERAL)
		affixes[1] = &pieces[c->n - 1];
	for (size_t i = 0; r == 0 && i < ELEMENTS(affixes); i++)
		r = add_piece(trie, p, affixes[i]);
	return r;
}

/* What tells one component from another. key: room for all of it. */
static size_t
component_key(const struct policy_pattern *p, const struct policy_component *c, char *key)
{
	size_t n = 0;

	key[n++] = (char)c->kind;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct policy_piece *piece = &p->pieces[c->first + i];
		const void *bytes = p->bytes + piece->at;
		size_t length = 0;

		key[n++] = (char)piece->kind;
		memcpy(key + n, &piece->length, sizeof(piece->length));
		n += sizeof(piece->length);
		if (piece->kind == POLICY_PIECE_LITERAL)
			length = piece->length;
		if (piece->kind == POLICY_PIECE_CLASS) {
			bytes = &p->classes[piece->at];
			length = sizeof(p->classes[0]);
		}
		memcpy(key + n, bytes, length);
		n += length;
	}
	return n;
}

enum {
	/* All bytes of a pattern, its classes, and five for each piece. */
	KEY_MAX = 1 + POLICY_PATH_MAX + POLICY_CLASSES_MAX * (int)sizeof(struct policy_class) +
		  5 * (POLICY_PIECES_MAX + POLICY_ALTERNATIVES_MAX + 1),
};

static int
wild_step(struct trie *trie, const struct policy_pattern *p, const struct policy_component *c,
	  bool dots, struct step *ret_step)
{
	enum image_component_kind kind = kind_of(p, c);
	struct image_component add = {kind, {(uint32_t)trie->pieces.n, 0}};
	_uninitialized_ char key[KEY_MAX];
	uint32_t id;
	int r = policy_intern(&trie->component_keys, key, component_key(p, c, key), &id);

	if (r < 0)
		return r;
	if (id == trie->components.n) {
		r = add_pieces(trie, p, c, kind);
		add.pieces.n = (uint32_t)trie->pieces.n - add.pieces.first;
		if (r == 0)
			r = policy_vector_push(&trie->components, add);
		if (r < 0)
			return r;
	}
	/* Where the first byte is a literal one it makes no difference. */
	if (kind != IMAGE_COMPONENT_GLOBSTAR && p->pieces[c->first].kind == POLICY_PIECE_LITERAL)
		dots = true;
	*ret_step = (struct step){.at = id | (dots ? IMAGE_WILD_DOTS : 0)};
	ret_step->hash = (uint32_t)policy_mix(ret_step->at, 1);
	ret_step->globstar = kind == IMAGE_COMPONENT_GLOBSTAR;
	return 0;
}

static struct step
literal_step(const char *bytes, uint32_t length)
{
	return (struct step){.hash = policy_hash(bytes, length), .length = length, .bytes = bytes};
}

/* --- patterns ---------------------------------------------------------------------------- */

static bool
is_choice_of_names(const struct policy_pattern *p, const struct policy_component *c)
{
	bool choice = false;

	for (uint32_t i = 0; i < c->n; i++) {
		const struct policy_piece *piece = &p->pieces[c->first + i];

		if (piece->kind == POLICY_PIECE_CHOICE) {
			choice = true;
			i += piece->length;
		} else if (piece->kind != POLICY_PIECE_LITERAL) {
			return false;
		}
	}
	return choice;
}

/* Alternatives taken in turn, like the digits of a number. */
struct odometer {
	uint32_t n;
	uint32_t digits[POLICY_ALTERNATIVES_MAX];
	uint32_t bases[POLICY_ALTERNATIVES_MAX];
};

/* False: the braces stand for too many patterns, or there are none to take apart. */
static bool
set_up(struct odometer *o, const struct policy_pattern *p)
{
	uint64_t product = 1;

	o->n = 0;
	for (uint32_t i = 0; i < p->n; i++) {
		const struct policy_component *c = &p->components[i];

		if (c->kind != POLICY_COMPONENT_WILD || !is_choice_of_names(p, c))
			continue;
		for (uint32_t k = 0; k < c->n; k++) {
			const struct policy_piece *piece = &p->pieces[c->first + k];

			if (piece->kind != POLICY_PIECE_CHOICE)
				continue;
			o->bases[o->n] = piece->length;
			o->digits[o->n++] = 0;
			product *= piece->length;
			if (product > TRIE_EXPANSIONS_MAX)
				return false;
		}
	}
	return o->n > 0;
}

static bool
turn(struct odometer *o)
{
	for (uint32_t i = 0; i < o->n; i++) {
		if (++o->digits[i] < o->bases[i])
			return true;
		o->digits[i] = 0;
	}
	return false;
}

/* A component with braces, with the alternatives whose turn it is: a name. */
static uint32_t
write_name(const struct policy_pattern *p, const struct policy_component *c,
	   const struct odometer *o, uint32_t *digit, char *name)
{
	uint32_t length = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		const struct policy_piece *piece = &p->pieces[c->first + i];

		if (piece->kind == POLICY_PIECE_CHOICE) {
			uint32_t skip = piece->length;

			piece += 1 + o->digits[(*digit)++];
			i += skip;
		}
		memcpy(name + length, p->bytes + piece->at, piece->length);
		length += piece->length;
	}
	return length;
}

static bool
is_name(const char *name, uint32_t length)
{
	return length > 0 && length <= POLICY_NAME_MAX_BYTES &&
	       !policy_word_is(name, length, ".") && !policy_word_is(name, length, "..");
}

/* o: NULL, or the alternatives to take. */
static int
add_one(struct trie *trie, uint32_t root, const struct policy_pattern *p, const struct odometer *o,
	bool dots, policy_trie_fn *fn, void *context)
{
	_uninitialized_ struct step steps[POLICY_COMPONENTS_MAX];
	_uninitialized_ char names[2 * POLICY_PATH_MAX];
	uint32_t node, digit = 0, used = 0;
	int r;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct policy_component *c = &p->components[i];
		const struct policy_piece *first = &p->pieces[c->first];

		if (c->kind == POLICY_COMPONENT_LITERAL) {
			steps[i] = literal_step(p->bytes + first->at, first->length);
		} else if (o && is_choice_of_names(p, c)) {
			uint32_t length = write_name(p, c, o, &digit, names + used);

			/* Nothing has this name. */
			if (!is_name(names + used, length))
				return 0;
			steps[i] = literal_step(names + used, length);
			used += length;
		} else {
			r = wild_step(trie, p, c, dots, &steps[i]);
			if (r < 0)
				return r;
		}
	}
	r = add_steps(trie, root, steps, p->n, &node);
	if (r < 0)
		return r;
	trie->nodes.items[node].ends = true;
	return fn(context, node);
}

int
policy_trie_add(struct trie *trie, uint32_t root, const struct policy_pattern *pattern, bool dots,
		policy_trie_fn *fn, void *context)
{
	struct odometer odometer;
	int r;

	if (!set_up(&odometer, pattern))
		return add_one(trie, root, pattern, NULL, dots, fn, context);
	do
		r = add_one(trie, root, pattern, &odometer, dots, fn, context);
	while (r == 0 && turn(&odometer));
	return r;
}
