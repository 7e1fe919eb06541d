/* SPDX-License-Identifier: MIT */
#include "parser.h"

/* In `/a, /b` and `/a,/b` the comma would be a part of the name. */
bool
policy_report_comma(struct policy_parser *p, struct policy_span span)
{
	const char *text = p->place.text + span.at, *end = text + span.length;

	for (const char *at = text; (at = memchr(at, ',', (size_t)(end - at))) != NULL; at++) {
		if (at + 1 < end && at[1] != '/')
			continue;
		policy_report_add(p->report, POLICY_CODE_PATTERN_COMMA, &p->place,
				  (struct policy_span){span.at + (uint32_t)(at - text), 1}, NULL,
				  "blanks separate patterns; '\\x2c' is the character");
		return true;
	}
	return false;
}

int
policy_parse_target(struct policy_parser *p, struct policy_span span, bool in_set)
{
	const char *text = p->place.text + span.at;
	struct policy_pattern_error *error = &p->error;

	if (text[0] == '@') {
		if (in_set)
			policy_report_add(p->report, POLICY_CODE_SET_NESTED, &p->place, span, NULL,
					  "name both sets in the rule");
		else if (!policy_is_name(text + 1, span.length - 1))
			policy_report_add(p->report, POLICY_CODE_SET_NAME, &p->place, span, NULL,
					  "write '@' and a letter, then letters, digits, '_', '-'");
		else
			return policy_vector_push(
				&p->ast->targets,
				(struct policy_ast_target){.span = span, .is_set = true});
		return 0;
	}
	if (policy_report_comma(p, span))
		return 0;
	if (policy_pattern_parse(text, span.length, p->pattern, error))
		return policy_vector_push(&p->ast->targets,
					  (struct policy_ast_target){.span = span});
	error->span.at += span.at;
	policy_report_add(p->report, error->code, &p->place, error->span, error->argument, "%s",
			  error->help);
	return 0;
}

void
policy_report_word(struct policy_parser *p, struct policy_span span)
{
	const char *text = p->place.text + span.at;
	bool negated = text[0] == '!';
	bool quoted = text[0] == '"' || text[0] == '\'';
	char first[2] = {text[0], '\0'};

	policy_report_add(p->report, POLICY_CODE_TARGET, &p->place, span, first, "%s",
			  negated          ? "nothing negates: use 'except', or a deny"
			  : text[0] == ',' ? "blanks separate targets"
			  : quoted ? "write the path without quotation marks, a blank as '\\x20'"
				   : "write an absolute path, a blank in it as '\\x20'");
}
