/* SPDX-License-Identifier: MIT */
/*
 * tool-strict ask: for each path of standard input, which ends with a NUL: what broker_open() and
 * broker_stat() say of it, as "OPEN STAT PATH" and a NUL, errno values, 0 for none.
 * tool-strict acl PATH GID PERMISSIONS: an access control list with this group in it, of rwx as a digit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"

static int
ask(void)
{
	char *path = NULL;
	size_t room = 0;

	while (getdelim(&path, &room, '\0', stdin) > 0) {
		struct statx said = {};
		struct stat status = {};
		int fd = broker_open(path, O_RDONLY), opened = fd < 0 ? errno : 0, stated;

		stated = broker_stat(path, 0, &said) < 0 ? errno : 0;
		/* One object, and that which was asked for. */
		if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)))
			opened = -1;
		if (fd >= 0 && stated == 0 && status.st_ino != said.stx_ino)
			stated = -1;
		if (fd >= 0)
			close(fd);
		printf("%d %d %s%c", opened, stated, path, '\0');
	}
	free(path);
	return 0;
}

static int
set_acl(const char *path, const char *gid, const char *permissions)
{
	const uint16_t granted = (uint16_t)strtoul(permissions, NULL, 8);
	const struct {
		uint32_t version;
		struct {
			uint16_t tag, permissions;
			uint32_t id;
		} entries[5];
	} acl = {2,
		 {{1, 7, -1u},
		  {4, 5, -1u},
		  {8, granted, (uint32_t)strtoul(gid, NULL, 10)},
		  {16, (uint16_t)(granted | 5), -1u},
		  {32, 5, -1u}}};

	if (setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) == 0)
		return 0;
	perror(path);
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "ask") == 0)
		return ask();
	if (argc == 5 && strcmp(argv[1], "acl") == 0)
		return set_acl(argv[2], argv[3], argv[4]);
	return 2;
}
