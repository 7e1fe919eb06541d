/* SPDX-License-Identifier: MIT */
/* In which order the image has rules and their options. */
#pragma once

#include "ast.h"
#include "format.h"

struct rule_order {
	POLICY_VECTOR(struct image_options) options; /* each once, sorted */
	uint32_t *rank;  /* of each rule of the tree of statements: its options */
	uint32_t *order; /* of each rule of the image: its number in the tree */
	uint32_t denies;
};

void policy_rule_order_free(struct rule_order *order);

/* Denies first, then the most generous options, then as they stand. */
int policy_rule_order(const struct policy_ast *ast, struct rule_order *ret_order);
