/* SPDX-License-Identifier: MIT */
/*
 * More descriptors on their way than the kernel allows the workers' account (ETOOMANYREFS), against
 * a real broker with a small limit and an account of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/people.h"

enum {
	A = 61001,
	LIMIT = 300,     /* descriptors; the kernel counts those on their way against it */
	CONNECTIONS = 6, /* each with two full answers unread */
	BATCHES = 2,
};

static const char rules[] = "allow user:61001 read @/who/a\n";
static const char *const files[] = {"a", NULL};

static int
lower_limit(void *context)
{
	const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};

	(void)context;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* Fill all connections with unread answers. Returns how many of these were refused. */
static size_t
overflow(void)
{
	static char batch[WIRE_MESSAGE_MAX];
	int sockets[CONNECTIONS], status[CONNECTIONS][BATCHES];
	size_t size = raw_greatest_request(batch), refused = 0;
	const pid_t worker = broker.worker;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		sockets[i] = raw_connect(&broker);
		for (size_t n = 0; n < BATCHES; n++)
			assert_int_equal(raw_send_bytes(sockets[i], batch, size), 0);
		/* One after the other: until this one's answers are on their way, or will not be. */
		sleep_ms(50);
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		for (size_t n = 0; n < BATCHES; n++) {
			status[i][n] = raw_take_all(sockets[i]);
			assert_true(status[i][n] == 0 || status[i][n] == EBUSY);
			refused += status[i][n] != 0;
		}
	/* Whoever was first had all of it; nobody lost more than an answer. */
	assert_int_equal(status[0][0], 0);
	assert_int_equal(status[0][1], 0);
	assert_int_equal(status[1][0], 0);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		assert_served_on(&broker, sockets[i]);
		close(sockets[i]);
	}
	assert_int_equal(worker_of(&broker, geteuid()), worker);
	if (geteuid() == 0)
		assert_int_equal(ask_as(&broker, &(struct ids){.uid = A, .gid = A}, "a"),
				 ASK_GRANTED);
	return refused;
}

static void
test_too_many_on_their_way(void **state)
{
	int own = count_fds(0);
	size_t refused;

	(void)state;
	if (needs_root())
		return;
	refused = overflow();
	printf("# %zu of %d answers were refused\n", refused, CONNECTIONS * BATCHES);
	assert_true(refused > 0);
	assert_int_equal(count_fds(0), own);
	assert_undisturbed(&broker);
}

/* With room for all of them no answer is refused. */
static void
test_not_too_many(void **state)
{
	int own = count_fds(0);

	(void)state;
	if (needs_root())
		return;
	assert_int_equal(overflow(), 0);
	assert_int_equal(count_fds(0), own);
	assert_undisturbed(&broker);
}

static void
test_another_broker(void **state)
{
	(void)state;
	if (!needs_root())
		harness_start_how(
			&broker,
			&(struct harness_how){.rules = rules, .files = files, .user = "games"});
}

static void
test_end(void **state)
{
	(void)state;
	if (!needs_root())
		assert_clean_end(&broker);
}

static int
setup(void **state)
{
	(void)state;
	if (geteuid() == 0)
		harness_start_how(&broker, &(struct harness_how){.rules = rules,
								 .files = files,
								 .user = "games",
								 .prepare = lower_limit});
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_many_on_their_way),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_another_broker),
		cmocka_unit_test(test_not_too_many),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("attack/in-flight", tests, setup, harness_teardown);
}
