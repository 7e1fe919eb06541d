/* SPDX-License-Identifier: MIT */
/*
 * Who a rule names, with real processes: ids, groups, how many of them, who shares a worker; against
 * a real broker.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/people.h"

enum {
	A = 61001,
	B = 61002,
	C = 61003,
	G = 61010,
	H = 61011,
	OVERFLOW = 65534, /* what the kernel shows for an id that has no number here */
	GROUPS_SERVED = 1024,
	GROUPS_KERNEL = 65534, /* as many as it takes, but for two */
};

static const char rules[] = "allow user:61001 read @/who/user\n"
			    "allow group:61010 read @/who/group\n"
			    "allow user:61001+group:61010 read @/who/both\n"
			    "allow any read @/who/any\n"
			    "allow user:65535|user:4294967294|user:0 read @/who/number\n"
			    "allow user:65534|group:65534 read @/who/overflow\n";
static const char *const files[] = {"user", "group", "both", "any", "number", "overflow", NULL};

/* Of each line what that process gets: its column is the file, - EACCES. */
static const struct {
	struct ids ids;
	char granted[7];
} people[] = {
	/*                                  UGBANO */
	{{A, A, 0, {}}, "U--A--"},
	{{A, G, 0, {}}, "UGBA--"},
	{{A, A, 1, {G}}, "UGBA--"},
	{{A, A, 2, {H, G}}, "UGBA--"},
	{{A, H, 1, {H}}, "U--A--"},
	{{A, G, 1, {G}}, "UGBA--"},
	{{B, B, 0, {}}, "---A--"},
	{{B, A, 1, {A}}, "---A--"}, /* a group of the same number as a user */
	{{B, G, 0, {}}, "-G-A--"},
	{{B, B, 1, {G}}, "-G-A--"},
	{{B, H, 3, {1, G, 99999}}, "-G-A--"},
	{{C, 0, 1, {0}}, "---A--"}, /* root's group is not root */
	{{0, 0, 0, {}}, "---AN-"},
	{{0, G, 0, {}}, "-G-AN-"},
	{{65533, 65533, 0, {}}, "---A--"},
	{{65535, 65535, 1, {65533}}, "---AN-"},
	{{4294967294, 4294967294, 0, {}}, "---AN-"},
	{{A + 65536, G + 65536, 0, {}}, "---A--"}, /* more than sixteen bits count */
	/* Not even `any` is for a user without a number; a group without one is none. */
	{{OVERFLOW, OVERFLOW, 0, {}}, "------"},
	{{OVERFLOW, G, 1, {G}}, "------"},
	{{A, OVERFLOW, 0, {}}, "U--A--"},
	{{A, OVERFLOW, 2, {OVERFLOW, G}}, "UGBA--"},
	{{B, OVERFLOW, 1, {OVERFLOW}}, "---A--"},
};

static void
test_atoms(void **state)
{
	bool wrong = false;

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(people); i++) {
		for (size_t f = 0; files[f]; f++) {
			int wanted = people[i].granted[f] != '-' ? ASK_GRANTED : EACCES,
			    got = ask_as(&broker, &people[i].ids, files[f]);

			if (got != wanted)
				printf("# uid %u gid %u groups %zu, file %s: %d, not %d\n",
				       people[i].ids.uid, people[i].ids.gid, people[i].ids.n_groups,
				       files[f], got, wanted);
			wrong |= got != wanted;
		}
	}
	assert_false(wrong);
	assert_undisturbed(&broker);
}

/* --- who shares a worker -------------------------------------------------------------------- */

/* Two processes on two connections; then this many workers serve the uid. */
static void
assert_workers(struct ids ids, const char *name, size_t n)
{
	struct worker_seen seen[8];

	for (int i = 0; i < 2; i++)
		assert_int_equal(ask_as(&broker, &ids, name), ASK_GRANTED);
	assert_int_equal(workers_of(&broker, ids.uid, seen, ELEMENTS(seen)), n);
}

static void
test_who_shares_a_worker(void **state)
{
	const uid_t uid = B;
	struct worker_seen before[8], after[8];
	size_t others, twice = 0, n = 0;

	(void)state;
	if (needs_root())
		return;
	harness_reload(&broker);
	others = count_workers(&broker);

	assert_workers((struct ids){uid, uid, 1, {G}}, "group", ++n);
	assert_workers((struct ids){uid, uid, 1, {G}}, "group", n);
	/* Other groups, although no rule names them; the order in which they were set is none. */
	assert_workers((struct ids){uid, uid, 2, {G, H}}, "group", ++n);
	assert_workers((struct ids){uid, uid, 2, {H, G}}, "group", n);
	assert_workers((struct ids){uid, G, 1, {G}}, "group", ++n);
	/* As many of them, of the same rules. */
	assert_workers((struct ids){uid, uid, 2, {G, H + 1}}, "group", ++n);
	assert_int_equal(workers_of(&broker, uid, before, 8), n);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(before[i].pid, before[j].pid);
		/* In what order is the table's matter: places become free as workers of before end. */
		assert_true(before[i].connections == 2 || before[i].connections == 4);
		twice += before[i].connections == 4;
	}
	assert_int_equal(twice, 2);
	/* Another uid, of the very same groups. */
	assert_workers((struct ids){C, uid, 1, {G}}, "group", 1);
	assert_workers((struct ids){A, uid, 1, {G}}, "group", 1);
	assert_int_equal(workers_of(&broker, uid, after, 8), n);
	assert_memory_equal(before, after, n * sizeof(before[0]));
	assert_int_equal(count_workers(&broker), others + n + 2);
	/* Those whom only `any` reaches share one, and it is nobody's own. */
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = 61020, .gid = 61020}, "any"),
			 ASK_GRANTED);
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = 61021, .gid = 61021}, "any"),
			 ASK_GRANTED);
	assert_int_equal(count_workers(&broker), others + n + 3);
	assert_int_equal(workers_of(&broker, 61020, after, 8), 0);
	/* Those who get nothing have none. */
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = OVERFLOW, .gid = OVERFLOW}, "any"),
			 EACCES);
	assert_int_equal(workers_of(&broker, OVERFLOW, after, 8), 0);
	assert_undisturbed(&broker);
}

/* --- many groups ---------------------------------------------------------------------------- */

struct crowd {
	uid_t uid;
	size_t n;
	const char *name;
	bool for_ever;
};

/* A process with n groups, the last of which is in the policy. */
static int
ask_with_groups(void *context)
{
	const struct crowd *crowd = context;
	static gid_t groups[GROUPS_KERNEL];
	int r;

	for (size_t i = 0; i < crowd->n; i++)
		groups[i] = (gid_t)(100000 + i);
	groups[crowd->n - 1] = G;
	if (setgroups(crowd->n, groups) < 0 || setresgid(crowd->uid, crowd->uid, crowd->uid) < 0 ||
	    setresuid(crowd->uid, crowd->uid, crowd->uid) < 0)
		return ASK_BROKEN;
	do {
		int fd = raw_try_connect(&broker);

		r = fd < 0 ? ASK_KERNEL - fd : ask(&broker, fd, NULL, crowd->name);
		close(fd);
	} while (crowd->for_ever && r == EACCES);
	return r;
}

static void
test_number_of_groups(void **state)
{
	static const struct {
		size_t n;
		int result;
	} counts[] = {
		{1, ASK_GRANTED},
		{GROUPS_SERVED - 1, ASK_GRANTED},
		{GROUPS_SERVED, ASK_GRANTED},
		{GROUPS_SERVED + 1, EACCES},
		{2 * GROUPS_SERVED, EACCES},
		{GROUPS_KERNEL, EACCES},
	};

	(void)state;
	if (needs_root())
		return;
	/* Who has too many has no part of the rules either that name no group. */
	for (size_t i = 0; i < 2 * ELEMENTS(counts); i++)
		assert_int_equal(act_as(NULL, ask_with_groups,
					&(struct crowd){.uid = B,
							.n = counts[i / 2].n,
							.name = i % 2 ? "any" : "group"}),
				 counts[i / 2].result);
	assert_undisturbed(&broker);
}

enum {
	LATENCIES = 400,
};

static int
compare(const void *one, const void *other)
{
	double x = *(const double *)one, y = *(const double *)other;

	return (x > y) - (x < y);
}

/* Connect and first answer, as another uid, in microseconds, sorted. */
static int
measure(void *context)
{
	double *us = context;

	for (size_t i = 0; i < LATENCIES; i++) {
		double begin;
		int fd, r;

		/* Not where the one before ended: that is when the broker has time. */
		sleep_ms(1);
		begin = seconds_now();
		fd = raw_try_connect(&broker);
		r = ask(&broker, fd, NULL, "user");
		us[i] = (seconds_now() - begin) * 1e6;
		close(fd);
		if (r != ASK_GRANTED)
			return 1;
	}
	qsort(us, LATENCIES, sizeof(us[0]), compare);
	return 0;
}

static double
median_of(const char *when)
{
	const size_t size = LATENCIES * sizeof(double);
	double *us = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	       median;

	assert_ptr_not_equal(us, MAP_FAILED);
	assert_int_equal(act_as(&(struct ids){.uid = A, .gid = A}, measure, us), 0);
	median = us[LATENCIES / 2];
	printf("# %s: connect and first answer %.0f us (median), %.0f (99 of 100), %.0f (most)\n",
	       when, median, us[LATENCIES * 99 / 100], us[LATENCIES - 1]);
	munmap(us, size);
	return median;
}

/* What it would be if each of those connections cost the broker as much as asking for all groups. */
static int
hold_up(void *context)
{
	for (;;) {
		kill(*(const pid_t *)context, SIGSTOP);
		sleep_ms(4);
		kill(*(const pid_t *)context, SIGCONT);
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	return 0;
}

static void
end(pid_t pid)
{
	assert_return_code(kill(pid, SIGKILL), errno);
	assert_int_equal(act_end(pid), 255);
}

static void
test_latency_beside_many_groups(void **state)
{
	double alone = 0, beside = 0, held_up;
	unsigned long refused;
	bool kept = false;
	pid_t pid;

	(void)state;
	if (needs_root())
		return;
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = A, .gid = A}, "user"), ASK_GRANTED);
	for (int round = 0; round < 3 && !kept; round++) {
		alone = median_of("alone");
		refused = status_number(&broker, "refused");
		pid = act_begin(
			NULL, ask_with_groups,
			&(struct crowd){
				.uid = B, .n = GROUPS_KERNEL, .name = "group", .for_ever = true});
		for (int i = 0; status_number(&broker, "refused") < refused + 100; i++) {
			assert_true(i < WAIT_SECONDS * 100);
			sleep_ms(10);
		}
		beside = median_of("beside one with 65,534 groups");
		end(pid);
		printf("# %lu of that one's were refused meanwhile\n",
		       status_number(&broker, "refused") - refused);
		/* It takes its share of two processors, and of the broker's turns. */
		kept = beside < 3 * alone + 300;
	}
	assert_true(kept);
	pid = act_begin(NULL, hold_up, &broker.pid);
	held_up = median_of("counter-check, a broker that is held up 4 ms at a time");
	end(pid);
	assert_return_code(kill(broker.pid, SIGCONT), errno);
	assert_false(held_up < 3 * alone + 300);
	assert_undisturbed(&broker);
}

static int
setup(void **state)
{
	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_atoms),
		cmocka_unit_test(test_who_shares_a_worker),
		cmocka_unit_test(test_number_of_groups),
		cmocka_unit_test(test_latency_beside_many_groups),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/atoms", tests, setup, harness_teardown);
}
