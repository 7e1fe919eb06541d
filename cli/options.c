/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client-lib/fdbroker.h"
#include "policy/words.h"
#include "text.h"

const struct cli_option cli_options[CLI_OPTIONS_N] = {
	[CLI_SOCKET] = {"socket", 0, "PATH",
			"the broker's socket ($FDBROKER_SOCKET, " BROKER_SOCKET_DEFAULT ")"},
	[CLI_SERVER_UID] = {"server-uid", 0, "UID",
			    "trust a broker of this user too ($FDBROKER_SERVER_UID)"},
	[CLI_ADMIN] = {"admin", 0, "PATH",
		       "its admin socket (" CLI_DEFAULT_ADMIN ", or that of the socket + .admin)"},
	[CLI_POLICY] = {"policy", 0, "PATH",
			"a directory or file of the policy; may be repeated (the system's)"},
	[CLI_FLAGS] = {"flags", 0, "LIST", "how to open, a comma list (read)"},
	[CLI_FD] = {"fd", 0, "N", "what CMD gets it as (0, or 1 for only writing)"},
	[CLI_MODE] = {"mode", 0, "OCTAL",
		      "of a file that is created, as far as the rule lets (0600)"},
	[CLI_LONG] = {"long", 'l', NULL, "mode, user, group, size and time of each as well"},
	[CLI_NULL] = {"null", '0', NULL, "whole paths as they are, a NUL byte behind each"},
	[CLI_NO_FOLLOW] = {"no-follow", 0, NULL, "of a symbolic link itself"},
	[CLI_JSON] = {"json", 0, NULL, "the answer as one JSON object"},
	[CLI_ON] = {"on", 0, "DAY", "decide as on this day, YYYY-MM-DD (today, UTC)"},
	[CLI_ALL] = {"all", 0, NULL, "show all near misses (the best 20)"},
	[CLI_HELP] = {"help", 'h', NULL, "this text"},
	[CLI_VERSION] = {"version", 'V', NULL, "the version"},
};

const char *
cli_nearest(const char *word, const char *const *names, size_t n)
{
	return policy_nearest(word, strlen(word), names, n);
}

static int
unknown_option(const struct cli_command *command, const char *argument, const char *word,
	       unsigned accepted)
{
	const char *names[CLI_OPTIONS_N];
	size_t n = 0;

	for (size_t i = 0; i < CLI_OPTIONS_N; i++)
		if (accepted & CLI_TAKES(i))
			names[n++] = cli_options[i].name;

	const char *nearest = *word ? cli_nearest(word, names, n) : NULL;

	if (nearest)
		(void)cli_usage(command, "unknown option '%s'; did you mean '--%s'?", argument,
				nearest);
	else
		(void)cli_usage(command, "unknown option '%s'", argument);
	return -EINVAL;
}

/* Which option argument is; *ret_value: what follows "=", or NULL. */
static int
find_option(const char *argument, unsigned accepted, const char **ret_value)
{
	const char *name = argument + 2, *value = NULL;
	size_t n = strcspn(name, "=");

	if (argument[1] == '-' && name[n] == '=')
		value = name + n + 1;
	for (int i = 0; i < CLI_OPTIONS_N; i++) {
		const struct cli_option *o = &cli_options[i];

		if (!(accepted & CLI_TAKES(i)))
			continue;
		if (argument[1] == '-' ? strlen(o->name) == n && strncmp(o->name, name, n) == 0
				       : o->letter && argument[1] == o->letter && !argument[2]) {
			*ret_value = value;
			return i;
		}
	}
	return -1;
}

/* Reads the option at arguments[0]. Returns how many arguments it took, or -EINVAL. */
static int
parse_option(struct cli_args *args, char **arguments, unsigned accepted)
{
	const char *value = NULL;
	int taken = 1, id = find_option(arguments[0], accepted, &value);

	if (id < 0) {
		_cleanup_free_ char *word =
			cli_format("%s", arguments[0] + strspn(arguments[0], "-"));

		word[strcspn(word, "=")] = '\0';
		return unknown_option(args->command, arguments[0], word, accepted);
	}

	const struct cli_option *o = &cli_options[id];

	if (!o->argument) {
		if (value) {
			(void)cli_usage(args->command, "option '--%s' takes no value", o->name);
			return -EINVAL;
		}
		args->value[id] = "";
		return taken;
	}
	if (!value) {
		value = arguments[1];
		taken = 2;
	}
	if (!value || !*value) {
		(void)cli_usage(args->command, "option '--%s' needs a value: --%s=%s", o->name,
				o->name, o->argument);
		return -EINVAL;
	}
	args->value[id] = value;
	if (id == CLI_POLICY) {
		args->policies = cli_resize(args->policies, args->n_policies + 1, sizeof(char *));
		args->policies[args->n_policies++] = value;
	}
	return taken;
}

static void
add_operand(struct cli_args *args, const char *operand)
{
	args->operands = cli_resize(args->operands, (size_t)args->n_operands + 1, sizeof(char *));
	args->operands[args->n_operands++] = operand;
}

int
cli_parse(struct cli_args *args, char **arguments, unsigned accepted)
{
	int i = 0;

	while (arguments[i]) {
		if (strcmp(arguments[i], "--") == 0 && args->command) {
			i++;
			if (args->command->takes_program) {
				args->program = arguments + i;
				return i;
			}
			for (; arguments[i]; i++)
				add_operand(args, arguments[i]);
		} else if (arguments[i][0] == '-' && arguments[i][1]) {
			int r = parse_option(args, arguments + i, accepted);

			if (r < 0)
				return r;
			i += r;
		} else if (!args->command) {
			return i;
		} else {
			add_operand(args, arguments[i++]);
		}
	}
	return i;
}
