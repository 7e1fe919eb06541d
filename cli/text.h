/* SPDX-License-Identifier: MIT */
/*
 * Text for terminals: whatever a name, a policy or the broker's answer holds, no control character
 * of it reaches a terminal. Nothing here fails; without memory the process ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/util.h" /* _cleanup_free_ */

static inline void
cli_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_close_ _cleanup_(cli_closep)

_Noreturn void cli_out_of_memory(void);

/* Format, escape, write. cli_line ends the line, cli_error begins it with "fdbroker: " too. */
void cli_text(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_line(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text of several lines, each after indent. */
void cli_block(FILE *out, const char *indent, const char *text);

/* Bytes as policy_escape() writes them, malloc'ed. */
char *cli_escape(const char *bytes, size_t n);

/* asprintf(3) that does not fail. */
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* realloc(3) of n items that does not fail. */
void *cli_resize(void *pointer, size_t n, size_t size);

/* The canonical path that path names, without a look at the file system; NULL: text cannot tell. */
char *cli_canonical(const char *path);

/* Say that path is not canonical, what is, and return CLI_USAGE. */
int cli_not_canonical(const char *path);

/* One word for a shell. */
char *cli_shell_word(const char *word);

/* A pattern of the policy language that matches this path only. */
char *cli_literal_pattern(const char *path);
