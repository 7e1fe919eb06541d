/* SPDX-License-Identifier: MIT */
/* Which of the patterns of a rule matches, behind `except` or through a set. */
#pragma once

#include "ask.h"

/* As it stands in the policy, with name and place of its set; malloc'ed, NULL when it is not found. */
char *except_find(struct ask *ask, uint32_t rule);

/* The same of the rule's own patterns; NULL, too, when the pattern stands in the rule itself. */
char *except_find_set(struct ask *ask, uint32_t rule);
