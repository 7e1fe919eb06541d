/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "match.h"

static void
push(struct walk *walk, struct walk_place place)
{
	if (walk->n_stack == WALK_STACK)
		walk->exhausted = true;
	else
		walk->stack[walk->n_stack++] = place;
}

/*
 * A `**` that was come to with fewer components used up, and no dot in its way since, can only do
 * again what it did then. Returns where it has been from: it has to go on to there.
 * POLICY_COMPONENTS_MAX + 1: it was never here.
 */
static uint8_t
see(struct walk *walk, const struct walk_place *place)
{
	uint8_t dots = place->flags & WALK_DOTS ? 0 : walk->split->dots[place->at];
	uint32_t slot = (place->node + dots) * UINT32_C(0x9e3779b1) % WALK_SEEN;
	uint8_t before;

	if (walk->n_seen == 0)
		memset(walk->seen, 0xff, sizeof(walk->seen));
	for (; walk->seen[slot].node != IMAGE_NONE; slot = (slot + 1) % WALK_SEEN) {
		if (walk->seen[slot].node != place->node || walk->seen[slot].dots != dots)
			continue;
		before = walk->seen[slot].at;
		if (place->at < before)
			walk->seen[slot].at = place->at;
		return before;
	}
	if (++walk->n_seen > WALK_SEEN / 2) {
		walk->exhausted = true;
		return 0;
	}
	walk->seen[slot].node = place->node;
	walk->seen[slot].dots = dots;
	walk->seen[slot].at = place->at;
	return POLICY_COMPONENTS_MAX + 1;
}

static bool
is_leaf(const struct image_node *node)
{
	return node->n_wilds == 0 && (node->shape & IMAGE_SLOT_BITS) == IMAGE_NO_SLOTS;
}

/* The rest of the path has no name that this `**` must not take. */
static bool
takes_rest(const struct walk *walk, const struct walk_place *place)
{
	return place->flags & WALK_DOTS ||
	       walk->split->dots[place->at] == walk->split->dots[walk->split->n];
}

static void
enter_globstar(struct walk *walk, const struct walk_place *from, const struct image_wild *wild)
{
	bool dots = wild->component & IMAGE_WILD_DOTS || walk->any_dots;
	struct walk_place place = {
		.node = wild->node,
		.at = from->at,
		.fixed = from->fixed,
		.limit = POLICY_COMPONENTS_MAX + 1,
		.flags = WALK_GLOBSTAR | WALK_WILD | (dots ? WALK_DOTS : 0),
	};
	const struct image_node *node = image_node(walk->image, wild->node);
	bool first = true;

	if (node->shape & IMAGE_NODE_NESTED) {
		place.limit = see(walk, &place);
		if (place.limit <= place.at)
			return;
		first = place.limit > POLICY_COMPONENTS_MAX;
	}
	if (!is_leaf(node))
		push(walk, place);
	/* What it takes from here it took from further on, if this is not the first time. */
	if (!first || !takes_rest(walk, &place))
		return;
	place.at = (uint8_t)walk->split->n;
	place.flags |= WALK_END;
	push(walk, place);
}

/* One component more, after what is below had its turn. */
static void
stay_in_globstar(struct walk *walk, const struct walk_place *place)
{
	struct walk_place next = *place;

	next.at++;
	if (next.at >= place->limit)
		return;
	if (!(place->flags & WALK_DOTS) &&
	    walk->split->path[walk->split->names[place->at].at] == '.')
		return;
	push(walk, next);
}

static void
enter_wild(struct walk *walk, const struct walk_place *from, const struct image_wild *wild)
{
	const struct image_component *component =
		&walk->image->components[wild->component & ~IMAGE_WILD_DOTS];
	const char *name = walk->split->path + walk->split->names[from->at].at;
	uint32_t length = walk->split->names[from->at].length;
	struct walk_place place = {
		.node = wild->node,
		.at = (uint8_t)(from->at + 1),
		.fixed = from->fixed,
		.flags = from->flags & WALK_WILD,
	};

	if (!policy_component_matches(walk->image, walk->identity, component, name, length,
				      wild->component & IMAGE_WILD_DOTS || walk->any_dots,
				      walk->steps))
		return;
	if (component->kind != IMAGE_COMPONENT_NAME)
		place.flags |= WALK_WILD;
	else if (!(place.flags & WALK_WILD))
		place.fixed++;
	push(walk, place);
}

/* False: there is no such child. */
static bool
enter_literal(struct walk *walk, const struct image_node *parent, struct walk_place *place)
{
	const struct policy_split *split = walk->split;
	const uint32_t *slots = image_slots(parent);
	uint32_t at = split->names[place->at].at, hash = split->names[place->at].hash;
	uint32_t mask = image_n_slots(parent) - 1, slot = hash & mask;

	for (uint32_t tried = 0; tried <= mask; tried++, slot = (slot + 1) & mask) {
		const struct image_node *node;
		uint32_t end;

		(*walk->steps)--;
		if (slots[slot] == IMAGE_NONE)
			return false;
		if ((slots[slot] ^ hash) & ~(uint32_t)IMAGE_SLOT_NODE)
			continue;
		node = image_node(walk->image, slots[slot] & IMAGE_SLOT_NODE);
		end = at + node->run_length;
		if (end > split->length || (end < split->length && split->path[end] != '/') ||
		    memcmp(split->path + at, image_run(node), node->run_length) != 0)
			continue;
		place->node = slots[slot] & IMAGE_SLOT_NODE;
		place->at = (uint8_t)(place->at + node->run_components);
		place->flags &= WALK_WILD;
		if (!(place->flags & WALK_WILD))
			place->fixed = place->at;
		return true;
	}
	return false;
}

static void
enter_wilds(struct walk *walk, const struct image_node *node, const struct walk_place *place)
{
	const struct image_wild *wilds = image_wilds(node);

	for (uint32_t i = 0; i < node->n_wilds && *walk->steps >= 0; i++) {
		(*walk->steps)--;
		if (walk->image->components[wilds[i].component & ~IMAGE_WILD_DOTS].kind ==
		    IMAGE_COMPONENT_GLOBSTAR)
			enter_globstar(walk, place, &wilds[i]);
		else if (place->at < walk->split->n)
			enter_wild(walk, place, &wilds[i]);
	}
}

void
policy_walk_start(struct walk *walk, const struct policy_image *image,
		  const struct policy_identity *identity, const struct policy_split *split,
		  uint32_t root, int64_t *steps)
{
	walk->image = image;
	walk->identity = identity;
	walk->split = split;
	walk->steps = steps;
	walk->any_dots = false;
	walk->exhausted = false;
	walk->n_seen = 0;
	walk->n_stack = 1;
	walk->stack[0] = (struct walk_place){.node = root};
}

bool
policy_walk_next(struct walk *walk, struct walk_place *ret_place)
{
	while (walk->n_stack > 0 && !walk->exhausted) {
		struct walk_place place = walk->stack[--walk->n_stack];

		if (place.flags & WALK_END) {
			*ret_place = place;
			return true;
		}
		/* Down from literal to literal; what else there is waits on the stack. */
		for (;;) {
			const struct image_node *node = image_node(walk->image, place.node);
			bool more = place.at < walk->split->n;

			if (--*walk->steps < 0) {
				walk->exhausted = true;
				return false;
			}
			if (more && place.flags & WALK_GLOBSTAR)
				stay_in_globstar(walk, &place);
			enter_wilds(walk, node, &place);
			if (!more) {
				if (place.flags & WALK_GLOBSTAR)
					break;
				*ret_place = place;
				return true;
			}
			if ((node->shape & IMAGE_SLOT_BITS) == IMAGE_NO_SLOTS ||
			    !enter_literal(walk, node, &place))
				break;
		}
	}
	walk->exhausted |= *walk->steps < 0;
	return false;
}
