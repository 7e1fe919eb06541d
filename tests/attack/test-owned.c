/* SPDX-License-Identifier: MIT */
/*
 * What a worker can do to the broker and to the log process by its own descriptors, when an attacker
 * owns it: they are taken from a real worker, and used as it could.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "tests/linger.h"
#include "tests/people.h"

enum {
	OWNED = 61001,
	ANOTHER,
	MOST_MS = 250,
	KEPT = 1100, /* workers that end, and whose pipe stays open */
};

/* A descriptor of a worker. */
static int
take(pid_t worker, int number)
{
	int pidfd = (int)syscall(SYS_pidfd_open, worker, 0), fd;

	assert_return_code(pidfd, errno);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	assert_return_code(fd, errno);
	close(pidfd);
	return fd;
}

/* Until there is no room; how much there was. */
static size_t
fill(int fd, char byte, size_t most)
{
	char bytes[4096];
	size_t all = 0;
	ssize_t n = 1;

	memset(bytes, byte, sizeof(bytes));
	while (all < most && n > 0) {
		n = write(fd, bytes, most - all < sizeof(bytes) ? most - all : sizeof(bytes));
		all += n > 0 ? (size_t)n : 0;
	}
	return all;
}

static const struct ids owned = {.uid = OWNED, .gid = OWNED},
			another = {.uid = ANOTHER, .gid = ANOTHER},
			later = {.uid = ANOTHER, .gid = OWNED};

/* The worker of OWNED, which is ready. After some that were killed the next one waits for their end. */
static pid_t
worker(void)
{
	const double end = seconds_now() + WAIT_SECONDS;
	int asked;

	while ((asked = ask_as(&broker, &owned, "a")) == EBUSY && seconds_now() < end)
		sleep_ms(1);
	assert_int_equal(asked, ASK_GRANTED);
	return worker_of(&broker, OWNED);
}

static bool
is_in_log(const char *words)
{
	char line[512];
	bool found = false;
	FILE *log = fopen(broker.log, "re");

	while (log && !found && fgets(line, sizeof(line), log))
		found = strstr(line, words) != NULL;
	if (log)
		fclose(log);
	return found;
}

static void
await_log(const char *words)
{
	for (int i = 0; !is_in_log(words); i++) {
		if (i > WAIT_SECONDS * 100)
			fail_msg("the log does not say: %s", words);
		sleep_ms(10);
	}
}

/* Others are served, at once, by who served them before; and the user of that worker again. */
static void
assert_others(void)
{
	double begin = seconds_now();

	assert_served(&broker);
	assert_int_equal(ask_as(&broker, &another, "b"), ASK_GRANTED);
	assert_true(seconds_now() - begin < MOST_MS / 1000.0);
	assert_int_equal(worker_of(&broker, geteuid()), broker.worker);
}

static void
await_end_of(uid_t uid, pid_t worker)
{
	for (int i = 0; worker_of(&broker, uid) == worker; i++) {
		assert_true(i < WAIT_SECONDS * 1000);
		sleep_ms(1);
	}
}

static void
await_another_worker(pid_t before)
{
	await_end_of(OWNED, before);
	assert_int_not_equal(worker(), before);
}

/* Notes that mean something, notes that mean nothing, one at a time and as many as fit. */
static void
test_notes(void **state)
{
	static const char notes[] = {IPC_NOTE_REPLACE, IPC_NOTE_IDLE, (char)IPC_NOTE_LAYERS, 'x',
				     0};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(notes); i++) {
		pid_t pid = worker();
		int fd = take(pid, IPC_NOTES);

		/* What it is allowed in a second does nothing to others. */
		fill(fd, notes[i], 3);
		assert_others();
		/* As many as fit: it is ended. */
		(void)fill(fd, notes[i], 1 << 16);
		close(fd);
		assert_others();
		await_another_worker(pid);
	}
	await_log("it sends more notes than any reason could make");
}

/* It claims layers that it does not have: status shows what it says, and nothing depends on it. */
static void
test_layers(void **state)
{
	pid_t pid;
	int fd;

	(void)state;
	if (needs_root())
		return;
	pid = worker();
	fd = take(pid, IPC_NOTES);
	fill(fd, (char)IPC_NOTE_LAYERS, 1);
	close(fd);
	sleep_ms(50);
	assert_int_equal(worker(), pid);
	assert_others();
}

/* Records that are none, until the pipe is full; and ends of connections that never were. */
static void
test_full_pipes(void **state)
{
	pid_t pid;
	int audit, ended;

	(void)state;
	if (needs_root())
		return;
	pid = worker();
	audit = take(pid, IPC_AUDIT);
	ended = take(pid, IPC_ENDED);
	for (int i = 0; i < 50; i++) {
		(void)fill(audit, (char)0xff, 1 << 20);
		(void)fill(ended, 'e', 1 << 20);
		assert_others();
	}
	close(audit);
	close(ended);
	/* Of another worker all that it wrote is there. */
	assert_int_equal(ask_as(&broker, &another, "forbidden"), EACCES);
	await_log("/who/forbidden\"");
	/* What it said of ended connections is believed as far as it can be true: it has none. */
	assert_int_equal(worker(), pid);
	kill(pid, SIGKILL);
	await_another_worker(pid);
	assert_others();
}

/* A socket that lingers, sent up the control socket, and the worker ends: nobody waits for it. */
static void
test_lingering(void **state)
{
	struct arms arms;
	int control, pair[2];
	pid_t pid;

	(void)state;
	if (needs_root())
		return;
	pid = worker();
	control = take(pid, IPC_CONTROL);
	arms_tcp(&arms, 2);
	assert_int_equal(
		raw_send(control,
			 &(struct raw){.bytes = "x", .size = 1, .fds = arms.arm, .n_fds = 1}),
		-EPIPE);
	/* The counter-check: to an end that is open for reading it goes. */
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	assert_int_equal(
		raw_send(pair[0],
			 &(struct raw){.bytes = "x", .size = 1, .fds = arms.arm + 1, .n_fds = 1}),
		0);
	kill(pid, SIGKILL);
	close(control);
	assert_others();
	await_another_worker(pid);
	arms_disown(&arms);
	arms_release(&arms);
	close(pair[0]);
	close(pair[1]);
	assert_others();
}

/*
 * Writing ends of the pipe for records outlive their workers, because a client has them: those of
 * others who come later are read all the same.
 */
static void
test_kept_pipes(void **state)
{
	static int kept[KEPT];
	pid_t pid;

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < KEPT; i++) {
		pid = worker();
		kept[i] = take(pid, IPC_AUDIT);
		kill(pid, SIGKILL);
		await_end_of(OWNED, pid);
	}
	/* With another group it has another worker. */
	assert_int_equal(ask_as(&broker, &later, "kept"), EACCES);
	await_log("/who/kept\"");
	for (size_t i = 0; i < KEPT; i++)
		close(kept[i]);
	assert_others();
}

/* A descriptor of the broker, of a file of that name, or -1. */
static int
take_named(const char *name)
{
	char path[64], target[256];

	for (int i = 0; i < 256; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", broker.pid, i);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (strstr(target, name))
			return take(broker.pid, i);
	}
	return -1;
}

/*
 * What the compiler said: the log process is given it to show it, and whoever looked up a user for the
 * compiler may have it. It is what it was, and takes no more memory.
 */
static void
test_messages(void **state)
{
	char byte;
	int fd;

	(void)state;
	if (needs_root())
		return;
	harness_reload(&broker);
	fd = take_named("memfd:fdbroker-messages");
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1 << 30), -1);
	assert_int_equal(errno, EPERM);
	assert_return_code(pread(fd, &byte, 1, 0), errno);
	close(fd);
}

static int
setup(void **state)
{
	static const char *const files[] = {"a", "b", NULL};

	(void)state;
	if (geteuid() != 0)
		return 0;
	linger_network();
	harness_start_how(&broker, &(struct harness_how){.rules = "allow user:61001 read @/who/a\n"
								  "allow user:61002 read @/who/b\n",
							 .files = files});
	/* Of pipes that nobody reads any more. */
	signal(SIGPIPE, SIG_IGN);
	return ask_as(&broker, &another, "b") == ASK_GRANTED ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notes),      cmocka_unit_test(test_layers),
		cmocka_unit_test(test_full_pipes), cmocka_unit_test(test_lingering),
		cmocka_unit_test(test_kept_pipes), cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests_name("attack/owned", tests, setup, harness_teardown);
}
