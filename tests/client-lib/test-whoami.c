/* SPDX-License-Identifier: MIT */
/* connection_whoami() against servers that answer in pages, lie, go on for ever, and go away. */
#include "client-lib/connection.h"
#include "fake-server.h"

enum {
	ROOM = 1 << 20,
};

static char text[ROOM];
static size_t length;

/* Ask; 0 or a negative errno value. */
static int
ask(const struct server *server, size_t size, unsigned seconds)
{
	const struct where where = {.path = server->path};
	struct connection connection = {.fd = -1};
	struct timespec deadline;
	int before = count_fds(0), r;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += seconds;
	length = 4711;
	r = connection_whoami(&connection, &where, &deadline, text, size, &length);
	CHECK(r == 0 || length == 4711);
	connection_close(&connection);
	CHECK(count_fds(0) == before);
	return r;
}

static bool
says(const char *expected)
{
	return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

/* A page, with so many descriptors. */
static enum after
page(const struct request *request, uint32_t next, const char *lines, size_t n, size_t n_fds)
{
	char message[WIRE_REPLY_MAX];
	size_t size = wire_encode_page(message, request->id, next, lines, n);
	int fds[FDS_AT_ONCE];

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = request->socket;
	(void)raw_send(request->socket,
		       &(struct raw){.bytes = message, .size = size, .fds = fds, .n_fds = n_fds});
	return KEEP;
}

static void
run(enum after (*answer)(const struct request *request),
    void (*client)(const struct server *server), unsigned accepted, unsigned requests)
{
	struct server server = {.answer = answer};

	server_start(&server);
	client_run(client, &server);
	if (accepted > 0)
		assert_int_equal(server.seen->accepted, accepted);
	if (requests > 0)
		assert_int_equal(server.seen->requests, requests);
	server_stop(&server);
}

/* --- pages --------------------------------------------------------------------------------------
 */

static enum after
three_pages(const struct request *request)
{
	switch (request->from) {
	case 0:
		return page(request, 77, "a 1\nb 2\n", 8, 0);
	case 77:
		return page(request, UINT32_MAX, "", 0, 0);
	case UINT32_MAX:
		return page(request, 0, "c 3\n", 4, 0);
	default:
		return CLOSE;
	}
}

static void
reads_them(const struct server *server)
{
	CHECK(ask(server, ROOM, 5) == 0 && says("a 1\nb 2\nc 3\n"));
	/* There is room for exactly that, and not for less. */
	CHECK(ask(server, 12, 5) == 0 && says("a 1\nb 2\nc 3\n"));
	CHECK(ask(server, 11, 5) == -EPROTO);
	CHECK(ask(server, 0, 5) == -EPROTO);
}

static void
test_pages(void **state)
{
	(void)state;
	run(three_pages, reads_them, 4, 3 + 3 + 3 + 1);
}

/* The worker is replaced between two pages, and the next one has another policy. */
static enum after
replaced_by_retry(const struct request *request)
{
	if (request->connection > 1)
		return request->from == 0 ? page(request, 5, "new 1\n", 6, 0)
					  : page(request, 0, "new 2\n", 6, 0);
	if (request->from == 0)
		return page(request, 5, "old 1\n", 6, 0);
	send_reply(request, WIRE_STATUS_RETRY, 0, NULL, 0);
	return KEEP;
}

static enum after
replaced_by_end(const struct request *request)
{
	if (request->connection == 1 && request->from != 0)
		return CLOSE;
	return replaced_by_retry(request);
}

static void
begins_again(const struct server *server)
{
	CHECK(ask(server, ROOM, 5) == 0 && says("new 1\nnew 2\n"));
}

static void
test_replaced(void **state)
{
	(void)state;
	/* Asked again on the second connection from 5, and then from the beginning. */
	run(replaced_by_retry, begins_again, 2, 5);
	run(replaced_by_end, begins_again, 2, 5);
}

/* --- no end -------------------------------------------------------------------------------------
 */

static enum after
endless_pages(const struct request *request)
{
	return page(request, request->from + 1, "", 0, 0);
}

static enum after
endless_text(const struct request *request)
{
	char lines[WIRE_TEXT_MAX];

	memset(lines, 'x', sizeof(lines));
	lines[sizeof(lines) - 1] = '\n';
	return page(request, 1, lines, sizeof(lines), 0);
}

static enum after
always_replaced(const struct request *request)
{
	if (request->from == 0)
		return page(request, 1, "a 1\n", 4, 0);
	return CLOSE;
}

static enum after
silent(const struct request *request)
{
	return request->from == 0 ? page(request, 1, "a 1\n", 4, 0) : KEEP;
}

/* Each page takes most of the time there is, and there is always one more. */
static enum after
dripping(const struct request *request)
{
	sleep_ms(900);
	return endless_pages(request);
}

/* No more of them than a broker could have, and more than can be read in a second. */
static enum after
hurrying(const struct request *request)
{
	sleep_ms(1);
	return endless_pages(request);
}

static void
gives_up(const struct server *server)
{
	double start = seconds_now();

	CHECK(ask(server, ROOM, 5) == -EPROTO);
	CHECK(seconds_now() - start < 4);
}

static void
waits_its_time(const struct server *server)
{
	double start = seconds_now();

	CHECK(ask(server, ROOM, 1) == -ETIMEDOUT);
	CHECK(seconds_now() - start > 0.9 && seconds_now() - start < 1.6);
}

static void
test_no_end(void **state)
{
	(void)state;
	run(endless_pages, gives_up, 1, CONNECTION_PAGES_MAX);
	run(endless_text, gives_up, 1, ROOM / WIRE_TEXT_MAX + 1);
	run(silent, waits_its_time, 1, 2);
	run(dripping, waits_its_time, 1, 0);
	run(hurrying, waits_its_time, 1, 0);
	run(always_replaced, waits_its_time, 0, 0);
}

/* --- lies ---------------------------------------------------------------------------------------
 */

static char long_line[WIRE_TEXT_MAX + 2];

static const struct lie {
	int expected;
	const char *lines;
	size_t n, n_fds;
	uint16_t status, items, item_size;
	int32_t length, id; /* added to the right ones */
} lies[] = {
	{-EPROTO, "a 1", 3},
	{-EPROTO, "a 1\nb 2", 7},
	{-EPROTO, "a \0\n", 4},
	{-EPROTO, "a \033\n", 4},
	{-EPROTO, "a \177\n", 4},
	{-EPROTO, "a \x9b\n", 4},
	{-EPROTO, "a\t\n", 3},
	{-EPROTO, "a\r\n", 3},
	{-EPROTO, long_line, WIRE_TEXT_MAX + 1}, /* of which a reply has room for more */
	{0, long_line + 1, WIRE_TEXT_MAX},
	{-EPROTO, "a 1\n", 4, .n_fds = 1},
	{-EPROTO, "a 1\n", 4, .n_fds = 2},
	{-EPROTO, "a 1\n", 4, .n_fds = FDS_AT_ONCE},
	{-EPROTO, "a 1\n", 4, .items = 1},
	{-EPROTO, "a 1\n", 4, .item_size = 8},
	{-EPROTO, "a 1\n", 4, .length = 1},
	{-EPROTO, "a 1\n", 4, .length = -1},
	{-EPROTO, "a 1\n", 4, .id = 1},
	{-EPROTO, "", 0, .status = EOPNOTSUPP}, /* an older broker */
	{-EPROTO, "", 0, .status = 4096},
	{-EPROTO, "", 0, .status = EACCES, .n_fds = 1},
	{-EACCES, "", 0, .status = EACCES},
	{-EBUSY, "", 0, .status = EBUSY},
	{0, "", 0},
	{0, "a 1\n", 4},
};
static size_t lie_number;

static enum after
lie(const struct request *request)
{
	const struct lie *l = &lies[lie_number];
	char message[WIRE_REPLY_MAX];
	size_t size = wire_encode_page(message, request->id, 0, l->lines, l->n);
	int fds[FDS_AT_ONCE];
	struct wire_reply reply;

	memcpy(&reply, message, sizeof(reply));
	reply.length += (uint32_t)l->length;
	reply.id += (uint32_t)l->id;
	reply.status = l->status;
	reply.items = l->items;
	reply.item_size = l->item_size;
	memcpy(message, &reply, sizeof(reply));
	for (size_t i = 0; i < l->n_fds; i++)
		fds[i] = request->socket;
	(void)raw_send(
		request->socket,
		&(struct raw){.bytes = message, .size = size, .fds = fds, .n_fds = l->n_fds});
	return KEEP;
}

static void
believes_no_lie(const struct server *server)
{
	int r = ask(server, ROOM, 5);

	if (r != lies[lie_number].expected)
		dprintf(STDOUT_FILENO, "# lie %zu: %d\n", lie_number, r);
	CHECK(r == lies[lie_number].expected);
	CHECK(r < 0 || says(lies[lie_number].lines));
}

static void
test_lies(void **state)
{
	(void)state;
	memset(long_line, 'x', sizeof(long_line) - 1);
	long_line[WIRE_TEXT_MAX] = '\n';
	for (lie_number = 0; lie_number < ELEMENTS(lies); lie_number++)
		run(lie, believes_no_lie, 1, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_no_end),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests_name("client-lib/whoami", tests, NULL, NULL);
}
