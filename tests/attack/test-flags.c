/* SPDX-License-Identifier: MIT */
/* Flags against a real broker: those that are documented, and a descriptor that has exactly them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/harness.h"

/* As the header of the library lists them; O_LARGEFILE is 0 to a 64-bit program. */
static const uint32_t permitted = O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT | O_NOCTTY |
				  O_NOFOLLOW | 0100000 | O_CLOEXEC;

static const char content[] = "0123456789";

/* An open of our own says what the descriptor ought to be. */
static void
check_same(const char *path, uint32_t flags, int fd)
{
	struct stat wanted, got;
	int own = open(path, (int)flags | O_CLOEXEC);

	assert_return_code(own, errno);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL), fcntl(own, F_GETFL));
	assert_int_equal(!(fcntl(fd, F_GETFL) & O_NONBLOCK), !(flags & O_NONBLOCK));
	assert_return_code(fstat(own, &wanted), errno);
	assert_return_code(fstat(fd, &got), errno);
	assert_true(wanted.st_dev == got.st_dev && wanted.st_ino == got.st_ino);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(own);
}

/* What this open has to say, where everything is permitted. */
static int
expected(const char *path, uint32_t flags)
{
	uint32_t mode = flags & O_ACCMODE, rest = flags & ~(uint32_t)O_ACCMODE;
	int own, r;

	if (mode == O_ACCMODE ||
	    rest & ~(permitted | O_CREAT | O_EXCL | (mode == O_RDONLY ? 0 : O_TRUNC)) ||
	    (rest & (O_CREAT | O_EXCL)) == O_EXCL)
		return EINVAL;
	/* By the rule for this path nothing is created. */
	if (rest & O_CREAT && !strstr(path, "/made/"))
		return EACCES;
	/* O_DIRECT is not for every file system. */
	own = open(path, (int)flags & ~O_TRUNC, 0600);
	r = own < 0 ? errno : 0;
	if (own >= 0)
		close(own);
	return r;
}

static size_t
size_of(const char *path)
{
	struct stat status;

	assert_return_code(stat(path, &status), errno);
	return (size_t)status.st_size;
}

static void
try_flags(int socket, const char *path, uint32_t flags)
{
	int fd = -1, wanted = expected(path, flags);
	bool cut = wanted == 0 && flags & O_TRUNC;

	write_file(path, content);
	if (raw_open(socket, flags, path, strlen(path), &fd) != wanted)
		fail_msg("flags %#o: not %d", flags, wanted);
	assert_int_equal(size_of(path), cut ? 0 : sizeof(content) - 1);
	if (wanted != 0)
		return;
	check_same(path, flags & ~(uint32_t)(O_TRUNC | O_CREAT), fd);
	close(fd);
}

static void
test_each_flag(void **state)
{
	int own = count_fds(0), socket = raw_connect(&broker);
	char path[128];
	unsigned good = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/rw/file", broker.directory);
	for (uint32_t mode = 0; mode <= O_ACCMODE; mode++) {
		for (unsigned bit = 0; bit < 32; bit++) {
			uint32_t flags = mode | 1u << bit;

			if (bit >= 2)
				try_flags(socket, path, flags);
			good += bit >= 2 && expected(path, flags) == 0;
		}
		try_flags(socket, path, mode);
	}
	/* O_DIRECT may be missing. */
	assert_in_range(good, 3 * 9 + 2, 3 * 10 + 2);
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

static void
test_flags_together(void **state)
{
	int own = count_fds(0), socket = raw_connect(&broker);
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/rw/file", broker.directory);
	try_flags(socket, path, O_RDWR | O_APPEND | O_TRUNC | O_NONBLOCK | O_CLOEXEC);
	try_flags(socket, path, O_WRONLY | O_SYNC | O_NOFOLLOW | O_NOCTTY);
	try_flags(socket, path, O_RDWR | (permitted & ~(uint32_t)O_DIRECT) | O_TRUNC);
	try_flags(socket, path, O_RDONLY | O_TRUNC | O_APPEND);
	try_flags(socket, path, O_RDWR | O_CREAT);
	try_flags(socket, path, O_RDWR | O_EXCL);
	try_flags(socket, path, O_RDWR | O_CREAT | O_EXCL);
	try_flags(socket, path, O_RDWR | O_TMPFILE);
	try_flags(socket, path, O_PATH);
	try_flags(socket, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	try_flags(socket, path, O_DIRECTORY);
	try_flags(socket, path, UINT32_MAX);
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* Whatever needs to write is refused where only reading is permitted, and changes nothing. */
static void
test_flags_of_a_reader(void **state)
{
	static const uint32_t writing[] = {
		O_WRONLY,           O_RDWR,           O_RDONLY | O_APPEND,
		O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC, O_RDWR | O_APPEND};
	int own = count_fds(0), socket = raw_connect(&broker);

	(void)state;
	write_file(broker.file, content);
	for (size_t i = 0; i < ELEMENTS(writing); i++)
		assert_int_equal(
			raw_open(socket, writing[i], broker.file, strlen(broker.file), NULL),
			EACCES);
	assert_int_equal(
		raw_open(socket, O_RDONLY | O_TRUNC, broker.file, strlen(broker.file), NULL),
		EINVAL);
	assert_int_equal(size_of(broker.file), sizeof(content) - 1);
	assert_served_on(&broker, socket);
	close(socket);
	assert_int_equal(count_fds(0), own);
}

/* With O_CREAT, where that is permitted: of a file that is there, and of one that is not. */
static void
test_each_flag_of_a_creator(void **state)
{
	int own = count_fds(0), socket;
	char path[128];

	(void)state;
	/* The mode is 0: what was made is opened once more only by who need not be permitted to. */
	if (needs_root())
		return;
	socket = raw_connect(&broker);
	snprintf(path, sizeof(path), "%s/made/file", broker.directory);
	for (uint32_t mode = 0; mode <= O_ACCMODE; mode++) {
		for (unsigned bit = 2; bit < 32; bit++) {
			uint32_t flags = mode | 1u << bit | O_CREAT, given = flags;
			int fd = -1, wanted;

			try_flags(socket, path, flags);
			assert_return_code(unlink(path), errno);
			wanted = expected(path, flags);
			(void)unlink(path);
			if (raw_open(socket, flags, path, strlen(path), &fd) != wanted)
				fail_msg("flags %#o, new: not %d", flags, wanted);
			assert_int_equal(access(path, F_OK), wanted == 0 ? 0 : -1);
			if (wanted != 0)
				continue;
			given &= ~(uint32_t)(O_TRUNC | O_CREAT | O_EXCL);
			check_same(path, given, fd);
			close(fd);
		}
	}
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* The operations that have hardly a flag. */
static int
ask_other(int socket, uint16_t operation, uint32_t flags, const char *path)
{
	char message[512], reply[WIRE_REPLY_MAX];
	size_t size = raw_request(message, 77, flags, path, strlen(path));
	struct wire_outcome outcome = {};
	uint16_t status = 1;
	ssize_t n;

	memcpy(message + offsetof(struct wire_header, operation), &operation, sizeof(operation));
	assert_int_equal(raw_send_bytes(socket, message, size), 0);
	n = recv(socket, reply, sizeof(reply), 0);
	assert_return_code(n, errno);
	assert_int_equal(wire_decode_reply(reply, (size_t)n, 77, 1, &status, &outcome), 0);
	assert_int_equal(status, 0);
	return (int)outcome.error;
}

static void
test_flags_of_stat_and_list(void **state)
{
	int socket = raw_connect(&broker);
	char directory[128];

	(void)state;
	snprintf(directory, sizeof(directory), "%s/made", broker.directory);
	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t flags = 1u << bit;

		assert_int_equal(ask_other(socket, WIRE_STAT, flags, broker.file),
				 flags == AT_SYMLINK_NOFOLLOW ? 0 : EINVAL);
		assert_int_equal(ask_other(socket, WIRE_LIST, flags, directory), EINVAL);
		/* Nothing is said of what is none of ours, either. */
		assert_int_equal(ask_other(socket, WIRE_LIST, flags, "/etc"), EINVAL);
	}
	assert_int_equal(ask_other(socket, WIRE_STAT, 0, broker.file), 0);
	assert_int_equal(ask_other(socket, WIRE_LIST, 0, directory), 0);
	assert_int_equal(ask_other(socket, WIRE_STAT, UINT32_MAX, broker.file), EINVAL);
	close(socket);
}

static bool
is_shared(pid_t pid, int fd, int other)
{
	return syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, (unsigned long)fd,
		       (unsigned long)other) == 0;
}

/* Offset and flags belong to an open file description: nobody else has it. */
static void
test_shared_with_nobody(void **state)
{
	int socket, first = -1, second = -1, copy;
	const pid_t processes[] = {broker.pid, broker.worker};

	(void)state;
	if (needs_root())
		return;
	socket = raw_connect(&broker);
	write_file(broker.file, content);
	assert_int_equal(raw_open(socket, O_RDONLY, broker.file, strlen(broker.file), &first), 0);
	assert_int_equal(raw_open(socket, O_RDONLY, broker.file, strlen(broker.file), &second), 0);
	assert_int_equal(lseek(first, 5, SEEK_SET), 5);
	assert_int_equal(lseek(second, 0, SEEK_CUR), 0);
	assert_false(is_shared(getpid(), first, second));
	/* That it was closed after it was sent, is seen once the next request was answered. */
	assert_served_on(&broker, socket);
	for (size_t i = 0; i < ELEMENTS(processes); i++)
		for (int fd = 0; fd < 1024; fd++)
			assert_false(is_shared(processes[i], first, fd) ||
				     is_shared(processes[i], second, fd));
	/* The counter-check: this is one that is. */
	copy = dup(first);
	assert_true(is_shared(getpid(), first, copy));
	assert_int_equal(lseek(copy, 0, SEEK_CUR), 5);
	close(copy);
	close(first);
	close(second);
	close(socket);
}

static int
setup(void **state)
{
	char path[128], rules[128];

	(void)state;
	snprintf(rules, sizeof(rules), "allow user:%u read,write,create,list @/made/**\n",
		 geteuid());
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	snprintf(path, sizeof(path), "%s/made", broker.directory);
	assert_return_code(mkdir(path, 0755), errno);
	/* Our worker is the one that knows this directory. */
	harness_reload(&broker);
	/* Until it has seen our connection end. */
	sleep_ms(100);
	broker.worker_fds = geteuid() == 0 ? count_fds(broker.worker) : -1;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_flag),
		cmocka_unit_test(test_flags_together),
		cmocka_unit_test(test_flags_of_a_reader),
		cmocka_unit_test(test_each_flag_of_a_creator),
		cmocka_unit_test(test_flags_of_stat_and_list),
		cmocka_unit_test(test_shared_with_nobody),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/flags", tests, setup, harness_teardown);
}
