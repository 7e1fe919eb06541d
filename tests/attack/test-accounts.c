/* SPDX-License-Identifier: MIT */
/*
 * One user as many uids: those of its range in /etc/subuid count as its own. Against a real broker
 * that sees an /etc/subuid of ours.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/people.h"

enum {
	OWNER = 61001,
	FIRST = 300000, /* of the owner's range */
	COUNT = 65536,
	STRANGERS = 310000, /* of the range too, and in no rule */
	WORKERS = 32,       /* an account may have */
	REFUSED = 4,        /* connections of an account that the refuser keeps */
	MANY = 40,
};

static char subuid[96];
static const char *const files[] = {"own", NULL};

static int
see_our_subuid(void *context)
{
	(void)context;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(subuid, "/etc/subuid", NULL, MS_BIND, NULL) < 0)
		return -1;
	return 0;
}

static void
write_range(void)
{
	char line[64];

	snprintf(line, sizeof(line), "%d:%d:%d\n", OWNER, FIRST, COUNT);
	write_file(subuid, line);
}

/* Each of these uids gets a connection, and asks; what it was told, and the connection. */
static void
ask_as_each(uid_t first, size_t n, int *sockets, int *told)
{
	for (size_t i = 0; i < n; i++) {
		const struct ids ids = {.uid = first + (uid_t)i, .gid = 61001};
		const struct ucred self = {.pid = getpid(), .uid = ids.uid, .gid = ids.gid};

		sockets[i] = connect_as(&broker, &ids);
		told[i] = ask(&broker, sockets[i], &self, "own");
	}
}

static size_t
count(const int *told, size_t n, int wanted)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += told[i] == wanted;
	return found;
}

static void
close_all(const int *sockets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(sockets[i]);
}

static void
test_workers_of_a_range(void **state)
{
	const size_t before = count_workers(&broker);
	int sockets[MANY], told[MANY], owner, owner_told, outside[3], outside_told[3];

	(void)state;
	if (needs_root())
		return;
	/* The owner's own worker is one of them. */
	ask_as_each(OWNER, 1, &owner, &owner_told);
	assert_int_equal(owner_told, ASK_GRANTED);
	ask_as_each(FIRST, MANY, sockets, told);
	assert_int_equal(count(told, MANY, ASK_GRANTED), WORKERS - 1);
	assert_int_equal(count(told, MANY, EBUSY), MANY - WORKERS + 1);
	/* Nor are those told who they are that are one too many. */
	assert_int_equal(ask_who(sockets[0], &(struct ucred){getpid(), FIRST, 61001}), 0);
	assert_int_equal(
		ask_who(sockets[MANY - 1], &(struct ucred){getpid(), FIRST + MANY - 1, 61001}),
		EBUSY);
	/* First come, first served. */
	assert_int_equal(count(told, WORKERS - 1, ASK_GRANTED), WORKERS - 1);
	assert_int_equal(count_workers(&broker), before + WORKERS);
	/* Next to the range, and elsewhere. */
	ask_as_each(FIRST - 1, 1, &outside[0], &outside_told[0]);
	ask_as_each(FIRST + COUNT, 1, &outside[1], &outside_told[1]);
	ask_as_each(OWNER + 1, 1, &outside[2], &outside_told[2]);
	assert_int_equal(count(outside_told, 3, ASK_GRANTED), 3);
	assert_served(&broker);
	/* The last of the range is in it. */
	close_all(outside, 3);
	ask_as_each(FIRST + COUNT - 1, 1, outside, outside_told);
	assert_int_equal(outside_told[0], EBUSY);
	/* Who has a worker comes in again. */
	close_all(outside, 1);
	ask_as_each(FIRST, 1, outside, outside_told);
	assert_int_equal(outside_told[0], ASK_GRANTED);
	close_all(outside, 1);
	close_all(sockets, MANY);
	close(owner);
	assert_undisturbed(&broker);
}

/* The refuser's connections are the account's as well: the oldest goes. */
static void
test_refused_of_a_range(void **state)
{
	int sockets[REFUSED + 1], told[REFUSED + 1], other, other_told;
	struct ucred self = {.pid = getpid(), .uid = STRANGERS, .gid = 61001};

	(void)state;
	if (needs_root())
		return;
	ask_as_each(STRANGERS + COUNT, 1, &other, &other_told);
	assert_int_equal(other_told, EACCES);
	ask_as_each(STRANGERS, REFUSED + 1, sockets, told);
	assert_int_equal(count(told, REFUSED + 1, EACCES), REFUSED + 1);
	assert_ended(sockets[0]);
	for (size_t i = 1; i <= REFUSED; i++) {
		self.uid = STRANGERS + (uid_t)i;
		assert_int_equal(ask(&broker, sockets[i], &self, "own"), EACCES);
	}
	self.uid = STRANGERS + COUNT;
	assert_int_equal(ask(&broker, other, &self, "own"), EACCES);
	close_all(sockets, REFUSED + 1);
	close(other);
	assert_undisturbed(&broker);
}

/* The same without a range: each is an account of its own. */
static void
test_without_a_range(void **state)
{
	int sockets[MANY], told[MANY];
	struct ucred self = {.pid = getpid(), .uid = STRANGERS, .gid = 61001};

	(void)state;
	if (needs_root())
		return;
	write_file(subuid, "");
	harness_reload(&broker);
	ask_as_each(FIRST, MANY, sockets, told);
	assert_int_equal(count(told, MANY, ASK_GRANTED), MANY);
	close_all(sockets, MANY);
	ask_as_each(STRANGERS, REFUSED + 1, sockets, told);
	assert_int_equal(ask(&broker, sockets[0], &self, "own"), EACCES);
	close_all(sockets, REFUSED + 1);
	/* One uid by itself is one account either way. */
	for (size_t i = 0; i <= REFUSED; i++)
		ask_as_each(STRANGERS, 1, &sockets[i], &told[i]);
	assert_ended(sockets[0]);
	close_all(sockets, REFUSED + 1);
	assert_undisturbed(&broker);
}

/* A file that is changed counts from the next reload on. */
static void
test_range_comes_back(void **state)
{
	(void)state;
	if (needs_root())
		return;
	write_range();
	harness_reload(&broker);
	test_workers_of_a_range(state);
}

static int
setup(void **state)
{
	static char rules[8192] = "allow user:61001|user:61002|user:299999|user:365535|user:365536";
	static char directory[64];
	size_t used = strlen(rules);

	(void)state;
	for (uid_t uid = FIRST; uid < FIRST + MANY; uid++)
		used += (size_t)snprintf(rules + used, sizeof(rules) - used, "|user:%u", uid);
	snprintf(rules + used, sizeof(rules) - used, " read @/who/own\n");
	make_directory(directory);
	snprintf(subuid, sizeof(subuid), "%s/subuid", directory);
	write_range();
	assert_return_code(chmod(subuid, 0644), errno);
	harness_start_how(&broker, &(struct harness_how){
					   .rules = rules,
					   .files = files,
					   .prepare = geteuid() == 0 ? see_our_subuid : NULL,
				   });
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers_of_a_range),
		cmocka_unit_test(test_refused_of_a_range),
		cmocka_unit_test(test_without_a_range),
		cmocka_unit_test(test_range_comes_back),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/accounts", tests, setup, harness_teardown);
}
