/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that hurt whoever destroys them: the one that lets go of the last reference waits,
 * for seconds or for ever. Here the wait is in our hands: arms_release() ends it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tests/fuse.h"

enum {
	ARMS_MOST = 2560,
	LINGER_SECONDS = 8,
};

struct arms {
	size_t n;
	int arm[ARMS_MOST];  /* to be sent, and closed by all who have them */
	int kept[ARMS_MOST]; /* with what makes them dangerous, and harmless again */
	struct fuse fuse;
};

/* TCP connections of this process get a network of their own. */
void linger_network(void);

/* Sockets with data that nobody reads, and SO_LINGER. Dangerous at once. */
void arms_tcp(struct arms *arms, size_t n);

/*
 * Files of a file system that does not answer. Dangerous from arms_cock() on, which comes after
 * all have closed theirs. False: there is no FUSE here.
 */
bool arms_fuse(struct arms *arms, size_t n);
void arms_cock(struct arms *arms);

/* Close ours, while another process has them too. */
void arms_disown(struct arms *arms);

/* Nobody waits any longer. Takes what was released already, and zeroes. */
void arms_release(struct arms *arms);
