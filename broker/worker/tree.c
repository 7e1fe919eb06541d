/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker; trees_make() in its first phase, as root and without a client.
 * Trusts: the policy. Distrusts: the file system, which others change while we look.
 */
#include "broker/worker/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/sys.h"

#define DEVICES (POLICY_TYPE_CHR | POLICY_TYPE_BLK)

enum {
	OPEN_TRIES = 3, /* while others mount and unmount */
};

/*
 * A detached mount of the directory, which no other process can reach. Propagation slave: umount(2)
 * of the original works, and says EBUSY exactly while a descriptor is open (Linux 6.1, 6.18).
 */
static int
clone_tree(int directory, bool recursive, enum tree_clone clone)
{
	static const uint64_t lifted[TREE_CLONES] = {
		[TREE_WRITE] = MOUNT_ATTR_RDONLY,
		[TREE_EXECUTE] = MOUNT_ATTR_NOEXEC,
		[TREE_DEVICE] = MOUNT_ATTR_NODEV,
	};
	unsigned depth = recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = {
		.attr_set = (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
			     MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW) &
			    ~lifted[clone],
		.propagation = MS_SLAVE,
	};
	int tree, r;

	tree = sys_open_tree(directory, "",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | depth);
	if (tree < 0)
		return tree;
	r = sys_mount_setattr(tree, "", AT_EMPTY_PATH | depth, &attr);
	if (r < 0) {
		close(tree);
		return r;
	}
	return tree;
}

static bool
is_shortage(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* A directory that cannot be had fails closed: no descriptor, and 0. */
static int
open_directory(struct watch *watch, struct tree *tree, int *ret_directory)
{
	int r = watch_open(watch, tree->directory, &tree->above, ret_directory);

	if (r == -ELOOP) {
		fputs("fdbroker-worker: there is a symbolic link in ", stderr);
		policy_escape(stderr, tree->directory, strlen(tree->directory), 0);
		fputs(": rules that name it are out of force; 'fdbroker check' shows what to "
		      "write\n",
		      stderr);
	}
	return is_shortage(r) ? r : 0;
}

/* What cannot be cloned is missing, and fails closed. */
static int
make_clones(const struct trees *trees, struct tree *tree, int directory)
{
	for (int i = TREE_READ; i < TREE_CLONES; i++) {
		int r;

		if (i != TREE_READ && !(tree->wants & 1u << i))
			continue;
		r = trees->is_private ? clone_tree(directory, tree->recursive, i)
				      : fcntl(directory, F_DUPFD_CLOEXEC, 0);
		if (is_shortage(r))
			return r;
		tree->roots[i] = r < 0 ? -1 : r;
	}
	return 0;
}

/*
 * Do we hold what private mounts need? Asked of the kernel by making one: 1; 0: it, or who runs us,
 * does not have it; or a negative errno value, also where there is no openat2(2).
 */
static int
can_clone(void)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC};
	int root = sys_openat2(AT_FDCWD, "/", &how), tree;

	if (root < 0)
		return root;
	tree = clone_tree(root, false, TREE_READ);
	close(root);
	/* EPERM and ENOSYS; in a user namespace EINVAL, for mounts that belong to the one above. */
	if (tree < 0)
		return is_shortage(tree) ? tree : 0;
	close(tree);
	return 1;
}

static struct tree *
tree_of(struct trees *trees, const char *directory)
{
	for (size_t i = 0; i < trees->n_trees; i++)
		if (strcmp(trees->trees[i].directory, directory) == 0)
			return &trees->trees[i];
	return NULL;
}

static int
add_reach(void *context, const struct policy_reach *reach)
{
	struct trees *trees = context;
	struct tree *tree = tree_of(trees, reach->directory);
	struct reach *add = &trees->reaches[trees->n_reaches];
	bool writes;

	/* policy_reach() calls at most POLICY_PREFIXES_MAX times. */
	if (!tree) {
		tree = &trees->trees[trees->n_trees];
		*tree = (struct tree){
			.directory = strdup(reach->directory),
			.length = strcmp(reach->directory, "/") == 0 ? 0 : strlen(reach->directory),
			.roots = {-1, -1, -1, -1},
		};
		if (!tree->directory)
			return -ENOMEM;
		trees->n_trees++;
	}
	writes = reach->verbs & (POLICY_WRITE | POLICY_CREATE);
	tree->wants |= writes ? 1u << TREE_WRITE : 0;
	tree->wants |= reach->executable ? 1u << TREE_EXECUTE : 0;
	tree->wants |= reach->types & DEVICES ? 1u << TREE_DEVICE : 0;
	tree->recursive |= reach->recursive;
	trees->writes |= writes;
	*add = (struct reach){
		.tree = (uint32_t)(tree - trees->trees),
		.verbs = reach->verbs,
		.types = reach->types,
		.name = reach->name ? strdup(reach->name) : NULL,
		.file = -1,
	};
	if (reach->name && !add->name)
		return -ENOMEM;
	trees->n_reaches++;
	return 0;
}

/*
 * A rule that names one file or directory: take hold of it, so that Landlock can be given that and
 * nothing beside it.
 */
static void
find_file(const struct tree *tree, struct reach *reach)
{
	struct stat status;

	if (!reach->name || tree->roots[TREE_READ] < 0)
		return;
	reach->file = tree_hold(tree, reach->name);
	if (reach->file < 0)
		return;
	if (fstat(reach->file, &status) < 0) {
		close(reach->file);
		reach->file = -1;
		return;
	}
	reach->is_directory = S_ISDIR(status.st_mode);
	reach->device = status.st_dev;
	reach->inode = status.st_ino;
}

static struct reach_key
key_of(const struct trees *trees, const struct reach *reach)
{
	const struct tree *tree = &trees->trees[reach->tree];

	return (struct reach_key){tree->directory, tree->length, reach->name,
				  reach->name ? strlen(reach->name) : 0};
}

static int
compare_keys(const struct reach_key *x, const struct reach_key *y)
{
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	if (x->name_length != y->name_length)
		return x->name_length < y->name_length ? -1 : 1;
	if (x->length > 0 && memcmp(x->directory, y->directory, x->length) != 0)
		return memcmp(x->directory, y->directory, x->length);
	return x->name_length > 0 ? memcmp(x->name, y->name, x->name_length) : 0;
}

static int
compare_reaches(const void *a, const void *b, void *trees)
{
	struct reach_key x = key_of(trees, a), y = key_of(trees, b);

	return compare_keys(&x, &y);
}

/* All directories, as they are at one moment. */
static int
open_directories(struct trees *trees, struct watch *watch, int *ret_directories)
{
	bool settled = false;
	int r = 0;

	for (size_t i = 0; i < trees->n_trees && r == 0; i++)
		r = watch_place(watch, trees->trees[i].directory, trees->trees[i].recursive);
	(void)watch_note_mounts(watch);
	for (int tries = 0; r == 0 && !settled && tries < OPEN_TRIES; tries++) {
		for (size_t i = 0; i < trees->n_trees && r == 0; i++) {
			if (ret_directories[i] >= 0)
				close(ret_directories[i]);
			ret_directories[i] = -1;
			r = open_directory(watch, &trees->trees[i], &ret_directories[i]);
		}
		settled = watch_note_mounts(watch);
	}
	return r == 0 ? watch_ready(watch, settled) : r;
}

int
trees_make(struct trees *trees, struct watch *watch, const struct policy_image *image,
	   const struct policy_identity *identity)
{
	int directories[POLICY_PREFIXES_MAX], r = can_clone();

	if (r < 0)
		return r;
	*trees = (struct trees){.is_private = r > 0, .watch = watch};
	if (!image)
		return 0;
	r = policy_reach(image, identity, add_reach, trees);
	if (r < 0)
		return r;
	qsort_r(trees->reaches, trees->n_reaches, sizeof(trees->reaches[0]), compare_reaches,
		trees);
	memset(directories, -1, sizeof(directories));
	r = open_directories(trees, watch, directories);
	for (size_t i = 0; i < trees->n_trees; i++) {
		if (r == 0 && directories[i] >= 0)
			r = make_clones(trees, &trees->trees[i], directories[i]);
		if (directories[i] >= 0)
			close(directories[i]);
	}
	for (size_t i = 0; i < trees->n_reaches && r == 0; i++)
		find_file(&trees->trees[trees->reaches[i].tree], &trees->reaches[i]);
	return r;
}

void
trees_forget_files(struct trees *trees)
{
	for (size_t i = 0; i < trees->n_reaches; i++) {
		if (trees->reaches[i].file >= 0)
			close(trees->reaches[i].file);
		trees->reaches[i].file = -1;
	}
}

const struct reach *
trees_find(const struct trees *trees, const struct reach_key *key)
{
	size_t low = 0, high = trees->n_reaches;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct reach_key found = key_of(trees, &trees->reaches[middle]);
		int order = compare_keys(&found, key);

		if (order == 0)
			return &trees->reaches[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
