/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "parser.h"

enum {
	LINE_MAX_BYTES = 65536,
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Blanks separate words; a quoted value of an option may hold some. Reported: no words. */
static int
split_words(struct policy_parser *p)
{
	const char *text = p->place.text;
	uint32_t at = 0, end = p->place.length;

	p->words.n = 0;
	for (;;) {
		uint32_t start;
		bool plain; /* not a path: quotes count */
		int r;

		while (at < end && is_blank(text[at]))
			at++;
		if (at == end || text[at] == '#')
			return 0;
		start = at;
		plain = text[at] != '/' && text[at] != '@';
		for (; at < end && !is_blank(text[at]); at++) {
			const char *close;

			if (text[at] != '"' || !plain || at == start || text[at - 1] != '=')
				continue;
			close = memchr(text + at + 1, '"', end - at - 1);
			if (!close) {
				policy_report_add(p->report, POLICY_CODE_QUOTE, &p->place,
						  (struct policy_span){at, 1}, NULL,
						  "end the text with '\"' on this line");
				p->words.n = 0;
				return 0;
			}
			at = (uint32_t)(close - text);
		}
		r = policy_vector_push(&p->words, (struct policy_span){start, at - start});
		if (r < 0)
			return r;
	}
}

#define EACH(byte) (UINT64_MAX / 0xff * (byte))

/* May a byte below 0x20, or DEL, be among these? Eight at a time: all of a policy passes here. */
static bool
may_hold_control(const char *text, uint32_t length)
{
	uint64_t found = 0, eight;
	uint32_t i;

	for (i = 0; i + sizeof(eight) <= length; i += (uint32_t)sizeof(eight)) {
		uint64_t del;

		memcpy(&eight, text + i, sizeof(eight));
		del = eight ^ EACH(0x7f);
		found |= ((eight - EACH(0x20)) & ~eight) | ((del - EACH(0x01)) & ~del);
	}
	found &= EACH(0x80);
	for (; i < length; i++)
		found |= (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
	return found != 0;
}

/* A line of DOS is reported once a file, and read without its last byte: so is the rest. */
static void
check_line_end(struct policy_parser *p)
{
	struct policy_place *place = &p->place;
	struct policy_span span = {place->length - 1, 1};

	if (place->length == 0 || place->text[span.at] != '\r')
		return;
	if (!p->dos)
		policy_report_add(p->report, POLICY_CODE_CONTROL_BYTE, place, span, "\\x0d",
				  "end lines as UNIX does: sed -i 's/\\r$//' FILE");
	p->dos = true;
	place->length--;
}

/* False: reported, the line is not read. */
static bool
check_bytes(struct policy_parser *p)
{
	const struct policy_place *place = &p->place;
	uint32_t end = may_hold_control(place->text, place->length) ? place->length : 0;

	for (uint32_t i = 0; i < end; i++) {
		unsigned char byte = (unsigned char)place->text[i];
		struct policy_span span = {i, 1};
		char shown[8];

		if ((byte >= 0x20 && byte != 0x7f) || byte == '\t')
			continue;
		if (byte == 0) {
			policy_report_add(p->report, POLICY_CODE_NOT_TEXT, place, span, NULL,
					  "nothing after this byte was read");
			p->stop = true;
			return false;
		}
		snprintf(shown, sizeof(shown), "\\x%02x", byte);
		policy_report_add(p->report, POLICY_CODE_CONTROL_BYTE, place, span, shown, "%s",
				  byte == '\r' ? "end lines as UNIX does, with a newline alone"
					       : "in a pattern write it as '\\x' and two digits");
		return false;
	}
	if (place->length <= LINE_MAX_BYTES)
		return true;
	policy_report_add(p->report, POLICY_CODE_LONG_LINE, place,
			  (struct policy_span){LINE_MAX_BYTES, 1}, NULL,
			  "write more than one rule, or put the patterns into sets");
	return false;
}

static int
parse_lines(struct policy_parser *p, const char *text, size_t size)
{
	size_t at = 0;
	int r;

	while (at < size && !p->stop) {
		const char *newline = memchr(text + at, '\n', size - at);
		size_t end = newline ? (size_t)(newline - text) : size;
		/* The caret needs no more of a line than this. */
		size_t length = end - at < 2 * LINE_MAX_BYTES ? end - at : 2 * LINE_MAX_BYTES;

		p->place.line++;
		p->place.text = text + at;
		p->place.length = (uint32_t)length;
		at = end + 1;
		check_line_end(p);
		if (!check_bytes(p)) {
			p->skipped = true;
			continue;
		}
		r = split_words(p);
		if (r < 0)
			return r;
		if (!newline)
			policy_report_add(p->report, POLICY_CODE_NO_NEWLINE, &p->place,
					  (struct policy_span){p->place.length, 1}, NULL,
					  "if the file is whole, end its last line");
		if (p->words.n == 0)
			continue;
		r = policy_parse_statement(p);
		if (r < 0)
			return r;
	}
	return 0;
}

int
policy_parse(struct policy_ast *ast, struct policy_report *report, uint32_t source)
{
	const struct policy_source *text = &report->sources[source];
	_cleanup_free_ struct policy_pattern *pattern = malloc(sizeof(*pattern));
	struct policy_parser p = {
		.ast = ast,
		.report = report,
		.place = {.source = source},
		.pattern = pattern,
		.today = (int32_t)(time(NULL) / (24 * 60 * 60)),
	};
	int r;

	if (!pattern)
		return -ENOMEM;
	r = parse_lines(&p, text->text, text->size);
	if (r == 0 && !p.header && !p.stop && !p.skipped) {
		p.place = (struct policy_place){.source = source, .line = 1, .text = ""};
		policy_report_add(report, POLICY_CODE_NO_HEADER, &p.place, (struct policy_span){0},
				  NULL, "write 'policy 1'; a link to /dev/null masks a file");
	}
	policy_vector_free(&p.words);
	return r;
}

void
policy_ast_free(struct policy_ast *ast)
{
	policy_vector_free(&ast->rules);
	policy_vector_free(&ast->sets);
	policy_vector_free(&ast->subjects);
	policy_vector_free(&ast->expects);
	policy_vector_free(&ast->conjunctions);
	policy_vector_free(&ast->atoms);
	policy_vector_free(&ast->targets);
	policy_vector_free(&ast->subuids);
	policy_vector_free(&ast->accounts);
}
