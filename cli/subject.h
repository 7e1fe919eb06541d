/* SPDX-License-Identifier: MIT */
/* Whom a rule is for, and what the peer lacks to be that. */
#pragma once

#include "ask.h"
#include "policy/format.h"

/* What is said of a peer that no rule can be for. */
#define SUBJECT_OVERFLOW                                                                           \
	"no rule can match 65534, which the kernel says for every id that has no number here"

/* Is the peer of that uid, or named with that group? */
bool subject_is_overflow(const struct ask *ask);

/* The atoms that the peer lacks, joined by '+'; malloc'ed. */
char *subject_lacking(const struct ask *ask, const struct image_conjunction *c, size_t *ret_n);

/* How many atoms are missing in the nearest alternative; SIZE_MAX: there is none. */
size_t subject_lacks(struct ask *ask, uint32_t rule);
