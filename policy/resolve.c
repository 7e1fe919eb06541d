/* SPDX-License-Identifier: MIT */
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "ast.h"
#include "intern.h"

/* Names that were looked up, so that each is asked for once. */
struct names {
	struct policy_intern keys; /* a byte of kind, then the name */
	POLICY_VECTOR(struct found {
		bool exists;
		uint32_t id;
	})
	found;
};

static struct found
ask_system(enum policy_atom_kind kind, const char *name)
{
	if (kind == POLICY_ATOM_USER) {
		const struct passwd *user = getpwnam(name);

		return user ? (struct found){true, user->pw_uid} : (struct found){0};
	}
	const struct group *group = getgrnam(name);

	return group ? (struct found){true, group->gr_gid} : (struct found){0};
}

static int
look_up(struct names *names, enum policy_atom_kind kind, const char *name, size_t length,
	struct found *ret_found)
{
	_cleanup_free_ char *key = malloc(length + 2);
	uint32_t id;
	int r;

	if (!key)
		return -ENOMEM;
	key[0] = kind == POLICY_ATOM_USER ? 'u' : 'g';
	memcpy(key + 1, name, length);
	key[length + 1] = '\0';
	r = policy_intern(&names->keys, key, length + 1, &id);
	if (r < 0)
		return r;
	if (id == names->found.n) {
		r = policy_vector_push(&names->found, ask_system(kind, key + 1));
		if (r < 0)
			return r;
	}
	*ret_found = names->found.items[id];
	return 0;
}

static void
report_unknown(struct policy_report *report, const struct policy_ast_rule *rule,
	       const struct policy_ast_atom *atom)
{
	const char *kind = atom->kind == POLICY_ATOM_USER ? "user" : "group";
	char what[128];

	snprintf(what, sizeof(what), "%s '%.*s'", kind, (int)atom->span.length,
		 rule->place.text + atom->span.at);
	policy_report_add(report,
			  rule->verdict == POLICY_DENY ? POLICY_CODE_UNKNOWN_DENIED
						       : POLICY_CODE_UNKNOWN_ALLOWED,
			  &rule->place, atom->span, what,
			  "create it, or write '%s:' and a number for an id without an entry",
			  kind);
}

static int
resolve_conjunction(struct policy_ast *ast, struct policy_report *report, struct names *names,
		    const struct policy_ast_rule *rule, struct policy_ast_conjunction *c)
{
	const struct policy_ast_atom *user = NULL;

	for (uint32_t i = 0; i < c->atoms.n; i++) {
		struct policy_ast_atom *atom = &ast->atoms.items[c->atoms.first + i];
		struct found found = {true, atom->id};
		int r;

		if (atom->kind == POLICY_ATOM_ANY)
			continue;
		if (!atom->is_id) {
			r = look_up(names, atom->kind, rule->place.text + atom->span.at,
				    atom->span.length, &found);
			if (r < 0)
				return r;
		}
		if (!found.exists) {
			report_unknown(report, rule, atom);
			c->inert = true;
			continue;
		}
		atom->id = found.id;
		if (atom->kind != POLICY_ATOM_USER)
			continue;
		if (user && user->id != atom->id)
			policy_report_add(report, POLICY_CODE_TWO_USERS, &rule->place, atom->span,
					  NULL,
					  "'+' means both together; '|' means one or the other");
		user = atom;
	}
	return 0;
}

static void
resolve_targets(struct policy_ast *ast, struct policy_report *report,
		const struct policy_intern *sets, const struct policy_ast_rule *rule,
		struct policy_range range)
{
	for (uint32_t i = 0; i < range.n; i++) {
		struct policy_ast_target *target = &ast->targets.items[range.first + i];

		if (!target->is_set)
			continue;
		if (policy_intern_find(sets, rule->place.text + target->span.at,
				       target->span.length, &target->set) < 0)
			policy_report_add(
				report, POLICY_CODE_SET_UNKNOWN, &rule->place, target->span, NULL,
				"define it in any of the files: set %.*s = PATTERN...",
				(int)target->span.length, rule->place.text + target->span.at);
	}
}

/* Numbers of names equal numbers of sets: a second definition is an error, so nothing is built. */
static int
index_sets(const struct policy_ast *ast, struct policy_report *report, struct policy_intern *names)
{
	_cleanup_free_ const struct policy_ast_set **first =
		calloc(ast->sets.n + 1, sizeof(struct policy_ast_set *));

	if (!first)
		return -ENOMEM;
	for (size_t i = 0; i < ast->sets.n; i++) {
		const struct policy_ast_set *set = &ast->sets.items[i];
		uint32_t id;
		int r;

		r = policy_intern(names, set->place.text + set->name.at, set->name.length, &id);
		if (r < 0)
			return r;
		if (first[id])
			policy_report_add(report, POLICY_CODE_SET_TWICE, &set->place, set->name,
					  NULL,
					  "the first is at %s:%u; give one of them another name",
					  report->sources[first[id]->place.source].name,
					  first[id]->place.line);
		else
			first[id] = set;
	}
	return 0;
}

int
policy_resolve(struct policy_ast *ast, struct policy_report *report)
{
	struct policy_intern sets = {0};
	struct names names = {0};
	int r;

	r = index_sets(ast, report, &sets);
	for (size_t i = 0; r == 0 && i < ast->rules.n; i++) {
		const struct policy_ast_rule *rule = &ast->rules.items[i];

		for (uint32_t c = 0; r == 0 && c < rule->who.n; c++)
			r = resolve_conjunction(ast, report, &names, rule,
						&ast->conjunctions.items[rule->who.first + c]);
		resolve_targets(ast, report, &sets, rule, rule->targets);
		resolve_targets(ast, report, &sets, rule, rule->excepts);
	}
	policy_intern_free(&sets);
	policy_intern_free(&names.keys);
	policy_vector_free(&names.found);
	return r;
}
