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
#include <sys/stat.h>
#include <sys/types.h>

#include "broker/worker/strict.h"
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
	int roots[TREE_CLONES];    /* O_PATH descriptors, -1 where there is none */
	struct policy_chain above; /* of the directories from "/" to the one that holds it */
};

/* One literal prefix: a tree, or a single file in it. */
struct reach {
	uint32_t tree;
	unsigned verbs;
	unsigned types;   /* set of enum policy_type, that some rule opens */
	const char *name; /* NULL: everything beneath */
	int file; /* O_PATH descriptor of what has that name until confinement, -1: there is nothing */
	bool is_directory;
	dev_t device; /* as it was in the first phase */
	ino_t inode;
};

/* By which reaches are sorted and found. */
struct reach_key {
	const char *directory;
	size_t length;    /* 0 for "/" */
	const char *name; /* or NULL */
	size_t name_length;
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

/* The reach of that key, or NULL. */
const struct reach *trees_find(const struct trees *trees, const struct reach_key *key);

/* Close what only confinement needs: the descriptors of single files. */
void trees_forget_files(struct trees *trees);

/* What has that name in the tree, without opening it (O_PATH). A descriptor, or a negative errno value. */
int tree_hold(const struct tree *tree, const char *name);

/* --- second phase: beneath.c ---------------------------------------------------------------- */

/* Where a path lies that the policy permits. */
struct place {
	const struct trees *trees;
	const struct tree *tree;
	const struct reach *reach;
	char *path;       /* a call may cut it, and makes it whole again */
	size_t length;    /* there it ends, or is cut for the time of a call */
	const char *name; /* the part of it behind the tree's directory; "." for that itself */
};

/*
 * Find it, by the policy's word on the path. 0, or -EACCES: no tree is for it, -ENOENT: there was none
 * in the first phase, -EXDEV: it lies on a file system that the rule does not include.
 */
int place_find(const struct trees *trees, const struct policy_decision *decision, char *path,
	       size_t length, struct place *ret_place);

/* What the calls below return beside 0 and negative errno values. */
enum {
	PLACE_STALE = 1, /* replaced since the first phase: only a new worker can open it */
	PLACE_UNMET = 2, /* a condition of the rule does not hold */
	PLACE_LINK = 3,  /* there is a symbolic link on the way, or it is one */
	PLACE_AGAIN = 4, /* others exchanged something between two looks */
};

/*
 * What kind of object is it? Of the file itself, if it is a link. A hint: by the time that it is opened
 * it may be another; and where the trees are not private, links on the way are followed.
 */
int place_look(const struct place *place, struct stat *ret_status);

/* Open it from that clone of the tree, if it is there; flags as for openat2(2). */
int place_open(const struct place *place, enum tree_clone clone, int flags, int *ret_fd);

/* Take hold of it without opening it (O_PATH): of a symbolic link itself. */
int place_hold(const struct place *place, int *ret_fd);

/*
 * The directories from "/" to the one that it is in. May be remembered (strict.h). object: what was
 * opened there, or without an inode number what is not yet; PLACE_AGAIN: it is there no more.
 */
int place_chain(const struct place *place, const struct stat *object,
		struct policy_chain *ret_chain);

/* The directory that something is in. */
struct parent {
	int fd;
	size_t length; /* bytes of the path that name it */
	struct stat status;
	const char *name; /* the part of the path behind it */
};

/*
 * To create something: that directory, held from the clone that can be written, and those from "/" to
 * the one above it. fd is to be closed. -EEXIST: it is the tree's own directory.
 */
int place_parent(const struct place *place, struct policy_chain *ret_above,
		 struct parent *ret_parent);

/* Create it there, and nowhere else; flags and mode as for openat2(2). -EEXIST: whatever is there. */
int place_create(const struct place *place, const struct parent *parent, int flags, mode_t mode,
		 int *ret_fd);

/*
 * The first symbolic link on the way: ret_link is where it lies, in the same path, and it says target
 * (size bytes of room), *ret_n bytes without a NUL.
 */
int place_read_link(const struct place *place, char *target, size_t size, size_t *ret_n,
		    struct place *ret_link, struct stat *ret_status);
