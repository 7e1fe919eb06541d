/* SPDX-License-Identifier: MIT */
/*
 * What was found for strictmodes, remembered for a while: a path that only root and one owner can change
 * (struct policy_chain) is not looked at for each request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "policy/policy.h"

enum {
	STRICT_MS = 1000, /* that something is remembered */
};

/* What is remembered of a path that only root and one owner can change. */
enum strict_kind {
	STRICT_DIRECTORY = 1, /* the chain that ends with it */
	STRICT_FILE,          /* a regular file, and the chain of its directory */
};
void strict_remember(enum strict_kind kind, const char *path, size_t length,
		     const struct policy_chain *chain);
bool strict_recall(enum strict_kind kind, const char *path, size_t length,
		   struct policy_chain *ret_chain);
