/* SPDX-License-Identifier: MIT */
/*
 * Messages with descriptors and credentials, from senders who send what they like: nothing that
 * arrives is lost or left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/channel.h"
#include "tests/harness.h"

static int pair[2];
static int files[FDS_AT_ONCE + 1]; /* each another inode, but for the last ones */
static int before;                 /* descriptors, before each test */

static int
setup(void **state)
{
	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	for (size_t i = 0; i < ELEMENTS(files); i++) {
		files[i] = i <= CHANNEL_FDS_MAX ? memfd_create("test", MFD_CLOEXEC) : files[0];
		if (files[i] < 0)
			return -1;
	}
	before = count_fds(0);
	return 0;
}

static int
teardown(void **state)
{
	int now = count_fds(0);

	(void)state;
	for (size_t i = 0; i <= CHANNEL_FDS_MAX; i++)
		close(files[i]);
	close(pair[0]);
	close(pair[1]);
	return now == before ? 0 : -1;
}

static void
set_passcred(int socket)
{
	const int on = 1;

	assert_return_code(setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), errno);
}

static ino_t
inode_of(int fd)
{
	struct stat status;

	assert_return_code(fstat(fd, &status), errno);
	return status.st_ino;
}

/* These descriptors are the first n files, close-on-exec. Closes them. */
static void
take_files(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(inode_of(fds[i]), inode_of(files[i]));
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
}

static void
test_descriptors_arrive(void **state)
{
	static const size_t counts[] = {0, 1, 2, 63, 64};
	struct iovec iov[2] = {{(void *)"two", 3}, {(void *)"parts", 5}};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(counts); i++) {
		struct channel_extra extra = {.truncated = true};
		int fds[CHANNEL_FDS_MAX];
		char text[64];

		assert_int_equal(channel_send(pair[0], iov, 2, files, counts[i], NULL, 0), 0);
		assert_int_equal(channel_receive(pair[1], text, sizeof(text), fds, counts[i], false,
						 0, &extra),
				 8);
		assert_memory_equal(text, "twoparts", 8);
		assert_int_equal(extra.n_fds, counts[i]);
		assert_false(extra.truncated);
		assert_false(extra.has_credentials);
		take_files(fds, counts[i]);
		assert_int_equal(count_fds(0), before);
	}
}

static void
test_too_many_to_send(void **state)
{
	struct iovec iov = {(void *)"x", 1};
	struct channel_extra extra;
	char byte;

	(void)state;
	assert_int_equal(channel_send(pair[0], &iov, 1, files, CHANNEL_FDS_MAX + 1, NULL, 0),
			 -EINVAL);
	assert_int_equal(channel_send(pair[0], &iov, 1, files, SIZE_MAX / 4, NULL, 0), -EINVAL);
	assert_int_equal(channel_receive(pair[1], &byte, 1, NULL, 0, false, MSG_DONTWAIT, &extra),
			 -EAGAIN);
	assert_int_equal(channel_receive(pair[1], &byte, 1, files, CHANNEL_FDS_MAX + 1, false,
					 MSG_DONTWAIT, &extra),
			 -EINVAL);
}

/* As many as there is room for are ours, no other is left open; and that it was so is told. */
static void
check_overfull(size_t sent, size_t first, size_t max, bool with_credentials)
{
	struct raw raw = {
		.bytes = "text", .size = 4, .fds = files, .n_fds = sent, .first_fds = first};
	struct channel_extra extra = {};
	int fds[CHANNEL_FDS_MAX] = {-1};
	char text[8];

	assert_int_equal(raw_send(pair[0], &raw), 0);
	assert_int_equal(channel_receive(pair[1], text, sizeof(text), fds, max, with_credentials,
					 MSG_DONTWAIT, &extra),
			 4);
	assert_true(extra.truncated);
	assert_int_equal(extra.n_fds, max);
	assert_int_equal(count_fds(0), before + (int)max);
	take_files(fds, max);
	/* The next message is whole. */
	assert_int_equal(raw_send_bytes(pair[0], "next", 4), 0);
	assert_int_equal(channel_receive(pair[1], text, sizeof(text), fds, max, with_credentials,
					 MSG_DONTWAIT, &extra),
			 4);
	assert_false(extra.truncated);
	assert_int_equal(extra.n_fds, 0);
}

static void
test_more_than_there_is_room_for(void **state)
{
	static const size_t counts[] = {1, 2, 3, 4, 65, FDS_AT_ONCE}, rooms[] = {0, 1, 2, 3, 64};

	(void)state;
	for (int round = 0; round < 4; round++) {
		/* With room for credentials that do not come, then for those that do. */
		if (round == 2)
			set_passcred(pair[1]);
		for (size_t c = 0; c < ELEMENTS(counts); c++)
			for (size_t r = 0; r < ELEMENTS(rooms) && rooms[r] < counts[c]; r++)
				check_overfull(counts[c], round % 2 ? counts[c] / 2 : 0, rooms[r],
					       round > 0);
	}
}

static void
test_credentials(void **state)
{
	const struct ucred self = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	struct iovec iov = {(void *)"x", 1};

	(void)state;
	set_passcred(pair[1]);
	for (int with_fds = 0; with_fds < 2; with_fds++) {
		for (int how = 0; how < 4; how++) {
			struct raw raw = {.bytes = "x",
					  .size = 1,
					  .credentials = how == 3 ? NULL : &self,
					  .fds = files,
					  .n_fds = with_fds ? 2 : 0,
					  .fds_first = how == 1};
			struct channel_extra extra = {};
			int fds[2] = {-1, -1}, r;
			char byte;

			if (how == 2)
				r = channel_send(pair[0], &iov, 1, files, raw.n_fds, &self, 0);
			else
				r = raw_send(pair[0], &raw);
			assert_int_equal(r, 0);
			assert_int_equal(
				channel_receive(pair[1], &byte, 1, fds, 2, true, 0, &extra), 1);
			assert_true(extra.has_credentials);
			assert_memory_equal(&extra.credentials, &self, sizeof(self));
			assert_false(extra.truncated);
			assert_int_equal(extra.n_fds, raw.n_fds);
			take_files(fds, extra.n_fds);
		}
	}
}

static void
test_no_credentials(void **state)
{
	struct channel_extra extra = {.has_credentials = true};
	char byte;

	(void)state;
	assert_int_equal(raw_send_bytes(pair[0], "x", 1), 0);
	assert_int_equal(channel_receive(pair[1], &byte, 1, NULL, 0, true, 0, &extra), 1);
	assert_false(extra.has_credentials);
	assert_false(extra.truncated);
}

static void
test_longer_than_the_buffer(void **state)
{
	static const size_t counts[] = {0, 1, 2, FDS_AT_ONCE};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(counts); i++) {
		struct raw raw = {.bytes = "12345", .size = 5, .fds = files, .n_fds = counts[i]};
		struct channel_extra extra = {.n_fds = 4711};
		int fds[2];
		char text[5] = "....";

		assert_int_equal(raw_send(pair[0], &raw), 0);
		assert_int_equal(channel_receive(pair[1], text, 4, fds, 2, false, 0, &extra),
				 -EMSGSIZE);
		assert_memory_equal(text, "1234", 5);
		assert_int_equal(count_fds(0), before);
		/* Exactly as long is not too long, and the rest of it does not come later. */
		raw.size = 4;
		raw.n_fds = 0;
		assert_int_equal(raw_send(pair[0], &raw), 0);
		assert_int_equal(channel_receive(pair[1], text, 4, fds, 2, false, 0, &extra), 4);
		assert_int_equal(extra.n_fds, 0);
		assert_int_equal(
			channel_receive(pair[1], text, 4, fds, 2, false, MSG_DONTWAIT, &extra),
			-EAGAIN);
	}
}

/* The receiver's own limit: the kernel drops what does not fit, and says so. */
static void
test_no_room_for_a_descriptor(void **state)
{
	struct channel_extra extra = {};
	struct rlimit limit, none;
	int fds[4], first = dup(pair[0]);
	char text[8];
	ssize_t n;

	(void)state;
	assert_return_code(first, errno);
	close(first);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	for (rlim_t room = 0; room < 4; room++) {
		none = limit;
		none.rlim_cur = (rlim_t)first + room;
		assert_int_equal(raw_send(pair[0], &(struct raw){.bytes = "text",
								 .size = 4,
								 .fds = files,
								 .n_fds = 4}),
				 0);
		assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
		n = channel_receive(pair[1], text, sizeof(text), fds, 4, false, 0, &extra);
		setrlimit(RLIMIT_NOFILE, &limit);
		assert_int_equal(n, 4);
		assert_true(extra.truncated);
		assert_int_equal(extra.n_fds, room);
		take_files(fds, extra.n_fds);
		assert_int_equal(count_fds(0), before);
	}
}

static void
test_end_of_file(void **state)
{
	struct channel_extra extra;
	struct iovec iov = {(void *)"x", 1};
	char byte;

	(void)state;
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	close(pair[0]);
	assert_int_equal(channel_send(pair[1], &iov, 1, NULL, 0, NULL, 0), -EPIPE);
	assert_int_equal(channel_send(pair[1], &iov, 1, files, 1, NULL, MSG_DONTWAIT), -EPIPE);
	assert_int_equal(channel_receive(pair[1], &byte, 1, NULL, 0, false, 0, &extra), 0);
	/* For the one who counts afterwards. */
	pair[0] = dup(pair[1]);
}

static void
test_full(void **state)
{
	struct iovec iov = {(void *)"x", 1};
	struct channel_extra extra;
	int sent = 0, r, fd;
	char byte;

	(void)state;
	while ((r = channel_send(pair[0], &iov, 1, files, 1, NULL, MSG_DONTWAIT)) == 0)
		assert_in_range(++sent, 1, 100000);
	assert_int_equal(r, -EAGAIN);
	while (sent-- > 0) {
		assert_int_equal(
			channel_receive(pair[1], &byte, 1, &fd, 1, false, MSG_DONTWAIT, &extra), 1);
		assert_int_equal(extra.n_fds, 1);
		close(fd);
	}
}

static void
on_alarm(int signal)
{
	(void)signal;
}

static void
test_interrupted(void **state)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval soon = {.it_value = {.tv_usec = 20000}};
	struct channel_extra extra = {.n_fds = 4711};
	char byte;

	(void)state;
	assert_return_code(sigaction(SIGALRM, &action, NULL), errno);
	assert_return_code(setitimer(ITIMER_REAL, &soon, NULL), errno);
	assert_int_equal(channel_receive(pair[1], &byte, 1, NULL, 0, false, 0, &extra), -EINTR);
	assert_int_equal(extra.n_fds, 4711);
}

/* With close(2) out of order, what was a descriptor of this process for a moment stays one. */
static int
count_held(bool with_credentials)
{
	struct raw raw = {.bytes = "x", .size = 1, .fds = files, .n_fds = FDS_AT_ONCE};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct channel_extra extra = {};
	int held = 0;
	char byte;

	if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(close), 0) < 0 ||
	    raw_send(pair[0], &raw) < 0 || seccomp_load(filter) < 0)
		return -1;
	if (channel_receive(pair[1], &byte, 1, NULL, 0, with_credentials, 0, &extra) != 1 ||
	    !extra.truncated)
		return -1;
	for (int fd = 0; fd < 1024; fd++)
		held += fcntl(fd, F_GETFD) >= 0;
	return held;
}

static void
test_unwanted_descriptors_are_never_held(void **state)
{
	(void)state;
	for (int with_credentials = 0; with_credentials < 2; with_credentials++) {
		int status = -1;
		pid_t pid;

		if (with_credentials)
			set_passcred(pair[1]);
		fflush(NULL);
		pid = fork();
		assert_return_code(pid, errno);
		if (pid == 0)
			_exit(count_held(with_credentials) != before);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* Other types of sockets, which the same functions serve. */
static void
test_other_sockets(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	struct iovec iov = {(void *)"x", 1};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(types); i++) {
		struct channel_extra extra;
		int other[2], fds[2];
		char byte;

		assert_return_code(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, other), errno);
		assert_int_equal(channel_send(other[0], &iov, 1, files, 2, NULL, 0), 0);
		assert_int_equal(channel_receive(other[1], &byte, 1, fds, 2, false, 0, &extra), 1);
		assert_int_equal(extra.n_fds, 2);
		take_files(fds, 2);
		/* Here the kernel would send a signal. */
		close(other[1]);
		assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
		assert_true(channel_send(other[0], &iov, 1, NULL, 0, NULL, 0) < 0);
		close(other[0]);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_descriptors_arrive),
		CASE(test_too_many_to_send),
		CASE(test_more_than_there_is_room_for),
		CASE(test_credentials),
		CASE(test_no_credentials),
		CASE(test_longer_than_the_buffer),
		CASE(test_no_room_for_a_descriptor),
		CASE(test_unwanted_descriptors_are_never_held),
		CASE(test_end_of_file),
		CASE(test_full),
		CASE(test_interrupted),
		CASE(test_other_sockets),
	};

	return cmocka_run_group_tests_name("client-lib/channel", tests, NULL, NULL);
}
