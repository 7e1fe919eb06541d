/* SPDX-License-Identifier: MIT */
/*
 * From root without a client to a process that an attacker may own: after confine() this process
 * reaches no file but those beneath its trees, whatever it executes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/worker/tree.h"

/*
 * Far more than a worker opens: the kernel measures by the same limit how many descriptors all
 * workers together may have on their way (unix(7), ETOOMANYREFS).
 */
enum { CONFINE_FILES_MAX = 65536 };

struct confinement {
	const struct trees *trees;
	uint32_t required; /* layers */
	/* Real, effective and saved ids; -1: not root, keep what we have. */
	uid_t own_uid;
	gid_t own_gid;
	/* File system ids: what is created belongs to them. */
	uid_t peer_uid;
	gid_t peer_gid;
	const gid_t *groups;
	size_t n_groups;
	size_t memory; /* bytes of address space beyond what is in use */
};

/*
 * Enter every layer that this kernel and these privileges offer. *ret_layers: those that were entered
 * (broker/layers.h), set on failure too. A layer that is there and fails is an error: -EPERM, or what
 * the kernel said; -ENOTSUP: a required one is not there; -ESRCH: the broker is gone. There is no way
 * back.
 */
int confine(const struct confinement *confinement, uint32_t *ret_layers);

/* The last two of them, each in a file of its own. 1: entered, 0: this kernel has none of it. */
int confine_landlock(const struct trees *trees);
int confine_seccomp(void);
