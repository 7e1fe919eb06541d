/* SPDX-License-Identifier: MIT */
/* The tree of patterns as the image has it: see format.h. */
#include <string.h>

#include "trie.h"

/* A node that is to be written, and where its place has to be noted. */
struct job {
	uint32_t start; /* in the trie */
	uint32_t note;  /* item of the tree; TRIE_NO_NODE: a root */
};

struct emitter {
	const struct trie *trie;
	struct trie_image *image;
	const struct trie_end *ends; /* sorted by node */
	uint32_t *first_end;         /* of each node of the trie */
	POLICY_VECTOR(struct job) jobs;
	POLICY_VECTOR(char) run;        /* scratch */
	POLICY_VECTOR(uint32_t) starts; /* scratch: the child of each slot */
};

void
policy_trie_image_free(struct trie_image *image)
{
	policy_vector_free(&image->tree);
	policy_vector_free(&image->entries);
	policy_vector_free(&image->lists);
}

static uint8_t
bits_for(uint32_t children)
{
	/* Few are found as quickly in a full table. */
	uint64_t wanted = children <= 2 ? children : (uint64_t)children * 3 / 2;
	uint8_t bits = 0;

	while (UINT64_C(1) << bits < wanted)
		bits++;
	return children == 0 ? IMAGE_NO_SLOTS : bits;
}

/* From this literal on, as long as there is no branch and no pattern ends: one edge. */
static int
collect_run(struct emitter *e, uint32_t start, struct image_node *node, uint32_t *ret_end)
{
	const struct trie *trie = e->trie;
	uint32_t at = start;

	e->run.n = 0;
	for (;;) {
		const struct trie_node *from = &trie->nodes.items[at];
		int r = policy_vector_reserve(&e->run, (size_t)from->length + 1);

		if (r < 0)
			return r;
		if (node->run_components > 0)
			e->run.items[e->run.n++] = '/';
		memcpy(e->run.items + e->run.n, trie->bytes.items + from->at, from->length);
		e->run.n += from->length;
		node->run_components++;
		if (from->ends || from->n_wilds > 0 || from->n_literals != 1)
			break;
		at = from->literals;
	}
	node->run_length = (uint16_t)e->run.n;
	*ret_end = at;
	return 0;
}

/* Which child stands in which slot. */
static int
fill_slots(struct emitter *e, const struct trie_node *from, uint32_t n)
{
	int r = policy_vector_reserve(&e->starts, n);

	e->starts.n = 0;
	if (r < 0 || n == 0)
		return r;
	memset(e->starts.items, 0xff, n * sizeof(uint32_t));
	for (uint32_t c = from->literals; c != TRIE_NO_NODE; c = e->trie->nodes.items[c].next) {
		uint32_t slot = e->trie->nodes.items[c].hash & (n - 1);

		while (e->starts.items[slot] != TRIE_NO_NODE)
			slot = (slot + 1) & (n - 1);
		e->starts.items[slot] = c;
	}
	return 0;
}

/* Their jobs come before those that are there: children lie behind their parent. */
static int
write_children(struct emitter *e, const struct trie_node *from, uint32_t at, uint32_t n_slots)
{
	uint32_t *tree = e->image->tree.items;
	int r = policy_vector_reserve(&e->jobs, (size_t)from->n_literals + from->n_wilds);

	if (r < 0)
		return r;
	for (uint32_t i = n_slots; i-- > 0;) {
		uint32_t child = e->starts.items[i];

		tree[at + i] = IMAGE_NONE;
		if (child == TRIE_NO_NODE)
			continue;
		tree[at + i] = image_slot(e->trie->nodes.items[child].hash, 0);
		e->jobs.items[e->jobs.n++] = (struct job){child, at + i};
	}
	at += n_slots;
	/* Each of these is visited, so they are the nearest. */
	for (uint32_t c = from->wilds; c != TRIE_NO_NODE; c = e->trie->nodes.items[c].next) {
		struct image_wild wild = {e->trie->nodes.items[c].at, 0};

		memcpy(tree + at, &wild, sizeof(wild));
		e->jobs.items[e->jobs.n++] = (struct job){c, at + 1};
		at += 2;
	}
	return 0;
}

static void
count_entries(const struct emitter *e, uint32_t node, struct image_node *record)
{
	for (uint32_t i = e->first_end[node]; i < e->first_end[node + 1]; i++) {
		record->n_denies += !e->ends[i].allows;
		record->n_allows += e->ends[i].allows;
	}
}

static bool
is_nested(const struct trie *trie, const struct trie_node *node)
{
	return node->length == 0 && node->parent != TRIE_NO_NODE &&
	       trie->nodes.items[node->parent].repeated &&
	       trie->components.items[node->at & ~IMAGE_WILD_DOTS].kind == IMAGE_COMPONENT_GLOBSTAR;
}

static int
write_node(struct emitter *e, const struct job *job)
{
	const struct trie_node *from = &e->trie->nodes.items[job->start];
	uint32_t at = (uint32_t)e->image->tree.n, end = job->start, n_slots, next;
	struct image_node record = {0};
	uint64_t size;
	int r = 0;

	e->run.n = 0;
	if (from->length > 0)
		r = collect_run(e, job->start, &record, &end);
	if (r < 0)
		return r;
	from = &e->trie->nodes.items[end];
	record.n_wilds = from->n_wilds;
	record.shape = bits_for(from->n_literals) | (from->ends ? IMAGE_NODE_ENDS : 0) |
		       (is_nested(e->trie, from) ? IMAGE_NODE_NESTED : 0);
	count_entries(e, end, &record);
	n_slots = image_n_slots(&record);
	size = image_node_size(&record);
	if (at + size >= IMAGE_TREE_MAX)
		return -EFBIG;
	r = policy_vector_reserve(&e->image->tree, size);
	if (r == 0)
		r = fill_slots(e, from, n_slots);
	if (r < 0)
		return r;
	if (job->note != TRIE_NO_NODE)
		e->image->tree.items[job->note] |= at;
	e->image->tree.n += size;
	memcpy(e->image->tree.items + at, &record, sizeof(record));
	next = at + (uint32_t)(sizeof(record) / 4);
	if (e->run.n > 0) {
		uint32_t words = (uint32_t)(e->run.n + 3) / 4;

		e->image->tree.items[next + words - 1] = 0;
		memcpy(e->image->tree.items + next, e->run.items, e->run.n);
		next += words;
	}
	r = write_children(e, from, next, n_slots);
	next += n_slots + 2 * record.n_wilds;
	for (uint32_t i = e->first_end[end]; i < e->first_end[end + 1]; i++, next += 2)
		memcpy(e->image->tree.items + next, &e->ends[i].entry, sizeof(e->ends[i].entry));
	return r;
}

static int
compare_ends(const void *a, const void *b)
{
	const struct trie_end *x = a, *y = b;

	if (x->allows != y->allows)
		return x->allows ? 1 : -1;
	if (x->entry.subject != y->entry.subject)
		return x->entry.subject < y->entry.subject ? -1 : 1;
	return x->entry.rule < y->entry.rule ? -1 : x->entry.rule > y->entry.rule;
}

/*
 * By node first, in the time of counting; then each node's own few. ret_first: where those of each
 * node begin, and the end of the last.
 */
static int
sort_ends(struct trie_ends *ends, size_t n_nodes, uint32_t **ret_first)
{
	uint32_t *first = calloc(n_nodes + 2, sizeof(*first));
	struct trie_end *sorted = malloc((ends->all.n + 1) * sizeof(*sorted));
	size_t n = ends->all.n;

	if (!first || !sorted || n >= UINT32_MAX) {
		free(first);
		free(sorted);
		return n >= UINT32_MAX ? -EFBIG : -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		first[ends->all.items[i].node + 2]++;
	for (size_t i = 2; i < n_nodes + 2; i++)
		first[i] += first[i - 1];
	for (size_t i = 0; i < n; i++)
		sorted[first[ends->all.items[i].node + 1]++] = ends->all.items[i];
	free(ends->all.items);
	ends->all.items = sorted;
	ends->all.room = n + 1;
	for (size_t i = 0; i < n_nodes; i++)
		if (first[i + 1] - first[i] > 1)
			qsort(sorted + first[i], first[i + 1] - first[i], sizeof(*sorted),
			      compare_ends);
	*ret_first = first;
	return 0;
}

static int
write_lists(struct trie_image *image, struct trie_ends *ends)
{
	_cleanup_free_ uint32_t *first = NULL;
	int r = sort_ends(ends, image->lists.n, &first);

	if (r == 0)
		r = policy_vector_reserve(&image->entries, ends->all.n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < image->lists.n; i++)
		image->lists.items[i].entries = first[i];
	for (size_t i = 0; i < ends->all.n; i++)
		image->entries.items[image->entries.n++] = ends->all.items[i].entry;
	return 0;
}

int
policy_trie_emit(const struct trie *trie, uint32_t *roots, size_t n_roots, struct trie_ends *ends,
		 struct trie_ends *list_ends, struct trie_image *image)
{
	struct emitter e = {.trie = trie, .image = image};
	int r = sort_ends(ends, trie->nodes.n, &e.first_end);

	e.ends = ends->all.items;
	for (size_t i = 0; r == 0 && i < n_roots; i++) {
		uint32_t place = (uint32_t)image->tree.n;

		r = policy_vector_push(&e.jobs, ((struct job){roots[i], TRIE_NO_NODE}));
		roots[i] = place;
		while (r == 0 && e.jobs.n > 0) {
			struct job job = e.jobs.items[--e.jobs.n];

			r = write_node(&e, &job);
		}
	}
	if (r == 0)
		r = write_lists(image, list_ends);
	free(e.first_end);
	policy_vector_free(&e.jobs);
	policy_vector_free(&e.run);
	policy_vector_free(&e.starts);
	return r;
}
