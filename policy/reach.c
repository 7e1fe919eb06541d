/* SPDX-License-Identifier: MIT */
#include "reach.h"

#include <string.h>

#include "intern.h"
#include "match.h"
#include "words.h"

/* A node, and what led there. */
struct step {
	uint32_t node;
	uint32_t name;   /* the component that leads there, if its name belongs to the path */
	uint32_t prefix; /* number, IMAGE_NONE: all so far is literal */
	uint32_t siblings;
	uint16_t length; /* of the literal part of the path */
	uint16_t last;   /* where its last component begins */
	bool recursive;
};

struct tour {
	const struct policy_image *image;
	const struct policy_identity *identity; /* or NULL */
	policy_prefix_fn *fn;
	void *context;
	uint32_t prefixes;
	POLICY_VECTOR(struct step) steps;
	char path[POLICY_PATH_MAX]; /* of the step at hand; what came before it stays */
};

/* The name that a component of literals and variables is. 0: none. */
static size_t
write_name(const struct tour *t, const struct image_component *c, char *name)
{
	size_t n = 0;

	for (uint32_t i = 0; i < c->pieces.n; i++) {
		const struct image_piece *piece = &t->image->pieces[c->pieces.first + i];
		const char *text = t->image->strings + piece->at;
		size_t length = piece->length;

		if (piece->kind == POLICY_PIECE_USER) {
			text = t->identity ? t->identity->user : "${user}";
			length = t->identity ? t->identity->user_length : strlen(text);
		} else if (piece->kind == POLICY_PIECE_UID) {
			text = t->identity ? t->identity->uid : "${uid}";
			length = t->identity ? t->identity->uid_length : strlen(text);
		}
		if (length == 0 || length > POLICY_NAME_MAX_BYTES - n)
			return 0;
		memcpy(name + n, text, length);
		n += length;
	}
	return policy_word_is(name, n, ".") || policy_word_is(name, n, "..") ? 0 : n;
}

/* What leads to this node belongs to the path. False: no path is that long, or has such a name. */
static bool
extend(struct tour *t, struct step *step)
{
	const struct image_node *node = image_node(t->image, step->node);
	const char *bytes = image_run(node), *slash;
	char name[POLICY_NAME_MAX_BYTES];
	size_t length = node->run_length;

	if (step->prefix != IMAGE_NONE || (length == 0 && step->name == IMAGE_NONE))
		return true;
	if (length == 0) {
		length = write_name(t, &t->image->components[step->name], name);
		bytes = name;
	}
	if (length == 0 || length + 1 > (size_t)POLICY_PATH_MAX - step->length)
		return false;
	t->path[step->length] = '/';
	memcpy(t->path + step->length + 1, bytes, length);
	slash = memrchr(bytes, '/', length);
	step->last = (uint16_t)(step->length + (slash ? slash - bytes + 1 : 0));
	step->length = (uint16_t)(step->length + 1 + length);
	return true;
}

static int
report(struct tour *t, const struct step *step, struct policy_prefix *prefix)
{
	const struct policy_image *image = t->image;
	const struct image_node *node = image_node(image, step->node);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < node->n_denies + node->n_allows; i++) {
		const struct image_entry *entry = &image_denies(node)[i], *list;
		uint32_t n_list;

		if (entry->subject != IMAGE_NONE) {
			r = t->fn(t->context, prefix, entry);
			continue;
		}
		list = image_list(image, entry->rule, &n_list);
		for (uint32_t k = 0; r == 0 && k < n_list; k++)
			r = t->fn(t->context, prefix, &list[k]);
	}
	return r;
}

/* What ends at this node. */
static int
report_node(struct tour *t, const struct step *step)
{
	bool literal = step->prefix == IMAGE_NONE;
	struct policy_prefix prefix = {
		.number = step->prefix, .siblings = step->siblings, .recursive = step->recursive};
	char directory[POLICY_PATH_MAX + 1], name[POLICY_NAME_MAX_BYTES + 1];
	size_t length = literal ? step->last : step->length;
	const struct image_node *node = image_node(t->image, step->node);

	if (node->n_denies + node->n_allows == 0)
		return 0;
	memcpy(directory, t->path, length);
	if (length == 0)
		directory[length++] = '/';
	directory[length] = '\0';
	prefix.directory = directory;
	if (literal) {
		prefix.number = t->prefixes++;
		length = step->length > 0 ? (size_t)step->length - step->last - 1 : 0;
		memcpy(name, t->path + step->last + 1, length);
		name[length] = '\0';
		prefix.name = length > 0 ? name : NULL;
	}
	return report(t, step, &prefix);
}

/* Children that make the path longer come last, so that one prefix comes in one run. */
static int
push_children(struct tour *t, const struct step *from)
{
	const struct policy_image *image = t->image;
	const struct image_node *node = image_node(image, from->node);
	const struct image_wild *wilds = image_wilds(node);
	struct step longer = *from, wilder = *from;
	int r = 0;

	longer.name = wilder.name = IMAGE_NONE;
	if (wilder.siblings < node->n_wilds)
		wilder.siblings = node->n_wilds;
	if (from->prefix == IMAGE_NONE)
		wilder.prefix = t->prefixes++;
	for (uint32_t i = 0; r == 0 && i < image_n_slots(node); i++) {
		longer.node = image_slots(node)[i] & IMAGE_SLOT_NODE;
		if (image_slots(node)[i] != IMAGE_NONE)
			r = policy_vector_push(&t->steps, longer);
	}
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; r == 0 && i < node->n_wilds; i++) {
			uint32_t number = wilds[i].component & ~IMAGE_WILD_DOTS;
			uint32_t kind = image->components[number].kind;
			bool is_name = kind == IMAGE_COMPONENT_NAME && from->prefix == IMAGE_NONE;
			struct step step = is_name ? longer : wilder;

			if (is_name != (pass == 0))
				continue;
			step.node = wilds[i].node;
			step.name = is_name ? number : IMAGE_NONE;
			step.recursive |= kind == IMAGE_COMPONENT_GLOBSTAR;
			r = policy_vector_push(&t->steps, step);
		}
	}
	return r;
}

int
policy_each_prefix(const struct policy_image *image, const struct policy_identity *identity,
		   policy_prefix_fn *fn, void *context)
{
	struct tour t = {.image = image, .identity = identity, .fn = fn, .context = context};
	const struct step root = {.name = IMAGE_NONE, .prefix = IMAGE_NONE};
	int r = policy_vector_push(&t.steps, root);

	while (r == 0 && t.steps.n > 0) {
		struct step step = t.steps.items[--t.steps.n];

		if (!extend(&t, &step))
			continue;
		r = report_node(&t, &step);
		if (r == 0)
			r = push_children(&t, &step);
	}
	policy_vector_free(&t.steps);
	return r;
}

/* --- of one identity --------------------------------------------------------------------- */

struct reached {
	unsigned verbs, types;
	bool executable;
	bool recursive;
};

struct collect {
	const struct policy_image *image;
	const struct policy_identity *identity;
	struct policy_intern keys; /* the directory, a NUL, and the name */
	struct reached reached[POLICY_PREFIXES_MAX];
	uint32_t number; /* of the last prefix, and */
	uint32_t id;     /* its key */
};

static int
collect(void *context, const struct policy_prefix *prefix, const struct image_entry *entry)
{
	struct collect *c = context;
	const struct policy_options *options;
	struct reached *reached;
	unsigned verbs;
	int r;

	if (image_verdict(c->image, entry->rule) == POLICY_DENY ||
	    !policy_identity_is(c->identity, entry->subject))
		return 0;
	if (prefix->number != c->number) {
		char key[POLICY_PATH_MAX + POLICY_NAME_MAX_BYTES + 2];
		size_t n = strlen(prefix->directory) + 1;
		const char *name = prefix->name ? prefix->name : "";

		memcpy(key, prefix->directory, n);
		memcpy(key + n, name, strlen(name));
		r = policy_intern(&c->keys, key, n + strlen(name), &c->id);
		if (r < 0)
			return r;
		if (c->id == POLICY_PREFIXES_MAX)
			return -E2BIG;
		c->number = prefix->number;
	}
	reached = &c->reached[c->id];
	options = policy_rule_options(c->image, entry->rule);
	verbs = c->image->rules[entry->rule].covers;
	reached->verbs |= verbs;
	if (verbs & (POLICY_READ | POLICY_WRITE | POLICY_CREATE))
		reached->types |= options->types;
	reached->executable |= options->exec && verbs & POLICY_READ;
	reached->recursive |= prefix->recursive;
	return 0;
}

int
policy_reach(const struct policy_image *image, const struct policy_identity *identity,
	     policy_reach_fn *fn, void *context)
{
	struct collect c = {.image = image, .identity = identity, .number = IMAGE_NONE};
	int r = policy_each_prefix(image, identity, collect, &c);

	for (size_t i = 0; r == 0 && i < c.keys.keys.n; i++) {
		const char *directory = c.keys.bytes.items + c.keys.keys.items[i].at;
		const char *name = directory + strlen(directory) + 1;
		const struct policy_reach reach = {
			.directory = directory,
			.name = *name ? name : NULL,
			.verbs = c.reached[i].verbs,
			.types = c.reached[i].types,
			.executable = c.reached[i].executable,
			.recursive = c.reached[i].recursive,
		};

		r = fn(context, &reach);
	}
	policy_intern_free(&c.keys);
	return r;
}
