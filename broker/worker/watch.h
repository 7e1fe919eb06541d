/* SPDX-License-Identifier: MIT */
/*
 * Are the trees still what their names stand for? A worker cannot make new ones: it notices, and
 * another takes over. It holds no directory on the way to a tree for that, only what tells of
 * changes: names in those directories (inotify(7)), and mounts (proc_pid_mountinfo(5)).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/worker/strict.h"
#include "policy/policy.h"

/* Descriptors of a worker, beside those of broker/ipc.h, so that its filter can name them. */
enum {
	WATCH_NAMES = 9,
	WATCH_MOUNTS = 10,
};

enum {
	WATCH_MS = 1000,       /* at most one look at what changed in that time */
	WATCH_BLIND_MS = 5000, /* that a worker serves which is not told of names */
};

/* A tree's directory, as the policy has it. */
struct watch_place {
	const char *directory;
	size_t length; /* bytes of directory, 0 for "/" */
	bool recursive;
};

struct watch_name {
	int directory; /* watch descriptor */
	const char *name;
	bool is_shared; /* others may put things into the directory, and so touch it (utimensat(2)) */
};

struct watch {
	struct watch_name *names; /* after watch_ready() in order */
	size_t n_names;
	struct watch_place places[POLICY_PREFIXES_MAX];
	size_t n_places;
	char **below; /* where file systems are mounted below a place that is not recursive */
	size_t n_below;
	bool blind; /* the kernel tells of no names, or not of all */
	uint64_t mounts;
};

/*
 * First phase. uid: whom the kernel counts what inotify takes for, who may have used up all that
 * there is for it; -1: for who runs us.
 */
int watch_begin(struct watch *watch, uid_t uid);

/* Mounts that this directory lies on count, and those that it holds; these belong to it if recursive. */
int watch_place(struct watch *watch, const char *directory, bool recursive);

/*
 * Note the mounts of these places as they are now. True: they were the same the last time, and so what
 * was opened since then was opened among them.
 */
bool watch_note_mounts(struct watch *watch);

/*
 * Open directory (O_PATH), or say why not (a negative errno value, -ELOOP for a symbolic link), and
 * notice from now on whether it has become another, or what ret_above says of the directories above it.
 */
int watch_open(struct watch *watch, const char *directory, struct policy_chain *ret_above,
	       int *ret_fd);

/* The end of the first phase. settled: the last answer, or no tree is known to be what it should. */
int watch_ready(struct watch *watch, bool settled);

/* Is this path, in a place that is not recursive, hidden by what is mounted there? */
bool watch_is_hidden(const struct watch *watch, const char *path, size_t length);

/*
 * Second phase. Have epoll tell of changes, with data.ptr the watch: of those after this call; of those
 * before it may not.
 */
void watch_arm(struct watch *watch, int epoll);
void watch_disarm(int epoll);

/* Has any of it changed? Reads what the kernel told since the last time. */
bool watch_look(struct watch *watch);
