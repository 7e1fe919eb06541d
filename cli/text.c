/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "cli.h"
#include "policy/policy.h"
#include "text.h"

_Noreturn void
cli_out_of_memory(void)
{
	fputs("fdbroker: out of memory\n", stderr);
	_exit(CLI_NO);
}

void *
cli_resize(void *pointer, size_t n, size_t size)
{
	/* n 0 would be free(3). */
	void *p = reallocarray(pointer, n ? n : 1, size);

	if (!p)
		cli_out_of_memory();
	return p;
}

static char *__attribute__((format(printf, 1, 0))) format_list(const char *format, va_list list)
{
	char *text = NULL;

	if (vasprintf(&text, format, list) < 0)
		cli_out_of_memory();
	return text;
}

char *
cli_format(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = format_list(format, list);
	va_end(list);
	return text;
}

char *
cli_escape(const char *bytes, size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		cli_out_of_memory();
	policy_escape(out, bytes, n, true);
	if (fclose(out) != 0)
		cli_out_of_memory();
	return text;
}

static void __attribute__((format(printf, 3, 0)))
put(FILE *out, const char *before, const char *format, va_list list, const char *after)
{
	_cleanup_free_ char *raw = format_list(format, list);
	_cleanup_free_ char *text = cli_escape(raw, strlen(raw));
	/* One write: lines of several processes on one terminal stay whole. */
	_cleanup_free_ char *line = cli_format("%s%s%s", before, text, after);

	fputs(line, out);
}

void
cli_text(FILE *out, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(out, "", format, list, "");
	va_end(list);
}

void
cli_line(FILE *out, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(out, "", format, list, "\n");
	va_end(list);
}

void
cli_error(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(stderr, "fdbroker: ", format, list, "\n");
	va_end(list);
}

void
cli_block(FILE *out, const char *indent, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		_cleanup_free_ char *line = cli_escape(text, n);

		fprintf(out, "%s%s\n", *line ? indent : "", line);
		text += n + (text[n] == '\n');
	}
}

/*
 * Add the components of path to text. known: where components end that surely are no symbolic
 * links, so that ".." behind them can be taken literally.
 */
static bool
add_components(char *text, size_t *length, size_t known, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && strncmp(path, "..", 2) == 0) {
			if (*length > known)
				return false;
			while (*length > 0 && text[--*length] != '/')
				;
			known = *length;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			text[(*length)++] = '/';
			memcpy(text + *length, path, n);
			*length += n;
		}
		path += n + (path[n] == '/');
	}
	return true;
}

char *
cli_canonical(const char *path)
{
	_cleanup_free_ char *here = NULL;
	size_t length = 0, known = 0;

	if (path[0] == '\0')
		return NULL;
	if (path[0] != '/') {
		here = getcwd(NULL, 0);
		if (!here || here[0] != '/')
			return NULL;
	}

	_cleanup_free_ char *text =
		cli_resize(NULL, (here ? strlen(here) : 0) + strlen(path) + 3, 1);

	if (here) {
		(void)add_components(text, &length, 0, here);
		known = length;
	}
	if (!add_components(text, &length, known, path) || !policy_path_is_canonical(text, length))
		return NULL;
	text[length] = '\0';
	return cli_format("%s", text);
}

int
cli_not_canonical(const char *path)
{
	_cleanup_free_ char *canonical = cli_canonical(path);

	if (path[0] == '\0')
		cli_error("'': an empty path");
	else if (canonical)
		cli_error("%s: not an absolute and canonical path; write %s", path, canonical);
	else if (strlen(path) > POLICY_PATH_MAX)
		cli_error("%s: longer than %d bytes", path, POLICY_PATH_MAX);
	else
		cli_error("%s: not an absolute and canonical path (no '..', at most %d "
			  "components of at most %d bytes); realpath(1) shows which file it is",
			  path, POLICY_COMPONENTS_MAX, POLICY_NAME_MAX_BYTES);
	return CLI_USAGE;
}

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("/._-+:@%", c));
}

static char *
put_hex(char *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'x';
	*out++ = digits[c >> 4];
	*out++ = digits[c & 15];
	return out;
}

char *
cli_shell_word(const char *word)
{
	_cleanup_free_ char *shown = cli_escape(word, strlen(word));
	bool escaped = strcmp(word, shown) != 0 || strchr(word, '\t');
	size_t n = strlen(word);
	char *text = cli_resize(NULL, n + 2, 4), *out;

	if (n > 0 && !escaped) {
		size_t i = 0;

		while (is_plain(word[i]))
			i++;
		if (i == n)
			return memcpy(text, word, n + 1);
	}
	out = stpcpy(text, escaped ? "$'" : "'");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)word[i];

		if (escaped && (c < 0x20 || c >= 0x7f || c == '\'' || c == '\\'))
			out = put_hex(out, c);
		else if (c == '\'')
			out = stpcpy(out, "'\\''");
		else
			*out++ = (char)c;
	}
	*out++ = '\'';
	*out = '\0';
	return text;
}

char *
cli_literal_pattern(const char *path)
{
	char *text = cli_resize(NULL, strlen(path) + 1, 4), *out = text;

	for (; *path; path++) {
		if (is_plain(*path))
			*out++ = *path;
		else
			out = put_hex(out, (unsigned char)*path);
	}
	*out = '\0';
	return text;
}
