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
#include <sys/stat.h>
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
	POLICY_SUBJECTS_MAX = 1024,  /* subjects that one peer may match */
	POLICY_PREFIXES_MAX = 256,   /* literal prefixes that one identity may reach */
};

enum {
	/*
	 * What the kernel says for an id that has no number here, such as one of another user
	 * namespace: nobody's in particular. A peer of that uid is no subject, not even `any`; that
	 * gid is no group.
	 */
	POLICY_OVERFLOW_ID = 65534,
	POLICY_OWN_ID_MIN = 65536,
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

/*
 * The same without the look at every item: for a process that got the descriptor from one that has
 * looked. The seals are asked for all the same.
 */
int policy_image_map_validated(int fd, struct policy_image **ret_image);

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
	const char *unit;  /* system unit, or NULL */
	const char *label; /* security label, or NULL */
};

/* Facts about peers that no rule asks for need not be found out. */
enum policy_asks {
	POLICY_ASKS_UNIT = 1 << 0,
	POLICY_ASKS_LABEL = 1 << 1,
};
unsigned policy_asks(const struct policy_image *image);

enum {
	POLICY_UNIT_MAX = 256, /* bytes of the name of a unit, with a NUL */
};

/*
 * Who a uid is counted as: the user to whom /etc/subuid gives it, as it was when the policy was
 * compiled, or itself. That user may be in a range too: then it is still that user. image may be
 * NULL.
 */
uid_t policy_account(const struct policy_image *image, uid_t uid);

/*
 * An id to run under that is nobody else's: the one with number i, less than n, of the lowest range
 * that /etc/subuid gives the owner with at least n ids. Below POLICY_OWN_ID_MIN are those of people
 * and of the system: a range that begins there is none. Without one: owner. image may be NULL.
 */
uid_t policy_own_id(const struct policy_image *image, uid_t owner, uint32_t n, uint32_t i);

/*
 * The system unit of a process: cgroups is all of its /proc/PID/cgroup, of which a user may have
 * written a part. False: it is in none, or the text is not what the kernel writes.
 */
bool policy_unit_of(const char *cgroups, size_t size, char ret_unit[POLICY_UNIT_MAX]);

/*
 * The subjects (image-wide numbers, ascending) that the peer matches; a subject is all that one
 * rule says of who; a peer of uid POLICY_OVERFLOW_ID is none. ids: room for max. -E2BIG when there
 * are more than max.
 */
int policy_subjects(const struct policy_image *image, const struct policy_peer *peer, uint32_t *ids,
		    size_t max, size_t *ret_n);

/*
 * Do allow rules reach these subjects at all, and does the peer need a worker of its own: because
 * a rule names somebody (anything but `any`), or holds ${user} or ${uid}?
 */
enum policy_scope {
	POLICY_SCOPE_NONE = 0,
	POLICY_SCOPE_ANY = 1,
	POLICY_SCOPE_OWN = 2,
};
enum policy_scope policy_scope(const struct policy_image *image, const uint32_t *ids, size_t n);

/*
 * Does a rule of these subjects hold ${user}, so that the name has to be looked up? TAKES: one that
 * denies or excepts does, so that nothing can be decided while the name cannot be found out.
 */
enum policy_name {
	POLICY_NAME_UNUSED = 0,
	POLICY_NAME_GRANTS,
	POLICY_NAME_TAKES,
};
enum policy_name policy_needs_name(const struct policy_image *image, const uint32_t *ids, size_t n);

enum {
	POLICY_NUMBER_MAX = 11, /* a uid in digits, and a NUL */
};

/* Whom policy_decide() decides for. Prepared once, then only read. */
struct policy_identity {
	const uint32_t *subjects;
	size_t n_subjects;
	uint64_t filter;  /* bit (subject % 64) is set for each of them */
	const char *user; /* what ${user} stands for, or NULL: it matches nothing */
	uint32_t user_length;
	uint32_t uid_length; /* 0: ${uid} matches nothing */
	char uid[POLICY_NUMBER_MAX];
};

/*
 * subjects, n: as policy_subjects() returned them. uid and user may be NULL; a name that could not
 * be a component of a path counts as none. What is pointed to has to outlive the identity.
 */
void policy_identity_init(struct policy_identity *identity, const uint32_t *subjects, size_t n,
			  const uid_t *uid, const char *user);

/* --- decide ------------------------------------------------------------------------------ */

/* A day that is never over: rules with `until` count as in force. */
#define POLICY_NO_DAY INT32_MIN

struct policy_request {
	const char *path;
	size_t length;
	unsigned verbs; /* a non-empty set of enum policy_verb */
	int32_t day;    /* days since 1970-01-01 UTC, or POLICY_NO_DAY */
	/*
	 * 0, or `next` of an earlier decision on the same request whose options did not hold for
	 * the object: the next allow, with other options, is looked for.
	 */
	uint32_t from;
};

struct policy_decision {
	enum policy_verdict verdict;
	uint32_t rule; /* the deciding rule, or POLICY_NO_RULE */
	/* With POLICY_ALLOW: */
	uint32_t next;   /* for `from` of another try */
	uint16_t prefix; /* bytes of the path that the pattern says literally; 0: "/" */
	bool literal;    /* all of the pattern is: prefix is the directory of the file */
	bool exhausted;  /* with POLICY_DENY: it would have taken too many steps */
};

enum {
	/* Of a decision; one is a few nanoseconds. Then it denies. */
	POLICY_STEPS_MAX = 6144,
};

/* Is path absolute, without NUL, empty, "." or ".." component, and within the limits above? */
bool policy_path_is_canonical(const char *path, size_t length);

/*
 * Decide. Pure: no allocation, no system call, no state. A path that is not canonical is denied.
 * Where several rules would decide alike, it is the one with the most generous options; the order
 * of files and lines decides nothing but which of equal ones is named.
 */
void policy_decide(const struct policy_image *image, const struct policy_identity *identity,
		   const struct policy_request *request, struct policy_decision *ret_decision);

/* Why a rule whose pattern matches, or nearly does, has no say. */
enum policy_clause {
	POLICY_CLAUSE_WHO = 1 << 0,
	POLICY_CLAUSE_VERBS = 1 << 1,
	POLICY_CLAUSE_DOT = 1 << 2, /* the pattern would match, if wildcards took a leading dot */
	POLICY_CLAUSE_EXCEPT = 1 << 3,
	POLICY_CLAUSE_UNTIL = 1 << 4,
};

/*
 * Call fn for each rule with a pattern that matches the path: failed is the set of its clauses
 * that do not hold, 0 for a rule that matches. A rule may come more than once, one that matches with
 * POLICY_CLAUSE_DOT as well: what holds is the call with the fewest. For people: not
 * bounded by POLICY_STEPS_MAX. False when even so it took too many steps and rules are missing.
 */
typedef void policy_explain_fn(void *context, uint32_t rule, unsigned failed);
bool policy_explain(const struct policy_image *image, const struct policy_identity *identity,
		    const struct policy_request *request, policy_explain_fn *fn, void *context);

/* --- what a rule is ---------------------------------------------------------------------- */

/* Kinds of objects, for `type`. */
enum policy_type {
	POLICY_TYPE_REG = 1 << 0,
	POLICY_TYPE_FIFO = 1 << 1,
	POLICY_TYPE_CHR = 1 << 2,
	POLICY_TYPE_BLK = 1 << 3,
	POLICY_TYPES_ALL = (1 << 4) - 1,
};

/* Of st_mode; 0: an object of a kind that is never opened. */
unsigned policy_type_of(mode_t mode);

/* Whom an object may belong to. */
enum policy_owner {
	POLICY_OWNER_ANY = 0,
	POLICY_OWNER_PEER,
	POLICY_OWNER_ROOT,
	POLICY_OWNER_UID,
};

enum policy_strict {
	POLICY_STRICT_YES = 0,
	POLICY_STRICT_STICKY,
	POLICY_STRICT_NO,
};

enum policy_audit {
	POLICY_AUDIT_FIRST = 0, /* the first grant of a path on a connection, and every denial */
	POLICY_AUDIT_DENY,
	POLICY_AUDIT_ALL,
};

/* No rule ends after this day. */
#define POLICY_FOREVER INT32_MAX

/* What stands at the end of a rule. The fields are part of the image format. */
struct policy_options {
	uint8_t types;  /* set of enum policy_type, never empty */
	uint8_t owner;  /* enum policy_owner */
	uint8_t strict; /* enum policy_strict */
	uint8_t audit;  /* enum policy_audit */
	uint8_t exec;
	uint8_t hidden;
	uint8_t symlinks_beneath;
	uint8_t reserved;
	uint32_t mode;      /* a created file gets at most these bits */
	uint32_t owner_uid; /* with POLICY_OWNER_UID */
	int32_t until;      /* the last day, in days since 1970-01-01 UTC, or POLICY_FOREVER */
};

#define POLICY_OPTIONS_DEFAULT                                                                     \
	{                                                                                          \
		.types = POLICY_TYPE_REG, .mode = 0600, .until = POLICY_FOREVER                    \
	}

struct policy_rule {
	enum policy_verdict verdict;
	unsigned verbs;
	const char *file; /* as the source was named, printable */
	uint32_t line;    /* from 1 */
	struct policy_options options;
	const char *id;      /* printable, or NULL */
	const char *because; /* printable, or NULL */
};

/* rule < policy_image_rules(). Strings live as long as the image. */
void policy_rule_describe(const struct policy_image *image, uint32_t rule,
			  struct policy_rule *ret_rule);
const struct policy_options *policy_rule_options(const struct policy_image *image, uint32_t rule);

/* Is the peer one of those that the rule is for? */
bool policy_rule_applies(const struct policy_image *image, const struct policy_identity *identity,
			 uint32_t rule);

/* --- conditions on an object ------------------------------------------------------------------ */

/* owner=: may it belong to this user, where that peer asks? */
bool policy_owner_holds(const struct policy_options *options, uid_t owner, uid_t peer);

/*
 * strictmodes: who could have put an object where it is? Only root and the object's owner, if every
 * directory from "/" to it belongs to one of the two and nobody else may write it.
 */

/* A directory on the way, as it was found. */
struct policy_directory {
	uint32_t length; /* bytes of the path that name it; 0: there is none */
	mode_t mode;
	uid_t owner;
};

/* What the directories from "/" on say. */
struct policy_chain {
	struct policy_directory owned;  /* the first that is not root's */
	struct policy_directory sticky; /* the last one, if others may put things into it */
	struct policy_directory fault;  /* the first that is good for no object */
	bool shared; /* others may put things into one of them: what its owner removes they replace */
};

/* One directory more: the next beneath those before. length: bytes of the path that name it. */
void policy_chain_add(struct policy_chain *chain, size_t length, const struct stat *status);

/*
 * Does the condition hold for what is in the last directory? ret_blame: the directory for which it
 * does not.
 */
bool policy_chain_holds(const struct policy_chain *chain, const struct stat *object, uid_t peer,
			enum policy_strict strict, struct policy_directory *ret_blame);

/* --- symlinks=beneath ------------------------------------------------------------------------- */

/*
 * The first `end` of the *length bytes of path name a symbolic link that says target, n bytes: path becomes
 * what is to be decided on next, with a NUL behind it. Where the link goes up, it goes up from the directory
 * that it is in, which was found without following any. path: room for POLICY_PATH_MAX + 1 bytes.
 * False: ELOOP, and path is as it was: there is ".." behind a name, or it is too long.
 */
bool policy_link_join(char *path, size_t *length, size_t end, const char *target, size_t n);

/* What it asks of what it leads to. */
enum policy_link_end {
	POLICY_LINK_ANY,
	POLICY_LINK_DIRECTORY, /* "name/" */
	POLICY_LINK_INSIDE,    /* "name/.": nor is anything created for it */
};
enum policy_link_end policy_link_end(const char *target, size_t n);

/* The link of somebody else than root and the peer, which led here: as good as putting the object there. */
struct policy_led {
	bool is_led;
	uid_t by;
};

/* May a link of that owner lead on? Not where it was another such user's before. */
bool policy_led_on(struct policy_led *led, uid_t owner, uid_t peer);

/* May they lead to what belongs to this user? */
bool policy_led_holds(const struct policy_led *led, uid_t owner);

/* --- reach: what a worker has to be able to open ----------------------------------------- */

/*
 * One literal prefix of the allow rules of an identity: the directory that holds everything that
 * the pattern can match. For a pattern without wildcards that is the file's directory, and name is
 * the file; else name is NULL. ${user} and ${uid} are filled in.
 */
struct policy_reach {
	const char *directory; /* NUL-terminated, canonical; as the next until fn returns */
	const char *name; /* NUL-terminated last component, or NULL: everything below directory */
	unsigned verbs;   /* what any rule of the identity permits there */
	unsigned types;   /* set of enum policy_type: of those that it may open */
	bool executable;  /* what is read may be run */
	bool recursive;   /* a pattern holds `**`: mounts below belong to it */
};

/*
 * Call fn once for each prefix of this identity. Stops and returns what fn returns when that is not
 * 0. -E2BIG when there are more than POLICY_PREFIXES_MAX. Allocates.
 */
typedef int policy_reach_fn(void *context, const struct policy_reach *reach);
int policy_reach(const struct policy_image *image, const struct policy_identity *identity,
		 policy_reach_fn *fn, void *context);

/* --- compile ----------------------------------------------------------------------------- */

enum policy_source_kind {
	POLICY_SOURCE_RULES = 0,
	/* What /etc/subuid says, for policy_account(). What is wrong in it is never an error. */
	POLICY_SOURCE_SUBUIDS,
};

/* One file, read whole. name is what messages show. */
struct policy_source {
	const char *name;
	const char *text;
	size_t size;
	enum policy_source_kind kind;
};

enum {
	POLICY_SUBUIDS_MAX = 1 << 20, /* bytes of a source of that kind that are read */
};

enum policy_compile_flags {
	/* Look also for rules that another one covers, and for rules that people may expect to add
	 * up: warnings, for those who write a policy. */
	POLICY_COMPILE_REVIEW = 1 << 0,
};

/*
 * Compile a set of sources into an image (malloc'ed bytes). All errors of all sources are reported
 * to diag in one run; -EBADMSG when there was one, a failed `expect` too. An empty set is a valid
 * policy that denies.
 */
int policy_compile(const struct policy_source *sources, size_t n, unsigned flags,
		   struct policy_diag *diag, void **ret_bytes, size_t *ret_size);

/* "read,write" to a set of verbs, and back (buffer: at least POLICY_VERBS_TEXT_MAX). */
#define POLICY_VERBS_TEXT_MAX 32
int policy_verbs_parse(const char *text, unsigned *ret_verbs);
const char *policy_verbs_text(unsigned verbs, char *buffer);
