/* SPDX-License-Identifier: MIT */
/*
 * Does a pattern match a path? No recursion, no allocation; the time is bounded by components of
 * the pattern times components of the path, and by bytes of the pattern times bytes of the path.
 */
#pragma once

#include "format.h"

/* A canonical path, taken apart. */
struct policy_split {
	const char *path;
	uint32_t n;
	struct {
		uint16_t at;
		uint16_t length;
	} names[POLICY_COMPONENTS_MAX];
};

/* False: the path is not canonical. */
bool policy_split(const char *path, size_t length, struct policy_split *ret_split);

/* dots: wildcards match names that begin with a dot. */
bool policy_pattern_matches(const struct policy_image *image, const struct image_pattern *pattern,
			    const struct policy_split *split, bool dots);
