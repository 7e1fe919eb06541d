/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "text.h"
#include "who.h"

void
who_clear(struct who *who)
{
	free(who->groups);
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

/* An id in digits. The highest one means "none" to the kernel. */
static bool
parse_id(const char *text, uint32_t *ret_id)
{
	uint64_t id = 0;

	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 10)
		return false;
	for (; *text; text++)
		id = id * 10 + (uint64_t)(*text - '0');
	if (id >= UINT32_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

static int
unknown_name(const char *kind, const char *name, int error)
{
	if (error)
		cli_error("%s '%s': %s", kind, name, strerror(error));
	else
		cli_error("no %s '%s' in the system's database; a number needs no entry", kind,
			  name);
	return CLI_USAGE;
}

static int
set_user(struct who *who, const char *name)
{
	if (who->peer.has_uid) {
		cli_error("WHO has one user");
		return CLI_USAGE;
	}
	if (!parse_id(name, &who->peer.uid)) {
		errno = 0;
		const struct passwd *user = getpwnam(name);

		if (!user)
			return unknown_name("user", name, errno);
		who->peer.uid = user->pw_uid;
	}
	who->peer.has_uid = true;
	return CLI_YES;
}

static int
add_group(struct who *who, const char *name)
{
	gid_t gid = 0;

	if (!parse_id(name, &gid)) {
		errno = 0;
		const struct group *group = getgrnam(name);

		if (!group)
			return unknown_name("group", name, errno);
		gid = group->gr_gid;
	}
	who->groups = cli_resize(who->groups, who->peer.n_groups + 1, sizeof(gid_t));
	who->groups[who->peer.n_groups++] = gid;
	return CLI_YES;
}

static int
parse_atom(struct who *who, char *atom)
{
	char *value = strchr(atom, ':');

	if (value)
		*value++ = '\0';
	if (value && *value) {
		if (strcmp(atom, "user") == 0)
			return set_user(who, value);
		if (strcmp(atom, "group") == 0)
			return add_group(who, value);
	}
	cli_error("WHO is one peer, such as user:backup+group:adm; '%s%s' is not a part of one",
		  atom, value ? ":" : "");
	return CLI_USAGE;
}

static void
add_system_groups(struct who *who)
{
	const struct passwd *user = getpwuid(who->peer.uid);
	_cleanup_free_ char *list = cli_format("%s", "");

	if (!user) {
		cli_error("uid %u has no entry in the system's database: no groups", who->peer.uid);
		return;
	}
	who->peer.has_gid = true;
	who->peer.gid = user->pw_gid;
	who_groups_of(user, &who->groups, &who->peer.n_groups);
	for (size_t i = 0; i < who->peer.n_groups; i++) {
		_cleanup_free_ char *before = list;
		const struct group *group = getgrgid(who->groups[i]);

		list = cli_format("%s%s%s(%u)", before, i ? ", " : "", group ? group->gr_name : "",
				  who->groups[i]);
	}
	cli_error("groups of the system's database: %s", list);
}

int
who_parse(const char *text, struct who *ret_who)
{
	_cleanup_free_ char *words = cli_format("%s", text);
	struct who who = {0};

	for (char *rest = words, *atom; (atom = strsep(&rest, "+")) != NULL;) {
		int r = parse_atom(&who, atom);

		if (r != CLI_YES) {
			who_clear(&who);
			return r;
		}
	}
	if (who.peer.has_uid && who.peer.n_groups == 0)
		add_system_groups(&who);
	who.peer.groups = who.groups;
	if (who.peer.has_uid && who.peer.uid == 0)
		cli_error("uid 0 is judged by the rules like any other, nothing special applies");
	*ret_who = who;
	return CLI_YES;
}
