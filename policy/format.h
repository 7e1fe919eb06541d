/* SPDX-License-Identifier: MIT */
/*
 * The image: a header, then the sections in the order of enum section, each without a gap after the
 * one before. Sections refer to each other by item numbers; strings by offset into STRINGS.
 *
 * The patterns of all rules are one tree of path components. A node has literal children, found by
 * a hash of their first component, and others, which are tried one by one. Literal components
 * without a branch between them are one edge. Nothing is made deterministic: so the tree is as
 * large as the text. What a rule excepts is a tree of its own.
 *
 * Nothing of this is trusted before policy_image_from_memory() has looked at every item, and all of
 * it after that.
 */
#pragma once

#include "pattern.h"
#include "policy.h"
#include "util.h"
#include "words.h"

#define IMAGE_MAGIC "fdbroker"

enum {
	IMAGE_VERSION = 4,
	IMAGE_NONE = UINT32_MAX,
	IMAGE_BYTES_MAX = 1 << 29, /* the broker looks at all of them before it goes on */
};

enum section {
	SECTION_CLASSES,      /* struct policy_class */
	SECTION_SUBJECTS,     /* struct image_subject */
	SECTION_CONJUNCTIONS, /* struct image_conjunction, sorted by anchor */
	SECTION_ATOMS,        /* struct image_atom */
	SECTION_RULES,        /* struct image_rule: denies, then allows, by options */
	SECTION_OPTIONS,      /* struct image_options: those of allows by their order */
	SECTION_NOTES,        /* struct image_note */
	SECTION_EXCEPTS,      /* uint32_t: node, a root */
	SECTION_TREE,         /* uint32_t: struct image_node and what belongs to it; 0 is a root */
	SECTION_LISTS,        /* struct image_list */
	SECTION_ENTRIES,      /* struct image_entry, of lists */
	SECTION_COMPONENTS,   /* struct image_component */
	SECTION_PIECES,       /* struct image_piece */
	SECTION_SUBUIDS,      /* struct policy_subuids: ascending, no id is in two */
	SECTION_STRINGS,      /* bytes, the last one NUL */
	SECTIONS,
};

struct image_header {
	char magic[8];
	uint32_t version; /* in the byte order of the machine */
	uint32_t size;    /* of the whole image */
	uint32_t denies;  /* rules below this number deny */
	uint32_t zero[2];
	uint32_t counts[SECTIONS];
};

enum image_subject_flags {
	IMAGE_SUBJECT_ALLOWS = 1 << 0,     /* an allow names it */
	IMAGE_SUBJECT_NAMED = 1 << 1,      /* it is not everybody */
	IMAGE_SUBJECT_USER = 1 << 2,       /* a rule for it holds ${user} */
	IMAGE_SUBJECT_UID = 1 << 3,        /* a rule for it holds ${uid} */
	IMAGE_SUBJECT_TAKES_USER = 1 << 4, /* a deny, or what is excepted, holds ${user} */
	IMAGE_SUBJECT_FLAGS = (1 << 5) - 1,
};

/* All that one rule says of who: whoever one of its conjunctions holds for. */
struct image_subject {
	uint32_t flags;
};

enum {
	/*
	 * Units, which cost most to compare with, in the conjunctions that are found by one user,
	 * group or label; and in all, for a peer may be in many groups.
	 */
	IMAGE_UNITS_MAX = 4096,
	IMAGE_UNITS_ALL_MAX = 16384,
};

/* Atoms that must hold together; none: everybody. */
struct image_conjunction {
	/* One of its atoms, by which it is found: user or group and an id, label and a hash. */
	uint32_t kind; /* enum policy_atom_kind, POLICY_ATOM_ANY: there is none */
	uint32_t key;
	uint32_t subject;
	struct policy_range atoms;
};

struct image_atom {
	uint32_t kind;  /* enum policy_atom_kind */
	uint32_t value; /* an id, or a string: the label, or the unit with stars in it */
};

struct image_rule {
	uint32_t file; /* string, printable */
	uint32_t line;
	uint32_t subject; /* as in all of its entries; IMAGE_NONE: nobody, and it has none */
	uint8_t verbs;    /* as written */
	uint8_t covers;   /* the same and what they imply */
	uint8_t expires;
	uint8_t zero;
	struct policy_range excepts; /* of EXCEPTS */
	uint32_t options;
	uint32_t note; /* or IMAGE_NONE */
};

struct image_options {
	struct policy_options options;
	uint32_t end; /* rules with these options are below this number */
};

struct image_note {
	uint32_t id; /* string, printable, or IMAGE_NONE */
	uint32_t because;
};

enum {
	/* Of image_node.shape: 1 << bits slots, or none; and flags. */
	IMAGE_SLOT_BITS = 0x1f,
	IMAGE_SLOT_BITS_MAX = 28,
	IMAGE_NO_SLOTS = 0x1f,
	IMAGE_NODE_ENDS = 0x20, /* in a tree of excepts: a pattern ends here */
	/* A `**` below another one: it can be come to more than once for a path. */
	IMAGE_NODE_NESTED = 0x40,
	IMAGE_NODE_SHAPE = 0x7f,
};

/*
 * Followed by its run, with zeroes up to a multiple of four bytes, its slots, its wilds and its
 * entries (denies, then allows): what one visit needs lies together, and what it looks at first
 * comes first. A node is named by where it begins in the section.
 */
struct image_node {
	uint32_t n_wilds;
	uint32_t n_denies;
	uint32_t n_allows;
	/* The literal components that lead here, joined by '/'; none: a root, or behind a wild. */
	uint16_t run_length;
	uint8_t run_components;
	uint8_t shape;
};

/*
 * A child behind a literal stands in slot (hash % slots), or, if that is taken, in the next: its
 * node, and the highest bits of the hash, which spare a look at most that are not meant.
 */
enum {
	IMAGE_SLOT_NODE = 0x0fffffff,
	IMAGE_TREE_MAX = IMAGE_SLOT_NODE, /* items of the section */
};

static inline uint32_t
image_slot(uint32_t hash, uint32_t node)
{
	return (hash & ~(uint32_t)IMAGE_SLOT_NODE) | node;
}

/* A child behind anything else. */
struct image_wild {
	uint32_t component; /* with IMAGE_WILD_DOTS: wildcards take a leading dot */
	uint32_t node;
};

#define IMAGE_WILD_DOTS UINT32_C(0x80000000)

enum {
	IMAGE_RULES_MAX = 1 << 24,
};

/* A rule, or many, with a pattern that ends at a node. Sorted by subject, then by rule. */
struct image_entry {
	uint32_t subject;   /* IMAGE_NONE: rule is a list */
	uint32_t rule : 24; /* its own place has the rest */
	uint32_t covers : 5;
	uint32_t more : 1; /* it excepts something, or ends some day */
	uint32_t zero : 2;
};

/* The rules that name a set: what stands at each of its patterns instead of all of them. */
struct image_list {
	uint32_t entries; /* up to those of the next list */
	uint32_t denies;  /* 1: all of them are denies, 0: allows */
};

enum image_component_kind {
	IMAGE_COMPONENT_GLOBSTAR = 1, /* no pieces */
	IMAGE_COMPONENT_AFFIX = 2,    /* two literals, maybe empty, and a star between them */
	IMAGE_COMPONENT_PIECES = 3,
	/* The same without star, class or choice: one name, once the peer is known. */
	IMAGE_COMPONENT_NAME = 4,
};

struct image_component {
	uint32_t kind;
	struct policy_range pieces;
};

struct image_piece {
	uint16_t kind;   /* enum policy_piece_kind */
	uint16_t length; /* as in struct policy_piece */
	uint32_t at;     /* a literal: string; a class: item of CLASSES */
};

/* An image that was looked at. */
struct policy_image {
	const struct image_header *header;
	const struct policy_class *classes;
	const struct image_subject *subjects;
	const struct image_conjunction *conjunctions;
	const struct image_atom *atoms;
	const struct image_rule *rules;
	const struct image_options *options;
	const struct image_note *notes;
	const uint32_t *excepts;
	const uint32_t *tree;
	const struct image_list *lists;
	const struct image_entry *entries;
	const struct image_component *components;
	const struct image_piece *pieces;
	const struct policy_subuids *subuids;
	const char *strings;
	unsigned asks; /* enum policy_asks */
	void *mapping; /* NULL: the bytes are the caller's */
};

extern const size_t policy_section_item[SECTIONS];

/* Offsets of all sections and the size of the image that has these counts. */
uint64_t policy_image_layout(const uint32_t *counts, uint64_t *ret_offsets);

/*
 * policy_image_from_memory() without a look at the items: for the image that this process has just
 * made.
 */
int policy_image_attach(const void *bytes, size_t size, struct policy_image **ret_image);

/* Is every item of every section what is said here? Nothing else looks again. -EBADMSG, -ENOMEM. */
int policy_image_good(const struct policy_image *image);

static inline uint32_t
image_count(const struct policy_image *image, enum section section)
{
	return image->header->counts[section];
}

static inline const struct image_node *
image_node(const struct policy_image *image, uint32_t node)
{
	return (const void *)(image->tree + node);
}

static inline uint32_t
image_n_slots(const struct image_node *node)
{
	uint32_t bits = node->shape & IMAGE_SLOT_BITS;

	return bits == IMAGE_NO_SLOTS ? 0 : UINT32_C(1) << bits;
}

static inline const char *
image_run(const struct image_node *node)
{
	return (const char *)(node + 1);
}

/* IMAGE_NONE: free */
static inline const uint32_t *
image_slots(const struct image_node *node)
{
	return (const void *)(image_run(node) + ((node->run_length + 3u) & ~3u));
}

static inline const struct image_wild *
image_wilds(const struct image_node *node)
{
	return (const void *)(image_slots(node) + image_n_slots(node));
}

static inline const struct image_entry *
image_denies(const struct image_node *node)
{
	return (const void *)(image_wilds(node) + node->n_wilds);
}

static inline const struct image_entry *
image_allows(const struct image_node *node)
{
	return image_denies(node) + node->n_denies;
}

/* In items of the section. */
static inline uint64_t
image_node_size(const struct image_node *node)
{
	uint64_t pairs = (uint64_t)node->n_wilds + node->n_denies + node->n_allows;

	return sizeof(*node) / 4 + ((uint64_t)node->run_length + 3) / 4 + image_n_slots(node) +
	       2 * pairs;
}

/* How many units it names. */
static inline uint32_t
image_units(const struct policy_image *image, const struct image_conjunction *c)
{
	uint32_t units = 0;

	for (uint32_t i = 0; i < c->atoms.n; i++)
		units += image->atoms[c->atoms.first + i].kind == POLICY_ATOM_UNIT;
	return units;
}

static inline uint32_t
image_list_end(const struct policy_image *image, uint32_t list)
{
	return list + 1 < image_count(image, SECTION_LISTS) ? image->lists[list + 1].entries
							    : image_count(image, SECTION_ENTRIES);
}

static inline const struct image_entry *
image_list(const struct policy_image *image, uint32_t list, uint32_t *ret_n)
{
	uint32_t first = image->lists[list].entries;

	*ret_n = image_list_end(image, list) - first;
	return image->entries + first;
}

static inline enum policy_verdict
image_verdict(const struct policy_image *image, uint32_t rule)
{
	return rule < image->header->denies ? POLICY_DENY : POLICY_ALLOW;
}
