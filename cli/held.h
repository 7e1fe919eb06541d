/* SPDX-License-Identifier: MIT */
/*
 * The conditions of a rule, held against what is there now, as far as the caller may look. Help for whoever
 * asks why; what counts is what the broker finds.
 */
#pragma once

#include <sys/stat.h>

#include "ask.h"

/* A condition that does not hold; both malloc'ed. */
struct unmet {
	char *condition; /* in the words of the broker's log */
	char *remedy;    /* what can be done about it */
};
void unmet_clear(struct unmet *unmet);

/* What a rule is asked about: no directory of path is a symbolic link. */
struct held {
	const struct ask *ask;
	unsigned verbs;
	const struct policy_options *options;
	const char *path;
	struct policy_led led;
};

/* Does the object meet the conditions but that of its type, as far as can be seen? */
bool held_object(const struct held *held, const struct stat *object, struct unmet *ret_unmet);

/* Could it be created, where nothing is? */
bool held_create(const struct held *held, struct unmet *ret_unmet);

/* May this link lead the peer on? ret_led: what is held from then on. */
bool held_link(const struct held *held, const struct stat *link, struct policy_led *ret_led,
	       struct unmet *ret_unmet);
