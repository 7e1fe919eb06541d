/* SPDX-License-Identifier: MIT */
/*
 * A pattern as a machine that reads a path: for each component one that reads a name. Many of its
 * states can be active at once; they are bits, and all its jumps go forward.
 */
#pragma once

#include "pattern.h"

enum policy_node_kind {
	POLICY_NODE_SYMBOL, /* `what` */
	POLICY_NODE_CLASS,  /* number `what` */
	POLICY_NODE_STAR,
	POLICY_NODE_FORK, /* on with the next node, or `to` */
	POLICY_NODE_JUMP, /* on with `to` */
};

/* What a name consists of: bytes, and variables, whose value is known to nobody. */
enum policy_symbol {
	POLICY_SYMBOL_USER = 256,
	POLICY_SYMBOL_UID,
	POLICY_SYMBOL_USER_DOT, /* at the start of a name: a value that begins with a dot */
	POLICY_SYMBOLS_N,
};

struct policy_node {
	uint16_t kind;
	uint16_t what;
	uint32_t to; /* from the first node of the component */
};

struct policy_part {
	bool globstar;
	uint32_t first; /* in nodes */
	uint32_t n;     /* state n is the end of the component */
};

struct policy_automaton {
	uint32_t n;
	bool variable; /* holds ${user} or ${uid} */
	const struct policy_class *classes;
	const struct policy_node *nodes;
	struct policy_part parts[];
};

/* free() frees it. */
int policy_automaton_new(const struct policy_pattern *pattern,
			 struct policy_automaton **ret_automaton);

enum policy_reading {
	POLICY_READING_DOTS = 1 << 0, /* wildcards take a leading dot: in deny and except */
	/*
	 * Whatever the pattern matches for some value of ${user} and ${uid}; else they equal only
	 * themselves. Goes with POLICY_READING_DOTS.
	 */
	POLICY_READING_WIDE = 1 << 1,
};

static inline uint32_t
policy_part_words(const struct policy_part *part)
{
	return part->n / 64 + 1;
}

/* The states at the start of a name. */
void policy_part_start(const struct policy_automaton *automaton, const struct policy_part *part,
		       unsigned reading, uint64_t *states);

/* Those after one more symbol. first: it begins the name. False: there are none. */
bool policy_part_step(const struct policy_automaton *automaton, const struct policy_part *part,
		      unsigned reading, const uint64_t *from, unsigned symbol, bool first,
		      uint64_t *to);

static inline bool
policy_part_ends(const struct policy_part *part, const uint64_t *states)
{
	return states[part->n / 64] >> (part->n % 64) & 1;
}

/* In the path, `${user}` and `${uid}` stand for the variables. */
bool policy_automaton_matches(const struct policy_automaton *automaton, const char *path,
			      size_t length, unsigned reading);

/* A path that it matches, found without a search: often there. path: room for POLICY_PATH_MAX. */
bool policy_automaton_example(const struct policy_automaton *automaton, unsigned reading,
			      char *path, size_t *ret_length);

/* A symbol as it is written in a path. */
struct policy_span policy_symbol_text(unsigned symbol, const char **ret_text);

/* Which symbols have to be told apart. */
struct policy_alphabet {
	uint16_t classes[POLICY_SYMBOLS_N];
	bool alone[POLICY_SYMBOLS_N];
};

#define POLICY_ALPHABET_EMPTY                                                                      \
	{                                                                                          \
		.alone = { ['.'] = true }                                                          \
	}

/* Those that the component tells apart. Returns how many steps that took. */
uint32_t policy_alphabet_split(struct policy_alphabet *alphabet,
			       const struct policy_automaton *automaton,
			       const struct policy_part *part);

/* One for each class. dot_values: POLICY_SYMBOL_USER_DOT, too. Returns their number. */
size_t policy_alphabet_choose(const struct policy_alphabet *alphabet, bool variables,
			      bool dot_values, unsigned ret_symbols[POLICY_SYMBOLS_N]);
