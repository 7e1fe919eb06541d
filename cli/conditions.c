/* SPDX-License-Identifier: MIT */
#include "conditions.h"

#include <stdlib.h>

#include "text.h"

static const unsigned opens = POLICY_READ | POLICY_WRITE | POLICY_CREATE;

/* Takes the line over. */
static void
add(struct conditions *c, char *line)
{
	c->lines[c->n++] = line;
}

/* As enum policy_strict. */
static const char *const strict_texts[] = {
	[POLICY_STRICT_YES] =
		"strictmodes: each directory above it must belong to root or to its owner, and "
		"nobody else may write it (a sticky one is fine with such a "
		"directory, or the peer's own file, in it)",
	[POLICY_STRICT_STICKY] =
		("strictmodes=sticky: each directory above it must belong to root or to its owner, "
		 "and nobody else may write it unless it is sticky"),
	[POLICY_STRICT_NO] = "the directories above it may belong to anybody (strictmodes=no)",
};

static char *
types_text(unsigned types)
{
	static const struct {
		unsigned type;
		const char *name;
	} names[] = {
		{POLICY_TYPE_REG, "a regular file"},
		{POLICY_TYPE_FIFO, "a FIFO"},
		{POLICY_TYPE_CHR, "a character device"},
		{POLICY_TYPE_BLK, "a block device"},
	};
	char *text = cli_format("it must be");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *before = text;
		bool first = !(types & (names[i].type - 1));

		text = types & names[i].type
			       ? cli_format("%s%s %s", before, first ? "" : " or", names[i].name)
			       : cli_format("%s", before);
	}
	return text;
}

static void
add_owner(const struct ask *ask, const struct policy_options *options, struct conditions *c)
{
	_cleanup_free_ char *owner = NULL;

	switch (options->owner) {
	case POLICY_OWNER_PEER:
		owner = ask->who.peer.has_uid ? who_atom(POLICY_ATOM_USER, ask->who.peer.uid, NULL)
					      : cli_format("the peer itself");
		break;
	case POLICY_OWNER_ROOT:
		owner = cli_format("root");
		break;
	case POLICY_OWNER_UID:
		owner = who_atom(POLICY_ATOM_USER, options->owner_uid, NULL);
		break;
	default:
		return;
	}
	add(c, cli_format("it must belong to %s", owner));
}

void
conditions_find(const struct ask *ask, unsigned verbs, uint32_t rule,
		struct conditions *ret_conditions)
{
	const struct policy_options *options = policy_rule_options(ask->rules.image, rule);
	struct conditions c = {0};

	if (verbs & opens)
		add(&c, types_text(options->types));
	add_owner(ask, options, &c);
	add(&c, cli_format("%s", strict_texts[options->strict]));
	add(&c, cli_format(options->symlinks_beneath
				   ? "where a symbolic link in the path leads has to be allowed as "
				     "well"
				   : "no symbolic link may be in the path"));
	if (verbs & POLICY_WRITE)
		add(&c, cli_format("it must not be set-user-id or set-group-id, nor have "
				   "capabilities"));
	if (verbs & POLICY_CREATE)
		add(&c, cli_format("a new file belongs to the peer, with at most mode %04o",
				   options->mode));
	if (options->until != POLICY_FOREVER) {
		_cleanup_free_ char *day = ask_day_text(options->until);

		add(&c, cli_format("the rule ends after %s (UTC)", day));
	}
	*ret_conditions = c;
}

void
conditions_clear(struct conditions *conditions)
{
	for (size_t i = 0; i < conditions->n; i++)
		free(conditions->lines[i]);
	conditions->n = 0;
}
