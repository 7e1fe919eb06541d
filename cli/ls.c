/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "attributes.h"
#include "cli.h"
#include "client-lib/fdbroker.h"
#include "text.h"

enum column {
	COLUMN_MODE,
	COLUMN_USER,
	COLUMN_GROUP,
	COLUMN_SIZE,
	COLUMN_TIME,
	COLUMNS_N,
};

struct entry {
	char *name;
	unsigned char type; /* of readdir(3) */
	char *columns[COLUMNS_N];
};

struct listing {
	const char *path;
	struct entry *entries;
	size_t n, room;
};

static int
add(void *context, const char *name, unsigned char type)
{
	struct listing *listing = context;

	if (listing->n == listing->room) {
		listing->room += listing->room / 2 + 64;
		listing->entries =
			cli_resize(listing->entries, listing->room, sizeof(*listing->entries));
	}
	listing->entries[listing->n++] =
		(struct entry){.name = cli_format("%s", name), .type = type};
	return 0;
}

static void
clear(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++) {
		free(listing->entries[i].name);
		for (int k = 0; k < COLUMNS_N; k++)
			free(listing->entries[i].columns[k]);
	}
	free(listing->entries);
	*listing = (struct listing){0};
}

static int
compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static char *
whole_path(const struct listing *listing, const struct entry *entry)
{
	bool is_root = strcmp(listing->path, "/") == 0;

	return cli_format("%s/%s", is_root ? "" : listing->path, entry->name);
}

/* --- the long form ----------------------------------------------------------------------- */

static char *
time_text(const struct statx_timestamp *when)
{
	time_t seconds = when->tv_sec;
	struct tm broken_down;
	char text[64];

	if (localtime_r(&seconds, &broken_down) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &broken_down) > 0)
		return cli_format("%s", text);
	return cli_format("@%lld", (long long)when->tv_sec);
}

static char *
name_text(const char *name, unsigned id)
{
	return name ? cli_format("%s", name) : cli_format("%u", id);
}

/* Nobody may know more of it than its name, and perhaps its type. */
static void
describe_unknown(struct entry *entry)
{
	char letter = entry->type == DT_UNKNOWN ? '?' : attributes_letter(DTTOIF(entry->type));

	entry->columns[COLUMN_MODE] = cli_format("%c?????????", letter);
	for (int k = COLUMN_MODE + 1; k < COLUMNS_N; k++)
		entry->columns[k] = cli_format("?");
}

static void
describe(struct entry *entry, const struct statx *status)
{
	bool is_device = S_ISCHR(status->stx_mode) || S_ISBLK(status->stx_mode);
	char **columns = entry->columns;

	columns[COLUMN_MODE] = attributes_mode(status->stx_mode);
	columns[COLUMN_USER] = name_text(attributes_user(status->stx_uid), status->stx_uid);
	columns[COLUMN_GROUP] = name_text(attributes_group(status->stx_gid), status->stx_gid);
	columns[COLUMN_SIZE] =
		is_device ? cli_format("%u, %u", status->stx_rdev_major, status->stx_rdev_minor)
			  : cli_format("%llu", (unsigned long long)status->stx_size);
	columns[COLUMN_TIME] = time_text(&status->stx_mtime);
}

/* A name that is listed need not be one whose status may be known, and may be gone by now. */
static int
describe_all(struct listing *listing)
{
	int status = CLI_YES;

	for (size_t i = 0; i < listing->n; i++) {
		struct entry *entry = &listing->entries[i];
		_cleanup_free_ char *path = whole_path(listing, entry);
		struct statx found;

		if (broker_stat(path, AT_SYMLINK_NOFOLLOW, &found) == 0) {
			describe(entry, &found);
			continue;
		}
		if (errno != EACCES && errno != ENOENT) {
			cli_explain_refusal(path, "stat", errno);
			status = CLI_NO;
		}
		describe_unknown(entry);
	}
	return status;
}

static void
print_long(const struct listing *listing)
{
	int widths[COLUMNS_N] = {0};

	for (size_t i = 0; i < listing->n; i++)
		for (int k = 0; k < COLUMNS_N; k++) {
			int n = (int)strlen(listing->entries[i].columns[k]);

			widths[k] = n > widths[k] ? n : widths[k];
		}
	for (size_t i = 0; i < listing->n; i++) {
		char *const *c = listing->entries[i].columns;

		cli_line(stdout, "%-*s %-*s %-*s %*s %-*s %s", widths[COLUMN_MODE], c[COLUMN_MODE],
			 widths[COLUMN_USER], c[COLUMN_USER], widths[COLUMN_GROUP], c[COLUMN_GROUP],
			 widths[COLUMN_SIZE], c[COLUMN_SIZE], widths[COLUMN_TIME], c[COLUMN_TIME],
			 listing->entries[i].name);
	}
}

/* --- all forms --------------------------------------------------------------------------- */

/* As they are, for programs. */
static void
print_paths(const struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++) {
		_cleanup_free_ char *path = whole_path(listing, &listing->entries[i]);

		fwrite(path, strlen(path) + 1, 1, stdout);
	}
}

static void
print_names(const struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		cli_line(stdout, "%s", listing->entries[i].name);
}

/* Of several directories each has a line with its path, and an empty one between. */
static void
print_heading(const char *path)
{
	static bool is_later;

	if (is_later)
		putchar('\n');
	cli_line(stdout, "%s:", path);
	is_later = true;
}

static int
list(const struct cli_args *args, const char *path)
{
	struct listing listing = {.path = path};
	int status = CLI_YES;

	if (broker_list(path, add, &listing) < 0) {
		cli_explain_refusal(path, "list", errno);
		clear(&listing);
		return CLI_NO;
	}
	/* Which of the two, it does not tell. */
	if (listing.n == 0)
		cli_error("%s: empty, or no name in it is granted to you: those are shown that a "
			  "rule grants list, stat or read",
			  path);
	else
		qsort(listing.entries, listing.n, sizeof(*listing.entries), compare);
	if (args->value[CLI_LONG])
		status = describe_all(&listing);
	if (args->n_operands > 1 && !args->value[CLI_NULL])
		print_heading(path);
	if (args->value[CLI_NULL])
		print_paths(&listing);
	else if (args->value[CLI_LONG])
		print_long(&listing);
	else
		print_names(&listing);
	clear(&listing);
	return status;
}

int
cli_ls(const struct cli_args *args)
{
	int status = CLI_YES;

	if (args->value[CLI_LONG] && args->value[CLI_NULL])
		return cli_usage(args->command, "--long and --null exclude each other");
	for (int i = 0; i < args->n_operands; i++)
		if (list(args, args->operands[i]) != CLI_YES)
			status = CLI_NO;
	return status;
}
