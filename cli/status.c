/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "cli.h"
#include "text.h"

/* --- colour ---------------------------------------------------------------------------- */

enum colour {
	PLAIN,
	BOLD,
	GOOD,
	BAD,
	BUSY,
};

static bool
colours_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

static void
put_coloured(enum colour colour, const char *text)
{
	static const char *const codes[] = {"", "\033[1m", "\033[32m", "\033[1;31m", "\033[33m"};

	if (colour == PLAIN || !colours_wanted()) {
		cli_text(stdout, "%s", text);
		return;
	}
	fputs(codes[colour], stdout);
	cli_text(stdout, "%s", text);
	fputs("\033[0m", stdout);
}

static void
label(const char *name)
{
	_cleanup_free_ char *text = cli_format("%-9s ", name);

	put_coloured(BOLD, text);
}

/* --- parts of the page ----------------------------------------------------------------- */

static char *
age_text(int64_t s)
{
	if (s < 0)
		return cli_format("-");
	if (s < 60)
		return cli_format("%" PRId64 "s", s);
	if (s < 3600)
		return cli_format("%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	if (s < 86400)
		return cli_format("%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	return cli_format("%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
}

static char *
time_text(int64_t unix_time)
{
	char text[64];
	time_t t = (time_t)unix_time;
	struct tm parts;

	if (unix_time <= 0 || !localtime_r(&t, &parts) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &parts) == 0)
		return cli_format("never");
	return cli_format("%s", text);
}

static void
print_policy(const json_t *status)
{
	int64_t generation = admin_integer(status, "generation", 0),
		rules = admin_integer(status, "rules", 0);
	const json_t *directory;
	size_t i;

	label("policy");
	if (generation > 0)
		cli_line(stdout, "generation %" PRId64 ", %" PRId64 " rule%s", generation, rules,
			 rules == 1 ? "" : "s");
	else {
		put_coloured(BAD, "none in force: everything is denied");
		putchar('\n');
	}
	json_array_foreach(json_object_get(status, "policy"), i, directory)
	{
		_cleanup_free_ char *bytes = admin_bytes(directory);

		cli_line(stdout, "          %s", bytes ?: "-");
	}
}

static void
print_load(const json_t *status)
{
	const json_t *load = json_object_get(status, "load");
	bool ok = json_is_true(json_object_get(load, "ok"));
	bool busy = json_is_true(json_object_get(load, "busy"));
	int64_t serial = admin_integer(load, "serial", 0);

	label("load");
	if (serial > 0) {
		_cleanup_free_ char *when = time_text(admin_integer(load, "time", 0));

		put_coloured(ok ? GOOD : BAD, ok ? "ok" : "failed");
		cli_text(stdout, ", %s", when);
		if (!ok && admin_integer(status, "generation", 0) > 0)
			cli_text(stdout, "; the policy before it stays in force");
	}
	if (busy)
		put_coloured(BUSY, serial > 0 ? "; another is under way" : "under way");
	else if (serial <= 0)
		cli_text(stdout, "none has finished");
	putchar('\n');
	if (serial > 0 && !ok)
		cli_block(stdout, "          ", admin_string(load, "messages", ""));
}

static void
print_layers(const json_t *status)
{
	static const struct {
		const char *name, *words;
	} layers[] = {
		{"trees", "workers see the whole file system, not private read-only mounts"},
		{"landlock", "the kernel does not hold workers to the policy's trees"},
		{"seccomp", "workers may make any system call"},
		{"caps", "workers keep capabilities that they do not need"},
		{"user", "workers run under the uid of the broker's own user"},
	};
	json_t *set = json_object_get(status, "layers"), *on;
	const char *name;
	bool all = true;

	json_object_foreach(set, name, on)
	{
		const char *words = "";

		if (json_is_true(on))
			continue;
		for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
			if (strcmp(name, layers[i].name) == 0)
				words = layers[i].words;
		label(all ? "off" : "");
		put_coloured(BAD, name);
		cli_line(stdout, "%s%s", *words ? ": " : "", words);
		all = false;
	}
	if (all) {
		label("layers");
		puts(json_object_size(set) > 0 ? "all on" : "unknown");
	}
}

/* --- workers --------------------------------------------------------------------------- */

enum {
	COLUMNS = 12,
	STATE = 7,
};

static const struct {
	const char *title, *member;
	bool left;
} columns[COLUMNS] = {
	{"ID", "id"},
	{"PID", "pid"},
	{"KIND", "kind", true},
	{"UID", "uid"},
	{"GID", "gid"},
	{"ACCOUNT", "account"},
	{"GENERATION", "generation"},
	{"STATE", "state", true},
	{"AGE", "age"},
	{"CONNECTIONS", "connections"},
	{"OPEN", "open"},
	{"LAYERS", "layers", true},
};

/* Which are off. A worker that is not ready yet, or never was, has none to speak of. */
static char *
layers_text(const json_t *worker)
{
	json_t *set = json_object_get(worker, "layers"), *on;
	const char *state = admin_string(worker, "state", ""), *name;
	char *text = cli_format("all");
	bool all = true;

	json_object_foreach(set, name, on)
	{
		char *before = text;
		_cleanup_free_ char *safe = cli_escape(name, strlen(name));

		if (json_is_true(on))
			continue;
		text = cli_format("%s%s%s", before, all ? " but " : ",", safe);
		free(before);
		all = false;
	}
	if (json_object_size(set) > 0 && strcmp(state, "starting") != 0 &&
	    strcmp(state, "failed") != 0)
		return text;
	free(text);
	return cli_format("-");
}

static char *
cell(const json_t *worker, size_t column)
{
	const char *member = columns[column].member;
	const json_t *value = json_object_get(worker, member);

	if (strcmp(member, "layers") == 0)
		return layers_text(worker);
	if (json_is_string(value))
		return cli_escape(json_string_value(value), json_string_length(value));
	/* The highest id of 32 bits is nobody's. */
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) == UINT32_MAX)
		return cli_format("-");
	if (strcmp(member, "age") == 0)
		return age_text(json_integer_value(value));
	return cli_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static void
print_row(char *const *cells, const size_t *width, bool title)
{
	for (size_t c = 0; c < COLUMNS; c++) {
		int pad = (int)(width[c] - strlen(cells[c]));
		enum colour colour = title                            ? BOLD
				     : c != STATE                     ? PLAIN
				     : strcmp(cells[c], "ready") == 0 ? GOOD
								      : BUSY;

		printf("%*s", (columns[c].left ? 0 : pad) + (c ? 2 : 0), "");
		put_coloured(colour, cells[c]);
		printf("%*s", columns[c].left && c + 1 < COLUMNS ? pad : 0, "");
	}
	putchar('\n');
}

static void
print_workers(const json_t *workers)
{
	size_t n = json_array_size(workers) + 1, width[COLUMNS] = {0};
	char *(*rows)[COLUMNS] = cli_resize(NULL, n, sizeof(*rows));

	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < COLUMNS; c++) {
			rows[i][c] = i ? cell(json_array_get(workers, i - 1), c)
				       : cli_format("%s", columns[c].title);
			if (strlen(rows[i][c]) > width[c])
				width[c] = strlen(rows[i][c]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		print_row(rows[i], width, i == 0);
		for (size_t c = 0; c < COLUMNS; c++)
			free(rows[i][c]);
	}
	free(rows);
	for (size_t i = 0; i + 1 < n; i++) {
		const json_t *worker = json_array_get(workers, i);

		if (strcmp(admin_string(worker, "state", ""), "failed") != 0)
			continue;
		puts("\nfailed: the worker ended before it was ready; its identity waits a second, "
		     "and the log says why: journalctl -u fdbroker");
		break;
	}
}

int
cli_status(const struct cli_args *args)
{
	const char *path = cli_admin_path(args);
	struct admin_status status = {0};
	int r = admin_read(path, admin_now() + ADMIN_TIMEOUT_MS, &status);

	if (r != ADMIN_READ) {
		admin_explain(path, r);
		return CLI_NO;
	}
	if (args->value[CLI_JSON]) {
		size_t n = strlen(status.text);

		printf("%s%s", status.text, n && status.text[n - 1] == '\n' ? "" : "\n");
		admin_clear(&status);
		return CLI_YES;
	}

	label("fdbrokerd");
	cli_line(stdout, "%s, pid %" PRId64 ", uid %" PRId64 ", at %s",
		 admin_string(status.json, "version", "?"), admin_integer(status.json, "pid", -1),
		 admin_integer(status.json, "uid", -1), admin_string(status.json, "socket", "?"));
	print_policy(status.json);
	print_load(status.json);
	print_layers(status.json);
	label("clients");
	cli_line(stdout, "%" PRId64 " connections accepted, %" PRId64 " refused",
		 admin_integer(status.json, "accepted", 0),
		 admin_integer(status.json, "refused", 0));

	const json_t *workers = json_object_get(status.json, "workers");

	label("workers");
	cli_line(stdout, "%zu", json_array_size(workers));
	if (json_array_size(workers) > 0) {
		putchar('\n');
		print_workers(workers);
	}
	admin_clear(&status);
	return CLI_YES;
}
