/* SPDX-License-Identifier: MIT */
/*
 * Peers in other pid and user namespaces, against a real broker. All of this runs in a pid namespace
 * of its own; one process stays outside of it.
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <sys/wait.h>
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
	MAPPED = 60001, /* in the broker's user namespace, where it has one */
	A = 61001,
	B = 61002,
	G = 61010,
	FIRST = 70000, /* of a range that a user namespace has */
	OVERFLOW = 65534,
};

static const struct ids a = {.uid = A, .gid = A}, b = {.uid = B, .gid = B};
static const char rules[] = "allow user:61001 read @/who/a\n"
			    "allow user:61002 read @/who/b\n"
			    "allow user:0 read @/who/root\n"
			    "allow user:60001 read @/who/mapped\n"
			    "allow user:70005 read @/who/ranged\n"
			    "allow group:61010 read @/who/g\n"
			    "allow any read @/who/any\n"
			    "allow user:65534|group:65534 read @/who/overflow\n";
static const char *const files[] = {"a", "b",   "root",     "mapped", "ranged",
				    "g", "any", "overflow", NULL};

/* --- the process outside -------------------------------------------------------------------- */

static int outside; /* the wire to it */

struct errand {
	struct harness h;
	struct ids ids;
	char name[16];
	bool beside; /* from a pid namespace of its own, which is not below the broker's */
	bool hold;   /* on a connection that comes next over the wire */
};

static int
go_beside(void *context)
{
	const struct errand *errand = context;

	return unshare(CLONE_NEWPID) < 0 ? ASK_BROKEN
					 : ask_as(&errand->h, &errand->ids, errand->name);
}

static int
run_errand(const struct errand *errand, int wire)
{
	int fd, r;

	if (errand->beside)
		return act_as(NULL, go_beside, (void *)errand);
	if (!errand->hold)
		return ask_as(&errand->h, &errand->ids, errand->name);
	fd = take_fd(wire);
	r = ask(&errand->h, fd, NULL, errand->name);
	close(fd);
	return r;
}

static void
stay_outside(int wire)
{
	struct errand errand;

	while (recv(wire, &errand, sizeof(errand), 0) == sizeof(errand)) {
		int r = run_errand(&errand, wire);

		(void)send(wire, &r, sizeof(r), 0);
	}
	_exit(0);
}

static int
ask_outside(const struct ids *ids, const char *name, bool beside, int fd)
{
	struct errand errand = {.h = broker, .ids = *ids, .beside = beside, .hold = fd >= 0};
	int r = -1;

	snprintf(errand.name, sizeof(errand.name), "%s", name);
	assert_int_equal(send(outside, &errand, sizeof(errand), 0), sizeof(errand));
	if (fd >= 0)
		assert_int_equal(pass_fd(outside, fd), 0);
	assert_int_equal(recv(outside, &r, sizeof(r), 0), sizeof(r));
	return r;
}

/* --- other pid namespaces ------------------------------------------------------------------- */

static void
test_peer_that_has_no_pid_here(void **state)
{
	static const struct {
		struct ids ids;
		const char *name;
	} peers[] = {{{0, 0, 0, {}}, "root"}, {{A, A, 0, {}}, "a"}, {{B, B, 0, {}}, "any"}};
	struct maker maker;
	int fd;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(peers); i++) {
		assert_int_equal(ask_outside(&peers[i].ids, peers[i].name, false, -1), EACCES);
		assert_int_equal(ask_outside(&peers[i].ids, peers[i].name, true, -1), EACCES);
		/* The same from where the broker is. */
		assert_int_equal(ask_as(&broker, &peers[i].ids, peers[i].name), ASK_GRANTED);
	}
	/* A connection from here, spoken on from there. */
	fd = connection_of(&broker, &a, &maker);
	assert_int_equal(ask_outside(&a, "a", false, fd), EACCES);
	assert_int_equal(ask(&broker, fd, &maker.credentials, "a"), ASK_GRANTED);
	close(fd);
	maker_end(&maker);
	assert_undisturbed(&broker);
}

/* In a namespace below: the broker's number of it counts, whatever number it has itself. */
static int
ask_from_below(void *context)
{
	struct ucred claim = {.pid = getpid(), .uid = A, .gid = A};
	int fd = raw_try_connect(context);

	if (getpid() != 1)
		return 1;
	if (ask(context, fd, NULL, "a") != ASK_GRANTED ||
	    ask(context, fd, &claim, "a") != ASK_GRANTED)
		return 2;
	if (ask(context, fd, NULL, "b") != EACCES)
		return 3;
	/* Pid 1 to itself, and no longer the one who connected. */
	claim.pid = fork();
	if (claim.pid == 0)
		_exit(ask(context, fd, NULL, "a") != EACCES);
	return act_end(claim.pid) == 0 ? 0 : 4;
}

static int
go_below(void *context)
{
	return unshare(CLONE_NEWPID) < 0 ? ASK_BROKEN : act_as(&a, ask_from_below, context);
}

static void
test_peer_in_a_pid_namespace_below(void **state)
{
	(void)state;
	assert_int_equal(act_as(NULL, go_below, &broker), 0);
	assert_undisturbed(&broker);
}

/* --- user namespaces ------------------------------------------------------------------------ */

/* A user who is root in a namespace of its own. */
static int
be_root_inside(void *context)
{
	struct ucred claim = {.pid = getpid()};
	int before = raw_try_connect(context), fd;

	if (unshare(CLONE_NEWUSER) < 0)
		return 1;
	/* Without a number inside it keeps the one that it has outside. */
	if (getuid() != OVERFLOW || ask(context, before, NULL, "a") != ASK_GRANTED ||
	    ask(context, raw_try_connect(context), NULL, "a") != ASK_GRANTED)
		return 2;
	if (write_map(getpid(), "setgroups", "deny") < 0 ||
	    write_map(getpid(), "uid_map", "0 61001 1") < 0 ||
	    write_map(getpid(), "gid_map", "0 61001 1") < 0 || getuid() != 0)
		return 3;
	fd = raw_try_connect(context);
	for (int i = 0; i < 2; i++) {
		const struct ucred *claimed = i ? &claim : NULL;

		if (ask(context, fd, claimed, "a") != ASK_GRANTED ||
		    ask(context, before, claimed, "a") != ASK_GRANTED)
			return 4;
		if (ask(context, fd, claimed, "root") != EACCES ||
		    ask(context, before, claimed, "root") != EACCES)
			return 5;
	}
	/* Capable of everything inside, and of no lie to the outside. */
	claim.uid = 1;
	if (ask(context, fd, &claim, "a") != ASK_KERNEL + EINVAL)
		return 6;
	claim = (struct ucred){.pid = getppid()};
	return ask(context, fd, &claim, "a") == ASK_KERNEL + EPERM ? 0 : 7;
}

static void
test_root_of_a_user_namespace(void **state)
{
	(void)state;
	assert_int_equal(act_as(&a, be_root_inside, &broker), 0);
	assert_undisturbed(&broker);
}

/* With pids of its own as well it may name any of them. */
static int
claim_another_pid(void *context)
{
	struct ucred claim = {};
	int fd = raw_try_connect(context);

	claim.pid = fork();
	if (claim.pid == 0) {
		pause();
		_exit(0);
	}
	if (ask(context, fd, &claim, "a") != EACCES || ask(context, fd, &claim, "root") != EACCES)
		return 10;
	claim.pid = 1;
	return ask(context, fd, &claim, "a") == ASK_GRANTED ? 0 : 11;
}

static int
be_root_of_pids(void *context)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0 ||
	    write_map(getpid(), "setgroups", "deny") < 0 ||
	    write_map(getpid(), "uid_map", "0 61001 1") < 0 ||
	    write_map(getpid(), "gid_map", "0 61001 1") < 0)
		return ASK_BROKEN;
	return act_as(NULL, claim_another_pid, context);
}

static void
test_root_of_a_user_and_pid_namespace(void **state)
{
	(void)state;
	assert_int_equal(act_as(&a, be_root_of_pids, &broker), 0);
	assert_undisturbed(&broker);
}

static int
use_a_range(void *context)
{
	struct ucred claim = {.pid = getpid(), .uid = 5};
	int fd;

	if (enter_mapped(CLONE_NEWUSER, "0 70000 10") < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return 1;
	fd = raw_try_connect(context);
	if (ask(context, fd, NULL, "root") != EACCES ||
	    ask(context, fd, NULL, "any") != ASK_GRANTED)
		return 2;
	/* It may speak as any of its own; the connection is the one's that made it. */
	if (ask(context, fd, &claim, "ranged") != EACCES ||
	    ask(context, fd, &claim, "any") != EACCES)
		return 3;
	if (setresuid(5, 5, 0) < 0)
		return 4;
	if (ask(context, fd, NULL, "ranged") != EACCES)
		return 5;
	if (ask(context, raw_try_connect(context), NULL, "ranged") != ASK_GRANTED)
		return 6;
	if (setresuid(0, 0, 0) < 0 || setresuid(6, 6, 6) < 0)
		return 7;
	return ask(context, raw_try_connect(context), NULL, "ranged") == EACCES ? 0 : 8;
}

static void
test_range_of_a_user_namespace(void **state)
{
	(void)state;
	assert_int_equal(act_as(NULL, use_a_range, &broker), 0);
	assert_undisturbed(&broker);
}

/* --- a broker in a user namespace ----------------------------------------------------------- */

/* Its root is root; the user that it knows as 65534 is another one's number outside. */
static int
confine_broker(void *context)
{
	(void)context;
	if (enter_mapped(CLONE_NEWUSER | CLONE_NEWNS, "0 0 61000\n65534 65533 1\n") < 0)
		return -1;
	return setgroups(0, NULL);
}

static void
test_peers_without_a_number(void **state)
{
	static const struct ids mapped = {.uid = MAPPED, .gid = MAPPED},
				group_unmapped = {
					.uid = MAPPED, .gid = G, .n_groups = 1, .groups = {G}};
	static const uid_t unmapped[] = {A, B, FIRST, 65533, OVERFLOW};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(unmapped); i++) {
		struct ids ids = {.uid = unmapped[i], .gid = MAPPED};

		assert_int_equal(ask_as(&broker, &ids, "any"), EACCES);
		assert_int_equal(ask_as(&broker, &ids, "overflow"), EACCES);
		assert_int_equal(ask_as(&broker, &ids, "a"), EACCES);
		assert_int_equal(ask_as(&broker, &ids, "root"), EACCES);
	}
	assert_int_equal(ask_as(&broker, &group_unmapped, "g"), EACCES);
	assert_int_equal(ask_as(&broker, &group_unmapped, "overflow"), EACCES);
	/* Who has a number here is served. */
	assert_int_equal(ask_as(&broker, &group_unmapped, "mapped"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &mapped, "mapped"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &mapped, "any"), ASK_GRANTED);
	assert_undisturbed(&broker);
}

/* The same clients and rules, and a broker that knows them all. */
static void
test_peers_with_a_number(void **state)
{
	(void)state;
	assert_int_equal(ask_as(&broker, &a, "any"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &a, "a"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = 65533, .gid = MAPPED}, "any"),
			 ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = MAPPED, .gid = G}, "g"), ASK_GRANTED);
	assert_undisturbed(&broker);
}

static void
test_a_broker_in_a_user_namespace(void **state)
{
	(void)state;
	harness_start_how(
		&broker,
		&(struct harness_how){.rules = rules, .files = files, .prepare = confine_broker});
}

static int
setup(void **state)
{
	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	assert_int_equal(ask_as(&broker, &a, "a"), ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &b, "b"), ASK_GRANTED);
	harness_know(&broker);
	return 0;
}

static int
run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_that_has_no_pid_here),
		cmocka_unit_test(test_peer_in_a_pid_namespace_below),
		cmocka_unit_test(test_root_of_a_user_namespace),
		cmocka_unit_test(test_root_of_a_user_and_pid_namespace),
		cmocka_unit_test(test_range_of_a_user_namespace),
		cmocka_unit_test(test_peers_with_a_number),
		cmocka_unit_test(harness_test_end),
		cmocka_unit_test(test_a_broker_in_a_user_namespace),
		cmocka_unit_test(test_peers_without_a_number),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/namespaces", tests, setup, harness_teardown);
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
	int wires[2], r;
	pid_t agent;

	if (geteuid() != 0)
		return cmocka_run_group_tests_name("attack/namespaces", none, NULL, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires) < 0)
		return 1;
	agent = fork();
	if (agent == 0) {
		close(wires[0]);
		stay_outside(wires[1]);
	}
	close(wires[1]);
	outside = wires[0];
	r = agent < 0 ? 1 : in_pid_namespace(run);
	close(outside);
	(void)waitpid(agent, NULL, 0);
	return r;
}
