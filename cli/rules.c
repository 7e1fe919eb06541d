/* SPDX-License-Identifier: MIT */
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "json.h"
#include "policy/codes.h"
#include "policy/report.h"
#include "text.h"

static const char *const system_directories[] = {
	POLICY_DIRECTORIES,
};

static void
add_error(struct policy_diag *diag, const char *path, int error)
{
	policy_diag_file(diag, POLICY_CODE_CANNOT_OPEN, POLICY_ERROR, path, strerror(error), NULL);
}

/* Directories first, in their order, as the daemon takes them; then single files. */
static void
open_files(const char *const *paths, size_t n, struct policy_diag *diag, struct policy_files *files)
{
	_cleanup_free_ const char **directories = cli_resize(NULL, n, sizeof(char *));
	_cleanup_free_ const char **singles = cli_resize(NULL, n, sizeof(char *));
	size_t n_directories = 0, n_singles = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct stat st;

		if (stat(paths[i], &st) < 0)
			add_error(diag, paths[i], errno);
		else if (S_ISDIR(st.st_mode))
			directories[n_directories++] = paths[i];
		else
			singles[n_singles++] = paths[i];
	}
	if (n == 0)
		r = policy_files_open(system_directories,
				      sizeof(system_directories) / sizeof(char *),
				      POLICY_TRUST_WARN, diag, files);
	else
		r = policy_files_open(directories, n_directories, POLICY_TRUST_WARN, diag, files);
	if (r < 0 && r != -EBADMSG)
		add_error(diag, "policy", -r);
	for (size_t i = 0; i < n_singles; i++) {
		r = policy_files_add(files, singles[i], POLICY_TRUST_WARN, diag);
		if (r < 0 && r != -EBADMSG)
			add_error(diag, singles[i], -r);
	}
}

static void
read_files(struct rules *rules)
{
	rules->sources = cli_resize(NULL, rules->files.n, sizeof(*rules->sources));
	rules->texts = cli_resize(NULL, rules->files.n, sizeof(*rules->texts));
	for (size_t i = 0; i < rules->files.n; i++) {
		const char *path = rules->files.files[i].path;
		char *text = NULL;
		size_t size = 0;
		int r = policy_file_read(rules->files.files[i].fd, POLICY_FILE_BYTES_MAX, &text,
					 &size);

		if (r < 0) {
			add_error(&rules->diag, path, -r);
			continue;
		}
		rules->sources[rules->n_sources] = (struct policy_source){path, text, size};
		rules->texts[rules->n_sources++] =
			(struct rules_text){.shown = cli_escape(path, strlen(path))};
	}
}

static void
compile(struct rules *rules, unsigned flags)
{
	size_t size = 0;
	int r = policy_compile(rules->sources, rules->n_sources, flags, &rules->diag, &rules->bytes,
			       &size);

	if (r < 0) {
		if (r != -EBADMSG)
			add_error(&rules->diag, "policy", -r);
		return;
	}
	r = policy_image_from_memory(rules->bytes, size, &rules->image);
	if (r < 0)
		add_error(&rules->diag, "compiled policy", -r);
}

int
rules_load(const char *const *paths, size_t n, unsigned flags, enum rules_output output,
	   struct rules *ret_rules)
{
	*ret_rules = (struct rules){.diag = {.out = stderr, .json = output == RULES_JSON}};
	if (output != RULES_STDERR) {
		ret_rules->diag.out = open_memstream(&ret_rules->kept, &ret_rules->kept_size);
		if (!ret_rules->diag.out)
			cli_out_of_memory();
	}
	open_files(paths, n, &ret_rules->diag, &ret_rules->files);
	read_files(ret_rules);
	ret_rules->n_files = ret_rules->files.n;
	compile(ret_rules, flags);
	return ret_rules->image && ret_rules->diag.errors == 0 ? 0 : -EBADMSG;
}

void
rules_clear(struct rules *rules)
{
	for (size_t i = 0; i < rules->n_sources; i++) {
		char *text = (char *)(uintptr_t)rules->sources[i].text;

		free(text);
		free(rules->texts[i].shown);
		free(rules->texts[i].lines);
	}
	free(rules->sources);
	free(rules->texts);
	if (rules->diag.out && rules->diag.out != stderr)
		fclose(rules->diag.out);
	free(rules->kept);
	policy_files_close(&rules->files);
	policy_image_free(rules->image);
	free(rules->bytes);
	*rules = (struct rules){0};
}

json_t *
rules_messages(struct rules *rules, bool errors)
{
	json_t *messages = cli_json_array();

	if (!rules->diag.json)
		return messages;
	if (fflush(rules->diag.out) != 0)
		cli_out_of_memory();
	for (size_t at = 0; at < rules->kept_size;) {
		size_t n = strcspn(rules->kept + at, "\n");
		json_t *message = json_loadb(rules->kept + at, n, 0, NULL);

		const char *severity = json_string_value(json_object_get(message, "severity"));

		if (!errors || !severity || strcmp(severity, "error") == 0)
			cli_json_add(messages, message ?: cli_json_bytes(rules->kept + at, n));
		else
			json_decref(message);
		at += n + 1;
	}
	return messages;
}

/* A message begins in the first column; what is quoted in it is indented. */
static bool
begins_message(const char *line, size_t n, bool *ret_error)
{
	static const char *const marks[] = {": error[P", ": warning[P", ": note[P"};
	const char *end = line + n, *first = end;

	if (n > 0 && *line == ' ')
		return false;
	if (n > 3 && strncmp(line, "...", 3) == 0) {
		*ret_error = memmem(line, n, " more error", strlen(" more error")) != NULL;
		return true;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *mark = memmem(line, n, marks[i], strlen(marks[i]));

		if (mark && mark < first) {
			first = mark;
			*ret_error = i == 0;
		}
	}
	return first < end;
}

void
rules_print_errors(struct rules *rules)
{
	bool error = true;

	if (fflush(rules->diag.out) != 0)
		cli_out_of_memory();
	for (size_t at = 0; at < rules->kept_size;) {
		size_t n = strcspn(rules->kept + at, "\n");

		begins_message(rules->kept + at, n, &error);
		if (error)
			fprintf(stderr, "%.*s\n", (int)n, rules->kept + at);
		at += n + 1;
	}
}

/* --- lines ------------------------------------------------------------------------------- */

static void
index_lines(struct rules_text *text, const struct policy_source *source)
{
	size_t room = 0;

	for (size_t at = 0; at < source->size;) {
		const char *newline = memchr(source->text + at, '\n', source->size - at);

		if (text->n_lines + 1 >= room) {
			room = room * 2 + 64;
			text->lines = cli_resize(text->lines, room, sizeof(*text->lines));
		}
		text->lines[text->n_lines++] = at;
		at = newline ? (size_t)(newline - source->text) + 1 : source->size;
	}
	if (text->n_lines > 0)
		text->lines[text->n_lines] = source->size;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

struct rules_line
rules_line(struct rules *rules, const char *file, uint32_t line)
{
	struct rules_line found = {.whole = "", .text = ""};
	struct rules_text *text = NULL;
	size_t end;

	for (size_t i = 0; i < rules->n_sources && !text; i++)
		if (strcmp(rules->texts[i].shown, file) == 0) {
			text = &rules->texts[i];
			found.source = i;
		}
	if (!text)
		return found;
	if (!text->lines)
		index_lines(text, &rules->sources[found.source]);
	if (line == 0 || line > text->n_lines)
		return found;

	found.whole = found.text = rules->sources[found.source].text + text->lines[line - 1];
	end = text->lines[line] - text->lines[line - 1];
	found.whole_length = end > 0 && found.whole[end - 1] == '\n' ? end - 1 : end;
	while (end > 0 && is_blank(found.text[0])) {
		found.text++;
		end--;
	}
	while (end > 0 && is_blank(found.text[end - 1]))
		end--;
	found.length = end;
	return found;
}

bool
rules_next_word(const char *line, size_t length, size_t *at, size_t *ret_start)
{
	size_t i = *at;
	bool plain; /* no target: quotes count */

	while (i < length && is_blank(line[i]))
		i++;
	if (i == length || line[i] == '#')
		return false;
	*ret_start = i;
	plain = line[i] != '/' && line[i] != '@';
	for (; i < length && !is_blank(line[i]); i++) {
		const char *close;

		if (!plain || line[i] != '"' || i == *ret_start || line[i - 1] != '=')
			continue;
		close = memchr(line + i + 1, '"', length - i - 1);
		i = close ? (size_t)(close - line) : length - 1;
	}
	*at = i;
	return true;
}

/* --- small ones -------------------------------------------------------------------------- */

struct policy_image *
rules_compile_text(const char *text, size_t size, void **ret_bytes)
{
	const struct policy_source source = {"", text, size};
	struct policy_diag quiet = {0};
	struct policy_image *image = NULL;
	void *bytes = NULL;
	size_t n = 0;

	if (policy_compile(&source, 1, 0, &quiet, &bytes, &n) < 0)
		return NULL;
	if (policy_image_from_memory(bytes, n, &image) < 0) {
		free(bytes);
		return NULL;
	}
	*ret_bytes = bytes;
	return image;
}

char *
rules_refused(const char *rule)
{
	_cleanup_free_ char *text = cli_format("policy 1\n%s\n", rule);
	const struct policy_source source = {"", text, strlen(text)};
	_cleanup_free_ char *kept = NULL;
	_cleanup_free_ void *bytes = NULL;
	struct policy_diag diag = {.json = true};
	size_t size = 0, n = 0;
	json_t *message;
	const char *what, *help;
	char *reason;
	int r;

	diag.out = open_memstream(&kept, &size);
	if (!diag.out)
		cli_out_of_memory();
	r = policy_compile(&source, 1, 0, &diag, &bytes, &n);
	if (fclose(diag.out) != 0)
		cli_out_of_memory();
	if (r == 0)
		return NULL;
	message = json_loadb(kept, strcspn(kept, "\n"), 0, NULL);
	what = json_string_value(json_object_get(message, "message"));
	help = json_string_value(json_object_get(message, "help"));
	reason = cli_format("%s%s%s", what ?: strerror(-r), help ? "; " : "", help ?: "");
	json_decref(message);
	return reason;
}
