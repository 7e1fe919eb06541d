/* SPDX-License-Identifier: MIT */
/* A policy that is compiled in this process, and the text that it was made of. */
#pragma once

#include <jansson.h>

#include "policy/dropin.h"
#include "policy/policy.h"

/* What to say when there is not one file. */
#define RULES_NONE "no policy file: everything is denied"

/* A file that was read. */
struct rules_text {
	char *shown; /* its name, as the image and messages have it */
	/* Where each line begins, and the end of the text; NULL: nobody has asked yet. */
	size_t *lines;
	size_t n_lines;
};

struct rules {
	size_t n_files;
	struct policy_diag diag; /* counts */
	void *bytes;
	struct policy_image *image; /* NULL when there were errors */
	struct policy_files files;
	struct policy_source *sources; /* those files that could be read */
	struct rules_text *texts;      /* of each source */
	size_t n_sources;
	char *kept; /* messages that do not go to stderr; as JSON an object a line */
	size_t kept_size;
};

/*
 * Compile what paths (files and directories) hold as one set, or with n 0 the system's directories.
 * flags: enum policy_compile_flags. Diagnostics are kept for rules_messages() or, as text, for
 * rules_print_errors(), or go to stderr. Always to be followed by rules_clear(). Returns 0; -EBADMSG when the policy has
 * an error or cannot be read, which was reported.
 */
enum rules_output {
	RULES_STDERR,
	RULES_TEXT,
	RULES_JSON,
};
int rules_load(const char *const *paths, size_t n, unsigned flags, enum rules_output output,
	       struct rules *ret_rules);

void rules_clear(struct rules *rules);

/* All messages so far, an array; errors: errors only. */
json_t *rules_messages(struct rules *rules, bool errors);

/* Write the errors among the messages that were kept as text to stderr. */
void rules_print_errors(struct rules *rules);

/* A line of a file that the image names, without blanks around it; "" when there is none. */
struct rules_line {
	size_t source;
	const char *whole; /* with blanks */
	size_t whole_length;
	const char *text;
	size_t length;
};
struct rules_line rules_line(struct rules *rules, const char *file, uint32_t line);

/* The word at *at or behind it, which is moved behind the word. False: there is none. */
bool rules_next_word(const char *line, size_t length, size_t *at, size_t *ret_start);

/* Compile a policy without a file; NULL when it has an error. *ret_bytes: to be freed after it. */
struct policy_image *rules_compile_text(const char *text, size_t size, void **ret_bytes);

/* Why this line is no rule that compiles, malloc'ed; NULL: it is one. */
char *rules_refused(const char *rule);
