/* SPDX-License-Identifier: MIT */
/* Until when a rule holds, and why it is there: in the log, and to the client whom a deny refuses. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/attack/asks.h"

static char rules[2048];

static const char *
day(int from_today)
{
	static char days[3][16];
	time_t then = time(NULL) + (time_t)from_today * 24 * 60 * 60;
	char *text = days[from_today + 1];
	struct tm tm;

	strftime(text, sizeof(days[0]), "%Y-%m-%d", gmtime_r(&then, &tm));
	return text;
}

static int
setup(void **state)
{
	static const char *const files[] = {"over",  "today",  "tomorrow",  "denied", "was-denied",
					    "plain", "silent", "condition", "allowed"};

	(void)state;
	snprintf(rules, sizeof(rules),
		 "allow user:61001 read,list @/dir/over until=%s\n"
		 "allow user:61001 read,list @/dir/today until=%s because=\"until this evening\"\n"
		 "allow user:61001 read @/dir/tomorrow until=%s\n"
		 "allow user:61001|user:61002 read,write @/dir/{denied,was-denied,silent,plain}\n"
		 "deny user:61001 read @/dir/denied because=\"stays \\ with; root 100%%\"\n"
		 "deny user:61001 read @/dir/was-denied until=%s because=\"over\"\n"
		 "deny user:61001 read @/dir/silent\n"
		 "allow user:61001 read @/dir/condition owner=root because=\"of root's alone\"\n"
		 "allow user:61001 read @/dir/allowed @/dir/none because=\"all may\"\n",
		 day(-1), day(0), day(1), day(-1));
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	make_dir(at("dir"), 0, 0755);
	for (size_t i = 0; i < ELEMENTS(files); i++)
		make_file(at("dir/%s", files[i]), A, 0600, "");
	assert_return_code(setenv("FDBROKER_SOCKET", broker.socket, 1), errno);
	peer = peer_begin(A);
	return 0;
}

static void
test_until(void **state)
{
	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/over"), NULL), EACCES);
	assert_int_equal(peer_stat(&peer, 0, at("dir/over"), NULL), EACCES);
	assert_int_equal(peer_list(&peer, at("dir/over"), NULL), EACCES);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/tomorrow"), NULL), 0);
	/* A deny that is over is not there either. */
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/was-denied"), NULL), 0);
	/* Midnight may have come. */
	if (strstr(rules, day(0)) < strstr(rules, "until this")) {
		assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/today"), NULL), 0);
		assert_int_equal(peer_list(&peer, at("dir/today"), NULL), ENOTDIR);
	}
}

/* The reason that is given for each operation. */
static void
check_reason(const char *name, int error, const char *reason)
{
	static const enum wire_operation operations[] = {WIRE_OPEN, WIRE_STAT};
	static struct told told;

	for (size_t i = 0; i < ELEMENTS(operations); i++) {
		const char *path = at("%s", name);
		const struct wire_file file = {.path = path, .path_length = (uint32_t)strlen(path)};

		assert_int_equal(peer_ask(&peer, operations[i], &file, &told), error);
		if (told.fd >= 0)
			close(told.fd);
		assert_int_equal(told.length, strlen(reason));
		assert_memory_equal(told.text, reason, strlen(reason));
	}
}

static void
test_told_to_whom_a_deny_refuses(void **state)
{
	static const char reason[] = "stays \\ with; root 100%";
	static const struct {
		const char *name;
		int error;
	} others[] = {
		{"dir/silent", EACCES}, {"dir/no-rule", EACCES}, {"dir/condition", EACCES},
		{"dir/none", ENOENT},   {"dir/allowed", 0},      {"dir/was-denied", 0},
		{"dir/over", EACCES},   {"dir//denied", EINVAL},
	};

	(void)state;
	check_reason("dir/denied", EACCES, reason);
	log_wait(2, "denied uid=61001", "because=\"stays \\");
	/* And nothing to anybody else. */
	for (size_t i = 0; i < ELEMENTS(others); i++) {
		check_reason(others[i].name, others[i].error, "");
		/* Nor what the one before was told. */
		check_reason("dir/denied", EACCES, reason);
	}
	/* What the rule was there for is on record. */
	log_wait(1, "condition=owner", "because=\"of root's alone\"");
	log_wait(1, "granted uid=61001", "because=\"all may\"");
	log_wait(1, "error=ENOENT", "because=\"all may\"");
}

/* By the library: of the last call, and of this one's own refusals. */
static int
ask_library(void *context)
{
	const char *reason;

	(void)context;
	if (broker_error_reason() || broker_open(at("dir/denied"), O_RDONLY) >= 0)
		return 1;
	reason = broker_error_reason();
	if (errno != EACCES || !reason || strcmp(reason, "stays \\ with; root 100%") != 0)
		return 2;
	if (broker_open(at("dir/silent"), O_RDONLY) >= 0 || broker_error_reason())
		return 3;
	return broker_open(at("dir/allowed"), O_RDONLY) < 0 || broker_error_reason() ? 4 : 0;
}

static int
ask_library_as_another(void *context)
{
	(void)context;
	if (broker_open(at("dir/denied"), O_RDONLY) < 0 || broker_error_reason())
		return 1;
	return broker_open(at("dir/allowed"), O_RDONLY) >= 0 || broker_error_reason() ? 2 : 0;
}

static void
test_library(void **state)
{
	const struct ids a = {.uid = A, .gid = A}, b = {.uid = B, .gid = B};

	(void)state;
	assert_int_equal(act_as(&a, ask_library, NULL), 0);
	assert_int_equal(act_as(&b, ask_library_as_another, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_told_to_whom_a_deny_refuses),
		cmocka_unit_test(test_library),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/reasons", tests, setup);
}
