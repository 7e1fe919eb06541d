/* SPDX-License-Identifier: MIT */
/* Runs in: worker, first phase. */
#include "broker/landlock.h"
#include "broker/worker/confine.h"

static uint64_t
access_of(const struct reach *reach, bool is_file)
{
	unsigned verbs = reach->verbs;
	uint64_t access = 0;

	/* Listed, and nothing beneath it opened. */
	if (is_file && reach->is_directory)
		return verbs & POLICY_LIST ? LANDLOCK_ACCESS_FS_READ_DIR : 0;

	/* A descriptor takes along what its opener was not permitted, landlock(7). */
	if (reach->types & (POLICY_TYPE_CHR | POLICY_TYPE_BLK))
		access |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (verbs & POLICY_READ)
		access |= LANDLOCK_ACCESS_FS_READ_FILE;
	if (verbs & POLICY_WRITE)
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
	if (is_file)
		return access;
	if (verbs & POLICY_LIST)
		access |= LANDLOCK_ACCESS_FS_READ_DIR;
	if (verbs & POLICY_CREATE)
		access |= LANDLOCK_ACCESS_FS_MAKE_REG;
	return access;
}

int
confine_landlock(const struct confinement *c)
{
	struct landlock_path_beneath_attr rules[POLICY_PREFIXES_MAX];
	const struct trees *trees = c->trees;
	size_t n = 0;

	for (size_t i = 0; i < trees->n_reaches; i++) {
		const struct reach *reach = &trees->reaches[i];
		/* A file that is yet to be created has nothing but its directory to be named by. */
		bool is_file = reach->name && !(reach->verbs & POLICY_CREATE);
		int fd = is_file ? reach->file : trees->trees[reach->tree].roots[TREE_READ];

		if (fd >= 0)
			rules[n++] = (struct landlock_path_beneath_attr){
				.allowed_access = access_of(reach, is_file),
				.parent_fd = fd,
			};
	}
	return landlock_enter(LANDLOCK_TAKES_ALL, rules, n);
}
