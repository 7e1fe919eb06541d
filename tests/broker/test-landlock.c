/* SPDX-License-Identifier: MIT */
/*
 * What the rights that a rule gives become in Landlock: a process with nothing else to hold it back does
 * with each set of verbs what these verbs say, and no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/sys.h"
#include "broker/worker/confine.h"
#include "tests/harness.h"

/* What can be tried, as a set. */
enum {
	READS = 1 << 0,    /* the file that a rule is for */
	WRITES = 1 << 1,   /* opens it for writing */
	CUTS = 1 << 2,     /* truncate(2), which opens nothing */
	LISTS = 1 << 3,    /* its directory */
	CREATES = 1 << 4,  /* a regular file there */
	EXECUTES = 1 << 5, /* the file */
	CHANGES = 1 << 6,  /* anything else in the directory */
	BESIDE = 1 << 7,   /* opens the file next to it */
	ENTERS = 1 << 8,   /* reads in a directory there */
	ABOVE = 1 << 9,    /* reads or lists what is above the directory */
	CONTROLS = 1 << 10,
	CUTS_BESIDE = 1 << 11,
	ALL_OF_IT = (1 << 12) - 1,
};

/* What a rule names: all in a directory, one file, one that may be created, or one directory. */
enum names { EVERYTHING, A_FILE, A_NEW_FILE, A_DIRECTORY, NAMES };

static bool
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* random(4) as a device in the directory, with an ioctl(2) for everybody. */
static bool
controls(void)
{
	int fd = open("/mnt/d/device", O_RDONLY | O_CLOEXEC), count;
	bool can = fd >= 0 && ioctl(fd, RNDGETENTCNT, &count) == 0;

	if (fd >= 0)
		close(fd);
	return can;
}

/* Everything that changes a directory but for a regular file that appears. */
static bool
changes(void)
{
	return mkdir("/mnt/d/new-directory", 0755) == 0 || unlink("/mnt/d/spare") == 0 ||
	       rmdir("/mnt/d/empty") == 0 || symlink("x", "/mnt/d/new-link") == 0 ||
	       mkfifo("/mnt/d/new-fifo", 0600) == 0 ||
	       mknod("/mnt/d/new-device", S_IFCHR | 0600, makedev(1, 3)) == 0 ||
	       mknod("/mnt/d/new-socket", S_IFSOCK | 0600, 0) == 0;
}

static unsigned
try_all(void)
{
	char *const arguments[] = {(char[]){"file"}, NULL};
	unsigned can = 0;

	can |= opens("/mnt/d/file", O_RDONLY) ? READS : 0;
	can |= opens("/mnt/d/file", O_WRONLY) ? WRITES : 0;
	can |= truncate("/mnt/d/file", 0) == 0 ? CUTS : 0;
	can |= opens("/mnt/d", O_RDONLY | O_DIRECTORY) ? LISTS : 0;
	can |= mknod("/mnt/d/new-file", S_IFREG | 0600, 0) == 0 ? CREATES : 0;
	/* It is no program: who may execute it is told just that. */
	can |= execv("/mnt/d/file", arguments) < 0 && errno == ENOEXEC ? EXECUTES : 0;
	can |= changes() ? CHANGES : 0;
	can |= opens("/mnt/d/other", O_RDONLY) || opens("/mnt/d/other", O_WRONLY) ? BESIDE : 0;
	can |= truncate("/mnt/d/other", 0) == 0 ? CUTS_BESIDE : 0;
	can |= opens("/mnt/d/empty", O_RDONLY | O_DIRECTORY) || opens("/mnt/d/in/file", O_RDONLY)
		       ? ENTERS
		       : 0;
	can |= opens("/mnt/above", O_RDONLY) || opens("/mnt", O_RDONLY | O_DIRECTORY) ? ABOVE : 0;
	can |= controls() ? CONTROLS : 0;
	return can;
}

/* The same, from what the verbs mean. */
static unsigned
expected(enum names names, unsigned verbs, unsigned types)
{
	const bool all = names == EVERYTHING || names == A_NEW_FILE;
	unsigned can = 0;

	if (names == A_DIRECTORY)
		return verbs & POLICY_LIST ? ENTERS : 0;
	if (verbs & POLICY_READ)
		can |= READS | (all ? BESIDE | ENTERS : 0);
	if (verbs & POLICY_WRITE)
		can |= WRITES | CUTS | (all ? BESIDE | CUTS_BESIDE : 0);
	if (all && verbs & POLICY_LIST)
		can |= LISTS | ENTERS;
	if (all && verbs & POLICY_CREATE)
		can |= CREATES;
	if (all && verbs & POLICY_READ && types & POLICY_TYPE_CHR)
		can |= CONTROLS;
	return can;
}

/* Older kernels do not keep all of it from anybody. */
static unsigned
told_by_kernel(void)
{
	int abi = sys_landlock_abi();

	if (abi < 0)
		return 0;
	return ALL_OF_IT & ~(unsigned)(abi < 3 ? CUTS | CUTS_BESIDE : 0) &
	       ~(unsigned)(abi < 5 ? CONTROLS : 0);
}

static int
hold(const char *path)
{
	return open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Never returns: writes what it can do. confined: false for the counter-check. */
static void __attribute__((noreturn))
act(int result, enum names names, unsigned verbs, unsigned types, bool confined)
{
	static const char *const single[NAMES] = {NULL, "file", "file", "empty"};
	static struct trees trees = {.n_trees = 1, .n_reaches = 1};
	const struct confinement confinement = {.trees = &trees};
	unsigned can = 0;

	trees.trees[0] =
		(struct tree){.directory = "/mnt/d", .roots = {hold("/mnt/d"), -1, -1, -1}};
	trees.reaches[0] = (struct reach){
		.verbs = verbs,
		.types = types,
		.name = single[names],
		.file = names == A_FILE        ? hold("/mnt/d/file")
			: names == A_DIRECTORY ? hold("/mnt/d/empty")
					       : -1,
		.is_directory = names == A_DIRECTORY,
	};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    (!confined || confine_landlock(&confinement) == 1))
		can = try_all();
	else
		can = ~0u;
	_exit(write(result, &can, sizeof(can)) != (ssize_t)sizeof(can));
}

static void
make(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, "content\n", 8), 8);
	close(fd);
}

/* In a file system of its own; nobody else sees it. */
static unsigned
act_in_child(enum names names, unsigned verbs, unsigned types, bool confined)
{
	int ends[2], status = -1;
	unsigned can = ~0u;
	pid_t pid;

	assert_return_code(mount("tests", "/mnt", "tmpfs", 0, "mode=755"), errno);
	assert_return_code(mkdir("/mnt/d", 0755), errno);
	assert_return_code(mkdir("/mnt/d/empty", 0755), errno);
	assert_return_code(mkdir("/mnt/d/in", 0755), errno);
	make("/mnt/d/in/file", 0600);
	make("/mnt/d/file", 0755);
	make("/mnt/d/other", 0755);
	make("/mnt/d/spare", 0600);
	make("/mnt/above", 0600);
	assert_return_code(mknod("/mnt/d/device", S_IFCHR | 0600, makedev(1, 8)), errno);
	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		act(ends[1], names, verbs, types, confined);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(ends[0], &can, sizeof(can)), sizeof(can));
	close(ends[0]);
	assert_int_equal(status, 0);
	assert_return_code(umount2("/mnt", MNT_DETACH), errno);
	return can;
}

static void
test_verbs(void **state)
{
	static const unsigned types[] = {POLICY_TYPE_REG, POLICY_TYPE_REG | POLICY_TYPE_CHR};
	const unsigned told = told_by_kernel();

	(void)state;
	if (needs_root() || told == 0)
		return;
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	for (enum names names = EVERYTHING; names < NAMES; names++) {
		for (unsigned verbs = 0; verbs <= POLICY_VERBS_ALL; verbs++) {
			/* What makes a file be named by its directory is that it may be created. */
			if (names == A_FILE && verbs & POLICY_CREATE)
				continue;
			if (names == A_NEW_FILE && !(verbs & POLICY_CREATE))
				continue;
			if (names == A_DIRECTORY && verbs & POLICY_CREATE)
				continue;
			for (size_t i = 0; i < ELEMENTS(types); i++) {
				unsigned wanted = expected(names, verbs, types[i]) & told;
				unsigned can = act_in_child(names, verbs, types[i], true) & told;

				if (can != wanted)
					fail_msg("names %d, verbs %#x, types %#x: %#x, not %#x",
						 (int)names, verbs, types[i], can, wanted);
			}
		}
	}
	/* The counter-check. */
	assert_int_equal(act_in_child(EVERYTHING, 0, 0, false), ALL_OF_IT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_verbs)};

	return cmocka_run_group_tests_name("broker/landlock", tests, NULL, NULL);
}
