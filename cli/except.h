/* SPDX-License-Identifier: MIT */
/* Which of the patterns behind `except` takes a path away. */
#pragma once

#include "ask.h"

/* As it stands in the policy, with the name of its set; malloc'ed, NULL when it is not found. */
char *except_find(struct ask *ask, uint32_t rule);
