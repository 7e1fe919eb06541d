/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cli.h"
#include "json.h"
#include "prefixes.h"
#include "rules.h"
#include "text.h"

static char *
count(unsigned long n, const char *what)
{
	return n ? cli_format("%lu %s%s", n, what, n == 1 ? "" : "s") : cli_format("no %ss", what);
}

static void
summary(const struct rules *rules)
{
	_cleanup_free_ char *files = count(rules->n_files, "file");
	_cleanup_free_ char *errors = count(rules->diag.errors, "error");
	_cleanup_free_ char *warnings = count(rules->diag.warnings, "warning");

	printf("%s, ", files);
	if (rules->image) {
		_cleanup_free_ char *n = count(policy_image_rules(rules->image), "rule");

		printf("%s, ", n);
	}
	printf("%s%s%s\n", errors, rules->diag.warnings ? ", " : "",
	       rules->diag.warnings ? warnings : "");
}

static void
print_json(struct rules *rules)
{
	json_t *object = cli_json_object();

	cli_json_put(object, "files", cli_json_integer((json_int_t)rules->n_files));
	cli_json_put(object, "rules",
		     rules->image && rules->diag.errors == 0
			     ? cli_json_integer(policy_image_rules(rules->image))
			     : cli_json_null());
	cli_json_put(object, "errors", cli_json_integer((json_int_t)rules->diag.errors));
	cli_json_put(object, "warnings", cli_json_integer((json_int_t)rules->diag.warnings));
	cli_json_put(object, "notes", cli_json_integer((json_int_t)rules->diag.notes));
	cli_json_put(object, "messages", rules_messages(rules, false));
	cli_json_print(object);
}

int
cli_check(const struct cli_args *args)
{
	size_t n = args->n_policies + (size_t)args->n_operands;
	_cleanup_free_ const char **paths = cli_resize(NULL, n, sizeof(char *));
	bool json = args->value[CLI_JSON] != NULL;
	struct rules rules;
	int r;

	for (size_t i = 0; i < n; i++)
		paths[i] = i < args->n_policies ? args->policies[i]
						: args->operands[i - args->n_policies];

	(void)rules_load(paths, n, POLICY_COMPILE_REVIEW, json ? RULES_JSON : RULES_STDERR, &rules);
	if (rules.image)
		prefixes_check(&rules);
	r = rules.image && rules.diag.errors == 0 ? CLI_YES : CLI_USAGE;
	if (json) {
		print_json(&rules);
	} else {
		if (r == CLI_YES && rules.n_files == 0)
			cli_error("%s", RULES_NONE);
		summary(&rules);
	}
	rules_clear(&rules);
	return r;
}
