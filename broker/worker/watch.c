/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, both phases. Distrusts: names and mounts, of which others make as many as they
 * like.
 */
#include "broker/worker/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/sys.h"

enum {
	NAMES_AT_ONCE = 65536, /* bytes of what the kernel tells of names */
	MOUNTS_AT_ONCE = 16384,
	MOUNT_POINT_FIELD = 4, /* of a line, from 0 */
};

/*
 * Move to a number of our own. Where there is nothing, that number is not to be anything else: what
 * stdin is, which tells of nothing.
 */
static bool
move(int fd, int to)
{
	bool is_taken = dup3(fd < 0 ? STDIN_FILENO : fd, to, O_CLOEXEC) == to;

	if (fd >= 0)
		close(fd);
	return is_taken;
}

static bool
make_instance(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	return fd >= 0 && move(fd, WATCH_NAMES);
}

/*
 * It counts for the effective uid at this call. A process that changes that can become dumpable
 * (fs.suid_dumpable), and then its files in /proc are the peer's to write: so a child does it, with
 * the same table of descriptors and another memory. And in a session of its own: through the child's
 * files the peer could set what the scheduler gives to all of a session (sched(7), autogroup).
 */
static bool
make_instance_of(uid_t uid)
{
	int child = sys_fork_with_descriptors(), status = -1;

	if (child == 0)
		_exit(setsid() > 0 && seteuid(uid) == 0 && make_instance() ? EXIT_SUCCESS
									   : EXIT_FAILURE);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

int
watch_begin(struct watch *watch, uid_t uid)
{
	bool names = uid == (uid_t)-1 ? make_instance() : make_instance_of(uid);
	int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	/* Without /proc nobody tells of mounts, nor can anything be watched. */
	*watch = (struct watch){.blind = !names || mounts < 0};
	return (names || move(-1, WATCH_NAMES)) && move(mounts, WATCH_MOUNTS) ? 0 : -EMFILE;
}

/*
 * From now on the kernel tells what becomes of this name, whatever it is, or is not yet; and of who may
 * write the directory.
 */
static int
watch_name(struct watch *watch, int directory, const char *name)
{
	const uint32_t mask =
		IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;
	struct watch_name *names;
	char path[32];
	int wd;

	if (watch->blind)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", directory);
	wd = inotify_add_watch(WATCH_NAMES, path, mask);
	if (wd < 0) {
		watch->blind = true;
		return 0;
	}
	names = reallocarray(watch->names, watch->n_names + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	watch->names = names;
	names[watch->n_names] = (struct watch_name){.directory = wd, .name = strdup(name)};
	return names[watch->n_names++].name ? 0 : -ENOMEM;
}

int
watch_open(struct watch *watch, const char *directory, struct policy_chain *ret_above, int *ret_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	char path[POLICY_PATH_MAX + 1], *rest = path, *name;
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct policy_chain above = {};
	struct stat status;

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s", directory);
	while ((name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		/* What changes after it is looked at is noticed. Automounts mount now. */
		r = watch_name(watch, fd, name);
		if (r == 0 && fstat(fd, &status) < 0)
			r = -errno;
		if (r == 0)
			r = sys_openat2(fd, name, &how);
		close(fd);
		if (r < 0)
			return r;
		fd = r;
		policy_chain_add(&above, name - path > 1 ? (size_t)(name - path - 1) : 1, &status);
		if (!watch->blind)
			watch->names[watch->n_names - 1].is_shared =
				status.st_mode & S_ISVTX && status.st_mode & (S_IWGRP | S_IWOTH);
	}
	*ret_above = above;
	*ret_fd = fd;
	return 0;
}

/* --- names ------------------------------------------------------------------------------- */

static int
compare_names(const void *a, const void *b)
{
	const struct watch_name *x = a, *y = b;

	if (x->directory != y->directory)
		return x->directory < y->directory ? -1 : 1;
	return strcmp(x->name, y->name);
}

/*
 * Can that have changed who may write the directory? Of a sticky one that others may write, like /tmp,
 * it is not believed: there anybody can have it told.
 */
static bool
is_about_writers(const struct watch *watch, const struct inotify_event *event)
{
	for (size_t i = 0; i < watch->n_names; i++)
		if (watch->names[i].directory == event->wd)
			return !watch->names[i].is_shared;
	return true;
}

static bool
is_watched(const struct watch *watch, const struct inotify_event *event)
{
	struct watch_name name = {.directory = event->wd, .name = event->name};

	/* Of each directory on the way by itself: the one above may be on another file system. */
	if (event->mask & IN_ATTRIB)
		return event->len == 0 && is_about_writers(watch, event);
	/* Too much to tell; or the directory is gone, by itself or with its file system. */
	if (event->len == 0)
		return true;
	return bsearch(&name, watch->names, watch->n_names, sizeof(name), compare_names) != NULL;
}

static bool
names_changed(const struct watch *watch)
{
	static char events[NAMES_AT_ONCE]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n;

	/* All of them: the kernel keeps no more than fs.inotify.max_queued_events. */
	while (!watch->blind && (n = read(WATCH_NAMES, events, sizeof(events))) > 0)
		for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(events + at);
			if (is_watched(watch, event))
				return true;
		}
	return false;
}

/* --- mounts ------------------------------------------------------------------------------ */

/* The path that a mount is on: blanks and the like are written as three octal digits. */
static size_t
mount_point_of(const char *line, const char *end, char *ret_path, size_t size)
{
	size_t n = 0;

	for (int field = 0; field < MOUNT_POINT_FIELD && line; field++) {
		line = memchr(line, ' ', (size_t)(end - line));
		line = line ? line + 1 : NULL;
	}
	while (line && line < end && *line != ' ' && n < size) {
		if (*line == '\\' && end - line > 3) {
			ret_path[n++] = (char)((line[1] - '0') << 6 | (line[2] - '0') << 3 |
					       (line[3] - '0'));
			line += 4;
		} else {
			ret_path[n++] = *line++;
		}
	}
	return n == 1 ? 0 : n; /* as the length of "/" */
}

/* Is the second path the first, or beneath it? */
static bool
holds(const char *above, size_t length, const char *path, size_t path_length)
{
	return length <= path_length && memcmp(above, path, length) == 0 &&
	       (length == path_length || path[length] == '/');
}

static bool
concerns_us(const struct watch *watch, const char *mount, size_t length)
{
	for (size_t i = 0; i < watch->n_places; i++) {
		const struct watch_place *place = &watch->places[i];

		if (holds(mount, length, place->directory, place->length) ||
		    holds(place->directory, place->length, mount, length))
			return true;
	}
	return false;
}

/* 0, or what fn returned when that was not 0. */
typedef int mount_fn(struct watch *watch, const char *line, size_t size, const char *point,
		     size_t length);

static int
pass_line(struct watch *watch, const char *line, const char *end, mount_fn *fn)
{
	char point[POLICY_PATH_MAX];
	size_t length = mount_point_of(line, end, point, sizeof(point));

	return concerns_us(watch, point, length)
		       ? fn(watch, line, (size_t)(end - line), point, length)
		       : 0;
}

/* All that concern us, as they are now. */
static int
each_mount(struct watch *watch, mount_fn *fn)
{
	static char text[MOUNTS_AT_ONCE];
	bool is_rest = false; /* what comes next is that of a line which was left out */
	size_t have = 0;
	off_t offset = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = pread(WATCH_MOUNTS, text + have, sizeof(text) - have, offset)) > 0) {
		char *line = text, *end;

		offset += n;
		have += (size_t)n;
		while (r == 0 && (end = memchr(line, '\n', (size_t)(text + have - line)))) {
			r = is_rest ? 0 : pass_line(watch, line, end, fn);
			is_rest = false;
			line = end + 1;
		}
		/*
		 * A line that is longer than all that: left out, with where it is mounted. Whoever
		 * mounts also chooses what its rest would look like.
		 */
		if (line == text && have == sizeof(text)) {
			line = text + have;
			is_rest = true;
		}
		have = (size_t)(text + have - line);
		memmove(text, line, have);
	}
	return r;
}

/* FNV-1a. */
static int
add_to_hash(struct watch *watch, const char *line, size_t size, const char *point, size_t length)
{
	(void)point;
	(void)length;
	for (size_t i = 0; i < size; i++)
		watch->mounts = (watch->mounts ^ (unsigned char)line[i]) * 0x100000001b3;
	return 0;
}

/* Is there a place above that does not include it? */
static int
note_below(struct watch *watch, const char *line, size_t size, const char *mount, size_t length)
{
	bool is_below = false;
	char **below;

	(void)line;
	(void)size;
	for (size_t i = 0; i < watch->n_places && !is_below; i++)
		is_below =
			!watch->places[i].recursive && watch->places[i].length < length &&
			holds(watch->places[i].directory, watch->places[i].length, mount, length);
	if (!is_below)
		return 0;
	below = reallocarray(watch->below, watch->n_below + 1, sizeof(*below));
	if (!below)
		return -ENOMEM;
	watch->below = below;
	below[watch->n_below] = strndup(mount, length);
	return below[watch->n_below++] ? 0 : -ENOMEM;
}

bool
watch_is_hidden(const struct watch *watch, const char *path, size_t length)
{
	for (size_t i = 0; i < watch->n_below; i++)
		if (holds(watch->below[i], strlen(watch->below[i]), path, length))
			return true;
	return false;
}

int
watch_place(struct watch *watch, const char *directory, bool recursive)
{
	if (watch->n_places == POLICY_PREFIXES_MAX)
		return -E2BIG;
	watch->places[watch->n_places++] = (struct watch_place){
		.directory = directory,
		.length = strcmp(directory, "/") == 0 ? 0 : strlen(directory),
		.recursive = recursive,
	};
	return 0;
}

bool
watch_note_mounts(struct watch *watch)
{
	uint64_t before = watch->mounts;

	watch->mounts = 0xcbf29ce484222325;
	(void)each_mount(watch, add_to_hash);
	return watch->mounts == before;
}

/* --- both -------------------------------------------------------------------------------- */

int
watch_ready(struct watch *watch, bool settled)
{
	if (watch->n_names > 0)
		qsort(watch->names, watch->n_names, sizeof(*watch->names), compare_names);
	/* The kernel tells of all that was mounted since watch_begin(): there will be a look. */
	if (!settled)
		watch->mounts = ~watch->mounts;
	return each_mount(watch, note_below);
}

void
watch_arm(struct watch *watch, int epoll)
{
	struct epoll_event names = {.events = EPOLLIN, .data.ptr = watch};
	struct epoll_event mounts = {.events = EPOLLPRI, .data.ptr = watch};

	if (watch->n_places == 0)
		return;
	/* What is armed already stays so; what tells of nothing cannot be. */
	(void)epoll_ctl(epoll, EPOLL_CTL_ADD, WATCH_NAMES, &names);
	(void)epoll_ctl(epoll, EPOLL_CTL_ADD, WATCH_MOUNTS, &mounts);
}

void
watch_disarm(int epoll)
{
	(void)epoll_ctl(epoll, EPOLL_CTL_DEL, WATCH_NAMES, NULL);
	(void)epoll_ctl(epoll, EPOLL_CTL_DEL, WATCH_MOUNTS, NULL);
}

bool
watch_look(struct watch *watch)
{
	return watch->n_places > 0 && (names_changed(watch) || !watch_note_mounts(watch));
}
