/* SPDX-License-Identifier: MIT */
/* Runs in: worker, first phase. */
#include <errno.h>
#include <unistd.h>

#include "broker/sys.h"
#include "broker/worker/confine.h"

/* Everything that the kernel's Landlock can hold a process to: what is not handled is permitted. */
static uint64_t
handled(int abi)
{
	uint64_t access = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		access |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		access |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		access |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return access;
}

static uint64_t
access_of(unsigned verbs, bool is_file)
{
	uint64_t access = 0;

	if (verbs & POLICY_READ)
		access |= LANDLOCK_ACCESS_FS_READ_FILE;
	if (verbs & (POLICY_WRITE | POLICY_CREATE))
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
	if (is_file)
		return access;
	if (verbs & POLICY_LIST)
		access |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (verbs & POLICY_CREATE)
		access |= LANDLOCK_ACCESS_FS_MAKE_REG;
	return access;
}

static int
add_rule(int ruleset, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};

	return fd < 0 || access == 0 ? 0 : sys_landlock_add_path(ruleset, &rule);
}

int
confine_landlock(const struct trees *trees)
{
	int abi = sys_landlock_abi();
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled(abi)};
	int ruleset, r = 0;

	if (abi == -ENOSYS || abi == -EOPNOTSUPP)
		return 0;
	if (abi < 0)
		return abi;
	ruleset = sys_landlock_create_ruleset(&attr, sizeof(attr));
	if (ruleset < 0)
		return ruleset;
	for (size_t i = 0; i < trees->n_reaches && r == 0; i++) {
		const struct reach *reach = &trees->reaches[i];
		const struct tree *tree = &trees->trees[reach->tree];
		/* A file that is yet to be created has nothing but its directory to be named by. */
		bool is_file = reach->name && !(reach->verbs & POLICY_CREATE);

		r = add_rule(ruleset, is_file ? reach->file : tree->read_only,
			     access_of(reach->verbs, is_file) & attr.handled_access_fs);
	}
	if (r == 0)
		r = sys_landlock_restrict_self(ruleset);
	close(ruleset);
	return r < 0 ? r : 1;
}
