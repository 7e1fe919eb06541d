/* SPDX-License-Identifier: MIT */
/*
 * strictmodes: who could have put an object where it is? Only root and the object's owner, if every
 * directory from "/" to it belongs to one of the two and nobody else may write it. As only they can
 * change such a path, what was found may be remembered for a while.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "policy/policy.h"

enum {
	STRICT_MS = 1000, /* that something is remembered */
};

/* A directory on the way, as it was found. */
struct strict_directory {
	uint32_t length; /* bytes of the path that name it; 0: there is none */
	mode_t mode;
	uid_t owner;
};

/* What the directories from "/" on say. */
struct strict_chain {
	struct strict_directory owned;  /* the first that is not root's */
	struct strict_directory sticky; /* the last one, if others may put things into it */
	struct strict_directory fault;  /* the first that is good for no object */
	bool shared; /* others may put things into one of them: what its owner removes they replace */
};

/* One directory more: the next beneath those before. length: bytes of the path that name it. */
void strict_add(struct strict_chain *chain, size_t length, const struct stat *status);

/*
 * Does the condition hold for what is in the last directory? ret_blame: the directory for which it
 * does not.
 */
bool strict_holds(const struct strict_chain *chain, const struct stat *object, uid_t peer,
		  enum policy_strict strict, struct strict_directory *ret_blame);

/* What is remembered of a path that only root and one owner can change. */
enum strict_kind {
	STRICT_DIRECTORY = 1, /* the chain that ends with it */
	STRICT_FILE,          /* a regular file, and the chain of its directory */
};
void strict_remember(enum strict_kind kind, const char *path, size_t length,
		     const struct strict_chain *chain);
bool strict_recall(enum strict_kind kind, const char *path, size_t length,
		   struct strict_chain *ret_chain);
