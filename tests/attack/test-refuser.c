/* SPDX-License-Identifier: MIT */
/*
 * The refuser is one for all: who connects without end, and has it answer the largest requests, does
 * not keep it, and with it the broker, from others.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/gauge.h"
#include "tests/harness.h"

enum {
	VICTIM_OWN = 61003,
	VICTIM_NONE = 61001,
	ATTACKER = 61011,
	ATTACKERS = 2,
	KEPT = 1000, /* connections of each attacker */
	PATH = 900,
	MEASURE_MS = 2000,
	MEDIAN_MS = 20, /* it was 400 while requests had the same turn as connections */
};

static struct gauge gauges[2];
static pid_t attackers[ATTACKERS];
static char request[WIRE_MESSAGE_MAX];
static size_t request_size;

/* As many files as a request can name. */
static void
make_request(void)
{
	struct wire_item items[WIRE_ITEMS_MAX] = {};
	struct wire_header head = {.version = WIRE_VERSION,
				   .operation = WIRE_OPEN,
				   .id = 1,
				   .item_size = sizeof(items[0]),
				   .items = WIRE_ITEMS_MAX};
	const size_t paths = sizeof(head) + sizeof(items);

	request_size = paths + WIRE_ITEMS_MAX * PATH;
	head.length = (uint32_t)request_size;
	memset(request + paths, 'a', WIRE_ITEMS_MAX * PATH);
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) {
		items[i] = (struct wire_item){.flags = O_RDONLY, .path_length = PATH};
		request[paths + i * PATH] = '/';
	}
	memcpy(request, &head, sizeof(head));
	memcpy(request + sizeof(head), items, sizeof(items));
}

static void __attribute__((noreturn)) attack(void)
{
	const struct raw raw = {.bytes = request, .size = request_size, .flags = MSG_DONTWAIT};
	static int sockets[KEPT];

	become(ATTACKER);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(sockets, -1, sizeof(sockets));
	for (size_t i = 0;; i = (i + 1) % KEPT) {
		if (sockets[i] >= 0)
			close(sockets[i]);
		sockets[i] = quiet_connect(broker.socket);
		while (sockets[i] >= 0 && raw_send(sockets[i], &raw) == 0)
			;
	}
}

static void
measure(const char *when, double ret_median[2])
{
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_begin(&gauges[i]);
	sleep_ms(MEASURE_MS);
	for (size_t i = 0; i < ELEMENTS(gauges); i++) {
		struct gauge_figures f = gauge_end(&gauges[i]);

		printf("# %s: uid %u: %u times, median %.2f ms, p99 %.2f, max %.1f\n", when,
		       gauges[i].uid, f.n, f.median, f.p99, f.max);
		assert_true(f.n > 0);
		assert_int_equal(f.wrong, 0);
		ret_median[i] = f.median;
	}
}

static void
test_flood(void **state)
{
	double before[2], during[2];

	(void)state;
	gauge_start(&gauges[0], &broker, VICTIM_OWN, broker.file, 0);
	gauge_start(&gauges[1], &broker, VICTIM_NONE, broker.file, EACCES);
	measure("before", before);
	for (size_t i = 0; i < ATTACKERS; i++) {
		fflush(NULL);
		attackers[i] = fork();
		assert_return_code(attackers[i], errno);
		if (attackers[i] == 0)
			attack();
	}
	sleep_ms(MEASURE_MS / 4);
	measure("during", during);
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		assert_true(during[i] < MEDIAN_MS);
}

static int
setup(void **state)
{
	(void)state;
	make_request();
	harness_start_how(&broker,
			  &(struct harness_how){.rules = "allow user:61003 read @/data/*\n"});
	return 0;
}

static int
teardown(void **state)
{
	for (size_t i = 0; i < ATTACKERS; i++)
		if (attackers[i] > 0) {
			kill(attackers[i], SIGKILL);
			waitpid(attackers[i], NULL, 0);
		}
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_stop(&gauges[i]);
	return harness_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood),
	};

	if (geteuid() != 0 && !getenv("CI")) {
		puts("1..0 # SKIP needs root");
		return 0;
	}
	return cmocka_run_group_tests_name("attack/refuser", tests, setup, teardown);
}
