/* SPDX-License-Identifier: MIT */
#include "parser.h"

#define STATEMENTS "statements are subject, set, allow, deny, expect"

/* The end of the last word before word i: where something is missing. */
static struct policy_span
gap(const struct policy_parser *p, size_t i)
{
	const struct policy_span *last = &p->words.items[i - 1];

	return (struct policy_span){last->at + last->length, 1};
}

void
policy_report_incomplete(struct policy_parser *p, size_t i, const char *what, const char *help)
{
	policy_report_add(p->report, POLICY_CODE_INCOMPLETE, &p->place, gap(p, i), what, "%s",
			  help);
}

static int
parse_allow(struct policy_parser *p)
{
	return policy_parse_rule(p, POLICY_ALLOW);
}

static int
parse_deny(struct policy_parser *p)
{
	return policy_parse_rule(p, POLICY_DENY);
}

static int
parse_set(struct policy_parser *p)
{
	static const char help[] = "write: set @NAME = PATTERN...";
	struct policy_ast_set set = {.place = p->place};
	int r;

	if (p->words.n < 2) {
		policy_report_incomplete(p, p->words.n, "a name", help);
		return 0;
	}
	if (policy_word_text(p, 1)[0] != '@' ||
	    !policy_is_name(policy_word_text(p, 1) + 1, p->words.items[1].length - 1)) {
		policy_report_add(p->report, POLICY_CODE_SET_NAME, &p->place, p->words.items[1],
				  NULL, "%s (blanks on both sides of '=')", help);
		return 0;
	}
	if (!policy_word_at(p, 2, "=")) {
		policy_report_incomplete(p, 2, "'='", help);
	} else if (p->words.n < 4) {
		policy_report_incomplete(p, p->words.n, "a pattern", help);
	}
	set.name = p->words.items[1];
	set.targets.first = (uint32_t)p->ast->targets.n;
	for (size_t i = 3; i < p->words.n && policy_word_at(p, 2, "="); i++) {
		if (!policy_word_is_target(p, i)) {
			policy_report_word(p, p->words.items[i]);
			continue;
		}
		r = policy_parse_target(p, p->words.items[i], true);
		if (r < 0)
			return r;
	}
	set.targets.n = (uint32_t)p->ast->targets.n - set.targets.first;
	return policy_vector_push(&p->ast->sets, set);
}

/* The verbs and `any` are no names: `allow read ...` is a rule that does not say who. */
static bool
is_subject_name(const char *name, size_t length)
{
	return policy_is_name(name, length) && !policy_word_is(name, length, "any") &&
	       policy_verb_find(name, length) == 0;
}

/* What is defined wrongly is defined: where it is used nothing more is said. */
static int
parse_subject(struct policy_parser *p)
{
	static const char help[] = "write: subject NAME = WHO";
	struct policy_ast_subject subject = {.place = p->place};
	unsigned long before = policy_parser_errors(p);
	size_t atoms = p->ast->atoms.n;
	struct policy_range who;
	int r = 0;

	if (p->words.n < 2) {
		policy_report_incomplete(p, p->words.n, "a name", help);
		return 0;
	}
	subject.name = p->words.items[1];
	if (!is_subject_name(policy_word_text(p, 1), subject.name.length)) {
		bool set = policy_word_text(p, 1)[0] == '@';

		policy_report_add(p->report, POLICY_CODE_SUBJECT_NAME, &p->place, subject.name,
				  NULL, "%s (%s)", help,
				  set ? "'@' is for sets of paths: set @NAME = PATTERN..."
				      : "blanks on both sides of '='; 'any' and the verbs are no "
					"names");
		return 0;
	}
	if (!policy_word_at(p, 2, "="))
		policy_report_incomplete(p, 2, "'='", help);
	else if (p->words.n < 4)
		policy_report_incomplete(p, p->words.n, "who it is", help);
	else if (p->words.n > 4)
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[4],
				  NULL, "%s", POLICY_WHO_HELP);
	else
		r = policy_parse_who(p->ast, p->report, &p->place, p->words.items[3],
				     POLICY_WHO_SUBJECT, &who);
	if (r < 0)
		return r;
	if (policy_parser_errors(p) == before) {
		subject.who = who;
		for (size_t i = atoms; i < p->ast->atoms.n; i++)
			p->ast->atoms.items[i].subject = (uint32_t)p->ast->subjects.n + 1;
	}
	return policy_vector_push(&p->ast->subjects, subject);
}

static int
parse_header(struct policy_parser *p)
{
	if (p->header) {
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[0],
				  NULL, "'policy 1' stands once, at the beginning of the file");
	} else if (p->words.n < 2) {
		policy_report_incomplete(p, p->words.n, "a version", "write: policy 1");
	} else if (!policy_word_at(p, 1, "1")) {
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
	int (*parse)(struct policy_parser *p);
} statements[] = {
	{"allow", parse_allow},   {"deny", parse_deny},       {"set", parse_set},
	{"policy", parse_header}, {"subject", parse_subject}, {"expect", policy_parse_expect},
};

/* What the word was meant as, by its letters or by what it means elsewhere, or NULL. */
static const char *
nearest_statement(const char *word, size_t length)
{
	static const char *const elsewhere[][2] = {
		{"permit", "allow"},  {"grant", "allow"},   {"accept", "allow"},
		{"forbid", "deny"},   {"reject", "deny"},   {"block", "deny"},
		{"test", "expect"},   {"assert", "expect"}, {"define", "subject"},
		{"alias", "subject"},
	};
	const char *names[ELEMENTS(statements)];
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
		if (policy_word_is(word, length, elsewhere[i][0]))
			return elsewhere[i][1];
	for (size_t i = 0; i < ELEMENTS(statements); i++)
		names[n++] = statements[i].name;
	return policy_nearest(word, length, names, n);
}

int
policy_parse_statement(struct policy_parser *p)
{
	struct policy_span word = p->words.items[0];

	for (size_t i = 0; i < ELEMENTS(statements); i++) {
		if (!policy_word_at(p, 0, statements[i].name))
			continue;
		if (!p->header && statements[i].parse != parse_header) {
			if (!p->skipped)
				policy_report_add(p->report, POLICY_CODE_NO_HEADER, &p->place, word,
						  NULL, "write 'policy 1' on a line above");
			p->header = true;
		}
		return statements[i].parse(p);
	}
	if (p->header) {
		const char *nearest = nearest_statement(policy_word_text(p, 0), word.length);

		if (nearest)
			policy_report_add(p->report, POLICY_CODE_STATEMENT, &p->place, word, NULL,
					  "did you mean '%s'?", nearest);
		else
			policy_report_add(p->report, POLICY_CODE_STATEMENT, &p->place, word, NULL,
					  STATEMENTS "; '#' begins a comment");
		return 0;
	}
	/* Not a policy at all: one message, not one a line. */
	policy_report_add(p->report, POLICY_CODE_NO_HEADER, &p->place, word, NULL,
			  "write 'policy 1' on a line above");
	p->stop = true;
	return 0;
}
