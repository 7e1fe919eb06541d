/* SPDX-License-Identifier: MIT */
/*
 * The contract of policy/: text in, image out; peer, path and verbs in, verdict out.
 *
 * This folder knows nothing of sockets, descriptors passed or processes. The compiler runs without
 * privilege; the image it writes is validated in full by policy_image_map() before anybody trusts
 * it, and it is read-only from then on.
 *
 * Functions return 0 or a negative errno value; what they return otherwise is named ret_x and is
 * left untouched on failure. A verdict is never an error and an error is never a verdict.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "diag.h"

/* What a rule permits and what a request needs. The values are part of the image format. */
enum policy_verb {
	POLICY_READ = 1 << 0,
	POLICY_WRITE = 1 << 1,
	POLICY_CREATE = 1 << 2,
	POLICY_STAT = 1 << 3,
	POLICY_LIST = 1 << 4,
	POLICY_VERBS_N = 5,
	POLICY_VERBS_ALL = (1 << POLICY_VERBS_N) - 1,
};

/* The name of the verb 1 << i. */
extern const char *const policy_verb_names[POLICY_VERBS_N];

/* Deny is zero: memory that was never written denies. */
enum policy_verdict {
	POLICY_DENY = 0,
	POLICY_ALLOW = 1,
};

enum {
	POLICY_PATH_MAX = 4096,      /* bytes of a canonical path, without a NUL */
	POLICY_COMPONENTS_MAX = 64,  /* components of a path */
	POLICY_NAME_MAX_BYTES = 255, /* bytes of a component */
	POLICY_SUBJECTS_MAX = 4096,  /* subjects that one peer may match */
	POLICY_PREFIXES_MAX = 256,   /* literal prefixes that one identity may reach */
};

/* No rule decided: the default, which denies. */
#define POLICY_NO_RULE UINT32_MAX

/* --- image ------------------------------------------------------------------------------- */

struct policy_image;

/*
 * Map and validate an image. fd: a memfd that must hold F_SEAL_WRITE, F_SEAL_SHRINK and F_SEAL_GROW
 * (-EPERM without them: a mapping kept by its writer could change it after this look). Every
 * offset, length and enumeration in it is checked; -EBADMSG when one is wrong. The descriptor stays
 * the caller's and may be closed.
 */
int policy_image_map(int fd, struct policy_image **ret_image);

/* Unmap; takes NULL. Returns NULL. */
struct policy_image *policy_image_free(struct policy_image *image);

/* The same validation for bytes in memory, which must outlive the image. For tools and fuzzers. */
int policy_image_from_memory(const void *bytes, size_t size, struct policy_image **ret_image);

size_t policy_image_size(const struct policy_image *image);
uint32_t policy_image_rules(const struct policy_image *image);

/* --- who --------------------------------------------------------------------------------- */

/* A peer, as the kernel described it. Absent facts match nothing. */
struct policy_peer {
	bool has_uid;
	uid_t uid;
	bool has_gid;
	gid_t gid;           /* primary group */
	const gid_t *groups; /* supplementary groups, in any order */
	size_t n_groups;
	const char *unit;  /* system unit, or NULL; no rule of this version asks for it yet */
	const char *label; /* security label, or NULL; the same */
};

/*
 * The subjects (image-wide numbers, ascending) that the peer matches. ids: room for max. -E2BIG
 * when there are more than max.
 */
int policy_subjects(const struct policy_image *image, const struct policy_peer *peer, uint32_t *ids,
		    size_t max, size_t *ret_n);

/*
 * Do allow rules reach these subjects at all, and do any of them name somebody (anything but
 * `any`)? Decides whether a peer is served by a worker of its own, by the shared one, or refused.
 */
enum policy_scope {
	POLICY_SCOPE_NONE = 0,
	POLICY_SCOPE_ANY = 1,
	POLICY_SCOPE_OWN = 2,
};
enum policy_scope policy_scope(const struct policy_image *image, const uint32_t *ids, size_t n);

/* --- decide ------------------------------------------------------------------------------ */

struct policy_decision {
	enum policy_verdict verdict;
	uint32_t rule;   /* the deciding rule, or POLICY_NO_RULE */
	uint32_t prefix; /* with POLICY_ALLOW: the literal prefix of the pattern that matched */
};

/* Is path absolute, without NUL, empty, "." or ".." component, and within the limits above? */
bool policy_path_is_canonical(const char *path, size_t length);

/*
 * Decide. Pure: no allocation, no system call, no state. path must be canonical (it denies when
 * not); verbs: a non-empty set of enum policy_verb. ids, n: as policy_subjects() returned them.
 */
void policy_decide(const struct policy_image *image, const uint32_t *ids, size_t n,
		   const char *path, size_t length, unsigned verbs,
		   struct policy_decision *ret_decision);

/* --- what a rule is, for messages -------------------------------------------------------- */

struct policy_rule {
	enum policy_verdict verdict;
	unsigned verbs;
	const char *file; /* as the source was named */
	uint32_t line;    /* from 1 */
	const char *text; /* the source line, without the newline and leading blanks */
};

/* rule < policy_image_rules(). Strings live as long as the image. */
void policy_rule_describe(const struct policy_image *image, uint32_t rule,
			  struct policy_rule *ret_rule);

/* --- reach: what a worker has to be able to open ----------------------------------------- */

/*
 * One literal prefix of the allow rules of an identity: the directory that holds everything that
 * the pattern can match. For a pattern without wildcards that is the file's directory, and name is
 * the file; else name is NULL.
 */
struct policy_reach {
	uint32_t prefix;       /* image-wide number, as in struct policy_decision */
	const char *directory; /* NUL-terminated, canonical */
	const char *name; /* NUL-terminated last component, or NULL: everything below directory */
	unsigned verbs;   /* what any rule of the identity permits there */
	bool recursive;   /* a pattern holds `**`: mounts below belong to it */
};

/*
 * Call fn once for each prefix of these subjects, in ascending prefix order. Stops and returns what
 * fn returns when that is not 0. -E2BIG when there are more than POLICY_PREFIXES_MAX.
 */
typedef int policy_reach_fn(void *context, const struct policy_reach *reach);
int policy_reach(const struct policy_image *image, const uint32_t *ids, size_t n,
		 policy_reach_fn *fn, void *context);

/* --- compile ----------------------------------------------------------------------------- */

/* One policy file, read whole. name is what messages show. */
struct policy_source {
	const char *name;
	const char *text;
	size_t size;
};

/*
 * Compile a set of sources into an image (malloc'ed bytes). All errors of all sources are reported
 * to diag in one run; -EBADMSG when there was one. An empty set is a valid policy that denies.
 */
int policy_compile(const struct policy_source *sources, size_t n, struct policy_diag *diag,
		   void **ret_bytes, size_t *ret_size);

/* "read,write" to a set of verbs, and back (buffer: at least POLICY_VERBS_TEXT_MAX). */
#define POLICY_VERBS_TEXT_MAX 32
int policy_verbs_parse(const char *text, unsigned *ret_verbs);
const char *policy_verbs_text(unsigned verbs, char *buffer);
