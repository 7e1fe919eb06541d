/* SPDX-License-Identifier: MIT */
/*
 * From root without a client to a process that an attacker may own: after confine() this process
 * reaches no file but those beneath its trees, whatever it executes, as far as the layers go that it
 * could enter.
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
 * The way there, in this order. enter: 1; 0: this kernel, or who runs us, does not have it; or a
 * negative errno value.
 */
struct confine_step {
	const char *name;
	uint32_t layers; /* that it belongs to; 0: what is never missing */
	int (*enter)(const struct confinement *confinement);
};
extern const struct confine_step confine_steps[];
extern const size_t n_confine_steps;

/*
 * Go all of it. There is no way back. *ret_step: the one that was begun last, also on failure.
 * *ret_layers, with 0: those that were entered (broker/layers.h). -ENOTSUP: a required one is not
 * there, which *ret_layers lacks; it may then have seccomp although that was not entered. -ESRCH: the
 * broker is gone. -EPERM, or what the kernel said: for a layer that is there and fails.
 */
int confine(const struct confinement *confinement, uint32_t *ret_layers, const char **ret_step);

/* At the start of the first phase: nobody looks into it, and it does not outlive the broker. */
int confine_begin(void);

/* The last two steps, each in a file of its own. */
int confine_landlock(const struct confinement *confinement);
int confine_seccomp(const struct confinement *confinement);
