/* SPDX-License-Identifier: MIT */
/* The subjects of the image as they are found: everything that rules say of who, each once. */
#pragma once

#include "ast.h"
#include "format.h"
#include "intern.h"

struct subjects {
	struct policy_intern *strings; /* of the image */
	struct policy_intern keys;
	POLICY_VECTOR(struct image_subject) subjects;
	POLICY_VECTOR(struct image_conjunction) conjunctions;
	POLICY_VECTOR(struct image_atom) atoms;
	/* What the last of them is being put together from. */
	POLICY_VECTOR(struct image_atom) scratch;
	POLICY_VECTOR(struct policy_range) parts;
};

void policy_subjectset_free(struct subjects *s);

/* The subject that is these conjunctions of the tree; IMAGE_NONE: nobody. */
int policy_subjectset_add(struct subjects *s, const struct policy_ast *ast, struct policy_range who,
			  uint32_t *ret_subject);

/* In the order that the image needs, once all are there. */
int policy_subjectset_sort(struct subjects *s);
