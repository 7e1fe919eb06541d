/* SPDX-License-Identifier: MIT */
/* Runs as: whoever calls it. Trusts: nobody's bytes on a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "client-lib/connection.h"
#include "client-lib/fdbroker.h"
#include "text.h"

#define ONLINE  (CLI_TAKES(CLI_SOCKET) | CLI_TAKES(CLI_SERVER_UID))
#define ADMIN   (ONLINE | CLI_TAKES(CLI_ADMIN))
#define OFFLINE (CLI_TAKES(CLI_POLICY))

#define QUESTION (OFFLINE | CLI_TAKES(CLI_JSON) | CLI_TAKES(CLI_ON))
#define QUESTION_HELP                                                                              \
	"WHO is a peer: user:NAME, group:NAME, unit:NAME.service and label:TEXT, joined\n"         \
	"with '+', or 'any', of whom nothing is known. Users and groups may be numbers.\n"         \
	"A user brings the groups of the system's database unless groups are named.\n"             \
	"VERBS is a comma list of read, write, create, stat, list, which one rule has\n"           \
	"to allow together; 'any' asks for each by itself.\n"                                      \
	"Reads policy files, needs no broker.\n"                                                   \
	"Exit: 0 allowed, 1 denied, 2 usage or policy error."

const struct cli_command cli_commands[] = {
	{
		.name = "cat",
		.operands = "PATH...",
		.summary = "Copy files to standard output",
		.help = "Asks the broker for each PATH and copies it. When one is refused the\n"
			"others are still copied.\n"
			"Exit: 0 all were copied, 1 one or more were not, 2 usage.",
		.options = ONLINE,
		.least = 1,
		.most = -1,
		.run = cli_cat,
	},
	{
		.name = "open",
		.operands = "PATH -- CMD [ARG]...",
		.summary = "Run a program with a file open",
		.help = "Asks the broker for PATH and executes CMD with it as descriptor N.\n"
			"LIST: " CLI_FLAG_WORDS ".\n"
			"Exit: CMD's own; 126 CMD cannot be executed, 127 it was not found;\n"
			"1 the file was not opened, 2 usage.",
		.options = ONLINE | CLI_TAKES(CLI_FLAGS) | CLI_TAKES(CLI_MODE) | CLI_TAKES(CLI_FD),
		.least = 1,
		.most = 1,
		.takes_program = true,
		.run = cli_open,
	},
	{
		.name = "ls",
		.operands = "PATH...",
		.summary = "List directories",
		.help = "Asks the broker for the names in each directory, and prints them in "
			"order:\n"
			"those on which a rule grants list, stat or read. With --long what may "
			"not\n"
			"be known is shown as '?'. Of several directories each has its path "
			"above.\n"
			"Exit: 0 all were listed, 1 one or more were not, 2 usage.",
		.options = ONLINE | CLI_TAKES(CLI_LONG) | CLI_TAKES(CLI_NULL),
		.least = 1,
		.most = -1,
		.run = cli_ls,
	},
	{
		.name = "stat",
		.operands = "PATH...",
		.summary = "Show size, owner, mode and times of files",
		.help = "Asks the broker for each PATH, which may be a directory, and prints what\n"
			"stat(1) does: a line for each key, or one JSON object on one line.\n"
			"Exit: 0 all were shown, 1 one or more were not, 2 usage.",
		.options = ONLINE | CLI_TAKES(CLI_NO_FOLLOW) | CLI_TAKES(CLI_JSON),
		.least = 1,
		.most = -1,
		.run = cli_stat,
	},
	{
		.name = "check",
		.operands = "[FILE|DIR]...",
		.summary = "Look for errors in policy files",
		.help = "Compiles files and directories as one policy, without a broker; without\n"
			"arguments those of the system. Warns of rules that do nothing, or less\n"
			"than they seem to. A symbolic link where a pattern begins is an error\n"
			"for root, a warning for others.\n"
			"Exit: 0 no errors, 2 errors or usage.",
		.options = OFFLINE | CLI_TAKES(CLI_JSON),
		.most = -1,
		.run = cli_check,
	},
	{
		.name = "can",
		.operands = "WHO VERBS PATH",
		.summary = "Ask what the policy decides, and by which rule",
		.help = QUESTION_HELP,
		.options = QUESTION,
		.least = 3,
		.most = 3,
		.run = cli_can,
	},
	{
		.name = "explain",
		.operands = "WHO VERBS PATH",
		.summary = "Say why: the rules that decide, match, or nearly do",
		.help = "First the answer of 'can', then every other rule that matches, then near\n"
			"misses: each clause that does not hold, and what to "
			"write.\n" QUESTION_HELP,
		.options = QUESTION | CLI_TAKES(CLI_ALL),
		.least = 3,
		.most = 3,
		.run = cli_explain,
	},
	{
		.name = "whoami",
		.operands = "",
		.summary = "Show who the broker says you are, and your rules",
		.help = "User, groups, unit and label as the broker sees them, the policy in "
			"force\n"
			"and each rule that is for this peer, with its line where the file may be\n"
			"read. What a rule covers, 'fdbroker explain' says.\n"
			"Exit: 0 shown, 1 no broker or refused, 2 usage.",
		.options = ONLINE | CLI_TAKES(CLI_JSON),
		.run = cli_whoami,
	},
	{
		.name = "status",
		.operands = "",
		.summary = "Show the broker's state",
		.help = "Version, policy in force, last load, layers that are off, workers.\n"
			"Exit: 0 shown, 1 no broker, 2 usage.",
		.options = ADMIN | CLI_TAKES(CLI_JSON),
		.run = cli_status,
	},
	{
		.name = "reload",
		.operands = "",
		.summary = "Load the policy anew, and wait until it is in force",
		.help = "Returns when the new policy is in force and every worker of the old one\n"
			"has finished. A policy with an error is not taken: the old one stays.\n"
			"Exit: 0 in force, 1 no broker or not finished in time,\n"
			"2 not loaded or usage.",
		.options = ADMIN,
		.run = cli_reload,
	},
	{
		.name = "help",
		.operands = "[SUBCOMMAND]",
		.summary = "Explain a subcommand",
		.help = "Without SUBCOMMAND: list them.",
		.most = 1,
		.run = cli_help,
	},
};

const size_t cli_commands_n = sizeof(cli_commands) / sizeof(cli_commands[0]);

const struct cli_command *
cli_command_find(const char *name)
{
	const char *names[sizeof(cli_commands) / sizeof(cli_commands[0])];

	for (size_t i = 0; i < cli_commands_n; i++) {
		names[i] = cli_commands[i].name;
		if (strcmp(name, names[i]) == 0)
			return &cli_commands[i];
	}

	const char *nearest = cli_nearest(name, names, cli_commands_n);

	if (nearest)
		(void)cli_usage(NULL, "unknown subcommand '%s'; did you mean '%s'?", name, nearest);
	else
		(void)cli_usage(NULL, "unknown subcommand '%s'", name);
	return NULL;
}

/* --- where the broker is --------------------------------------------------------------- */

/* Options that the library reads from the environment, and what was there before. */
static struct {
	enum cli_option_id option;
	const char *name;
	bool changed;
	char *before;
} variables[] = {
	{CLI_SOCKET, "FDBROKER_SOCKET"},
	{CLI_SERVER_UID, "FDBROKER_SERVER_UID"},
};

enum {
	VARIABLES_N = sizeof(variables) / sizeof(variables[0]),
};

/* A uid, if it is one that is given. */
static int
check_server_uid(const struct cli_args *args)
{
	const char *text = args->value[CLI_SERVER_UID];
	uid_t uid;

	if (!text || where_parse_uid(text, &uid))
		return CLI_YES;
	return cli_usage(args->command, "--server-uid=%s: not the number of a user", text);
}

static int
set_environment(const struct cli_args *args)
{
	for (size_t i = 0; i < VARIABLES_N; i++) {
		const char *value = args->value[variables[i].option];
		const char *before = getenv(variables[i].name);

		if (!value)
			continue;
		variables[i].changed = true;
		variables[i].before = before ? cli_format("%s", before) : NULL;
		if (setenv(variables[i].name, value, 1) < 0) {
			cli_error("--%s: %s", cli_options[variables[i].option].name,
				  strerror(errno));
			return CLI_NO;
		}
	}
	return CLI_YES;
}

void
cli_environment_restore(void)
{
	for (size_t i = 0; i < VARIABLES_N; i++) {
		if (!variables[i].changed)
			continue;
		if (variables[i].before)
			(void)setenv(variables[i].name, variables[i].before, 1);
		else
			(void)unsetenv(variables[i].name);
	}
}

const char *
cli_socket_path(void)
{
	const char *path = getenv("FDBROKER_SOCKET");

	return path && *path ? path : BROKER_SOCKET_DEFAULT;
}

const char *
cli_admin_path(const struct cli_args *args)
{
	static char *path;

	if (args->value[CLI_ADMIN])
		return args->value[CLI_ADMIN];
	if (strcmp(cli_socket_path(), BROKER_SOCKET_DEFAULT) == 0)
		return CLI_DEFAULT_ADMIN;
	if (!path)
		path = cli_format("%s.admin", cli_socket_path());
	return path;
}

/* --- start ----------------------------------------------------------------------------- */

/* A file or a socket that got the number of a closed standard descriptor would be written to. */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int
check_operands(const struct cli_args *args)
{
	const struct cli_command *c = args->command;

	if (args->n_operands < c->least)
		return cli_usage(c, "too few arguments; usage: fdbroker %s %s", c->name,
				 c->operands);
	if (c->most >= 0 && args->n_operands > c->most)
		return cli_usage(
			c,
			c->takes_program
				? "too many arguments at '%s'; the program stands behind '--'"
				: "too many arguments at '%s'",
			args->operands[c->most]);
	if (c->takes_program && (!args->program || !args->program[0]))
		return cli_usage(c, "no program; usage: fdbroker %s %s", c->name, c->operands);
	return CLI_YES;
}

static int
run(struct cli_args *args, char **arguments)
{
	int n = cli_parse(args, arguments, CLI_GLOBAL);

	if (n < 0)
		return CLI_USAGE;
	if (args->value[CLI_HELP]) {
		cli_help_all();
		return CLI_YES;
	}
	if (args->value[CLI_VERSION]) {
		printf("fdbroker %s\n", FDBROKER_VERSION);
		return CLI_YES;
	}
	if (!arguments[n])
		return cli_usage(NULL, "no subcommand");

	args->command = cli_command_find(arguments[n]);
	if (!args->command ||
	    cli_parse(args, arguments + n + 1, args->command->options | CLI_TAKES(CLI_HELP)) < 0)
		return CLI_USAGE;
	if (args->value[CLI_HELP]) {
		cli_help_command(args->command);
		return CLI_YES;
	}

	int r = check_operands(args);

	if (r == CLI_YES)
		r = check_server_uid(args);
	if (r == CLI_YES)
		r = set_environment(args);
	return r == CLI_YES ? args->command->run(args) : r;
}

int
main(int argc, char **argv)
{
	struct cli_args args = {0};
	int status;

	fill_standard_descriptors();
	status = run(&args, argv + (argc > 0));
	free(args.policies);
	free(args.operands);
	for (size_t i = 0; i < VARIABLES_N; i++)
		free(variables[i].before);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_error("standard output: %s", strerror(errno));
		if (status == CLI_YES)
			status = CLI_NO;
	}
	return status;
}
