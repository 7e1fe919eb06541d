/* SPDX-License-Identifier: MIT */
/*
 * A peer that is gone and whose pid another process has, against a real broker. It runs in a pid
 * namespace of its own, where it can be said which pid is next.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/people.h"

#if defined(__SANITIZE_ADDRESS__)
/* Whoever is in other namespaces, or has changed ids, cannot be looked into for leaks. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

enum {
	A = 61001,
	B = 61002,
	G = 61010,
};

static const struct ids a = {.uid = A, .gid = A}, b = {.uid = B, .gid = B},
			a_in_g = {.uid = A, .gid = A, .n_groups = 1, .groups = {G}};
static const char rules[] = "allow user:61001 read @/who/a\n"
			    "allow user:61002 read @/who/b\n"
			    "allow group:61010 read @/who/g\n"
			    "allow any read @/who/any\n"
			    /* So that the broker looks at the process itself. */
			    "allow user:61001+unit:no-such.service read @/who/unit\n";
static const char *const files[] = {"a", "b", "g", "any", "unit", NULL};

struct heir {
	int socket;
	struct ucred owner;
	const char *name;
	bool same_user;
};

/* A process with the very pid of the connection's owner. */
static int
inherit(void *context)
{
	const struct heir *heir = context;
	struct ucred self = {.pid = getpid(), .uid = getuid(), .gid = getgid()};

	if (getpid() != heir->owner.pid)
		return 1;
	if (heir->same_user)
		return ask(&broker, heir->socket, NULL, heir->name) == ASK_GRANTED ? 0 : 2;
	if (ask(&broker, heir->socket, NULL, heir->name) != EACCES)
		return 3;
	if (ask(&broker, heir->socket, &self, heir->name) != EACCES)
		return 4;
	if (ask(&broker, heir->socket, &self, "any") != EACCES)
		return 5;
	if (ask(&broker, heir->socket, &heir->owner, heir->name) != ASK_KERNEL + EPERM)
		return 6;
	/* What it has itself, on its own connection. */
	return ask(&broker, raw_try_connect(&broker), NULL, "any") == ASK_GRANTED ? 0 : 7;
}

static int
act_as_pid(pid_t pid, const struct ids *ids, act_fn *act, void *context)
{
	for (int i = 0; i < 20; i++) {
		int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
		pid_t got;
		int r;

		assert_return_code(last, errno);
		assert_true(dprintf(last, "%d", pid - 1) > 0);
		close(last);
		got = act_begin(ids, act, context);
		r = act_end(got);
		if (got == pid)
			return r;
	}
	fail_msg("pid %d is not given again", pid);
	return -1;
}

static void
bequeath(const struct ids *owner, const struct ids *heirs, const char *name, bool same_user,
	 bool unseen)
{
	struct heir heir = {.name = name, .same_user = same_user};
	struct maker maker;
	int r;

	/* Unseen: the owner is gone, and another has its pid, before the broker looks. */
	if (unseen)
		assert_return_code(kill(broker.pid, SIGSTOP), errno);
	heir.socket = connection_of(&broker, owner, &maker);
	heir.owner = maker.credentials;
	if (!unseen)
		assert_int_equal(ask(&broker, heir.socket, &heir.owner, name), ASK_GRANTED);
	maker_end(&maker);
	if (unseen) {
		pid_t pid = fork();

		assert_return_code(pid, errno);
		if (pid == 0) {
			sleep_ms(200);
			_exit(kill(broker.pid, SIGCONT) != 0);
		}
		r = act_as_pid(heir.owner.pid, heirs, inherit, &heir);
		assert_int_equal(act_end(pid), 0);
	} else {
		r = act_as_pid(heir.owner.pid, heirs, inherit, &heir);
	}
	assert_int_equal(r, 0);
	close(heir.socket);
	assert_undisturbed(&broker);
}

static void
test_pid_used_again(void **state)
{
	(void)state;
	bequeath(&a, &b, "a", false, false);
	/* Another gid alone is another one, too. */
	bequeath(&a, &(struct ids){.uid = A, .gid = G}, "a", false, false);
	bequeath(&(struct ids){.uid = B, .gid = G}, &(struct ids){.uid = A, .gid = G}, "g", false,
		 false);
	/* The pid is the same indeed: with the same ids it passes for the owner. */
	bequeath(&a_in_g, &a, "g", true, false);
}

static void
test_pid_used_again_before_the_broker_looks(void **state)
{
	(void)state;
	bequeath(&a, &b, "a", false, true);
	bequeath(&b, &a, "b", false, true);
	bequeath(&a, &(struct ids){.uid = A, .gid = G}, "a", false, true);
	bequeath(&a_in_g, &a, "g", true, true);
}

static int
setup(void **state)
{
	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	assert_int_equal(ask_as(&broker, &a, "a"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &b, "b"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &a_in_g, "g"), ASK_GRANTED);
	harness_know(&broker);
	return 0;
}

static int
run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pid_used_again),
		cmocka_unit_test(test_pid_used_again_before_the_broker_looks),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/pid-reuse", tests, setup, harness_teardown);
}

static void
test_nothing(void **state)
{
	(void)state;
	(void)needs_root();
}

int
main(void)
{
	const struct CMUnitTest none[] = {cmocka_unit_test(test_nothing)};

	if (geteuid() != 0)
		return cmocka_run_group_tests_name("attack/pid-reuse", none, NULL, NULL);
	return in_pid_namespace(run);
}
