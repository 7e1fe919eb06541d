/* SPDX-License-Identifier: MIT */
#include "who.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "policy/ast.h"
#include "text.h"

void
who_clear(struct who *who)
{
	free(who->groups);
	free(who->unit);
	free(who->label);
	free(who->user);
	*who = (struct who){0};
}

void
who_groups_of(const struct passwd *user, gid_t **ret_groups, size_t *ret_n)
{
	int room = 32, n;
	gid_t *groups = NULL;

	for (;;) {
		groups = cli_resize(groups, (size_t)room, sizeof(*groups));
		n = room;
		if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) >= 0)
			break;
		room = n > room ? n : room * 2;
	}
	*ret_groups = groups;
	*ret_n = (size_t)n;
}

static int
unknown_name(struct who *who, const char *kind, const char *name, int error)
{
	who->unknown = error ? cli_format("%s '%s': %s", kind, name, strerror(error))
			     : cli_format("no %s '%s' in the system's database; a number needs no "
					  "entry",
					  kind, name);
	return CLI_USAGE;
}

static int
twice(const char *what)
{
	cli_error("WHO is one peer: it has one %s", what);
	return CLI_USAGE;
}

static int
set_user(struct who *who, const struct policy_ast_atom *atom, const char *name)
{
	if (who->peer.has_uid)
		return twice("user");
	who->peer.uid = atom->id;
	if (!atom->is_id) {
		errno = 0;
		const struct passwd *user = getpwnam(name);

		if (!user)
			return unknown_name(who, "user", name, errno);
		who->peer.uid = user->pw_uid;
	}
	who->peer.has_uid = true;
	return CLI_YES;
}

static int
add_group(struct who *who, const struct policy_ast_atom *atom, const char *name)
{
	gid_t gid = atom->id;

	if (!atom->is_id) {
		errno = 0;
		const struct group *group = getgrnam(name);

		if (!group)
			return unknown_name(who, "group", name, errno);
		gid = group->gr_gid;
	}
	who->groups = cli_resize(who->groups, who->peer.n_groups + 1, sizeof(gid_t));
	who->groups[who->peer.n_groups++] = gid;
	return CLI_YES;
}

static int
set_text(char **text, const char *what, const char *value)
{
	if (*text)
		return twice(what);
	*text = cli_format("%s", value);
	return CLI_YES;
}

static int
add_atom(struct who *who, const struct policy_ast_atom *atom)
{
	_cleanup_free_ char *value = cli_format("%.*s", (int)atom->length, atom->text);

	switch (atom->kind) {
	case POLICY_ATOM_USER:
		return set_user(who, atom, value);
	case POLICY_ATOM_GROUP:
		return add_group(who, atom, value);
	case POLICY_ATOM_UNIT:
		return set_text(&who->unit, "unit", value);
	case POLICY_ATOM_LABEL:
		return set_text(&who->label, "label", value);
	case POLICY_ATOM_ANY:
	case POLICY_ATOM_SUBJECT:
	default:
		return CLI_YES;
	}
}

static void
say_mistakes(const struct policy_report *report)
{
	for (size_t i = 0; i < report->by_severity[POLICY_ERROR].n; i++) {
		const struct policy_entry *entry = &report->by_severity[POLICY_ERROR].entries[i];
		const char *message = "";
		enum policy_severity severity;
		unsigned number = 0;

		for (size_t k = 0; message && number != (unsigned)entry->code; k++)
			message = policy_diag_code(k, &number, &severity);
		if (!message)
			continue;

		size_t n = strcspn(message, "%");

		cli_error("WHO: %.*s%s%s; %s", (int)n, message, message[n] ? entry->argument : "",
			  message[n] ? message + n + 1 : "", entry->help ?: "");
	}
}

/* The parser of the language reads it, as it reads the peer of an expectation. */
static int
parse_atoms(const char *text, struct policy_ast *ast, struct policy_report *report,
	    struct policy_range *ret_atoms)
{
	uint32_t length = (uint32_t)strnlen(text, POLICY_PATH_MAX);
	const struct policy_place place = {.line = 1, .text = text, .length = length};
	struct policy_range who = {0};

	if (strchr(text, '|')) {
		cli_error("WHO is one peer: ask for each of the alternatives");
		return CLI_USAGE;
	}
	if (policy_parse_who(ast, report, &place, (struct policy_span){0, length}, POLICY_WHO_PEER,
			     &who) < 0)
		cli_out_of_memory();
	if (report->by_severity[POLICY_ERROR].count > 0 || who.n != 1) {
		say_mistakes(report);
		return CLI_USAGE;
	}
	*ret_atoms = ast->conjunctions.items[who.first].atoms;
	return CLI_YES;
}

/* What the database says of the uid. */
static void
look_up(struct who *who)
{
	const struct passwd *user = who->peer.has_uid ? getpwuid(who->peer.uid) : NULL;

	if (!user)
		return;
	who->user = cli_format("%s", user->pw_name);
	if (who->peer.n_groups > 0)
		return;
	who->groups_system = true;
	who->peer.has_gid = true;
	who->peer.gid = user->pw_gid;
	who_groups_of(user, &who->groups, &who->peer.n_groups);
}

int
who_parse(const char *text, struct who *ret_who, char **ret_unknown)
{
	static const struct policy_source none = {.name = "WHO", .text = ""};
	_cleanup_free_ struct policy_report *report = cli_resize(NULL, 1, sizeof(*report));
	struct policy_diag quiet = {0};
	struct policy_ast ast = {0};
	struct policy_range atoms = {0};
	struct who who = {0};
	int r;

	*report = (struct policy_report){.sources = &none};
	r = parse_atoms(text, &ast, report, &atoms);
	for (uint32_t i = 0; r == CLI_YES && i < atoms.n; i++)
		r = add_atom(&who, &ast.atoms.items[atoms.first + i]);
	policy_report_flush(report, &quiet);
	policy_ast_free(&ast);
	if (r != CLI_YES) {
		*ret_unknown = who.unknown;
		who_clear(&who);
		return r;
	}
	look_up(&who);
	who.peer.groups = who.groups;
	who.peer.unit = who.unit;
	who.peer.label = who.label;
	*ret_who = who;
	return CLI_YES;
}

void
who_say(const struct who *who)
{
	_cleanup_free_ char *list = cli_format("%s", "");

	for (size_t i = 0; who->groups_system && i < who->peer.n_groups; i++) {
		_cleanup_free_ char *before = list;
		const struct group *group = getgrgid(who->groups[i]);

		list = cli_format("%s%s%s(%u)", before, i ? ", " : "", group ? group->gr_name : "",
				  who->groups[i]);
	}
	if (who->groups_system)
		cli_error("groups of the system's database: %s", list);
	else if (who->peer.has_uid && !who->user)
		cli_error("uid %u has no entry in the system's database: %s${user} matches nothing",
			  who->peer.uid, who->peer.n_groups == 0 ? "no groups, and " : "");
	if (who->peer.has_uid && who->peer.uid == POLICY_OVERFLOW_ID)
		cli_error("uid %u: no rule matches it, not even one for 'any'", who->peer.uid);
	if (who->peer.has_uid && who->peer.uid == 0)
		cli_error("uid 0 is judged by the rules like any other, nothing special applies");
}

json_t *
who_json(const struct who *who, const char *text)
{
	json_t *object = cli_json_object(), *groups = cli_json_array();

	for (size_t i = 0; i < who->peer.n_groups; i++)
		cli_json_add(groups, cli_json_integer(who->groups[i]));
	cli_json_put(object, "text", cli_json_text(text));
	cli_json_put(object, "uid",
		     who->peer.has_uid ? cli_json_integer(who->peer.uid) : cli_json_null());
	cli_json_put(object, "user", cli_json_text(who->user));
	cli_json_put(object, "groups", groups);
	cli_json_put(object, "groups_system", cli_json_bool(who->groups_system));
	cli_json_put(object, "unit", cli_json_text(who->unit));
	cli_json_put(object, "label", cli_json_text(who->label));
	return object;
}

char *
who_atom(enum policy_atom_kind kind, uint32_t id, const char *text)
{
	const struct passwd *user = kind == POLICY_ATOM_USER ? getpwuid(id) : NULL;
	const struct group *group = kind == POLICY_ATOM_GROUP ? getgrgid(id) : NULL;

	if (kind == POLICY_ATOM_UNIT || kind == POLICY_ATOM_LABEL)
		return cli_format("%s:%s", policy_atom_name(kind), text);
	if (user || group)
		return cli_format("%s:%s", policy_atom_name(kind),
				  user ? user->pw_name : group->gr_name);
	return cli_format("%s:%u", policy_atom_name(kind), id);
}
