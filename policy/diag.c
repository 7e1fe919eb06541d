/* SPDX-License-Identifier: MIT */
#include "diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "util.h"

enum {
	SHOWN_BYTES = 200,  /* of a source line */
	SHOWN_BEFORE = 100, /* of them before the caret, when the line is longer */
};

static const struct {
	unsigned number;
	enum policy_severity severity;
	const char *message;
} codes[] = {
#define X(number, severity, name, message) {number, POLICY_##severity, message},
	POLICY_CODES(X)
#undef X
};

static const char *const severity_names[] = {
	[POLICY_NOTE] = "note",
	[POLICY_WARNING] = "warning",
	[POLICY_ERROR] = "error",
};

static size_t
code_index(enum policy_code code)
{
	size_t i = 0;

	while (i + 1 < ELEMENTS(codes) && codes[i].number != (unsigned)code)
		i++;
	return i;
}

const char *
policy_diag_code(size_t i, unsigned *ret_number, enum policy_severity *ret_severity)
{
	if (i >= ELEMENTS(codes))
		return NULL;
	*ret_number = codes[i].number;
	*ret_severity = codes[i].severity;
	return codes[i].message;
}

static enum policy_severity
code_severity(enum policy_code code)
{
	return codes[code_index(code)].severity;
}

static int
printable(char c, int tabs)
{
	return (c >= 0x20 && c < 0x7f) || (tabs && c == '\t');
}

void
policy_escape(FILE *out, const char *bytes, size_t length, int tabs)
{
	for (size_t i = 0; i < length; i++) {
		if (printable(bytes[i], tabs))
			fputc(bytes[i], out);
		else
			fprintf(out, "\\x%02x", (unsigned char)bytes[i]);
	}
}

static void
escape_string(FILE *out, const char *string)
{
	policy_escape(out, string, strlen(string), 0);
}

/* As policy_escape() writes it, in a string of JSON. */
static void
json_bytes(FILE *out, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\t')
			fputs("\\t", out);
		else if (!printable(bytes[i], 0))
			fprintf(out, "\\\\x%02x", (unsigned char)bytes[i]);
		else
			fprintf(out, bytes[i] == '"' || bytes[i] == '\\' ? "\\%c" : "%c", bytes[i]);
	}
}

static void
json_string(FILE *out, const char *key, const char *string)
{
	fprintf(out, "\"%s\":\"", key);
	json_bytes(out, string, strlen(string));
	fputc('"', out);
}

static void
text_message(FILE *out, enum policy_severity severity, enum policy_code code, const char *argument)
{
	const char *message = codes[code_index(code)].message;
	const char *hole = strchr(message, '%');

	fprintf(out, ": %s[P%03u]: ", severity_names[severity], (unsigned)code);
	if (!hole) {
		fputs(message, out);
	} else {
		fwrite(message, 1, (size_t)(hole - message), out);
		escape_string(out, argument ? argument : "");
		fputs(hole + 1, out);
	}
	fputc('\n', out);
}

static void
json_message(FILE *out, enum policy_severity severity, enum policy_code code, const char *argument)
{
	const char *message = codes[code_index(code)].message;
	const char *hole = strchr(message, '%');

	fprintf(out, "\"severity\":\"%s\",\"code\":\"P%03u\",\"message\":\"",
		severity_names[severity], (unsigned)code);
	json_bytes(out, message, hole ? (size_t)(hole - message) : strlen(message));
	if (hole && argument)
		json_bytes(out, argument, strlen(argument));
	if (hole)
		json_bytes(out, hole + 1, strlen(hole + 1));
	fputc('"', out);
}

/* The part of a long line that is shown: it holds the beginning of the span. */
static void
cut_line(const struct policy_place *place, struct policy_span span, uint32_t *ret_from,
	 uint32_t *ret_to)
{
	uint32_t from = 0, to = place->length;

	if (to > SHOWN_BYTES) {
		if (span.at > SHOWN_BEFORE)
			from = span.at - SHOWN_BEFORE;
		if (to - from > SHOWN_BYTES)
			to = from + SHOWN_BYTES;
	}
	*ret_from = from;
	*ret_to = to;
}

/* The line, and below it blanks (tabs where it has tabs) up to a caret as wide as the span. */
static void
text_excerpt(FILE *out, const struct policy_place *place, struct policy_span span)
{
	uint32_t from, to;
	uint32_t caret_end = span.at + (span.length ? span.length : 1);
	int margin;

	cut_line(place, span, &from, &to);
	if (caret_end > to && to > span.at)
		caret_end = to;

	margin = fprintf(out, "%5u", place->line);
	fprintf(out, " | %s", from ? "..." : "");
	policy_escape(out, place->text + from, to - from, 1);
	fprintf(out, "%s\n%*s | %s", to < place->length ? "..." : "", margin, "",
		from ? "   " : "");
	for (uint32_t i = from; i < span.at; i++) {
		if (i < to && place->text[i] == '\t')
			fputc('\t', out);
		else
			fputs(i >= to || printable(place->text[i], 1) ? " " : "    ", out);
	}
	for (uint32_t i = span.at; i < caret_end; i++) {
		fputc(i == span.at ? '^' : '~', out);
		if (i < to && !printable(place->text[i], 1))
			fputs("~~~", out);
	}
	fputc('\n', out);
}

static void
json_excerpt(FILE *out, const struct policy_place *place, struct policy_span span)
{
	uint32_t from, to;

	cut_line(place, span, &from, &to);
	fprintf(out, ",\"source\":\"%s", from ? "..." : "");
	json_bytes(out, place->text + from, to - from);
	fprintf(out, "%s\"", to < place->length ? "..." : "");
}

/* Of no line: about a file as a whole, or about the policy. */
static void
write_message(const struct policy_diag *diag, enum policy_code code, enum policy_severity severity,
	      const char *path, const char *argument, const char *help)
{
	if (diag->json) {
		fputc('{', diag->out);
		json_string(diag->out, "file", path);
		fputc(',', diag->out);
		json_message(diag->out, severity, code, argument);
		if (help) {
			fputc(',', diag->out);
			json_string(diag->out, "help", help);
		}
		fputs("}\n", diag->out);
		return;
	}
	escape_string(diag->out, path);
	text_message(diag->out, severity, code, argument);
	if (help) {
		fputs("      = help: ", diag->out);
		escape_string(diag->out, help);
		fputc('\n', diag->out);
	}
}

static void
write_entry(const struct policy_diag *diag, const struct policy_source *sources,
	    const struct policy_entry *entry)
{
	enum policy_severity severity = code_severity(entry->code);
	const char *help = entry->help && *entry->help ? entry->help : NULL;
	FILE *out = diag->out;

	if (entry->place.line == 0) {
		write_message(diag, entry->code, severity, "policy", entry->argument, help);
		return;
	}
	if (diag->json) {
		fputc('{', out);
		json_string(out, "file", sources[entry->place.source].name);
		fprintf(out, ",\"line\":%u,\"column\":%u,\"length\":%u,", entry->place.line,
			entry->span.at + 1, entry->span.length ? entry->span.length : 1);
		json_message(out, severity, entry->code, entry->argument);
		json_excerpt(out, &entry->place, entry->span);
		if (help) {
			fputc(',', out);
			json_string(out, "help", help);
		}
		fputs("}\n", out);
		return;
	}
	escape_string(out, sources[entry->place.source].name);
	fprintf(out, ":%u:%u", entry->place.line, entry->span.at + 1);
	text_message(out, severity, entry->code, entry->argument);
	text_excerpt(out, &entry->place, entry->span);
	if (help) {
		fputs("      = help: ", out);
		escape_string(out, help);
		fputc('\n', out);
	}
}

struct policy_span
policy_word_from(const struct policy_place *place, uint32_t at)
{
	const char *text = place->text;
	uint32_t end = place->length, from;

	while (at < end && (text[at] == ' ' || text[at] == '\t'))
		at++;
	from = at;
	while (at < end && text[at] != ' ' && text[at] != '\t')
		at++;
	return (struct policy_span){from, at - from};
}

static int
compare_entries(const void *a, const void *b)
{
	const struct policy_entry *x = a, *y = b;
	const uint32_t keys[][2] = {
		{x->place.source, y->place.source},
		{x->place.line, y->place.line},
		{x->span.at, y->span.at},
		{(uint32_t)x->code, (uint32_t)y->code},
	};

	for (size_t i = 0; i < ELEMENTS(keys); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

static void
entry_free(struct policy_entry *entry)
{
	free(entry->argument);
	free(entry->help);
	*entry = (struct policy_entry){0};
}

void
policy_report_add(struct policy_report *report, enum policy_code code,
		  const struct policy_place *place, struct policy_span span, const char *argument,
		  const char *help, ...)
{
	typeof(report->by_severity[0]) *kept = &report->by_severity[code_severity(code)];
	struct policy_entry entry = {.place = *place, .span = span, .code = code};
	/* What is missing at the end of a line is a span behind it. */
	uint32_t left = span.at < place->length ? place->length - span.at : 0;
	uint32_t shown = span.length < left ? span.length : left;
	va_list arguments;
	size_t at;

	kept->count++;
	if (kept->n == ELEMENTS(kept->entries)) {
		if (compare_entries(&entry, &kept->entries[kept->n - 1]) >= 0)
			return;
		entry_free(&kept->entries[--kept->n]);
	}
	entry.argument = argument ? strdup(argument)
				  : strndup(left ? place->text + span.at : "",
					    shown < SHOWN_BYTES ? shown : SHOWN_BYTES);
	va_start(arguments, help);
	if (vasprintf(&entry.help, help, arguments) < 0)
		entry.help = NULL;
	va_end(arguments);

	for (at = kept->n; at > 0 && compare_entries(&entry, &kept->entries[at - 1]) < 0; at--)
		kept->entries[at] = kept->entries[at - 1];
	kept->entries[at] = entry;
	kept->n++;
}

static unsigned long *
counter(struct policy_diag *diag, enum policy_severity severity)
{
	switch (severity) {
	case POLICY_NOTE:
		return &diag->notes;
	case POLICY_WARNING:
		return &diag->warnings;
	case POLICY_ERROR:
	default:
		return &diag->errors;
	}
}

/* One more of a severity: is there still room for it? */
static bool
take_room(unsigned room[POLICY_ERROR + 1], enum policy_severity severity)
{
	if (room[severity] == 0)
		return false;
	room[severity]--;
	return true;
}

/* What was counted and not shown, files included, and not yet said by a flush before. */
static void
write_more(struct policy_diag *diag, enum policy_severity severity)
{
	unsigned long count = *counter(diag, severity), more;

	more = count > POLICY_DIAG_SHOWN ? count - POLICY_DIAG_SHOWN - diag->more[severity] : 0;
	if (more == 0)
		return;
	diag->more[severity] += more;
	if (diag->json)
		fprintf(diag->out, "{\"severity\":\"%s\",\"more\":%lu}\n", severity_names[severity],
			more);
	else
		fprintf(diag->out, "... and %lu more %s%s\n", more, severity_names[severity],
			more == 1 ? "" : "s");
}

/* What is unknown may be in a file that is not among the sources: that was an error before. */
static void
say_unread(struct policy_entry *entry)
{
	char *help;

	if (asprintf(&help, "it may be in a file that could not be read%s%s",
		     entry->help && *entry->help ? "; else " : "",
		     entry->help ? entry->help : "") < 0)
		return;
	free(entry->help);
	entry->help = help;
}

void
policy_report_flush(struct policy_report *report, struct policy_diag *diag)
{
	struct policy_entry all[POLICY_DIAG_SHOWN * (POLICY_ERROR + 1)];
	unsigned room[POLICY_ERROR + 1];
	bool unread = diag->errors > 0;
	size_t n = 0;

	for (size_t s = 0; s < ELEMENTS(report->by_severity); s++) {
		unsigned long *count = counter(diag, (enum policy_severity)s);

		memcpy(all + n, report->by_severity[s].entries,
		       report->by_severity[s].n * sizeof(all[0]));
		n += report->by_severity[s].n;
		room[s] = *count < POLICY_DIAG_SHOWN ? (unsigned)(POLICY_DIAG_SHOWN - *count) : 0;
		*count += report->by_severity[s].count;
		report->by_severity[s].n = 0;
		report->by_severity[s].count = 0;
	}
	if (n > 0)
		qsort(all, n, sizeof(all[0]), compare_entries);
	for (size_t i = 0; i < n; i++) {
		if (unread && (all[i].code == POLICY_CODE_SET_UNKNOWN ||
			       all[i].code == POLICY_CODE_SUBJECT_UNKNOWN))
			say_unread(&all[i]);
		if (diag->out && take_room(room, code_severity(all[i].code)))
			write_entry(diag, report->sources, &all[i]);
		entry_free(&all[i]);
	}
	for (size_t s = ELEMENTS(report->by_severity); s-- > 0 && diag->out;)
		write_more(diag, (enum policy_severity)s);
}

void
policy_diag_file(struct policy_diag *diag, enum policy_code code, enum policy_severity severity,
		 const char *path, const char *argument, const char *help)
{
	unsigned long *count = counter(diag, severity);

	(*count)++;
	if (!diag->out || *count > POLICY_DIAG_SHOWN)
		return;
	write_message(diag, code, severity, path, argument, help);
}
