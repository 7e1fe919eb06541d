/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. An open that the policy permits, as open(2) would do it, if it can be
 * done without waiting for anybody, and without touching what may not be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "broker/worker/access.h"

enum {
	/* Those that fcntl(F_SETFL) can set, so that it would clear them. */
	FLAGS_STATUS = O_APPEND | O_DIRECT,
	FLAGS_OURS = O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

static bool
writes(const struct access *a)
{
	return (a->flags & O_ACCMODE) != O_RDONLY;
}

static int
flags_of(const struct access *a)
{
	return (int)(a->flags & ~(uint32_t)(O_TRUNC | O_CREAT | O_EXCL)) | FLAGS_OURS;
}

/* O_NONBLOCK was ours, so that no FIFO or lease could make us wait: take it off. */
static int
restore_flags(const struct access *a)
{
	if (a->flags & O_NONBLOCK)
		return 0;
	return fcntl(a->fd, F_SETFL, a->flags & FLAGS_STATUS) < 0 ? -errno : 0;
}

/* The one thing that could not be taken back. */
static int
truncate_file(struct access *a, const struct stat *status)
{
	if (!(a->flags & O_TRUNC) || !S_ISREG(status->st_mode))
		return 0;
	if (!server_is_current(a->server, a->client))
		return PLACE_STALE;
	return ftruncate(a->fd, 0) < 0 ? -errno : 0;
}

static int
finish(struct access *a, int r)
{
	if (r != 0 && a->fd >= 0) {
		close(a->fd);
		a->fd = -1;
	}
	return r;
}

/*
 * What came of the open, before the client can have it. looked: what was there before; NULL: what that
 * was is remembered. chain: its directories.
 */
static int
check_opened(struct access *a, const struct stat *looked, const struct policy_chain *chain,
	     struct stat *ret_status)
{
	int r;

	if (fstat(a->fd, ret_status) < 0)
		return -errno;
	/* So what holds of the one, holds of the other. */
	if (looked &&
	    (looked->st_dev != ret_status->st_dev || looked->st_ino != ret_status->st_ino ||
	     looked->st_uid != ret_status->st_uid))
		return PLACE_AGAIN;
	r = access_type_holds(a, ret_status);
	if (r == 0)
		r = access_conditions_hold(a, ret_status, chain);
	if (r == 0 && writes(a))
		r = access_writable_holds(a, a->fd, ret_status);
	if (r == 0)
		r = restore_flags(a);
	return r == 0 ? truncate_file(a, ret_status) : r;
}

/*
 * To open something can act: on a terminal, on who waits at a FIFO, on a lease. So everything is looked at
 * before that can be. A device is opened from a clone of its own.
 */
static int
look_before(struct access *a, enum tree_clone *clone, struct stat *ret_status,
	    struct policy_chain *ret_chain)
{
	int r = place_look(&a->place, ret_status);

	if (r < 0) {
		int fd = -1;

		/* This knows better why, and acts on nothing. */
		r = place_hold(&a->place, &fd);
		if (r != 0)
			return r;
		close(fd);
		return PLACE_AGAIN;
	}
	if (S_ISLNK(ret_status->st_mode))
		return PLACE_LINK;
	r = access_type_holds(a, ret_status);
	if (r == 0)
		r = access_chain(a, ret_status, ret_chain);
	if (r == 0)
		r = access_conditions_hold(a, ret_status, ret_chain);
	if (r == 0 && writes(a))
		r = access_writable_holds(a, -1, ret_status);
	if (r == 0 && (S_ISCHR(ret_status->st_mode) || S_ISBLK(ret_status->st_mode)))
		*clone = TREE_DEVICE;
	return r;
}

static int
open_looked(struct access *a, enum tree_clone clone, struct stat *ret_status)
{
	const struct place *place = &a->place;
	struct policy_chain chain = {};
	struct stat looked;
	int r = look_before(a, &clone, &looked, &chain);

	if (r == 0)
		r = place_open(place, clone, flags_of(a), &a->fd);
	if (r == 0)
		r = finish(a, check_opened(a, &looked, &chain, ret_status));
	if (r == 0 && a->options->strict != POLICY_STRICT_NO && S_ISREG(looked.st_mode))
		strict_remember(STRICT_FILE, place->path, place->length, &chain);
	return r;
}

/*
 * What was a regular file a moment ago, where nobody but root and its owner could change that, is opened
 * without a look before.
 */
static int
open_existing(struct access *a, struct stat *ret_status)
{
	const struct place *place = &a->place;
	enum tree_clone clone = writes(a)          ? TREE_WRITE
				: a->options->exec ? TREE_EXECUTE
						   : TREE_READ;
	struct policy_chain chain;

	if (a->options->strict != POLICY_STRICT_NO &&
	    strict_recall(STRICT_FILE, place->path, place->length, &chain) &&
	    place_open(place, clone, flags_of(a), &a->fd) == 0)
		return finish(a, check_opened(a, NULL, &chain, ret_status));
	return open_looked(a, clone, ret_status);
}

/*
 * Everything that could speak against a new file in that directory: also that somebody moved it, who is
 * neither root nor its owner.
 */
static int
may_create(struct access *a, const struct policy_chain *above, const struct parent *parent)
{
	const struct stat wanted = {.st_mode = S_IFREG, .st_uid = a->client->peer.uid};
	struct policy_chain chain = *above;
	int r = access_type_holds(a, &wanted);

	if (r == 0)
		r = access_strict_holds(a, &parent->status, &chain);
	policy_chain_add(&chain, parent->length, &parent->status);
	if (r == 0)
		r = access_conditions_hold(a, &wanted, &chain);
	if (r == 0 && !server_is_current(a->server, a->client))
		r = PLACE_STALE;
	return r;
}

/*
 * A new file appears with its owner and mode in one step, in the directory that was looked at. 0 with a
 * descriptor; -EEXIST: there is one by now.
 */
static int
create(struct access *a, struct stat *ret_status)
{
	struct policy_chain above;
	struct parent parent;
	int r = place_parent(&a->place, &above, &parent);

	if (r != 0)
		return r;
	r = may_create(a, &above, &parent);
	if (r == 0)
		r = place_create(&a->place, &parent, flags_of(a), a->mode & a->options->mode & 0777,
				 &a->fd);
	close(parent.fd);
	if (r != 0)
		return r;
	a->created = true;
	if (fstat(a->fd, ret_status) < 0)
		return finish(a, -errno);
	/* A file system that gives it to somebody else. */
	if (ret_status->st_uid != a->client->peer.uid)
		return finish(a, -EACCES);
	return finish(a, restore_flags(a));
}

/*
 * What may only be read is not to come from a mount that can be written: the new file is opened once
 * more, as what it is now.
 */
static int
reopen_created(struct access *a, const struct stat *created)
{
	struct stat status;
	int r;

	close(a->fd);
	a->fd = -1;
	r = open_existing(a, &status);
	/* Somebody else has put one there, or has taken a lease on it. */
	if (a->flags & O_EXCL &&
	    (r == PLACE_AGAIN || r == -EAGAIN ||
	     (r == 0 && (status.st_dev != created->st_dev || status.st_ino != created->st_ino))))
		r = -EEXIST;
	return finish(a, r);
}

int
access_open(struct access *a)
{
	struct stat status;
	int r;

	if (!(a->flags & O_EXCL)) {
		r = open_existing(a, &status);
		if (r != -ENOENT || !(a->flags & O_CREAT))
			return r;
	}
	r = create(a, &status);
	if (r == 0 && !writes(a) && a->place.trees->is_private)
		return reopen_created(a, &status);
	return r == -EEXIST && !(a->flags & O_EXCL) ? PLACE_AGAIN : r;
}
