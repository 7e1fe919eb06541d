/* SPDX-License-Identifier: MIT */
/*
 * One user as thousands of users, with thousands of connections, with tens of thousands of groups,
 * against a real broker: what one account may have is bounded, and others do not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/gauge.h"
#include "tests/harness.h"

enum {
	OWNER = 61020, /* of the range that /etc/subuid has here */
	FIRST = 200000,
	USERS = 3000,
	FEW = 64, /* where they are nobody's */

	ONE = 61021, /* with rules of its own, and now in this group, now in that */
	TEAMS = 8,
	ONE_OF_MANY_GROUPS = 61022,
	GROUPS = 65534,
	BYSTANDER_OWN = 61001,
	BYSTANDER_NONE,

	WORKERS_MOST = 32,       /* an account */
	CONNECTIONS_MOST = 4096, /* an account */
	ANY_MOST = 64,           /* connections an account at the worker of `any` */
	REFUSER_MOST = 4,        /* connections an account at the refuser */
	CLOSED = 100,

	MEASURE_MS = 1000,
	AT_ONCE_MS = 250,
	P99_MS = 50,
	MOST_MS = 250,
	MEDIAN_FACTOR = 3, /* and one millisecond */
};

/* --- bystanders ---------------------------------------------------------------------------------
 */

static struct gauge gauges[2];
static struct gauge_figures before[2];
static size_t n_gauges;

static void
watch_as(uid_t uid, const char *path, int expected)
{
	gauge_start(&gauges[n_gauges++], &broker, uid, path, expected);
}

static void
begin_all(void)
{
	for (size_t i = 0; i < n_gauges; i++)
		gauge_begin(&gauges[i]);
}

static void
measure_before(void)
{
	begin_all();
	sleep_ms(MEASURE_MS);
	for (size_t i = 0; i < n_gauges; i++) {
		before[i] = gauge_end(&gauges[i]);
		gauge_show("before", &gauges[i], &before[i]);
		assert_int_equal(before[i].wrong, 0);
	}
}

static void
assert_not_hurt(void)
{
	for (size_t i = 0; i < n_gauges; i++) {
		struct gauge_figures f = gauge_end(&gauges[i]);

		gauge_show("during", &gauges[i], &f);
		assert_true(f.n > 0);
		assert_int_equal(f.wrong, 0);
		assert_true(f.median <= MEDIAN_FACTOR * before[i].median + 1);
		assert_true(f.p99 <= P99_MS);
		assert_true(f.max <= MOST_MS);
	}
}

static void
stop_gauges(void)
{
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_stop(&gauges[i]);
	n_gauges = 0;
}

/* --- a crowd ------------------------------------------------------------------------------------
 */

enum {
	ANSWERS = CONNECTIONS_MOST + 1,
};

/* What a process does that takes one identity after the other, and keeps a connection of each. */
struct crowd {
	uid_t first;
	unsigned users, connections; /* connection i is of user i % users, */
	unsigned teams;              /* and of group i % teams, if that is not 0 */
	char path[80];
	_Atomic bool done, close, again;
	double last_ms;       /* the last answer took so long */
	int answers[ANSWERS]; /* errno values, or 0 */
	int answer_grouped;   /* with too many groups, once all have asked; teams */
	int answer_again;     /* once some connections were closed */
	double again_ms;
	unsigned served_again; /* then so many more, before there is EBUSY again */
};

static const struct crowd the_range = {.first = FIRST, .users = USERS, .connections = USERS},
			  few = {.first = FIRST, .users = FEW, .connections = FEW},
			  one = {.first = ONE, .users = 1, .connections = ANSWERS, .teams = TEAMS};
static struct crowd *crowd;
static pid_t crowd_pid, parent;
static int sockets[ANSWERS];

static int
ask_in_groups(unsigned i, size_t n_groups, const gid_t *groups, int *ret_socket)
{
	int fd;

	if (seteuid(0) < 0 || setgroups(n_groups, groups) < 0 ||
	    seteuid(crowd->first + i % crowd->users) < 0)
		_exit(1);
	fd = quiet_connect(broker.socket);
	*ret_socket = fd;
	return fd < 0 ? -fd : quiet_open(fd, crowd->path);
}

static int
ask_as_number(unsigned i, int *ret_socket)
{
	const gid_t team = FIRST + (crowd->teams > 0 ? i % crowd->teams : 0);

	return ask_in_groups(i, crowd->teams > 0, &team, ret_socket);
}

static int
ask_in_many_groups(void)
{
	static gid_t groups[GROUPS];
	int fd, r;

	for (unsigned i = 0; i < GROUPS; i++)
		groups[i] = FIRST + i;
	r = ask_in_groups(0, GROUPS, groups, &fd);
	close(fd);
	return r;
}

/* A change of ids takes the signal away that a parent's death would be. */
static void
await_close(void)
{
	while (!crowd->close) {
		if (getppid() != parent)
			_exit(1);
		sleep_ms(1);
	}
}

/* What is closed, and then asked again until there is an answer other than EBUSY. */
static void
close_some(void)
{
	double start;
	int fd;

	await_close();
	for (unsigned i = 0; i < CLOSED; i++)
		close(sockets[i]);
	start = seconds_now();
	do {
		crowd->answer_again = ask_as_number(0, &fd);
		close(fd);
		sleep_ms(1);
	} while (crowd->answer_again == EBUSY && seconds_now() - start < WAIT_SECONDS);
	crowd->again_ms = (seconds_now() - start) * 1000;
	/* All ends have been told by then. */
	sleep_ms(200);
	for (unsigned i = 0; i < CLOSED * 2; i++)
		crowd->served_again += ask_as_number(i, &sockets[i % CLOSED]) == 0;
	crowd->again = true;
}

static void
gather(void)
{
	const struct rlimit most = {20000, 20000};

	(void)setrlimit(RLIMIT_NOFILE, &most);
	if (setgroups(0, NULL) < 0 || setresgid(OWNER, OWNER, OWNER) < 0)
		_exit(1);
	for (unsigned i = 0; i < crowd->connections; i++) {
		double start = seconds_now();

		crowd->answers[i] = ask_as_number(i, &sockets[i]);
		crowd->last_ms = (seconds_now() - start) * 1000;
	}
	if (crowd->teams > 0)
		crowd->answer_grouped = ask_in_many_groups();
	crowd->done = true;
}

/* Returns when all of them have asked. */
static void
crowd_start(const struct crowd *plan, const char *file)
{
	assert_true(plan->connections <= ANSWERS);
	*crowd = *plan;
	snprintf(crowd->path, sizeof(crowd->path), "%.64s/%s", broker.directory, file);
	fflush(NULL);
	parent = getpid();
	crowd_pid = fork();
	assert_return_code(crowd_pid, errno);
	if (crowd_pid == 0) {
		gather();
		close_some();
		crowd->close = false;
		await_close();
		_exit(0);
	}
	while (!crowd->done) {
		assert_int_equal(waitpid(crowd_pid, NULL, WNOHANG), 0);
		sleep_ms(1);
	}
}

static void
crowd_end(void)
{
	if (crowd_pid > 0) {
		kill(crowd_pid, SIGKILL);
		waitpid(crowd_pid, NULL, 0);
	}
	crowd_pid = 0;
}

static unsigned
count_answers(int answer)
{
	unsigned n = 0;

	for (unsigned i = 0; i < crowd->connections; i++)
		n += crowd->answers[i] == answer;
	return n;
}

static void
show_answers(const char *who)
{
	printf("# %s: %u asked, %u served, %u EACCES, %u EBUSY\n", who, crowd->connections,
	       count_answers(0), count_answers(EACCES), count_answers(EBUSY));
}

/* --- what the broker has ------------------------------------------------------------------------
 */

struct holdings {
	int processes, descriptors; /* of the broker, and of all of its processes but itself */
};

static struct holdings
count_holdings(void)
{
	struct holdings h = {};
	char path[64];
	FILE *children;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker.pid, broker.pid);
	children = fopen(path, "re");
	assert_non_null(children);
	while (fscanf(children, "%d", &pid) == 1) {
		int n = count_fds(pid);

		h.processes++;
		h.descriptors += n > 0 ? n : 0;
	}
	fclose(children);
	return h;
}

/* --- a broker, and whose the range is -----------------------------------------------------------
 */

/* Our own /etc/subuid, which nobody else sees. */
static void
write_subuid(const char *text)
{
	static bool mounted;
	char directory[64], options[256];

	if (!mounted) {
		make_directory(directory);
		assert_return_code(unshare(CLONE_NEWNS), errno);
		assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
		assert_return_code(mount("tmpfs", directory, "tmpfs", 0, "mode=0755"), errno);
		snprintf(options, sizeof(options), "%s/upper", directory);
		assert_return_code(mkdir(options, 0755), errno);
		snprintf(options, sizeof(options), "%s/work", directory);
		assert_return_code(mkdir(options, 0755), errno);
		snprintf(options, sizeof(options),
			 "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work", directory, directory);
		assert_return_code(mount("overlay", "/etc", "overlay", 0, options), errno);
		assert_return_code(umount2(directory, MNT_DETACH), errno);
		mounted = true;
	}
	write_file("/etc/subuid", text);
	assert_return_code(chmod("/etc/subuid", 0644), errno);
}

/* A rule for each of so many users of the range. any: and one for everybody. */
static void
start_broker(bool range, unsigned users, bool any)
{
	static char lines[128 * USERS];
	char subuid[64];
	size_t used = 0;

	snprintf(subuid, sizeof(subuid), "%u:%u:65536\n", OWNER, FIRST);
	write_subuid(range ? subuid : "");
	used += (size_t)snprintf(lines, sizeof(lines),
				 "allow user:%u|user:%u|user:%u read @/data/*\n%s", BYSTANDER_OWN,
				 ONE, ONE_OF_MANY_GROUPS, any ? "allow any read @/data2/*\n" : "");
	for (unsigned i = 0; i < users; i++)
		used += (size_t)snprintf(lines + used, sizeof(lines) - used,
					 "allow user:%u read @/rw/*\n", FIRST + i);
	harness_start_how(&broker, &(struct harness_how){.rules = lines});
	watch_as(BYSTANDER_OWN, broker.file, 0);
	watch_as(BYSTANDER_NONE, broker.file, EACCES);
	measure_before();
}

static void
stop_broker(void)
{
	stop_gauges();
	assert_int_equal(harness_stop(&broker), 0);
}

static int
clean_up(void **state)
{
	(void)state;
	crowd_end();
	stop_gauges();
	if (broker.pid > 0)
		(void)harness_stop(&broker);
	return 0;
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void
test_users_with_rules(void **state)
{
	struct holdings start;
	unsigned served;
	int more;

	(void)state;
	start_broker(true, USERS, false);
	start = count_holdings();
	begin_all();
	crowd_start(&the_range, "rw/file");
	assert_not_hurt();
	more = count_holdings().processes - start.processes;
	show_answers("users of a range, each with a rule");
	printf("# %d workers more\n", more);
	served = count_answers(0);
	assert_true(more <= WORKERS_MOST);
	assert_true(served > 0 && served <= WORKERS_MOST);
	assert_int_equal(count_answers(EBUSY), USERS - served);
	crowd_end();
	stop_broker();
}

static void
test_users_of_nobody(void **state)
{
	struct holdings start;
	int more;

	(void)state;
	start_broker(false, FEW, false);
	start = count_holdings();
	crowd_start(&few, "rw/file");
	more = count_holdings().processes - start.processes;
	show_answers("users that are nobody's, each with a rule");
	printf("# %d workers more\n", more);
	assert_int_equal(count_answers(0), FEW);
	assert_int_equal(more, FEW);
	crowd_end();
	stop_broker();
}

static void
test_users_without_rules(void **state)
{
	for (int range = 1; range >= 0; range--) {
		struct holdings start, now;

		(void)state;
		start_broker(range, 0, false);
		start = count_holdings();
		begin_all();
		crowd_start(&the_range, "rw/file");
		assert_not_hurt();
		sleep_ms(100);
		now = count_holdings();
		show_answers(range ? "users of a range without rules"
				   : "users that are nobody's without rules");
		printf("# %d workers and %d connections more\n", now.processes - start.processes,
		       now.descriptors - start.descriptors);
		assert_int_equal(count_answers(EACCES), USERS);
		assert_int_equal(now.processes, start.processes);
		if (range)
			assert_in_range(now.descriptors - start.descriptors, 0, REFUSER_MOST);
		else
			assert_true(now.descriptors - start.descriptors > FEW);
		crowd_end();
		stop_broker();
	}
}

static void
test_users_of_any(void **state)
{
	struct holdings start;

	(void)state;
	start_broker(true, 0, true);
	start = count_holdings();
	begin_all();
	crowd_start(&the_range, "data2/file");
	assert_not_hurt();
	show_answers("users of a range whom a rule for all reaches");
	assert_int_equal(count_answers(0), ANY_MOST);
	assert_int_equal(count_answers(EBUSY), USERS - ANY_MOST);
	/* The worker of `any`, if it was not there before. */
	assert_in_range(count_holdings().processes - start.processes, 0, 1);
	crowd_end();
	stop_broker();
}

static void
test_one_user_many_connections(void **state)
{
	(void)state;
	start_broker(true, 0, false);
	begin_all();
	crowd_start(&one, "data/file");
	assert_not_hurt();
	show_answers("one user");
	printf("# the last answer took %.1f ms\n", crowd->last_ms);
	assert_int_equal(count_answers(0), CONNECTIONS_MOST);
	assert_int_equal(crowd->answers[CONNECTIONS_MOST], EBUSY);
	/* It is counted first: who is over the limit is not asked for its groups, be they too many. */
	assert_int_equal(crowd->answer_grouped, EBUSY);
	assert_true(crowd->last_ms < AT_ONCE_MS);
	/* At its limit it hurts nobody either. */
	begin_all();
	sleep_ms(MEASURE_MS);
	assert_not_hurt();
	crowd->close = true;
	for (int i = 0; !crowd->again; i++) {
		assert_true(i < 2 * WAIT_SECONDS * 1000);
		sleep_ms(1);
	}
	printf("# served again %.1f ms after some were closed\n", crowd->again_ms);
	assert_int_equal(crowd->answer_again, 0);
	/* As many as were closed, and not more. */
	assert_int_equal(crowd->served_again, CLOSED);
	crowd_end();
	stop_broker();
}

/* --- many groups --------------------------------------------------------------------------------
 */

struct grouped {
	_Atomic unsigned connected, answers;
	_Atomic int answer;
	double all_ms; /* what it costs to ask for all of its groups */
	_Atomic bool ready, go;
};

static void __attribute__((noreturn)) connect_with_groups(struct grouped *g)
{
	static gid_t groups[GROUPS];
	socklen_t size = sizeof(groups);
	int pair[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < GROUPS; i++)
		groups[i] = FIRST + i;
	if (setgroups(GROUPS, groups) < 0 ||
	    setresuid(ONE_OF_MANY_GROUPS, ONE_OF_MANY_GROUPS, ONE_OF_MANY_GROUPS) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		_exit(1);
	g->all_ms = seconds_now();
	if (getsockopt(pair[0], SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0 ||
	    size != sizeof(groups))
		_exit(2);
	g->all_ms = (seconds_now() - g->all_ms) * 1000;
	g->ready = true;
	while (!g->go)
		sleep_ms(1);
	for (;;) {
		int fd = quiet_connect(broker.socket);

		if (fd < 0)
			continue;
		g->connected++;
		/* Most only connect: it costs the client the least. */
		if (g->connected % 16 == 0) {
			g->answer = quiet_open(fd, broker.file);
			g->answers++;
		}
		close(fd);
	}
}

static void
test_many_groups(void **state)
{
	struct grouped *g =
		mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct holdings start;
	pid_t pid;

	(void)state;
	start_broker(true, 0, false);
	start = count_holdings();
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		connect_with_groups(g);
	while (!g->ready) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		sleep_ms(1);
	}
	begin_all();
	g->go = true;
	sleep_ms(MEASURE_MS);
	printf("# %u connections of one with %u groups, the answer: %s; all groups: %.2f ms\n",
	       g->connected, GROUPS, strerror(g->answer), g->all_ms);
	assert_not_hurt();
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(g->answers > 0);
	assert_int_not_equal(g->answer, 0);
	/* Faster than it could be if the broker asked for all of them. */
	assert_true(g->connected * g->all_ms > MEASURE_MS);
	assert_int_equal(count_holdings().processes, start.processes);
	munmap(g, sizeof(*g));
	stop_broker();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_users_with_rules, clean_up),
		cmocka_unit_test_teardown(test_users_of_nobody, clean_up),
		cmocka_unit_test_teardown(test_users_without_rules, clean_up),
		cmocka_unit_test_teardown(test_users_of_any, clean_up),
		cmocka_unit_test_teardown(test_one_user_many_connections, clean_up),
		cmocka_unit_test_teardown(test_many_groups, clean_up),
	};

	if (geteuid() != 0 && !getenv("CI")) {
		puts("1..0 # SKIP needs root");
		return 0;
	}
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return cmocka_run_group_tests_name("attack/many", tests, NULL, clean_up);
}
