/* SPDX-License-Identifier: MIT */
/* Runs in: broker, at its start. Trusts: whoever starts it. */
#include "broker/daemon/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/layers.h"
#include "client-lib/fdbroker.h"
#include "policy/dropin.h"

#define DEFAULT_SOCKET BROKER_SOCKET_DEFAULT
#define DEFAULT_ADMIN  "/run/fdbroker/admin"

struct option_entry {
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *help;
	int (*set)(struct options *options, const char *value);
};

static int
set_socket(struct options *options, const char *value)
{
	options->socket = value;
	return 0;
}

static int
set_admin(struct options *options, const char *value)
{
	options->admin = value;
	return 0;
}

static int
set_policy(struct options *options, const char *value)
{
	if (options->n_policy == OPTIONS_POLICY_MAX)
		return -1;
	options->policy[options->n_policy++] = value;
	return 0;
}

static int
set_libexec(struct options *options, const char *value)
{
	options->libexec = value;
	return 0;
}

static int
set_user(struct options *options, const char *value)
{
	options->user = value;
	return 0;
}

static int
set_required(struct options *options, const char *value)
{
	return layers_parse(value, &options->required);
}

static int print_help(struct options *options, const char *value);

static int
print_version(struct options *options, const char *value)
{
	(void)options, (void)value;
	puts("fdbrokerd " FDBROKER_VERSION);
	exit(EXIT_SUCCESS);
}

static const struct option_entry entries[] = {
	{"--socket", "PATH", "listen there (default /run/fdbroker/socket)", set_socket},
	{"--admin", "PATH", "admin socket (default /run/fdbroker/admin; with --socket: PATH.admin)",
	 set_admin},
	{"--policy", "DIR",
	 "read *.policy there instead of the default directories; a later one wins", set_policy},
	{"--libexec", "DIR", "where the helper programs are", set_libexec},
	{"--user", "NAME", "account of the helper programs (default fdbroker)", set_user},
	{"--require", "LAYER,...", "do not run without: trees, landlock, seccomp, caps, user",
	 set_required},
	{"--version", NULL, "print the version", print_version},
	{"--help", NULL, "print this", print_help},
};

static int
print_help(struct options *options, const char *value)
{
	(void)options, (void)value;
	puts("usage: fdbrokerd [OPTION]...\n\n"
	     "Open files for programs that may not, as the policy permits. It stays in the "
	     "foreground.\n");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s%s%s", entries[i].name,
			 entries[i].argument ? " " : "",
			 entries[i].argument ? entries[i].argument : "");
		printf("  %-20s %s\n", left, entries[i].help);
	}
	puts("\nSIGHUP reloads the policy, SIGTERM finishes. See fdbrokerd(8), "
	     "fdbroker.policy(5).");
	exit(EXIT_SUCCESS);
}

static void __attribute__((noreturn)) usage(const char *problem, const char *what)
{
	fprintf(stderr, "fdbrokerd: %s: %s\nTry 'fdbrokerd --help'.\n", what, problem);
	exit(2);
}

static const struct option_entry *
find(const char *argument, size_t length)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (strlen(entries[i].name) == length &&
		    strncmp(entries[i].name, argument, length) == 0)
			return &entries[i];
	return NULL;
}

static void
set_defaults(struct options *options)
{
	static const char *const directories[] = {POLICY_DIRECTORIES};

	if (!options->socket)
		options->socket = DEFAULT_SOCKET;
	if (!options->admin && strcmp(options->socket, DEFAULT_SOCKET) == 0)
		options->admin = DEFAULT_ADMIN;
	if (!options->admin) {
		char *admin = NULL;

		if (asprintf(&admin, "%s.admin", options->socket) < 0)
			usage("out of memory", "--admin");
		options->admin = admin;
	}
	if (options->n_policy == 0) {
		memcpy(options->policy, directories, sizeof(directories));
		options->n_policy = sizeof(directories) / sizeof(directories[0]);
	}
}

void
options_parse(struct options *options, int argc, char **argv)
{
	*options = (struct options){};
	for (int i = 1; i < argc; i++) {
		const char *equals = strchr(argv[i], '='), *value = NULL;
		const struct option_entry *entry =
			find(argv[i], equals ? (size_t)(equals - argv[i]) : strlen(argv[i]));

		if (!entry)
			usage("unknown argument", argv[i]);
		if (entry->argument) {
			value = equals ? equals + 1 : argv[++i];
			if (!value || !*value)
				usage("needs a value", entry->name);
		} else if (equals) {
			usage("takes no value", entry->name);
		}
		if (entry->set(options, value) < 0)
			usage("bad value, or too many of them", entry->name);
	}
	set_defaults(options);
}
