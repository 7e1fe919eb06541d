/* SPDX-License-Identifier: MIT */
/*
 * Rules that have no effect, or not the one that was meant: an allow that a deny covers wholly, an
 * allow that another one covers, two allows that people may expect to add up.
 */
#pragma once

#include "ast.h"

/*
 * Each rule of that verdict with a target that matches the path, whoever it is for, whatever it
 * excepts; `rule` counts as in ast->rules. A rule may come more than once. Returns false when fn
 * does, and when it took too many steps. `${user}` and `${uid}` in the path are
 * what the variables of these names stand for.
 */
typedef bool policy_candidate_fn(void *context, uint32_t rule);
typedef bool policy_candidates(const void *index, enum policy_verdict verdict, const char *path,
			       size_t length, policy_candidate_fn *fn, void *context);

/*
 * After policy_resolve() without an error. flags: enum policy_compile_flags. find, index: what
 * finds rules by a path. 0 also after reports; -ENOMEM.
 */
int policy_review(const struct policy_ast *ast, struct policy_report *report, unsigned flags,
		  policy_candidates *find, const void *index);
