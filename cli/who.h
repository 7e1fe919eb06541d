/* SPDX-License-Identifier: MIT */
/* WHO on the command line: a peer, as in `user:backup+group:adm`. */
#pragma once

#include <pwd.h>

#include "policy/policy.h"

struct who {
	struct policy_peer peer;
	gid_t *groups; /* peer's, to be freed */
};

/*
 * Read text. A user with an entry in the system's database brings the groups it has there, which is
 * said on stderr, unless text names groups. Returns CLI_YES, or CLI_USAGE after saying why.
 */
int who_parse(const char *text, struct who *ret_who);

void who_clear(struct who *who);

/* All groups of a user in the system's database, the primary one among them. */
void who_groups_of(const struct passwd *user, gid_t **ret_groups, size_t *ret_n);
