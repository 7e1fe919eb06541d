/* SPDX-License-Identifier: MIT */
/* Runs in: workers, compiler and log process. */
#include "broker/landlock.h"

#include <errno.h>
#include <unistd.h>

enum {
	READING = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
		  LANDLOCK_ACCESS_FS_EXECUTE,
};

/* What is not handled is permitted: all that this kernel knows. */
static struct sys_landlock_ruleset
handled(enum landlock_takes takes, int abi, size_t *ret_size)
{
	struct sys_landlock_ruleset all = {
		.files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
		.network = SYS_LANDLOCK_BIND_TCP | SYS_LANDLOCK_CONNECT_TCP,
		.scoped = SYS_LANDLOCK_SCOPE_ABSTRACT_SOCKET | SYS_LANDLOCK_SCOPE_SIGNAL,
	};

	if (abi >= 2)
		all.files |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all.files |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		all.files |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (takes == LANDLOCK_TAKES_CHANGES) {
		all.files &= ~(uint64_t)READING;
		all.network = 0;
		all.scoped = SYS_LANDLOCK_SCOPE_SIGNAL;
	}
	*ret_size = abi >= 6   ? sizeof(all)
		    : abi >= 4 ? offsetof(struct sys_landlock_ruleset, scoped)
			       : offsetof(struct sys_landlock_ruleset, network);
	return all;
}

int
landlock_enter(enum landlock_takes takes, const struct landlock_path_beneath_attr *rules, size_t n)
{
	int abi = sys_landlock_abi(), ruleset, r = 0;
	struct sys_landlock_ruleset attr;
	size_t size;

	/* Not built in; or left out of the kernel's command line. */
	if (abi == -ENOSYS || abi == -EOPNOTSUPP)
		return 0;
	if (abi < 0)
		return abi;
	attr = handled(takes, abi, &size);
	ruleset = sys_landlock_create_ruleset(&attr, size);
	if (ruleset < 0)
		return ruleset;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct landlock_path_beneath_attr rule = rules[i];

		rule.allowed_access &= attr.files;
		if (rule.allowed_access != 0)
			r = sys_landlock_add_path(ruleset, &rule);
	}
	if (r == 0)
		r = sys_landlock_restrict_self(ruleset);
	close(ruleset);
	return r < 0 ? r : 1;
}
