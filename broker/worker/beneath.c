/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the trees. Distrusts: what is beneath them, which others
 * change while we look.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/sys.h"
#include "broker/worker/tree.h"

#define RESOLVE_STRICT (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

/* Where a tree is no private mount, somebody may mount on it now. */
static uint64_t
resolve_in(const struct tree *tree)
{
	return RESOLVE_STRICT | (tree->recursive ? 0 : RESOLVE_NO_XDEV);
}

int
tree_hold(const struct tree *tree, const char *name)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = resolve_in(tree)};

	return sys_openat2(tree->roots[TREE_READ], name, &how);
}

int
place_find(const struct trees *trees, const struct policy_decision *decision, char *path,
	   size_t length, struct place *ret_place)
{
	struct reach_key key = {.directory = path, .length = decision->prefix};
	const struct reach *reach;
	const struct tree *tree;

	if (decision->literal) {
		key.name = path + decision->prefix + 1;
		key.name_length = length - decision->prefix - 1;
	}
	reach = trees_find(trees, &key);
	if (!reach)
		return -EACCES;
	tree = &trees->trees[reach->tree];
	if (tree->roots[TREE_READ] < 0)
		return -ENOENT;
	/* What is mounted beneath it belongs only to `**`; and nobody sees what lies below that. */
	if (!tree->recursive && watch_is_hidden(trees->watch, path, length))
		return -EXDEV;
	*ret_place = (struct place){
		.trees = trees,
		.tree = tree,
		.reach = reach,
		.path = path,
		.length = length,
		.name = length > tree->length + 1 ? path + tree->length + 1 : ".",
	};
	return 0;
}

/* The tree's own directory is in none of its trees. */
static bool
is_top(const struct place *place)
{
	return place->length <= place->tree->length + 1;
}

/* Of anything else: the name, where it can be cut. */
static char *
name_in_path(const struct place *place)
{
	return place->path + place->tree->length + 1;
}

int
place_look(const struct place *place, struct stat *ret_status)
{
	/* One call instead of three: in a private mount no link on the way is followed. */
	return fstatat(place->tree->roots[TREE_READ], place->name, ret_status,
		       AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 0;
}

int
place_hold(const struct place *place, int *ret_fd)
{
	int fd = tree_hold(place->tree, place->name);

	if (fd < 0)
		return fd == -ELOOP ? PLACE_LINK : fd;
	*ret_fd = fd;
	return 0;
}

/* An open was refused although the policy allows it. */
static int
explain_refusal(const struct place *place, int flags)
{
	const struct reach *reach = place->reach;
	struct stat status;
	int fd = -1, r = place_hold(place, &fd);

	if (r != 0)
		return r;
	r = fstat(fd, &status) < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	if (S_ISDIR(status.st_mode) && !(flags & O_DIRECTORY))
		return -EISDIR;
	if (S_ISLNK(status.st_mode))
		return PLACE_LINK;
	/* The mount says no, because these options do. */
	if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
		return PLACE_UNMET;
	/* Landlock knows the one of the first phase. */
	if (reach->name && (status.st_dev != reach->device || status.st_ino != reach->inode))
		return PLACE_STALE;
	return -EACCES;
}

int
place_open(const struct place *place, enum tree_clone clone, int flags, int *ret_fd)
{
	struct open_how how = {.flags = (unsigned)flags, .resolve = resolve_in(place->tree)};
	int fd;

	if (place->tree->roots[clone] < 0)
		return -ENOENT;
	fd = sys_openat2(place->tree->roots[clone], place->name, &how);
	if (fd == -EACCES)
		return explain_refusal(place, flags);
	if (fd < 0)
		return fd == -ELOOP ? PLACE_LINK : fd;
	*ret_fd = fd;
	return 0;
}

/* Bytes of the path that name the directory which it is in. */
static size_t
parent_of(const struct place *place)
{
	const char *slash = memrchr(place->path, '/', place->length);

	return slash > place->path ? (size_t)(slash - place->path) : 1;
}

/*
 * From the top down, each in the one before, in that clone; the last one is not in the chain, and to be
 * closed. 0, a negative errno value or PLACE_LINK.
 */
static int
walk_down(const struct place *place, enum tree_clone clone, struct policy_chain *chain,
	  struct parent *ret_parent)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = resolve_in(place->tree)};
	struct parent p = {.length = place->tree->length > 0 ? place->tree->length : 1};
	char *name = name_in_path(place), *slash;

	p.fd = sys_openat2(place->tree->roots[clone], ".", &how);
	while (p.fd >= 0) {
		int next;

		if (fstat(p.fd, &p.status) < 0) {
			int r = -errno;

			close(p.fd);
			return r;
		}
		slash = strchr(name, '/');
		if (!slash)
			break;
		policy_chain_add(chain, p.length, &p.status);
		*slash = '\0';
		next = sys_openat2(p.fd, name, &how);
		*slash = '/';
		close(p.fd);
		p.fd = next;
		p.length = (size_t)(slash - place->path);
		name = slash + 1;
	}
	if (p.fd < 0)
		return p.fd == -ELOOP ? PLACE_LINK : p.fd;
	p.name = name;
	*ret_parent = p;
	return 0;
}

/*
 * Where others may put things, what was opened has to be in the last directory: its path may have led
 * through one that they took away meanwhile.
 */
static int
look_down(const struct place *place, const struct stat *object, struct policy_chain *chain)
{
	struct parent parent;
	struct stat status;
	int r = walk_down(place, TREE_READ, chain, &parent);

	if (r != 0)
		return r;
	policy_chain_add(chain, parent.length, &parent.status);
	if (chain->shared && (fstatat(parent.fd, parent.name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
			      status.st_dev != object->st_dev || status.st_ino != object->st_ino))
		r = PLACE_AGAIN;
	close(parent.fd);
	return r;
}

int
place_chain(const struct place *place, const struct stat *object, struct policy_chain *ret_chain)
{
	size_t parent = parent_of(place);
	char was;
	int r;

	*ret_chain = place->tree->above;
	if (is_top(place))
		return 0;
	if (strict_recall(STRICT_DIRECTORY, place->path, parent, ret_chain))
		return 0;
	was = place->path[place->length];
	place->path[place->length] = '\0';
	r = look_down(place, object, ret_chain);
	place->path[place->length] = was;
	if (r == 0)
		strict_remember(STRICT_DIRECTORY, place->path, parent, ret_chain);
	return r;
}

int
place_parent(const struct place *place, struct policy_chain *ret_above, struct parent *ret_parent)
{
	if (place->tree->roots[TREE_WRITE] < 0)
		return -ENOENT;
	if (is_top(place))
		return -EEXIST;
	*ret_above = place->tree->above;
	return walk_down(place, TREE_WRITE, ret_above, ret_parent);
}

int
place_create(const struct place *place, const struct parent *parent, int flags, mode_t mode,
	     int *ret_fd)
{
	struct open_how how = {.flags = (unsigned)flags | O_CREAT | O_EXCL,
			       .mode = mode,
			       .resolve = resolve_in(place->tree)};
	int fd = sys_openat2(parent->fd, parent->name, &how);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int
place_read_link(const struct place *place, char *target, size_t size, size_t *ret_n,
		struct place *ret_link, struct stat *ret_status)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = resolve_in(place->tree)};
	int fd = place->tree->roots[TREE_READ], next, r = 0;
	char *name = name_in_path(place), *slash;
	ssize_t n = -1;

	if (is_top(place))
		return PLACE_AGAIN;
	/* From step to step: O_PATH with O_NOFOLLOW takes hold of a link itself. */
	for (; n < 0; fd = next, name = slash + 1) {
		slash = strchr(name, '/');
		if (slash)
			*slash = '\0';
		next = sys_openat2(fd, name, &how);
		if (slash)
			*slash = '/';
		if (fd != place->tree->roots[TREE_READ])
			close(fd);
		if (next < 0)
			return next;
		r = fstat(next, ret_status) < 0 ? -errno : 0;
		if (r == 0 && S_ISLNK(ret_status->st_mode)) {
			n = readlinkat(next, "", target, size);
			r = n < 0 ? -errno : 0;
		} else if (r == 0 && !slash) {
			r = PLACE_AGAIN; /* it was one a moment ago */
		}
		if (r != 0 || n >= 0) {
			close(next);
			break;
		}
	}
	if (r != 0)
		return r;
	*ret_n = (size_t)n;
	*ret_link = *place;
	ret_link->length = slash ? (size_t)(slash - place->path) : place->length;
	return 0;
}
