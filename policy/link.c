/* SPDX-License-Identifier: MIT */
/* Where a symbolic link leads: a path for the policy to decide on, which the kernel never follows. */
#include <string.h>

#include "policy.h"

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

bool
policy_link_join(char *path, size_t *length, size_t end, const char *target, size_t n)
{
	const size_t rest = *length - end;
	struct joined j = {.length = 0};
	const char *slash;

	if (n > 0 && target[0] != '/') {
		j.length = (size_t)((const char *)memrchr(path, '/', end) - path);
		memcpy(j.path, path, j.length);
	}
	for (const char *at = target; at < target + n; at = slash + 1) {
		slash = memchr(at, '/', (size_t)(target + n - at));
		if (!slash)
			slash = target + n;
		if (!add_component(&j, at, (size_t)(slash - at)))
			return false;
	}
	/* The rest, as it was. */
	if (j.length + rest > POLICY_PATH_MAX)
		return false;
	memcpy(j.path + j.length, path + end, rest);
	j.length += rest;
	if (j.length == 0)
		j.path[j.length++] = '/';
	if (!policy_path_is_canonical(j.path, j.length))
		return false;
	memcpy(path, j.path, j.length);
	path[j.length] = '\0';
	*length = j.length;
	return true;
}

enum policy_link_end
policy_link_end(const char *target, size_t n)
{
	if (n > 0 && target[n - 1] == '/')
		return POLICY_LINK_DIRECTORY;
	if (n > 0 && target[n - 1] == '.' && (n == 1 || target[n - 2] == '/'))
		return POLICY_LINK_INSIDE;
	return POLICY_LINK_ANY;
}
