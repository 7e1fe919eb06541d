/* SPDX-License-Identifier: MIT */
/* Giving up capabilities, and having in effect what is used. */
#pragma once

#include <stddef.h>
#include <sys/capability.h>

/* No other capability than these n stays in the bounding set. 0 or a negative errno value. */
int caps_bound(const cap_value_t *keep, size_t n);

/* Of the capabilities that this process has, those n stay, and none is inheritable. */
int caps_hold(const cap_value_t *keep, size_t n);

/* They stay permitted, and none is effective but that one, if we have it: capabilities(7). */
int caps_rest(cap_value_t cap);
