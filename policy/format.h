/* SPDX-License-Identifier: MIT */
/*
 * The image: a header, then the sections in the order of enum section, each without a gap after the
 * one before. Sections refer to each other by item numbers; strings by offset into STRINGS.
 *
 * Nothing of this is trusted before policy_image_from_memory() has looked at every item, and all of
 * it after that.
 */
#pragma once

#include "pattern.h"
#include "policy.h"
#include "util.h"

#define IMAGE_MAGIC "fdbroker"

enum {
	IMAGE_VERSION = 1,
	IMAGE_NO_STRING = UINT32_MAX,
};

enum section {
	SECTION_SUBJECTS,       /* struct image_subject */
	SECTION_ATOMS,          /* struct image_atom */
	SECTION_SUBJECT_RULES,  /* uint32_t: rule */
	SECTION_RULES,          /* struct image_rule */
	SECTION_TARGETS,        /* uint32_t: list */
	SECTION_LISTS,          /* struct policy_range of patterns */
	SECTION_PATTERNS,       /* struct image_pattern */
	SECTION_COMPONENT_REFS, /* uint32_t: component */
	SECTION_COMPONENTS,     /* struct image_component */
	SECTION_PIECES,         /* struct image_piece */
	SECTION_PREFIXES,       /* struct image_prefix */
	SECTION_STRINGS,        /* bytes, the last one NUL */
	SECTIONS,
};

struct image_header {
	char magic[8];
	uint32_t version; /* in the byte order of the machine */
	uint32_t size;    /* of the whole image */
	uint32_t counts[SECTIONS];
};

/* A conjunction of atoms; none: everybody. */
struct image_subject {
	struct policy_range atoms;
	struct policy_range denies; /* rules of SUBJECT_RULES, ascending */
	struct policy_range allows; /* likewise */
};

struct image_atom {
	uint32_t kind; /* POLICY_ATOM_USER or POLICY_ATOM_GROUP */
	uint32_t id;
};

struct image_rule {
	uint8_t verdict;
	uint8_t verbs; /* as written */
	uint16_t zero;
	uint32_t file; /* string, printable */
	uint32_t line;
	uint32_t text; /* string, printable */
	struct policy_range targets;
	struct policy_range excepts;
};

struct image_pattern {
	struct policy_range components; /* of COMPONENT_REFS */
	uint32_t prefix;
};

struct image_component {
	uint32_t kind; /* enum policy_component_kind */
	struct policy_range pieces;
};

struct image_piece {
	uint32_t kind;   /* enum policy_piece_kind */
	uint32_t string; /* of a literal */
	uint32_t length;
};

struct image_prefix {
	uint32_t directory; /* string, a canonical path */
	uint32_t name;      /* string, or IMAGE_NO_STRING */
};

/* An image that was looked at. */
struct policy_image {
	const struct image_header *header;
	const struct image_subject *subjects;
	const struct image_atom *atoms;
	const uint32_t *subject_rules;
	const struct image_rule *rules;
	const uint32_t *targets;
	const struct policy_range *lists;
	const struct image_pattern *patterns;
	const uint32_t *component_refs;
	const struct image_component *components;
	const struct image_piece *pieces;
	const struct image_prefix *prefixes;
	const char *strings;
	void *mapping; /* NULL: the bytes are the caller's */
};

extern const size_t policy_section_item[SECTIONS];

/* Offsets of all sections and the size of the image that has these counts. */
uint64_t policy_image_layout(const uint32_t *counts, uint64_t *ret_offsets);

static inline uint32_t
image_count(const struct policy_image *image, enum section section)
{
	return image->header->counts[section];
}
