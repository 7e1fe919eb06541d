/* SPDX-License-Identifier: MIT */
/* What the names in a policy mean, and what can only be said of rules when that is known. */
#include <grp.h>
#include <pwd.h>

#include "resolve.h"

int
policy_look_up(struct policy_resolver *r, enum policy_atom_kind kind, const char *name,
	       size_t length, uint32_t *ret_id)
{
	struct policy_accounts *accounts = kind == POLICY_ATOM_USER ? &r->users : &r->groups;
	const char *key;
	uint32_t number, id = POLICY_NO_ID;
	int result;

	result = policy_intern(&accounts->names, name, length, &number);
	if (result < 0)
		return result;
	if (number == accounts->ids.n) {
		key = accounts->names.bytes.items + accounts->names.keys.items[number].at;
		if (kind == POLICY_ATOM_USER) {
			const struct passwd *user = getpwnam(key);

			id = user ? user->pw_uid : POLICY_NO_ID;
		} else {
			const struct group *group = getgrnam(key);

			id = group ? group->gr_gid : POLICY_NO_ID;
		}
		result = policy_vector_push(&accounts->ids, id);
		if (result == 0)
			result = policy_vector_push(&accounts->said, NULL);
		if (result < 0)
			return result;
	}
	*ret_id = accounts->ids.items[number];
	return 0;
}

/* The known name that is nearest, or NULL. What all searches cost together is bounded. */
static const char *
suggest(struct policy_resolver *r, const struct policy_intern *names, const char *text,
	size_t length)
{
	const char *nearest = NULL;

	for (size_t i = 0; i < names->keys.n && r->suggestions > 0; i++, r->suggestions--) {
		const char *name = names->bytes.items + names->keys.items[i].at;

		/* The names so far have had their chance: a later one has to be nearer. */
		const char *const pair[] = {nearest ? nearest : name, name};

		nearest = policy_nearest(text, length, pair, ELEMENTS(pair));
	}
	return nearest;
}

void
policy_report_unknown(struct policy_resolver *r, const struct policy_place *place,
		      const struct policy_ast_atom *atom, enum policy_code code, const char *why)
{
	const char *kind = policy_atom_name(atom->kind);
	char what[128];

	snprintf(what, sizeof(what), "%s '%.*s'", kind,
		 (int)(atom->length < 80 ? atom->length : 80), atom->text);
	policy_report_add(r->report, code, place, atom->span, what,
			  "create it, or write '%s:' and a number for an id without an entry%s",
			  kind, why);
}

/* The same name may stand in a line many times. True: it was reported there. */
static bool
was_said(struct policy_resolver *r, const struct policy_place *place,
	 const struct policy_ast_atom *atom)
{
	struct policy_accounts *accounts = atom->kind == POLICY_ATOM_USER ? &r->users : &r->groups;
	const char *before;
	uint32_t number;

	if (policy_intern_find(&accounts->names, atom->text, atom->length, &number) < 0)
		return false;
	before = accounts->said.items[number];
	accounts->said.items[number] = place->text;
	return before == place->text;
}

static void
report_subject(struct policy_resolver *r, const struct policy_place *place,
	       const struct policy_ast_atom *atom)
{
	const char *nearest = suggest(r, &r->subject_names, atom->text, atom->length);
	int n = (int)atom->length;

	if (nearest)
		policy_report_add(r->report, POLICY_CODE_SUBJECT_UNKNOWN, place, atom->span, NULL,
				  "did you mean '%s'? if this is a user write 'user:%.*s', if a "
				  "group 'group:%.*s'",
				  nearest, n, atom->text, n, atom->text);
	else
		policy_report_add(r->report, POLICY_CODE_SUBJECT_UNKNOWN, place, atom->span, NULL,
				  "define it in any of the files: subject %.*s = WHO; if this is a "
				  "user write 'user:%.*s', if a group 'group:%.*s'",
				  n, atom->text, n, atom->text, n, atom->text);
}

static void
report_overflow(struct policy_resolver *r, const struct policy_place *place,
		const struct policy_ast_atom *atom)
{
	char what[128];

	snprintf(what, sizeof(what), "%s '%.*s'", policy_atom_name(atom->kind),
		 (int)(atom->length < 80 ? atom->length : 80), atom->text);
	policy_report_add(r->report, POLICY_CODE_OVERFLOW, place, atom->span, what,
			  "the kernel says %d for every id that has no number here, so no peer "
			  "with it is known; use an account with an id of its own",
			  POLICY_OVERFLOW_ID);
}

int
policy_resolve_atoms(struct policy_resolver *r, const struct policy_place *place,
		     struct policy_range conjunctions, enum policy_code unknown, const char *why)
{
	struct policy_ast *ast = r->ast;
	bool is_peer = unknown == POLICY_CODE_PEER_UNKNOWN;

	for (uint32_t i = conjunctions.first; i < conjunctions.first + conjunctions.n; i++) {
		struct policy_ast_conjunction *c = &ast->conjunctions.items[i];

		for (uint32_t a = c->atoms.first; a < c->atoms.first + c->atoms.n; a++) {
			struct policy_ast_atom *atom = &ast->atoms.items[a];
			uint32_t name;
			int result;

			if (atom->kind == POLICY_ATOM_SUBJECT) {
				atom->id = POLICY_NO_ID;
				if (policy_intern_find(&r->subject_names, atom->text, atom->length,
						       &name) == 0)
					atom->id = r->subject_of.items[name];
				else
					report_subject(r, place, atom);
			}
			if (atom->kind != POLICY_ATOM_USER && atom->kind != POLICY_ATOM_GROUP)
				continue;
			result = atom->is_id ? 0
					     : policy_look_up(r, atom->kind, atom->text,
							      atom->length, &atom->id);
			if (result < 0)
				return result;
			if (atom->is_id || atom->id != POLICY_NO_ID) {
				/* An expectation may be about such a peer. */
				if (atom->id == POLICY_OVERFLOW_ID && !is_peer)
					report_overflow(r, place, atom);
				continue;
			}
			c->inert = true;
			if (unknown != 0 && !was_said(r, place, atom))
				policy_report_unknown(r, place, atom, unknown, why);
			/* One is enough for it not to be checked. */
			if (unknown == POLICY_CODE_PEER_UNKNOWN)
				unknown = 0;
		}
	}
	return 0;
}

static int
index_sets(struct policy_resolver *r)
{
	const struct policy_ast *ast = r->ast;
	_cleanup_free_ const struct policy_ast_set **first =
		calloc(ast->sets.n + 1, sizeof(struct policy_ast_set *));

	if (!first)
		return -ENOMEM;
	/* Numbers of names are numbers of sets: after a second definition nothing is built. */
	for (size_t i = 0; i < ast->sets.n; i++) {
		const struct policy_ast_set *set = &ast->sets.items[i];
		uint32_t id;
		int result;

		result = policy_intern(&r->set_names, set->place.text + set->name.at,
				       set->name.length, &id);
		if (result < 0)
			return result;
		if (first[id])
			policy_report_add(r->report, POLICY_CODE_SET_TWICE, &set->place, set->name,
					  NULL,
					  "the first is at %s:%u; give one of them another name",
					  r->report->sources[first[id]->place.source].name,
					  first[id]->place.line);
		else
			first[id] = set;
	}
	return 0;
}

static void
resolve_targets(struct policy_resolver *r, const struct policy_ast_rule *rule,
		struct policy_range range)
{
	for (uint32_t i = 0; i < range.n; i++) {
		struct policy_ast_target *target = &r->ast->targets.items[range.first + i];
		const char *text = rule->place.text + target->span.at;
		const char *nearest;

		if (!target->is_set ||
		    policy_intern_find(&r->set_names, text, target->span.length, &target->set) == 0)
			continue;
		nearest = suggest(r, &r->set_names, text, target->span.length);
		if (nearest)
			policy_report_add(r->report, POLICY_CODE_SET_UNKNOWN, &rule->place,
					  target->span, NULL, "did you mean '%s'?", nearest);
		else
			policy_report_add(r->report, POLICY_CODE_SET_UNKNOWN, &rule->place,
					  target->span, NULL,
					  "define it in any of the files: set %.*s = PATTERN...",
					  (int)target->span.length, text);
	}
}

static int
resolve_options(struct policy_resolver *r, uint32_t i)
{
	struct policy_ast_rule *rule = &r->ast->rules.items[i];
	const struct policy_ast_rule *first;
	uint32_t number;
	int result;

	if (rule->owner.length > 0) {
		result = policy_look_up(r, POLICY_ATOM_USER, rule->place.text + rule->owner.at,
					rule->owner.length, &rule->options.owner_uid);
		if (result < 0)
			return result;
		if (rule->options.owner_uid == POLICY_NO_ID)
			policy_report_add(r->report, POLICY_CODE_OWNER_UNKNOWN, &rule->place,
					  rule->owner, NULL,
					  "create it, or write 'user:' and a number for an id "
					  "without an entry");
	}
	if (rule->id.length == 0)
		return 0;
	result = policy_intern(&r->ids, rule->place.text + rule->id.at, rule->id.length, &number);
	if (result < 0)
		return result;
	if (number == r->rule_of.n)
		return policy_vector_push(&r->rule_of, i);
	first = &r->ast->rules.items[r->rule_of.items[number]];
	policy_report_add(r->report, POLICY_CODE_ID_TWICE, &rule->place, rule->id, NULL,
			  "the first is at %s:%u; each rule has an id of its own",
			  r->report->sources[first->place.source].name, first->place.line);
	return 0;
}

/* All that does not need the subjects expanded. */
static int
resolve_rule(struct policy_resolver *r, uint32_t i)
{
	const struct policy_ast_rule *rule = &r->ast->rules.items[i];
	bool deny = rule->verdict == POLICY_DENY;
	int result;

	result = policy_resolve_atoms(
		r, &rule->place, rule->who,
		deny ? POLICY_CODE_UNKNOWN_DENIED : POLICY_CODE_UNKNOWN_ALLOWED, "");
	for (uint32_t c = rule->who.first; deny && c < rule->who.first + rule->who.n; c++) {
		struct policy_range atoms = r->ast->conjunctions.items[c].atoms;

		for (uint32_t a = atoms.first; a < atoms.first + atoms.n; a++) {
			const struct policy_ast_atom *atom = &r->ast->atoms.items[a];

			if (atom->kind == POLICY_ATOM_SUBJECT && atom->id != POLICY_NO_ID)
				policy_subject_denied(r, atom->id);
		}
	}
	resolve_targets(r, rule, rule->targets);
	resolve_targets(r, rule, rule->excepts);
	return result < 0 ? result : resolve_options(r, i);
}

static int
resolve_expect(struct policy_resolver *r, const struct policy_ast_expect *expect)
{
	struct policy_who who = {.range = {expect->peer, 1}};
	const struct policy_scene scene = {&expect->place, {0}, 0};
	int result;

	result = policy_resolve_atoms(r, &expect->place, who.range, POLICY_CODE_PEER_UNKNOWN, "");
	if (result < 0)
		return result;
	policy_look_at_who(r->ast, &who);
	if (who.twice != POLICY_NO_ATOM)
		policy_report_twice(r, &scene, &who);
	return 0;
}

int
policy_resolve(struct policy_ast *ast, struct policy_report *report)
{
	struct policy_resolver r = {.ast = ast, .report = report, .suggestions = 1 << 17};
	int result;

	result = index_sets(&r);
	if (result == 0)
		result = policy_resolve_subjects(&r);
	for (uint32_t i = 0; result == 0 && i < ast->rules.n; i++)
		result = resolve_rule(&r, i);
	if (result == 0)
		result = policy_expand_subjects(&r);
	for (uint32_t i = 0; result == 0 && i < ast->rules.n; i++)
		result = policy_check_rule(&r, &ast->rules.items[i]);
	for (uint32_t i = 0; result == 0 && i < ast->expects.n; i++)
		result = resolve_expect(&r, &ast->expects.items[i]);
	if (result == 0)
		result = policy_resolve_subuids(&r);
	policy_subjects_free(&r);
	policy_intern_free(&r.set_names);
	policy_intern_free(&r.ids);
	policy_vector_free(&r.rule_of);
	policy_intern_free(&r.users.names);
	policy_vector_free(&r.users.ids);
	policy_vector_free(&r.users.said);
	policy_intern_free(&r.groups.names);
	policy_vector_free(&r.groups.ids);
	policy_vector_free(&r.groups.said);
	return result;
}
