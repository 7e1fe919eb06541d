/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/policy.h"
#include "text.h"

enum {
	REAL_LINKS_MAX = 40, /* as in the kernel */
};

/* A path as it is put together of components. */
struct joined {
	char path[POLICY_PATH_MAX + 1];
	size_t length;
	bool has_name; /* of what the link says: ".." behind it could mean anything */
};

/* False: there is no such path, or none that is as long. */
static bool
add_component(struct joined *j, const char *name, size_t n)
{
	if (n == 0 || (n == 1 && name[0] == '.'))
		return true;
	if (n == 2 && memcmp(name, "..", 2) == 0) {
		while (j->length > 0 && j->path[--j->length] != '/')
			;
		return !j->has_name;
	}
	if (j->length + 1 + n > POLICY_PATH_MAX)
		return false;
	j->path[j->length] = '/';
	memcpy(j->path + j->length + 1, name, n);
	j->length += 1 + n;
	j->has_name = true;
	return true;
}

/* The path with what the link says in place of the link. */
static char *
join(const char *path, size_t end, const char *target, size_t n)
{
	struct joined j = {.length = 0};
	size_t rest = strlen(path + end);

	if (target[0] != '/') {
		j.length = (size_t)((const char *)memrchr(path, '/', end) - path);
		memcpy(j.path, path, j.length);
	}
	for (size_t at = 0; at < n;) {
		size_t length = strcspn(target + at, "/");

		if (!add_component(&j, target + at, length))
			return NULL;
		at += length + 1;
	}
	if (j.length + rest > POLICY_PATH_MAX)
		return NULL;
	memcpy(j.path + j.length, path + end, rest);
	j.length += rest;
	if (j.length == 0)
		j.path[j.length++] = '/';
	return policy_path_is_canonical(j.path, j.length)
		       ? cli_format("%.*s", (int)j.length, j.path)
		       : NULL;
}

char *
follow(const char *path, size_t end, bool *asks_directory)
{
	_cleanup_free_ char *link = cli_format("%.*s", (int)end, path);
	char target[POLICY_PATH_MAX + 1], *joined = NULL;
	ssize_t n = readlinkat(AT_FDCWD, link, target, POLICY_PATH_MAX);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (n > 0 && n < POLICY_PATH_MAX)
		joined = join(path, end, target, (size_t)n);
	if (!joined)
		errno = ELOOP;
	else
		*asks_directory |= !path[end] && target[n - 1] == '/';
	return joined;
}

char *
follow_really(const char *path)
{
	char *now = cli_format("%s", path);
	size_t at = 0, links = 0;

	while (now[at]) {
		_cleanup_free_ char *part = NULL, *target = NULL, *before = NULL;
		struct stat status;

		at += 1 + strcspn(now + at + 1, "/");
		part = cli_format("%.*s", (int)at, now);
		if (lstat(part, &status) < 0)
			break;
		if (!S_ISLNK(status.st_mode))
			continue;
		before = now;
		target = ++links < REAL_LINKS_MAX ? realpath(part, NULL) : NULL;
		if (!target)
			return NULL;
		now = cli_format("%s%s", strcmp(target, "/") == 0 ? "" : target, before + at);
		at = 0;
	}
	if (!*now) {
		free(now);
		now = cli_format("/");
	}
	return now;
}
