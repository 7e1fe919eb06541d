/* SPDX-License-Identifier: MIT */
/*
 * A file system whose server goes silent: whoever lets go of one of its files waits for it. The
 * mount is attached nowhere, and ends with the server; no process waits for it any longer then.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct fuse {
	int mount;             /* directory; each name in it is a file */
	_Atomic bool *answers; /* FLUSH, RELEASE, WRITE and SETATTR; others always */
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
