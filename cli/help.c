/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"

static void
print_options(unsigned options)
{
	for (int i = 0; i < CLI_OPTIONS_N; i++) {
		const struct cli_option *o = &cli_options[i];
		_cleanup_free_ char *name = NULL, *letter = NULL;

		if (!(options & CLI_TAKES(i)))
			continue;
		name = cli_format("--%s%s%s", o->name, o->argument ? "=" : "", o->argument ?: "");
		letter = o->letter ? cli_format("-%c,", o->letter) : cli_format("   ");
		printf("  %s %-16s %s\n", letter, name, o->help);
	}
}

void
cli_help_all(void)
{
	printf("Usage: fdbroker [OPTION]... SUBCOMMAND [ARGUMENT]...\n"
	       "Open files that a privileged broker holds the right to, and look after its "
	       "policy.\n"
	       "\nSubcommands:\n");
	for (size_t i = 0; i < cli_commands_n; i++)
		printf("  %-8s %s\n", cli_commands[i].name, cli_commands[i].summary);
	printf("\nOptions:\n");
	print_options(CLI_GLOBAL);
	printf("\n'fdbroker help SUBCOMMAND' says more; the manual page is fdbroker(1).\n");
}

void
cli_help_command(const struct cli_command *command)
{
	printf("Usage: fdbroker %s%s%s%s\n", command->name, command->options ? " [OPTION]..." : "",
	       *command->operands ? " " : "", command->operands);
	printf("%s\n\n%s\n\nOptions:\n", command->summary, command->help);
	print_options(command->options | CLI_TAKES(CLI_HELP));
}

int
cli_usage(const struct cli_command *command, const char *format, ...)
{
	char *text = NULL;
	va_list list;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);

	cli_error("%s%s%s", command ? command->name : "", command ? ": " : "",
		  text ?: "usage error");
	cli_line(stderr, "Try 'fdbroker help%s%s'.", command ? " " : "",
		 command ? command->name : "");
	free(text);
	return CLI_USAGE;
}

int
cli_help(const struct cli_args *args)
{
	const struct cli_command *command = NULL;

	if (args->n_operands == 0) {
		cli_help_all();
		return CLI_YES;
	}
	command = cli_command_find(args->operands[0]);
	if (!command)
		return CLI_USAGE;
	cli_help_command(command);
	return CLI_YES;
}
