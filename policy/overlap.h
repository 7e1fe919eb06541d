/* SPDX-License-Identifier: MIT */
/*
 * Is there a path that these patterns match and those do not? A search through all that reading a
 * path, name by name and byte by byte, can bring the patterns to. Its answer is exact, or unknown.
 */
#pragma once

#include "automaton.h"
#include "util.h"

/*
 * What a pattern means for the path: one of each ROLE_FIRST and, if there are such, ROLE_SECOND has
 * to match it, none of ROLE_NOT; and no pair may have a target that matches and no except.
 */
enum policy_role {
	POLICY_ROLE_FIRST = 0,
	POLICY_ROLE_SECOND = 1,
	POLICY_ROLE_NOT = 2,
	POLICY_ROLE_PAIRS = 3,

	POLICY_PAIRS_MAX = 30,
};

#define POLICY_ROLE_TARGET(pair) (POLICY_ROLE_PAIRS + 2 * (pair))
#define POLICY_ROLE_EXCEPT(pair) (POLICY_ROLE_PAIRS + 2 * (pair) + 1)

struct policy_overlap_member {
	const struct policy_automaton *automaton;
	unsigned role;
	unsigned reading;
	uint32_t base; /* of its states; the search sets it */
};

struct policy_overlap {
	POLICY_VECTOR(struct policy_overlap_member) members;
	int64_t steps; /* that searches may still take, a few nanoseconds each */
	size_t length;
	char path[POLICY_PATH_MAX];
};

/* The automaton has to outlive the search. */
int policy_overlap_add(struct policy_overlap *overlap, const struct policy_automaton *automaton,
		       unsigned role, unsigned reading);

enum policy_overlap_result {
	POLICY_OVERLAP_NONE,
	POLICY_OVERLAP_FOUND,   /* in overlap->path; `${user}` and `${uid}` stand for themselves */
	POLICY_OVERLAP_UNKNOWN, /* too many states or steps, or the path would be too long */
};

/* One with the fewest components. 0 or -ENOMEM. */
int policy_overlap_search(struct policy_overlap *overlap, enum policy_overlap_result *ret_result);
