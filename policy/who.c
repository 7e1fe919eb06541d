/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ast.h"

struct who {
	struct policy_ast *ast;
	struct policy_report *report;
	const struct policy_place *place;
	struct policy_span word;
	enum policy_verdict verdict;
};

/* A number is an id and needs no entry; the last one means "none" to the kernel. */
static bool
parse_id(const char *text, uint32_t length, uint32_t *ret_id)
{
	uint64_t id = 0;

	if (length > 10 || (length > 1 && text[0] == '0'))
		return false;
	for (uint32_t i = 0; i < length; i++)
		id = id * 10 + (uint64_t)(text[i] - '0');
	if (id >= UINT32_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

static bool
all_digits(const char *text, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

static uint32_t
until(const char *text, uint32_t from, uint32_t end, char separator)
{
	const char *found = memchr(text + from, separator, end - from);

	return found ? (uint32_t)(found - text) : end;
}

static void
report_no_colon(struct who *w, struct policy_span span)
{
	const char *text = w->place->text + span.at;

	if (policy_verb_find(text, until(text, 0, span.length, ',')) != 0)
		policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL,
				  "who comes before the verbs: %s WHO VERBS TARGET...",
				  w->verdict == POLICY_ALLOW ? "allow" : "deny");
	else if (policy_is_name(text, span.length))
		policy_report_add(w->report, POLICY_CODE_NOT_YET, w->place, span, "subjects",
				  "if this is a user write 'user:%.*s', if a group 'group:%.*s'",
				  (int)span.length, text, (int)span.length, text);
	else
		policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL,
				  "write 'any', 'user:NAME' or 'group:NAME'; "
				  "'+' joins what must hold together, '|' alternatives");
}

/* False: reported. */
static bool
parse_value(struct who *w, struct policy_ast_atom *atom)
{
	const char *text = w->place->text + atom->span.at;

	if (all_digits(text, atom->span.length)) {
		atom->is_id = true;
		if (parse_id(text, atom->span.length, &atom->id))
			return true;
		policy_report_add(w->report, POLICY_CODE_ID, w->place, atom->span, NULL,
				  "an id is a number from 0 to 4294967294, without zeroes before");
		return false;
	}
	for (uint32_t i = 0; i < atom->span.length; i++) {
		if (!strchr("*?[]{}\"':,\\/", text[i]))
			continue;
		policy_report_add(w->report, POLICY_CODE_ID, w->place, atom->span, NULL, "%s",
				  text[i] == ','
					  ? "join alternatives with '|', without blanks: "
					    "'user:a|user:b'"
					  : "name one user or group as it is; 'any' is everybody");
		return false;
	}
	return true;
}

/* False: reported, or an atom that this version ignores after its report. */
static bool
parse_atom(struct who *w, struct policy_span span, struct policy_ast_atom *ret_atom)
{
	const char *text = w->place->text + span.at;
	const char *colon = memchr(text, ':', span.length);
	const struct policy_atom_word *word;
	uint32_t kind_length;

	if (policy_word_is(text, span.length, "any")) {
		*ret_atom = (struct policy_ast_atom){.kind = POLICY_ATOM_ANY, .span = span};
		return true;
	}
	if (span.length == 0) {
		char whole[64];

		snprintf(whole, sizeof(whole), "%.*s", (int)w->word.length,
			 w->place->text + w->word.at);
		policy_report_add(w->report, POLICY_CODE_WHO_EMPTY, w->place, span, whole, "%s",
				  POLICY_WHO_HELP);
		return false;
	}
	if (!colon) {
		report_no_colon(w, span);
		return false;
	}
	kind_length = (uint32_t)(colon - text);
	word = policy_atom_find(text, kind_length);
	if (!word) {
		static const char *const kinds[] = {"user", "group"};
		const char *nearest = policy_nearest(text, kind_length, kinds, ELEMENTS(kinds));

		if (nearest)
			policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL,
					  "did you mean '%s:'?", nearest);
		else
			policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL,
					  "write 'any', 'user:NAME' or 'group:NAME'");
		return false;
	}
	if (w->verdict == POLICY_DENY && !word->in_deny) {
		policy_report_add(w->report, POLICY_CODE_DENY_WHO, w->place, span, NULL,
				  "a peer can shed a group or a unit; name the users, or "
				  "allow less instead");
		return false;
	}
	if (!word->known) {
		char what[16];

		snprintf(what, sizeof(what), "'%s:'", word->name);
		policy_report_add(w->report, POLICY_CODE_NOT_YET, w->place, span, what,
				  "write 'user:NAME' or 'group:NAME'");
		return false;
	}
	if (kind_length + 1 == span.length) {
		policy_report_add(w->report, POLICY_CODE_WHO_EMPTY, w->place, span, NULL,
				  "write '%s:NAME', without a blank", word->name);
		return false;
	}
	*ret_atom = (struct policy_ast_atom){
		.kind = word->kind,
		.span = {span.at + kind_length + 1, span.length - kind_length - 1},
		.text = text + kind_length + 1,
		.length = span.length - kind_length - 1,
	};
	return parse_value(w, ret_atom);
}

static int
parse_conjunction(struct who *w, uint32_t at, uint32_t end)
{
	struct policy_ast_conjunction conjunction = {.atoms.first = (uint32_t)w->ast->atoms.n};
	int r;

	for (;;) {
		uint32_t plus = until(w->place->text, at, end, '+');
		struct policy_ast_atom atom;

		if (parse_atom(w, (struct policy_span){at, plus - at}, &atom)) {
			r = policy_vector_push(&w->ast->atoms, atom);
			if (r < 0)
				return r;
			conjunction.atoms.n++;
		}
		if (plus == end)
			break;
		at = plus + 1;
	}
	return policy_vector_push(&w->ast->conjunctions, conjunction);
}

int
policy_parse_who(struct policy_ast *ast, struct policy_report *report,
		 const struct policy_place *place, struct policy_span word,
		 enum policy_verdict verdict, struct policy_range *ret_who)
{
	struct who w = {ast, report, place, word, verdict};
	uint32_t at = word.at, end = word.at + word.length;
	struct policy_range who = {.first = (uint32_t)ast->conjunctions.n};
	int r;

	for (;;) {
		uint32_t bar = until(place->text, at, end, '|');

		r = parse_conjunction(&w, at, bar);
		if (r < 0)
			return r;
		who.n++;
		if (bar == end)
			break;
		at = bar + 1;
	}
	*ret_who = who;
	return 0;
}
