/* SPDX-License-Identifier: MIT */
/* The words of the language, but for statements and options: verbs, kinds of peers, names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "policy.h"

/* What an atom of `who` can be. All but ANY and SUBJECT are part of the image format. */
enum policy_atom_kind {
	POLICY_ATOM_ANY = 0,
	POLICY_ATOM_USER = 1,
	POLICY_ATOM_GROUP = 2,
	POLICY_ATOM_UNIT = 3,
	POLICY_ATOM_LABEL = 4,
	POLICY_ATOM_SUBJECT = 5, /* the name of a `subject` */
};

struct policy_atom_word {
	const char *name; /* before the colon */
	enum policy_atom_kind kind;
	bool in_deny; /* a peer cannot shed it */
};

/* NULL when there is none of that name. */
const struct policy_atom_word *policy_atom_find(const char *name, size_t length);

/* The name of a kind that was probably meant, or NULL. */
const char *policy_atom_nearest(const char *name, size_t length);

/* What stands after `user:` or `group:`. */
enum policy_account {
	POLICY_ACCOUNT_NAME,
	POLICY_ACCOUNT_ID, /* a number: it needs no entry */
	POLICY_ACCOUNT_BAD_ID,
	POLICY_ACCOUNT_BAD, /* it has bytes that names do not have */
};

#define POLICY_ID_HELP "an id is a number from 0 to 4294967294, without zeroes before"

/* ret_id: for POLICY_ACCOUNT_ID only. */
enum policy_account policy_account_parse(const char *text, size_t length, uint32_t *ret_id);

/* One verb, 0 when there is none of that name. */
unsigned policy_verb_find(const char *name, size_t length);

/*
 * What a rule with these verbs says of requests: who may read may stat, and a deny of `write` is
 * one of `create`.
 */
unsigned policy_verbs_covered(enum policy_verdict verdict, unsigned verbs);

/* What such an atom is called before its colon: "user". */
const char *policy_atom_name(enum policy_atom_kind kind);

/* May the name of a unit hold it? */
bool policy_is_unit_byte(char c);

/* A name of a set, subject or rule: a letter, then letters, digits, `_` and `-`; at most 64. */
bool policy_is_name(const char *name, size_t length);

/*
 * The name that was probably meant, or NULL: one with the same beginning, or with few letters that
 * are wrong, missing, superfluous or swapped. Case does not count.
 */
const char *policy_nearest(const char *word, size_t length, const char *const *names, size_t n);

/* `text` is exactly these bytes. */
static inline bool
policy_word_is(const char *word, size_t length, const char *text)
{
	return length == strlen(text) && memcmp(word, text, length) == 0;
}
