/* SPDX-License-Identifier: MIT */
/* WHO on the command line: a peer, as in `user:backup+group:adm+unit:borg@home.service`. */
#pragma once

#include <jansson.h>
#include <pwd.h>

#include "policy/policy.h"
#include "policy/words.h"

struct who {
	struct policy_peer peer; /* points to the rest */
	gid_t *groups;
	char *unit;
	char *label;
	char *user;         /* what ${user} stands for; NULL: no uid, or it has no entry */
	char *unknown;      /* while it is read: which name has no entry */
	bool groups_system; /* the groups are those of the system's database */
};

/*
 * Read text: as the peer of an expectation, but that a user with an entry in the system's database
 * brings the groups it has there, unless text names groups. Returns CLI_YES, or CLI_USAGE after
 * saying why; but when a name has no entry, *ret_unknown says so, malloc'ed.
 */
int who_parse(const char *text, struct who *ret_who, char **ret_unknown);

void who_clear(struct who *who);

/* Say on stderr what text does not: groups of the database, and what about uid 0. */
void who_say(const struct who *who);
json_t *who_json(const struct who *who, const char *text);

/* "group:adm": an atom of a policy that was compiled; text: the unit or label. malloc'ed. */
char *who_atom(enum policy_atom_kind kind, uint32_t id, const char *text);

/* All groups of a user in the system's database, the primary one among them. */
void who_groups_of(const struct passwd *user, gid_t **ret_groups, size_t *ret_n);
