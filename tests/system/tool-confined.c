/* SPDX-License-Identifier: MIT */
/*
 * tool-confined HIDDEN -- CMD...: run CMD where Landlock keeps it from opening anything beneath
 * HIDDEN. For the demonstration by an ordinary user.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/sys.h"

enum {
	ACCESS_FILE = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
		      LANDLOCK_ACCESS_FS_WRITE_FILE,
	ACCESS = ACCESS_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
};

static void
permit(int ruleset, int directory, const char *name)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = ACCESS,
		.parent_fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC),
	};
	struct stat status;

	if (rule.parent_fd < 0 || fstat(rule.parent_fd, &status) < 0)
		return;
	if (!S_ISDIR(status.st_mode))
		rule.allowed_access &= ACCESS_FILE;
	if (!S_ISLNK(status.st_mode))
		(void)sys_landlock_add_path(ruleset, &rule);
	close(rule.parent_fd);
}

/* Permit all that directory holds but hidden, and go down towards that. */
static void
permit_around(int ruleset, const char *directory, const char *hidden)
{
	size_t length = strlen(directory), next;
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	char below[4096];

	if (!stream)
		return;
	while (hidden[length] == '/')
		length++;
	next = length + strcspn(hidden + length, "/");
	while ((entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    (strlen(entry->d_name) != next - length ||
		     strncmp(entry->d_name, hidden + length, next - length) != 0))
			permit(ruleset, dirfd(stream), entry->d_name);
	closedir(stream);
	if (hidden[next] == '\0')
		return;
	snprintf(below, sizeof(below), "%.*s", (int)next, hidden);
	permit_around(ruleset, below, hidden);
}

int
main(int argc, char **argv)
{
	struct sys_landlock_ruleset attr = {.files = ACCESS};
	int ruleset;

	if (argc < 4 || strcmp(argv[2], "--") != 0 || argv[1][0] != '/')
		errx(2, "usage: tool-confined /HIDDEN -- CMD...");
	ruleset = sys_landlock_create_ruleset(&attr, sizeof(attr));
	if (ruleset < 0)
		errx(1, "this kernel has no Landlock");
	permit_around(ruleset, "/", argv[1]);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sys_landlock_restrict_self(ruleset) < 0)
		err(1, "landlock_restrict_self");
	execvp(argv[3], argv + 3);
	err(127, "%s", argv[3]);
}
