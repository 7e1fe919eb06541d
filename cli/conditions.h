/* SPDX-License-Identifier: MIT */
/* What an allow asks of the object that is opened, in words. */
#pragma once

#include "ask.h"

enum {
	CONDITIONS_MAX = 8,
};

struct conditions {
	char *lines[CONDITIONS_MAX];
	size_t n;
};

void conditions_find(const struct ask *ask, unsigned verbs, uint32_t rule,
		     struct conditions *ret_conditions);
void conditions_clear(struct conditions *conditions);
