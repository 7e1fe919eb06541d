/* SPDX-License-Identifier: MIT */
/*
 * What a worker notices of its trees, each in a process with a mount namespace of its own: names and
 * mounts that concern them, and nothing else.
 */
#include "broker/worker/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "broker/sys.h"
#include "tests/harness.h"

enum {
	USER = 61097, /* nobody on this machine, and in no other test */
	OTHER = 61096,
	RESULT = 3, /* descriptor */
	QUEUE = 20000,
	FLOOD = 5000, /* fewer than the kernel keeps, more than is read at once */
	DEEP = 16,    /* directories of NAME_MAX each: a path of nearly PATH_MAX */
};

/* Runs in a child, at the root of an empty file system. The line that does not hold, or 0. */
typedef int check_fn(void);
#define HOLDS(condition)                                                                           \
	if (!(condition))                                                                          \
	return __LINE__

static struct watch watch;

/* As in a worker there are descriptors left below those of the watch. */
static int
prepare(int result)
{
	HOLDS(dup2(result, RESULT) == RESULT && sys_close_from(RESULT + 1) == 0);
	HOLDS(unshare(CLONE_NEWNS) == 0);
	HOLDS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	HOLDS(mount("tests", "/mnt", "tmpfs", 0, "mode=755") == 0);
	return 0;
}

static void
assert_holds(check_fn *check)
{
	int ends[2], status = -1, line = -1;
	pid_t pid;

	if (needs_root())
		return;
	assert_return_code(pipe(ends), errno);
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		line = prepare(ends[1]);
		if (line == 0)
			line = check();
		_exit(write(RESULT, &line, sizeof(line)) != (ssize_t)sizeof(line));
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)!read(ends[0], &line, sizeof(line));
	close(ends[0]);
	if (line != 0)
		fail_msg("line %d does not hold (status %x)", line, status);
}

/* Watch these places; the name of one that is not recursive ends with a blank. */
static int
begin(const char *const *places)
{
	static char directories[8][PATH_MAX];
	struct policy_chain above;
	int fd;

	HOLDS(watch_begin(&watch, (uid_t)-1) == 0 && !watch.blind);
	for (size_t i = 0; places[i]; i++) {
		char *end = stpcpy(directories[i], places[i]) - 1;
		bool recursive = *end != ' ';

		if (!recursive)
			*end = '\0';
		HOLDS(watch_place(&watch, directories[i], recursive) == 0);
	}
	(void)watch_note_mounts(&watch);
	for (size_t i = 0; places[i]; i++)
		if (watch_open(&watch, directories[i], &above, &fd) == 0)
			HOLDS(close(fd) == 0);
	HOLDS(watch_note_mounts(&watch));
	HOLDS(watch_ready(&watch, true) == 0);
	HOLDS(!watch_look(&watch));
	return 0;
}
#define BEGIN(...)                                                                                 \
	do {                                                                                       \
		int line_ = begin((const char *const[]){__VA_ARGS__, NULL});                       \
                                                                                                   \
		if (line_ != 0)                                                                    \
			return line_;                                                              \
	} while (false)

static bool
make(const char *path)
{
	return mkdir(path, 0755) == 0;
}

static bool
mount_on(const char *path)
{
	return mount("more", path, "tmpfs", 0, "mode=755") == 0;
}

static bool
unmount(const char *path)
{
	return umount2(path, MNT_DETACH) == 0;
}

/* --- names ------------------------------------------------------------------------------- */

static int
check_names(void)
{
	HOLDS(make("/mnt/z") && make("/mnt/z/a") && make("/mnt/a") && make("/mnt/m"));
	BEGIN("/mnt/z/a", "/mnt/m", "/mnt/a", "/mnt/later");
	/* In a directory on the way, and in one that it leads to. */
	HOLDS(make("/mnt/other") && !watch_look(&watch));
	HOLDS(make("/mnt/m/inside") && !watch_look(&watch));
	HOLDS(rename("/mnt/other", "/mnt/another") == 0 && !watch_look(&watch));
	HOLDS(make("/mnt/z/other") && !watch_look(&watch));
	/* Each thing that can become of one, told after things that concern nobody. */
	HOLDS(make("/mnt/later") && watch_look(&watch) && !watch_look(&watch));
	HOLDS(rmdir("/mnt/later") == 0 && watch_look(&watch) && !watch_look(&watch));
	HOLDS(rename("/mnt/a", "/mnt/gone") == 0 && watch_look(&watch) && !watch_look(&watch));
	HOLDS(rename("/mnt/another", "/mnt/a") == 0 && watch_look(&watch) && !watch_look(&watch));
	HOLDS(make("/mnt/x") && make("/mnt/y") && make("/mnt/later") && watch_look(&watch));
	HOLDS(rename("/mnt/z/a", "/mnt/z/b") == 0 && watch_look(&watch));
	return 0;
}

/* user::rwx user:USER:rwx group::r-x mask::rwx other::r-x, as acl(5) is stored. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, permissions;
		uint32_t id;
	} entries[5];
} acl = {2, {{1, 7, -1u}, {2, 7, USER}, {4, 5, -1u}, {16, 7, -1u}, {32, 5, -1u}}};

/* Everything that can make others write a directory above one. */
#define NOTICES(condition) HOLDS((condition) && watch_look(&watch) && !watch_look(&watch))
static int
change(const char *path)
{
	NOTICES(chmod(path, 0775) == 0);
	NOTICES(chmod(path, 0755) == 0);
	NOTICES(chown(path, USER, (gid_t)-1) == 0);
	NOTICES(chown(path, 0, OTHER) == 0);
	NOTICES(setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) == 0);
	NOTICES(removexattr(path, "system.posix_acl_access") == 0);
	return 0;
}

/* Above a place, in a root of our own: an ordinary directory, one that is mounted, and the root. */
static int
check_writers(void)
{
	static const char *const above[] = {"/", "/up", "/up/fs", "/up/fs/in"};

	HOLDS(make("/mnt/proc") && mount("/proc", "/mnt/proc", NULL, MS_BIND, NULL) == 0);
	HOLDS(chroot("/mnt") == 0 && chdir("/") == 0);
	HOLDS(make("/up") && make("/up/fs") && mount_on("/up/fs") && make("/up/fs/in"));
	HOLDS(make("/up/fs/in/place") && make("/up/beside") && make("/up/fs/in/place/inside"));
	BEGIN("/up/fs/in/place");
	for (size_t i = 0; i < ELEMENTS(above); i++) {
		int line = change(above[i]);

		if (line != 0)
			return (int)(i + 1) * 10000 + line;
	}
	/* The counter-check: beside and beneath, nothing is told. */
	HOLDS(chmod("/up/beside", 0777) == 0 && !watch_look(&watch));
	HOLDS(chmod("/up/fs/in/place/inside", 0777) == 0 && !watch_look(&watch));
	/* Nor of what is put into one. */
	HOLDS(make("/up/more") && make("/up/fs/more") && !watch_look(&watch));
	return 0;
}

/*
 * A sticky directory that others write, like /tmp, anybody can touch: that replaces nobody. One that only
 * has the bit is like any other.
 */
static int
check_sticky(void)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	pid_t pid;
	int status = -1;

	HOLDS(make("/mnt/tmp") && chmod("/mnt/tmp", 01777) == 0);
	HOLDS(make("/mnt/bit") && chmod("/mnt/bit", 01755) == 0);
	HOLDS(make("/mnt/group") && chmod("/mnt/group", 0775) == 0);
	HOLDS(make("/mnt/tmp/a") && make("/mnt/bit/a") && make("/mnt/group/a"));
	BEGIN("/mnt/tmp/a", "/mnt/bit/a", "/mnt/group/a");
	pid = fork();
	if (pid == 0)
		_exit(setuid(USER) == 0 && utimensat(AT_FDCWD, "/mnt/tmp", NULL, 0) == 0 ? 0 : 1);
	HOLDS(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	HOLDS(!watch_look(&watch));
	HOLDS(utimensat(AT_FDCWD, "/mnt/tmp", times, 0) == 0 && !watch_look(&watch));
	/* The counter-check: it is told of. */
	HOLDS(chmod("/mnt/tmp", 01777) == 0 && read(WATCH_NAMES, (char[4096]){}, 4096) > 0);
	NOTICES(chmod("/mnt/bit", 01777) == 0);
	NOTICES(chmod("/mnt/group", 0777) == 0);
	/* What becomes of the name in it counts there, too. */
	NOTICES(rename("/mnt/tmp/a", "/mnt/tmp/b") == 0);
	return 0;
}

/* One that others may write when it is looked at, is found so. */
static int
check_above(void)
{
	struct policy_chain above;
	int fd;

	HOLDS(make("/mnt/a") && make("/mnt/a/b") && make("/mnt/a/b/c"));
	HOLDS(chmod("/mnt/a", 0775) == 0 && chmod("/mnt/a/b/c", 0777) == 0);
	HOLDS(watch_begin(&watch, (uid_t)-1) == 0);
	HOLDS(watch_open(&watch, "/mnt/a/b/c", &above, &fd) == 0 && close(fd) == 0);
	HOLDS(above.fault.length == strlen("/mnt/a") && above.fault.mode == (S_IFDIR | 0775));
	HOLDS(above.shared && above.owned.length == 0 && above.sticky.length == 0);
	HOLDS(chmod("/mnt/a", 0755) == 0 && chown("/mnt/a/b", USER, 0) == 0);
	/* The place itself is none of those above it. */
	HOLDS(watch_open(&watch, "/mnt/a/b/c", &above, &fd) == 0 && close(fd) == 0);
	HOLDS(above.fault.length == 0 && !above.shared);
	HOLDS(above.owned.length == strlen("/mnt/a/b") && above.owned.owner == USER);
	HOLDS(watch_open(&watch, "/", &above, &fd) == 0 && close(fd) == 0);
	HOLDS(above.fault.length == 0 && !above.shared && above.owned.length == 0);
	return 0;
}

/* More than the kernel keeps for us: what became of the rest nobody knows. */
static int
check_overflow(void)
{
	static const char *const names[] = {"/mnt/x", "/mnt/y"};

	BEGIN("/mnt/later");
	for (int i = 0; i < QUEUE; i++) {
		HOLDS(mkdir(names[i % 2], 0755) == 0);
		HOLDS(rmdir(names[i % 2]) == 0);
	}
	while (read(WATCH_NAMES, (char[65536]){}, 65536 - NAME_MAX) > 0) {
	}
	/* The counter-check: all of it was read, and that is no change. */
	HOLDS(!watch_look(&watch));
	for (int i = 0; i < QUEUE; i++)
		HOLDS(mkdir(names[i % 2], 0755) == 0 && rmdir(names[i % 2]) == 0);
	for (int i = 0; i < QUEUE / 100; i++)
		if (watch_look(&watch))
			return 0;
	return __LINE__;
}

/* What somebody does to be told of before it hides nothing: all that was told is read in one look. */
static int
check_flood(void)
{
	static const char *const names[] = {"/mnt/x", "/mnt/y"};
	int waiting;

	BEGIN("/mnt/later");
	for (int i = 0; i < FLOOD; i++)
		HOLDS(mkdir(names[i % 2], 0755) == 0 && rmdir(names[i % 2]) == 0);
	HOLDS(make("/mnt/later"));
	HOLDS(ioctl(WATCH_NAMES, FIONREAD, &waiting) == 0);
	/* The counter-check: it is behind what is read at once. */
	HOLDS(waiting > 2 * 65536);
	HOLDS(watch_look(&watch));
	HOLDS(read(WATCH_NAMES, (char[65536]){}, 65536) < 0 && errno == EAGAIN);
	return 0;
}

/* Who may not watch a directory is told of no names: that is known. */
static int
check_blind(void)
{
	struct policy_chain above;
	int fd;

	HOLDS(make("/mnt/closed") && chmod("/mnt/closed", 0711) == 0);
	HOLDS(setgid(USER) == 0 && setuid(USER) == 0);
	HOLDS(watch_begin(&watch, (uid_t)-1) == 0 && !watch.blind);
	HOLDS(watch_place(&watch, "/mnt/closed/later", true) == 0);
	HOLDS(watch_open(&watch, "/mnt/closed/later", &above, &fd) == -ENOENT);
	HOLDS(watch.blind);
	return 0;
}

/* Counted for the one whom it is for, who can have used up all there is; not for us. */
static int
check_used_up(void)
{
	int pair[2], n = 0;
	pid_t pid;

	HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		if (setuid(USER) < 0)
			_exit(1);
		while (inotify_init1(IN_CLOEXEC) >= 0)
			n++;
		(void)!write(pair[1], &n, sizeof(n));
		(void)!read(pair[1], &n, sizeof(n));
		_exit(0);
	}
	HOLDS(close(pair[1]) == 0);
	HOLDS(pid > 0 && read(pair[0], &n, sizeof(n)) == (ssize_t)sizeof(n) && n > 0);
	HOLDS(watch_begin(&watch, USER) == 0 && watch.blind);
	/* Numbers of a worker are its own in any case; and nobody became another. */
	HOLDS(fcntl(WATCH_NAMES, F_GETFD) >= 0 && fcntl(WATCH_MOUNTS, F_GETFD) >= 0);
	HOLDS(geteuid() == 0);
	HOLDS(!watch_look(&watch));
	HOLDS(watch_begin(&watch, OTHER) == 0 && !watch.blind);
	HOLDS(close(pair[0]) == 0 && waitpid(pid, NULL, 0) == pid);
	/* When all that it had is gone, which may take the kernel a moment. */
	for (int i = 0; i < WAIT_SECONDS * 100; i++) {
		HOLDS(watch_begin(&watch, USER) == 0);
		if (!watch.blind)
			return 0;
		sleep_ms(10);
	}
	return __LINE__;
}

static int
check_without_proc(void)
{
	HOLDS(mount("empty", "/proc", "tmpfs", 0, NULL) == 0);
	HOLDS(watch_begin(&watch, (uid_t)-1) == 0 && watch.blind);
	HOLDS(fcntl(WATCH_NAMES, F_GETFD) >= 0 && fcntl(WATCH_MOUNTS, F_GETFD) >= 0);
	HOLDS(read(WATCH_MOUNTS, (char[1]){}, 1) <= 0);
	return 0;
}

/* --- mounts ------------------------------------------------------------------------------ */

static int
check_mounts(void)
{
	HOLDS(make("/mnt/up") && make("/mnt/up/a") && make("/mnt/up/a/below"));
	HOLDS(make("/mnt/up/ab") && make("/mnt/up/a b") && make("/mnt/other"));
	BEGIN("/mnt/up/a", "/mnt/up/a b");
	/* Beside it, even with a name that begins like its own. */
	HOLDS(mount_on("/mnt/other") && !watch_look(&watch));
	HOLDS(mount_on("/mnt/up/ab") && !watch_look(&watch));
	HOLDS(unmount("/mnt/up/ab") && !watch_look(&watch));
	/* Beneath it, on it, above it; and away again. */
	HOLDS(mount_on("/mnt/up/a/below") && watch_look(&watch) && !watch_look(&watch));
	HOLDS(unmount("/mnt/up/a/below") && watch_look(&watch) && !watch_look(&watch));
	HOLDS(mount_on("/mnt/up/a") && watch_look(&watch) && !watch_look(&watch));
	HOLDS(unmount("/mnt/up/a") && watch_look(&watch) && !watch_look(&watch));
	HOLDS(mount_on("/mnt/up") && watch_look(&watch) && !watch_look(&watch));
	HOLDS(unmount("/mnt/up") && watch_look(&watch) && !watch_look(&watch));
	/* The kernel writes a blank in three digits. */
	HOLDS(mount_on("/mnt/up/a b") && watch_look(&watch) && !watch_look(&watch));
	/* Other flags are another mount, too. */
	HOLDS(mount(NULL, "/mnt/up/a b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	HOLDS(watch_look(&watch) && !watch_look(&watch));
	/* The root holds every place. */
	HOLDS(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	HOLDS(watch_look(&watch) && !watch_look(&watch));
	return 0;
}

static int
check_root_place(void)
{
	HOLDS(make("/mnt/a"));
	BEGIN("/");
	HOLDS(mount_on("/mnt/a") && watch_look(&watch) && !watch_look(&watch));
	return 0;
}

static bool
is_hidden(const char *path)
{
	return watch_is_hidden(&watch, path, strlen(path));
}

/* What is mounted in a place hides what lies beneath, unless it belongs to the place. */
static int
check_hidden(void)
{
	HOLDS(make("/mnt/flat") && make("/mnt/deep") && mount_on("/mnt/flat"));
	HOLDS(make("/mnt/flat/a b") && mount_on("/mnt/flat/a b"));
	HOLDS(make("/mnt/flat/c\\d") && mount_on("/mnt/flat/c\\d"));
	HOLDS(make("/mnt/flat/b\\") && make("/mnt/deep/x") && mount_on("/mnt/deep/x"));
	BEGIN("/mnt/flat ", "/mnt/deep");
	/* The place itself may be a mount. */
	HOLDS(!is_hidden("/mnt/flat/file"));
	HOLDS(is_hidden("/mnt/flat/a b/file") && is_hidden("/mnt/flat/a b"));
	/* Of the characters that the kernel writes in digits the one with the highest number. */
	HOLDS(is_hidden("/mnt/flat/c\\d/file") && !is_hidden("/mnt/flat/b\\/file"));
	HOLDS(!is_hidden("/mnt/flat/a bc") && !is_hidden("/mnt/flat/a"));
	HOLDS(!is_hidden("/mnt/deep/x/file"));
	return 0;
}

static int
check_hidden_in_root(void)
{
	BEGIN("/ ");
	HOLDS(is_hidden("/mnt/file") && is_hidden("/proc/self"));
	HOLDS(!is_hidden("/file"));
	return 0;
}

/* A line longer than what is read at once, of a mount of somebody who wants us not to see the next. */
static int
check_long_line(void)
{
	char path[PATH_MAX] = "/mnt/other", name[NAME_MAX + 1];
	char *text = calloc(1, 1 << 20);
	ssize_t n, all = 0;
	int fd;

	HOLDS(text && make(path) && make("/mnt/a"));
	memset(name, '\n', NAME_MAX - 5);
	name[NAME_MAX - 5] = '\0';
	for (int i = 0; i < DEEP; i++) {
		strcat(strcat(path, "/"), name);
		HOLDS(make(path));
	}
	HOLDS(mount(path, path, NULL, MS_BIND, NULL) == 0);
	BEGIN("/mnt/a");
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	while ((n = read(fd, text + all, (size_t)((1 << 20) - all))) > 0)
		all += n;
	close(fd);
	/* It is as long as it should be. */
	HOLDS(all > 32768);
	free(text);
	HOLDS(mount_on("/mnt/a") && watch_look(&watch) && !watch_look(&watch));
	return 0;
}

/* --- both -------------------------------------------------------------------------------- */

/* How many of both there is something to be read of. */
static int
told(int epoll)
{
	struct epoll_event events[4];

	return epoll_wait(epoll, events, ELEMENTS(events), 0);
}

static int
check_told(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	HOLDS(epoll >= 0 && make("/mnt/a"));
	BEGIN("/mnt/a", "/mnt/later");
	watch_arm(&watch, epoll);
	/* Of the mount namespace's beginning, perhaps; then there is nothing more. */
	(void)told(epoll);
	HOLDS(!watch_look(&watch) && told(epoll) == 0);
	HOLDS(make("/mnt/later") && told(epoll) == 1);
	HOLDS(watch_look(&watch) && told(epoll) == 0);
	HOLDS(mount_on("/mnt/a") && told(epoll) == 1 && told(epoll) == 0);
	HOLDS(watch_look(&watch) && told(epoll) == 0);
	watch_arm(&watch, epoll); /* twice is once */
	watch_disarm(epoll);
	HOLDS(rmdir("/mnt/later") == 0 && told(epoll) == 0);
	HOLDS(unmount("/mnt/a") && told(epoll) == 0);
	/* Armed anew: of what is there to be read. */
	watch_arm(&watch, epoll);
	HOLDS(told(epoll) >= 1);
	HOLDS(watch_look(&watch));
	return 0;
}

/* A worker without trees has nothing to look at, whoever mounts what. */
static int
check_nothing(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	HOLDS(epoll >= 0 && watch_begin(&watch, (uid_t)-1) == 0);
	HOLDS(!watch_look(&watch));
	watch_arm(&watch, epoll);
	HOLDS(make("/mnt/a") && mount_on("/mnt/a"));
	HOLDS(told(epoll) == 0 && !watch_look(&watch));
	return 0;
}

/* Mounts that were never the same twice are looked at again. */
static int
check_unsettled(void)
{
	HOLDS(watch_begin(&watch, (uid_t)-1) == 0);
	HOLDS(watch_place(&watch, "/mnt", true) == 0);
	HOLDS(!watch_note_mounts(&watch) && watch_note_mounts(&watch));
	HOLDS(watch_ready(&watch, false) == 0);
	HOLDS(watch_look(&watch) && !watch_look(&watch));
	return 0;
}

static void
test_names(void **state)
{
	(void)state;
	assert_holds(check_names);
}

static void
test_writers(void **state)
{
	(void)state;
	assert_holds(check_writers);
}

static void
test_sticky(void **state)
{
	(void)state;
	assert_holds(check_sticky);
}

static void
test_above(void **state)
{
	(void)state;
	assert_holds(check_above);
}

static void
test_overflow(void **state)
{
	(void)state;
	assert_holds(check_overflow);
}

static void
test_flood(void **state)
{
	(void)state;
	assert_holds(check_flood);
}

static void
test_blind(void **state)
{
	(void)state;
	assert_holds(check_blind);
}

static void
test_used_up(void **state)
{
	(void)state;
	assert_holds(check_used_up);
}

static void
test_without_proc(void **state)
{
	(void)state;
	assert_holds(check_without_proc);
}

static void
test_mounts(void **state)
{
	(void)state;
	assert_holds(check_mounts);
}

static void
test_root_place(void **state)
{
	(void)state;
	assert_holds(check_root_place);
}

static void
test_hidden(void **state)
{
	(void)state;
	assert_holds(check_hidden);
}

static void
test_hidden_in_root(void **state)
{
	(void)state;
	assert_holds(check_hidden_in_root);
}

static void
test_long_line(void **state)
{
	(void)state;
	assert_holds(check_long_line);
}

static void
test_told(void **state)
{
	(void)state;
	assert_holds(check_told);
}

static void
test_nothing(void **state)
{
	(void)state;
	assert_holds(check_nothing);
}

static void
test_unsettled(void **state)
{
	(void)state;
	assert_holds(check_unsettled);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),          cmocka_unit_test(test_writers),
		cmocka_unit_test(test_above),          cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_flood),          cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_blind),          cmocka_unit_test(test_used_up),
		cmocka_unit_test(test_without_proc),   cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_root_place),     cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_hidden_in_root), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_told),           cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_unsettled),
	};

	return cmocka_run_group_tests_name("broker/watch", tests, NULL, NULL);
}
