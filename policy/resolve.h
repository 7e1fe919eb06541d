/* SPDX-License-Identifier: MIT */
/*
 * Looking up names: resolve.c what rules say, subject.c what subjects stand for, subuid.c whose the
 * ids of /etc/subuid are.
 */
#pragma once

#include "ast.h"
#include "intern.h"

#define POLICY_NO_ATOM UINT32_MAX

enum {
	/* Conjunctions, and atoms, that one who may become. */
	POLICY_WHO_CONJUNCTIONS_MAX = 4096,
	POLICY_WHO_ATOMS_MAX = 65536,
	/* All that is made of subjects by expanding them. */
	POLICY_EXPANDED_MAX = 1 << 22,
};

/* What a who is when no subject is left in it. Atoms are POLICY_NO_ATOM where there is none. */
struct policy_who {
	struct policy_range range;
	bool bad;       /* reported: nothing more is said of it */
	uint32_t any;   /* `any`, alone in a conjunction */
	uint32_t shed;  /* what a deny may not name */
	uint32_t unit;  /* a unit: without user: or group: */
	uint32_t twice; /* cannot hold together with: */
	uint32_t with;
};

/* An answer of the system's database, so that it is asked once. */
struct policy_accounts {
	struct policy_intern names;
	POLICY_VECTOR(uint32_t) ids;      /* by number of the name; POLICY_NO_ID: no such */
	POLICY_VECTOR(const char *) said; /* likewise: the line where that was last reported */
};

struct policy_resolver {
	struct policy_ast *ast;
	struct policy_report *report;
	struct policy_accounts users, groups;
	struct policy_intern set_names, subject_names, ids;
	POLICY_VECTOR(uint32_t) subject_of; /* by number of its name: the first definition */
	POLICY_VECTOR(uint32_t) rule_of;    /* by number of the id */
	struct policy_subject_state *subjects;
	uint32_t *order;                /* of subjects: what one is made of comes before it */
	struct policy_intern who_texts; /* that name subjects, so that equal ones are shared */
	POLICY_VECTOR(struct policy_who) whos;
	size_t expanded;
	size_t suggestions; /* how many names may still be compared for "did you mean" */
};

/* Where atoms stand that are looked at. */
struct policy_scene {
	const struct policy_place *place;
	struct policy_span whole; /* the caret of an atom that stands elsewhere */
	uint32_t subject;         /* as of an atom: whose atoms stand here */
};

/* The id of a user or group, or POLICY_NO_ID. */
int policy_look_up(struct policy_resolver *r, enum policy_atom_kind kind, const char *name,
		   size_t length, uint32_t *ret_id);

/*
 * Look up the users, groups and subjects that stand in a line. Unknown ones get POLICY_NO_ID, a
 * subject with a report, the others with one of the code unknown if that is not 0.
 */
int policy_resolve_atoms(struct policy_resolver *r, const struct policy_place *place,
			 struct policy_range conjunctions, enum policy_code unknown,
			 const char *why);

/* Report an atom of this line that is unknown; why: what is added to the help. */
void policy_report_unknown(struct policy_resolver *r, const struct policy_place *place,
			   const struct policy_ast_atom *atom, enum policy_code code,
			   const char *why);

/* Definitions: which there are, what they are made of, in which order. */
int policy_resolve_subjects(struct policy_resolver *r);

/* A deny names this subject. */
void policy_subject_denied(struct policy_resolver *r, uint32_t subject);

/* Make conjunctions of all subjects, after policy_subject_denied() for all that are. */
int policy_expand_subjects(struct policy_resolver *r);

/* What the who of a rule comes to. */
int policy_expand_who(struct policy_resolver *r, const struct policy_ast_rule *rule,
		      struct policy_who *ret_who);

/* Find out all about conjunctions in which no subject is left. */
void policy_look_at_who(const struct policy_ast *ast, struct policy_who *who);

/* Report who->twice, which there is. */
void policy_report_twice(struct policy_resolver *r, const struct policy_scene *scene,
			 const struct policy_who *who);

/* Give the rule the who that it comes to, and report what that is not trusted with. */
int policy_check_rule(struct policy_resolver *r, struct policy_ast_rule *rule);

/* Whose the ids of /etc/subuid are: of two lines that have the same the first counts. */
int policy_resolve_subuids(struct policy_resolver *r);

void policy_subjects_free(struct policy_resolver *r);
