/* SPDX-License-Identifier: MIT */
/* Landlock: what this process, and all that it starts, can no longer do. landlock(7) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "broker/sys.h"

enum landlock_takes {
	LANDLOCK_TAKES_ALL,     /* everything that the kernel's Landlock can take */
	LANDLOCK_TAKES_CHANGES, /* to change files, and to signal others */
};

/*
 * Take that away, but for what the rules permit; what of a rule the kernel does not handle is left
 * out. Needs no_new_privs or CAP_SYS_ADMIN. Returns 1; 0 where the kernel has no Landlock; or a
 * negative errno value.
 */
int landlock_enter(enum landlock_takes takes, const struct landlock_path_beneath_attr *rules,
		   size_t n);
