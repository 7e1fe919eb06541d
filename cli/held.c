/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <string.h>
#include <sys/xattr.h>

#include "text.h"

/* False: nobody here can tell. */
static bool
look(const char *path, struct policy_chain *ret_chain)
{
	_cleanup_free_ char *part = cli_format("%s", path);
	struct policy_chain chain = {};
	struct stat status;

	for (char *slash = part; slash; slash = strchr(slash + 1, '/')) {
		size_t length = slash > part ? (size_t)(slash - part) : 1;
		char was = part[length];

		part[length] = '\0';
		if (lstat(part, &status) < 0 || !S_ISDIR(status.st_mode))
			return false;
		part[length] = was;
		policy_chain_add(&chain, length, &status);
	}
	*ret_chain = chain;
	return true;
}

/* Who asks; of whom nothing is known, the object is as good as theirs. */
static uid_t
peer_of(const struct ask *ask, const struct stat *object)
{
	return ask->who.peer.has_uid ? ask->who.peer.uid : object->st_uid;
}

static char *
strict_unmet(const struct ask *ask, const struct policy_options *options, const struct stat *object)
{
	struct policy_directory blame;
	struct policy_chain chain;

	if (options->strict == POLICY_STRICT_NO || !look(ask->path, &chain) ||
	    policy_chain_holds(&chain, object, peer_of(ask, object), options->strict, &blame))
		return NULL;
	return cli_format("condition=strictmodes directory=\"%.*s\" mode=0%o owner=%u",
			  (int)blame.length, ask->path, blame.mode & 07777, blame.owner);
}

static bool
is_privileged(const char *path, const struct stat *object)
{
	return S_ISREG(object->st_mode) && (object->st_mode & (S_ISUID | S_ISGID) ||
					    lgetxattr(path, "security.capability", NULL, 0) >= 0);
}

char *
held_unmet(const struct ask *ask, unsigned verbs, const struct policy_options *options,
	   const struct stat *object)
{
	const char *name = NULL;
	char *strict;

	if (!policy_owner_holds(options, object->st_uid, peer_of(ask, object)))
		name = "owner";
	else if ((strict = strict_unmet(ask, options, object)))
		return strict;
	else if (verbs & POLICY_WRITE && is_privileged(ask->path, object))
		name = "set-id";
	return name ? cli_format("condition=%s mode=0%o owner=%u", name, object->st_mode & 07777,
				 object->st_uid)
		    : NULL;
}
