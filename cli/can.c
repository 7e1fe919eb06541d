/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "rules.h"
#include "text.h"
#include "who.h"

static int
parse_verbs(const struct cli_args *args, unsigned *ret_verbs)
{
	static const char *const names[] = {"read", "write", "create", "stat", "list"};
	_cleanup_free_ char *list = cli_format("%s", args->operands[1]);

	for (char *rest = list, *word; (word = strsep(&rest, ",")) != NULL;) {
		const char *nearest = cli_nearest(word, names, sizeof(names) / sizeof(names[0]));
		size_t i = 0;

		while (i < sizeof(names) / sizeof(names[0]) && strcmp(word, names[i]) != 0)
			i++;
		if (i < sizeof(names) / sizeof(names[0]))
			continue;
		if (nearest)
			return cli_usage(args->command, "unknown verb '%s'; did you mean '%s'?",
					 word, nearest);
		return cli_usage(args->command,
				 "unknown verb '%s'; there are read,write,create,stat,list", word);
	}
	if (policy_verbs_parse(args->operands[1], ret_verbs) < 0)
		return cli_usage(args->command, "verbs '%s'", args->operands[1]);
	return CLI_YES;
}

static void
print_default(const char *who, unsigned verbs, const char *path)
{
	char text[POLICY_VERBS_TEXT_MAX];
	_cleanup_free_ char *pattern = cli_literal_pattern(path), *rule = NULL;

	(void)policy_verbs_text(verbs, text);
	rule = cli_format("allow %s %s %s", who, text, pattern);
	cli_line(stdout, "deny   no rule allows it");
	if (!rules_would_compile(rule))
		return;
	cli_error("to let %s %s %s, a policy file needs this rule, or a wider one:", who, text,
		  path);
	cli_line(stderr, "    %s", rule);
}

static int
print_decision(const struct policy_image *image, const struct policy_decision *decision,
	       const char *who, unsigned verbs, const char *path)
{
	bool allowed = decision->verdict == POLICY_ALLOW;
	struct policy_rule rule;

	if (decision->rule == POLICY_NO_RULE) {
		print_default(who, verbs, path);
		return CLI_NO;
	}
	policy_rule_describe(image, decision->rule, &rule);
	cli_line(stdout, "%s  %s:%u  %s", allowed ? "allow" : "deny ", rule.file, rule.line,
		 rule.text);
	return allowed ? CLI_YES : CLI_NO;
}

int
cli_can(const struct cli_args *args)
{
	const char *path = args->operands[2];
	struct policy_decision decision = {.verdict = POLICY_DENY, .rule = POLICY_NO_RULE};
	_cleanup_free_ uint32_t *ids = cli_resize(NULL, POLICY_SUBJECTS_MAX, sizeof(uint32_t));
	struct who who = {0};
	struct rules rules = {0};
	unsigned verbs = 0;
	size_t n = 0;
	int r = parse_verbs(args, &verbs);

	if (r != CLI_YES)
		return r;
	if (!policy_path_is_canonical(path, strlen(path)))
		return cli_not_canonical(path);
	r = who_parse(args->operands[0], &who);
	if (r != CLI_YES)
		return r;

	if (rules_load(args->policies, args->n_policies, &rules) < 0) {
		cli_error("the policy has errors; 'fdbroker check' shows them");
		r = CLI_USAGE;
	} else if ((r = policy_subjects(rules.image, &who.peer, ids, POLICY_SUBJECTS_MAX, &n)) <
		   0) {
		cli_error("%s: %s", args->operands[0], strerror(-r));
		r = CLI_USAGE;
	} else {
		policy_decide(rules.image, ids, n, path, strlen(path), verbs, &decision);
		r = print_decision(rules.image, &decision, args->operands[0], verbs, path);
	}
	rules_clear(&rules);
	who_clear(&who);
	return r;
}
