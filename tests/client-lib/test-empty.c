/* SPDX-License-Identifier: MIT */
/* A message without a byte, which looks like the end of a connection, and brings a descriptor. */
#include "fake-server.h"

static const char file[] = "/etc/passwd"; /* everybody may read it */

static enum after
nothing_or_grant(const struct request *request)
{
	if (strcmp(request->path, "/empty") != 0)
		return grant(request);
	(void)raw_send(request->socket,
		       &(struct raw){.bytes = "", .size = 0, .fds = &request->socket, .n_fds = 1});
	return KEEP;
}

static int
fails_with(const char *path)
{
	int fd;

	errno = 0;
	fd = broker_open(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : errno;
}

static void
keeps_nothing(const struct server *server)
{
	int before;

	CHECK(fails_with(file) == 0);
	before = count_fds(0);
	for (int i = 0; i < 3; i++) {
		CHECK(fails_with("/empty") == (server->answer == grant ? ENOENT : EPROTO));
		CHECK(fails_with(file) == 0);
		CHECK(count_fds(0) == before);
	}
}

static void run(enum after (*answer)(const struct request *request))
{
	struct server server = {.answer = answer};

	server_start(&server);
	client_run(keeps_nothing, &server);
	server_stop(&server);
}

static void
test_empty(void **state)
{
	(void)state;
	run(nothing_or_grant);
	/* The counter-check: it is that message, and not the path. */
	run(grant);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_empty)};

	return cmocka_run_group_tests_name("client-lib/empty", tests, NULL, NULL);
}
