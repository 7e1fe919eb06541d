/* SPDX-License-Identifier: MIT */
/* Where a symbolic link leads, as the broker reads it (broker/worker/access.c). */
#pragma once

#include <stddef.h>

#include "policy/policy.h"

enum {
	FOLLOW_LINKS_MAX = 8, /* that the broker follows for one file */
};

/*
 * The path that the link leads to which the first `end` bytes of path name; malloc'ed. NULL: errno says
 * why; ELOOP: the broker does not go that way.
 */
char *follow(const char *path, size_t end, enum policy_link_end *ret_asks);

/* Where a path really leads; what does not exist stays as it is. NULL: nobody can tell. */
char *follow_really(const char *path);
