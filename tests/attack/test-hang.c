/* SPDX-License-Identifier: MIT */
/*
 * File systems that do not answer: for a name, for an open, for the directory that a rule begins with.
 * The server is the tests' own. Whoever asks there waits, and nobody else does; when it answers, or
 * dies, nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/fuse.h"
#include "tests/people.h"

enum {
	NEIGHBOUR = 61040,
	MOST = 4, /* workers of an identity */
	CLIENTS_MOST = 256,
	EVERY_MS = 200,
	SOON_MS = 500,
	LONG_SECONDS = 60,
	RELOAD_SECONDS = 7,  /* two, and time for the rest; without the reload it is ten */
	NEIGHBOUR_MS = 2000, /* one that waited would wait for 5000 */
};

struct scene {
	const char *name;
	uid_t uid;
	unsigned hangs;
	const char *prefix; /* within the file system */
	bool shared;        /* only a rule for any reaches it */
	struct fuse fuse;
	char directory[96];
	unsigned next; /* name that nobody has asked for */
	size_t n;
	pid_t plain, clients[CLIENTS_MOST];
};

static struct scene
	lookup = {.name = "lookup", .uid = 61041, .hangs = FUSE_HANGS_LOOKUP},
	opening = {.name = "opening", .uid = 61042, .hangs = FUSE_HANGS_OPEN},
	prefix = {.name = "prefix", .uid = 61043, .hangs = FUSE_HANGS_LOOKUP, .prefix = "/d1"},
	everybody = {.name = "everybody", .uid = 61045, .hangs = FUSE_HANGS_LOOKUP, .shared = true},
	dying = {.name = "dying", .uid = 61044, .hangs = FUSE_HANGS};
static struct scene *const scenes[] = {&lookup, &opening, &prefix, &everybody, &dying};

static char place[64];

/* Another user, who opens a file all the time. */
static struct {
	_Atomic unsigned n, wrong, most_ms;
	_Atomic int64_t since; /* milliseconds: when the present one began; 0: none */
} * neighbour;
static pid_t neighbour_pid;

/* --- what can be seen from outside ------------------------------------------------------------ */

/* Children of the broker whose command line has this in it. */
static size_t
count_children(const char *words)
{
	char path[64], line[256];
	FILE *children, *one;
	size_t n = 0;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker.pid, broker.pid);
	children = fopen(path, "re");
	assert_non_null(children);
	while (fscanf(children, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		one = fopen(path, "re");
		if (one && fgets(line, sizeof(line), one))
			n += strstr(line, words) != NULL;
		if (one)
			fclose(one);
	}
	fclose(children);
	return n;
}

static size_t
workers(const struct scene *s)
{
	char title[64];

	snprintf(title, sizeof(title), "fdbroker-worker: uid %u", s->uid);
	return count_children(s->shared ? "fdbroker-worker: any" : title);
}

/* Children that serve none of the scenes: a worker of one that is over ends when it was idle for a minute. */
static size_t
count_others(void)
{
	size_t n = count_children("");

	for (size_t i = 0; i < ELEMENTS(scenes); i++)
		n -= workers(scenes[i]);
	return n;
}

/* As proc_pid_stat(5) has it; 0: there is no such process. */
static char
state_of(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state;
}

static size_t
count_lines(const char *path, const char *words)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, words) != NULL;
	fclose(file);
	return n;
}

/* Of this mount namespace, which is the broker's too. */
static size_t
count_mounts(void)
{
	return count_lines("/proc/self/mountinfo", "");
}

/* --- who asks ------------------------------------------------------------------------------------ */

struct wish {
	char path[160];
	unsigned ms; /* 0: for as long as the library waits */
};

static int
wish_for(void *context)
{
	const struct wish *wish = context;
	const struct itimerval timer = {
		.it_value = {.tv_sec = wish->ms / 1000, .tv_usec = wish->ms % 1000 * 1000}};
	int fd;

	setenv("FDBROKER_SOCKET", broker.socket, 1);
	/* SIGALRM ends a process that waits: 255. */
	setitimer(ITIMER_REAL, &timer, NULL);
	fd = broker_open(wish->path, O_RDONLY);
	return fd < 0 ? errno : 0;
}

static int
open_plainly(void *context)
{
	const struct wish *wish = context;
	int fd = open(wish->path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static struct wish
a_fresh_name(struct scene *s)
{
	struct wish wish = {};

	snprintf(wish.path, sizeof(wish.path), "%s%s/%u", s->directory, s->prefix ?: "", s->next++);
	return wish;
}

/* A client that asks for what hangs. */
static void
begin_client(struct scene *s)
{
	const struct ids ids = {.uid = s->uid, .gid = s->uid};
	struct wish wish = a_fresh_name(s);

	assert_true(s->n < CLIENTS_MOST);
	s->clients[s->n++] = act_begin(&ids, wish_for, &wish);
}

/* One that asks for what does not. */
static int
ask_elsewhere(const struct scene *s, unsigned ms)
{
	const struct ids ids = {.uid = s->uid, .gid = s->uid};
	struct wish wish = {.ms = ms};

	memcpy(wish.path, broker.file, sizeof(broker.file));
	return act_as(&ids, wish_for, &wish);
}

static int64_t
ms_now(void)
{
	return (int64_t)(seconds_now() * 1000);
}

static int
open_all_the_time(void *context)
{
	(void)context;
	setenv("FDBROKER_SOCKET", broker.socket, 1);
	for (;;) {
		unsigned ms;
		int fd;

		atomic_store(&neighbour->since, ms_now());
		fd = broker_open(broker.file, O_RDONLY);
		ms = (unsigned)(ms_now() - atomic_load(&neighbour->since));
		neighbour->n++;
		neighbour->wrong += fd < 0;
		if (ms > neighbour->most_ms)
			neighbour->most_ms = ms;
		close(fd);
		sleep_ms(1);
	}
	return 0;
}

static void
stop_neighbour(void)
{
	if (neighbour_pid > 0) {
		kill(neighbour_pid, SIGKILL);
		waitpid(neighbour_pid, NULL, 0);
	}
	neighbour_pid = 0;
}

static void
until(double end)
{
	assert_true(seconds_now() < end);
	sleep_ms(10);
}

/* --- what happens -------------------------------------------------------------------------------- */

/* From here on it hangs: without a broker too, and the worker of the first who asks. Its pid. */
static pid_t
begin(struct scene *s)
{
	const double end = seconds_now() + WAIT_SECONDS;
	struct wish wish = a_fresh_name(s);
	const unsigned fresh = s->prefix ? 1 : 2;
	pid_t worker;

	neighbour->n = neighbour->most_ms = 0;
	fuse_hang(&s->fuse, s->hangs);
	s->plain = act_begin(NULL, open_plainly, &wish);
	while (fuse_kept(&s->fuse) < 1)
		until(end);
	begin_client(s);
	/* Of one name there is one request, whoever asks. */
	while (fuse_kept(&s->fuse) < fresh || workers(s) < 1)
		until(end);
	worker = worker_of(&broker, s->uid);
	assert_true(worker > 0 || s->shared);
	return worker;
}

/* Another worker serves those who ask for something else. */
static void
assert_next_is_served(const struct scene *s, pid_t hanging)
{
	const double begun = seconds_now(), end = begun + WAIT_SECONDS;
	int r, lost = 0;

	while ((r = ask_elsewhere(s, SOON_MS)) == 255) {
		lost++;
		if (seconds_now() > end)
			fail_msg("%s: nobody else is served", s->name);
	}
	assert_int_equal(r, 0);
	printf("# %s: served after %.1f s; %d were given to the one that hangs\n", s->name,
	       seconds_now() - begun, lost);
	assert_int_equal(workers(s), 2);
	assert_int_not_equal(worker_of(&broker, s->uid), hanging);
	assert_true(state_of(hanging) == 'D' || state_of(hanging) == 'S');
}

/* As many workers hang as there may be; then it is EBUSY, at once. */
static void
hang_all(struct scene *s)
{
	const double end = seconds_now() + LONG_SECONDS;
	const unsigned fresh = s->prefix ? 1 : 1 + MOST;
	int r;

	while (workers(s) < MOST || fuse_kept(&s->fuse) < fresh) {
		begin_client(s);
		sleep_ms(EVERY_MS);
		assert_true(workers(s) <= MOST);
		until(end);
	}
	while ((r = ask_elsewhere(s, SOON_MS)) == 255)
		until(end);
	assert_int_equal(r, EBUSY);
	assert_int_equal(workers(s), MOST);
	assert_int_equal(fuse_kept(&s->fuse), fresh);
	printf("# %s: %d workers hang, %zu clients wait\n", s->name, MOST, s->n);
}

/* Nobody is given anything; the first one has waited for as long as the library does. */
static void
assert_clients_time_out(struct scene *s)
{
	for (size_t i = 0; i < s->n; i++) {
		int r = act_end(s->clients[i]);

		assert_true(r == ETIMEDOUT || (i > 0 && r == EBUSY));
	}
	s->n = 0;
}

static void
assert_neighbour_undisturbed(const struct scene *s)
{
	printf("# %s: the neighbour opened %u times, in at most %u ms\n", s->name, neighbour->n,
	       neighbour->most_ms);
	assert_true(neighbour->n > 0);
	assert_int_equal(neighbour->wrong, 0);
	assert_true(neighbour->most_ms < NEIGHBOUR_MS);
	assert_true(ms_now() - atomic_load(&neighbour->since) < NEIGHBOUR_MS);
}

/*
 * Nothing is left, and all is as before; one worker serves.
 */
static void
assert_over(const struct scene *s, size_t others)
{
	const double end = seconds_now() + LONG_SECONDS;

	/* Who was never noticed goes on. */
	while (workers(s) > 1 || has_draining(&broker))
		until(end);
	assert_int_equal(ask_elsewhere(s, 0), 0);
	assert_int_equal(workers(s), 1);
	while (count_others() != others)
		until(end);
	assert_undisturbed(&broker);
}

static void
test_a_lookup(void **state)
{
	const size_t others = count_others(), mounts = count_mounts();
	const double end = seconds_now() + LONG_SECONDS;
	pid_t first;
	int r;

	(void)state;
	first = begin(&lookup);
	assert_next_is_served(&lookup, first);
	hang_all(&lookup);
	assert_clients_time_out(&lookup);
	/* The broker has lost patience, and the file system holds them all the same. */
	while (count_lines(broker.log, "did not finish in time") < MOST)
		until(end);
	assert_int_equal(state_of(first), 'D');
	assert_int_equal(workers(&lookup), MOST);
	r = ask_elsewhere(&lookup, 0);
	assert_int_equal(r, EBUSY);
	assert_neighbour_undisturbed(&lookup);
	fuse_hang(&lookup.fuse, 0);
	assert_int_equal(act_end(lookup.plain), 0);
	assert_over(&lookup, others);
	assert_int_equal(count_mounts(), mounts);
}

static void
test_an_open(void **state)
{
	const size_t others = count_others(), mounts = count_mounts();
	pid_t first;

	(void)state;
	first = begin(&opening);
	assert_next_is_served(&opening, first);
	assert_clients_time_out(&opening);
	assert_neighbour_undisturbed(&opening);
	fuse_hang(&opening.fuse, 0);
	assert_int_equal(act_end(opening.plain), 0);
	assert_over(&opening, others);
	/* Not killed: it came back in time. */
	assert_int_equal(state_of(first), 0);
	assert_int_equal(count_mounts(), mounts);
}

/* In the first phase of a worker: nobody of that identity can be served. */
static void
test_a_prefix(void **state)
{
	const size_t others = count_others(), mounts = count_mounts();

	(void)state;
	(void)begin(&prefix);
	assert_int_equal(count_starting(&broker), 1);
	hang_all(&prefix);
	assert_clients_time_out(&prefix);
	assert_neighbour_undisturbed(&prefix);
	fuse_hang(&prefix.fuse, 0);
	assert_int_equal(act_end(prefix.plain), 0);
	assert_over(&prefix, others);
	assert_int_equal(count_mounts(), mounts);
}

/* The worker that everybody shares is no exception. */
static void
test_any(void **state)
{
	const size_t others = count_others();

	(void)state;
	(void)begin(&everybody);
	hang_all(&everybody);
	assert_clients_time_out(&everybody);
	assert_neighbour_undisturbed(&everybody);
	fuse_hang(&everybody.fuse, 0);
	assert_int_equal(act_end(everybody.plain), 0);
	assert_over(&everybody, others);
}

/* With an old policy nobody has longer than two seconds. */
static void
assert_reload_ends_it(const struct scene *s)
{
	const size_t killed = count_lines(broker.log, "did not finish in time");
	const unsigned long generation = status_number(&broker, "generation");
	const double end = seconds_now() + RELOAD_SECONDS;

	assert_return_code(kill(broker.pid, SIGHUP), errno);
	while (status_number(&broker, "generation") == generation ||
	       count_lines(broker.log, "did not finish in time") == killed)
		until(end);
	/* What it still holds is not counted for the new one. */
	assert_int_equal(ask_elsewhere(s, 0), 0);
	assert_served(&broker);
	broker.worker = worker_of(&broker, geteuid());
}

/* The server never answers: it is killed, and every call that waits fails. */
static void
test_a_server_that_dies(void **state)
{
	const size_t mounts = count_mounts();
	size_t others;
	pid_t first;
	int r;

	(void)state;
	first = begin(&dying);
	assert_next_is_served(&dying, first);
	assert_reload_ends_it(&dying);
	others = count_others();
	assert_clients_time_out(&dying);
	assert_neighbour_undisturbed(&dying);
	kill(dying.fuse.server, SIGKILL);
	r = act_end(dying.plain);
	assert_true(r == ECONNABORTED || r == ENOTCONN);
	assert_over(&dying, others);
	assert_int_equal(state_of(first), 0);
	assert_int_equal(count_mounts(), mounts);
}

/* SIGTERM: a worker that cannot be killed does not keep the broker. */
static void
test_the_end_of_the_broker(void **state)
{
	const double end = seconds_now() + LONG_SECONDS;
	pid_t hanging;

	(void)state;
	hanging = begin(&opening);
	assert_clients_time_out(&opening);
	stop_neighbour();
	assert_int_equal(state_of(hanging), 'S');
	assert_int_equal(harness_stop(&broker), 0);
	assert_int_equal(state_of(hanging), 'D');
	fuse_hang(&opening.fuse, 0);
	assert_int_equal(act_end(opening.plain), 0);
	/* Its parent has gone, and it is ours. */
	while (waitpid(hanging, NULL, WNOHANG) != hanging)
		until(end);
}

static int
setup(void **state)
{
	static char rules[1024];
	const struct harness_how how = {.rules = rules};
	const double end = seconds_now() + WAIT_SECONDS;
	size_t used;

	(void)state;
	assert_return_code(prctl(PR_SET_CHILD_SUBREAPER, 1), errno);
	/* The broker's too, which is our child; nothing of it leaves. */
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	make_directory(place);
	used = (size_t)snprintf(rules, sizeof(rules), "allow user:%d read @/data/**\n", NEIGHBOUR);
	for (size_t i = 0; i < ELEMENTS(scenes); i++) {
		struct scene *s = scenes[i];
		char who[32] = "any";

		if (!s->shared)
			snprintf(who, sizeof(who), "user:%u", s->uid);
		snprintf(s->directory, sizeof(s->directory), "%s/%s", place, s->name);
		assert_return_code(mkdir(s->directory, 0755), errno);
		assert_true(fuse_start(&s->fuse));
		assert_true(fuse_attach(&s->fuse, s->directory));
		used += (size_t)snprintf(rules + used, sizeof(rules) - used,
					 "allow %s read %s%s/** @/data/**\n", who, s->directory,
					 s->prefix ?: "");
	}
	harness_start_how(&broker, &how);
	neighbour = mmap(NULL, sizeof(*neighbour), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(neighbour, MAP_FAILED);
	neighbour_pid = act_begin(&(struct ids){.uid = NEIGHBOUR, .gid = NEIGHBOUR},
				  open_all_the_time, NULL);
	/* Its worker is there before anything is counted. */
	while (neighbour->n == 0)
		until(end);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	stop_neighbour();
	/* Before the broker: then none of it hangs any more. */
	for (size_t i = 0; i < ELEMENTS(scenes); i++)
		fuse_stop(&scenes[i]->fuse);
	if (broker.pid > 0)
		(void)harness_stop(&broker);
	for (size_t i = 0; i < ELEMENTS(scenes); i++)
		umount2(scenes[i]->directory, MNT_DETACH);
	if (*place)
		remove_directory(place);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lookup),
		cmocka_unit_test(test_an_open),
		cmocka_unit_test(test_a_prefix),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_a_server_that_dies),
		cmocka_unit_test(test_the_end_of_the_broker),
	};

	/* Others see none of it. */
	if (needs_root())
		return 0;
	return cmocka_run_group_tests_name("attack/hang", tests, setup, teardown);
}
