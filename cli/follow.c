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

char *
follow(const char *path, size_t end, enum policy_link_end *ret_asks)
{
	_cleanup_free_ char *link = cli_format("%.*s", (int)end, path);
	char target[POLICY_PATH_MAX], joined[POLICY_PATH_MAX + 1];
	size_t length = strlen(path);
	ssize_t n = readlinkat(AT_FDCWD, link, target, sizeof(target));

	if (n < 0)
		return NULL;
	memcpy(joined, path, length + 1);
	if (n == sizeof(target) || !policy_link_join(joined, &length, end, target, (size_t)n)) {
		errno = ELOOP;
		return NULL;
	}
	*ret_asks = path[end] ? POLICY_LINK_ANY : policy_link_end(target, (size_t)n);
	return cli_format("%s", joined);
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
