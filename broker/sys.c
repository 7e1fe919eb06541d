/* SPDX-License-Identifier: MIT */
/* Runs in: broker, workers, compiler and log process. The only place that calls syscall(2). */
#include "broker/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
result(long r)
{
	return r < 0 ? -errno : (int)r;
}

int
sys_openat2(int directory, const char *path, const struct open_how *how)
{
	return result(syscall(SYS_openat2, directory, path, how, sizeof(*how)));
}

int
sys_open_tree(int directory, const char *path, unsigned flags)
{
	return result(syscall(SYS_open_tree, directory, path, flags));
}

int
sys_mount_setattr(int directory, const char *path, unsigned flags, const struct mount_attr *attr)
{
	return result(syscall(SYS_mount_setattr, directory, path, flags, attr, sizeof(*attr)));
}

int
sys_fsopen(const char *file_system)
{
	return result(syscall(SYS_fsopen, file_system, FSOPEN_CLOEXEC));
}

int
sys_fsconfig_create(int context)
{
	return result(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int
sys_fsmount(int context, unsigned mount_attributes)
{
	return result(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, mount_attributes));
}

int
sys_landlock_abi(void)
{
	return result(
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

int
sys_landlock_create_ruleset(const struct sys_landlock_ruleset *attr, size_t size)
{
	return result(syscall(SYS_landlock_create_ruleset, attr, size, 0));
}

int
sys_landlock_add_path(int ruleset, const struct landlock_path_beneath_attr *attr)
{
	return result(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, attr, 0));
}

int
sys_landlock_restrict_self(int ruleset)
{
	return result(syscall(SYS_landlock_restrict_self, ruleset, 0));
}

int
sys_execveat(int fd, char *const argv[], char *const envp[])
{
	return result(syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
}

int
sys_close_on_exec_from(unsigned first)
{
	return result(syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC));
}

int
sys_close_from(unsigned first)
{
	return result(syscall(SYS_close_range, first, ~0U, 0));
}

int
sys_fork_with_descriptors(void)
{
	return result(syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL));
}
