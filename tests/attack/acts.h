/* SPDX-License-Identifier: MIT */
/*
 * What a worker that an attacker owns could try, each by raw system call, and the place where it is
 * tried. An act runs in a process of its own that has entered some layers; it asserts nothing.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum {
	/* Nobody on this machine. */
	PEER = 61001,
	OTHER_PEER = 61002,
	HELPERS = 61020, /* the helpers' account */
	GROUP = 61010,   /* of the peer */
};

/* A process that has to be left alone. */
enum victim {
	VICTIM_NONE = 0,
	VICTIM_WORKER, /* of another identity, same account */
	VICTIM_BROKER,
};

enum {
	ACT_BROKEN = 4095, /* no errno value: the act did not come as far as what it is about */
	SCENE_SIGNAL = 10, /* SIGUSR1, that a victim blocks: it stays pending */
	SCENE_HANDLE = 128,
};

/*
 * What an act finds. directory holds read/ (the peer's rules read read/\*), write/ (they read, write,
 * create and list write/\*), one/ (they read one/file) and other/ (they have nothing there); what is in
 * them is listed in acts-scene.c.
 */
struct scene {
	char directory[64];
	int read, write, one; /* descriptors of the trees */
	int written;          /* of write/ too, for reading */
	pid_t victim;
	int client[2]; /* a connection: the client's end, the worker's */
	int notes[2], audit[2], ended[2], control[2];
	int pipes[2][2]; /* two of them, each with some bytes in it */
	int listener;    /* TCP on the loopback */
	uint16_t port;
	/*
	 * Of the scene: what an earlier one has left running may still hold the socket of that name.
	 */
	unsigned number;
	int name; /* a listening socket of directory/socketNUMBER, and an abstract one of that name */
	int abstract;
	int namespace;                                  /* of mounts, ours */
	_Alignas(8) unsigned char handle[SCENE_HANDLE]; /* struct file_handle of other/secret */
};

/* Returns 0: done; or a negative errno value. */
typedef int act_try(struct scene *scene);

/* Did it have an effect? Asked in the test's process, root and without layers, after the act. */
typedef bool act_effect(struct scene *scene);

struct act {
	const char *name; /* NULL: another group begins */
	const char *group;
	act_try *act;
	act_effect *effect;
	enum victim victim;
	int landlock_abi; /* the first that stops it, where it does */
	bool open;        /* not stopped, and SECURITY.md says so */
	bool runtime;     /* with calls that the filter of a build with sanitizers has to permit */
	bool may_lack;    /* the kernel may be without it */
	bool clones;      /* a private mount, which not every kernel does */
};

extern const struct act acts_files[], acts_processes[], acts_system[], acts_given[], acts_open[];
extern const size_t n_acts_files, n_acts_processes, n_acts_system, n_acts_given, n_acts_open;

extern const struct act act_limit_worker;
extern const struct act acts_permitted[]; /* what a worker is for */
extern const size_t n_acts_permitted;

/* 0 or a negative errno value; for calls whose result is a descriptor too. */
#define TRY(...) (syscall(__VA_ARGS__) < 0 ? -errno : 0)

/* openat2(2) without any RESOLVE flag: a descriptor, or a negative errno value. */
int act_open(int directory, const char *path, uint64_t flags);

/* A descriptor of the peer's file in a tree; without one the act is broken. */
#define ACT_FILE(fd, tree, name, flags)                                                            \
	int fd = act_open(tree, name, flags);                                                      \
	if (fd < 0)                                                                                \
	return -ACT_BROKEN

/* path under the scene's directory; in one of a few buffers. */
const char *scene_path(const struct scene *scene, const char *name);

/* Around all scenes: a mount namespace of our own. Then each anew. */
void scenes_begin(struct scene *scene);
void scenes_end(struct scene *scene);
void scene_set(struct scene *scene, enum victim victim);
void scene_strike(struct scene *scene);

/* Run as the peer, in a process of its own, with no more than the descriptor. */
bool as_peer(int (*run)(int fd), int fd);

/* What the worker sent to its client, or -1. */
int take_from_worker(const struct scene *scene);

/* A byte that no other process should read; at one address in all of them. */
extern char scene_secret[16];

/* --- becoming a worker ------------------------------------------------------------------------ */

enum {
	NONE = 0,
	TREES,
	CAPS,
	USER,
	PROCESS, /* the steps that belong to no layer */
	LANDLOCK,
	SECCOMP,
	ALL, /* confine(), as a worker calls it */
	N_COLUMNS,
};

struct column {
	const char *name;
	uint32_t layers;
	bool process;
	bool all;
};
extern const struct column columns[N_COLUMNS];
extern struct scene here;

/* Called in the process of the worker after its first phase, when set. 0 or a negative errno value. */
extern int (*before_steps)(void);

/* Where it makes no difference, and so that it takes less time. */
extern bool watch_nothing;

/* For confine(), and from it. */
extern uint32_t required_layers, entered_layers;

/* Once, in the test's process. */
void workers_begin(void);

/*
 * Become a worker of the peer in the scene, as far as this column goes, in the first n of its steps.
 * 0 or a negative errno value.
 */
int become_worker(const struct column *column, size_t n);
