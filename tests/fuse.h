/* SPDX-License-Identifier: MIT */
/*
 * A file system whose server goes silent: whoever lets go of one of its files waits for it, or who
 * looks for one, or opens one. Or it says what no other file system says. The mount is attached nowhere, if not by fuse_attach(), and ends with
 * the server; no process waits for it any longer then.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct fuse_shared;

struct fuse {
	/* Directory; each number in it is a file, dNUMBER a directory, nNUMBER can be created. */
	int mount;
	_Atomic bool *answers; /* FLUSH, RELEASE, WRITE and SETATTR */
	struct fuse_shared *shared;
	pid_t server;
};

/* False: this kernel, or this machine, has no FUSE. */
bool fuse_start(struct fuse *f);

/* Takes one that was not started. */
void fuse_stop(struct fuse *f);

/*
 * A file that is to be sent and closed while the server answers, and what is written to and kept
 * open then: from there on nobody can let go of the first, for its data has to be written.
 */
int fuse_open(const struct fuse *f, unsigned number);

/* Where others find it, in this mount namespace. False: not possible. */
bool fuse_attach(const struct fuse *f, const char *path);

enum {
	FUSE_HANGS_LOOKUP = 1 << 0, /* of a name that was not looked up before */
	FUSE_HANGS_OPEN = 1 << 1,
	FUSE_HANGS_CREATE = 1 << 2,
	FUSE_HANGS_REST = 1 << 3,
	FUSE_HANGS = FUSE_HANGS_LOOKUP | FUSE_HANGS_OPEN | FUSE_HANGS_CREATE | FUSE_HANGS_REST,
};

/* Answer these no more; of those that came meanwhile, answer the others now. 0: answer all. */
void fuse_hang(const struct fuse *f, unsigned kinds);

/* How many wait for an answer because of that. */
unsigned fuse_kept(const struct fuse *f);

/* Whom the files belong to that are created from now on; at first, root. */
void fuse_set_owner(const struct fuse *f, uid_t owner);

/* Why there are no extended attributes; 0, as at first: it has none, for ever from when it is asked. */
void fuse_set_xattr_error(const struct fuse *f, int error);

/* How often it was told to change a size. */
unsigned fuse_cuts(const struct fuse *f);
