/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "cli.h"
#include "conditions.h"
#include "except.h"
#include "json.h"
#include "object.h"
#include "subject.h"
#include "text.h"

enum {
	SHOWN_BYTES = 200, /* of a line of the policy */
};

static void
add_once(uint32_t **rules, size_t *n, uint32_t rule)
{
	for (size_t i = 0; i < *n; i++)
		if ((*rules)[i] == rule)
			return;
	*rules = cli_resize(*rules, *n + 1, sizeof(**rules));
	(*rules)[(*n)++] = rule;
}

/* A rule whose own except alone, or with other clauses, keeps it from this peer. */
static void
note_around(void *context, uint32_t rule, unsigned failed)
{
	struct answer *answer = context;

	if (failed & POLICY_CLAUSE_EXCEPT && !(failed & POLICY_CLAUSE_WHO))
		add_once(&answer->around, &answer->n_around, rule);
}

/* A rule whose day is over, and which would allow it else. */
static void
note_over(void *context, uint32_t rule, unsigned failed)
{
	struct answer *answer = context;

	if (failed == POLICY_CLAUSE_UNTIL)
		add_once(&answer->over, &answer->n_over, rule);
}

/* Those that deny are over for good. */
static void
find_over(const struct ask *ask, struct answer *answer)
{
	struct policy_request request = ask_request(ask, answer->verbs, 0);
	size_t kept = 0;

	policy_explain(ask->rules.image, &ask->identity, &request, note_over, answer);
	for (size_t i = 0; i < answer->n_over; i++) {
		struct policy_rule rule;

		policy_rule_describe(ask->rules.image, answer->over[i], &rule);
		if (rule.verdict == POLICY_ALLOW)
			answer->over[kept++] = answer->over[i];
	}
	answer->n_over = kept;
}

/* None where it would do nothing: for a path behind a symbolic link, and to open a directory. */
static void
suggest(const struct ask *ask, struct answer *answer)
{
	char text[POLICY_VERBS_TEXT_MAX];
	_cleanup_free_ char *pattern = cli_literal_pattern(ask->path), *rule = NULL;
	struct policy_request request = ask_request(ask, answer->verbs, 0);
	struct object object;
	const char *type;
	bool in_vain;

	object_look(ask, answer->verbs, &object);
	in_vain = object.path &&
		  (strcmp(object.kind, "symbolic link") == 0 ||
		   strcmp(object.kind, "directory") == 0 || strcmp(object.kind, "socket") == 0);
	type = object_type(&object);
	object_clear(&object);
	if (in_vain)
		return;
	rule = cli_format("allow %s %s %s%s%s", ask->who_text,
			  policy_verbs_text(answer->verbs, text), pattern, type ? " type=" : "",
			  type ?: "");
	answer->refused =
		subject_is_overflow(ask) ? cli_format("%s", SUBJECT_OVERFLOW) : rules_refused(rule);
	if (answer->refused)
		return;
	answer->suggestion = rule;
	rule = NULL;
	policy_explain(ask->rules.image, &ask->identity, &request, note_around, answer);
}

struct answer
ask_answer(const struct ask *ask, unsigned verbs)
{
	struct answer answer = {.verbs = verbs};
	struct policy_request request = ask_request(ask, verbs, 0);
	struct policy_decision decision;

	if (ask->unserved) {
		answer.decision = (struct policy_decision){.rule = POLICY_NO_RULE};
		return answer;
	}
	policy_decide(ask->rules.image, &ask->identity, &request, &answer.decision);
	decision = answer.decision;
	while (decision.verdict == POLICY_ALLOW) {
		answer.allows =
			cli_resize(answer.allows, answer.n_allows + 1, sizeof(*answer.allows));
		answer.allows[answer.n_allows++] = decision.rule;
		request.from = decision.next;
		policy_decide(ask->rules.image, &ask->identity, &request, &decision);
	}
	if (answer.decision.rule == POLICY_NO_RULE && !answer.decision.exhausted) {
		find_over(ask, &answer);
		suggest(ask, &answer);
	}
	return answer;
}

void
answer_clear(struct answer *answer)
{
	free(answer->allows);
	free(answer->suggestion);
	free(answer->refused);
	free(answer->around);
	free(answer->over);
	*answer = (struct answer){0};
}

/* --- text -------------------------------------------------------------------------------- */

void
ask_print_rule(struct ask *ask, const char *tag, uint32_t number)
{
	struct policy_rule rule;
	struct rules_line line;

	policy_rule_describe(ask->rules.image, number, &rule);
	line = rules_line(&ask->rules, rule.file, rule.line);
	cli_line(stdout, "%-6s %s:%u  %.*s%s", tag, rule.file, rule.line,
		 (int)(line.length < SHOWN_BYTES ? line.length : SHOWN_BYTES), line.text,
		 line.length > SHOWN_BYTES ? "..." : "");
}

static void
print_notes(struct ask *ask, uint32_t number)
{
	_cleanup_free_ char *pattern = except_find_set(ask, number);
	struct policy_rule rule;

	policy_rule_describe(ask->rules.image, number, &rule);
	if (pattern)
		cli_line(stdout, "       pattern: %s", pattern);
	if (rule.id)
		cli_line(stdout, "       id: %s", rule.id);
	if (rule.because)
		cli_line(stdout, "       because: %s", rule.because);
}

static void
print_conditions(struct ask *ask, unsigned verbs, uint32_t rule)
{
	struct conditions conditions;

	conditions_find(ask, verbs, rule, &conditions);
	for (size_t i = 0; i < conditions.n; i++)
		cli_line(stdout, "       %s", conditions.lines[i]);
	conditions_clear(&conditions);
}

void
answer_print(struct ask *ask, const struct answer *answer, bool brief)
{
	const struct policy_decision *decision = &answer->decision;

	if (ask->unserved) {
		cli_line(stdout, "deny   %s", ASK_UNSERVED);
		return;
	}
	if (decision->exhausted) {
		cli_line(stdout, "deny   the patterns take too many steps for this path");
		if (!brief)
			cli_line(stdout, "       write fewer '**' and wildcards side by side, or "
					 "split the set of rules by directory");
		return;
	}
	if (decision->rule == POLICY_NO_RULE) {
		cli_line(stdout, "deny   no rule allows it");
		return;
	}
	ask_print_rule(ask, decision->verdict == POLICY_ALLOW ? "allow" : "deny", decision->rule);
	if (brief)
		return;
	print_notes(ask, decision->rule);
	for (size_t i = 0; i < answer->n_allows; i++) {
		if (i > 0) {
			ask_print_rule(ask, "or", answer->allows[i]);
			print_notes(ask, answer->allows[i]);
		}
		print_conditions(ask, answer->verbs, answer->allows[i]);
	}
}

void
answer_print_suggestion(struct ask *ask, const struct answer *answer, FILE *out, const char *indent)
{
	if (answer->suggestion)
		cli_line(out, "%s%s", indent, answer->suggestion);
	for (size_t i = 0; i < answer->n_around; i++) {
		struct policy_rule rule;

		policy_rule_describe(ask->rules.image, answer->around[i], &rule);
		cli_line(out, "%sthis goes round the except of %s:%u", indent, rule.file,
			 rule.line);
	}
	if (answer->refused)
		cli_line(out, "%s%s", indent, answer->refused);
}

/* --- JSON -------------------------------------------------------------------------------- */

static json_t *
types_json(unsigned types)
{
	static const char *const names[] = {"reg", "fifo", "chr", "blk"};
	json_t *array = cli_json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (types & 1u << i)
			cli_json_add(array, cli_json_text(names[i]));
	return array;
}

static json_t *
options_json(const struct policy_options *options)
{
	static const char *const stricts[] = {"yes", "sticky", "no"};
	static const char *const audits[] = {"first", "deny", "all"};
	static const char *const owners[] = {"any", "peer", "root"};
	_cleanup_free_ char *mode = cli_format("%04o", options->mode);
	_cleanup_free_ char *owner = options->owner == POLICY_OWNER_UID
					     ? cli_format("user:%u", options->owner_uid)
					     : cli_format("%s", owners[options->owner]);
	_cleanup_free_ char *until =
		options->until != POLICY_FOREVER ? ask_day_text(options->until) : NULL;
	json_t *object = cli_json_object();

	cli_json_put(object, "type", types_json(options->types));
	cli_json_put(object, "owner", cli_json_text(owner));
	cli_json_put(object, "strictmodes", cli_json_text(stricts[options->strict]));
	cli_json_put(object, "symlinks",
		     cli_json_text(options->symlinks_beneath ? "beneath" : "no"));
	cli_json_put(object, "mode", cli_json_text(mode));
	cli_json_put(object, "exec", cli_json_bool(options->exec));
	cli_json_put(object, "hidden", cli_json_bool(options->hidden));
	cli_json_put(object, "audit", cli_json_text(audits[options->audit]));
	cli_json_put(object, "until", cli_json_text(until));
	return object;
}

json_t *
ask_rule_json(struct ask *ask, uint32_t number)
{
	json_t *object = cli_json_object();
	struct policy_rule rule;
	struct rules_line line;

	policy_rule_describe(ask->rules.image, number, &rule);
	line = rules_line(&ask->rules, rule.file, rule.line);
	cli_json_put(object, "file", cli_json_text(ask->rules.sources[line.source].name));
	cli_json_put(object, "line", cli_json_integer(rule.line));
	cli_json_put(object, "text", cli_json_bytes(line.text, line.length));
	cli_json_put(object, "verdict",
		     cli_json_text(rule.verdict == POLICY_ALLOW ? "allow" : "deny"));
	cli_json_put(object, "verbs", cli_json_verbs(rule.verbs));
	cli_json_put(object, "id", cli_json_printable(rule.id));
	cli_json_put(object, "because", cli_json_printable(rule.because));
	cli_json_put(object, "options", options_json(&rule.options));
	return object;
}

/* Through which set the rule came to the path. */
static void
put_pattern(struct ask *ask, uint32_t rule, json_t *object)
{
	_cleanup_free_ char *pattern = except_find_set(ask, rule);

	cli_json_put(object, "pattern", cli_json_text(pattern));
}

/* With what it asks of the object. */
static json_t *
allow_json(struct ask *ask, unsigned verbs, uint32_t rule)
{
	json_t *object = ask_rule_json(ask, rule), *lines = cli_json_array();
	struct conditions conditions;

	conditions_find(ask, verbs, rule, &conditions);
	for (size_t i = 0; i < conditions.n; i++)
		cli_json_add(lines, cli_json_text(conditions.lines[i]));
	conditions_clear(&conditions);
	put_pattern(ask, rule, object);
	cli_json_put(object, "conditions", lines);
	return object;
}

void
answer_json(struct ask *ask, const struct answer *answer, json_t *object)
{
	const struct policy_decision *decision = &answer->decision;
	json_t *alternatives = cli_json_array(), *rule = cli_json_null();
	json_t *around = cli_json_array(), *over = cli_json_array();

	if (answer->n_allows > 0)
		rule = allow_json(ask, answer->verbs, answer->allows[0]);
	else if (decision->rule != POLICY_NO_RULE) {
		rule = ask_rule_json(ask, decision->rule);
		put_pattern(ask, decision->rule, rule);
	}
	for (size_t i = 1; i < answer->n_allows; i++)
		cli_json_add(alternatives, allow_json(ask, answer->verbs, answer->allows[i]));
	cli_json_put(object, "verdict",
		     cli_json_text(decision->verdict == POLICY_ALLOW ? "allow" : "deny"));
	cli_json_put(object, "verbs", cli_json_verbs(answer->verbs));
	cli_json_put(object, "rule", rule);
	cli_json_put(object, "alternatives", alternatives);
	cli_json_put(object, "exhausted", cli_json_bool(decision->exhausted));
	cli_json_put(object, "unserved", cli_json_text(ask->unserved ? ASK_UNSERVED : NULL));
	cli_json_put(object, "suggestion", cli_json_text(answer->suggestion));
	cli_json_put(object, "refused", cli_json_printable(answer->refused));
	for (size_t i = 0; i < answer->n_around; i++)
		cli_json_add(around, ask_rule_json(ask, answer->around[i]));
	cli_json_put(object, "around", around);
	for (size_t i = 0; i < answer->n_over; i++)
		cli_json_add(over, ask_rule_json(ask, answer->over[i]));
	cli_json_put(object, "over", over);
}
