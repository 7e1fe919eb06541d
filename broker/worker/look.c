/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. What is told of a file, and the names in a directory: as data, since a
 * descriptor of a directory would give all that is beneath it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "broker/worker/access.h"
#include "broker/worker/siphash.h"

enum {
	NAMES_MAX = 512,      /* that are looked at for one page, each of them a few decisions */
	NAMES_AT_ONCE = 8192, /* bytes that the kernel tells */
};

/* Of what we hold; it mounts nothing. */
static int
get_status(int fd, struct statx *ret_status)
{
	const uint32_t told = STATX_BASIC_STATS | STATX_BTIME;

	if (statx(fd, "", AT_EMPTY_PATH, told, ret_status) < 0)
		return -errno;
	/* The mount is ours, and nothing of the client's. */
	ret_status->stx_mask &= told;
	ret_status->stx_attributes &= ~(uint64_t)STATX_ATTR_MOUNT_ROOT;
	ret_status->stx_attributes_mask &= ~(uint64_t)STATX_ATTR_MOUNT_ROOT;
	return 0;
}

int
access_stat(struct access *a)
{
	struct policy_chain chain;
	struct stat object;
	int fd = -1, r = place_hold(&a->place, &fd);

	if (r != 0)
		return r;
	r = get_status(fd, a->status);
	close(fd);
	if (r < 0)
		return r;
	object = (struct stat){
		.st_mode = a->status->stx_mode,
		.st_uid = a->status->stx_uid,
		.st_dev = makedev(a->status->stx_dev_major, a->status->stx_dev_minor),
		.st_ino = a->status->stx_ino,
	};
	if (S_ISLNK(object.st_mode) && !(a->flags & AT_SYMLINK_NOFOLLOW))
		return PLACE_LINK;
	if (a->asks_directory && !S_ISDIR(object.st_mode))
		return -ENOTDIR;
	r = access_chain(a, &object, &chain);
	return r == 0 ? access_conditions_hold(a, &object, &chain) : r;
}

/* Does some rule grant this peer one of the things that make a name worth knowing? */
static bool
is_shown(const struct access *a, const char *path, size_t length)
{
	static const unsigned verbs[] = {POLICY_STAT, POLICY_READ, POLICY_LIST};
	const struct setup *setup = a->server->setup;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct policy_request request = {
			.path = path, .length = length, .verbs = verbs[i], .day = a->day};
		struct policy_decision decision;

		policy_decide(setup->image, &setup->identity, &request, &decision);
		if (decision.verdict == POLICY_ALLOW)
			return true;
	}
	return false;
}

/* The page has room for any name. */
static void
add_entry(struct access *a, const struct dirent64 *entry)
{
	char path[POLICY_PATH_MAX + 1 + WIRE_NAME_MAX + 1];
	size_t n = strlen(entry->d_name), length = a->path_length > 1 ? a->path_length : 0;
	const struct wire_entry head = {entry->d_type, (uint8_t)n};

	if (n > WIRE_NAME_MAX)
		return;
	memcpy(path, a->path, length);
	path[length++] = '/';
	memcpy(path + length, entry->d_name, n);
	/* "." and ".." are in no canonical path. */
	if (!is_shown(a, path, length + n))
		return;
	memcpy(a->entries + a->length, &head, sizeof(head));
	memcpy(a->entries + a->length + sizeof(head), entry->d_name, n);
	a->length += sizeof(head) + n;
}

/*
 * From where the last page ended. That a place in a directory is the same for each descriptor of it is
 * what the kernel's NFS server relies on as well.
 */
static int
read_page(struct access *a, int fd, uint64_t from)
{
	static char buffer[NAMES_AT_ONCE] __attribute__((aligned(__alignof__(struct dirent64))));
	const size_t entry_max = sizeof(struct wire_entry) + WIRE_NAME_MAX;
	ssize_t n;

	a->next = from;
	if (from != 0 && lseek(fd, (off_t)from, SEEK_SET) < 0)
		return -errno;
	for (int names = 0; names < NAMES_MAX;) {
		n = getdents64(fd, buffer, sizeof(buffer));
		if (n <= 0) {
			a->next = 0;
			return n < 0 ? -errno : 0;
		}
		for (ssize_t at = 0; at < n; names++) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);

			if (sizeof(a->entries) - a->length < entry_max)
				return 0;
			add_entry(a, entry);
			a->next = (uint64_t)entry->d_off;
			at += entry->d_reclen;
		}
	}
	return 0;
}

/*
 * A place may be the hash of a name that no rule grants, and ext4 has one seed for the whole file system
 * (ext4_dx_readdir()): as it is, a client could look for such a name in a directory of its own. So it is
 * hidden, in each directory in another way.
 */
int
access_list(struct access *a)
{
	const uint64_t *key = a->server->setup->page->cursor_key;
	const uint64_t tweak = siphash(key, UINT64_MAX, a->path, a->path_length);
	struct policy_chain chain;
	struct stat status;
	int fd = -1, r;

	r = place_open(&a->place, TREE_READ, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC, &fd);
	if (r != 0)
		return r;
	r = fstat(fd, &status) < 0 ? -errno : access_chain(a, &status, &chain);
	if (r == 0)
		r = access_conditions_hold(a, &status, &chain);
	if (r == 0)
		r = read_page(a, fd, siphash_restore(key, tweak, a->from));
	if (r == 0)
		a->next = siphash_hide(key, tweak, a->next);
	close(fd);
	return r;
}
