/* SPDX-License-Identifier: MIT */
/*
 * The trees of an identity: the directories that its rules' literal prefixes name, as private
 * mounts of this process alone. A tree is cloned read-only, and a second time writable if a rule
 * writes there, so that a descriptor opened for reading cannot be reopened for writing whatever
 * another rule permits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/policy.h"

/* One directory. */
struct tree {
	const char *directory;
	size_t length;  /* bytes of directory, 0 for "/" */
	unsigned verbs; /* what any rule permits in it */
	bool recursive;
	int read_only; /* O_PATH descriptors, -1 where there is none */
	int writable;
};

/* One literal prefix: a tree, or a single file in it. */
struct reach {
	uint32_t tree;
	unsigned verbs;
	const char *name; /* NULL: everything beneath */
	int file;     /* O_PATH descriptor of that file until confinement, -1 where there is none */
	dev_t device; /* of the file, as it was in the first phase */
	ino_t inode;
};

struct trees {
	struct tree trees[POLICY_PREFIXES_MAX];
	size_t n_trees;
	struct reach reaches[POLICY_PREFIXES_MAX];
	size_t n_reaches;
	bool is_private; /* mounts of our own; else the host's directories */
	bool writes;     /* some rule writes */
};

/*
 * Make the trees of this identity. Needs CAP_SYS_ADMIN for private mounts; without it is_private
 * is false. A directory that cannot be had has no descriptors and requests beneath it fail.
 */
int trees_make(struct trees *trees, const struct policy_image *image,
	       const struct policy_identity *identity);

/* Close what only confinement needs: the descriptors of single files. */
void trees_forget_files(struct trees *trees);

/* Where the policy's word on this path says that it lies, or NULL. */
const struct reach *trees_find(const struct trees *trees, const struct policy_decision *decision,
			       const char *path, size_t length);

/*
 * Open path, which lies beneath the reach by the policy's word. flags: for openat2(2). Returns 0
 * and a descriptor, a negative errno value, or TREES_STALE when the file that the first phase saw
 * there has been replaced since, so that only a new worker can open it.
 */
#define TREES_STALE 1
int trees_open(const struct trees *trees, const struct reach *reach, const char *path,
	       size_t length, int flags, int *ret_fd);
