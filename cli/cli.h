/* SPDX-License-Identifier: MIT */
/*
 * The command `fdbroker`: its subcommands, its options, and how both are described.
 *
 * A new subcommand is a file with a `cli_run` function and a line in the table of main.c. A new
 * option is a number here, a line in the table of options.c and a bit in each subcommand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CLI_DEFAULT_ADMIN "/run/fdbroker/admin"
#define CLI_FLAG_WORDS    "read,write,append,trunc,create,excl,nonblock,sync,dsync,direct,nofollow"

enum cli_exit {
	CLI_YES = 0,
	CLI_NO = 1,    /* no, denied, no broker */
	CLI_USAGE = 2, /* a usage or policy error */
	CLI_NOT_EXECUTABLE = 126,
	CLI_NOT_FOUND = 127,
};

enum cli_option_id {
	CLI_SOCKET,
	CLI_SERVER_UID,
	CLI_ADMIN,
	CLI_POLICY,
	CLI_FLAGS,
	CLI_FD,
	CLI_MODE,
	CLI_LONG,
	CLI_NULL,
	CLI_NO_FOLLOW,
	CLI_JSON,
	CLI_ON,
	CLI_ALL,
	CLI_HELP,
	CLI_VERSION,
	CLI_OPTIONS_N,
};

#define CLI_TAKES(id) (1u << (id))

/* What may stand before the subcommand. */
#define CLI_GLOBAL                                                                                 \
	(CLI_TAKES(CLI_SOCKET) | CLI_TAKES(CLI_SERVER_UID) | CLI_TAKES(CLI_ADMIN) |                \
	 CLI_TAKES(CLI_HELP) | CLI_TAKES(CLI_VERSION))

struct cli_option {
	const char *name;
	char letter;          /* or 0 */
	const char *argument; /* what the value is called; NULL: takes none */
	const char *help;
};

struct cli_args;
typedef int cli_run(const struct cli_args *args);

struct cli_command {
	const char *name;
	const char *operands; /* for the usage line */
	const char *summary;
	const char *help;
	unsigned options;   /* CLI_TAKES() of each */
	int least, most;    /* operands; most -1: any number */
	bool takes_program; /* what follows "--" is a program and its arguments */
	cli_run *run;
};

struct cli_args {
	const struct cli_command *command;
	const char *value[CLI_OPTIONS_N]; /* the last one, "" without an argument, or NULL */
	const char **policies;            /* every --policy */
	size_t n_policies;
	const char **operands;
	int n_operands;
	char **program; /* after "--", ends with NULL; NULL without "--" */
};

extern const struct cli_option cli_options[CLI_OPTIONS_N];
extern const struct cli_command cli_commands[];
extern const size_t cli_commands_n;

const struct cli_command *cli_command_find(const char *name);

/*
 * Read options and operands from arguments, which ends with NULL; accepted: CLI_TAKES() of each.
 * With args->command unset it stops at the first operand. Returns how many it read, or -EINVAL
 * after saying why.
 */
int cli_parse(struct cli_args *args, char **arguments, unsigned accepted);

/* The name that was probably meant, or NULL. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);

/* Say what is wrong with the command line, and where help is. Returns CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void cli_help_all(void);
void cli_help_command(const struct cli_command *command);

/* Where the broker and its admin socket are; the strings live as long as the process. */
const char *cli_socket_path(void);
const char *cli_admin_path(const struct cli_args *args);

/* Put the environment back to what it was before our options, for a program that is executed. */
void cli_environment_restore(void);

/*
 * Say why the broker did not do these verbs, a comma list, with path, and what to do about it. To be
 * called before the next question to the broker.
 */
void cli_explain_refusal(const char *path, const char *verbs, int error);

/* The same for broker_open(path, flags). */
void cli_explain_open(const char *path, int flags, int error);

/* Say why the broker did not say who we are. */
void cli_explain_whoami(int error);

cli_run cli_help, cli_cat, cli_open, cli_ls, cli_stat, cli_check, cli_can, cli_explain, cli_whoami,
	cli_status, cli_reload;
