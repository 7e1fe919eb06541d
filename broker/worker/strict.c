/* SPDX-License-Identifier: MIT */
/* Runs in: worker, both phases. Distrusts: whoever owns or may write a directory. */
#include "broker/worker/strict.h"

#include <string.h>

#include "broker/clock.h"
#include "broker/worker/siphash.h"

enum {
	SLOTS = 64,
	KEY_MAX = 239, /* bytes of a path; a longer one is looked at each time */
};

static struct memory {
	int64_t until; /* milliseconds of CLOCK_MONOTONIC; 0: free */
	uint8_t kind;  /* enum strict_kind */
	uint32_t length;
	struct strict_chain chain;
	char path[KEY_MAX + 1];
} memories[SLOTS];

void
strict_add(struct strict_chain *chain, size_t length, const struct stat *status)
{
	const struct strict_directory directory = {(uint32_t)length, status->st_mode,
						   status->st_uid};
	/* With an access control list these are what it gives at most, acl(5). */
	bool others_write = status->st_mode & (S_IWGRP | S_IWOTH);
	/* In a sticky one: who may write it may also move it there, with all that it holds. */
	bool is_fault = others_write && (!(status->st_mode & S_ISVTX) || chain->sticky.length > 0);

	if (status->st_uid != 0 && chain->owned.length > 0)
		is_fault |= chain->owned.owner != status->st_uid;
	else if (status->st_uid != 0)
		chain->owned = directory;
	if (is_fault && chain->fault.length == 0)
		chain->fault = directory;
	/* A directory in a sticky one can be exchanged by nobody but its owner (inode(7)). */
	chain->sticky = others_write ? directory : (struct strict_directory){};
	chain->shared |= others_write;
}

bool
strict_holds(const struct strict_chain *chain, const struct stat *object, uid_t peer,
	     enum policy_strict strict, struct strict_directory *ret_blame)
{
	const struct strict_directory *owned = &chain->owned, *fault = &chain->fault, *blame = NULL;
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

/* Without a key: whoever makes two paths share a slot makes them be looked at again. */
static struct memory *
slot_of(enum strict_kind kind, const char *path, size_t length)
{
	static const uint64_t key[2];

	return &memories[siphash(key, kind, path, length) % SLOTS];
}

void
strict_remember(enum strict_kind kind, const char *path, size_t length,
		const struct strict_chain *chain)
{
	struct memory *m;

	/* What is no good has to be found good as soon as it is. */
	if (length > KEY_MAX || chain->shared || chain->fault.length > 0)
		return;
	m = slot_of(kind, path, length);
	m->until = now_ms() + STRICT_MS;
	m->kind = (uint8_t)kind;
	m->length = (uint32_t)length;
	m->chain = *chain;
	memcpy(m->path, path, length);
}

bool
strict_recall(enum strict_kind kind, const char *path, size_t length,
	      struct strict_chain *ret_chain)
{
	const struct memory *m;

	if (length > KEY_MAX)
		return false;
	m = slot_of(kind, path, length);
	if (m->kind != kind || m->length != length || memcmp(m->path, path, length) != 0 ||
	    m->until < now_ms())
		return false;
	*ret_chain = m->chain;
	return true;
}
