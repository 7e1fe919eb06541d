/* SPDX-License-Identifier: MIT */
/*
 * The process that has the peer as effective user for one call. Where fs.suid_dumpable is 1 some of its
 * files in /proc are the peer's then, and with autogroup (sched(7)) goes what the whole session
 * gets of the processor: it is in no session of the broker's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/worker/watch.h"
#include "tests/people.h"

enum { PEER = 61001 };

/* The effective user of a process. */
static unsigned
effective(pid_t pid)
{
	char path[64], line[256];
	unsigned uid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Uid: %*u %u", &uid) == 1)
			break;
	if (file)
		fclose(file);
	return uid;
}

/* Until a child of it has the peer's effective uid; it is stopped then. */
static pid_t
run_to_peer(pid_t worker)
{
	const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL;
	int status;
	pid_t pid;

	assert_int_equal(waitpid(worker, &status, __WALL), worker);
	assert_return_code(ptrace(PTRACE_SETOPTIONS, worker, NULL, options), errno);
	assert_return_code(ptrace(PTRACE_SYSCALL, worker, NULL, NULL), errno);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		if (pid != worker && effective(pid) == PEER)
			return pid;
		assert_return_code(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), errno);
	}
	return -1;
}

static int
write_autogroup(void *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/autogroup", *(pid_t *)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "5", 1) < 0 ? errno : 0;
}

static void
test_session(void **state)
{
	static struct watch watch;
	pid_t worker, child, same;

	(void)state;
	if (needs_root())
		return;
	worker = fork();
	assert_return_code(worker, errno);
	if (worker == 0) {
		(void)setsid();
		(void)prctl(PR_SET_DUMPABLE, 0);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
			_exit(1);
		_exit(watch_begin(&watch, PEER) == 0 && !watch.blind ? 0 : 1);
	}
	child = run_to_peer(worker);
	assert_true(child > 0);
	assert_int_not_equal(getsid(child), worker);

	/* The counter-check: so much is the peer's of one that is dumpable, session and all. */
	same = fork();
	assert_return_code(same, errno);
	if (same == 0) {
		(void)setsid();
		(void)!seteuid(PEER);
		(void)prctl(PR_SET_DUMPABLE, 1);
		pause();
	}
	while (effective(same) != PEER)
		sleep_ms(1);
	sleep_ms(20);
	if (access("/proc/self/autogroup", F_OK) == 0)
		assert_int_equal(
			act_as(&(struct ids){.uid = PEER, .gid = PEER}, write_autogroup, &same), 0);
	kill(same, SIGKILL);
	assert_int_equal(waitpid(same, NULL, 0), same);
	kill(worker, SIGKILL);
	kill(child, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_session)};

	return cmocka_run_group_tests_name("attack/session", tests, NULL, NULL);
}
