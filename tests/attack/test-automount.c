/* SPDX-License-Identifier: MIT */
/*
 * Prefixes behind an automount, whose daemon is the tests' own: a worker's first phase makes it mount,
 * once; and a daemon that does not answer is waited for by nobody but those whose rules lead there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/auto_fs.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/people.h"

enum {
	A = 61001, /* whose prefix is mounted when it is asked for */
	B = 61002, /* whose prefix nobody ever mounts */
	C = 61003,
	SOON_MS = 200,
};

static char place[64];     /* of the mounts: [mounted] and [silent] */
static char mounted[96];   /* answered for */
static char silent[96];    /* not answered for */
static _Atomic int *asked; /* how often the daemon was asked to mount */
static pid_t daemons[2];

static int root = -1;

static void
give_up(int signal)
{
	(void)signal;
	ioctl(root, AUTOFS_IOC_CATATONIC, 0);
	_exit(0);
}

/* In the daemon, until it is told to give up; then nobody waits for it any longer. What is asked for is mounted, with a file in it. */
static void __attribute__((noreturn)) serve_mounts(const char *path, int pipe, bool answers)
{
	struct autofs_v5_packet packet;
	char file[128];

	snprintf(file, sizeof(file), "%s/file", path);
	/* Its own process group does not trigger it. */
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sigaction(SIGUSR1, &(struct sigaction){.sa_handler = give_up}, NULL);
	while (read(pipe, &packet, sizeof(packet)) == (ssize_t)sizeof(packet)) {
		atomic_fetch_add(asked, 1);
		if (!answers)
			continue;
		if (mount("automounted", path, "tmpfs", 0, "size=64k,mode=755") < 0)
			_exit(1);
		write_file(file, "mounted");
		ioctl(root, AUTOFS_IOC_READY, packet.wait_queue_token);
	}
	_exit(1);
}

static pid_t
start_daemon(const char *path, bool answers)
{
	char options[128];
	int ends[2], ready[2];
	pid_t pid;
	char byte;

	assert_return_code(mkdir(path, 0755), errno);
	assert_return_code(pipe2(ends, O_DIRECT), errno);
	assert_return_code(pipe(ready), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		snprintf(options, sizeof(options), "fd=%d,pgrp=%d,minproto=5,maxproto=5,direct",
			 ends[1], getpid());
		if (mount("automount", path, "autofs", 0, options) < 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		close(ends[1]);
		close(ready[0]);
		close(ready[1]);
		serve_mounts(path, ends[0], answers);
	}
	close(ends[0]);
	close(ends[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int
setup(void **state)
{
	static char rules[512];
	const struct harness_how how = {.rules = rules};

	(void)state;
	if (needs_root())
		return 0;
	/* The broker's too, which is our child; nothing of it leaves. */
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	make_directory(place);
	snprintf(mounted, sizeof(mounted), "%s/mounted", place);
	snprintf(silent, sizeof(silent), "%s/silent", place);
	asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	assert_ptr_not_equal(asked, MAP_FAILED);
	daemons[0] = start_daemon(mounted, true);
	daemons[1] = start_daemon(silent, false);
	snprintf(rules, sizeof(rules),
		 "allow user:%d|user:%d read %s/**\n"
		 "allow user:%d read %s/** @/data/**\n",
		 A, C, mounted, B, silent);
	harness_start_how(&broker, &how);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(daemons); i++) {
		if (daemons[i] <= 0)
			continue;
		kill(daemons[i], SIGUSR1);
		waitpid(daemons[i], NULL, 0);
	}
	harness_stop(&broker);
	umount2(mounted, MNT_DETACH);
	umount2(mounted, MNT_DETACH);
	umount2(silent, MNT_DETACH);
	if (*place)
		remove_directory(place);
	return 0;
}

/* Open it through the broker, within so many milliseconds: 0 or an errno value. */
struct wish {
	const char *directory, *name;
	int ms;
};

static int
open_wish(void *context)
{
	const struct wish *wish = context;
	char path[160];
	int fd;

	setenv("FDBROKER_SOCKET", broker.socket, 1);
	snprintf(path, sizeof(path), "%s/%s", wish->directory, wish->name);
	/* SIGALRM ends a process that waits: 255. */
	if (wish->ms > 0)
		ualarm((useconds_t)wish->ms * 1000, 0);
	fd = broker_open(path, O_RDONLY);
	return fd < 0 ? errno : 0;
}

static int
open_as(uid_t uid, const char *directory, const char *name, int ms)
{
	const struct ids ids = {.uid = uid, .gid = uid};
	struct wish wish = {directory, name, ms};

	return act_as(&ids, open_wish, &wish);
}

static void
test_mounted_when_it_is_asked_for(void **state)
{
	pid_t worker;

	(void)state;
	/* The broker has loaded the rule, and touched nothing. */
	assert_int_equal(atomic_load(asked), 0);
	assert_int_equal(open_as(A, mounted, "file", 0), 0);
	assert_int_equal(atomic_load(asked), 1);
	/* The mount that it made itself is no change to it. */
	worker = worker_of(&broker, A);
	assert_true(worker > 0);
	sleep_ms(1500);
	assert_int_equal(open_as(A, mounted, "file", 0), 0);
	assert_int_equal(worker_of(&broker, A), worker);
	/* And it is there for the next one. */
	assert_int_equal(open_as(C, mounted, "file", 0), 0);
	assert_int_equal(atomic_load(asked), 1);
}

/* May root, without CAP_SYS_PTRACE, look into this process? 0 or an errno value. */
static int
look_into(void *context)
{
	const cap_value_t trace = CAP_SYS_PTRACE;
	cap_t caps = cap_get_proc();
	char path[64], program[64];

	if (!caps || cap_set_flag(caps, CAP_EFFECTIVE, 1, &trace, CAP_CLEAR) < 0 ||
	    cap_set_flag(caps, CAP_PERMITTED, 1, &trace, CAP_CLEAR) < 0 || cap_set_proc(caps) < 0)
		return 254;
	snprintf(path, sizeof(path), "/proc/%d/exe", *(const pid_t *)context);
	return readlink(path, program, sizeof(program)) < 0 ? errno : 0;
}

static void
test_a_daemon_that_does_not_answer(void **state)
{
	const double end = seconds_now() + WAIT_SECONDS;
	pid_t worker;

	(void)state;
	assert_int_equal(open_as(B, silent, "file", SOON_MS), 255);
	while (atomic_load(asked) < 2 && seconds_now() < end)
		sleep_ms(1);
	assert_int_equal(atomic_load(asked), 2);
	/* There it is in its first phase, root still, and not dumpable: no more so than later. */
	worker = worker_of(&broker, B);
	assert_true(worker > 0);
	assert_int_equal(act_as(NULL, look_into, &worker), EACCES);
	assert_int_equal(act_as(NULL, look_into, &broker.pid), 0);
	/* All of B waits, also for what lies elsewhere: it is one worker; nobody else does. */
	assert_int_equal(open_as(B, broker.directory, "data/file", SOON_MS), 255);
	assert_int_equal(open_as(A, mounted, "file", 0), 0);
	assert_served(&broker);
	/* An answer of a kind: it fails. */
	kill(daemons[1], SIGUSR1);
	waitpid(daemons[1], NULL, 0);
	daemons[1] = 0;
	assert_int_equal(open_as(B, broker.directory, "data/file", 0), 0);
	assert_int_equal(open_as(B, silent, "file", 0), ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounted_when_it_is_asked_for),
		cmocka_unit_test(test_a_daemon_that_does_not_answer),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/automount", tests, setup, teardown);
}
