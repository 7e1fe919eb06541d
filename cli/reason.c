/* SPDX-License-Identifier: MIT */
/* Why a clause of a rule does not hold, in words. */
#include <stdlib.h>

#include "except.h"
#include "near.h"
#include "policy/format.h"
#include "subject.h"
#include "text.h"

/* Of several alternatives those that lack least. */
static char *
who_reason(struct ask *ask, uint32_t rule)
{
	const struct policy_image *image = ask->rules.image;
	uint32_t subject = image->rules[rule].subject;
	size_t least = subject_lacks(ask, rule), alternatives = 0, shown = 0;
	char *text;

	if (ask->who.peer.has_uid && ask->who.peer.uid == POLICY_OVERFLOW_ID)
		return cli_format("%s", SUBJECT_OVERFLOW);
	text = cli_format("this peer is not");
	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];
		_cleanup_free_ char *lacks = NULL, *before = NULL;
		size_t n = 0;

		if (c->subject != subject)
			continue;
		alternatives++;
		lacks = subject_lacking(ask, c, &n);
		if (n > least)
			continue;
		before = text;
		text = cli_format("%s%s %s", before, shown++ > 0 ? " or" : "", lacks);
	}
	if (shown < alternatives) {
		_cleanup_free_ char *before = text;

		text = cli_format("%s, the nearest of the rule's %zu alternatives", before,
				  alternatives);
	}
	if (alternatives == 0) {
		free(text);
		text = cli_format("nobody: whom the rule names does not exist");
	}
	return text;
}

static char *
verbs_reason(const struct ask *ask, unsigned verbs, uint32_t number)
{
	const struct image_rule *rule = &ask->rules.image->rules[number];
	char listed[POLICY_VERBS_TEXT_MAX], needed[POLICY_VERBS_TEXT_MAX];

	policy_verbs_text(rule->verbs, listed);
	if (image_verdict(ask->rules.image, number) == POLICY_DENY)
		return cli_format("the rule denies %s; the request is %s", listed,
				  policy_verbs_text(verbs, needed));
	return cli_format("the rule lists %s; the request%s needs %s", listed,
			  rule->covers & verbs ? " also" : "",
			  policy_verbs_text(verbs & ~(unsigned)rule->covers, needed));
}

static char *
except_reason(struct ask *ask, uint32_t rule)
{
	_cleanup_free_ char *pattern = except_find(ask, rule);

	if (!pattern)
		return cli_format("its own 'except' takes this path away");
	return cli_format("its own 'except' takes this path away: %s", pattern);
}

static char *
until_reason(const struct ask *ask, uint32_t rule)
{
	_cleanup_free_ char *day = ask_day_text(policy_rule_options(ask->rules.image, rule)->until);

	return cli_format("over since the end of %s (UTC): give 'until' a later day", day);
}

static char *
user_reason(const struct ask *ask)
{
	const struct who *who = &ask->who;

	if (!who->peer.has_uid)
		return cli_format("${user} and ${uid} match nothing: WHO names no user");
	if (!who->user)
		return cli_format("the path is not this peer's: ${uid} is %u, and ${user} matches "
				  "nothing: the uid has no name in the system's database",
				  who->peer.uid);
	return cli_format("the path is not this peer's: ${user} is %s, ${uid} is %u", who->user,
			  who->peer.uid);
}

char *
near_reason(struct ask *ask, unsigned verbs, uint32_t rule, unsigned clause)
{
	switch (clause) {
	case POLICY_CLAUSE_WHO:
		return who_reason(ask, rule);
	case POLICY_CLAUSE_VERBS:
		return verbs_reason(ask, verbs, rule);
	case POLICY_CLAUSE_DOT:
		return cli_format("a wildcard does not take names that begin with a dot: write the "
				  "dot in the pattern, or add 'hidden'");
	case POLICY_CLAUSE_EXCEPT:
		return except_reason(ask, rule);
	case POLICY_CLAUSE_UNTIL:
		return until_reason(ask, rule);
	case NEAR_CLAUSE_USER:
	default:
		return user_reason(ask);
	}
}
