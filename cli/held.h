/* SPDX-License-Identifier: MIT */
/*
 * The conditions of a rule, held against what is there now, as far as the caller may look. Help for whoever
 * asks why; what counts is what the broker finds.
 */
#pragma once

#include <sys/stat.h>

#include "ask.h"

/*
 * Which condition this object does not meet, in the words of the broker's log; malloc'ed. NULL: none that
 * could be seen. No directory of the path is a symbolic link.
 */
char *held_unmet(const struct ask *ask, unsigned verbs, const struct policy_options *options,
		 const struct stat *object);
