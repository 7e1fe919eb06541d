/* SPDX-License-Identifier: MIT */
/* What the text says, before names are looked up and before there is an image. */
#pragma once

#include "report.h"
#include "util.h"
#include "words.h"

/* One thing that is said of a peer. text points into the source, which outlives the tree. */
struct policy_ast_atom {
	enum policy_atom_kind kind;
	bool is_id;
	uint32_t id;
	const char *text; /* the value: of a name, unit or label; what any or a subject is called */
	uint32_t length;
	struct policy_span span; /* of the value, in the line where it stands */
	uint32_t subject;        /* 1 + the subject that it stands in; 0: no subject */
};

/*
 * Can nobody be both? Known once names are looked up. Unknown names were reported, and two patterns
 * may name the same unit.
 */
bool policy_atoms_at_odds(const struct policy_ast_atom *a, const struct policy_ast_atom *b);

/* The id of a name that nobody has. */
#define POLICY_NO_ID UINT32_MAX

/* Atoms joined by `+`. */
struct policy_ast_conjunction {
	struct policy_range atoms;
	bool inert; /* names somebody unknown: matches nobody */
};

/* `subject NAME = who` */
struct policy_ast_subject {
	struct policy_place place;
	struct policy_span name;
	struct policy_range who; /* conjunctions; none: what is wrong with it was reported */
};

/* The pattern stays text: policy_pattern_parse() has accepted it. */
struct policy_ast_target {
	struct policy_span span;
	bool is_set; /* the span then includes the `@` */
	uint32_t set;
};

struct policy_ast_set {
	struct policy_place place;
	struct policy_span name;
	struct policy_range targets;
};

struct policy_ast_rule {
	struct policy_place place;
	enum policy_verdict verdict;
	unsigned verbs;
	/*
	 * Conjunctions. After policy_resolve() no atom in them is the name of a subject, an atom
	 * may come from another line, and rules may have conjunctions and atoms in common.
	 */
	struct policy_range who;
	struct policy_span who_span;
	struct policy_range targets;
	struct policy_range excepts;
	struct policy_options options;
	struct policy_span id;      /* the value; length 0: none */
	struct policy_span because; /* the value, without quotation marks; length 0: none */
	struct policy_span owner;   /* the name in owner=user:NAME; length 0: none */
};

/* `expect VERDICT peer verbs path` */
struct policy_ast_expect {
	struct policy_place place;
	enum policy_verdict verdict;
	unsigned verbs;
	uint32_t peer;           /* one conjunction; inert: it cannot be checked here */
	struct policy_span path; /* policy_pattern_parse() has accepted it, and it is literal */
};

/* A line of /etc/subuid. */
struct policy_ast_subuids {
	struct policy_place place;
	struct policy_span name; /* of the owner */
	bool is_id;
	struct policy_subuids ids; /* the owner is known once names are looked up */
};

struct policy_ast {
	POLICY_VECTOR(struct policy_ast_rule) rules;
	POLICY_VECTOR(struct policy_ast_set) sets;
	POLICY_VECTOR(struct policy_ast_subject) subjects;
	POLICY_VECTOR(struct policy_ast_expect) expects;
	POLICY_VECTOR(struct policy_ast_conjunction) conjunctions;
	POLICY_VECTOR(struct policy_ast_atom) atoms;
	POLICY_VECTOR(struct policy_ast_target) targets;
	POLICY_VECTOR(struct policy_ast_subuids) subuids;
	/* What they come to, after policy_resolve(): ascending, and no id is in two. */
	POLICY_VECTOR(struct policy_subuids) accounts;
};

void policy_ast_free(struct policy_ast *ast);

/* Read one source into the tree. 0 also after reports; -ENOMEM. */
int policy_parse(struct policy_ast *ast, struct policy_report *report, uint32_t source);

/* Likewise a source of POLICY_SOURCE_SUBUIDS. What is wrong in it is noted and left out. */
int policy_parse_subuids(struct policy_ast *ast, struct policy_report *report, uint32_t source);

#define POLICY_WHO_HELP "write who without blanks: 'user:a|user:b+group:c'"

/* Where who is said: each has rules of its own. */
enum policy_who_role {
	POLICY_WHO_ALLOW,
	POLICY_WHO_DENY,
	POLICY_WHO_SUBJECT,
	POLICY_WHO_PEER, /* of an `expect`: one peer, not a condition on some */
};

/*
 * Read `who` (a word of a line) into conjunctions; a peer is one. 0 also after reports. Used by
 * policy_parse().
 */
int policy_parse_who(struct policy_ast *ast, struct policy_report *report,
		     const struct policy_place *place, struct policy_span word,
		     enum policy_who_role role, struct policy_range *ret_who);

/* Look up the sets, subjects, users and groups that are named. 0 also after reports; -ENOMEM. */
int policy_resolve(struct policy_ast *ast, struct policy_report *report);
