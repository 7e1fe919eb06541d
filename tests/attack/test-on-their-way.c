/* SPDX-License-Identifier: MIT */
/*
 * More descriptors of the broker's own user on their way than its limit allows: it can pass no
 * connection on, and that is no fault of a worker. A broker of an ordinary user, so that the count is
 * nobody else's.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/people.h"

enum {
	USER = 61005,
	LIMIT = 300, /* of the broker */
	FILL = 200,  /* descriptors in a message; two of them */
};

static const struct ids user = {.uid = USER, .gid = USER};

static void
give(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", broker.directory, name);
	assert_return_code(chown(path, USER, USER), errno);
}

static void
make(const char *name, const char *content)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", broker.directory, name);
	if (content)
		write_file(path, content);
	else
		assert_return_code(mkdir(path, 0755), errno);
	give(name);
}

static int
be_the_broker(void *context)
{
	const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};
	const char *build = getenv("BUILD");
	char self[PATH_MAX] = "", program[PATH_MAX + 16], policy[96];
	int log = open(broker.log, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)context;
	if (!build && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		build = dirname(dirname(dirname(self)));
	snprintf(program, sizeof(program), "%s/fdbrokerd", build ? build : "build");
	snprintf(policy, sizeof(policy), "%s/policy", broker.directory);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return 1;
	execl(program, "fdbrokerd", "--socket", broker.socket, "--policy", policy, NULL);
	return 1;
}

/* Holds as many as it may have on their way, and tells; ends when it is told. */
static int
hold_many(void *context)
{
	const int wire = *(int *)context, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int pair[2], fds[FILL];

	for (size_t i = 0; i < FILL; i++)
		fds[i] = null;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (raw_send(pair[0], &(struct raw){"x", 1, .fds = fds, .n_fds = FILL}) < 0)
			return 1;
	return tell(wire) < 0 || wait_told(wire) < 0;
}

static int
ask_for_it(void *context)
{
	int socket = raw_try_connect(&broker);

	(void)context;
	return socket < 0 ? ASK_BROKEN : ask(&broker, socket, NULL, "a");
}

static bool
has_worker(pid_t pid)
{
	struct worker_seen seen[8];
	size_t n = workers_of(&broker, USER, seen, ELEMENTS(seen));

	for (size_t i = 0; i < n; i++)
		if (seen[i].pid == pid)
			return true;
	return false;
}

static void
test_no_fault_of_a_worker(void **state)
{
	int wire[2], told;
	pid_t worker, holder, asker;

	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(&user, ask_for_it, NULL), ASK_GRANTED);
	worker = worker_of(&broker, USER);
	assert_true(worker > 0);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire), errno);
	holder = act_begin(&user, hold_many, &wire[1]);
	assert_return_code(wait_told(wire[0]), errno);
	asker = act_begin(&user, ask_for_it, NULL);
	sleep_ms(300);
	/* The counter-check: nobody could answer. */
	assert_int_equal(waitpid(asker, NULL, WNOHANG), 0);
	assert_return_code(tell(wire[0]), errno);
	assert_int_equal(act_end(holder), 0);
	told = act_end(asker);
	printf("# told: %d\n", told);
	assert_true(told == ASK_GRANTED || told == EBUSY);
	/* It serves on, as nothing was wrong with it. */
	assert_true(has_worker(worker));
	assert_int_equal(act_as(&user, ask_for_it, NULL), ASK_GRANTED);
	assert_true(has_worker(worker));
	close(wire[0]);
	close(wire[1]);
}

static bool
listens(void)
{
	return access(broker.socket, F_OK) == 0 && act_as(&user, ask_for_it, NULL) == ASK_GRANTED;
}

static int
setup(void **state)
{
	char rules[160];

	(void)state;
	if (geteuid() != 0)
		return 0;
	make_directory(broker.directory);
	snprintf(broker.socket, sizeof(broker.socket), "%s/socket", broker.directory);
	snprintf(broker.log, sizeof(broker.log), "%s/log", broker.directory);
	snprintf(rules, sizeof(rules), "policy 1\nallow user:%d read %s/who/a\n", USER,
		 broker.directory);
	give("");
	make("policy", NULL);
	make("policy/test.policy", rules);
	make("who", NULL);
	make("who/a", "a");
	make("log", "");
	broker.pid = act_begin(&user, be_the_broker, NULL);
	for (int i = 0; i < WAIT_SECONDS * 100 && !listens(); i++)
		sleep_ms(10);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return broker.pid > 0 && harness_stop(&broker) != 0 ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_fault_of_a_worker),
	};

	return cmocka_run_group_tests_name("attack/on-their-way", tests, setup, teardown);
}
