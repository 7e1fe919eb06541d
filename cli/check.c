/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "cli.h"
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

int
cli_check(const struct cli_args *args)
{
	size_t n = args->n_policies + (size_t)args->n_operands;
	_cleanup_free_ const char **paths = cli_resize(NULL, n, sizeof(char *));
	struct rules rules;
	int r;

	for (size_t i = 0; i < n; i++)
		paths[i] = i < args->n_policies ? args->policies[i]
						: args->operands[i - args->n_policies];

	r = rules_load(paths, n, &rules);
	if (r == 0 && rules.n_files == 0)
		cli_error("%s", RULES_NONE);
	summary(&rules);
	rules_clear(&rules);
	return r < 0 ? CLI_USAGE : CLI_YES;
}
