/* SPDX-License-Identifier: MIT */
/* broker_open() against servers that lie, forget, go away and come back. */
#include <sys/time.h>

#include "fake-server.h"

static const char file[] = "/etc/passwd"; /* everybody may read it */

/* --- lies ---------------------------------------------------------------------------------------
 */

static const struct lie {
	int expected;    /* what broker_open() makes of it */
	size_t size;     /* of the message; 0: as it should be */
	uint32_t length; /* that it claims; 0: its size */
	uint32_t id;     /* added to the right one */
	uint16_t version, status, items, item_size;
	uint32_t error;
	size_t n_fds;
} lies[] = {
#define REPLY .version = WIRE_VERSION, .items = 1, .item_size = sizeof(struct wire_result)
	{EPROTO, REPLY, .size = 1, .n_fds = 1},
	{EPROTO, REPLY, .size = 15, .n_fds = 1},
	{EPROTO, REPLY, .size = 16, .n_fds = 1},
	{EPROTO, REPLY, .size = 16},
	{EPROTO, REPLY, .size = 23, .n_fds = 1},
	{EPROTO, REPLY, .size = 23, .length = 24, .n_fds = 1},
	{EPROTO, REPLY, .size = 25, .n_fds = 1},
	{EPROTO, REPLY, .size = 25, .length = 24, .n_fds = 1},
	{EPROTO, REPLY, .size = WIRE_REPLY_MAX, .n_fds = 1},
	{EPROTO, REPLY, .size = WIRE_REPLY_MAX + 1, .n_fds = 1},
	{EPROTO, REPLY, .size = WIRE_MESSAGE_MAX, .n_fds = FDS_AT_ONCE},
	{EPROTO, REPLY, .length = UINT32_MAX, .n_fds = 1},
	{EPROTO, REPLY, .id = 1, .n_fds = 1},
	{EPROTO, REPLY, .id = UINT32_MAX, .n_fds = 1},
	{EPROTO, .version = 0, .items = 1, .item_size = 8, .n_fds = 1},
	{EPROTO, .version = 2, .items = 1, .item_size = 8, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = 0, .item_size = 8, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = 2, .item_size = 8, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = 2, .item_size = 8, .size = 32, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = UINT16_MAX, .item_size = 8, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = 1, .item_size = 0, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = 1, .item_size = 7, .size = 23, .n_fds = 1},
	{EPROTO, .version = WIRE_VERSION, .items = 1, .item_size = UINT16_MAX, .n_fds = 1},
	/* Grants with none and with too many, and the other way round. */
	{EPROTO, REPLY, .n_fds = 0},
	{EPROTO, REPLY, .n_fds = 2},
	{EPROTO, REPLY, .n_fds = 3},
	{EPROTO, REPLY, .n_fds = FDS_AT_ONCE},
	{EPROTO, REPLY, .error = ENOENT, .n_fds = 1},
	{EPROTO, REPLY, .error = ENOENT, .n_fds = 2},
	{EPROTO, REPLY, .error = UINT32_MAX, .n_fds = 1},
	{EPROTO, REPLY, .status = EACCES, .n_fds = 1},
	{EPROTO, REPLY, .status = WIRE_STATUS_RETRY, .n_fds = 1},
	{EPROTO, REPLY, .status = WIRE_STATUS_RETRY, .n_fds = FDS_AT_ONCE},
	/* Numbers that are no errno values, and such that would become one when cut. */
	{EPROTO, REPLY, .error = 4096},
	{EPROTO, REPLY, .error = 1u << 16},
	{EPROTO, REPLY, .error = (1u << 16) + ENOENT},
	{EPROTO, REPLY, .error = UINT32_MAX},
	{EPROTO, REPLY, .error = 1u << 31},
	{EPROTO, REPLY, .status = 4096},
	{EPROTO, REPLY, .status = 0x7fff},
	{EPROTO, REPLY, .status = 0x8001},
	{EPROTO, REPLY, .status = UINT16_MAX},
	/* And what is no lie. */
	{0, REPLY, .n_fds = 1},
	{ENOENT, REPLY, .error = ENOENT},
	{ETXTBSY, REPLY, .error = ETXTBSY},
	{EACCES, .version = WIRE_VERSION, .status = EACCES, .size = 16},
	{EBUSY, .version = WIRE_VERSION, .status = EBUSY, .size = 16},
};

/* A path /lie/N is answered with that lie, any other with the truth. */
static enum after
lie_or_grant(const struct request *request)
{
	static char message[WIRE_MESSAGE_MAX];
	struct wire_reply reply;
	const struct lie *lie;
	int fds[FDS_AT_ONCE];
	size_t size;

	if (strncmp(request->path, "/lie/", 5) != 0)
		return grant(request);
	lie = &lies[strtoul(request->path + 5, NULL, 10) % ELEMENTS(lies)];
	size = lie->size ? lie->size : sizeof(reply) + sizeof(struct wire_result);
	reply = (struct wire_reply){
		.length = lie->length ? lie->length : (uint32_t)size,
		.version = lie->version,
		.status = lie->status,
		.id = request->id + lie->id,
		.item_size = lie->item_size,
		.items = lie->items,
	};
	memset(message, 0, sizeof(message));
	memcpy(message, &reply, sizeof(reply));
	memcpy(message + sizeof(reply), &lie->error, sizeof(lie->error));
	for (size_t i = 0; i < lie->n_fds; i++)
		fds[i] = request->socket;
	(void)raw_send(
		request->socket,
		&(struct raw){.bytes = message, .size = size, .fds = fds, .n_fds = lie->n_fds});
	return KEEP;
}

static void
believes_no_lie(const struct server *server)
{
	char path[32];

	(void)server;
	CHECK(opens(file));
	for (size_t i = 0; i < ELEMENTS(lies); i++) {
		int before = count_fds(0), fd;

		snprintf(path, sizeof(path), "/lie/%zu", i);
		errno = 0;
		fd = broker_open(path, O_RDONLY);
		if ((fd < 0 ? errno : 0) != lies[i].expected) {
			printf("# lie %zu: %d, not %d\n", i, fd < 0 ? errno : 0, lies[i].expected);
			fflush(stdout);
			_exit(1);
		}
		if (fd >= 0)
			close(fd);
		/* What was left of it does not meet the next request. */
		CHECK(opens(file));
		CHECK(count_fds(0) == before);
	}
}

static void
test_lies(void **state)
{
	struct server server = {.answer = lie_or_grant};

	(void)state;
	server_start(&server);
	client_run(believes_no_lie, &server);
	server_stop(&server);
}

/* --- servers that are replaced ------------------------------------------------------------------
 */

static enum after
retry_five_times(const struct request *request)
{
	if (request->number > 5)
		return grant(request);
	send_reply(request, WIRE_STATUS_RETRY, 0, NULL, 0);
	return KEEP;
}

static enum after
end_three_times(const struct request *request)
{
	return request->number > 3 ? grant(request) : CLOSE;
}

/* Answers what was there, and can be sent nothing more. */
static enum after
grant_and_deafen(const struct request *request)
{
	if (request->connection > 1)
		return grant(request);
	/* Before the answer, which sets the client free to send the next one. */
	shutdown(request->socket, SHUT_RD);
	grant(request);
	return DEAFEN;
}

static void
opens_once(const struct server *server)
{
	(void)server;
	CHECK(opens(file));
}

static void
opens_three_times(const struct server *server)
{
	(void)server;
	for (int i = 0; i < 3; i++)
		CHECK(opens(file));
}

static void
test_replaced_servers(void **state)
{
	struct server servers[] = {
		{.answer = retry_five_times},
		{.answer = end_three_times},
		{.answer = grant, .no_read = true},
	};
	static const unsigned accepted[] = {6, 4, 4};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(servers); i++) {
		server_start(&servers[i]);
		client_run(opens_once, &servers[i]);
		assert_int_equal(servers[i].seen->accepted, accepted[i]);
		server_stop(&servers[i]);
	}
}

/* The request that lay there when the server stopped reading is answered; the next one, which gets
 * EPIPE, goes to another. */
static void
test_draining_server(void **state)
{
	struct server server = {.answer = grant_and_deafen};

	(void)state;
	for (int drains = 0; drains < 2; drains++) {
		server = (struct server){.answer = grant_and_deafen, .drains = drains};
		server_start(&server);
		client_run(opens_three_times, &server);
		assert_int_equal(server.seen->accepted, 2);
		assert_int_equal(server.seen->requests, 3);
		server_stop(&server);
	}
}

/* --- files that are created ---------------------------------------------------------------------
 */

enum {
	EXCLUSIVELY = O_WRONLY | O_CREAT | O_EXCL,
};

/* What the server was asked for arrived as it was said. */
static enum after
grant_0640(const struct request *request)
{
	if (request->file.flags != (EXCLUSIVELY | O_APPEND) || request->file.mode != 0640)
		return CLOSE;
	return grant(request);
}

static bool
creates(int flags)
{
	int fd = broker_open(file, flags, 0640);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void
creates_exclusively(const struct server *server)
{
	(void)server;
	CHECK(creates(EXCLUSIVELY));
}

static void
creates_appending(const struct server *server)
{
	(void)server;
	CHECK(creates(EXCLUSIVELY | O_APPEND));
}

static void
opens_and_creates(const struct server *server)
{
	CHECK(opens(file));
	creates_exclusively(server);
}

static void
creates_or_opens(const struct server *server)
{
	(void)server;
	CHECK(creates(O_WRONLY | O_CREAT));
}

/* Whether it was executed is not known: an exclusive creation is not tried again. */
static void
creates_once(const struct server *server)
{
	errno = 0;
	CHECK(!creates(EXCLUSIVELY) && errno == EPROTO);
	CHECK(server->seen->accepted == 1);
	/* What is not exclusive is. */
	CHECK(creates(O_WRONLY | O_CREAT));
}

static void
test_creation(void **state)
{
	struct {
		struct server server;
		void (*client)(const struct server *server);
		unsigned requests;
	} all[] = {
		{{.answer = grant_0640}, creates_appending, 1},
		{{.answer = end_three_times}, creates_once, 4},
		{{.answer = grant, .no_read = true}, creates_once, 1},
		{{.answer = end_three_times}, creates_or_opens, 4},
		/* Known not to have been executed: a reply says so, or EPIPE. */
		{{.answer = retry_five_times}, creates_exclusively, 6},
		{{.answer = grant_and_deafen}, opens_and_creates, 2},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(all); i++) {
		server_start(&all[i].server);
		client_run(all[i].client, &all[i].server);
		assert_int_equal(all[i].server.seen->requests, all[i].requests);
		server_stop(&all[i].server);
	}
}

/* --- leases -------------------------------------------------------------------------------------
 */

static enum after
leased_five_times(const struct request *request)
{
	if (request->number > 5)
		return grant(request);
	send_reply(request, 0, EAGAIN, NULL, 0);
	return KEEP;
}

static enum after
leased_for_ever(const struct request *request)
{
	send_reply(request, 0, EAGAIN, NULL, 0);
	return KEEP;
}

/* And then a file system that does not answer. */
static enum after
leased_three_seconds(const struct request *request)
{
	static double start;

	if (start == 0)
		start = seconds_now();
	return seconds_now() - start < 3 ? leased_for_ever(request) : KEEP;
}

static void
waits_for_leases(const struct server *server)
{
	errno = 0;
	CHECK(broker_open(file, O_RDONLY | O_NONBLOCK) == -1 && errno == EAGAIN);
	CHECK(server->seen->requests == 1);
	CHECK(opens(file));
	CHECK(server->seen->requests == 6);
}

static void
test_leases(void **state)
{
	struct server server = {.answer = leased_five_times};

	(void)state;
	server_start(&server);
	client_run(waits_for_leases, &server);
	assert_int_equal(server.seen->accepted, 1);
	server_stop(&server);
}

static enum after
end_for_ever(const struct request *request)
{
	(void)request;
	return CLOSE;
}

static enum after
retry_for_ever(const struct request *request)
{
	send_reply(request, WIRE_STATUS_RETRY, 0, NULL, 0);
	return KEEP;
}

/* --- deadlines ----------------------------------------------------------------------------------
 * All at once, because each takes five seconds.
 */

static enum after
silent(const struct request *request)
{
	return request->path[1] == 's' ? KEEP : grant(request);
}

static void
on_alarm(int signal)
{
	(void)signal;
}

static void
storm(suseconds_t microseconds)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval often = {.it_interval = {.tv_usec = microseconds},
				  .it_value = {.tv_usec = microseconds}};

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void
times_out(const struct server *server)
{
	int before = count_fds(0);
	double start = seconds_now(), took;

	(void)server;
	CHECK(fails("/silence", ETIMEDOUT));
	took = seconds_now() - start;
	CHECK(took >= 4.99 && took < 6.5);
	CHECK(count_fds(0) == before);
}

/* An answer that came is no reason to close the connection. */
static void
times_out_or_stays(const struct server *server)
{
	double start = seconds_now(), took;

	CHECK(fails("/silence", ETIMEDOUT));
	took = seconds_now() - start;
	CHECK(took >= 4.99 && took < 6.5);
	CHECK(server->seen->accepted == 1);
}

static void
times_out_and_opens(const struct server *server)
{
	times_out(server);
	CHECK(opens(file));
}

static void
times_out_in_a_storm(const struct server *server)
{
	storm(1000);
	times_out(server);
	CHECK(opens(file));
}

/* The first request is told to come back when little time is left, the third is slow. */
static enum after
slow(const struct request *request)
{
	if (request->number == 1) {
		sleep_ms(4500);
		send_reply(request, WIRE_STATUS_RETRY, 0, NULL, 0);
		return KEEP;
	}
	if (request->number == 3)
		sleep_ms(1000);
	return grant(request);
}

/* A connection that was made late serves later calls for as long as any other. */
static void
opens_after_a_late_connection(const struct server *server)
{
	CHECK(opens(file));
	CHECK(opens(file));
	CHECK(server->seen->requests == 3);
}

/* No room in the queue of a server that accepts nothing. */
static void
times_out_connecting(const struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fds[8];

	memcpy(address.sun_path, server->path, strlen(server->path));
	for (size_t i = 0; i < ELEMENTS(fds); i++) {
		fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	times_out(server);
	for (size_t i = 0; i < ELEMENTS(fds); i++)
		close(fds[i]);
}

static void
times_out_connecting_in_a_storm(const struct server *server)
{
	storm(1000);
	times_out_connecting(server);
}

static void
test_deadlines(void **state)
{
	struct {
		struct server server;
		void (*client)(const struct server *server);
		pid_t pid;
	} all[] = {
		{{.answer = silent}, times_out_and_opens, 0},
		{{.answer = silent}, times_out_in_a_storm, 0},
		{{.answer = end_for_ever}, times_out, 0},
		{{.answer = retry_for_ever}, times_out, 0},
		{{.answer = leased_for_ever}, times_out_or_stays, 0},
		{{.answer = leased_three_seconds}, times_out, 0},
		{{.answer = slow}, opens_after_a_late_connection, 0},
		{{.stuck = true}, times_out_connecting, 0},
		{{.stuck = true}, times_out_connecting_in_a_storm, 0},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(all); i++) {
		server_start(&all[i].server);
		all[i].pid = client_start(all[i].client, &all[i].server);
	}
	for (size_t i = 0; i < ELEMENTS(all); i++)
		client_wait(all[i].pid);
	/* It did not come back faster than it should. */
	assert_in_range(all[2].server.seen->accepted, 10, 1000);
	assert_in_range(all[3].server.seen->accepted, 10, 1000);
	assert_in_range(all[4].server.seen->requests, 10, 1000);
	for (size_t i = 0; i < ELEMENTS(all); i++)
		server_stop(&all[i].server);
}

static void
opens_in_a_storm(const struct server *server)
{
	double start = seconds_now();
	unsigned n = 0;

	(void)server;
	storm(500);
	while (seconds_now() < start + 0.5) {
		CHECK(opens(file));
		n++;
	}
	CHECK(n > 100);
}

static void
test_signals(void **state)
{
	(void)state;
	with_server(opens_in_a_storm, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_replaced_servers),
		cmocka_unit_test(test_draining_server),
		cmocka_unit_test(test_creation),
		cmocka_unit_test(test_leases),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests_name("client-lib/open", tests, NULL, NULL);
}
