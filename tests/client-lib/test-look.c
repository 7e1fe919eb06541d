/* SPDX-License-Identifier: MIT */
/*
 * broker_stat(), broker_list() and broker_error_reason() against servers that lie, go on, and are
 * replaced between two pages.
 */
#include <dirent.h>
#include <pthread.h>

#include "fake-server.h"

static const char file[] = "/etc/passwd"; /* everybody may read it */

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

/* What fn was called with. */
struct names {
	unsigned n;
	char all[1024]; /* each followed by its type in hexadecimal and a blank */
	unsigned stop;  /* after so many of them */
	int result;
	bool asks; /* calls the library itself */
	int error;
};

static int
take_name(void *context, const char *name, unsigned char type)
{
	struct names *names = context;
	size_t used = strlen(names->all);
	struct statx status;

	CHECK(errno == names->error);
	snprintf(names->all + used, sizeof(names->all) - used, "%.300s:%x ", name, type);
	if (names->asks) {
		CHECK(opens(file));
		CHECK(broker_stat(file, 0, &status) == 0 && status.stx_size == 4711);
		CHECK(strncmp(names->all + used, name, strlen(name)) == 0);
	}
	names->n++;
	if (names->n != names->stop)
		return 0;
	errno = EXDEV;
	return names->result;
}

static bool
lists(const char *path, const char *expected)
{
	struct names names = {.error = 4711};

	errno = 4711;
	return broker_list(path, take_name, &names) == 0 && errno == 4711 &&
	       strcmp(names.all, expected) == 0;
}

static void
send_entries(const struct request *request, const char *entries, size_t length, uint64_t next)
{
	send_outcome(request, &(struct wire_outcome){.text = entries,
						     .text_length = length,
						     .more = &next,
						     .more_size = sizeof(next)});
}

static enum after
grant_stat(const struct request *request)
{
	const struct statx status = {.stx_mask = STATX_BASIC_STATS, .stx_size = 4711};

	send_outcome(request,
		     &(struct wire_outcome){.more = &status, .more_size = WIRE_STATUS_SIZE});
	return KEEP;
}

/* --- lies ---------------------------------------------------------------------------------------
 */

#define TEXT(bytes) .text = bytes, .n = sizeof(bytes) - 1

static const struct lie {
	enum wire_operation operation;
	int expected;
	const char *text;
	size_t n;       /* of it; without one, so many 'r' */
	size_t more;    /* bytes behind a struct wire_result */
	int32_t length; /* added to that of the text */
	uint32_t error;
	uint16_t status;
	size_t n_fds;
	const char *names; /* what a listing told */
	bool reasoned;     /* the text is what broker_error_reason() says */
} lies[] = {
#define STAT(expected) WIRE_STAT, expected, .more = WIRE_STATUS_SIZE
#define LIST(expected) WIRE_LIST, expected, .more = 8
#define OPEN(expected) WIRE_OPEN, expected
	{STAT(0)},
	{WIRE_STAT, 0, .more = WIRE_STATUS_SIZE + 1},
	{WIRE_STAT, 0, .more = 256},
	{WIRE_STAT, EPROTO, .more = 0},
	{WIRE_STAT, EPROTO, .more = 8},
	{WIRE_STAT, EPROTO, .more = WIRE_STATUS_SIZE - 1},
	{WIRE_STAT, EPROTO, .more = WIRE_STATUS_SIZE - 1, .n = 1},
	{STAT(EPROTO), .n_fds = 1},
	{STAT(EPROTO), .n_fds = 2},
	{STAT(EPROTO), .n_fds = FDS_AT_ONCE},
	{STAT(EPROTO), TEXT("why")},
	{STAT(EPROTO), .length = 1},
	{STAT(EPROTO), .length = -1},
	{STAT(EPROTO), .error = 4096},
	{STAT(EPROTO), .error = ENOENT, .n_fds = 1},
	{STAT(ENOENT), .error = ENOENT},
	{WIRE_STAT, ENOENT, .error = ENOENT, .more = 0},
	{WIRE_STAT, EACCES, .status = EACCES},
	{WIRE_STAT, EPROTO, .status = EACCES, .n_fds = 1},
	{WIRE_STAT, EPROTO, .status = WIRE_STATUS_RETRY, .n_fds = 1},
	{WIRE_STAT, EPROTO, .status = EOPNOTSUPP}, /* an older broker */
	{STAT(EACCES), TEXT("why"), .error = EACCES, .reasoned = true},

	{LIST(0), TEXT(""), .names = ""},
	{LIST(0), TEXT("\4\1a"), .names = "a:4 "},
	{LIST(0), TEXT("\4\1a\xff\3b\nc"), .names = "a:4 b\nc:ff "},
	{LIST(0), TEXT("\0\2.a\0\3...\0\3..a"), .names = ".a:0 ...:0 ..a:0 "},
	{WIRE_LIST, 0, TEXT("\4\1a"), .more = 9, .names = "a:4 "},
	{WIRE_LIST, 0, TEXT("\4\1a"), .more = 255, .names = "a:4 "},
	{WIRE_LIST, EPROTO, TEXT(""), .more = 0},
	{WIRE_LIST, EPROTO, TEXT("\4\1a"), .more = 7},
	{LIST(EPROTO), TEXT("\4\0")},
	{LIST(EPROTO), TEXT("\4\1/")},
	{LIST(EPROTO), TEXT("\4\3a/b")},
	{LIST(EPROTO), TEXT("\4\2a/")},
	{LIST(EPROTO), TEXT("\4\1\0")},
	{LIST(EPROTO), TEXT("\4\2a\0")},
	{LIST(EPROTO), TEXT("\4\1.")},
	{LIST(EPROTO), TEXT("\4\2..")},
	{LIST(EPROTO), TEXT("\4")},
	{LIST(EPROTO), TEXT("\4\2a")},
	{LIST(EPROTO), TEXT("\4\xff"
			    "a")},
	/* Not even the good ones that stand before it. */
	{LIST(EPROTO), TEXT("\4\1a\4")},
	{LIST(EPROTO), TEXT("\4\1a\4\1")},
	{LIST(EPROTO), TEXT("\4\1a\4\2..")},
	{LIST(EPROTO), TEXT("\4\1a"), .length = 1},
	{LIST(EPROTO), TEXT("\4\1a"), .length = -1},
	{LIST(EPROTO), TEXT("\4\1a"), .length = -3},
	{LIST(EPROTO), TEXT("\4\1a"), .length = INT32_MIN},
	{LIST(EPROTO), TEXT("\4\1a"), .n_fds = 1},
	{LIST(EPROTO), TEXT("\4\1a"), .n_fds = FDS_AT_ONCE},
	{LIST(ENOTDIR), TEXT(""), .error = ENOTDIR},
	{WIRE_LIST, ENOTDIR, TEXT(""), .more = 0, .error = ENOTDIR},
	{LIST(EACCES), TEXT("why"), .error = EACCES, .reasoned = true},

	{OPEN(EACCES), TEXT(""), .error = EACCES},
	{OPEN(EACCES), TEXT("a ~"), .error = EACCES, .reasoned = true},
	{OPEN(EACCES), .n = 1, .error = EACCES, .reasoned = true},
	{OPEN(EACCES), .n = WIRE_REASON_MAX, .error = EACCES, .reasoned = true},
	{OPEN(EACCES), .n = WIRE_REASON_MAX + 1, .error = EACCES},
	{OPEN(EACCES), .n = 9000, .error = EACCES},
	{OPEN(EACCES), TEXT("\033[31m"), .error = EACCES},
	{OPEN(EACCES), TEXT("a\n"), .error = EACCES},
	{OPEN(EACCES), TEXT("\ta"), .error = EACCES},
	{OPEN(EACCES), TEXT("a\0b"), .error = EACCES},
	{OPEN(EACCES), TEXT("a\0"), .error = EACCES},
	{OPEN(EACCES), TEXT("a\x7f"), .error = EACCES},
	{OPEN(EACCES), TEXT("\xc3\xa4"), .error = EACCES},
	{OPEN(EPROTO), TEXT("why"), .error = EACCES, .n_fds = 1},
	{OPEN(EPROTO), TEXT("why"), .n_fds = 1},
	{OPEN(EPROTO), TEXT("why"), .error = EACCES, .length = 1},
	{OPEN(EPROTO), TEXT("why"), .error = EACCES, .length = -1},
	/* No refusal of the policy's. */
	{OPEN(ENOENT), TEXT("why"), .error = ENOENT},
	{OPEN(EPROTO), TEXT("why"), .error = 4096},
};

static const char *
text_of(const struct lie *lie)
{
	static char r[WIRE_REPLY_MAX];

	memset(r, 'r', sizeof(r));
	return lie->text ? lie->text : r;
}

/* A path /lie/N is answered with that lie, any other with the truth. */
static enum after
lie_or_grant(const struct request *request)
{
	static struct {
		struct wire_reply reply;
		struct wire_result result;
		char rest[WIRE_REPLY_MAX];
	} message;
	const struct lie *lie;
	int fds[FDS_AT_ONCE];
	size_t size;

	if (strncmp(request->path, "/lie/", 5) != 0)
		return grant(request);
	lie = &lies[strtoul(request->path + 5, NULL, 10) % ELEMENTS(lies)];
	size = sizeof(struct wire_reply);
	if (lie->status == 0)
		size += sizeof(struct wire_result) + lie->more + lie->n;
	message.reply = (struct wire_reply){
		.length = (uint32_t)size,
		.version = WIRE_VERSION,
		.status = lie->status,
		.id = request->id,
		.item_size = (uint16_t)(sizeof(struct wire_result) + lie->more),
		.items = lie->status == 0,
	};
	message.result = (struct wire_result){lie->error, (uint32_t)lie->n + (uint32_t)lie->length};
	memset(message.rest, lie->operation == WIRE_LIST ? 0 : 0xa5, lie->more);
	/* What a client does not know of a result. */
	if (lie->operation == WIRE_LIST && lie->more > 8)
		memset(message.rest + 8, 0xa5, lie->more - 8);
	memcpy(message.rest + lie->more, text_of(lie), lie->n);
	for (size_t i = 0; i < lie->n_fds; i++)
		fds[i] = request->socket;
	(void)raw_send(
		request->socket,
		&(struct raw){.bytes = &message, .size = size, .fds = fds, .n_fds = lie->n_fds});
	return KEEP;
}

static int
ask(const struct lie *lie, const char *path, struct statx *status, struct names *names)
{
	switch (lie->operation) {
	case WIRE_STAT:
		return broker_stat(path, 0, status);
	case WIRE_LIST:
		return broker_list(path, take_name, names);
	default:
		return broker_open(path, O_RDONLY);
	}
}

static bool
is_filled(const void *bytes, int byte, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const unsigned char *)bytes)[i] != byte)
			return false;
	return true;
}

/* True: what came of it is what should. */
static bool
believes(const struct lie *lie, const char *path)
{
	struct names names = {.error = 0};
	struct statx status;
	const char *reason;
	bool good;
	int r;

	memset(&status, 0x5a, sizeof(status));
	errno = 0;
	r = ask(lie, path, &status, &names);
	good = (r < 0 ? errno : 0) == lie->expected && r == (lie->expected ? -1 : 0);
	good = good && strcmp(names.all, lie->names ? lie->names : "") == 0;
	if (lie->operation == WIRE_STAT && lie->expected == 0)
		good = good && is_filled(&status, 0xa5, WIRE_STATUS_SIZE) &&
		       is_filled((char *)&status + WIRE_STATUS_SIZE, 0,
				 sizeof(status) - WIRE_STATUS_SIZE);
	else
		good = good && is_filled(&status, 0x5a, sizeof(status));
	reason = broker_error_reason();
	if (!lie->reasoned)
		return good && !reason;
	return good && reason && strlen(reason) == lie->n &&
	       memcmp(reason, text_of(lie), lie->n) == 0;
}

static void
believes_no_lie(const struct server *server)
{
	char path[32];

	(void)server;
	CHECK(opens(file));
	for (size_t i = 0; i < ELEMENTS(lies); i++) {
		int before = count_fds(0);

		snprintf(path, sizeof(path), "/lie/%zu", i);
		if (!believes(&lies[i], path)) {
			dprintf(STDOUT_FILENO, "# lie %zu: errno %d\n", i, errno);
			_exit(1);
		}
		/* What was left of it does not meet the next request. */
		CHECK(opens(file));
		CHECK(!broker_error_reason());
		CHECK(count_fds(0) == before);
	}
}

static void
test_lies(void **state)
{
	(void)state;
	run(lie_or_grant, believes_no_lie, 0, 0);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static enum after
tell_request(const struct request *request)
{
	const struct statx status = {.stx_size = request->file.flags,
				     .stx_mode = (uint16_t)request->operation};

	if (request->operation == WIRE_LIST) {
		const char entry[] = {(char)request->file.flags, 1, 'l'};

		send_entries(request, entry, sizeof(entry), 0);
		return KEEP;
	}
	send_outcome(request,
		     &(struct wire_outcome){.more = &status, .more_size = WIRE_STATUS_SIZE});
	return KEEP;
}

static void
asks_as_told(const struct server *server)
{
	static char path[WIRE_PATH_MAX + 2];
	struct names names = {};
	struct statx status;

	errno = 4711;
	CHECK(broker_stat(file, 0, &status) == 0);
	CHECK(status.stx_size == 0 && status.stx_mode == WIRE_STAT && errno == 4711);
	CHECK(broker_stat(file, AT_SYMLINK_NOFOLLOW, &status) == 0);
	CHECK(status.stx_size == AT_SYMLINK_NOFOLLOW && errno == 4711);
	CHECK(lists(file, "l:0 "));
	CHECK(server->seen->requests == 3);
	/* What is no path is not sent. */
	memset(path, 'p', WIRE_PATH_MAX + 1);
	path[0] = '/';
	for (int i = 0; i < 2; i++) {
		const char *bad = i == 0 ? "" : path;

		errno = 0;
		CHECK(broker_stat(bad, 0, &status) == -1 && errno == EINVAL);
		errno = 0;
		CHECK(broker_list(bad, take_name, &names) == -1 && errno == EINVAL);
	}
	CHECK(server->seen->requests == 3 && names.n == 0);
	path[WIRE_PATH_MAX] = '\0';
	CHECK(broker_stat(path, 0, &status) == 0);
}

static enum after
end_or_retry_or_tell(const struct request *request)
{
	if (request->number % 3 == 1)
		return CLOSE;
	if (request->number % 3 == 0)
		return tell_request(request);
	send_reply(request, WIRE_STATUS_RETRY, 0, NULL, 0);
	return KEEP;
}

static void
asks_again(const struct server *server)
{
	struct statx status;

	(void)server;
	CHECK(broker_stat(file, 0, &status) == 0);
	CHECK(lists(file, "l:0 "));
}

/* A place in a directory, or of a link that was one a moment ago: the worker does not wait. */
static enum after
again_or_tell(const struct request *request)
{
	if (request->number % 3 == 0)
		return tell_request(request);
	send_reply(request, 0, EAGAIN, NULL, 0);
	return KEEP;
}

static void
test_requests(void **state)
{
	(void)state;
	run(tell_request, asks_as_told, 1, 4);
	run(end_or_retry_or_tell, asks_again, 5, 6);
	run(again_or_tell, asks_again, 1, 6);
}

/* --- pages --------------------------------------------------------------------------------------
 */

#define PLACE 0xfedcba9876543210u

/* Three pages, of which one has nothing that may be shown; "x" is told to nobody who asks well. */
static enum after
three_pages(const struct request *request)
{
	if (request->operation == WIRE_STAT)
		return grant_stat(request);
	if (request->operation == WIRE_OPEN)
		return grant(request);
	if (request->file.from == 0)
		send_entries(request, "\4\1a\10\2bb", 7, 77);
	else if (request->file.from == 77)
		send_entries(request, "", 0, PLACE);
	else if (request->file.from == PLACE)
		send_entries(request, "\0\3ccc", 5, 0);
	else
		send_entries(request, "\0\1x", 3, 0);
	return KEEP;
}

static const char told[] = "a:4 bb:8 ccc:0 ";

static void
reads_them(const struct server *server)
{
	(void)server;
	CHECK(lists("/d", told));
	CHECK(lists("/d", told));
}

/* From where it was, since a place in a directory is the same for each worker. */
static enum after
replaced_by_retry(const struct request *request)
{
	if (request->connection > 1)
		return request->file.from == 0 ? CLOSE : three_pages(request);
	if (request->file.from == 0)
		return three_pages(request);
	send_reply(request, WIRE_STATUS_RETRY, 0, NULL, 0);
	return KEEP;
}

static enum after
replaced_by_end(const struct request *request)
{
	if (request->connection == 1 && request->file.from != 0)
		return CLOSE;
	return replaced_by_retry(request);
}

/* The next page cannot even be asked for. */
static enum after
replaced_by_deafening(const struct request *request)
{
	if (request->connection > 1)
		return replaced_by_retry(request);
	/* Before the answer, which sets the client free to send the next one. */
	shutdown(request->socket, SHUT_RD);
	three_pages(request);
	return DEAFEN;
}

static void
reads_on(const struct server *server)
{
	(void)server;
	CHECK(lists("/d", told));
}

static void
stops(const struct server *server)
{
	struct names names = {.stop = 2, .result = 7, .error = 4711};

	errno = 4711;
	CHECK(broker_list("/d", take_name, &names) == 7 && names.n == 2);
	CHECK(server->seen->requests == 1);
	/* What it says is its own affair, as is errno. */
	names = (struct names){.stop = 1, .result = -1, .error = 4711};
	errno = 4711;
	CHECK(broker_list("/d", take_name, &names) == -1 && names.n == 1 && errno == EXDEV);
	CHECK(server->seen->requests == 2);
	CHECK(lists("/d", told));
}

/* It asks while the names that were told are still being told. */
static void
asks_in_between(const struct server *server)
{
	struct names names = {.asks = true, .error = 4711};

	errno = 4711;
	CHECK(broker_list("/d", take_name, &names) == 0 && strcmp(names.all, told) == 0);
	CHECK(errno == 4711 && server->seen->requests == 3 + 3 * 2);
}

/* A page that leads to itself, which is also one of no names. */
static enum after
in_a_circle(const struct request *request)
{
	send_entries(request, "\4\1a", request->file.from == 0 ? 3 : 0, 77);
	return KEEP;
}

/* The last page before a failure has been told. */
static enum after
gone_at_the_second(const struct request *request)
{
	if (request->file.from == 0)
		return three_pages(request);
	send_reply(request, 0, ENOENT, NULL, 0);
	return KEEP;
}

static void
fails_after_the_first(const struct server *server)
{
	struct names names = {};

	errno = 0;
	CHECK(broker_list("/d", take_name, &names) == -1);
	CHECK(errno == (server->answer == in_a_circle ? EPROTO : ENOENT));
	CHECK(names.n == (server->answer == in_a_circle ? 1 : 2));
}

/* As many as there is room for, of the longest and of the shortest names. */
static enum after
full_pages(const struct request *request)
{
	static char entries[WIRE_REPLY_MAX];
	const size_t room =
		WIRE_REPLY_MAX - sizeof(struct wire_reply) - sizeof(struct wire_list_result);
	size_t length = request->file.from == 0 ? WIRE_NAME_MAX : 1, used = 0;

	while (room - used >= sizeof(struct wire_entry) + length) {
		entries[used] = 4;
		entries[used + 1] = (char)length;
		memset(entries + used + 2, 'f', length);
		used += sizeof(struct wire_entry) + length;
	}
	send_entries(request, entries, used, request->file.from == 0);
	return KEEP;
}

static int
measure_name(void *context, const char *name, unsigned char type)
{
	size_t *bytes = context;

	CHECK(type == 4 && strspn(name, "f") == strlen(name));
	*bytes += strlen(name);
	return 0;
}

static void
reads_full_pages(const struct server *server)
{
	size_t bytes = 0;

	(void)server;
	CHECK(broker_list("/d", measure_name, &bytes) == 0);
	CHECK(bytes == 9712 / 257 * 255 + 9712 / 3);
}

static void
test_pages(void **state)
{
	(void)state;
	run(three_pages, reads_them, 1, 6);
	run(replaced_by_retry, reads_on, 2, 4);
	run(replaced_by_end, reads_on, 2, 4);
	run(replaced_by_deafening, reads_on, 2, 3);
	run(three_pages, stops, 1, 5);
	run(three_pages, asks_in_between, 1, 9);
	run(in_a_circle, fails_after_the_first, 1, 2);
	run(gone_at_the_second, fails_after_the_first, 1, 2);
	run(full_pages, reads_full_pages, 1, 2);
}

/* --- reasons ------------------------------------------------------------------------------------
 */

static enum after
refuse_with_path(const struct request *request)
{
	if (strncmp(request->path, "/no", 3) != 0)
		return three_pages(request);
	send_outcome(request, &(struct wire_outcome){.error = EACCES,
						     .text = request->path,
						     .text_length = strlen(request->path)});
	return KEEP;
}

static bool
is_reason(const char *expected)
{
	const char *reason = broker_error_reason();

	return expected ? reason && strcmp(reason, expected) == 0 : !reason;
}

static void *
other_thread(void *context)
{
	(void)context;
	CHECK(is_reason(NULL));
	CHECK(fails("/no/2", EACCES) && is_reason("/no/2"));
	return NULL;
}

static void
is_told_why(const struct server *server)
{
	struct names names = {};
	struct statx status;
	pthread_t thread;

	CHECK(is_reason(NULL));
	CHECK(fails("/no/1", EACCES) && is_reason("/no/1"));
	CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(is_reason("/no/1"));
	/* Each call ends it, also one that fails, or that asks nobody. */
	CHECK(fails("/no/3", EACCES) && is_reason("/no/3"));
	CHECK(opens(file) && is_reason(NULL));
	CHECK(broker_stat("/no/4", 0, &status) == -1 && is_reason("/no/4"));
	CHECK(broker_stat(file, 0, &status) == 0 && is_reason(NULL));
	CHECK(broker_list("/no/5", take_name, &names) == -1 && is_reason("/no/5"));
	CHECK(lists("/d", told) && is_reason(NULL));
	CHECK(fails("/no/6", EACCES) && fails("/nothing-there", EACCES) &&
	      is_reason("/nothing-there"));
	CHECK(fails("/there/is/none", ENOENT) && is_reason(NULL));
	CHECK(fails("/no/7", EACCES) && fails("", EINVAL) && is_reason(NULL));
	CHECK(fails("/no/8", EACCES) && is_reason("/no/8"));
	kill(server->pid, SIGKILL);
	CHECK(unlink(server->path) == 0);
	while (!fails("/no/9", ENOTCONN))
		sleep_ms(1);
	CHECK(is_reason(NULL));
}

static void
test_reasons(void **state)
{
	(void)state;
	run(refuse_with_path, is_told_why, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("client-lib/look", tests, NULL, NULL);
}
