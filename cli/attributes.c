/* SPDX-License-Identifier: MIT */
#include "attributes.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>

#include "text.h"

static const struct kind {
	mode_t mode;
	char letter;
	const char *name;
} kinds[] = {
	{S_IFREG, '-', "regular file"},     {S_IFDIR, 'd', "directory"},
	{S_IFLNK, 'l', "symbolic link"},    {S_IFIFO, 'p', "FIFO"},
	{S_IFCHR, 'c', "character device"}, {S_IFBLK, 'b', "block device"},
	{S_IFSOCK, 's', "socket"},
};

static const struct kind *
find_kind(mode_t mode)
{
	static const struct kind unknown = {0, '?', "unknown"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((mode & S_IFMT) == kinds[i].mode)
			return &kinds[i];
	return &unknown;
}

const char *
attributes_kind(mode_t mode)
{
	return find_kind(mode)->name;
}

char
attributes_letter(mode_t mode)
{
	return find_kind(mode)->letter;
}

char *
attributes_mode(mode_t mode)
{
	static const struct {
		mode_t special; /* is shown in the place of x */
		char with_x, without_x;
	} specials[] = {{S_ISUID, 's', 'S'}, {S_ISGID, 's', 'S'}, {S_ISVTX, 't', 'T'}};
	char *text = cli_format("%crwxrwxrwx", attributes_letter(mode));

	for (int i = 0; i < 9; i++)
		if (!(mode & S_IRUSR >> i))
			text[1 + i] = '-';
	for (int i = 0; i < 3; i++)
		if (mode & specials[i].special)
			text[3 + i * 3] =
				text[3 + i * 3] == 'x' ? specials[i].with_x : specials[i].without_x;
	return text;
}

const char *
attributes_user(uid_t uid)
{
	static char *name; /* a copy: others ask the database as well */
	static bool known;
	static uid_t last;

	/* Most files of a directory have one owner. */
	if (!known || last != uid) {
		const struct passwd *user = getpwuid(uid);

		free(name);
		name = user ? cli_format("%s", user->pw_name) : NULL;
	}
	known = true;
	last = uid;
	return name;
}

const char *
attributes_group(gid_t gid)
{
	static char *name;
	static bool known;
	static gid_t last;

	if (!known || last != gid) {
		const struct group *group = getgrgid(gid);

		free(name);
		name = group ? cli_format("%s", group->gr_name) : NULL;
	}
	known = true;
	last = gid;
	return name;
}
