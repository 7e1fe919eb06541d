/* SPDX-License-Identifier: MIT */
/* Giving up capabilities. */
#pragma once

#include <stddef.h>
#include <sys/capability.h>

/* No other capability than these n stays in the bounding set. 0 or a negative errno value. */
int caps_bound(const cap_value_t *keep, size_t n);

/* Of the capabilities that this process has, those n stay, and none is inheritable. */
int caps_hold(const cap_value_t *keep, size_t n);
