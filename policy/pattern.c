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
	uint32_t alternatives;
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

/* Characters with a meaning of their own, where they have none. */
static bool
fail_special(struct state *s, uint32_t at)
{
	static const struct {
		char byte;
		const char *help;
	} special[] = {
		{'?', "'*' matches any characters; write '\\x3f' for the character itself"},
		{']', "write '\\x5d' for the character itself"},
		{'}', "write '\\x7d' for the character itself"},
		{'$', "write '\\x24' for the character itself"},
	};
	size_t i = 0;

	while (i + 1 < ELEMENTS(special) && special[i].byte != s->text[at])
		i++;
	return fail(s, POLICY_CODE_SPECIAL, at, 1, NULL, "%s", special[i].help);
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

/* What the component at hand is made of. */
struct building {
	struct policy_component *component;
	uint32_t start, end; /* in the text */
	uint32_t least;      /* bytes of the shortest name that it matches */
	bool joined;         /* the last piece is a literal that may grow */
};

static bool
fail_long(struct state *s, const struct building *b)
{
	return fail(s, POLICY_CODE_PATTERN_LIMIT, b->start, b->end - b->start,
		    "a path has at most 4096 bytes", "write a shorter pattern");
}

static void
push_piece(struct state *s, struct building *b, enum policy_piece_kind kind, uint32_t at,
	   uint32_t length)
{
	struct policy_pattern *p = s->pattern;

	p->pieces[p->n_pieces++] = (struct policy_piece){kind, at, length};
	b->component->n++;
	b->joined = false;
	if (kind != POLICY_PIECE_LITERAL)
		b->component->kind = POLICY_COMPONENT_WILD;
}

static bool
push_literal(struct state *s, struct building *b, const char *bytes, uint32_t n)
{
	struct policy_pattern *p = s->pattern;

	if (n >= POLICY_PATH_MAX - p->n_bytes - p->n)
		return fail_long(s, b);
	if (!b->joined)
		push_piece(s, b, POLICY_PIECE_LITERAL, p->n_bytes, 0);
	b->joined = true;
	memcpy(p->bytes + p->n_bytes, bytes, n);
	p->n_bytes += n;
	p->pieces[p->n_pieces - 1].length += n;
	b->least += n;
	return true;
}

/* One byte of a class or a brace, which may be escaped; *at moves behind it. */
static bool
plain_byte(struct state *s, uint32_t *at, uint32_t end, char *ret_byte)
{
	if (s->text[*at] == '\\') {
		if (!escaped(s, *at, end, ret_byte))
			return false;
		*at += 4;
		return true;
	}
	*ret_byte = s->text[(*at)++];
	return true;
}

#define CLASS_HELP "write characters and ranges: '[a-z0-9_]'; '\\x5b' is the character '['"

static bool
parse_range(struct state *s, struct policy_class *class, uint32_t *at, uint32_t end)
{
	uint32_t start = *at;
	char first, last;

	if (!plain_byte(s, at, end, &first))
		return false;
	last = first;
	if (*at + 1 < end && s->text[*at] == '-' && s->text[*at + 1] != ']') {
		(*at)++;
		if (!plain_byte(s, at, end, &last))
			return false;
	}
	if ((unsigned char)last < (unsigned char)first)
		return fail(s, POLICY_CODE_CLASS, start, *at - start, NULL,
			    "a range goes from the lower byte to the higher");
	for (unsigned byte = (unsigned char)first; byte <= (unsigned char)last; byte++)
		class->bits[byte / 64] |= UINT64_C(1) << (byte % 64);
	return true;
}

/* `[` stands at *at. */
static bool
parse_class(struct state *s, struct building *b, uint32_t *at)
{
	struct policy_pattern *p = s->pattern;
	struct policy_class class = {0};
	uint32_t start = *at;

	(*at)++;
	if (*at < b->end && (s->text[*at] == '!' || s->text[*at] == '^'))
		return fail(s, POLICY_CODE_CLASS, start, 2, NULL,
			    "nothing negates: list what matches, or use 'except'");
	for (uint32_t first = *at; *at < b->end && s->text[*at] != ']';) {
		if (s->text[*at] == '[')
			return fail(s, POLICY_CODE_CLASS, start, *at + 1 - start, NULL, CLASS_HELP);
		if (s->text[*at] == '-' && *at > first && *at + 1 < b->end &&
		    s->text[*at + 1] != ']')
			return fail(s, POLICY_CODE_CLASS, start, *at + 1 - start, NULL,
				    "'-' itself stands first or last: '[a-z-]'");
		if (!parse_range(s, &class, at, b->end))
			return false;
	}
	if (*at == b->end)
		return fail(
			s, POLICY_CODE_CLASS, start, b->end - start, NULL,
			"']' ends it, in the same path component; '\\x5b' is the character '['");
	if (*at == start + 1)
		return fail(s, POLICY_CODE_CLASS, start, 2, NULL, CLASS_HELP);
	(*at)++;
	if (p->n_classes == POLICY_CLASSES_MAX)
		return fail(s, POLICY_CODE_PATTERN_LIMIT, start, *at - start,
			    "a pattern has at most 64 character classes", "use '*'");
	if (p->n_bytes + p->n + 1 >= POLICY_PATH_MAX)
		return fail_long(s, b);
	p->classes[p->n_classes] = class;
	push_piece(s, b, POLICY_PIECE_CLASS, p->n_classes++, 1);
	b->least++;
	return true;
}

/* `{` stands at *at. */
static bool
parse_braces(struct state *s, struct building *b, uint32_t *at)
{
	struct policy_pattern *p = s->pattern;
	uint32_t start = (*at)++, choice = p->n_pieces, least = POLICY_PATH_MAX;

	push_piece(s, b, POLICY_PIECE_CHOICE, 0, 0);
	for (bool more = true; more;) {
		uint32_t first = p->n_bytes;

		while (*at < b->end && !strchr(",}", s->text[*at])) {
			char byte;

			if (strchr("*?[]{$", s->text[*at]))
				return fail(s, POLICY_CODE_BRACES, start, *at + 1 - start, NULL,
					    s->text[*at] == '{'
						    ? "braces do not nest: list all alternatives"
						    : "braces hold plain characters; write a "
						      "pattern for each");
			if (!plain_byte(s, at, b->end, &byte))
				return false;
			if (p->n_bytes + p->n + 1 >= POLICY_PATH_MAX)
				return fail_long(s, b);
			p->bytes[p->n_bytes++] = byte;
		}
		if (*at == b->end)
			return fail(s, POLICY_CODE_BRACES, start, b->end - start, NULL,
				    "'}' ends it, in the same path component; '\\x7b' is the "
				    "character '{'");
		if (++s->alternatives > POLICY_ALTERNATIVES_MAX)
			return fail(s, POLICY_CODE_PATTERN_LIMIT, start, *at - start,
				    "the braces of a pattern hold at most 256 alternatives",
				    "write more than one pattern");
		if (p->n_bytes - first > POLICY_NAME_MAX_BYTES)
			return fail(s, POLICY_CODE_PATTERN_LIMIT, start, *at - start,
				    "a path component has at most 255 bytes",
				    "write shorter alternatives");
		more = s->text[(*at)++] == ',';
		push_piece(s, b, POLICY_PIECE_LITERAL, first, p->n_bytes - first);
		p->pieces[choice].length++;
		least = p->n_bytes - first < least ? p->n_bytes - first : least;
	}
	b->least += least;
	return true;
}

/* `$` stands at *at. */
static bool
parse_variable(struct state *s, struct building *b, uint32_t *at)
{
	static const struct {
		const char *text;
		enum policy_piece_kind kind;
	} variables[] = {{"${user}", POLICY_PIECE_USER}, {"${uid}", POLICY_PIECE_UID}};
	uint32_t left = b->end - *at, length;
	const char *close;

	for (size_t i = 0; i < ELEMENTS(variables); i++) {
		length = (uint32_t)strlen(variables[i].text);
		if (left < length || memcmp(s->text + *at, variables[i].text, length) != 0)
			continue;
		push_piece(s, b, variables[i].kind, 0, 0);
		*at += length;
		return true;
	}
	if (left > 1 && s->text[*at + 1] == '{') {
		close = memchr(s->text + *at, '}', left);
		length = close ? (uint32_t)(close + 1 - (s->text + *at)) : left;
		return fail(s, POLICY_CODE_VARIABLE, *at, length, NULL,
			    "there are '${user}' and '${uid}'");
	}
	for (length = 1;
	     length < left && s->text[*at + length] >= 'a' && s->text[*at + length] <= 'z';)
		length++;
	if (length == 5 && memcmp(s->text + *at, "$user", 5) == 0)
		return fail(s, POLICY_CODE_VARIABLE, *at, length, NULL, "write '${user}'");
	if (length == 4 && memcmp(s->text + *at, "$uid", 4) == 0)
		return fail(s, POLICY_CODE_VARIABLE, *at, length, NULL, "write '${uid}'");
	return fail_special(s, *at);
}

/* Braces and nothing else, and no alternative is a name. */
static bool
names_nothing(const struct policy_pattern *p, const struct policy_component *c)
{
	const struct policy_piece *pieces = &p->pieces[c->first];

	if (pieces[0].kind != POLICY_PIECE_CHOICE || c->n != 1 + pieces[0].length)
		return false;
	for (uint32_t i = 1; i < c->n; i++) {
		const char *name = p->bytes + pieces[i].at;

		if (pieces[i].length > 0 && !policy_word_is(name, pieces[i].length, ".") &&
		    !policy_word_is(name, pieces[i].length, ".."))
			return false;
	}
	return true;
}

static bool
finish_component(struct state *s, const struct building *b, uint32_t bytes)
{
	const struct policy_pattern *p = s->pattern;
	const char *text = p->bytes + (p->n_bytes - bytes);

	if (b->least > POLICY_NAME_MAX_BYTES)
		return fail(s, POLICY_CODE_PATTERN_LIMIT, b->start, b->end - b->start,
			    "a path component has at most 255 bytes", "write a shorter component");
	if (b->component->n > POLICY_PIECES_MAX)
		return fail(s, POLICY_CODE_PATTERN_LIMIT, b->start, b->end - b->start,
			    "a path component has at most 511 parts",
			    "write more than one pattern");
	if (names_nothing(p, b->component))
		return fail(s, POLICY_CODE_DOT_COMPONENT, b->start, b->end - b->start, NULL,
			    "no file has one of these names");
	if (b->component->kind == POLICY_COMPONENT_LITERAL &&
	    (policy_word_is(text, bytes, ".") || policy_word_is(text, bytes, "..")))
		return fail(s, POLICY_CODE_DOT_COMPONENT, b->start, b->end - b->start, NULL,
			    "write the path without '.' and '..'");
	return true;
}

/* Bytes that stand for themselves. */
static uint32_t
plain_run(const char *text, uint32_t at, uint32_t end)
{
	static const bool special[256] = {
		['*'] = true, ['?'] = true, ['['] = true, [']'] = true,
		['{'] = true, ['}'] = true, ['$'] = true, ['\\'] = true,
	};
	uint32_t from = at;

	while (at < end && !special[(unsigned char)text[at]])
		at++;
	return at - from;
}

static bool
parse_piece(struct state *s, struct building *b, uint32_t *at)
{
	char byte;

	switch (s->text[*at]) {
	case '*':
		if (*at + 1 < b->end && s->text[*at + 1] == '*')
			return fail_globstar(s, b->start, *at, b->end);
		push_piece(s, b, POLICY_PIECE_STAR, 0, 0);
		(*at)++;
		return true;
	case '[':
		return parse_class(s, b, at);
	case '{':
		return parse_braces(s, b, at);
	case '$':
		return parse_variable(s, b, at);
	case '\\':
		if (!escaped(s, *at, b->end, &byte))
			return false;
		*at += 4;
		return push_literal(s, b, &byte, 1);
	default:
		return fail_special(s, *at);
	}
}

static bool
parse_component(struct state *s, uint32_t start, uint32_t end)
{
	struct policy_pattern *p = s->pattern;
	struct building b = {&p->components[p->n], start, end, 0, false};
	uint32_t bytes_before = p->n_bytes;

	*b.component = (struct policy_component){POLICY_COMPONENT_LITERAL, p->n_pieces, 0};
	for (uint32_t at = start; at < end;) {
		uint32_t run = plain_run(s->text, at, end);

		if (p->n_pieces >= POLICY_PATTERN_PIECES_MAX)
			return fail_long(s, &b);
		if (run > 0 ? !push_literal(s, &b, s->text + at, run) : !parse_piece(s, &b, &at))
			return false;
		at += run;
	}
	if (!finish_component(s, &b, p->n_bytes - bytes_before))
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
	struct state s = {text, length, ret_pattern, ret_error, 0};
	uint32_t start = 1;

	ret_pattern->n = ret_pattern->n_pieces = ret_pattern->n_bytes = 0;
	ret_pattern->n_classes = 0;
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
