/* SPDX-License-Identifier: MIT */
/* What of the language this version of the broker does not serve; see fdbroker.policy(5). */
#pragma once

#include "ask.h"

enum {
	CAVEAT_UNIT = 1 << 0,
	CAVEAT_STRICT = 1 << 1,
	CAVEATS_N = 8,
};

/* Those of an allow, asked for these verbs. */
unsigned caveats_of(struct ask *ask, unsigned verbs, uint32_t rule);

/* Those that say that a near miss would not help as it is written. */
unsigned caveats_of_near(struct ask *ask, uint32_t rule);

const char *caveat_text(int i);
void caveats_print(unsigned caveats);
json_t *caveats_json(unsigned caveats);
