/* SPDX-License-Identifier: MIT */
/* What the files of test-differential share: the objects, both trees, who opens, and what differs. */
#pragma once

#include "tests/people.h"

enum {
	A = 61071,
	OTHERS = 61072, /* a group that A is not in */
	OBJECTS_MAX = 192,
	UMASK = 027, /* of all who open */
};

/*
 * --- what there is to be opened: differential-objects.c ------------------------------------------
 */

enum side { DIRECT, BROKER, SIDES };

enum trait {
	READER = 1,         /* a FIFO that somebody has open for reading */
	WRITER = 1 << 1,    /* and for writing */
	CAPABLE = 1 << 2,   /* file capabilities */
	IMMUTABLE = 1 << 3, /* inode attributes */
	APPEND_ONLY = 1 << 4,
	RUNNING = 1 << 5,
	NOT_CANONICAL = 1 << 6, /* the path */
	TOO_LONG = 1 << 7,
	TOO_DEEP = 1 << 8,
	LONGEST = 1 << 9,
	OUTSIDE = 1 << 10,    /* not what the rule is for */
	MOUNT = 1 << 11,      /* a file system of its own, read-only in the end */
	BIND = 1 << 12,       /* of `sub`, read-only */
	FINAL = 1 << 13,      /* the last component is a link */
	BEHIND = 1 << 15,     /* with ".." behind a name */
	HOPS = 1 << 16,       /* more links than are followed */
	UNTYPED = 1 << 17,    /* the rule has none of its type */
	UNFOLLOWED = 1 << 18, /* nor follows links */
};

/*
 * In names: `#` a component as long as can be; `%` in front: as many bytes in all as size says; `^`:
 * as many components; `=`: the path as it stands; `<` a path without the first `/`; `>` beneath
 * what the rule is not for; `!` beneath a rule without type and symlinks. In targets: `%` the
 * directory of both trees, `$` the tree.
 */
struct object {
	const char *name;
	mode_t mode; /* with the type; 0: nothing is made */
	off_t size;  /* of a device: its number */
	unsigned traits;
	const char *target;
};
extern const struct object objects[];
extern const size_t n_objects;

/* What one triple came to; and of the object as its name leads to it: what it is after that. */
#define FACTS(X)                                                                                   \
	X(ERROR, "errno")                                                                          \
	X(TYPE, "type")                                                                            \
	X(RIGHT, "the right object")                                                               \
	X(FLAGS, "F_GETFL")                                                                        \
	X(FD_FLAGS, "F_GETFD")                                                                     \
	X(OFFSET, "offset")                                                                        \
	X(SIZE, "size")                                                                            \
	X(READ, "bytes read")                                                                      \
	X(CONTENT, "content")                                                                      \
	X(MODE, "mode")                                                                            \
	X(UID, "uid")                                                                              \
	X(GID, "gid")                                                                              \
	X(NAME, "its name in /proc/self/fd is that of the object")                                 \
	X(LINK, "errno of linkat")                                                                 \
	X(EXEC, "errno of PROT_EXEC")                                                              \
	X(CHMOD, "errno of fchmod")                                                                \
	X(AFTER_ERROR, "errno of stat afterwards")                                                 \
	X(AFTER_MODE, "mode afterwards")                                                           \
	X(AFTER_SIZE, "size afterwards")                                                           \
	X(AFTER_UID, "uid afterwards")                                                             \
	X(AFTER_GID, "gid afterwards")

enum fact {
#define X(name, text) name,
	FACTS(X)
#undef X
		OF_FACTS,
};
extern const char *const fact_names[];

struct outcome {
	int64_t facts[OF_FACTS];
	dev_t device; /* of what was opened */
	ino_t inode;
};

struct triple {
	const struct object *object;
	uint32_t flags;
	mode_t mode;
};

extern char place[64]; /* of both trees */
extern const char *const trees[SIDES];
struct place {
	char *path[SIDES];
	struct outcome before[SIDES]; /* facts about afterwards, and nothing else */
	unsigned shown;               /* differences */
	bool left_out;
};
extern struct place places[OBJECTS_MAX];

struct place *place_of(const struct object *object);
const struct object *object_named(const char *name);
char *make_path(const struct object *object, enum side side);
char *make_target(const struct object *object, enum side side); /* where a link leads to */

/* Before anything was opened, of the direct side. */
int64_t before(const struct triple *t, enum fact fact);

/*
 * --- both trees: differential-trees.c ------------------------------------------------------------
 */

void make_trees(void);
void remove_trees(void);

/* What an object is now, as its name leads to it. */
void look_after(const struct object *object, enum side side, struct outcome *ret);

/* As it was before. */
void restore(const struct triple *t, enum side side, const struct outcome *after);

/*
 * --- who opens: differential-openers.c -----------------------------------------------------------
 */

/*
 * As its owner; the owner with the capabilities that make mode bits mean nothing; through the broker.
 */
enum opener { PLAINLY, PRIVILEGED, BROKERED, OPENERS };

/* What a direct opener does that was not asked for; close-on-exec would be one of the exceptions. */
struct lie {
	const char *what;
	uint32_t without, with; /* flags */
	mode_t mode;            /* the other way round */
	bool other_file, seeks, cuts;
};
extern const struct lie lies[];
extern const size_t n_lies;

struct shared {
	struct triple triple;
	const struct lie *lie; /* or NULL */
	struct outcome outcomes[OPENERS];
};
extern struct shared *shared;

void start_openers(void);
void end_openers(void);

/* They open shared->triple: all that are asked at the same time. */
void ask_opener(enum opener opener);
void wait_for_opener(enum opener opener);

/*
 * --- the exceptions: differential-exceptions.c ---------------------------------------------------
 */

#define LARGEFILE 0100000 /* O_LARGEFILE is 0 to a 64-bit program */
#define NAMED                                                                                      \
	((uint32_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |    \
		    O_SYNC | O_ASYNC | O_DIRECT | LARGEFILE | O_DIRECTORY | O_NOFOLLOW |           \
		    O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE))

struct exception {
	const char *what, *why; /* the words of broker_open(3) */
	/* All that is not 0: any of these traits; any of these flags; the direct errno value. */
	unsigned traits;
	uint32_t flags;
	int instead_of;
	bool (*holds)(const struct triple *t, const struct outcome *direct);
	/* Either an errno value, or what adjust does. */
	int error;
	void (*adjust)(const struct triple *t, struct outcome *expected);
	const char *shown_by; /* what this comparison does not reach: FILE: WORDS of it */
	unsigned seen;
};
extern struct exception exceptions[];
extern const size_t n_exceptions;

/* From what came of the direct open to what has to come of the broker. */
void apply_exceptions(const struct triple *t, struct outcome *expected);
