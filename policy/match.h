/* SPDX-License-Identifier: MIT */
/*
 * Which patterns match a path? No allocation, and no recursion but one into a list. Time is counted in steps, each of them
 * a few nanoseconds; when they are used up, nothing more is found and `exhausted` says so.
 */
#pragma once

#include "format.h"
#include "hash.h"

/* A canonical path, taken apart. */
struct policy_split {
	const char *path;
	uint32_t length;
	uint32_t n;
	/* Of components before this one: how many begin with a dot. */
	uint8_t dots[POLICY_COMPONENTS_MAX + 1];
	struct {
		uint16_t at;
		uint16_t length;
		uint32_t hash;
	} names[POLICY_COMPONENTS_MAX];
};

/* False: the path is not canonical. */
bool policy_split(const char *path, size_t length, struct policy_split *ret_split);

/* The same, for a walk from the root of the image, whose memory is asked for meanwhile. */
bool policy_split_for(const struct policy_image *image, const char *path, size_t length,
		      struct policy_split *ret_split);

/*
 * Does the name match the component, which is not `**`? dots: wildcards take a leading dot. Takes
 * from *steps.
 */
bool policy_component_matches(const struct policy_image *image,
			      const struct policy_identity *identity,
			      const struct image_component *component, const char *name,
			      uint32_t length, bool dots, int64_t *steps);

/* Is the identity this subject? */
bool policy_identity_is(const struct policy_identity *identity, uint32_t subject);

/*
 * Call fn with each rule of that verdict, by number in the image, that has a target which matches
 * the path, whoever it is for and whatever it excepts. A rule may come more than once. False when
 * fn returns false, or after too many steps.
 */
bool policy_each_match(const struct policy_image *image, const char *path, size_t length,
		       enum policy_verdict verdict, bool (*fn)(void *context, uint32_t rule),
		       void *context);

/* Does it hold for the peer? */
bool policy_atom_holds(const struct policy_image *image, const struct image_atom *atom,
		       const struct policy_peer *peer);

/* Stars match any bytes. For units. */
bool policy_glob_matches(const char *glob, const char *text);

enum {
	WALK_STACK = 1024,
	WALK_SEEN = 1024, /* a power of two */
};

/* A node that the path has come to. */
struct walk_place {
	uint32_t node;
	uint8_t at;    /* components of the path that are used up */
	uint8_t fixed; /* of them, those that the pattern says literally */
	uint8_t limit; /* a `**`: was here before with this many used up */
	uint8_t flags;
};

enum walk_flags {
	WALK_GLOBSTAR = 1 << 0, /* may take more components */
	WALK_DOTS = 1 << 1,     /* those that begin with a dot, too */
	WALK_END = 1 << 2,      /* a `**` at the end of a pattern takes all that is left */
	WALK_WILD = 1 << 3,     /* not all of the pattern is literal */
};

struct walk {
	const struct policy_image *image;
	const struct policy_identity *identity;
	const struct policy_split *split;
	int64_t *steps;
	bool any_dots; /* wildcards take a leading dot, whatever the pattern says */
	bool exhausted;
	uint32_t n_stack;
	uint32_t n_seen;
	struct walk_place stack[WALK_STACK];
	struct {
		uint32_t node;
		uint8_t dots;
		uint8_t at;
	} seen[WALK_SEEN]; /* `**` below `**`; set up by the first */
};

/* identity, split and steps have to outlive the walk. */
void policy_walk_start(struct walk *walk, const struct policy_image *image,
		       const struct policy_identity *identity, const struct policy_split *split,
		       uint32_t root, int64_t *steps);

/* The next node that a pattern which matches the whole path ends at; false: there is none. */
bool policy_walk_next(struct walk *walk, struct walk_place *ret_place);
