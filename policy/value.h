/* SPDX-License-Identifier: MIT */
/* The values of options: value.c reads them, options.c knows which option takes what. */
#pragma once

#include "parser.h"

struct policy_value {
	struct policy_parser *p;
	struct policy_ast_rule *rule; /* where it goes */
	struct policy_span word;      /* KEY=VALUE */
	struct policy_span span;      /* VALUE, which is not empty */
	const char *text;
	const char *help; /* what would be good */
};

/* A list of these ends with one without a name. */
struct policy_choice {
	const char *name;
	uint8_t value;
};

/* NULL: reported. span: of the value, or of a part of it. */
const struct policy_choice *policy_value_choice(const struct policy_value *v,
						const struct policy_choice *choices,
						struct policy_span span);

void policy_value_type(const struct policy_value *v);
void policy_value_owner(const struct policy_value *v);
void policy_value_mode(const struct policy_value *v);
void policy_value_until(const struct policy_value *v);
void policy_value_because(const struct policy_value *v);
void policy_value_id(const struct policy_value *v);
