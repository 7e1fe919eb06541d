/* SPDX-License-Identifier: MIT */
/* The tree of patterns as the image has it: see format.h. */
#include <string.h>

#include "trie.h"

struct emitter {
	const struct trie *trie;
	struct trie_image *image;
	uint32_t *place;                 /* of each node of the trie in the image, or IMAGE_NONE */
	POLICY_VECTOR(uint32_t) sources; /* of each node of the image in the trie */
	POLICY_VECTOR(char) run;         /* scratch */
	POLICY_VECTOR(uint32_t) starts;  /* of each slot: the child that stands there */
};

void
policy_trie_image_free(struct trie_image *image)
{
	policy_vector_free(&image->nodes);
	policy_vector_free(&image->slots);
	policy_vector_free(&image->wilds);
	policy_vector_free(&image->entries);
	policy_vector_free(&image->lists);
}

static int
add_node(struct emitter *e, uint32_t source, struct image_node node)
{
	const struct trie_node *from = &e->trie->nodes.items[source];
	int r;

	node.flags = (from->ends ? IMAGE_NODE_ENDS : 0) | node.flags;
	node.slot_bits = IMAGE_NO_SLOTS;
	e->place[source] = (uint32_t)e->image->nodes.n;
	r = policy_vector_push(&e->sources, source);
	return r < 0 ? r : policy_vector_push(&e->image->nodes, node);
}

/* From this literal on, as long as there is no branch and no pattern ends: one edge. */
static int
add_run(struct emitter *e, uint32_t start)
{
	const struct trie *trie = e->trie;
	const struct trie_node *node = &trie->nodes.items[start];
	struct image_node add = {.hash = node->hash};
	uint32_t end = start, id;
	int r;

	e->run.n = 0;
	for (;;) {
		r = policy_vector_reserve(&e->run, (size_t)node->length + 1);
		if (r < 0)
			return r;
		if (add.run_components > 0)
			e->run.items[e->run.n++] = '/';
		memcpy(e->run.items + e->run.n, trie->bytes.items + node->at, node->length);
		e->run.n += node->length;
		add.run_components++;
		if (node->ends || node->n_wilds > 0 || node->n_literals != 1)
			break;
		end = node->literals;
		node = &trie->nodes.items[end];
	}
	r = policy_intern(trie->strings, e->run.items, e->run.n, &id);
	if (r < 0)
		return r;
	add.run = trie->strings->keys.items[id].at;
	add.run_length = (uint16_t)e->run.n;
	return add_node(e, end, add);
}

static uint8_t
bits_for(uint32_t children)
{
	/* Few are found as quickly in a full table. */
	uint64_t wanted = children <= 2 ? children : (uint64_t)children * 3 / 2;
	uint8_t bits = 0;

	while (UINT64_C(1) << bits < wanted)
		bits++;
	return bits;
}

/* Children are numbered in the order of their slots. */
static int
add_literals(struct emitter *e, uint32_t number, const struct trie_node *from)
{
	uint8_t bits = bits_for(from->n_literals);
	uint32_t n = UINT32_C(1) << bits, first = (uint32_t)e->image->slots.n;
	int r;

	if (from->n_literals == 0)
		return 0;
	r = policy_vector_reserve(&e->image->slots, n);
	e->starts.n = 0;
	if (r == 0)
		r = policy_vector_reserve(&e->starts, n);
	if (r < 0)
		return r;
	memset(e->starts.items, 0xff, n * sizeof(uint32_t));
	for (uint32_t c = from->literals; c != TRIE_NO_NODE; c = e->trie->nodes.items[c].next) {
		uint32_t slot = e->trie->nodes.items[c].hash & (n - 1);

		while (e->starts.items[slot] != TRIE_NO_NODE)
			slot = (slot + 1) & (n - 1);
		e->starts.items[slot] = c;
	}
	e->image->nodes.items[number].slot_bits = bits;
	e->image->slots.n += n;
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		bool is_free = e->starts.items[i] == TRIE_NO_NODE;

		e->image->slots.items[first + i] =
			is_free ? IMAGE_NONE : (uint32_t)e->image->nodes.n;
		if (!is_free)
			r = add_run(e, e->starts.items[i]);
	}
	return r;
}

static int
add_wilds(struct emitter *e, const struct trie_node *from)
{
	int r = 0;

	for (uint32_t c = from->wilds; r == 0 && c != TRIE_NO_NODE;) {
		const struct trie_node *child = &e->trie->nodes.items[c];
		struct image_wild wild = {child->at, (uint32_t)e->image->nodes.n};
		uint32_t component = child->at & ~IMAGE_WILD_DOTS;
		struct image_node add = {0};

		if (e->trie->components.items[component].kind == IMAGE_COMPONENT_GLOBSTAR &&
		    from->repeated)
			add.flags = IMAGE_NODE_NESTED;
		r = policy_vector_push(&e->image->wilds, wild);
		if (r == 0)
			r = add_node(e, c, add);
		c = child->next;
	}
	return r;
}

static int
add_nodes(struct emitter *e, const uint32_t *roots, size_t n_roots)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_roots; i++)
		r = add_node(e, roots[i], (struct image_node){0});
	for (uint32_t i = 0; r == 0 && i < e->image->nodes.n; i++) {
		const struct trie_node *from = &e->trie->nodes.items[e->sources.items[i]];

		if (e->image->nodes.n >= IMAGE_WILD_DOTS)
			return -EFBIG;
		e->image->nodes.items[i].slots = (uint32_t)e->image->slots.n;
		e->image->nodes.items[i].wilds = (uint32_t)e->image->wilds.n;
		r = add_literals(e, i, from);
		if (r == 0)
			r = add_wilds(e, from);
	}
	return r;
}

static int
compare_ends(const void *a, const void *b)
{
	const struct trie_end *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->allows != y->allows)
		return x->allows ? 1 : -1;
	if (x->entry.subject != y->entry.subject)
		return x->entry.subject < y->entry.subject ? -1 : 1;
	return x->entry.rule < y->entry.rule ? -1 : x->entry.rule > y->entry.rule;
}

/* Sorted by node first, in the time of counting; then each node's own few. */
static int
sort_ends(struct trie_ends *ends, size_t n_nodes)
{
	_cleanup_free_ uint32_t *at = calloc(n_nodes + 1, sizeof(*at));
	struct trie_end *sorted = malloc((ends->all.n + 1) * sizeof(*sorted));
	size_t n = ends->all.n;

	if (!at || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		at[ends->all.items[i].node + 1]++;
	for (size_t i = 0; i < n_nodes; i++)
		at[i + 1] += at[i];
	for (size_t i = 0; i < n; i++)
		sorted[at[ends->all.items[i].node]++] = ends->all.items[i];
	free(ends->all.items);
	ends->all.items = sorted;
	ends->all.room = n + 1;
	for (size_t i = 0, first = 0; i < n_nodes; first = at[i++])
		if (at[i] - first > 1)
			qsort(sorted + first, at[i] - first, sizeof(*sorted), compare_ends);
	return 0;
}

static int
add_entries(struct emitter *e, struct trie_ends *ends, struct trie_ends *list_ends)
{
	struct trie_image *image = e->image;
	size_t at = 0, n = ends->all.n;
	int r;

	for (size_t i = 0; i < n; i++)
		ends->all.items[i].node = e->place[ends->all.items[i].node];
	r = sort_ends(ends, image->nodes.n);
	if (r == 0)
		r = sort_ends(list_ends, image->lists.n);
	if (r == 0)
		r = policy_vector_reserve(&image->entries, n + list_ends->all.n);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < image->nodes.n; i++) {
		image->nodes.items[i].entries = (uint32_t)image->entries.n;
		for (; at < n && ends->all.items[at].node == i && !ends->all.items[at].allows; at++)
			image->entries.items[image->entries.n++] = ends->all.items[at].entry;
		image->nodes.items[i].allows = (uint32_t)image->entries.n;
		for (; at < n && ends->all.items[at].node == i; at++)
			image->entries.items[image->entries.n++] = ends->all.items[at].entry;
	}
	at = 0;
	for (uint32_t i = 0; i < image->lists.n; i++) {
		image->lists.items[i].entries = (uint32_t)image->entries.n;
		for (; at < list_ends->all.n && list_ends->all.items[at].node == i; at++)
			image->entries.items[image->entries.n++] = list_ends->all.items[at].entry;
	}
	return 0;
}

int
policy_trie_emit(const struct trie *trie, const uint32_t *roots, size_t n_roots,
		 struct trie_ends *ends, struct trie_ends *list_ends, struct trie_image *image)
{
	struct emitter e = {
		.trie = trie,
		.image = image,
		.place = malloc(trie->nodes.n * sizeof(*e.place)),
	};
	int r = -ENOMEM;

	if (e.place) {
		memset(e.place, 0xff, trie->nodes.n * sizeof(*e.place));
		r = add_nodes(&e, roots, n_roots);
	}
	if (r == 0)
		r = add_entries(&e, ends, list_ends);
	free(e.place);
	policy_vector_free(&e.sources);
	policy_vector_free(&e.run);
	policy_vector_free(&e.starts);
	return r;
}
