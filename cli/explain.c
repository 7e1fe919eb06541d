/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "cli.h"
#include "json.h"
#include "near.h"
#include "object.h"
#include "text.h"

enum {
	NEAR_SHOWN = 20,
	BEGIN_SHOWN = 5,
};

/* One answer and all that explains it. */
struct explanation {
	struct answer answer;
	struct object there;
	struct near_rules rules;
	size_t shown; /* near misses end here */
	bool together;
	uint32_t pair[2]; /* that list all verbs together */
	char *begin;      /* what those have in common with the path, when no pattern matches it */
	uint32_t beginnings[BEGIN_SHOWN];
	size_t n_beginnings;
};

static void
find_beginnings(const struct ask *ask, struct explanation *e)
{
	size_t at = 0, components;

	e->n_beginnings = BEGIN_SHOWN;
	components = near_begin(ask, e->beginnings, &e->n_beginnings);
	if (components == 0)
		return;
	while (components-- > 0)
		at += 1 + strcspn(ask->path + at + 1, "/");
	e->begin = cli_format("%.*s", (int)at, ask->path);
}

static struct explanation
explanation_find(struct ask *ask, unsigned verbs, bool all)
{
	struct explanation e = {.answer = ask_answer(ask, verbs)};

	object_look(ask, verbs, &e.there);
	near_find(ask, verbs, &e.answer.decision, &e.rules);
	e.shown = all ? e.rules.n : e.rules.n_shown;
	if (!all && e.shown > e.rules.n_matched + NEAR_SHOWN)
		e.shown = e.rules.n_matched + NEAR_SHOWN;
	if (e.answer.decision.rule == POLICY_NO_RULE)
		e.together = near_together(ask, &e.rules, verbs, e.pair);
	if (e.rules.n == 0)
		find_beginnings(ask, &e);
	return e;
}

static void
explanation_clear(struct explanation *e)
{
	answer_clear(&e->answer);
	object_clear(&e->there);
	near_clear(&e->rules);
	free(e->begin);
}

/* By the policy, also of where links lead. */
static bool
is_allowed(const struct explanation *e)
{
	return e->answer.decision.verdict == POLICY_ALLOW && !e->there.denied;
}

/* It was shown with the verdict. */
static bool
is_in_answer(const struct answer *answer, uint32_t rule)
{
	for (size_t i = 0; i < answer->n_allows; i++)
		if (answer->allows[i] == rule)
			return true;
	return answer->decision.rule == rule;
}

/* --- text -------------------------------------------------------------------------------- */

static void
print_near(struct ask *ask, struct explanation *e)
{
	for (size_t i = e->rules.n_matched; i < e->shown; i++) {
		const struct near_rule *near = &e->rules.items[i];

		ask_print_rule(ask, "near", near->rule);
		for (int k = 0; k < NEAR_CLAUSES_N; k++) {
			_cleanup_free_ char *reason = NULL;

			if (!(near->failed & 1u << k))
				continue;
			reason = near_reason(ask, e->answer.verbs, near->rule, 1u << k);
			cli_line(stdout, "       %s: %s", near_clause_names[k], reason);
		}
	}
	if (e->shown < e->rules.n)
		cli_line(stdout, "       %zu more near miss%s; --all shows them",
			 e->rules.n - e->shown, e->rules.n - e->shown == 1 ? "" : "es");
}

static void
print_together(struct ask *ask, const struct explanation *e)
{
	struct policy_rule one, other;

	if (!e->together)
		return;
	policy_rule_describe(ask->rules.image, e->pair[0], &one);
	policy_rule_describe(ask->rules.image, e->pair[1], &other);
	cli_line(stdout, "note   %s:%u and %s:%u list all verbs together, but one rule must",
		 one.file, one.line, other.file, other.line);
}

static void
print_beginnings(struct ask *ask, const struct explanation *e)
{
	if (e->rules.n > 0 || e->rules.incomplete)
		return;
	if (!e->begin) {
		cli_line(stdout, "near   no pattern matches this path, and none begins as it does");
		return;
	}
	cli_line(stdout,
		 "near   no pattern matches this path; patterns that begin with %s:", e->begin);
	for (size_t i = 0; i < e->n_beginnings; i++)
		ask_print_rule(ask, "", e->beginnings[i]);
}

static void
print_rules(struct ask *ask, struct explanation *e)
{
	for (size_t i = 0; i < e->rules.n_matched; i++)
		if (!is_in_answer(&e->answer, e->rules.items[i].rule))
			ask_print_rule(ask, "match", e->rules.items[i].rule);
	print_near(ask, e);
	print_together(ask, e);
	print_beginnings(ask, e);
	if (e->rules.incomplete)
		cli_line(stdout, "note   not all rules were looked at: the patterns take too many "
				 "steps for this path");
	if (e->answer.refused)
		cli_line(stdout, "write  no rule can allow it to this WHO:");
	if (e->answer.suggestion)
		cli_line(stdout, "write  a policy file needs this rule, or a wider one:");
	answer_print_suggestion(ask, &e->answer, stdout, "       ");
}

/* before: what was printed already. */
static void
print_object(const struct object *object, const struct object *before)
{
	_cleanup_free_ char *text = object_text(object), *advice = object_advice(object);
	_cleanup_free_ char *known = before ? object_text(before) : NULL;

	if (!text || (known && strcmp(text, known) == 0))
		return;
	cli_line(stdout, "file   %s", text);
	if (advice)
		cli_line(stdout, "       %s", advice);
}

/* --- JSON -------------------------------------------------------------------------------- */

static json_t *
near_json(struct ask *ask, struct explanation *e, const struct near_rule *near)
{
	json_t *object = ask_rule_json(ask, near->rule);
	json_t *failed = cli_json_array(), *reasons = cli_json_array();

	for (int k = 0; k < NEAR_CLAUSES_N; k++) {
		_cleanup_free_ char *reason = NULL;

		if (!(near->failed & 1u << k))
			continue;
		reason = near_reason(ask, e->answer.verbs, near->rule, 1u << k);
		cli_json_add(failed, cli_json_text(near_clause_names[k]));
		cli_json_add(reasons, cli_json_text(reason));
	}
	cli_json_put(object, "failed", failed);
	cli_json_put(object, "reasons", reasons);
	return object;
}

static json_t *
rules_json(struct ask *ask, const uint32_t *rules, size_t n)
{
	json_t *array = cli_json_array();

	for (size_t i = 0; i < n; i++)
		cli_json_add(array, ask_rule_json(ask, rules[i]));
	return array;
}

static void
put_explanation(struct ask *ask, struct explanation *e, json_t *object)
{
	json_t *matched = cli_json_array(), *near = cli_json_array();

	for (size_t i = 0; i < e->rules.n_matched; i++)
		cli_json_add(matched, ask_rule_json(ask, e->rules.items[i].rule));
	for (size_t i = e->rules.n_matched; i < e->shown; i++)
		cli_json_add(near, near_json(ask, e, &e->rules.items[i]));
	answer_json(ask, &e->answer, object);
	cli_json_put(object, "verdict", cli_json_text(is_allowed(e) ? "allow" : "deny"));
	cli_json_put(object, "matched", matched);
	cli_json_put(object, "near", near);
	cli_json_put(object, "near_more", cli_json_integer((json_int_t)(e->rules.n - e->shown)));
	cli_json_put(object, "together", rules_json(ask, e->pair, e->together ? 2 : 0));
	cli_json_put(object, "begin", cli_json_text(e->begin));
	cli_json_put(object, "beginnings", rules_json(ask, e->beginnings, e->n_beginnings));
	cli_json_put(object, "incomplete", cli_json_bool(e->rules.incomplete));
}

/* --- both -------------------------------------------------------------------------------- */

static int
explain_json(struct ask *ask, struct explanation *all, size_t n)
{
	json_t *object, *list = cli_json_array();
	bool allowed = true;

	for (size_t i = 0; i < n; i++)
		allowed &= is_allowed(&all[i]);
	object = ask_json(ask, allowed);
	cli_json_put(object, "object", object_json(&all[0].there));
	for (size_t i = 0; ask->each && i < n; i++) {
		json_t *one = cli_json_object();

		put_explanation(ask, &all[i], one);
		cli_json_add(list, one);
	}
	if (ask->each) {
		cli_json_put(object, "each", list);
	} else {
		put_explanation(ask, &all[0], object);
		json_decref(list);
	}
	cli_json_print(object);
	return allowed ? CLI_YES : CLI_NO;
}

static int
explain_text(struct ask *ask, struct explanation *all, size_t n)
{
	bool allowed = true;

	/* All verdicts come first. */
	for (size_t i = 0; i < n; i++) {
		allowed &= is_allowed(&all[i]);
		if (ask->each)
			printf("%-7s ", policy_verb_names[i]);
		answer_print(ask, &all[i].answer, ask->each);
	}
	print_object(&all[0].there, NULL);
	for (size_t i = 0; i < n; i++) {
		if (ask->each) {
			printf("\n%s:\n", policy_verb_names[i]);
			answer_print(ask, &all[i].answer, false);
			print_object(&all[i].there, &all[0].there);
		}
		print_rules(ask, &all[i]);
	}
	return allowed ? CLI_YES : CLI_NO;
}

int
cli_explain(const struct cli_args *args)
{
	struct explanation all[POLICY_VERBS_N];
	struct ask ask;
	size_t n = 0;
	int r = ask_start(args, &ask);

	for (unsigned i = 0; r == CLI_YES && i < POLICY_VERBS_N && (ask.each || n == 0); i++)
		all[n++] = explanation_find(&ask, ask.each ? 1u << i : ask.verbs,
					    args->value[CLI_ALL] != NULL);
	if (r == CLI_YES)
		r = ask.json ? explain_json(&ask, all, n) : explain_text(&ask, all, n);
	while (n > 0)
		explanation_clear(&all[--n]);
	ask_clear(&ask);
	return r;
}
