/* SPDX-License-Identifier: MIT */
/*
 * Races between whoever looks a path up and a user who exchanges what lies there,
 * renameat2(RENAME_EXCHANGE), as fast as possible. Each has a directory of its own, that user's, in
 * the broker's; names are below it.
 */
#pragma once

#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "tests/people.h"

enum {
	RACES = 16,
	RACE_PAIRS = 3,
	RACE_PATHS = 2,
	RACE_ERRORS = 4,
	RACE_THINGS = 12,

	/* Uids and gids: nobody else's. */
	ATTACKER = 61300,
	CLIENT = 61310,  /* + number of the race: who asks, and the group that may */
	STARTED = 61330, /* and so on: others of that group */

	SECONDS_MOST = 120, /* for what takes far less */
};

/* What is asked for. */
enum race_operation {
	RACE_OPEN = 0, /* many in one request */
	RACE_CREATE,   /* open, which may create */
	RACE_STAT,
	RACE_LIST,
};

enum race_kind {
	RACE_NOTHING = 0,
	/* The attacker's. */
	RACE_DIRECTORY,
	RACE_FILE, /* "given" */
	RACE_LINK, /* to; @ stands for the broker's directory */
	RACE_FIFO,
	/* Root's. */
	RACE_PRIVATE, /* a directory that nobody else may enter */
	RACE_SECRET,  /* "secret", and nobody else may read it */
	RACE_SET_UID, /* the same, with S_ISUID */
	RACE_DEVICE,  /* zero(4) */
	RACE_HARD,    /* another name of `to`, which is root's */
};

struct race_thing {
	enum race_kind kind;
	const char *name;
	const char *to;
};

struct race_pair {
	const char *a, *b; /* without b, a is made a link to `planted`, and removed */
	/*
	 * What the attacker wants to be opened or told of; RACE_CREATE: the directory that it wants
	 * something to appear in, which is empty.
	 */
	const char *secret;
};

struct race {
	const char *name;
	enum race_operation operation;
	const char *verbs, *options; /* of the rule: these for tree and all beneath it */
	const char *deny;            /* or NULL; for anybody */
	uint32_t flags;
	const char *paths[RACE_PATHS]; /* that are asked for in turn; the naive opener: the last */
	const char *held;              /* where that one stands while it looks; or NULL */
	const char *given;             /* what may arrive, and nothing else; NULL: a new file */
	const char *made;              /* what the attacker removes each time; or NULL */
	int errors[RACE_ERRORS];       /* or one of these */
	/*
	 * What is exchanged lies on the way to the tree: another worker takes over, again and again.
	 */
	bool renews;
	struct race_pair pairs[RACE_PAIRS]; /* exchanged and exchanged back, in turn */
	struct race_thing things[RACE_THINGS];
};

extern const struct race races[RACES];

/* Which file that is, wherever it is now. */
struct race_object {
	dev_t device;
	ino_t inode;
};

/* Shared with the processes of a race. */
struct race_run {
	const struct race *race;
	char directory[80], planted[96];
	size_t n_pairs;
	struct race_object given, secrets[RACE_PAIRS];

	/* The attacker's. */
	atomic_bool stop;
	_Atomic unsigned long exchanges;

	/* The client's: at least so many tries, and connections that ended. */
	unsigned long wanted_tries, wanted_ends;
	unsigned long tries, grants, refusals, ends;
	char complaint[160]; /* of any of them */
};

/* The rules of all of them, for harness_start_how(). To be freed. */
char *races_rules(void);

/* The directory with all that is in it. */
void race_make(struct race_run *ret_run, const struct race *race);

/* As found after race_make(); nothing appeared in what was empty. */
bool race_is_intact(const struct race_run *run);

/* The attacker, until told to end; then all is where it was. False: it could not. */
pid_t race_begin(struct race_run *run);
bool race_end(struct race_run *run, pid_t attacker);

bool race_is_object(const struct race_object *object, const struct stat *status);

/* A path below the race's directory. */
void race_path(const struct race_run *run, const char *name, char ret_path[PATH_MAX]);
