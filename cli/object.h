/* SPDX-License-Identifier: MIT */
/* What is there now, as far as the caller may look: the policy judges names alone. */
#pragma once

#include "ask.h"

struct object {
	char *path;       /* of what is noted; NULL: nothing is to be said */
	const char *kind; /* "symbolic link" */
	char *real;       /* of a link: the path to ask for, or NULL */
	char *condition;  /* that no rule's is met, in the words of the log, or NULL */
	bool refused;     /* the broker will not give it, whichever of the rules is tried */
};

/* allows: the rules that would be tried; without any all that could be in the way is refused. */
void object_look(const struct ask *ask, unsigned verbs, const uint32_t *allows, size_t n,
		 struct object *ret_object);
void object_clear(struct object *object);

/* A sentence, malloc'ed; NULL: nothing is to be said. */
char *object_text(const struct object *object);
json_t *object_json(const struct object *object);
