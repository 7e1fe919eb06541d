/* SPDX-License-Identifier: MIT */
/*
 * File systems whose server says what those of the kernel never say, or when it suits it. A user's own
 * may be one, and a network's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/attack/asks.h"
#include "tests/fuse.h"

enum {
	COMPONENT = 200,
	ATTEMPTS = 5,
};

static const char rules[] = "allow user:61001 read,write,create,list @/fuse/**\n";
static struct fuse fuse;

static int
setup(void **state)
{
	(void)state;
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	make_dir(at("fuse"), 0, 0755);
	assert_true(fuse_start(&fuse));
	fuse_set_xattr_error(&fuse, ENODATA);
	assert_true(fuse_attach(&fuse, at("fuse")));
	peer = peer_begin(A);
	return 0;
}

static int
teardown(void **state)
{
	fuse_stop(&fuse);
	(void)umount2(at("fuse"), MNT_DETACH);
	return harness_teardown(state);
}

/* --- names that are longer than NAME_MAX ------------------------------------------------------- */

/* Names of a directory, and how many of them are longer than a listing can tell. */
static void
count_long(const char *path, unsigned *ret_all, unsigned *ret_long)
{
	static char buffer[16384] __attribute__((aligned(__alignof__(struct dirent64))));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n;

	assert_return_code(fd, errno);
	*ret_all = *ret_long = 0;
	while ((n = getdents64(fd, buffer, sizeof(buffer))) > 0) {
		const struct dirent64 *entry;

		for (ssize_t i = 0; i < n; i += entry->d_reclen) {
			entry = (const struct dirent64 *)(buffer + i);
			++*ret_all;
			*ret_long += strlen(entry->d_name) > WIRE_NAME_MAX;
		}
	}
	assert_return_code(n, errno);
	close(fd);
}

static void
check_names(const char *path, const char *wanted)
{
	char *names = NULL;
	unsigned n, n_long;

	assert_int_equal(peer_list(&peer, path, &names), 0);
	assert_string_equal(names, wanted);
	free(names);
	/* The counter-check: the kernel does tell of them. */
	count_long(path, &n, &n_long);
	assert_int_equal(n, 6);
	assert_int_equal(n_long, 3);
}

static void
test_long_names(void **state)
{
	char longest[WIRE_NAME_MAX + 1], wanted[WIRE_NAME_MAX + 8];
	static char deep[PATH_MAX];
	size_t used = (size_t)snprintf(deep, sizeof(deep), "%s", at("fuse"));
	pid_t worker;

	(void)state;
	memset(longest, '1', WIRE_NAME_MAX);
	longest[WIRE_NAME_MAX] = '\0';
	snprintf(wanted, sizeof(wanted), "1/11/%s/", longest);
	check_names(at("fuse/d1"), wanted);
	worker = worker_of(&broker, A);
	/* The longest that the test itself can name: a name behind it is more than any path has. */
	for (unsigned number = 1; used < PATH_MAX - 1; number++) {
		size_t left = PATH_MAX - 1 - used - strlen("/d");

		if (left > COMPONENT)
			left = left < COMPONENT + 10 ? left / 2 : COMPONENT;
		used += (size_t)snprintf(deep + used, sizeof(deep) - used, "/d%0*u", (int)left,
					 number);
	}
	assert_int_equal(used, PATH_MAX - 1);
	check_names(deep, "");
	assert_int_equal(worker_of(&broker, A), worker);
}

/* --- whose it is what was created -------------------------------------------------------------- */

static void
test_created_for_another(void **state)
{
	static const unsigned flags[] = {O_RDONLY | O_CREAT, O_RDWR | O_CREAT, O_WRONLY | O_CREAT,
					 O_RDONLY | O_CREAT | O_EXCL, O_RDWR | O_CREAT | O_EXCL};
	static const uid_t others[] = {0, B, 65534};
	unsigned name = 0;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(flags); i++) {
		struct stat status;
		int fd = -1;

		for (size_t j = 0; j < ELEMENTS(others); j++) {
			fuse_set_owner(&fuse, others[j]);
			assert_int_equal(
				peer_open(&peer, flags[i], 0600, at("fuse/n%u", name++), NULL),
				EACCES);
		}
		/* The counter-check: when it becomes the peer's. */
		fuse_set_owner(&fuse, A);
		assert_int_equal(peer_open(&peer, flags[i], 0600, at("fuse/n%u", name++), &fd), 0);
		assert_return_code(fstat(fd, &status), errno);
		assert_int_equal(status.st_uid, A);
		close(fd);
	}
}

/* --- whether it has privileges of its own ------------------------------------------------------ */

static void
test_unknown_privileges(void **state)
{
	static const int errors[] = {EIO, EPERM, EACCES, ENOENT, ERANGE, EINVAL};
	int fds;

	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("fuse/10"), NULL), 0);
	fds = count_fds(worker_of(&broker, A));
	assert_true(fds > 0);
	for (size_t i = 0; i < ELEMENTS(errors); i++) {
		fuse_set_xattr_error(&fuse, errors[i]);
		assert_int_equal(peer_open(&peer, O_WRONLY, 0, at("fuse/10"), NULL), EACCES);
		assert_int_equal(peer_open(&peer, O_RDWR | O_TRUNC, 0, at("fuse/10"), NULL),
				 EACCES);
		/* The counter-check: for reading nobody asks. */
		assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("fuse/10"), NULL), 0);
	}
	log_wait(2 * ELEMENTS(errors), "condition=set-id", "fuse/10\"");
	assert_int_equal(fuse_cuts(&fuse), 0);
	/* What was opened to be looked at is open no longer. */
	for (int i = 0; count_fds(worker_of(&broker, A)) > fds; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
	/* And there are none. */
	fuse_set_xattr_error(&fuse, EOPNOTSUPP);
	assert_int_equal(peer_open(&peer, O_WRONLY, 0, at("fuse/10"), NULL), 0);
	fuse_set_xattr_error(&fuse, ENODATA);
	assert_int_equal(peer_open(&peer, O_RDWR, 0, at("fuse/10"), NULL), 0);
}

/* --- a right that is withdrawn while it keeps the worker waiting ------------------------------- */

static void
reload_with(const char *more)
{
	unsigned long generation = status_number(&broker, "generation");
	FILE *policy = fopen(at("policy/test.policy"), "ae");

	assert_non_null(policy);
	fputs(more, policy);
	assert_int_equal(fclose(policy), 0);
	assert_return_code(kill(broker.pid, SIGHUP), errno);
	for (int i = 0; status_number(&broker, "generation") == generation; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(5);
	}
}

/* An open of which the server takes its time; the policy then is another, or not. */
static void
open_held(const char *path, unsigned flags, const char *more, struct told *ret_told)
{
	const struct wire_file file = {
		.flags = flags, .mode = 0600, .path = path, .path_length = (uint32_t)strlen(path)};

	/* There is a worker. */
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("fuse/19"), NULL), 0);
	fuse_hang(&fuse, flags & O_CREAT ? FUSE_HANGS_CREATE : FUSE_HANGS_OPEN);
	peer_send(&peer, WIRE_OPEN, &file);
	for (int i = 0; fuse_kept(&fuse) < 1; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
	if (more)
		reload_with(more);
	fuse_hang(&fuse, 0);
	peer_receive(&peer, ret_told);
}

static void
check_withdrawn(const char *name, unsigned flags, const char *verb)
{
	char path[128], deny[256];
	static struct told told;
	unsigned cuts;

	snprintf(path, sizeof(path), "%s", at("fuse/%s", name));
	snprintf(deny, sizeof(deny), "deny user:%u %s %s\n", A, verb, path);
	cuts = fuse_cuts(&fuse);
	/* The counter-check. */
	open_held(path, flags, NULL, &told);
	assert_true(told.status == 0 && told.error == 0 && told.fd >= 0);
	close(told.fd);
	assert_int_equal(fuse_cuts(&fuse), flags & O_TRUNC ? cuts + 1 : cuts);
	cuts = fuse_cuts(&fuse);
	open_held(path, flags, deny, &told);
	/* It may have been killed, for it did not end when it was told to. */
	assert_true(told.status == -1 || told.status == WIRE_STATUS_RETRY);
	assert_int_equal(told.fd, -1);
	peer_end(&peer);
	peer = peer_begin(A);
	assert_int_equal(peer_open(&peer, flags, 0, path, NULL), EACCES);
	assert_int_equal(fuse_cuts(&fuse), cuts);
}

static void
test_withdrawn_meanwhile(void **state)
{
	(void)state;
	check_withdrawn("20", O_RDWR | O_TRUNC, "write");
	check_withdrawn("21", O_RDONLY, "read");
	check_withdrawn("22", O_WRONLY, "write");
}

/* What came of it, for a file that was created meanwhile; -1: the connection has ended. */
static int
create_held(unsigned flags)
{
	static unsigned name = 100;
	static struct told told;

	fuse_set_owner(&fuse, A);
	open_held(at("fuse/n%u", name++), O_RDWR | O_CREAT | flags, "# nothing\n", &told);
	assert_int_equal(told.fd, -1);
	peer_end(&peer);
	peer = peer_begin(A);
	return told.status;
}

/* Who asks for O_EXCL is not told to ask again: it would find what it made. */
static void
test_created_meanwhile(void **state)
{
	int status = -1;

	(void)state;
	for (int i = 0; i < ATTEMPTS; i++)
		assert_int_equal(create_held(O_EXCL), -1);
	/* The counter-check: others are, if the worker was not too slow to end. */
	for (int i = 0; status == -1; i++) {
		assert_true(i < ATTEMPTS);
		status = create_held(0);
	}
	assert_int_equal(status, WIRE_STATUS_RETRY);
}

static void
test_end(void **state)
{
	(void)state;
	peer_end(&peer);
	assert_return_code(umount2(at("fuse"), MNT_DETACH), errno);
	fuse_stop(&fuse);
	assert_int_equal(harness_stop(&broker), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_created_for_another),
		cmocka_unit_test(test_unknown_privileges),
		cmocka_unit_test(test_withdrawn_meanwhile),
		cmocka_unit_test(test_created_meanwhile),
		cmocka_unit_test(test_end),
	};

	if (needs_root())
		return 0;
	return cmocka_run_group_tests_name("attack/fuse", tests, setup, teardown);
}
