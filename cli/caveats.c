/* SPDX-License-Identifier: MIT */
#include "caveats.h"

#include "json.h"
#include "text.h"

enum {
	STRICT = 1 << 0,
	CREATE = 1 << 1,
	STAT = 1 << 2,
	LIST = 1 << 3,
	LINKS = 1 << 4,
};

static const char *const texts[CAVEATS_N] = {
	"strictmodes: not held in this version: who may write a directory decides what is in it",
	"create: not served in this version: O_CREAT is refused",
	"stat: not served in this version: there is no request for it",
	"list: not served in this version: there is no request for it",
	"symlinks=beneath: not served in this version: links are refused",
};

unsigned
caveats_of(struct ask *ask, unsigned verbs, uint32_t rule)
{
	const struct policy_options *options = policy_rule_options(ask->rules.image, rule);
	unsigned caveats = 0;

	if (options->strict != POLICY_STRICT_NO)
		caveats |= STRICT;
	if (verbs & POLICY_CREATE)
		caveats |= CREATE;
	if (verbs & POLICY_STAT)
		caveats |= STAT;
	if (verbs & POLICY_LIST)
		caveats |= LIST;
	if (options->symlinks_beneath)
		caveats |= LINKS;
	return caveats;
}

const char *
caveat_text(int i)
{
	return texts[i];
}

void
caveats_print(unsigned caveats)
{
	for (int i = 0; i < CAVEATS_N; i++)
		if (caveats & 1u << i)
			cli_line(stdout, "       %s", texts[i]);
}

json_t *
caveats_json(unsigned caveats)
{
	json_t *array = cli_json_array();

	for (int i = 0; i < CAVEATS_N; i++)
		if (caveats & 1u << i)
			cli_json_add(array, cli_json_text(texts[i]));
	return array;
}
