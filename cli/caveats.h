/* SPDX-License-Identifier: MIT */
/* What of the language this version of the broker does not serve; see fdbroker.policy(5). */
#pragma once

#include "ask.h"

enum {
	CAVEATS_N = 5,
};

/* Those of an allow, asked for these verbs. */
unsigned caveats_of(struct ask *ask, unsigned verbs, uint32_t rule);

const char *caveat_text(int i);
void caveats_print(unsigned caveats);
json_t *caveats_json(unsigned caveats);
