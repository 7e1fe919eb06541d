/* SPDX-License-Identifier: MIT */
#include "expected.h"

#include <pwd.h>
#include <string.h>

#include "pattern.h"

/* The peer of an expectation, and what it points to. */
struct expected {
	struct policy_peer peer;
	char unit[256];
	char label[256];
	POLICY_VECTOR(gid_t) groups;
};

static int
copy_text(const struct policy_ast_atom *atom, char *to, size_t room)
{
	if (atom->length >= room)
		return -EBADMSG;
	memcpy(to, atom->text, atom->length);
	to[atom->length] = '\0';
	return 0;
}

static int
set_up(const struct policy_ast *ast, const struct policy_ast_expect *expect, struct expected *e)
{
	struct policy_range atoms = ast->conjunctions.items[expect->peer].atoms;
	int r = 0;

	e->peer = (struct policy_peer){0};
	e->groups.n = 0;
	for (uint32_t i = 0; r == 0 && i < atoms.n; i++) {
		const struct policy_ast_atom *atom = &ast->atoms.items[atoms.first + i];

		switch (atom->kind) {
		case POLICY_ATOM_USER:
			e->peer.has_uid = true;
			e->peer.uid = atom->id;
			break;
		case POLICY_ATOM_GROUP:
			r = policy_vector_push(&e->groups, atom->id);
			break;
		case POLICY_ATOM_UNIT:
			r = copy_text(atom, e->unit, sizeof(e->unit));
			e->peer.unit = e->unit;
			break;
		case POLICY_ATOM_LABEL:
			r = copy_text(atom, e->label, sizeof(e->label));
			e->peer.label = e->label;
			break;
		case POLICY_ATOM_ANY:
		case POLICY_ATOM_SUBJECT:
		default:
			break;
		}
	}
	e->peer.groups = e->groups.items;
	e->peer.n_groups = e->groups.n;
	return r;
}

/* The path as a request would name it, without escapes. */
static size_t
write_path(const struct policy_ast_expect *expect, struct policy_pattern *pattern, char *path)
{
	struct policy_pattern_error error;
	size_t length = 0;

	if (!policy_pattern_parse(expect->place.text + expect->path.at, expect->path.length,
				  pattern, &error))
		return 0;
	for (uint32_t i = 0; i < pattern->n; i++) {
		const struct policy_piece *piece = &pattern->pieces[pattern->components[i].first];

		path[length++] = '/';
		memcpy(path + length, pattern->bytes + piece->at, piece->length);
		length += piece->length;
	}
	if (length == 0)
		path[length++] = '/';
	return length;
}

static void
report_unmet(const struct policy_image *image, const struct policy_ast_expect *expect,
	     const struct policy_decision *decision, unsigned verbs, struct policy_report *report)
{
	char text[POLICY_VERBS_TEXT_MAX], where[600] = "no rule allows it";
	struct policy_rule rule;

	if (decision->exhausted) {
		snprintf(where, sizeof(where), "the patterns are too many to decide it");
	} else if (decision->rule != POLICY_NO_RULE) {
		policy_rule_describe(image, decision->rule, &rule);
		snprintf(where, sizeof(where), "%.500s:%u %s it", rule.file, rule.line,
			 rule.verdict == POLICY_ALLOW ? "allows" : "denies");
	}
	policy_report_add(report, POLICY_CODE_EXPECT, &expect->place, expect->path,
			  expect->verdict == POLICY_ALLOW ? "allow" : "deny",
			  "'%s': %s; change the rules or the expectation",
			  policy_verbs_text(verbs, text), where);
}

/*
 * An allow is expected of all verbs together, as one request; a deny of each of them. A day does
 * not count: what is good today must load tomorrow.
 */
static void
check(const struct policy_image *image, const struct policy_identity *identity,
      const struct policy_ast_expect *expect, const char *path, size_t length,
      struct policy_report *report)
{
	for (unsigned verb = 1; verb < POLICY_VERBS_ALL; verb <<= 1) {
		bool together = expect->verdict == POLICY_ALLOW;
		struct policy_request request = {
			.path = path,
			.length = length,
			.verbs = together ? expect->verbs : expect->verbs & verb,
			.day = POLICY_NO_DAY,
		};
		struct policy_decision decision;

		if (request.verbs == 0)
			continue;
		policy_decide(image, identity, &request, &decision);
		if (decision.verdict != expect->verdict) {
			report_unmet(image, expect, &decision, request.verbs, report);
			return;
		}
		if (together)
			return;
	}
}

int
policy_expect(const struct policy_ast *ast, const struct policy_image *image,
	      struct policy_report *report)
{
	_cleanup_free_ struct policy_pattern *pattern = malloc(sizeof(*pattern));
	_cleanup_free_ uint32_t *ids = calloc(POLICY_SUBJECTS_MAX, sizeof(*ids));
	struct expected e = {0};
	char path[POLICY_PATH_MAX + 1];
	int r = pattern && ids ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ast->expects.n; i++) {
		const struct policy_ast_expect *expect = &ast->expects.items[i];
		const struct passwd *user = NULL;
		struct policy_identity identity;
		size_t n = 0;

		if (ast->conjunctions.items[expect->peer].inert)
			continue;
		r = set_up(ast, expect, &e);
		if (r == 0)
			r = policy_subjects(image, &e.peer, ids, POLICY_SUBJECTS_MAX, &n);
		if (r == -E2BIG) {
			policy_report_add(report, POLICY_CODE_SUBJECTS, &expect->place,
					  expect->path, NULL,
					  "join rules that say different things of who");
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		if (e.peer.has_uid && policy_needs_name(image, ids, n) != POLICY_NAME_UNUSED)
			user = getpwuid(e.peer.uid);
		policy_identity_init(&identity, ids, n, e.peer.has_uid ? &e.peer.uid : NULL,
				     user ? user->pw_name : NULL);
		check(image, &identity, expect, path, write_path(expect, pattern, path), report);
	}
	policy_vector_free(&e.groups);
	return r;
}
