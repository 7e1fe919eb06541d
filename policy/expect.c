/* SPDX-License-Identifier: MIT */
#include "parser.h"

static const char help[] = "write: expect allow PEER VERBS PATH, or expect deny ...";

/* The place of the first character that would make a pattern of it, or length. */
static uint32_t
find_wildcard(const char *text, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (text[i] == '*' || text[i] == '[' || text[i] == '{' ||
		    (text[i] == '$' && i + 1 < length && text[i + 1] == '{'))
			return i;
	return length;
}

/* False: reported. */
static bool
check_path(struct policy_parser *p, size_t i)
{
	struct policy_span span = p->words.items[i];
	const char *text = policy_word_text(p, i);
	uint32_t wildcard = find_wildcard(text, span.length);
	struct policy_pattern_error *error = &p->error;

	if (text[0] != '/') {
		policy_report_add(p->report, POLICY_CODE_EXPECT_PATH, &p->place, span, NULL, "%s",
				  text[0] == '@' ? "write a path that is in the set"
						 : "write an absolute path, a blank in it as "
						   "'\\x20'");
		return false;
	}
	if (policy_report_comma(p, span))
		return false;
	if (wildcard < span.length) {
		span.at += wildcard;
		span.length = text[wildcard] == '$' ? 2 : 1;
		policy_report_add(p->report, POLICY_CODE_EXPECT_PATH, &p->place, span, NULL,
				  "write one path that the pattern matches; a character itself is "
				  "'\\x%02x'",
				  (unsigned char)text[wildcard]);
		return false;
	}
	if (policy_pattern_parse(text, span.length, p->pattern, error))
		return true;
	error->span.at += span.at;
	policy_report_add(p->report, error->code, &p->place, error->span, error->argument, "%s",
			  error->help);
	return false;
}

/* False: reported. */
static bool
parse_verdict(struct policy_parser *p, enum policy_verdict *ret_verdict)
{
	static const char *const verdicts[] = {"allow", "deny"};
	const char *nearest;

	if (p->words.n < 2) {
		policy_report_incomplete(p, p->words.n, "'allow' or 'deny'", help);
		return false;
	}
	*ret_verdict = policy_word_at(p, 1, "allow") ? POLICY_ALLOW : POLICY_DENY;
	if (*ret_verdict == POLICY_ALLOW || policy_word_at(p, 1, "deny"))
		return true;
	nearest = policy_nearest(policy_word_text(p, 1), p->words.items[1].length, verdicts,
				 ELEMENTS(verdicts));
	if (nearest)
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[1],
				  NULL, "did you mean '%s'?", nearest);
	else
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[1],
				  NULL, "%s", help);
	return false;
}

int
policy_parse_expect(struct policy_parser *p)
{
	struct policy_ast_expect expect = {.place = p->place};
	unsigned long before = policy_parser_errors(p);
	struct policy_range peer;
	bool good;
	int r;

	if (!parse_verdict(p, &expect.verdict))
		return 0;
	if (p->words.n < 3) {
		policy_report_incomplete(p, 2, "a peer", help);
		return 0;
	}
	r = policy_parse_who(p->ast, p->report, &p->place, p->words.items[2], POLICY_WHO_PEER,
			     &peer);
	if (r < 0 || policy_parser_errors(p) > before)
		return r;
	expect.peer = peer.first;
	if (p->words.n > 3 &&
	    (policy_word_text(p, 3)[0] == '|' || policy_word_text(p, 3)[0] == '+')) {
		policy_report_add(p->report, POLICY_CODE_PEER, &p->place, p->words.items[3], NULL,
				  "write one peer without blanks: 'user:backup+group:adm'");
		return 0;
	}
	if (p->words.n < 4 || policy_word_is_target(p, 3)) {
		policy_report_incomplete(p, 3, "verbs", help);
		return 0;
	}
	if (!policy_parse_verbs(p, p->words.items[3], expect.verdict, &expect.verbs))
		return 0;
	if (p->words.n < 5) {
		policy_report_incomplete(p, p->words.n, "a path", help);
		return 0;
	}
	expect.path = p->words.items[4];
	good = check_path(p, 4);
	if (p->words.n > 5) {
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, p->words.items[5],
				  NULL, "an expectation ends with its one path");
		return 0;
	}
	return good ? policy_vector_push(&p->ast->expects, expect) : 0;
}
