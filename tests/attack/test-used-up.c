/* SPDX-License-Identifier: MIT */
/*
 * On a kernel without SO_PASSRIGHTS: one user has refusers hang as they end, and fills the next one
 * with connections that nobody may close. Others do not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/gauge.h"
#include "tests/harness.h"
#include "tests/linger.h"

enum {
	WITHOUT_RULES = 61001,
	WITH_RULES = 61003,
	ATTACKER = 61011,
	FILES = 600, /* that the broker and its helpers may have open: to be quick */
	HANG = 5,    /* one more than are ended at once */
	MEDIAN_MS = 5,
	P99_MS = 100,
};

static struct gauge gauges[2];
static struct arms arms[HANG];

static int
have_few_files(void *context)
{
	const struct rlimit limit = {FILES, FILES};

	(void)context;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* Both went on as if they were alone. */
static void
judge(const char *when, unsigned ms)
{
	for (size_t i = 0; i < ELEMENTS(gauges); i++) {
		struct gauge_figures f = gauge_end(&gauges[i]);

		gauge_show(when, &gauges[i], &f);
		assert_true(f.n >= ms / 10);
		assert_int_equal(f.wrong, 0);
		assert_true(f.median < MEDIAN_MS);
		assert_true(f.p99 < P99_MS);
	}
}

static void
measure(const char *when, unsigned ms)
{
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_begin(&gauges[i]);
	sleep_ms(ms);
	judge(when, ms);
}

/* Connections with a message each, and a descriptor in it; gone at once. */
static void
send_some(int fd, int times)
{
	for (int i = 0; i < times; i++) {
		int socket = quiet_connect(broker.socket);

		if (socket < 0)
			continue;
		(void)raw_send(socket, &(struct raw){.bytes = "x",
						     .size = 1,
						     .fds = &fd,
						     .n_fds = 1,
						     .flags = MSG_DONTWAIT});
		close(socket);
	}
}

/* Each time it is told to: one file that hangs; before the last, all that a refuser could keep. */
static void __attribute__((noreturn)) attack(int go, int done)
{
	int harmless = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	become(ATTACKER);
	for (size_t i = 0; i < HANG; i++)
		close(arms[i].kept[0]);
	/* So that the next refuser is young, and is not replaced before its file is made to hang. */
	send_some(harmless, 1);
	for (size_t i = 0; i < HANG && read(go, &byte, 1) == 1; i++) {
		if (i == HANG - 1)
			send_some(harmless, 2 * FILES);
		send_some(arms[i].arm[0], 1);
		close(arms[i].arm[0]);
		(void)!write(done, "", 1);
	}
	for (;;)
		pause();
}

/* Processes of the broker that wait without an end, proc_pid_stat(5). */
static int
count_hanging(void)
{
	char path[64], state;
	FILE *children, *one;
	int pid, n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker.pid, broker.pid);
	children = fopen(path, "re");
	assert_non_null(children);
	while (fscanf(children, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		one = fopen(path, "re");
		if (one && fscanf(one, "%*d (%*[^)]) %c", &state) == 1)
			n += state == 'D';
		if (one)
			fclose(one);
	}
	fclose(children);
	return n;
}

static void
test_refusers_that_are_used_up(void **state)
{
	int go[2], done[2];
	int hang;
	pid_t attacker;
	char byte;

	(void)state;
	if (needs_root())
		return;
	harness_start_how(&broker,
			  &(struct harness_how){.old_kernel = true,
						.prepare = have_few_files,
						.rules = "allow user:61003 read @/data/*\n"});
	gauge_start(&gauges[0], &broker, WITH_RULES, broker.file, 0);
	gauge_start(&gauges[1], &broker, WITHOUT_RULES, broker.file, EACCES);
	measure("before", 500);
	/* All servers first: none is to hold a file of another one. */
	for (size_t i = 0; i < HANG; i++)
		assert_true(fuse_start(&arms[i].fuse));
	for (size_t i = 0; i < HANG; i++) {
		arms[i].n = 1;
		arms[i].arm[0] = fuse_open(&arms[i].fuse, 0);
		arms[i].kept[0] = fuse_open(&arms[i].fuse, 0);
		assert_true(arms[i].arm[0] >= 0 && arms[i].kept[0] >= 0);
	}
	assert_true(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
	attacker = fork();
	assert_return_code(attacker, errno);
	if (attacker == 0)
		attack(go[0], done[1]);
	for (size_t i = 0; i < HANG; i++)
		arms_disown(&arms[i]);
	sleep_ms(300);
	for (size_t i = 0; i < HANG; i++) {
		assert_int_equal(write(go[1], "", 1), 1);
		assert_int_equal(read(done[0], &byte, 1), 1);
		arms_cock(&arms[i]);
		/* The next one, which is replaced when it is a second old. */
		sleep_ms(1000);
	}
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_begin(&gauges[i]);
	sleep_ms(4000);
	/* The counter-check: those that it sent do hang who destroys them. */
	hang = count_hanging();
	for (size_t i = 0; i < HANG; i++)
		arms_release(&arms[i]);
	judge("during", 4000);
	printf("# %d refusers hung meanwhile\n", hang);
	assert_true(hang >= 3);
	kill(attacker, SIGKILL);
	assert_int_equal(waitpid(attacker, NULL, 0), attacker);
	sleep_ms(2500);
	measure("after", 500);
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_stop(&gauges[i]);
	assert_int_equal(harness_stop(&broker), 0);
	close(go[0]), close(go[1]), close(done[0]), close(done[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusers_that_are_used_up),
	};

	return cmocka_run_group_tests_name("attack/used-up", tests, NULL, harness_teardown);
}
