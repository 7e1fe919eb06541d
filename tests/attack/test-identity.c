/* SPDX-License-Identifier: MIT */
/*
 * Who speaks on a connection is who made it: forged credentials, connections that change hands,
 * processes that change their ids, against a real broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/people.h"

enum {
	A = 61001,
	B = 61002,
	G = 61010,
};

static const struct ids a = {.uid = A, .gid = A}, b = {.uid = B, .gid = B};
static const struct ids a_in_g = {.uid = A, .gid = A, .n_groups = 1, .groups = {G}};
static const char rules[] = "allow user:61001 read @/who/a\n"
			    "allow user:61002 read @/who/b\n"
			    "allow user:0 read @/who/root\n"
			    "allow group:61010 read @/who/g\n";
static const char *const files[] = {"a", "b", "root", "g", NULL};
static char b_path[128];

/* The connection is as good as it was, for the one who made it. */
static void
assert_still_served(int socket, const struct maker *maker, const char *name)
{
	/* We are root, and say what that process would. */
	assert_int_equal(ask(&broker, socket, &maker->credentials, name), ASK_GRANTED);
}

/* --- forged credentials --------------------------------------------------------------------- */

/* Each field by itself; whoever is not root is stopped by the kernel, root by the worker. */
static void
forge_each_field(int socket, struct ucred honest, int expected)
{
	struct ucred forged[] = {honest, honest, honest, honest, honest, honest, honest};

	forged[0].pid = 1;
	forged[1].pid = getppid();
	forged[2].uid = B;
	forged[3].uid = honest.uid == 0 ? A : 0;
	forged[4].gid = B;
	forged[5].gid = honest.gid == 0 ? A : 0;
	forged[6] = (struct ucred){.pid = 1, .uid = B, .gid = B};
	for (size_t i = 0; i < ELEMENTS(forged); i++) {
		assert_int_equal(ask(&broker, socket, &forged[i], "a"), expected);
		assert_int_equal(ask(&broker, socket, &forged[i], "b"), expected);
		assert_int_equal(ask(&broker, socket, &forged[i], "root"), expected);
	}
}

/* Requests of a connection of this process that were refused as a whole, as the log has them. */
static unsigned
count_records(pid_t pid)
{
	FILE *log = fopen(broker.log, "re");
	char line[4096], peer[32];
	unsigned n = 0;

	assert_non_null(log);
	snprintf(peer, sizeof(peer), " pid=%d ", pid);
	while (fgets(line, sizeof(line), log))
		n += strstr(line, "fdbroker: denied uid=0 gid=0 ") && strstr(line, peer) &&
		     strstr(line, " error=EACCES ") && strstr(line, " path=\"\"\n");
	fclose(log);
	return n;
}

static void
test_each_field_forged_by_root(void **state)
{
	struct ucred self = {.pid = getpid()};
	unsigned before = count_records(self.pid);
	int socket;

	(void)state;
	if (needs_root())
		return;
	socket = raw_connect(&broker);
	forge_each_field(socket, self, EACCES);
	/* Each is on record, as the connection's. */
	for (int i = 0; i < WAIT_SECONDS * 100 && count_records(self.pid) < before + 21; i++)
		sleep_ms(10);
	assert_int_equal(count_records(self.pid), before + 21);
	assert_int_equal(ask(&broker, socket, &self, "root"), ASK_GRANTED);
	assert_int_equal(ask(&broker, socket, NULL, "root"), ASK_GRANTED);
	close(socket);
	assert_undisturbed(&broker);
}

/* Root with another's connection: that very process's credentials are accepted, and no others. */
static void
test_root_forges_a_connections_own(void **state)
{
	struct maker maker;
	int socket;

	(void)state;
	if (needs_root())
		return;
	socket = connection_of(&broker, &a, &maker);
	assert_int_equal(ask(&broker, socket, NULL, "a"), EACCES);
	forge_each_field(socket, maker.credentials, EACCES);
	assert_still_served(socket, &maker, "a");
	/* And they are A's: nothing of root's comes with them. */
	assert_int_equal(ask(&broker, socket, &maker.credentials, "root"), EACCES);
	assert_int_equal(ask(&broker, socket, &maker.credentials, "b"), EACCES);
	close(socket);
	maker_end(&maker);
	assert_undisturbed(&broker);
}

/* What an ordinary user may claim, the kernel decides: nothing but the truth. */
static int
forge_as_user(void *context)
{
	const struct ucred self = {.pid = getpid(), .uid = A, .gid = A},
			   forged[] = {
				   {.pid = 1, .uid = 0, .gid = 0},
				   {.pid = 1, .uid = A, .gid = A},
				   {.pid = getppid(), .uid = A, .gid = A},
				   {.pid = getpid(), .uid = 0, .gid = A},
				   {.pid = getpid(), .uid = B, .gid = A},
				   {.pid = getpid(), .uid = A, .gid = 0},
				   {.pid = getpid(), .uid = A, .gid = G}, /* supplementary */
			   };
	int socket = raw_try_connect(context);

	for (size_t i = 0; i < ELEMENTS(forged); i++)
		if (ask(context, socket, &forged[i], "a") != ASK_KERNEL + EPERM)
			return (int)(i + 1);
	return ask(context, socket, &self, "a") == ASK_GRANTED ? 0 : 100;
}

static void
test_each_field_forged_by_a_user(void **state)
{
	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(&a_in_g, forge_as_user, &broker), 0);
	assert_undisturbed(&broker);
}

/* --- a connection that changes hands -------------------------------------------------------- */

struct handed {
	int socket;
	struct ucred owner;
};

/* What whoever else holds the connection can try. */
static int
misuse(void *context)
{
	const struct handed *handed = context;
	const struct ucred self = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
	struct ucred with_pid = handed->owner, with_ids = self;

	with_pid.pid = getpid();
	with_ids.pid = handed->owner.pid;
	if (ask(&broker, handed->socket, NULL, "a") != EACCES)
		return 1;
	if (ask(&broker, handed->socket, &self, "a") != EACCES)
		return 2;
	if (ask(&broker, handed->socket, &self, "b") != EACCES)
		return 3;
	if (ask(&broker, handed->socket, &handed->owner, "a") != ASK_KERNEL + EPERM)
		return 4;
	if (ask(&broker, handed->socket, &with_ids, "a") != ASK_KERNEL + EPERM)
		return 5;
	/* For another process of the same user this is the truth, and not enough. */
	if (ask(&broker, handed->socket, &with_pid, "a") !=
	    (getuid() == handed->owner.uid ? EACCES : ASK_KERNEL + EPERM))
		return 6;
	/* Nor is it told whose it is, and what that one may. */
	if (ask_who(handed->socket, NULL) != EACCES || ask_who(handed->socket, &self) != EACCES)
		return 7;
	return 0;
}

static void
hand_to(const struct ids *ids)
{
	struct maker maker;
	struct handed handed = {.socket = connection_of(&broker, &a, &maker)};

	handed.owner = maker.credentials;
	assert_still_served(handed.socket, &maker, "a");
	assert_int_equal(ask_who(handed.socket, &maker.credentials), 0);
	assert_int_equal(act_as(ids, misuse, &handed), 0);
	assert_still_served(handed.socket, &maker, "a");
	maker_end(&maker);
	/* Nobody becomes its owner when that one is gone. */
	assert_int_equal(act_as(ids, misuse, &handed), 0);
	close(handed.socket);
	assert_undisturbed(&broker);
}

static void
test_handed_to_another_uid(void **state)
{
	(void)state;
	if (needs_root())
		return;
	hand_to(&b);
	assert_int_equal(ask_as(&broker, &b, "b"), ASK_GRANTED);
}

static void
test_handed_to_the_same_uid(void **state)
{
	(void)state;
	if (needs_root())
		return;
	hand_to(&a);
	assert_int_equal(ask_as(&broker, &a, "a"), ASK_GRANTED);
}

static int
ask_only(void *context)
{
	return ask(&broker, ((const struct handed *)context)->socket, NULL, "a");
}

static void *
ask_in_thread(void *context)
{
	return (void *)(intptr_t)ask_only(context);
}

static int
fork_and_ask(void *context)
{
	struct handed handed = {.socket = raw_try_connect(context)};
	pthread_t thread;
	void *result;
	int status = -1;
	pid_t pid;

	if (ask_only(&handed) != ASK_GRANTED)
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(ask_only(&handed));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != EACCES)
		return 2;
	/* A thread is the same process. */
	if (pthread_create(&thread, NULL, ask_in_thread, &handed) != 0 ||
	    pthread_join(thread, &result) != 0 || (intptr_t)result != ASK_GRANTED)
		return 3;
	return ask_only(&handed) == ASK_GRANTED ? 0 : 4;
}

static void
test_inherited_over_fork(void **state)
{
	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(&a, fork_and_ask, &broker), 0);
	assert_undisturbed(&broker);
}

/* A connection is the process's, whatever program it runs; and not its child's. */
static int
ask_after_exec(void *context)
{
	const bool in_child = *(const bool *)context;
	int socket = raw_try_connect(&broker), status;
	char number[16];

	snprintf(number, sizeof(number), "%d", socket);
	if (socket < 0 || fcntl(socket, F_SETFD, 0) < 0)
		return ASK_BROKEN;
	if (in_child) {
		pid_t pid = fork();

		if (pid > 0)
			return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
				       ? WEXITSTATUS(status)
				       : ASK_BROKEN;
	}
	execl("/proc/self/exe", "test-identity", "--ask", number, broker.directory, NULL);
	return ASK_BROKEN;
}

static void
test_kept_across_exec(void **state)
{
	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(&a, ask_after_exec, &(bool){false}), ASK_GRANTED);
	assert_int_equal(act_as(&a, ask_after_exec, &(bool){true}), EACCES);
	assert_undisturbed(&broker);
}

/* --- a process that changes its ids --------------------------------------------------------- */

/* Effective ids are A's, and root can be had back. */
static int
be_a_for_now(void)
{
	return setgroups(0, NULL) < 0 || setresgid(A, A, 0) < 0 || setresuid(A, A, 0) < 0;
}

static int
change_uid(void *context)
{
	struct ucred claim = {.pid = getpid(), .uid = A, .gid = A};
	int socket;

	if (be_a_for_now())
		return 1;
	socket = raw_try_connect(context);
	if (ask(context, socket, &claim, "a") != ASK_GRANTED)
		return 2;
	/* Only effective: what the library would say. Who is still A by another id may say so. */
	if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresuid(A, B, 0) < 0)
		return 3;
	claim.uid = B;
	if (ask(context, socket, &claim, "a") != EACCES ||
	    ask(context, socket, &claim, "b") != EACCES)
		return 4;
	claim.uid = A;
	if (ask(context, socket, &claim, "a") != ASK_GRANTED ||
	    ask(context, socket, NULL, "a") != ASK_GRANTED)
		return 5;
	/* Root again, for a moment. */
	if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0)
		return 6;
	claim.uid = 0;
	if (ask(context, socket, &claim, "a") != EACCES ||
	    ask(context, socket, &claim, "root") != EACCES)
		return 7;
	/* Wholly another. */
	if (setresuid(B, B, B) < 0)
		return 8;
	claim.uid = A;
	if (ask(context, socket, &claim, "a") != ASK_KERNEL + EPERM)
		return 9;
	claim.uid = B;
	if (ask(context, socket, &claim, "a") != EACCES ||
	    ask(context, socket, NULL, "b") != EACCES)
		return 10;
	close(socket);
	/* What it is now, on a connection of its own. */
	socket = raw_try_connect(context);
	claim.gid = getegid();
	return ask(context, socket, &claim, "b") == ASK_GRANTED ? 0 : 11;
}

static int
change_gid(void *context)
{
	struct ucred claim = {.pid = getpid(), .uid = A, .gid = A};
	int socket;

	if (be_a_for_now())
		return 1;
	socket = raw_try_connect(context);
	if (ask(context, socket, &claim, "a") != ASK_GRANTED)
		return 2;
	if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresgid(A, B, 0) < 0 ||
	    setresuid((uid_t)-1, A, (uid_t)-1) < 0)
		return 3;
	claim.gid = B;
	if (ask(context, socket, &claim, "a") != EACCES)
		return 4;
	claim.gid = A;
	if (ask(context, socket, NULL, "a") != ASK_GRANTED)
		return 5;
	if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresgid(G, G, G) < 0 ||
	    setresuid(A, A, A) < 0)
		return 6;
	if (ask(context, socket, &claim, "a") != ASK_KERNEL + EPERM ||
	    ask(context, socket, NULL, "a") != EACCES || ask(context, socket, NULL, "g") != EACCES)
		return 7;
	/* A new connection has the new group. */
	socket = raw_try_connect(context);
	return ask(context, socket, NULL, "g") == ASK_GRANTED &&
			       ask(context, socket, NULL, "a") == ASK_GRANTED
		       ? 0
		       : 8;
}

/* The library says the effective ids, which are the connection's; without it the kernel says the real. */
static int
use_library(void *context)
{
	int socket, fd;

	(void)context;
	if (setgroups(0, NULL) < 0 || setresgid(A, B, B) < 0 || setresuid(A, B, B) < 0 ||
	    setenv("FDBROKER_SOCKET", broker.socket, 1) < 0)
		return 1;
	socket = raw_try_connect(&broker);
	if (ask(&broker, socket, NULL, "b") != EACCES)
		return 2;
	fd = broker_open(b_path, O_RDONLY);
	return fd >= 0 ? 0 : 3;
}

static void
test_library_says_effective_ids(void **state)
{
	(void)state;
	if (needs_root())
		return;
	snprintf(b_path, sizeof(b_path), "%s/who/b", broker.directory);
	assert_int_equal(act_as(NULL, use_library, NULL), 0);
	assert_undisturbed(&broker);
}

static void
test_kept_across_setuid(void **state)
{
	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(NULL, change_uid, &broker), 0);
	assert_undisturbed(&broker);
}

static void
test_kept_across_setgid(void **state)
{
	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(NULL, change_gid, &broker), 0);
	assert_undisturbed(&broker);
}

/* Groups are those of the moment of connect: one that is dropped is kept, one that comes is not had. */
static int
change_groups(void *context)
{
	const gid_t group = G;
	const struct ucred claim = {.pid = getpid(), .uid = A, .gid = A};
	int with, without;

	if (setgroups(1, &group) < 0 || setresgid(A, A, 0) < 0 || setresuid(A, A, 0) < 0)
		return 1;
	with = raw_try_connect(context);
	if (ask(context, with, &claim, "g") != ASK_GRANTED)
		return 2;
	if (seteuid(0) < 0 || setgroups(0, NULL) < 0 || seteuid(A) < 0)
		return 3;
	without = raw_try_connect(context);
	if (ask(context, with, &claim, "g") != ASK_GRANTED)
		return 4;
	if (ask(context, without, &claim, "g") != EACCES)
		return 5;
	if (seteuid(0) < 0 || setgroups(1, &group) < 0 || seteuid(A) < 0)
		return 6;
	if (ask(context, without, &claim, "g") != EACCES ||
	    ask(context, without, &claim, "a") != ASK_GRANTED)
		return 7;
	close(without);
	without = raw_try_connect(context);
	return ask(context, without, &claim, "g") == ASK_GRANTED ? 0 : 8;
}

static void
test_groups_changed_after_connect(void **state)
{
	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(NULL, change_groups, &broker), 0);
	assert_undisturbed(&broker);
}

static int
setup(void **state)
{
	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	if (geteuid() == 0) {
		assert_int_equal(ask_as(&broker, &a, "a"), ASK_GRANTED);
		assert_int_equal(ask_as(&broker, &b, "b"), ASK_GRANTED);
		harness_know(&broker);
	}
	return 0;
}

/* The same program, executed by one that has a connection. */
static int
ask_inherited(char **arguments)
{
	struct harness h = {};

	snprintf(h.directory, sizeof(h.directory), "%s", arguments[1]);
	return ask(&h, (int)strtol(arguments[0], NULL, 10), NULL, "a");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_field_forged_by_root),
		cmocka_unit_test(test_root_forges_a_connections_own),
		cmocka_unit_test(test_each_field_forged_by_a_user),
		cmocka_unit_test(test_handed_to_another_uid),
		cmocka_unit_test(test_handed_to_the_same_uid),
		cmocka_unit_test(test_inherited_over_fork),
		cmocka_unit_test(test_kept_across_exec),
		cmocka_unit_test(test_library_says_effective_ids),
		cmocka_unit_test(test_kept_across_setuid),
		cmocka_unit_test(test_kept_across_setgid),
		cmocka_unit_test(test_groups_changed_after_connect),
		cmocka_unit_test(harness_test_end),
	};

	if (argc == 4 && strcmp(argv[1], "--ask") == 0)
		return ask_inherited(argv + 2);
	return cmocka_run_group_tests_name("attack/identity", tests, setup, harness_teardown);
}
