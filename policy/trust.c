/* SPDX-License-Identifier: MIT */
/* Who can be trusted with what: what is wrong with a who in which no subject is left. */
#include "resolve.h"

enum {
	ORIGIN_MAX = 512,
};

/* With its kind: "user:a". */
static struct policy_span
atom_span(const struct policy_ast_atom *atom)
{
	struct policy_span span = atom->span;
	uint32_t kind;

	if (atom->kind == POLICY_ATOM_ANY || atom->kind == POLICY_ATOM_SUBJECT)
		return span;
	kind = (uint32_t)strlen(policy_atom_name(atom->kind)) + 1;
	return (struct policy_span){span.at - kind, span.length + kind};
}

static bool
stands_here(const struct policy_resolver *r, const struct policy_scene *scene, uint32_t atom)
{
	return r->ast->atoms.items[atom].subject == scene->subject;
}

/* Which subject brings the atom into the scene, to be added to a help; "" when it stands there. */
static const char *
origin_of(const struct policy_resolver *r, const struct policy_scene *scene, uint32_t atom,
	  char buffer[ORIGIN_MAX])
{
	const struct policy_ast_atom *a = &r->ast->atoms.items[atom];
	const struct policy_ast_subject *subject;
	struct policy_span text = atom_span(a);

	buffer[0] = '\0';
	if (stands_here(r, scene, atom) || a->subject == 0)
		return buffer;
	subject = &r->ast->subjects.items[a->subject - 1];
	snprintf(buffer, ORIGIN_MAX, "; '%.*s' comes from the subject '%.*s' (%.200s:%u)",
		 (int)(text.length < 80 ? text.length : 80), subject->place.text + text.at,
		 (int)subject->name.length, subject->place.text + subject->name.at,
		 r->report->sources[subject->place.source].name, subject->place.line);
	return buffer;
}

static bool
same_text(const struct policy_ast_atom *a, const struct policy_ast_atom *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

bool
policy_atoms_at_odds(const struct policy_ast_atom *a, const struct policy_ast_atom *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case POLICY_ATOM_USER:
		return a->id != b->id && a->id != POLICY_NO_ID && b->id != POLICY_NO_ID;
	case POLICY_ATOM_UNIT:
		return !same_text(a, b) && !memchr(a->text, '*', a->length) &&
		       !memchr(b->text, '*', b->length);
	case POLICY_ATOM_LABEL:
		return !same_text(a, b);
	case POLICY_ATOM_ANY:
	case POLICY_ATOM_GROUP:
	case POLICY_ATOM_SUBJECT:
	default:
		return false;
	}
}

static void
look_at(const struct policy_ast *ast, const struct policy_ast_conjunction *c,
	struct policy_who *who)
{
	uint32_t first[POLICY_ATOM_SUBJECT + 1];
	uint32_t unit = POLICY_NO_ATOM;

	for (size_t i = 0; i < ELEMENTS(first); i++)
		first[i] = POLICY_NO_ATOM;
	for (uint32_t a = c->atoms.first; a < c->atoms.first + c->atoms.n; a++) {
		const struct policy_ast_atom *atom = &ast->atoms.items[a];

		if (atom->kind == POLICY_ATOM_UNIT) {
			if (unit == POLICY_NO_ATOM)
				unit = a;
			if (memchr(atom->text, '*', atom->length))
				continue;
		}
		if (first[atom->kind] == POLICY_NO_ATOM) {
			first[atom->kind] = a;
		} else if (who->twice == POLICY_NO_ATOM &&
			   policy_atoms_at_odds(&ast->atoms.items[first[atom->kind]], atom)) {
			who->twice = a;
			who->with = first[atom->kind];
		}
	}
	if (who->shed == POLICY_NO_ATOM)
		who->shed = first[POLICY_ATOM_GROUP] != POLICY_NO_ATOM ? first[POLICY_ATOM_GROUP]
								       : unit;
	if (first[POLICY_ATOM_USER] != POLICY_NO_ATOM || first[POLICY_ATOM_GROUP] != POLICY_NO_ATOM)
		return;
	if (who->unit == POLICY_NO_ATOM)
		who->unit = unit;
	if (who->any == POLICY_NO_ATOM && unit == POLICY_NO_ATOM &&
	    first[POLICY_ATOM_LABEL] == POLICY_NO_ATOM)
		who->any = first[POLICY_ATOM_ANY];
}

void
policy_look_at_who(const struct policy_ast *ast, struct policy_who *who)
{
	who->any = who->shed = who->unit = who->twice = who->with = POLICY_NO_ATOM;
	for (uint32_t i = 0; i < who->range.n; i++)
		look_at(ast, &ast->conjunctions.items[who->range.first + i], who);
}

void
policy_report_twice(struct policy_resolver *r, const struct policy_scene *scene,
		    const struct policy_who *who)
{
	static const char *const what[] = {
		[POLICY_ATOM_USER] = "is two users",
		[POLICY_ATOM_UNIT] = "is in two units",
		[POLICY_ATOM_LABEL] = "has two labels",
	};
	const struct policy_ast_atom *atom = &r->ast->atoms.items[who->twice];
	char one[ORIGIN_MAX], other[ORIGIN_MAX];

	policy_report_add(
		r->report, POLICY_CODE_TWO_PEERS, scene->place,
		stands_here(r, scene, who->twice) ? atom->span : scene->whole, what[atom->kind],
		"'+' means both together; '|' means one or the other%s%s",
		origin_of(r, scene, who->with, one), origin_of(r, scene, who->twice, other));
}

/* An atom that has no place in the rule. */
static void
report_atom(struct policy_resolver *r, const struct policy_scene *scene, enum policy_code code,
	    uint32_t a, const char *help)
{
	const struct policy_ast_atom *atom = &r->ast->atoms.items[a];
	char origin[ORIGIN_MAX], text[128];

	snprintf(text, sizeof(text), "%s%s%.*s", policy_atom_name(atom->kind),
		 atom->kind == POLICY_ATOM_ANY ? "" : ":",
		 (int)(atom->kind == POLICY_ATOM_ANY ? 0
		       : atom->length < 80           ? atom->length
						     : 80),
		 atom->text);
	policy_report_add(r->report, code, scene->place,
			  stands_here(r, scene, a) ? atom_span(atom) : scene->whole, text, "%s%s",
			  help, origin_of(r, scene, a, origin));
}

static void
report_any(struct policy_resolver *r, const struct policy_scene *scene,
	   const struct policy_ast_rule *rule, uint32_t any)
{
	char verbs[POLICY_VERBS_TEXT_MAX], origin[ORIGIN_MAX];

	policy_report_add(r->report, POLICY_CODE_ANY_WRITES, &rule->place,
			  policy_word_from(&rule->place, rule->who_span.at + rule->who_span.length),
			  policy_verbs_text(rule->verbs & (POLICY_WRITE | POLICY_CREATE), verbs),
			  "name the users or groups that may%s", origin_of(r, scene, any, origin));
}

int
policy_check_rule(struct policy_resolver *r, struct policy_ast_rule *rule)
{
	const struct policy_scene scene = {&rule->place, rule->who_span, 0};
	struct policy_who who;
	int result;

	result = policy_expand_who(r, rule, &who);
	if (result < 0 || who.bad)
		return result;
	rule->who = who.range;
	if (who.twice != POLICY_NO_ATOM)
		policy_report_twice(r, &scene, &who);
	if (rule->verdict == POLICY_DENY) {
		if (who.shed != POLICY_NO_ATOM)
			report_atom(r, &scene, POLICY_CODE_DENY_WHO, who.shed,
				    "a peer can shed a group or a unit; name the users, or "
				    "allow less instead");
		return 0;
	}
	if (who.unit != POLICY_NO_ATOM)
		report_atom(r, &scene, POLICY_CODE_UNIT_ALONE, who.unit,
			    "jobs of every user may run in a unit: add '+user:NAME' or "
			    "'+group:NAME'");
	if (who.any != POLICY_NO_ATOM && rule->verbs & (POLICY_WRITE | POLICY_CREATE))
		report_any(r, &scene, rule, who.any);
	return 0;
}
