/* SPDX-License-Identifier: MIT */
/* What the library closes, and what it must not. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "fake-server.h"

static const char file[] = "/etc/passwd";

static enum after
empty_with_descriptor(const struct request *request)
{
	struct raw empty = {.bytes = "", .size = 0, .fds = &request->socket, .n_fds = 1};

	if (request->number > 3)
		return grant(request);
	(void)raw_send(request->socket, &empty);
	return KEEP;
}

static void
opens_and_counts(const struct server *server)
{
	int before;

	(void)server;
	before = count_fds(0);
	(void)!fails(file, EPROTO);
	/* The connection may be kept; nothing else. */
	CHECK(count_fds(0) <= before + 1);
}

/* An empty message is no end of file when a descriptor comes with it, which then must not stay. */
static void
test_empty_with_descriptor(void **state)
{
	struct server server = {.answer = empty_with_descriptor};

	(void)state;
	server_start(&server);
	client_run(opens_and_counts, &server);
	server_stop(&server);
}

/* Gives the number of this thread's connection to another file before the thread ends. */
static void *
reuse_number(void *other)
{
	int *fd = other, connection = dup(STDOUT_FILENO);

	close(connection);
	CHECK(opens(file));
	CHECK(dup2(*fd, connection) == connection);
	*fd = connection;
	return NULL;
}

static void
thread_ends(const struct server *server)
{
	int other = memfd_create("other", MFD_CLOEXEC), fd = other;
	pthread_t thread;

	(void)server;
	CHECK(pthread_create(&thread, NULL, reuse_number, &fd) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	close(other);
}

static void
test_thread_end(void **state)
{
	(void)state;
	with_server(thread_ends, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_with_descriptor),
		cmocka_unit_test(test_thread_end),
	};

	return cmocka_run_group_tests_name("client-lib/open-thread", tests, NULL, NULL);
}
