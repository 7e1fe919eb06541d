/* SPDX-License-Identifier: MIT */
#include "ast.h"

enum {
	VALUE_MAX_BYTES = 255, /* of a unit or label */
};

struct who {
	struct policy_ast *ast;
	struct policy_report *report;
	const struct policy_place *place;
	struct policy_span word;
	enum policy_who_role role;
};

static const char kinds_help[] =
	"write 'any', a subject, 'user:NAME', 'group:NAME', 'unit:NAME' or 'label:TEXT'";

static uint32_t
until(const char *text, uint32_t from, uint32_t end, char separator)
{
	const char *found = memchr(text + from, separator, end - from);

	return found ? (uint32_t)(found - text) : end;
}

/* A word without a colon: the name of a subject, which policy_resolve() looks up. */
static bool
parse_name(struct who *w, struct policy_span span, struct policy_ast_atom *ret_atom)
{
	const char *text = w->place->text + span.at;

	if (policy_verb_find(text, until(text, 0, span.length, ',')) != 0 &&
	    w->role != POLICY_WHO_SUBJECT) {
		policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL, "%s",
				  w->role == POLICY_WHO_ALLOW
					  ? "who comes before the verbs: allow WHO VERBS TARGET..."
				  : w->role == POLICY_WHO_DENY
					  ? "who comes before the verbs: deny WHO VERBS TARGET..."
					  : "the peer comes before the verbs: "
					    "expect allow PEER VERBS PATH");
		return false;
	}
	if (!policy_is_name(text, span.length)) {
		policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL,
				  "%s; '+' joins what must hold together, '|' alternatives",
				  kinds_help);
		return false;
	}
	if (w->role == POLICY_WHO_PEER) {
		policy_report_add(w->report, POLICY_CODE_PEER, w->place, span, NULL,
				  "write what the peer is: 'user:backup+group:adm', "
				  "not the name of a subject");
		return false;
	}
	*ret_atom = (struct policy_ast_atom){.kind = POLICY_ATOM_SUBJECT, .span = span};
	return true;
}

static bool
parse_account(struct who *w, struct policy_ast_atom *atom)
{
	const char *text = w->place->text + atom->span.at;
	const char *help = NULL;

	switch (policy_account_parse(text, atom->span.length, &atom->id)) {
	case POLICY_ACCOUNT_NAME:
		return true;
	case POLICY_ACCOUNT_ID:
		atom->is_id = true;
		return true;
	case POLICY_ACCOUNT_BAD_ID:
		help = POLICY_ID_HELP;
		break;
	case POLICY_ACCOUNT_BAD:
	default:
		help = memchr(text, ',', atom->span.length)
			       ? "join alternatives with '|', without blanks: 'user:a|user:b'"
			       : "name one user or group as it is; 'any' is everybody";
		break;
	}
	policy_report_add(w->report, POLICY_CODE_ID, w->place, atom->span, NULL, "%s", help);
	return false;
}

static bool
has_unit_suffix(const char *text, uint32_t length)
{
	static const char *const suffixes[] = {".service", ".scope",  ".socket", ".timer",
					       ".slice",   ".mount",  ".path",   ".automount",
					       ".swap",    ".target", ".device"};

	if (text[length - 1] == '*')
		return true;
	for (size_t i = 0; i < ELEMENTS(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (length > n && memcmp(text + length - n, suffixes[i], n) == 0)
			return true;
	}
	return false;
}

static bool
parse_unit(struct who *w, struct policy_ast_atom *atom)
{
	const char *text = w->place->text + atom->span.at;
	uint32_t length = atom->span.length;
	const char *help = NULL;

	if (length > VALUE_MAX_BYTES)
		help = "the name of a unit has at most 255 bytes";
	for (uint32_t i = 0; !help && i < length; i++) {
		if (text[i] != '*' && !policy_is_unit_byte(text[i]))
			help = "letters, digits and any of ':-_.\\@' make the name of a unit; "
			       "'*' stands for any of them";
		else if (text[i] == '*' && i > 0 && text[i - 1] == '*')
			help = "one '*' already stands for any characters";
		else if (text[i] == '*' && w->role == POLICY_WHO_PEER)
			help = "a peer is in one unit: write its whole name";
	}
	if (!help && !has_unit_suffix(text, length))
		help = "did you forget '.service'? (or '.scope', '.socket', '.timer' ...)";
	if (help)
		policy_report_add(w->report, POLICY_CODE_UNIT, w->place, atom->span, NULL, "%s",
				  help);
	return !help;
}

static bool
parse_label(struct who *w, struct policy_ast_atom *atom)
{
	const char *text = w->place->text + atom->span.at;
	uint32_t length = atom->span.length;
	const char *help = NULL;

	if (length > VALUE_MAX_BYTES)
		help = "a label has at most 255 bytes";
	for (uint32_t i = 0; !help && i < length; i++) {
		if (text[i] == '*')
			help = "a label is compared as a whole: '*' stands for nothing in it";
		else if (text[i] <= ' ' || text[i] >= 0x7f)
			help = "printable ASCII characters make a label";
	}
	if (help)
		policy_report_add(w->report, POLICY_CODE_LABEL, w->place, atom->span, NULL, "%s",
				  help);
	return !help;
}

/* The word before the colon, or NULL: reported. */
static const struct policy_atom_word *
parse_kind(struct who *w, struct policy_span span, uint32_t length)
{
	const char *text = w->place->text + span.at;
	const struct policy_atom_word *word = policy_atom_find(text, length);

	if (!word) {
		const char *nearest = policy_atom_nearest(text, length);

		if (nearest)
			policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL,
					  "did you mean '%s:'?", nearest);
		else
			policy_report_add(w->report, POLICY_CODE_ATOM, w->place, span, NULL, "%s",
					  kinds_help);
		return NULL;
	}
	if (w->role == POLICY_WHO_DENY && !word->in_deny) {
		policy_report_add(w->report, POLICY_CODE_DENY_WHO, w->place, span, NULL,
				  "a peer can shed a group or a unit; name the users, or "
				  "allow less instead");
		return NULL;
	}
	if (length + 1 == span.length) {
		policy_report_add(w->report, POLICY_CODE_WHO_EMPTY, w->place, span, NULL,
				  "write '%s:NAME', without a blank", word->name);
		return NULL;
	}
	return word;
}

static bool
parse_value(struct who *w, struct policy_ast_atom *atom)
{
	switch (atom->kind) {
	case POLICY_ATOM_USER:
	case POLICY_ATOM_GROUP:
		return parse_account(w, atom);
	case POLICY_ATOM_UNIT:
		return parse_unit(w, atom);
	case POLICY_ATOM_LABEL:
		return parse_label(w, atom);
	case POLICY_ATOM_ANY:
	case POLICY_ATOM_SUBJECT:
	default:
		return true;
	}
}

/* False: reported. */
static bool
parse_atom(struct who *w, struct policy_span span, struct policy_ast_atom *ret_atom)
{
	const char *text = w->place->text + span.at;
	const struct policy_atom_word *word;
	struct policy_ast_atom atom = {.kind = POLICY_ATOM_ANY, .span = span};
	uint32_t colon;

	if (span.length == 0) {
		char whole[64];
		uint32_t shown = w->word.length < 60 ? w->word.length : 60;

		snprintf(whole, sizeof(whole), "%.*s%s", (int)shown, w->place->text + w->word.at,
			 shown < w->word.length ? "..." : "");
		policy_report_add(w->report, POLICY_CODE_WHO_EMPTY, w->place, span, whole, "%s",
				  POLICY_WHO_HELP);
		return false;
	}
	colon = until(text, 0, span.length, ':');
	if (colon < span.length) {
		word = parse_kind(w, span, colon);
		if (!word)
			return false;
		atom.kind = word->kind;
		atom.span = (struct policy_span){span.at + colon + 1, span.length - colon - 1};
		if (!parse_value(w, &atom))
			return false;
	} else if (!policy_word_is(text, span.length, "any") && !parse_name(w, span, &atom)) {
		return false;
	}
	atom.text = w->place->text + atom.span.at;
	atom.length = atom.span.length;
	*ret_atom = atom;
	return true;
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
			if (atom.kind == POLICY_ATOM_ANY && w->role == POLICY_WHO_PEER &&
			    w->word.length != atom.length)
				policy_report_add(w->report, POLICY_CODE_PEER, w->place, atom.span,
						  NULL,
						  "'any' alone is a peer of whom nothing is known; "
						  "leave it out where something is");
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
		 enum policy_who_role role, struct policy_range *ret_who)
{
	struct who w = {ast, report, place, word, role};
	uint32_t at = word.at, end = word.at + word.length;
	struct policy_range who = {.first = (uint32_t)ast->conjunctions.n};
	int r;

	for (;;) {
		uint32_t bar = until(place->text, at, end, '|');

		if (bar < end && role == POLICY_WHO_PEER) {
			policy_report_add(report, POLICY_CODE_PEER, place,
					  (struct policy_span){bar, 1}, NULL,
					  "write an expectation for each of the alternatives");
			break;
		}
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
