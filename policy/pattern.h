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
	POLICY_PIECE_LITERAL = 1,
	POLICY_PIECE_STAR = 2,
};

enum {
	/* Pieces of one component: literal bytes and a star between any two, before and after. */
	POLICY_PIECES_MAX = 2 * POLICY_NAME_MAX_BYTES + 1,
	POLICY_PATTERN_PIECES_MAX = 2 * POLICY_PATH_MAX + POLICY_COMPONENTS_MAX,
};

struct policy_piece {
	enum policy_piece_kind kind;
	uint32_t at; /* in bytes */
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
	struct policy_component components[POLICY_COMPONENTS_MAX];
	struct policy_piece pieces[POLICY_PATTERN_PIECES_MAX];
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
