/* SPDX-License-Identifier: MIT */
/* What is there now, as far as the caller may look: the policy judges names alone. */
#pragma once

#include "ask.h"

struct object {
	char *path; /* of what is noted; NULL: only where links lead, or nothing is to be said */
	const char *kind; /* "symbolic link" */
	char *link;       /* the first one that the broker follows, or NULL */
	char *leads;      /* to this path, by way of all that it follows */
	char *real;       /* of a link that it does not follow: the path to ask for, or NULL */
	char *condition;  /* that no rule's is met, in the words of the log, or NULL */
	char *why;        /* another reason, or NULL */
	char *remedy;     /* what can be done about it, or NULL */
	bool refused;     /* the broker will not give it, whichever of the rules is tried */
	bool denied;      /* and that is so because of a link that it follows: the answer is no */
};

/* What the broker would find, as it tries the rules and follows links. */
void object_look(const struct ask *ask, unsigned verbs, struct object *ret_object);
void object_clear(struct object *object);

/* "fifo": what `type` of a rule calls what is there; NULL: it has no name for it. */
const char *object_type(const struct object *object);

/* A sentence, and what follows from it; malloc'ed. NULL: nothing is to be said. */
char *object_text(const struct object *object);
char *object_advice(const struct object *object);
json_t *object_json(const struct object *object);
