/* SPDX-License-Identifier: MIT */
/* Why a clause of a rule does not hold, in words. */
#include <stdlib.h>
#include <string.h>

#include "except.h"
#include "near.h"
#include "policy/format.h"
#include "policy/match.h"
#include "policy/reach.h"
#include "text.h"

static int
note_subject(void *context, const struct policy_prefix *prefix, const struct image_entry *entry)
{
	uint32_t *subjects = context;

	(void)prefix;
	subjects[entry->rule] = entry->subject;
	return 0;
}

/* What the image says of who a rule is for stands with its patterns. */
static uint32_t
subject_of(const struct ask *ask, struct near_rules *rules, uint32_t rule)
{
	const struct policy_image *image = ask->rules.image;
	size_t n = policy_image_rules(image);

	if (!rules->subjects) {
		rules->subjects = cli_resize(NULL, n, sizeof(uint32_t));
		memset(rules->subjects, 0xff, n * sizeof(uint32_t));
		if (policy_each_prefix(image, NULL, note_subject, rules->subjects) < 0)
			cli_out_of_memory();
	}
	return rules->subjects[rule];
}

static bool
holds(const struct policy_image *image, const struct image_atom *atom,
      const struct policy_peer *peer)
{
	const char *text = image->strings + atom->value;

	switch (atom->kind) {
	case POLICY_ATOM_USER:
		return peer->has_uid && peer->uid == atom->value;
	case POLICY_ATOM_GROUP:
		for (size_t i = 0; i < peer->n_groups; i++)
			if (peer->groups[i] == atom->value)
				return true;
		return peer->has_gid && peer->gid == atom->value;
	case POLICY_ATOM_UNIT:
		return peer->unit && policy_glob_matches(text, peer->unit);
	case POLICY_ATOM_LABEL:
		return peer->label && strcmp(peer->label, text) == 0;
	default:
		return false;
	}
}

/* The atoms that the peer lacks, joined by '+'. */
static char *
lacking(const struct ask *ask, const struct image_conjunction *c, size_t *ret_n)
{
	const struct policy_image *image = ask->rules.image;
	char *text = cli_format("%s", "");
	size_t n = 0;

	for (uint32_t i = 0; i < c->atoms.n; i++) {
		const struct image_atom *atom = &image->atoms[c->atoms.first + i];
		bool is_text = atom->kind == POLICY_ATOM_UNIT || atom->kind == POLICY_ATOM_LABEL;
		_cleanup_free_ char *before = NULL, *word = NULL;

		if (holds(image, atom, &ask->who.peer))
			continue;
		before = text;
		word = who_atom((enum policy_atom_kind)atom->kind, atom->value,
				is_text ? image->strings + atom->value : NULL);
		text = cli_format("%s%s%s", before, n++ > 0 ? "+" : "", word);
	}
	*ret_n = n;
	return text;
}

/* Of several alternatives the one that lacks least. */
static char *
who_reason(const struct ask *ask, struct near_rules *rules, uint32_t rule)
{
	const struct policy_image *image = ask->rules.image;
	uint32_t subject = subject_of(ask, rules, rule);
	_cleanup_free_ char *best = NULL;
	size_t least = SIZE_MAX, alternatives = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];
		_cleanup_free_ char *text = NULL, *before = NULL;
		size_t n = 0;

		if (c->subject != subject)
			continue;
		alternatives++;
		text = lacking(ask, c, &n);
		if (n >= least)
			continue;
		before = best;
		best = text;
		text = NULL;
		least = n;
	}
	if (!best)
		return cli_format("nobody: whom the rule names does not exist");
	if (alternatives == 1)
		return cli_format("this peer is not %s", best);
	return cli_format("this peer is not %s, the nearest of the rule's %zu alternatives", best,
			  alternatives);
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
near_reason(struct ask *ask, struct near_rules *rules, unsigned verbs, uint32_t rule,
	    unsigned clause)
{
	switch (clause) {
	case POLICY_CLAUSE_WHO:
		return who_reason(ask, rules, rule);
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
