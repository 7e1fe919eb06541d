/* SPDX-License-Identifier: MIT */
/* What conditions mean, as far as it is of what stat(2) says. */
#include "policy.h"

bool
policy_owner_holds(const struct policy_options *options, uid_t owner, uid_t peer)
{
	switch (options->owner) {
	case POLICY_OWNER_ANY:
		return true;
	case POLICY_OWNER_PEER:
		return owner == peer;
	case POLICY_OWNER_ROOT:
		return owner == 0;
	case POLICY_OWNER_UID:
		return owner == options->owner_uid;
	default:
		return false;
	}
}

void
policy_chain_add(struct policy_chain *chain, size_t length, const struct stat *status)
{
	const struct policy_directory directory = {(uint32_t)length, status->st_mode,
						   status->st_uid};
	/* With an access control list these are what it gives at most, acl(5). */
	bool others_write = status->st_mode & (S_IWGRP | S_IWOTH);
	/* In a sticky one: who may write it may also move it there, with all that it holds. */
	bool is_fault = others_write && (!(status->st_mode & S_ISVTX) || chain->sticky.length > 0);

	/* All who have no number here have this one. */
	is_fault |= status->st_uid == POLICY_OVERFLOW_ID;
	if (status->st_uid != 0 && chain->owned.length > 0)
		is_fault |= chain->owned.owner != status->st_uid;
	else if (status->st_uid != 0)
		chain->owned = directory;
	if (is_fault && chain->fault.length == 0)
		chain->fault = directory;
	/* A directory in a sticky one can be exchanged by nobody but its owner (inode(7)). */
	chain->sticky = others_write ? directory : (struct policy_directory){};
	chain->shared |= others_write;
}

bool
policy_chain_holds(const struct policy_chain *chain, const struct stat *object, uid_t peer,
		   enum policy_strict strict, struct policy_directory *ret_blame)
{
	const struct policy_directory *owned = &chain->owned, *fault = &chain->fault, *blame = NULL;
	bool is_movable = !S_ISDIR(object->st_mode) || object->st_mode & (S_IWGRP | S_IWOTH);

	if (strict == POLICY_STRICT_NO)
		return true;
	/* The upper one: a directory of the object's own owner may be a fault only beneath another's. */
	if (owned->length > 0 && owned->owner != object->st_uid &&
	    (fault->length == 0 || owned->length <= fault->length))
		blame = owned;
	else if (fault->length > 0)
		blame = fault;
	else if (chain->sticky.length > 0 && strict != POLICY_STRICT_STICKY && is_movable &&
		 object->st_uid != peer)
		blame = &chain->sticky;
	if (blame)
		*ret_blame = *blame;
	return blame == NULL;
}

bool
policy_led_on(struct policy_led *led, uid_t owner, uid_t peer)
{
	if (owner == 0 || owner == peer)
		return true;
	if (led->is_led && led->by != owner)
		return false;
	*led = (struct policy_led){true, owner};
	return true;
}

bool
policy_led_holds(const struct policy_led *led, uid_t owner)
{
	return !led->is_led || (owner == led->by && owner != POLICY_OVERFLOW_ID);
}
