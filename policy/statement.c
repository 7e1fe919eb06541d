/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "parser.h"

#define RULE_HELP "write: allow WHO VERBS TARGET... [except TARGET...]"

static const char *
word_text(const struct policy_parser *p, size_t i)
{
	return p->place.text + p->words.items[i].at;
}

static bool
word_is(const struct policy_parser *p, size_t i, const char *text)
{
	return i < p->words.n && policy_word_is(word_text(p, i), p->words.items[i].length, text);
}

/* The end of the last word before word i: where something is missing. */
static struct policy_span
gap(const struct policy_parser *p, size_t i)
{
	const struct policy_span *last = &p->words.items[i - 1];

	return (struct policy_span){last->at + last->length, 1};
}

static void
incomplete(struct policy_parser *p, size_t i, const char *what, const char *help)
{
	policy_report_add(p->report, POLICY_CODE_INCOMPLETE, &p->place, gap(p, i), what, "%s",
			  help);
}

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

/* False: reported. */
static bool
parse_verbs(struct policy_parser *p, struct policy_span word, enum policy_verdict verdict,
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

/* In `/a, /b` and `/a,/b` the comma would be a part of the name. */
static bool
report_comma(struct policy_parser *p, struct policy_span span)
{
	const char *text = p->place.text + span.at;

	for (uint32_t i = 0; i < span.length; i++) {
		if (text[i] != ',' || (i + 1 < span.length && text[i + 1] != '/'))
			continue;
		policy_report_add(p->report, POLICY_CODE_PATTERN_COMMA, &p->place,
				  (struct policy_span){span.at + i, 1}, NULL,
				  "blanks separate patterns; '\\x2c' is the character");
		return true;
	}
	return false;
}

static int
add_target(struct policy_parser *p, struct policy_span span, bool in_set)
{
	const char *text = p->place.text + span.at;
	struct policy_pattern_error error;

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
	if (report_comma(p, span))
		return 0;
	if (policy_pattern_parse(text, span.length, p->pattern, &error))
		return policy_vector_push(&p->ast->targets,
					  (struct policy_ast_target){.span = span});
	error.span.at += span.at;
	policy_report_add(p->report, error.code, &p->place, error.span, error.argument, "%s",
			  error.help);
	return 0;
}

/* A word that is no target: was it meant as an option? */
static bool
report_word(struct policy_parser *p, struct policy_span span)
{
	const char *text = p->place.text + span.at;
	const char *equals = memchr(text, '=', span.length);
	uint32_t key = equals ? (uint32_t)(equals - text) : span.length;

	if (policy_option_find(text, key)) {
		char what[32];

		snprintf(what, sizeof(what), "the option '%.*s'", (int)key, text);
		policy_report_add(p->report, POLICY_CODE_NOT_YET, &p->place, span, what,
				  "leave it out, if the rule is right without it");
	} else if (equals) {
		policy_report_add(p->report, POLICY_CODE_OPTION, &p->place,
				  (struct policy_span){span.at, key}, NULL, "%s", RULE_HELP);
	} else {
		bool negated = text[0] == '!';
		bool quoted = text[0] == '"' || text[0] == '\'';
		char first[2] = {text[0], '\0'};

		policy_report_add(
			p->report, POLICY_CODE_TARGET, &p->place, span, first, "%s",
			negated          ? "nothing negates: use 'except', or a deny"
			: text[0] == ',' ? "blanks separate targets"
			: quoted ? "write the path without quotation marks, a blank as '\\x20'"
				 : "write an absolute path, a blank in it as '\\x20'");
	}
	return equals || policy_option_find(text, key);
}

/* Is word i, which is no target, probably meant as this one? Reported then. */
static bool
report_nearly(struct policy_parser *p, size_t i, const char *name)
{
	struct policy_span span = p->words.items[i];

	if (policy_option_find(word_text(p, i), span.length) ||
	    !policy_nearest(word_text(p, i), span.length, &name, 1))
		return false;
	policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, span, NULL,
			  "did you mean '%s'?", name);
	return true;
}

static bool
is_target(const struct policy_parser *p, size_t i)
{
	return word_text(p, i)[0] == '/' || word_text(p, i)[0] == '@';
}

static int
parse_targets(struct policy_parser *p, struct policy_ast_rule *rule)
{
	struct policy_range *into = &rule->targets;
	bool options = false;
	size_t seen = 0;

	rule->targets.first = (uint32_t)p->ast->targets.n;
	for (size_t i = 3; i < p->words.n; i++) {
		struct policy_span span = p->words.items[i];
		int r;

		if (word_is(p, i, "except") ||
		    (!is_target(p, i) && report_nearly(p, i, "except"))) {
			if (into == &rule->excepts) {
				policy_report_add(p->report, POLICY_CODE_EXCEPT_TWICE, &p->place,
						  span, NULL,
						  "list all that is excepted after one 'except'");
			} else if (seen == 0) {
				incomplete(p, i, "a target", RULE_HELP);
			}
			into = &rule->excepts;
			into->first = (uint32_t)p->ast->targets.n;
			seen = 0;
			continue;
		}
		if (!is_target(p, i)) {
			options |= report_word(p, span);
			seen++;
			continue;
		}
		if (options) {
			options = false;
			policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, span, NULL,
					  "targets come right after the verbs");
		}
		seen++;
		r = add_target(p, span, false);
		if (r < 0)
			return r;
		into->n = (uint32_t)p->ast->targets.n - into->first;
	}
	if (seen == 0)
		incomplete(p, p->words.n,
			   into == &rule->excepts ? "a target after 'except'" : "a target",
			   RULE_HELP);
	return 0;
}

/* `any` alone lets everybody in: nothing that changes a file. */
static void
check_any(struct policy_parser *p, const struct policy_ast_rule *rule,
	  struct policy_span verbs_word)
{
	unsigned too_much = rule->verbs & (POLICY_WRITE | POLICY_CREATE);
	char verbs[POLICY_VERBS_TEXT_MAX];

	if (rule->verdict != POLICY_ALLOW || too_much == 0)
		return;
	for (uint32_t i = 0; i < rule->who.n; i++) {
		const struct policy_ast_conjunction *c =
			&p->ast->conjunctions.items[rule->who.first + i];
		bool only_any = c->atoms.n > 0;

		for (uint32_t a = 0; a < c->atoms.n; a++)
			only_any &= p->ast->atoms.items[c->atoms.first + a].kind == POLICY_ATOM_ANY;
		if (!only_any)
			continue;
		policy_report_add(p->report, POLICY_CODE_ANY_WRITES, &p->place, verbs_word,
				  policy_verbs_text(too_much, verbs),
				  "name the users or groups that may");
		return;
	}
}

static bool
is_joint(char c)
{
	return c == '|' || c == '+';
}

static bool
ends_in_joint(const struct policy_parser *p, size_t i)
{
	return is_joint(word_text(p, i)[p->words.items[i].length - 1]);
}

static unsigned long
errors(const struct policy_parser *p)
{
	return p->report->by_severity[POLICY_ERROR].count;
}

/* Behind a mistake in who or in the verbs words stand in other places: nothing is said of them. */
static int
parse_rule(struct policy_parser *p, enum policy_verdict verdict)
{
	struct policy_ast_rule rule = {.place = p->place,
				       .verdict = verdict,
				       .options = POLICY_OPTIONS_DEFAULT,
				       .who_span = p->words.n > 1 ? p->words.items[1]
								  : p->words.items[0]};
	unsigned long before = errors(p);
	int r;

	if (p->words.n < 2) {
		incomplete(p, p->words.n, "who it is for", RULE_HELP);
		return 0;
	}
	if (p->words.n > 2 && (ends_in_joint(p, 1) || is_joint(word_text(p, 2)[0]))) {
		policy_report_add(p->report, POLICY_CODE_WHO_EMPTY, &p->place, p->words.items[1],
				  NULL, "%s", POLICY_WHO_HELP);
		return 0;
	}
	r = policy_parse_who(p->ast, p->report, &p->place, p->words.items[1], verdict, &rule.who);
	if (r < 0 || errors(p) > before)
		return r;
	if (p->words.n < 3 || is_target(p, 2)) {
		incomplete(p, 2, "verbs", RULE_HELP);
		return 0;
	}
	if (!parse_verbs(p, p->words.items[2], verdict, &rule.verbs))
		return 0;
	if (p->words.n > 3 && word_text(p, 3)[0] == ',') {
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[3],
				  NULL, "no blank before ',': write 'read,write'");
		return 0;
	}
	check_any(p, &rule, p->words.items[2]);
	r = parse_targets(p, &rule);
	if (r < 0)
		return r;
	return policy_vector_push(&p->ast->rules, rule);
}

static int
parse_allow(struct policy_parser *p)
{
	return parse_rule(p, POLICY_ALLOW);
}

static int
parse_deny(struct policy_parser *p)
{
	return parse_rule(p, POLICY_DENY);
}

static int
parse_set(struct policy_parser *p)
{
	static const char help[] = "write: set @NAME = PATTERN...";
	struct policy_ast_set set = {.place = p->place};
	int r;

	if (p->words.n < 2) {
		incomplete(p, p->words.n, "a name", help);
		return 0;
	}
	if (word_text(p, 1)[0] != '@' ||
	    !policy_is_name(word_text(p, 1) + 1, p->words.items[1].length - 1)) {
		policy_report_add(p->report, POLICY_CODE_SET_NAME, &p->place, p->words.items[1],
				  NULL, "%s (blanks on both sides of '=')", help);
		return 0;
	}
	if (!word_is(p, 2, "=")) {
		incomplete(p, 2, "'='", help);
	} else if (p->words.n < 4) {
		incomplete(p, p->words.n, "a pattern", help);
	}
	set.name = p->words.items[1];
	set.targets.first = (uint32_t)p->ast->targets.n;
	for (size_t i = 3; i < p->words.n && word_is(p, 2, "="); i++) {
		if (!is_target(p, i)) {
			report_word(p, p->words.items[i]);
			continue;
		}
		r = add_target(p, p->words.items[i], true);
		if (r < 0)
			return r;
	}
	set.targets.n = (uint32_t)p->ast->targets.n - set.targets.first;
	return policy_vector_push(&p->ast->sets, set);
}

static int
parse_header(struct policy_parser *p)
{
	if (p->header) {
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[0],
				  NULL, "'policy 1' stands once, at the beginning of the file");
	} else if (p->words.n < 2) {
		incomplete(p, p->words.n, "a version", "write: policy 1");
	} else if (!word_is(p, 1, "1")) {
		policy_report_add(p->report, POLICY_CODE_VERSION, &p->place, p->words.items[1],
				  NULL, "this version of fdbroker reads 'policy 1'");
		p->stop = true;
	} else if (p->words.n > 2) {
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[2],
				  NULL, "one statement a line");
	}
	p->header = true;
	return 0;
}

static const struct {
	const char *name;
	int (*parse)(struct policy_parser *p); /* NULL: in the language, not in this version */
	const char *what;
} statements[] = {
	{"policy", parse_header, NULL}, {"allow", parse_allow, NULL},
	{"deny", parse_deny, NULL},     {"set", parse_set, NULL},
	{"subject", NULL, "'subject'"}, {"expect", NULL, "'expect'"},
};

/* What the word was meant as, by its letters or by what it means elsewhere, or NULL. */
static const char *
nearest_statement(const char *word, size_t length)
{
	static const char *const elsewhere[][2] = {
		{"permit", "allow"}, {"grant", "allow"}, {"accept", "allow"},
		{"forbid", "deny"},  {"reject", "deny"}, {"block", "deny"},
	};
	const char *names[ELEMENTS(statements)];
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
		if (policy_word_is(word, length, elsewhere[i][0]))
			return elsewhere[i][1];
	for (size_t i = 0; i < ELEMENTS(statements); i++)
		if (statements[i].parse)
			names[n++] = statements[i].name;
	return policy_nearest(word, length, names, n);
}

int
policy_parse_statement(struct policy_parser *p)
{
	struct policy_span word = p->words.items[0];

	for (size_t i = 0; i < ELEMENTS(statements); i++) {
		if (!word_is(p, 0, statements[i].name))
			continue;
		if (!p->header && statements[i].parse != parse_header) {
			policy_report_add(p->report, POLICY_CODE_NO_HEADER, &p->place, word, NULL,
					  "write 'policy 1' on a line above");
			p->header = true;
		}
		if (statements[i].parse)
			return statements[i].parse(p);
		policy_report_add(p->report, POLICY_CODE_NOT_YET, &p->place, word,
				  statements[i].what, "statements are set, allow, deny");
		return 0;
	}
	if (p->header) {
		const char *nearest = nearest_statement(word_text(p, 0), word.length);

		if (nearest)
			policy_report_add(p->report, POLICY_CODE_STATEMENT, &p->place, word, NULL,
					  "did you mean '%s'?", nearest);
		else
			policy_report_add(p->report, POLICY_CODE_STATEMENT, &p->place, word, NULL,
					  "statements are set, allow, deny; '#' begins a comment");
		return 0;
	}
	/* Not a policy at all: one message, not one a line. */
	policy_report_add(p->report, POLICY_CODE_NO_HEADER, &p->place, word, NULL,
			  "write 'policy 1' on a line above");
	p->stop = true;
	return 0;
}
