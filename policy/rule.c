/* SPDX-License-Identifier: MIT */
#include "parser.h"

/* span: the word between two commas that is no verb, of this word. */
static void
report_verb(struct policy_parser *p, struct policy_span word, struct policy_span span)
{
	const char *text = p->place.text + span.at;
	const char *nearest = policy_nearest(text, span.length, policy_verb_names, POLICY_VERBS_N);

	if (span.length == 0) {
		bool at_end = span.at == word.at + word.length;
		uint32_t comma = span.at > word.at ? span.at - 1 : span.at;

		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place,
				  (struct policy_span){comma, 1}, NULL, "%s",
				  at_end ? "no blank after ',': write 'read,write'"
				  : span.at == word.at
					  ? "verbs are joined by ',' without blanks: 'read,write'"
					  : "one ',' between two verbs: write 'read,write'");
		return;
	}
	if (memchr(text, ':', span.length) || policy_word_is(text, span.length, "or") ||
	    policy_word_is(text, span.length, "and"))
		policy_report_add(p->report, POLICY_CODE_VERB, &p->place, span, NULL, "%s",
				  POLICY_WHO_HELP);
	else if (nearest)
		policy_report_add(p->report, POLICY_CODE_VERB, &p->place, span, NULL,
				  "did you mean '%s'?", nearest);
	else
		policy_report_add(p->report, POLICY_CODE_VERB, &p->place, span, NULL,
				  "verbs are read, write, create, stat, list, joined by ',' "
				  "without blanks");
}

bool
policy_parse_verbs(struct policy_parser *p, struct policy_span word, enum policy_verdict verdict,
		   unsigned *ret_verbs)
{
	const char *text = p->place.text;
	uint32_t at = word.at, end = word.at + word.length;
	unsigned verbs = 0;
	bool good = true;

	if (policy_word_is(text + at, word.length, "any")) {
		*ret_verbs = POLICY_VERBS_ALL;
		if (verdict == POLICY_DENY)
			return true;
		policy_report_add(p->report, POLICY_CODE_VERB_ANY, &p->place, word, NULL,
				  "list what is allowed: read, write, create, stat, list");
		return false;
	}
	for (;;) {
		const char *comma = memchr(text + at, ',', end - at);
		struct policy_span span = {at, (comma ? (uint32_t)(comma - text) : end) - at};
		unsigned verb = policy_verb_find(text + at, span.length);

		verbs |= verb;
		if (verb == 0) {
			good = false;
			report_verb(p, word, span);
		}
		if (!comma || span.length == 0)
			break;
		at = span.at + span.length + 1;
	}
	*ret_verbs = verbs;
	return good;
}

/* Is word i, which is no target, `except`, or probably meant as that? Reported then. */
static bool
is_except(struct policy_parser *p, size_t i)
{
	static const char *const except = "except";

	if (policy_word_at(p, i, except))
		return true;
	if (policy_is_option(p, i) ||
	    !policy_nearest(policy_word_text(p, i), p->words.items[i].length, &except, 1))
		return false;
	policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[i], NULL,
			  "did you mean '%s'?", except);
	return true;
}

/* Is a target among the options? That is reported there. */
static bool
has_target(const struct policy_parser *p, size_t i)
{
	for (; i < p->words.n; i++)
		if (policy_word_is_target(p, i))
			return true;
	return false;
}

/* ret_end: where the options begin. */
static int
parse_targets(struct policy_parser *p, struct policy_ast_rule *rule, size_t *ret_end)
{
	struct policy_range *into = &rule->targets;
	size_t seen = 0, i;

	rule->targets.first = (uint32_t)p->ast->targets.n;
	for (i = 3; i < p->words.n; i++) {
		struct policy_span span = p->words.items[i];
		int r;

		if (policy_word_is_target(p, i)) {
			seen++;
			r = policy_parse_target(p, span, false);
			if (r < 0)
				return r;
			into->n = (uint32_t)p->ast->targets.n - into->first;
			continue;
		}
		if (!is_except(p, i)) {
			if (policy_is_option(p, i))
				break;
			/* Behind the targets it may be an option with a mistake. */
			if (seen > 0 && !memchr(policy_word_text(p, i), '/', span.length) &&
			    (i + 1 == p->words.n || !policy_word_is_target(p, i + 1)))
				break;
			policy_report_word(p, span);
			seen++;
			continue;
		}
		if (into == &rule->excepts) {
			policy_report_add(p->report, POLICY_CODE_EXCEPT_TWICE, &p->place, span,
					  NULL, "list all that is excepted after one 'except'");
		} else {
			if (seen == 0)
				policy_report_incomplete(p, i, "a target", POLICY_RULE_HELP);
			into = &rule->excepts;
			into->first = (uint32_t)p->ast->targets.n;
		}
		seen = 0;
	}
	if (seen == 0 && !has_target(p, i))
		policy_report_incomplete(
			p, i, into == &rule->excepts ? "a target after 'except'" : "a target",
			POLICY_RULE_HELP);
	*ret_end = i;
	return 0;
}

static bool
is_joint(char c)
{
	return c == '|' || c == '+';
}

static bool
ends_in_joint(const struct policy_parser *p, size_t i)
{
	return is_joint(policy_word_text(p, i)[p->words.items[i].length - 1]);
}

/* Behind a mistake in who or in the verbs words stand in other places: nothing is said of them. */
int
policy_parse_rule(struct policy_parser *p, enum policy_verdict verdict)
{
	struct policy_ast_rule rule = {
		.place = p->place, .verdict = verdict, .options = POLICY_OPTIONS_DEFAULT};
	unsigned long before = policy_parser_errors(p);
	size_t end;
	int r;

	if (p->words.n < 2) {
		policy_report_incomplete(p, p->words.n, "who it is for", POLICY_RULE_HELP);
		return 0;
	}
	rule.who_span = p->words.items[1];
	if (p->words.n > 2 && (ends_in_joint(p, 1) || is_joint(policy_word_text(p, 2)[0]))) {
		policy_report_add(p->report, POLICY_CODE_WHO_EMPTY, &p->place, rule.who_span, NULL,
				  "%s", POLICY_WHO_HELP);
		return 0;
	}
	r = policy_parse_who(p->ast, p->report, &p->place, rule.who_span,
			     verdict == POLICY_ALLOW ? POLICY_WHO_ALLOW : POLICY_WHO_DENY,
			     &rule.who);
	if (r < 0 || policy_parser_errors(p) > before)
		return r;
	if (p->words.n < 3 || policy_word_is_target(p, 2)) {
		policy_report_incomplete(p, 2, "verbs", POLICY_RULE_HELP);
		return 0;
	}
	if (!policy_parse_verbs(p, p->words.items[2], verdict, &rule.verbs))
		return 0;
	if (p->words.n > 3 && policy_word_text(p, 3)[0] == ',') {
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[3],
				  NULL, "no blank before ',': write 'read,write'");
		return 0;
	}
	r = parse_targets(p, &rule, &end);
	if (r < 0)
		return r;
	policy_parse_options(p, end, &rule);
	return policy_vector_push(&p->ast->rules, rule);
}
