/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "ask.h"
#include "cli.h"
#include "json.h"
#include "near.h"
#include "object.h"
#include "text.h"

/* Where a rule denies it, it does not matter what is there. */
static bool
object_matters(const struct answer *answer)
{
	return answer->decision.verdict == POLICY_ALLOW || answer->decision.rule == POLICY_NO_RULE;
}

static void
print_object(const struct ask *ask, const struct answer *answer)
{
	_cleanup_free_ char *text = NULL, *advice = NULL;
	struct object object;

	object_look(ask, answer->verbs, &object);
	text = object_text(&object);
	advice = object_advice(&object);
	if (text)
		cli_error("%s", text);
	if (advice)
		cli_error("%s", advice);
	object_clear(&object);
}

static void
print_over(struct ask *ask, const struct answer *answer)
{
	for (size_t i = 0; i < answer->n_over; i++) {
		_cleanup_free_ char *reason =
			near_reason(ask, answer->verbs, answer->over[i], POLICY_CLAUSE_UNTIL);
		struct policy_rule rule;

		policy_rule_describe(ask->rules.image, answer->over[i], &rule);
		cli_error("%s:%u would allow it, but is %s", rule.file, rule.line, reason);
	}
}

static void
print(struct ask *ask, const struct answer *answer)
{
	char text[POLICY_VERBS_TEXT_MAX];

	answer_print(ask, answer, false);
	print_over(ask, answer);
	if (answer->refused)
		cli_error("no rule can allow it to this WHO:");
	if (answer->suggestion)
		cli_error("to let %s %s %s, a policy file needs this rule, or a wider one:",
			  ask->who_text, policy_verbs_text(answer->verbs, text), ask->path);
	answer_print_suggestion(ask, answer, stderr, "    ");
	if (object_matters(answer))
		print_object(ask, answer);
}

static void
print_json(struct ask *ask, const struct answer *answer)
{
	json_t *object = ask_json(ask, answer->decision.verdict == POLICY_ALLOW);
	struct object there = {0};

	answer_json(ask, answer, object);
	if (object_matters(answer))
		object_look(ask, answer->verbs, &there);
	cli_json_put(object, "object", object_json(&there));
	object_clear(&there);
	cli_json_print(object);
}

static int
together(struct ask *ask)
{
	struct answer answer = ask_answer(ask, ask->verbs);
	bool allowed = answer.decision.verdict == POLICY_ALLOW;

	if (ask->json)
		print_json(ask, &answer);
	else
		print(ask, &answer);
	answer_clear(&answer);
	return allowed ? CLI_YES : CLI_NO;
}

/* VERBS is `any`: one line for each. */
static int
each(struct ask *ask)
{
	json_t *list = cli_json_array();
	bool allowed = true;

	for (int i = 0; i < POLICY_VERBS_N; i++) {
		struct answer answer = ask_answer(ask, 1u << i);
		json_t *object = cli_json_object();

		allowed &= answer.decision.verdict == POLICY_ALLOW;
		answer_json(ask, &answer, object);
		cli_json_add(list, object);
		if (!ask->json) {
			printf("%-7s ", policy_verb_names[i]);
			answer_print(ask, &answer, true);
		}
		answer_clear(&answer);
	}
	if (ask->json) {
		json_t *object = ask_json(ask, allowed);

		cli_json_put(object, "each", list);
		cli_json_put(object, "object", cli_json_null());
		cli_json_print(object);
	} else {
		json_decref(list);
	}
	return allowed ? CLI_YES : CLI_NO;
}

int
cli_can(const struct cli_args *args)
{
	struct ask ask;
	int r = ask_start(args, &ask);

	if (r == CLI_YES)
		r = ask.each ? each(&ask) : together(&ask);
	ask_clear(&ask);
	return r;
}
