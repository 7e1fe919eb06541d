/* SPDX-License-Identifier: MIT */
/* broker_open() in processes that close what is not theirs, or have no room. */
#include <sys/resource.h>

#include "fake-server.h"

static const char public[] = "/etc/passwd"; /* everybody may read it */

/* The number of the connection that the next broker_open() makes. */
static int
next_fd(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	return fd;
}

/* The program closes everything, and the connection's number comes to mean this file. */
static void
keeps_off(int other)
{
	int connection = next_fd(), before;
	struct stat wanted, got;

	CHECK(opens(public));
	before = count_fds(0);
	CHECK(fcntl(connection, F_GETFD) >= 0);
	CHECK(dup2(other, connection) == connection);
	CHECK(opens(public));
	CHECK(fstat(other, &wanted) == 0 && fstat(connection, &got) == 0);
	CHECK(wanted.st_ino == got.st_ino && wanted.st_dev == got.st_dev);
	CHECK(opens(public));
	close(connection);
	CHECK(count_fds(0) == before);
	/* The new connection goes the same way, and nothing takes its place. */
	CHECK(close_range((unsigned)connection, ~0U, 0) == 0);
	CHECK(opens(public));
	CHECK(close_range((unsigned)connection, ~0U, 0) == 0);
}

static void
closes_what_is_not_its_own(const struct server *server)
{
	int file = memfd_create("other", MFD_CLOEXEC), pair[2];
	char byte;

	(void)server;
	CHECK(file >= 0);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	keeps_off(file);
	CHECK(lseek(file, 0, SEEK_END) == 0);
	keeps_off(pair[0]);
	CHECK(recv(pair[1], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	keeps_off(STDOUT_FILENO);
	close(file);
	close(pair[0]);
	close(pair[1]);
}

static void
test_closed_by_the_program(void **state)
{
	(void)state;
	with_server(closes_what_is_not_its_own, 9);
}

static void
has_no_room(const struct server *server)
{
	struct rlimit limit, none;
	int before;

	(void)server;
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = limit;
	for (int connected = 0; connected < 2; connected++) {
		before = count_fds(0);
		none.rlim_cur = (rlim_t)next_fd();
		CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
		for (int i = 0; i < 3; i++)
			CHECK(fails(public, EMFILE));
		CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		CHECK(count_fds(0) == before);
		CHECK(opens(public));
	}
	/* Room for the connection alone. */
	CHECK(close_range((unsigned)next_fd() - 1, ~0U, 0) == 0);
	before = count_fds(0);
	none.rlim_cur = (rlim_t)next_fd() + 1;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK(fails(public, EMFILE));
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(count_fds(0) == before + 1);
	CHECK(opens(public));
}

static void
test_no_room(void **state)
{
	(void)state;
	with_server(has_no_room, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_by_the_program),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests_name("client-lib/open-descriptors", tests, NULL, NULL);
}
