/* SPDX-License-Identifier: MIT */
/* Giving up capabilities, and having them only while they are used. */
#pragma once

#include <stddef.h>
#include <sys/capability.h>
#include <sys/types.h>

/* No other capability than these n stays in the bounding set. 0 or a negative errno value. */
int caps_bound(const cap_value_t *keep, size_t n);

/* Of the capabilities that this process has, those n stay, and none is inheritable. */
int caps_hold(const cap_value_t *keep, size_t n);

/* They stay permitted, and none is effective: capabilities(7). */
int caps_rest(void);

/* SIGKILL to a process that may be another user's: with CAP_KILL, if we have it, for that long. */
void caps_kill(pid_t pid);
