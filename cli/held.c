/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <string.h>
#include <sys/xattr.h>

#include "text.h"

/* A directory on the way. length: bytes of the path that name it; 0: there is none. */
struct directory {
	size_t length;
	struct stat status;
};

/* As strictmodes has it: the first that is not root's, the first that is good for nothing, and the last. */
struct chain {
	struct directory owned, fault, sticky;
};

static void
add(struct chain *chain, const struct directory *directory)
{
	const struct stat *status = &directory->status;
	bool others_write = status->st_mode & (S_IWGRP | S_IWOTH);
	bool is_fault = others_write && (!(status->st_mode & S_ISVTX) || chain->sticky.length > 0);

	if (status->st_uid != 0 && chain->owned.length > 0)
		is_fault |= chain->owned.status.st_uid != status->st_uid;
	else if (status->st_uid != 0)
		chain->owned = *directory;
	if (is_fault && chain->fault.length == 0)
		chain->fault = *directory;
	chain->sticky = others_write ? *directory : (struct directory){0};
}

/* False: nobody here can tell. */
static bool
look(const char *path, struct chain *ret_chain)
{
	_cleanup_free_ char *part = cli_format("%s", path);
	struct chain chain = {0};

	for (char *slash = part; slash; slash = strchr(slash + 1, '/')) {
		struct directory directory = {.length = slash > part ? (size_t)(slash - part) : 1};
		char was = part[directory.length];

		part[directory.length] = '\0';
		if (lstat(part, &directory.status) < 0 || !S_ISDIR(directory.status.st_mode))
			return false;
		part[directory.length] = was;
		add(&chain, &directory);
	}
	*ret_chain = chain;
	return true;
}

static char *
strict_unmet(const struct ask *ask, const struct policy_options *options, const struct stat *object)
{
	bool is_movable = !S_ISDIR(object->st_mode) || object->st_mode & (S_IWGRP | S_IWOTH);
	const struct policy_peer *peer = &ask->who.peer;
	const struct directory *blame = NULL;
	struct chain chain;

	if (options->strict == POLICY_STRICT_NO || !look(ask->path, &chain))
		return NULL;
	if (chain.owned.length > 0 && chain.owned.status.st_uid != object->st_uid &&
	    (chain.fault.length == 0 || chain.owned.length <= chain.fault.length))
		blame = &chain.owned;
	else if (chain.fault.length > 0)
		blame = &chain.fault;
	else if (chain.sticky.length > 0 && options->strict == POLICY_STRICT_YES && is_movable &&
		 peer->has_uid && peer->uid != object->st_uid)
		blame = &chain.sticky;
	if (!blame)
		return NULL;
	return cli_format("condition=strictmodes directory=\"%.*s\" mode=0%o owner=%u",
			  (int)blame->length, ask->path, blame->status.st_mode & 07777,
			  blame->status.st_uid);
}

static bool
owner_holds(const struct ask *ask, const struct policy_options *options, uid_t owner)
{
	const struct policy_peer *peer = &ask->who.peer;

	switch (options->owner) {
	case POLICY_OWNER_PEER:
		return !peer->has_uid || owner == peer->uid;
	case POLICY_OWNER_ROOT:
		return owner == 0;
	case POLICY_OWNER_UID:
		return owner == options->owner_uid;
	default:
		return true;
	}
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

	if (!owner_holds(ask, options, object->st_uid))
		name = "owner";
	else if ((strict = strict_unmet(ask, options, object)))
		return strict;
	else if (verbs & POLICY_WRITE && is_privileged(ask->path, object))
		name = "set-id";
	return name ? cli_format("condition=%s mode=0%o owner=%u", name, object->st_mode & 07777,
				 object->st_uid)
		    : NULL;
}
