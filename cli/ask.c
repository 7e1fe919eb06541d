/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "json.h"
#include "text.h"

enum {
	SECONDS_A_DAY = 24 * 60 * 60,
};

char *
ask_day_text(int32_t day)
{
	time_t t = (time_t)day * SECONDS_A_DAY;
	char text[32] = "";
	struct tm parts;

	if (!gmtime_r(&t, &parts) || strftime(text, sizeof(text), "%Y-%m-%d", &parts) == 0)
		return cli_format("day %d", day);
	return cli_format("%s", text);
}

static int
parse_day(const struct cli_args *args, int32_t *ret_day)
{
	const char *text = args->value[CLI_ON];
	struct tm parts = {0};
	const char *end;

	if (!text) {
		*ret_day = (int32_t)(time(NULL) / SECONDS_A_DAY);
		return CLI_YES;
	}
	end = strptime(text, "%Y-%m-%d", &parts);
	if (end && !*end && parts.tm_year >= 70) {
		int32_t day = (int32_t)(timegm(&parts) / SECONDS_A_DAY);
		_cleanup_free_ char *back = ask_day_text(day);

		/* What is no such day, or is written otherwise, does not come back. */
		if (strcmp(back, text) == 0) {
			*ret_day = day;
			return CLI_YES;
		}
	}
	return cli_usage(args->command, "--on: no day '%s'; write YYYY-MM-DD", text);
}

/* --- verbs ------------------------------------------------------------------------------- */

static int
unknown_verb(const struct cli_command *command, const char *word)
{
	const char *nearest = *word ? cli_nearest(word, policy_verb_names, POLICY_VERBS_N) : NULL;
	char all[POLICY_VERBS_TEXT_MAX];

	if (nearest)
		return cli_usage(command, "unknown verb '%s'; did you mean '%s'?", word, nearest);
	return cli_usage(command, "unknown verb '%s'; there are %s, or 'any' alone", word,
			 policy_verbs_text(POLICY_VERBS_ALL, all));
}

static int
parse_verbs(const struct cli_args *args, struct ask *ask)
{
	_cleanup_free_ char *list = cli_format("%s", args->operands[1]);

	if (strcmp(list, "any") == 0) {
		ask->verbs = POLICY_VERBS_ALL;
		ask->each = true;
		return CLI_YES;
	}
	for (char *rest = list, *word; (word = strsep(&rest, ",")) != NULL;) {
		unsigned verb = 0;

		if (policy_verbs_parse(word, &verb) < 0)
			return unknown_verb(args->command, word);
		ask->verbs |= verb;
	}
	return CLI_YES;
}

/* --- the question ------------------------------------------------------------------------ */

/* There is no verdict. With a policy that is not loaded there are no messages. */
static int
fail(struct ask *ask, const char *error, const char *text)
{
	json_t *object;

	if (!ask->json) {
		cli_error("%s", text);
		return CLI_USAGE;
	}
	object = cli_json_object();
	cli_json_put(object, "error", cli_json_text(error));
	cli_json_put(object, "messages", rules_messages(&ask->rules, true));
	cli_json_put(object, "warnings", cli_json_integer((json_int_t)ask->rules.diag.warnings));
	cli_json_print(object);
	return CLI_USAGE;
}

static int
note_reach(void *context, const struct policy_reach *reach)
{
	(void)context;
	(void)reach;
	return 0;
}

/* A worker that would have to reach too much does not start. */
static void
find_reach(struct ask *ask)
{
	int r = policy_reach(ask->rules.image, &ask->identity, note_reach, NULL);

	if (r == -ENOMEM)
		cli_out_of_memory();
	ask->unserved = r < 0;
}

static int
load(const struct cli_args *args, struct ask *ask)
{
	size_t n = 0;
	int r = rules_load(args->policies, args->n_policies, 0, ask->json ? RULES_JSON : RULES_TEXT,
			   &ask->rules);

	if (r < 0) {
		if (!ask->json)
			rules_print_errors(&ask->rules);
		return fail(ask, "the policy has errors",
			    "the policy has errors, which stand above: no verdict");
	}
	r = policy_subjects(ask->rules.image, &ask->who.peer, ask->ids, POLICY_SUBJECTS_MAX, &n);
	if (r < 0) {
		const char *why = r == -E2BIG ? "more than 1024 different whos of rules match this "
						"peer: the broker refuses it"
					      : strerror(-r);
		_cleanup_free_ char *text = cli_format("%s: %s", ask->who_text, why);

		return fail(ask, text, text);
	}
	policy_identity_init(&ask->identity, ask->ids, n,
			     ask->who.peer.has_uid ? &ask->who.peer.uid : NULL, ask->who.user);
	find_reach(ask);
	return CLI_YES;
}

static int
parse_who(struct ask *ask)
{
	_cleanup_free_ char *unknown = NULL;
	int r = who_parse(ask->who_text, &ask->who, &unknown);

	return unknown ? fail(ask, unknown, unknown) : r;
}

/* Only `check` shows warnings: here they would hide the answer. */
static void
say_warnings(const struct ask *ask)
{
	unsigned long n = ask->rules.diag.warnings;

	if (n > 0)
		cli_error("%lu warning%s: fdbroker check shows %s", n, n == 1 ? "" : "s",
			  n == 1 ? "it" : "them");
}

static char *
explain_command(const struct cli_args *args)
{
	char *text = cli_format("fdbroker explain");

	for (size_t i = 0; i < args->n_policies; i++) {
		_cleanup_free_ char *before = text, *word = cli_shell_word(args->policies[i]);

		text = cli_format("%s --policy %s", before, word);
	}
	if (args->value[CLI_ON]) {
		_cleanup_free_ char *before = text;

		text = cli_format("%s --on %s", before, args->value[CLI_ON]);
	}
	return text;
}

int
ask_start(const struct cli_args *args, struct ask *ret_ask)
{
	const char *path = args->operands[2];
	int r;

	*ret_ask = (struct ask){
		.who_text = args->operands[0],
		.path = path,
		.length = strlen(path),
		.json = args->value[CLI_JSON] != NULL,
		.command = explain_command(args),
		.ids = cli_resize(NULL, POLICY_SUBJECTS_MAX, sizeof(uint32_t)),
	};
	r = parse_verbs(args, ret_ask);
	if (r == CLI_YES)
		r = parse_day(args, &ret_ask->day);
	if (r == CLI_YES && !policy_path_is_canonical(path, ret_ask->length))
		r = cli_not_canonical(path);
	if (r == CLI_YES)
		r = parse_who(ret_ask);
	if (r == CLI_YES)
		r = load(args, ret_ask);
	if (r != CLI_YES || ret_ask->json)
		return r;
	who_say(&ret_ask->who);
	say_warnings(ret_ask);
	if (ret_ask->rules.n_files == 0)
		cli_error("%s", RULES_NONE);
	return CLI_YES;
}

void
ask_clear(struct ask *ask)
{
	rules_clear(&ask->rules);
	who_clear(&ask->who);
	free(ask->command);
	free(ask->ids);
	free(ask->lacks);
	ask->command = NULL;
	ask->ids = NULL;
	ask->lacks = NULL;
}

struct policy_request
ask_request(const struct ask *ask, unsigned verbs, uint32_t from)
{
	return (struct policy_request){
		.path = ask->path,
		.length = ask->length,
		.verbs = verbs,
		.day = ask->day,
		.from = from,
	};
}

json_t *
ask_json(struct ask *ask, bool allowed)
{
	json_t *object = cli_json_object();
	_cleanup_free_ char *day = ask_day_text(ask->day);

	cli_json_put(object, "verdict", cli_json_text(allowed ? "allow" : "deny"));
	cli_json_put(object, "who", who_json(&ask->who, ask->who_text));
	cli_json_put(object, "path", cli_json_bytes(ask->path, ask->length));
	cli_json_put(object, "day", cli_json_text(day));
	cli_json_put(object, "files", cli_json_integer((json_int_t)ask->rules.n_files));
	cli_json_put(object, "messages", rules_messages(&ask->rules, true));
	cli_json_put(object, "warnings", cli_json_integer((json_int_t)ask->rules.diag.warnings));
	return object;
}
