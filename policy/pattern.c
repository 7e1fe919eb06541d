/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <stdarg.h>
#include <string.h>

#include "util.h"
#include "words.h"

struct state {
	const char *text;
	uint32_t length;
	struct policy_pattern *pattern;
	struct policy_pattern_error *error;
};

/* What has, or will have, a meaning of its own and is no plain character therefore. */
static const struct {
	const char *text;
	bool planned; /* in the language, not in this version */
	const char *what;
	const char *help;
} special[] = {
	{"[", true, "character classes", "use '*', or '\\x5b' for the character itself"},
	{"{", true, "alternatives in braces", "write a pattern for each; '\\x7b' is the character"},
	{"${", true, "${user} and ${uid}", "write a rule for each user"},
	{"$user", true, "${user}", "write a rule for each user; '\\x24' is the character '$'"},
	{"$uid", true, "${uid}", "write a rule for each user; '\\x24' is the character '$'"},
	{"$", false, NULL, "write '\\x24' for the character itself"},
	{"?", false, NULL, "'*' matches any characters; write '\\x3f' for the character itself"},
	{"]", false, NULL, "write '\\x5d' for the character itself"},
	{"}", false, NULL, "write '\\x7d' for the character itself"},
};

__attribute__((format(printf, 6, 7))) static bool
fail(struct state *s, enum policy_code code, uint32_t at, uint32_t length, const char *argument,
     const char *help, ...)
{
	va_list arguments;

	s->error->code = code;
	s->error->span = (struct policy_span){at, length};
	s->error->argument = argument;
	va_start(arguments, help);
	vsnprintf(s->error->help, sizeof(s->error->help), help, arguments);
	va_end(arguments);
	return false;
}

static bool
fail_special(struct state *s, uint32_t at, uint32_t end)
{
	for (size_t i = 0; i < ELEMENTS(special); i++) {
		uint32_t length = (uint32_t)strlen(special[i].text);

		if (end - at < length || memcmp(s->text + at, special[i].text, length) != 0)
			continue;
		if (special[i].planned)
			return fail(s, POLICY_CODE_NOT_YET, at, length, special[i].what, "%s",
				    special[i].help);
		return fail(s, POLICY_CODE_SPECIAL, at, length, NULL, "%s", special[i].help);
	}
	return true;
}

/* '/srv/www**' + '/x': say what was probably meant. */
static bool
fail_globstar(struct state *s, uint32_t start, uint32_t at, uint32_t end)
{
	char merged[256];
	size_t n = 0;
	uint32_t run = at;
	const char *before, *after;

	while (run < end && s->text[run] == '*')
		run++;
	for (uint32_t i = start; i < end && n < sizeof(merged) - 1; i++)
		if (s->text[i] != '*' || n == 0 || merged[n - 1] != '*')
			merged[n++] = s->text[i];
	merged[n] = '\0';
	before = at == start && run < end ? "**/" : "";
	after = *before ? "" : "/**";
	if (s->length > 200)
		return fail(s, POLICY_CODE_GLOBSTAR, at, run - at, NULL,
			    "'/**/' matches at any depth, '*' within one component");
	if (run - at == end - start)
		return fail(s, POLICY_CODE_GLOBSTAR, at, run - at, NULL,
			    "'%.*s**%.*s' matches at any depth, '%.*s*%.*s' one level", start,
			    s->text, s->length - end, s->text + end, start, s->text,
			    s->length - end, s->text + end);
	return fail(s, POLICY_CODE_GLOBSTAR, at, run - at, NULL,
		    "'%.*s%s%s%s%.*s' matches at any depth, '%.*s%s%.*s' one level", start, s->text,
		    before, merged, after, s->length - end, s->text + end, start, s->text, merged,
		    s->length - end, s->text + end);
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
escaped(struct state *s, uint32_t at, uint32_t end, char *ret_byte)
{
	uint32_t length = end - at < 4 ? end - at : 4;
	int byte;

	if (length < 4 || s->text[at + 1] != 'x' || hex(s->text[at + 2]) < 0 ||
	    hex(s->text[at + 3]) < 0)
		return fail(s, POLICY_CODE_ESCAPE, at, length, NULL,
			    "write a byte as '\\x' and two hexadecimal digits: '\\x20' is a blank, "
			    "'\\x5c' a backslash");
	byte = hex(s->text[at + 2]) * 16 + hex(s->text[at + 3]);
	if (byte == 0 || byte == '/')
		return fail(s, POLICY_CODE_ESCAPE, at, length, NULL,
			    "no name of a file holds this byte");
	*ret_byte = (char)byte;
	return true;
}

static bool
push_literal(struct state *s, struct policy_component *component, char byte, uint32_t start,
	     uint32_t end)
{
	struct policy_pattern *p = s->pattern;
	struct policy_piece *last = component->n > 0 ? &p->pieces[p->n_pieces - 1] : NULL;

	if (p->n_bytes + p->n + 1 >= POLICY_PATH_MAX)
		return fail(s, POLICY_CODE_PATTERN_LIMIT, start, end - start,
			    "a path has at most 4096 bytes", "write a shorter pattern");
	p->bytes[p->n_bytes++] = byte;
	if (last && last->kind == POLICY_PIECE_LITERAL) {
		last->length++;
		return true;
	}
	p->pieces[p->n_pieces++] = (struct policy_piece){POLICY_PIECE_LITERAL, p->n_bytes - 1, 1};
	component->n++;
	return true;
}

static bool
finish_component(struct state *s, const struct policy_component *component, uint32_t bytes,
		 uint32_t start, uint32_t end)
{
	const struct policy_pattern *p = s->pattern;
	const char *text = p->bytes + (p->n_bytes - bytes);

	if (bytes > POLICY_NAME_MAX_BYTES)
		return fail(s, POLICY_CODE_PATTERN_LIMIT, start, end - start,
			    "a path component has at most 255 bytes", "write a shorter component");
	if (component->kind == POLICY_COMPONENT_LITERAL &&
	    (policy_word_is(text, bytes, ".") || policy_word_is(text, bytes, "..")))
		return fail(s, POLICY_CODE_DOT_COMPONENT, start, end - start, NULL,
			    "write the path without '.' and '..'");
	return true;
}

static bool
parse_component(struct state *s, uint32_t start, uint32_t end)
{
	struct policy_pattern *p = s->pattern;
	struct policy_component *component = &p->components[p->n];
	uint32_t bytes_before = p->n_bytes;

	*component = (struct policy_component){POLICY_COMPONENT_LITERAL, p->n_pieces, 0};
	for (uint32_t at = start; at < end; at++) {
		char byte = s->text[at];

		if (byte == '*') {
			if (at + 1 < end && s->text[at + 1] == '*')
				return fail_globstar(s, start, at, end);
			p->pieces[p->n_pieces++] = (struct policy_piece){POLICY_PIECE_STAR, 0, 0};
			component->n++;
			component->kind = POLICY_COMPONENT_WILD;
			continue;
		}
		if (!fail_special(s, at, end))
			return false;
		if (byte == '\\') {
			if (!escaped(s, at, end, &byte))
				return false;
			at += 3;
		}
		if (!push_literal(s, component, byte, start, end))
			return false;
	}
	if (!finish_component(s, component, p->n_bytes - bytes_before, start, end))
		return false;
	p->n++;
	return true;
}

static bool
parse_globstar(struct state *s, uint32_t start)
{
	struct policy_pattern *p = s->pattern;

	if (p->n > 0 && p->components[p->n - 1].kind == POLICY_COMPONENT_GLOBSTAR)
		return fail(s, POLICY_CODE_GLOBSTAR_TWICE, start - 3, 5, NULL,
			    "one '**' already matches any number of components");
	p->components[p->n++] =
		(struct policy_component){POLICY_COMPONENT_GLOBSTAR, p->n_pieces, 0};
	return true;
}

bool
policy_pattern_parse(const char *text, uint32_t length, struct policy_pattern *ret_pattern,
		     struct policy_pattern_error *ret_error)
{
	struct state s = {text, length, ret_pattern, ret_error};
	uint32_t start = 1;

	ret_pattern->n = ret_pattern->n_pieces = ret_pattern->n_bytes = 0;
	if (length == 1)
		return true;
	for (;;) {
		const char *slash = memchr(text + start, '/', length - start);
		uint32_t end = slash ? (uint32_t)(slash - text) : length;

		if (start == end)
			return end == length
				       ? fail(&s, POLICY_CODE_EMPTY_COMPONENT, start - 1, 1, NULL,
					      "leave the '/' at the end out; '/**' after a "
					      "directory covers it and all below")
				       : fail(&s, POLICY_CODE_EMPTY_COMPONENT, start - 1, 2, NULL,
					      "write one '/'");
		if (ret_pattern->n == POLICY_COMPONENTS_MAX)
			return fail(&s, POLICY_CODE_PATTERN_LIMIT, start, length - start,
				    "a path has at most 64 components", "write a shorter pattern");
		if (policy_word_is(text + start, end - start, "**")) {
			if (!parse_globstar(&s, start))
				return false;
		} else if (!parse_component(&s, start, end)) {
			return false;
		}
		if (end == length)
			return true;
		start = end + 1;
	}
}
