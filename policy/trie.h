/* SPDX-License-Identifier: MIT */
/* The tree of patterns as it grows, a node for each component; emit.c makes the image of it. */
#pragma once

#include "format.h"
#include "intern.h"

enum {
	TRIE_NO_NODE = UINT32_MAX,
	/* Braces of a pattern stand for so many patterns at most; more are matched as they are. */
	TRIE_EXPANSIONS_MAX = 64,
};

struct trie_node {
	uint32_t parent;
	uint32_t key;      /* a hash of all components up to here */
	uint32_t hash;     /* of this one */
	uint32_t at;       /* a literal: in bytes; else as struct image_wild.component */
	uint32_t length;   /* a literal: of the component; else 0 */
	uint32_t literals; /* the last child of that kind */
	uint32_t wilds;    /* likewise */
	uint32_t next;     /* the child before this one */
	uint32_t n_literals;
	uint32_t n_wilds;
	bool ends;     /* a pattern ends here */
	bool repeated; /* a `**` leads here or further up */
};

struct trie {
	POLICY_VECTOR(struct trie_node) nodes;
	POLICY_VECTOR(char) bytes;
	uint32_t *slots; /* number + 1, 0: free */
	size_t n_slots;
	struct policy_intern *strings; /* of the image */
	struct policy_intern component_keys;
	POLICY_VECTOR(struct image_component) components;
	POLICY_VECTOR(struct image_piece) pieces;
	POLICY_VECTOR(struct policy_class) classes;
};

void policy_trie_free(struct trie *trie);

int policy_trie_root(struct trie *trie, uint32_t *ret_root);

/*
 * Add a pattern below a root and call fn with each node that it ends at: more than one, if it has
 * braces. dots: its wildcards take a leading dot.
 */
typedef int policy_trie_fn(void *context, uint32_t node);
int policy_trie_add(struct trie *trie, uint32_t root, const struct policy_pattern *pattern,
		    bool dots, policy_trie_fn *fn, void *context);

/* A rule, or a list, with a pattern that ends at a node of the trie, or of a list. */
struct trie_end {
	uint32_t node; /* or the number of the list */
	bool allows;
	struct image_entry entry;
};
struct trie_ends {
	POLICY_VECTOR(struct trie_end) all;
};

/* The sections that the tree becomes. */
struct trie_image {
	POLICY_VECTOR(uint32_t) tree;
	POLICY_VECTOR(struct image_entry) entries;
	POLICY_VECTOR(struct image_list) lists;
};

void policy_trie_image_free(struct trie_image *image);

/*
 * roots: nodes of the trie; in their stead comes where they are in the image, the first at 0.
 * lists[i] says already whether list i is one of denies. The ends are sorted.
 */
int policy_trie_emit(const struct trie *trie, uint32_t *roots, size_t n_roots,
		     struct trie_ends *ends, struct trie_ends *list_ends, struct trie_image *image);
