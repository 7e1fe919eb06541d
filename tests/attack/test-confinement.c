/* SPDX-License-Identifier: MIT */
/*
 * A worker that an attacker owns completely. The real second phase is entered by the real functions,
 * each layer alone and all together; then each act of acts-*.c is tried in a process of its own.
 * Without any layer each of them succeeds: that is what shows that it is one. Layers are switched
 * here only. With --table it prints the table of SECURITY.md.
 */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "broker/filter.h"
#include "broker/ipc.h"
#include "broker/sys.h"
#include "broker/worker/confine.h"
#include "tests/harness.h"

/* What became of an act: 0, an errno value, or one of these. */
enum {
	KILLED = -1,    /* by the filter */
	NO_EFFECT = -2, /* nothing was refused, and nothing happened */
	BROKEN = -3,
	UNKNOWN = -4, /* this kernel, or this build, cannot tell */
};

struct set {
	const struct act *acts;
	const size_t *n;
};
static const struct set sets[] = {
	{acts_files, &n_acts_files},         {acts_given, &n_acts_given},
	{acts_processes, &n_acts_processes}, {acts_system, &n_acts_system},
	{acts_open, &n_acts_open},
};

enum {
	ACTS_MAX = 256,
};

static int results[ACTS_MAX][N_COLUMNS];

/* Shared with the process of an act, which may not be able to say anything any more. */
static struct report {
	_Atomic int confined, done, result;
} * report;

static void __attribute__((noreturn)) try_act(const struct act *act, const struct column *column)
{
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = become_worker(column, n_confine_steps);
	if (r < 0) {
		fprintf(stderr, "# cannot enter %s: %s\n", column->name, strerror(-r));
		_exit(1);
	}
	report->confined = 1;
	r = act->act(&here);
	report->result = r;
	report->done = 1;
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

static int
result_of(const struct act *act, int status)
{
	if (!report->confined)
		return BROKEN;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	/* It has become another program. */
	if (!report->done)
		return WIFEXITED(status) ? 0 : BROKEN;
	if (report->result != 0)
		return report->result == -ACT_BROKEN ? BROKEN : -report->result;
	return !act->effect || act->effect(&here) ? 0 : NO_EFFECT;
}

/* Before Linux 6.15 a mount that is in no namespace, as those of the trees, cannot be cloned. */
static bool
clones_private_mounts(void)
{
	const unsigned clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int private = sys_open_tree(AT_FDCWD, "/", clone);
	int again = sys_open_tree(private, "", clone | AT_EMPTY_PATH);

	assert_true(private >= 0 && (again >= 0 || again == -EINVAL));
	close(private);
	return again >= 0 && close(again) == 0;
}

static int
run(const struct act *act, size_t column)
{
	int status = -1, r;
	pid_t pid;

	if (column == LANDLOCK &&
	    (sys_landlock_abi() < 0 || sys_landlock_abi() < act->landlock_abi))
		return UNKNOWN;
	if (column == TREES && act->clones && !clones_private_mounts())
		return UNKNOWN;
	if (FILTER_SANITIZED && act->runtime)
		return UNKNOWN;
	scene_set(&here, act->victim);
	*report = (struct report){};
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		try_act(act, &columns[column]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	r = result_of(act, status);
	scene_strike(&here);
	return r;
}

static bool
lacks(const struct act *act, int result)
{
	return act->may_lack && (result == ENOSYS || result == EOPNOTSUPP || result == ENOTTY ||
				 result == EPERM || result == EINVAL);
}

/* Call fn for each act with its number. */
static void
each(void (*fn)(const struct act *act, int *cells))
{
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(sets); i++)
		for (size_t j = 0; j < *sets[i].n; j++) {
			assert_true(n < ACTS_MAX);
			fn(&sets[i].acts[j], results[n++]);
		}
}

static void
fill(const struct act *act, int *cells)
{
	for (size_t i = 0; i < N_COLUMNS && act->name; i++)
		cells[i] = i > NONE && lacks(act, cells[NONE]) ? UNKNOWN : run(act, i);
}

static const char *
text_of(int result)
{
	switch (result) {
	case 0:
		return "-";
	case KILLED:
		return "killed";
	case NO_EFFECT:
		return "no effect";
	case UNKNOWN:
		return "?";
	case BROKEN:
		return "BROKEN";
	default:
		return strerrorname_np(result);
	}
}

static int
setup(void **state)
{
	(void)state;
	workers_begin();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(report != MAP_FAILED);
	each(fill);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (report)
		scenes_end(&here);
	return 0;
}

/* --- what has to hold ------------------------------------------------------------------------- */

static unsigned wrong;

static void
complain(const struct act *act, size_t column, int result, const char *what)
{
	printf("# %s: with %s: %s: %s\n", act->name, columns[column].name, text_of(result), what);
	wrong++;
}

static void
check_none(const struct act *act, int *cells)
{
	if (!act->name)
		return;
	if (lacks(act, cells[NONE]))
		printf("# %s: this kernel has it not: %s\n", act->name, text_of(cells[NONE]));
	else if (cells[NONE] != 0 && cells[NONE] != UNKNOWN)
		complain(act, NONE, cells[NONE], "should succeed");
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (cells[i] == BROKEN)
			complain(act, i, cells[i], "has to tell something");
}

static void
check_all(const struct act *act, int *cells)
{
	if (!act->name || cells[ALL] == UNKNOWN)
		return;
	if (act->open != (cells[ALL] == 0))
		complain(act, ALL, cells[ALL],
			 act->open ? "is said not to be stopped" : "has to be stopped");
}

static void
test_each_is_an_act(void **state)
{
	(void)state;
	wrong = 0;
	each(check_none);
	assert_int_equal(wrong, 0);
}

static void
test_all_layers(void **state)
{
	(void)state;
	wrong = 0;
	each(check_all);
	assert_int_equal(wrong, 0);
}

/* It still does its work. */
static void
test_permitted(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_acts_permitted; i++) {
		int result = run(&acts_permitted[i], ALL);

		if (result != 0)
			fail_msg("%s: %s", acts_permitted[i].name, text_of(result));
	}
}

/* Within the account only the filter stands between workers. */
static void
test_limit_of_another_worker(void **state)
{
	(void)state;
	assert_int_equal(run(&act_limit_worker, USER), 0);
	assert_int_equal(run(&act_limit_worker, ALL), KILLED);
}

/* Up the control socket: the broker's end is shut for reading, whatever else confines. */
static int
send_to_broker(struct scene *s)
{
	const struct raw raw = {.bytes = "x", .size = 1, .fds = &s->listener, .n_fds = 1};

	return raw_send(IPC_CONTROL, &raw);
}

static int
send_to_client(struct scene *s)
{
	const struct raw raw = {.bytes = "x", .size = 1, .fds = &s->listener, .n_fds = 1};

	return raw_send(s->client[1], &raw);
}

static void
test_control_is_one_way(void **state)
{
	static const struct act act = {"send a socket to the broker", .act = send_to_broker};
	static const struct act given = {"send it to the client", .act = send_to_client};

	(void)state;
	assert_int_equal(run(&act, NONE), EPIPE);
	assert_int_equal(run(&act, ALL), EPIPE);
	/* What tells the difference. */
	assert_int_equal(run(&given, ALL), 0);
}

static unsigned stopped[N_COLUMNS];

static void
count_stopped(const struct act *act, int *cells)
{
	for (size_t i = 0; i < N_COLUMNS && act->name; i++)
		stopped[i] += cells[i] != 0 && cells[i] != UNKNOWN && cells[i] != BROKEN;
}

static void
test_each_layer_alone(void **state)
{
	(void)state;
	each(count_stopped);
	for (size_t i = TREES; i < N_COLUMNS; i++) {
		printf("# %s: %u\n", columns[i].name, stopped[i]);
		if (i != LANDLOCK || sys_landlock_abi() > 0)
			assert_true(stopped[i] > 0);
	}
}

static void
print_row(const struct act *act, int *cells)
{
	if (!act->name) {
		printf("| **%s** |", act->group);
		for (size_t i = TREES; i < N_COLUMNS; i++)
			printf(" |");
		puts("");
		return;
	}
	printf("| %s |", act->name);
	for (size_t i = TREES; i < N_COLUMNS; i++)
		printf(" %s |", text_of(cells[i]));
	puts("");
}

static void
print_table(void)
{
	printf("| act |");
	for (size_t i = TREES; i < N_COLUMNS; i++)
		printf(" %s |", columns[i].name);
	printf("\n|---|");
	for (size_t i = TREES; i < N_COLUMNS; i++)
		printf("---|");
	puts("");
	each(print_row);
}

static void
test_without_root(void **state)
{
	(void)state;
	(void)needs_root();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest without_root[] = {cmocka_unit_test(test_without_root)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_an_act),
		cmocka_unit_test(test_all_layers),
		cmocka_unit_test(test_each_layer_alone),
		cmocka_unit_test(test_permitted),
		cmocka_unit_test(test_limit_of_another_worker),
		cmocka_unit_test(test_control_is_one_way),
	};

	if (argc == 2 && strcmp(argv[1], "--table") == 0) {
		setup(NULL);
		print_table();
		teardown(NULL);
		return 0;
	}
	if (geteuid() != 0)
		return cmocka_run_group_tests_name("attack/confinement", without_root, NULL, NULL);
	return cmocka_run_group_tests_name("attack/confinement", tests, setup, teardown);
}
