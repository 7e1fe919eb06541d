/* SPDX-License-Identifier: MIT */
/* Acts on other processes: another worker, and the broker. */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/harness.h"

static int
trace(struct scene *s)
{
	return TRY(SYS_ptrace, PTRACE_SEIZE, s->victim, NULL, NULL);
}

static int
read_memory(struct scene *s)
{
	char bytes[sizeof(scene_secret)];
	const struct iovec local = {bytes, sizeof(bytes)};
	const struct iovec there = {scene_secret, sizeof(bytes)};

	return TRY(SYS_process_vm_readv, s->victim, &local, 1UL, &there, 1UL, 0UL);
}

static int
write_memory(struct scene *s)
{
	char bytes[sizeof(scene_secret)] = "";
	const struct iovec local = {bytes, sizeof(bytes)};
	const struct iovec there = {scene_secret, sizeof(bytes)};

	return TRY(SYS_process_vm_writev, s->victim, &local, 1UL, &there, 1UL, 0UL);
}

static int
open_memory(struct scene *s)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", s->victim);
	fd = act_open(AT_FDCWD, path, O_RDWR);
	return fd < 0 ? fd : 0;
}

static int
kill_it(struct scene *s)
{
	return TRY(SYS_kill, s->victim, SIGKILL);
}

static int
stop_it(struct scene *s)
{
	return TRY(SYS_kill, s->victim, SIGSTOP);
}

static int
kill_thread(struct scene *s)
{
	return TRY(SYS_tgkill, s->victim, s->victim, SIGKILL);
}

static int
queue_signal(struct scene *s)
{
	siginfo_t info = {.si_signo = SCENE_SIGNAL, .si_code = SI_QUEUE};

	return TRY(SYS_rt_sigqueueinfo, s->victim, SCENE_SIGNAL, &info);
}

static int
pidfd_signal(struct scene *s)
{
	int fd = (int)syscall(SYS_pidfd_open, s->victim, 0);

	return fd < 0 ? -errno : TRY(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static int
pidfd_take(struct scene *s)
{
	int fd = (int)syscall(SYS_pidfd_open, s->victim, 0);

	return fd < 0 ? -errno : TRY(SYS_pidfd_getfd, fd, 0, 0);
}

/* The kernel sends the signal later, when something arrives. */
static int
signal_by_owner(struct scene *s)
{
	int r = TRY(SYS_fcntl, s->client[1], F_SETOWN, s->victim);

	if (r == 0)
		r = TRY(SYS_fcntl, s->client[1], F_SETSIG, SCENE_SIGNAL);
	return r < 0 ? r : TRY(SYS_fcntl, s->client[1], F_SETFL, O_ASYNC);
}

static bool
is_signalled(struct scene *s)
{
	unsigned long pending = 0, more = 0;
	char path[32], line[128];
	FILE *status;

	/* Sent before send(2) returns, and the victim blocks it. */
	if (send(s->client[0], "x", 1, MSG_NOSIGNAL) != 1)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", s->victim);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status)) {
		sscanf(line, "SigPnd: %lx", &more);
		sscanf(line, "ShdPnd: %lx", &pending);
	}
	if (status)
		fclose(status);
	return (pending | more) & 1UL << (SCENE_SIGNAL - 1);
}

static int
limit_it(struct scene *s)
{
	const struct rlimit none = {0, 0};

	return TRY(SYS_prlimit64, s->victim, RLIMIT_NOFILE, &none, NULL);
}

static int
pin_it(struct scene *s)
{
	/* Where it may run already; at least one of them exists. */
	static unsigned long every[16] = {[0 ... 15] = ~0UL};

	return TRY(SYS_sched_setaffinity, s->victim, sizeof(every), every);
}

static int
renice_it(struct scene *s)
{
	return TRY(SYS_setpriority, PRIO_PROCESS, s->victim, 19);
}

static int
starve_it(struct scene *s)
{
	/* IOPRIO_WHO_PROCESS, idle class. */
	return TRY(SYS_ioprio_set, 1, s->victim, 3 << 13);
}

static int
reschedule_it(struct scene *s)
{
	const struct sched_param parameters = {};

	return TRY(SYS_sched_setscheduler, s->victim, SCHED_IDLE, &parameters);
}

static int
move_it(struct scene *s)
{
	unsigned long node = 1;

	return TRY(SYS_migrate_pages, s->victim, 64UL, &node, &node);
}

/* Of another uid only with CAP_SYS_RESOURCE, which root has not everywhere. */
const struct act act_limit_worker = {"prlimit64", .act = limit_it, .victim = VICTIM_WORKER};

#define AGAINST(who, process)                                                                      \
	{.group = "Against " who}, {"ptrace", .act = trace, .victim = process},                    \
		{"process_vm_readv", .act = read_memory, .victim = process},                       \
		{"process_vm_writev", .act = write_memory, .victim = process},                     \
		{"open `/proc/PID/mem`", .act = open_memory, .victim = process},                   \
		{"kill", .act = kill_it, .victim = process, .landlock_abi = 6},                    \
		{"kill with SIGSTOP", .act = stop_it, .victim = process, .landlock_abi = 6},       \
		{"tgkill", .act = kill_thread, .victim = process, .landlock_abi = 6},              \
		{"rt_sigqueueinfo", .act = queue_signal, .victim = process, .landlock_abi = 6},    \
		{"pidfd_send_signal", .act = pidfd_signal, .victim = process, .landlock_abi = 6},  \
		{"pidfd_getfd", .act = pidfd_take, .victim = process},                             \
		{"fcntl F_SETOWN, F_SETSIG", .act = signal_by_owner, .effect = is_signalled,       \
		 .victim = process, .landlock_abi = 6},                                            \
		{"sched_setaffinity", .act = pin_it, .victim = process},                           \
		{"sched_setscheduler", .act = reschedule_it, .victim = process},                   \
		{"setpriority", .act = renice_it, .victim = process},                              \
		{"ioprio_set", .act = starve_it, .victim = process},                               \
	{                                                                                          \
		"migrate_pages", .act = move_it, .victim = process, .may_lack = true               \
	}

const struct act acts_processes[] = {
	AGAINST("another worker", VICTIM_WORKER),
	AGAINST("the broker", VICTIM_BROKER),
	{"prlimit64", .act = limit_it, .victim = VICTIM_BROKER},
};
const size_t n_acts_processes = ELEMENTS(acts_processes);
