/* SPDX-License-Identifier: MIT */
/* The literal beginnings of the patterns in an image. */
#pragma once

#include "format.h"

struct policy_prefix {
	uint32_t number;   /* the same for what comes with the same prefix */
	uint32_t siblings; /* of one wildcard of the pattern: other patterns have others there */
	const char *directory; /* as in struct policy_reach */
	const char *name;
	bool recursive;
};

/*
 * Call fn with each entry that is no list, and the prefix of a pattern that it stands for. Entries
 * of one prefix come in one run. identity: fills in ${user} and ${uid}, and leaves out what it has
 * no name for; NULL: the words themselves are filled in. Stops when fn returns anything but 0.
 */
typedef int policy_prefix_fn(void *context, const struct policy_prefix *prefix,
			     const struct image_entry *entry);
int policy_each_prefix(const struct policy_image *image, const struct policy_identity *identity,
		       policy_prefix_fn *fn, void *context);
