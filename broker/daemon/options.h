/* SPDX-License-Identifier: MIT */
/* The command line of fdbrokerd. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	OPTIONS_POLICY_MAX = 16,
};

struct options {
	const char *socket;
	const char *admin; /* owned; NULL until options_parse() */
	const char *policy[OPTIONS_POLICY_MAX];
	size_t n_policy;
	const char *libexec; /* NULL: beside fdbrokerd, else FDBROKER_LIBEXEC */
	const char *user;    /* NULL: fdbroker, else nobody */
	uint32_t required;   /* layers */
};

/* Returns 0, or prints what is wrong (or what was asked for) and exits with 2 (or 0). */
void options_parse(struct options *options, int argc, char **argv);
