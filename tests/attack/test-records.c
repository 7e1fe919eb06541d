/* SPDX-License-Identifier: MIT */
/*
 * What is not on record because the log process does not keep up is counted, and said, whatever the client
 * does: it goes away, or others make the noise.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "broker/worker/serve.h"
#include "tests/attack/asks.h"

enum {
	REFUSED = 300,      /* records, each longer than a page of the pipe's 16, pipe(7) */
	PATH_LENGTH = 4000, /* two records do not share a page */
	NOISE = 3000,       /* connections, that the log process is told of one by one */
};

static const char rules[] = "allow user:61001|user:61002|user:61003 read @/who/a\n"
			    "allow any read @/who/open\n";
static pid_t logger;

static int
setup(void **state)
{
	static const char *const files[] = {"a", "open", NULL};

	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	logger = helper_of(&broker, "fdbroker-log");
	assert_true(logger > 0);
	return 0;
}

/* All that the log says was lost. */
static unsigned
lost_by_now(void)
{
	FILE *log = fopen(broker.log, "re");
	char line[512];
	unsigned n = 0, some;

	assert_non_null(log);
	while (fgets(line, sizeof(line), log)) {
		const char *at = strstr(line, "fdbroker: lost records=");

		if (at == line && sscanf(at, "fdbroker: lost records=%u", &some) == 1)
			n += some;
	}
	fclose(log);
	return n;
}

/* Of that uid, and what was lost: as many as there were decisions. */
static void
wait_for_all(unsigned decisions, unsigned lost_before, const char *uid, unsigned lines_before)
{
	const unsigned before = lines_before + lost_before;

	for (int i = 0; log_count(uid, "path=") + lost_by_now() - before < decisions; i++) {
		if (i == WAIT_SECONDS * 10)
			break;
		sleep_ms(100);
	}
	/* What was said is not said again. */
	sleep_ms(2 * SERVE_BEHIND_MS);
	assert_int_equal(log_count(uid, "path=") + lost_by_now() - before, decisions);
}

/* More records of refusals than the pipe has room for. */
static void
fill(struct peer *p)
{
	static char path[PATH_LENGTH + 1];
	struct wire_file file = {.flags = O_RDONLY, .path = path, .path_length = PATH_LENGTH};
	struct told told;

	memset(path, 'p', PATH_LENGTH);
	for (size_t i = 0; i < PATH_LENGTH; i += 200)
		path[i] = '/';
	for (size_t i = 0; i < REFUSED; i++) {
		peer_send(p, WIRE_OPEN, &file);
		peer_receive(p, &told);
		assert_int_equal(told.error, EACCES);
	}
}

static void
open_granted(struct peer *p)
{
	struct told told;
	const char *path = at("who/a");

	peer_send(p, WIRE_OPEN,
		  &(struct wire_file){
			  .flags = O_RDONLY, .path = path, .path_length = (uint32_t)strlen(path)});
	peer_receive(p, &told);
	assert_int_equal(told.error, 0);
	close(told.fd);
}

/* The client hides a grant behind its own noise, and goes. */
static void
test_gone(void **state)
{
	const unsigned lost = lost_by_now();
	struct peer p = peer_begin(A);

	(void)state;
	assert_return_code(kill(logger, SIGSTOP), errno);
	fill(&p);
	open_granted(&p);
	peer_end(&p);
	assert_return_code(kill(logger, SIGCONT), errno);
	wait_for_all(REFUSED + 1, lost, "uid=61001", 0);
	assert_true(lost_by_now() > lost);
}

/* ... and its worker ends. */
static void
test_worker_ends(void **state)
{
	const unsigned lost = lost_by_now(), lines = log_count("uid=61002", "path=");
	struct peer p = peer_begin(B);

	(void)state;
	assert_return_code(kill(logger, SIGSTOP), errno);
	fill(&p);
	open_granted(&p);
	peer_end(&p);
	assert_return_code(kill(broker.pid, SIGHUP), errno);
	/* It may say so until the broker loses its patience, at most 2 seconds. */
	sleep_ms(500);
	assert_return_code(kill(logger, SIGCONT), errno);
	wait_for_all(REFUSED + 1, lost, "uid=61002", lines);
}

/* What was to be on record once is so when there is room again. */
static void
test_once_more(void **state)
{
	const unsigned granted = log_count("granted uid=61001", "who/a");
	struct peer p = peer_begin(A);
	unsigned lost = lost_by_now();

	(void)state;
	assert_return_code(kill(logger, SIGSTOP), errno);
	fill(&p);
	open_granted(&p);
	assert_return_code(kill(logger, SIGCONT), errno);
	for (int i = 0; lost_by_now() == lost && i < WAIT_SECONDS * 10; i++)
		sleep_ms(100);
	assert_int_equal(log_count("granted uid=61001", "who/a"), granted);
	open_granted(&p);
	open_granted(&p);
	log_wait(granted + 1, "granted uid=61001", "who/a");
	/* The record of the last one would have come by now. */
	fill(&p);
	assert_int_equal(log_count("granted uid=61001", "who/a"), granted + 1);
	peer_end(&p);
}

static void
make_noise(void)
{
	for (size_t i = 0; i < NOISE; i++) {
		int fd = connect_as(&broker, &(struct ids){.uid = 61009, .gid = 61009});

		if (fd >= 0)
			close(fd);
	}
}

/* Somebody makes connections, so that there is no room to tell of another's worker. */
static void
test_noise_of_others(void **state)
{
	struct peer p;

	(void)state;
	assert_int_equal(log_count("uid=61003", "path="), 0);
	assert_return_code(kill(logger, SIGSTOP), errno);
	make_noise();
	p = peer_begin(C);
	open_granted(&p);
	peer_end(&p);
	assert_return_code(kill(logger, SIGCONT), errno);
	log_wait(1, "granted uid=61003", "who/a");
}

/* The same, where the worker has ended before: then the broker says what it knows. */
static void
test_nobody_was_told(void **state)
{
	struct peer p;

	(void)state;
	harness_reload(&broker);
	assert_return_code(kill(logger, SIGSTOP), errno);
	make_noise();
	p = peer_begin(C);
	open_granted(&p);
	peer_end(&p);
	assert_return_code(kill(broker.pid, SIGHUP), errno);
	log_wait(1, "(uid 61003)", "what it put on record is lost");
	assert_return_code(kill(logger, SIGCONT), errno);
	harness_reload(&broker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_worker_ends),
		cmocka_unit_test(test_once_more),
		cmocka_unit_test(test_noise_of_others),
		cmocka_unit_test(test_nobody_was_told),
		cmocka_unit_test(harness_test_end),
	};

	return asks_run("attack/records", tests, setup);
}
