/* SPDX-License-Identifier: MIT */
/*
 * The trees of an identity: the directories that its rules' literal prefixes name, as private
 * mounts of this process alone. A tree is cloned read-only, and once more with each thing that a rule
 * adds there, so that a descriptor is worth no more than its rule says, whatever another rule
 * permits: one opened for reading cannot be reopened for writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/worker/watch.h"
#include "policy/policy.h"

enum tree_clone {
	TREE_READ = 0, /* read-only, nodev, noexec */
	TREE_WRITE,    /* not read-only */
	TREE_EXECUTE,  /* not noexec */
	TREE_DEVICE,   /* not nodev */
	TREE_CLONES,
};

/* One directory. */
struct tree {
	const char *directory;
	size_t length;  /* bytes of directory, 0 for "/" */
	unsigned wants; /* set of 1 << enum tree_clone, beside TREE_READ */
	bool recursive;
	int roots[TREE_CLONES]; /* O_PATH descriptors, -1 where there is none */
};

/* One literal prefix: a tree, or a single file in it. */
struct reach {
	uint32_t tree;
	unsigned verbs;
	unsigned types;   /* set of enum policy_type, that some rule opens */
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
	const struct watch *watch;
};

/*
 * Make the trees of this identity. Needs CAP_SYS_ADMIN for private mounts; without it is_private
 * is false. A directory that cannot be had has no descriptors and requests beneath it fail. watch
 * notices from then on when it is not up to date any more.
 */
int trees_make(struct trees *trees, struct watch *watch, const struct policy_image *image,
	       const struct policy_identity *identity);

/* Close what only confinement needs: the descriptors of single files. */
void trees_forget_files(struct trees *trees);

/* Where the policy's word on this path says that it lies, or NULL. */
const struct reach *trees_find(const struct trees *trees, const struct policy_decision *decision,
			       const char *path, size_t length);

/*
 * Open path, which lies beneath the reach by the policy's word, as a rule with these options has it.
 * flags: for openat2(2). A device is opened only if the rule names its type: what opening it would do
 * is not done else. Returns 0 and a descriptor, or a negative errno value, or one of:
 */
enum {
	TREES_STALE = 1, /* replaced since the first phase: only a new worker can open it */
	TREES_UNMET = 2, /* a device of a type that these options do not name */
};
int trees_open(const struct trees *trees, const struct reach *reach,
	       const struct policy_options *options, const char *path, size_t length, int flags,
	       int *ret_fd);
