/* SPDX-License-Identifier: MIT */
/*
 * System calls that the least C library we build with has no wrapper for, and constants that its
 * kernel headers lack. Each returns what the call returns or a negative errno value.
 */
#pragma once

#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13) /* ABI 2, Linux 5.19 */
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3, Linux 6.2 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5, Linux 6.10 */
#endif

/* Of landlock_create_ruleset(2); an older kernel knows only the beginning of it. */
struct sys_landlock_ruleset {
	uint64_t files;
	uint64_t network; /* ABI 4, Linux 6.7 */
	uint64_t scoped;  /* ABI 6, Linux 6.12 */
};
enum {
	SYS_LANDLOCK_BIND_TCP = 1 << 0,
	SYS_LANDLOCK_CONNECT_TCP = 1 << 1,
	SYS_LANDLOCK_SCOPE_ABSTRACT_SOCKET = 1 << 0,
	SYS_LANDLOCK_SCOPE_SIGNAL = 1 << 1,
};

int sys_openat2(int directory, const char *path, const struct open_how *how);
int sys_open_tree(int directory, const char *path, unsigned flags);
int sys_mount_setattr(int directory, const char *path, unsigned flags,
		      const struct mount_attr *attr);
int sys_fsopen(const char *file_system);
int sys_fsconfig_create(int context);
int sys_fsmount(int context, unsigned mount_attributes);
int sys_landlock_abi(void);
int sys_landlock_create_ruleset(const struct sys_landlock_ruleset *attr, size_t size);
int sys_landlock_add_path(int ruleset, const struct landlock_path_beneath_attr *attr);
int sys_landlock_restrict_self(int ruleset);
int sys_execveat(int fd, char *const argv[], char *const envp[]);
int sys_close_on_exec_from(unsigned first);
int sys_close_from(unsigned first);
int sys_fork_with_descriptors(void); /* as fork(2), with one table of descriptors for both */
