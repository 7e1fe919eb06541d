/* SPDX-License-Identifier: MIT */
/* Runs in: broker, at its start. Trusts: whoever starts it. */
#include "broker/daemon/daemon.h"

#include <argp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/layers.h"
#include "client-lib/fdbroker.h"
#include "policy/dropin.h"

#define DEFAULT_ADMIN "/run/fdbroker/admin"

enum {
	KEY_POLICY = 1,
	KEY_REQUIRE = 2,
	KEY_STRING = 1000, /* and from there on: where in struct options the value goes */
};
#define STRING(field) (KEY_STRING + (int)offsetof(struct options, field))

static const struct argp_option entries[] = {
	{"socket", STRING(socket), "PATH", 0, "listen there (default " BROKER_SOCKET_DEFAULT ")",
	 0},
	{"admin", STRING(admin), "PATH", 0,
	 "admin socket (default " DEFAULT_ADMIN
	 "; with another --socket: that path and \".admin\")",
	 0},
	{"policy", KEY_POLICY, "DIR", 0,
	 "read *.policy there instead of the default directories; repeat it for more, a later one "
	 "wins",
	 0},
	{"libexec", STRING(libexec), "DIR", 0, "where the helper programs are", 0},
	{"user", STRING(user), "NAME", 0, "account of the helper programs (default fdbroker)", 0},
	{"require", KEY_REQUIRE, "LAYER,...", 0,
	 "do not run without these: trees, landlock, seccomp, caps, user", 0},
	{},
};

__attribute__((visibility("default"))) const char *argp_program_version =
	"fdbrokerd " FDBROKER_VERSION;

static error_t
parse(int key, char *value, struct argp_state *state)
{
	struct options *options = state->input;

	if (key >= KEY_STRING && key < KEY_STRING + (int)sizeof(*options)) {
		*(const char **)((char *)options + (key - KEY_STRING)) = value;
	} else if (key == KEY_POLICY) {
		if (options->n_policy == OPTIONS_POLICY_MAX)
			argp_error(state, "--policy may be given %d times", OPTIONS_POLICY_MAX);
		/* Messages name it: they have to mean the same wherever they are read. */
		options->policy[options->n_policy++] = realpath(value, NULL) ?: value;
	} else if (key == KEY_REQUIRE) {
		if (layers_parse(value, &options->required) < 0)
			argp_error(state, "--require: '%s' is not a list of layers", value);
	} else {
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void
options_parse(struct options *options, int argc, char **argv)
{
	static const char *const directories[] = {POLICY_DIRECTORIES};
	const struct argp argp = {
		.options = entries,
		.parser = parse,
		.doc = "Open files for programs that may not. Stays in the foreground.\v"
		       "SIGHUP reloads the policy, SIGTERM finishes. See fdbrokerd(8).",
	};

	*options = (struct options){.socket = BROKER_SOCKET_DEFAULT};
	argp_err_exit_status = 2;
	(void)argp_parse(&argp, argc, argv, 0, NULL, options);
	if (!options->admin && strcmp(options->socket, BROKER_SOCKET_DEFAULT) == 0)
		options->admin = DEFAULT_ADMIN;
	else if (!options->admin &&
		 asprintf((char **)&options->admin, "%s.admin", options->socket) < 0)
		exit(EXIT_FAILURE);
	if (options->n_policy == 0) {
		memcpy(options->policy, directories, sizeof(directories));
		options->n_policy = sizeof(directories) / sizeof(directories[0]);
	}
}
