/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "rules.h"
#include "text.h"
#include "who.h"

static int
unknown_verb(const struct cli_command *command, const char *word)
{
	const char *nearest = *word ? cli_nearest(word, policy_verb_names, POLICY_VERBS_N) : NULL;
	char all[POLICY_VERBS_TEXT_MAX];

	if (nearest)
		return cli_usage(command, "unknown verb '%s'; did you mean '%s'?", word, nearest);
	return cli_usage(command, "unknown verb '%s'; there are %s", word,
			 policy_verbs_text(POLICY_VERBS_ALL, all));
}

static int
parse_verbs(const struct cli_args *args, unsigned *ret_verbs)
{
	_cleanup_free_ char *list = cli_format("%s", args->operands[1]);
	unsigned verbs = 0;

	for (char *rest = list, *word; (word = strsep(&rest, ",")) != NULL;) {
		unsigned verb = 0;

		if (policy_verbs_parse(word, &verb) < 0)
			return unknown_verb(args->command, word);
		verbs |= verb;
	}
	*ret_verbs = verbs;
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
	cli_line(stdout, "%s  %s:%u", allowed ? "allow" : "deny ", rule.file, rule.line);
	return allowed ? CLI_YES : CLI_NO;
}

/* The policy judges names. What is there now, as far as the caller may look? */
static void
note_file(const char *path)
{
	_cleanup_free_ char *part = cli_format("%s", path);
	size_t at = 0;

	do {
		const char *what = NULL;
		struct stat status;

		at += 1 + strcspn(path + at + 1, "/");
		part[at] = '\0';
		if (lstat(part, &status) < 0)
			return;
		if (S_ISLNK(status.st_mode))
			what = "symbolic link";
		else if (path[at] == '\0' && !S_ISREG(status.st_mode))
			what = S_ISDIR(status.st_mode)    ? "directory"
			       : S_ISFIFO(status.st_mode) ? "FIFO"
			       : S_ISSOCK(status.st_mode) ? "socket"
							  : "device";
		if (what) {
			cli_error("%s is a %s: the broker will not give it", part, what);
			return;
		}
		part[at] = path[at];
	} while (path[at]);
}

int
cli_can(const struct cli_args *args)
{
	const char *path = args->operands[2];
	struct policy_decision decision = {.verdict = POLICY_DENY, .rule = POLICY_NO_RULE};
	_cleanup_free_ uint32_t *ids = cli_resize(NULL, POLICY_SUBJECTS_MAX, sizeof(uint32_t));
	struct who who = {0};
	struct rules rules = {0};
	struct policy_identity identity;
	struct policy_request request;
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
		cli_error("the policy has errors, which stand above: no verdict");
		r = CLI_USAGE;
	} else if ((r = policy_subjects(rules.image, &who.peer, ids, POLICY_SUBJECTS_MAX, &n)) <
		   0) {
		cli_error("%s: %s", args->operands[0], strerror(-r));
		r = CLI_USAGE;
	} else {
		if (rules.n_files == 0)
			cli_error("%s", RULES_NONE);
		policy_identity_init(&identity, ids, n, who.peer.has_uid ? &who.peer.uid : NULL,
				     NULL);
		request = (struct policy_request){
			.path = path, .length = strlen(path), .verbs = verbs, .day = POLICY_NO_DAY};
		policy_decide(rules.image, &identity, &request, &decision);
		r = print_decision(rules.image, &decision, args->operands[0], verbs, path);
		if (r == CLI_YES)
			note_file(path);
	}
	rules_clear(&rules);
	who_clear(&who);
	return r;
}
