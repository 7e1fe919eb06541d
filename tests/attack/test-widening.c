/* SPDX-License-Identifier: MIT */
/*
 * A descriptor is worth no more than its grant, whoever owns the file and whatever another rule permits
 * beneath the same prefix. And nothing is cut before everything else was looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/attack/asks.h"

static const char rules[] = "allow user:61001 read @/dir/**\n"
			    "allow user:61001 read,write @/dir/other\n"
			    "allow user:61001 write,create @/dir/*.new mode=0777\n"
			    "allow user:61001 read,write @/cut/**\n"
			    "allow user:61001 read,write @/root/** owner=root\n"
			    "allow user:61001 read,write @/fifo/** type=fifo\n"
			    "allow user:61001 read,write @/loose/**\n"
			    "allow user:61001 read @/tight/**\n";
static const char content[] = "0123456789";
static const struct ids a = {.uid = A, .gid = A};

static int
setup(void **state)
{
	static const char *const directories[] = {"dir", "cut", "root", "fifo", "tight"};

	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_dir(at("%s", directories[i]), 0, 0755);
	make_dir(at("loose"), 0, 0777);
	make_file(at("dir/file"), A, 0700, content);
	make_file(at("dir/other"), A, 0700, content);
	peer = peer_begin(A);
	return 0;
}

/* --- what can be done with a descriptor for reading ------------------------------------------ */

static int
result(long r)
{
	return r < 0 ? errno : 0;
}

static int
reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return result(open(path, O_RDWR | O_CLOEXEC));
}

static int
reopen_cut(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return result(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));
}

static int
change_mode(int fd)
{
	return result(fchmod(fd, 04777));
}

static int
change_group(int fd)
{
	return result(fchown(fd, (uid_t)-1, A));
}

static int
change_times(int fd)
{
	return result(futimens(fd, NULL));
}

static int
set_attribute(int fd)
{
	int r = result(fsetxattr(fd, "user.fdbroker", "x", 1, 0));

	/* Where the file system has none, the mount said no before or nobody does. */
	return r == ENOTSUP ? 0 : r;
}

static int
set_flags(int fd)
{
	int flags = FS_NODUMP_FL, r = result(ioctl(fd, FS_IOC_SETFLAGS, &flags));

	return r == ENOTTY || r == EOPNOTSUPP ? 0 : r;
}

static int
change_path(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return result(truncate(path, 0));
}

static int
cut(int fd)
{
	return result(ftruncate(fd, 0));
}

static int
punch(int fd)
{
	return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5));
}

static int
write_it(int fd)
{
	return result(write(fd, "x", 1));
}

static int
map(int fd)
{
	return mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0;
}

static int
map_then_change(int fd)
{
	void *memory = mmap(NULL, 10, PROT_READ, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? 255 : result(mprotect(memory, 10, PROT_READ | PROT_WRITE));
}

static int
map_code(int fd)
{
	return mmap(NULL, 10, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0;
}

static int
run_it(int fd)
{
	static char *const none[] = {NULL};

	(void)fexecve(fd, none, none);
	/* Permitted, and no program. */
	return errno == ENOEXEC || errno == ENOENT ? 0 : errno;
}

static const struct {
	const char *name;
	int (*act)(int fd);
	int error;
	bool of_reading; /* any descriptor for reading is worth no more */
} acts[] = {
	{"reopen", reopen, EROFS, false},
	{"reopen and cut", reopen_cut, EROFS, false},
	{"truncate(2) by its name in /proc", change_path, EROFS, false},
	{"fchmod", change_mode, EROFS, false},
	{"fchown", change_group, EROFS, false},
	{"futimens", change_times, EROFS, false},
	{"fsetxattr", set_attribute, EROFS, false},
	{"FS_IOC_SETFLAGS", set_flags, EROFS, false},
	{"map code", map_code, EPERM, false},
	{"execute", run_it, EACCES, false},
	{"ftruncate", cut, EINVAL, true},
	{"fallocate", punch, EBADF, true},
	{"write", write_it, EBADF, true},
	{"map for writing", map, EACCES, true},
	{"mprotect", map_then_change, EACCES, true},
};

struct trial {
	size_t act;
	int fd;
};

static int
try_act(void *context)
{
	const struct trial *trial = context;

	return acts[trial->act].act(trial->fd);
}

static void
check_worth(const char *path)
{
	struct stat before, after;
	int fd = -1;

	assert_return_code(stat(path, &before), errno);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, &fd), 0);
	for (size_t i = 0; i < ELEMENTS(acts); i++) {
		int r = act_as(&a, try_act, &(struct trial){i, fd});

		if (r != acts[i].error)
			fail_msg("%s: %d, not %d", acts[i].name, r, acts[i].error);
	}
	close(fd);
	assert_return_code(stat(path, &after), errno);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(before.st_size, after.st_size);
}

static void
test_for_reading(void **state)
{
	(void)state;
	check_worth(at("dir/file"));
	/* Also of the file that another rule lets the same peer write. */
	check_worth(at("dir/other"));
	/* The counter-check: the same of a descriptor that was opened where the file lies. */
	for (size_t i = 0; i < ELEMENTS(acts); i++) {
		int fd, r;

		make_file(at("dir/plain"), A, 0700, content);
		fd = open(at("dir/plain"), O_RDONLY | O_CLOEXEC);
		assert_return_code(fd, errno);
		r = act_as(&a, try_act, &(struct trial){i, fd});
		if (r != (acts[i].of_reading ? acts[i].error : 0))
			fail_msg("%s of a plain descriptor: %d", acts[i].name, r);
		close(fd);
	}
}

/* --- nothing is cut that is not given ---------------------------------------------------------- */

static void
check_uncut(const char *path, unsigned flags)
{
	struct stat before, after;
	int error;

	assert_return_code(stat(path, &before), errno);
	error = peer_open(&peer, flags | O_TRUNC, 0600, path, NULL);
	if (error != EACCES)
		fail_msg("%s: %d", path, error);
	assert_return_code(stat(path, &after), errno);
	assert_int_equal(after.st_size, before.st_size);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
}

/* Opens, looks, and gives it back: what is cut by then? */
static bool
naive_cuts(const char *path)
{
	int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
	struct stat status;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &status), errno);
	close(fd);
	return status.st_size == 0;
}

static void
test_nothing_cut(void **state)
{
	static const unsigned flags[] = {O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_NONBLOCK};
	/* VFS_CAP_REVISION_2 with CAP_NET_RAW, as <linux/capability.h> has it. */
	static const uint32_t capability[] = {0x02000001, 1u << 13, 0, 0, 0};
	static const char *const paths[] = {"cut/set-uid", "cut/set-gid",  "cut/set-gid-only",
					    "cut/capable", "root/another", "fifo/file",
					    "loose/file",  "tight/file"};
	int fd;

	(void)state;
	make_file(at("cut/set-uid"), A, 04755, content);
	make_file(at("cut/set-gid"), A, 02755, content);
	make_file(at("cut/set-gid-only"), A, 02644, content);
	make_file(at("cut/capable"), A, 0755, content);
	assert_return_code(setxattr(at("cut/capable"), "security.capability", capability,
				    sizeof(capability), 0),
			   errno);
	for (size_t i = 4; i < ELEMENTS(paths); i++)
		make_file(at("%s", paths[i]), A, 0600, content);
	for (size_t i = 0; i < ELEMENTS(paths); i++)
		for (size_t f = 0; f < ELEMENTS(flags); f++)
			check_uncut(at("%s", paths[i]), flags[f]);
	log_wait(4, "condition=set-id", "/cut/set-uid");
	log_wait(4, "condition=owner", "/root/another");
	log_wait(4, "condition=type", "/fifo/file");
	log_wait(4, "condition=strictmodes", "/loose/file");
	/* O_CREAT makes no difference to what is there. */
	make_file(at("dir/set-uid.new"), A, 04755, content);
	check_uncut(at("dir/set-uid.new"), O_WRONLY | O_CREAT);
	/* The counter-checks: what is given is cut, and who cuts when it opens has cut. */
	make_file(at("cut/file"), A, 0600, content);
	assert_int_equal(peer_open(&peer, O_WRONLY | O_TRUNC, 0, at("cut/file"), &fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	for (size_t i = 0; i < ELEMENTS(paths); i++)
		assert_true(naive_cuts(at("%s", paths[i])));
}

/* Of a file that is not to be written nobody gives up a lease: it is not opened for that. */
static void
test_lease_of_what_is_refused(void **state)
{
	int fd, error;

	(void)state;
	assert_true(signal(SIGIO, SIG_IGN) != SIG_ERR);
	make_file(at("cut/leased"), A, 04755, content);
	fd = open(at("cut/leased"), O_RDONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_return_code(fcntl(fd, F_SETLEASE, F_RDLCK), errno);
	error = peer_open(&peer, O_WRONLY, 0, at("cut/leased"), NULL);
	assert_int_equal(fcntl(fd, F_GETLEASE), F_RDLCK);
	assert_int_equal(error, EACCES);
	/* The counter-check: without the bits its holder is asked. */
	assert_return_code(fchmod(fd, 0755), errno);
	assert_int_equal(peer_open(&peer, O_WRONLY, 0, at("cut/leased"), NULL), EAGAIN);
	assert_int_equal(fcntl(fd, F_GETLEASE), F_UNLCK);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_for_reading),
		cmocka_unit_test(test_nothing_cut),
		cmocka_unit_test(test_lease_of_what_is_refused),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/widening", tests, setup);
}
