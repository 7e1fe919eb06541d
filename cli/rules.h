/* SPDX-License-Identifier: MIT */
/* A policy that is compiled in this process. */
#pragma once

#include "policy/dropin.h"
#include "policy/policy.h"

/* What to say when there is not one file. */
#define RULES_NONE "no policy file: everything is denied"

struct rules {
	size_t n_files;
	struct policy_diag diag; /* counts */
	void *bytes;
	struct policy_image *image; /* NULL when there were errors */
};

/*
 * Compile what paths (files and directories) hold as one set, or with n 0 the system's directories.
 * Diagnostics go to stderr. Always to be followed by rules_clear(). Returns 0; -EBADMSG when the
 * policy has an error or cannot be read, which was said.
 */
int rules_load(const char *const *paths, size_t n, struct rules *ret_rules);

void rules_clear(struct rules *rules);

/* Is this line a rule that the language of this version has? */
bool rules_would_compile(const char *rule);
