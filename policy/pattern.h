/* SPDX-License-Identifier: MIT */
/* The text of a pattern, taken apart. */
#pragma once

#include "report.h"

/* Part of the image format. */
enum policy_component_kind {
	POLICY_COMPONENT_LITERAL = 1,  /* one literal piece */
	POLICY_COMPONENT_WILD = 2,     /* pieces */
	POLICY_COMPONENT_GLOBSTAR = 3, /* `**`, no pieces */
};

enum policy_piece_kind {
	POLICY_PIECE_LITERAL = 1, /* bytes */
	POLICY_PIECE_STAR = 2,
	POLICY_PIECE_CLASS = 3, /* one byte of a set */
	/* The next `length` pieces, literals all, are alternatives; one may be empty. */
	POLICY_PIECE_CHOICE = 4,
	POLICY_PIECE_USER = 5, /* ${user} */
	POLICY_PIECE_UID = 6,  /* ${uid} */
};

enum {
	/* Pieces of one component: literal bytes and a star between any two, before and after. */
	POLICY_PIECES_MAX = 2 * POLICY_NAME_MAX_BYTES + 1,
	POLICY_PATTERN_PIECES_MAX = 2 * POLICY_PATH_MAX + POLICY_COMPONENTS_MAX,
	POLICY_CLASSES_MAX = 64,       /* of a pattern */
	POLICY_ALTERNATIVES_MAX = 256, /* in all braces of a pattern */
};

/* A set of bytes. */
struct policy_class {
	uint64_t bits[4];
};

static inline bool
policy_class_holds(const struct policy_class *class, unsigned char byte)
{
	return class->bits[byte / 64] >> (byte % 64) & 1;
}

struct policy_piece {
	enum policy_piece_kind kind;
	uint32_t at; /* a literal: in bytes; a class: in classes */
	uint32_t length;
};

struct policy_component {
	enum policy_component_kind kind;
	uint32_t first; /* in pieces */
	uint32_t n;
};

struct policy_pattern {
	uint32_t n;
	uint32_t n_pieces;
	uint32_t n_bytes;
	uint32_t n_classes;
	struct policy_component components[POLICY_COMPONENTS_MAX];
	struct policy_piece pieces[POLICY_PATTERN_PIECES_MAX + POLICY_ALTERNATIVES_MAX + 1];
	struct policy_class classes[POLICY_CLASSES_MAX];
	char bytes[POLICY_PATH_MAX];
};

struct policy_pattern_error {
	enum policy_code code;
	struct policy_span span;
	const char *argument; /* NULL: the text of the span */
	char help[600];
};

/* text begins with '/'. False: ret_error says why (and ret_pattern is undefined). */
bool policy_pattern_parse(const char *text, uint32_t length, struct policy_pattern *ret_pattern,
			  struct policy_pattern_error *ret_error);
