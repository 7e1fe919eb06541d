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
	TRIES = 8, /* while others create and remove the same name */
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

/* What came of the open is looked at before the client can have it. */
static int
check_opened(struct access *a, const struct strict_chain *known, struct stat *ret_status)
{
	const struct place *place = &a->place;
	struct strict_chain chain;
	int r;

	if (fstat(a->fd, ret_status) < 0)
		return -errno;
	r = access_type_holds(a, ret_status);
	if (r == 0)
		r = access_conditions_hold(a, ret_status, known, &chain);
	if (r == 0 && writes(a))
		r = access_writable_holds(a, a->fd, ret_status);
	if (r != 0)
		return r;
	if (!known && a->options->strict != POLICY_STRICT_NO && S_ISREG(ret_status->st_mode))
		strict_remember(STRICT_FILE, place->path, place->length, &chain);
	r = restore_flags(a);
	return r == 0 ? truncate_file(a, ret_status) : r;
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

/* 0, or what speaks against opening it. A device is opened from a clone of its own. */
static int
look_before(struct access *a, enum tree_clone *clone)
{
	struct stat status;
	int r;

	if (place_look(&a->place, &status) != 0)
		return 0;
	if (S_ISLNK(status.st_mode))
		return PLACE_LINK;
	r = access_type_holds(a, &status);
	if (r == 0 && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)))
		*clone = TREE_DEVICE;
	return r;
}

/*
 * What is no regular file may act when it is opened, and so is looked at before. One that was regular a
 * moment ago, where nobody but root and its owner could change that, is not.
 */
static int
open_existing(struct access *a, struct stat *ret_status)
{
	const struct place *place = &a->place;
	enum tree_clone clone = writes(a)          ? TREE_WRITE
				: a->options->exec ? TREE_EXECUTE
						   : TREE_READ;
	struct strict_chain chain;
	bool known = a->options->strict != POLICY_STRICT_NO &&
		     strict_recall(STRICT_FILE, place->path, place->length, &chain);
	int r = known ? 0 : look_before(a, &clone);

	if (r == 0)
		r = place_open(place, clone, flags_of(a), &a->fd);
	/* By now it may be something else. */
	if (r != 0 && known) {
		known = false;
		r = look_before(a, &clone);
		if (r == 0)
			r = place_open(place, clone, flags_of(a), &a->fd);
	}
	return r == 0 ? finish(a, check_opened(a, known ? &chain : NULL, ret_status)) : r;
}

/*
 * Everything that could speak against a new file in that directory: also that somebody moved it, who is
 * neither root nor its owner.
 */
static int
may_create(struct access *a, const struct strict_chain *above, const struct parent *parent)
{
	const struct stat wanted = {.st_mode = S_IFREG, .st_uid = a->client->peer.uid};
	struct strict_chain chain = *above;
	int r = access_type_holds(a, &wanted);

	if (r == 0)
		r = access_strict_holds(a, &parent->status, &chain);
	strict_add(&chain, parent->length, &parent->status);
	if (r == 0)
		r = access_conditions_hold(a, &wanted, &chain, &chain);
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
	struct strict_chain above;
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
	if (a->flags & O_EXCL && (r == -EAGAIN || (r == 0 && (status.st_dev != created->st_dev ||
							      status.st_ino != created->st_ino))))
		r = -EEXIST;
	return finish(a, r);
}

int
access_open(struct access *a)
{
	struct stat status;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES; i++) {
		if (!(a->flags & O_EXCL)) {
			r = open_existing(a, &status);
			if (r != -ENOENT || !(a->flags & O_CREAT))
				return r;
		}
		r = create(a, &status);
		if (r == 0 && !writes(a) && a->place.trees->is_private)
			return reopen_created(a, &status);
		if (r != -EEXIST || a->flags & O_EXCL)
			return r;
	}
	return -EAGAIN;
}
