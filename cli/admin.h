/* SPDX-License-Identifier: MIT */
/* The broker's admin socket: it writes its status as JSON and closes. */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <sys/socket.h>

struct cli_args;

enum admin_result {
	ADMIN_READ = 0,
	ADMIN_UNTRUSTED,  /* what listens there is not to be trusted */
	ADMIN_UNREADABLE, /* no JSON object, or too long */
			  /* or a negative errno value */
};

enum {
	ADMIN_BYTES_MAX = 4 << 20,
	ADMIN_TIMEOUT_MS = 5000,
};

struct admin_status {
	char *text; /* as it was sent */
	json_t *json;
	struct ucred server; /* who made the socket listen */
};

/* Milliseconds of a clock that only goes forward. */
int64_t admin_now(void);

/* Read the status until deadline. An enum admin_result: a status only with ADMIN_READ. */
int admin_read(const char *path, int64_t deadline, struct admin_status *ret_status);

void admin_clear(struct admin_status *status);

/* Say why admin_read() did not succeed. */
void admin_explain(const char *path, int result);

/* A member that may be missing or of another kind. */
int64_t admin_integer(const json_t *object, const char *name, int64_t otherwise);
const char *admin_string(const json_t *object, const char *name, const char *otherwise);

/*
 * The bytes of a string that has any, a path for one: the broker writes each as the code point of the
 * same number. malloc'ed; NULL when it is no string.
 */
char *admin_bytes(const json_t *value);
