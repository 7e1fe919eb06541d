/* SPDX-License-Identifier: MIT */
/*
 * Processes of the broker that an attacker owns: each of them, confined by the functions that the real
 * one calls, and hostile acts by raw system calls. The same acts get through without.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/calls.h"
#include "broker/drop.h"
#include "broker/filter.h"
#include "broker/landlock.h"
#include "broker/sys.h"
#include "tests/harness.h"

enum {
	VICTIM = 61003, /* a throw-away account: of the victim, and of the helpers */
};

static char directory[64], file[96], own[96], fresh[96];
static pid_t victim;
static int victim_pidfd, opened, pipes[2], sockets[2];
static struct sockaddr_un abstract = {.sun_family = AF_UNIX}; /* of sockets[0] */
static socklen_t abstract_size = sizeof(abstract);

/* --- one act, in a process of its own ---------------------------------------------------- */

enum process {
	NOBODY,  /* not confined at all */
	BROKER,  /* and with it all that it starts */
	LOOK_UP, /* compiler, and the look-up of a name */
	LOG,
	N_PROCESSES,
};

static const char *const processes[] = {"nobody", "broker", "look-up", "log"};

static int
enter_calls(enum process process)
{
	if (process == NOBODY)
		return 1;
	if (process == BROKER)
		return calls_enter_broker();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return process == LOOK_UP ? calls_enter_look_up() : calls_enter_log();
}

/* What an act comes to: 0, an errno value, or one of these. */
enum {
	KILLED = 1000,
	BROKEN, /* the test itself */
	SAYS,   /* whatever the kernel says, as long as it is the call that says it */
};

struct call {
	long number;
	long arguments[6];
};

static int
make_call(void *context)
{
	const struct call *call = context;
	const long *a = call->arguments;

	return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

/* Told through memory: no call is needed for it. */
static int
outcome_of(int (*confine)(int), int how, int (*act)(void *), void *context)
{
	volatile int *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, outcome;
	pid_t pid;

	assert_true(told != MAP_FAILED);
	*told = BROKEN;
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		if (confine(how) == 1)
			*told = act(context);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	outcome = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED : *told;
	munmap((void *)told, sizeof(*told));
	return outcome;
}

static int
confine_calls(int process)
{
	return enter_calls((enum process)process);
}

/* --- system calls ------------------------------------------------------------------------ */

/* Who may do it all the same; nobody else may. */
enum {
	B = 1 << BROKER,
	L = 1 << LOOK_UP,
	G = 1 << LOG,
	S = 1 << N_PROCESSES, /* of the last two those with the sanitizers' runtime */
};

struct act {
	const char *name;
	struct call call;
	int without; /* what it comes to without a filter */
	unsigned may;
};

static void
try_acts(const struct act *acts, size_t n)
{
	unsigned failed = 0;

	for (size_t i = 0; i < n; i++) {
		const struct act *act = &acts[i];
		int told[N_PROCESSES];

		for (int p = NOBODY; p < N_PROCESSES; p++) {
			int wanted = p == NOBODY || act->may & 1u << p ? act->without
				     : p == BROKER                     ? ENOSYS
								       : KILLED;

			told[p] = outcome_of(confine_calls, p, make_call, (void *)&act->call);
			if (FILTER_SANITIZED && p >= LOOK_UP && act->may & S)
				continue;
			/* Not in this kernel. */
			if (told[NOBODY] == ENOSYS)
				break;
			if (told[p] == wanted ||
			    (wanted == SAYS && told[p] < KILLED && told[p] != ENOSYS))
				continue;
			printf("# %s: %s: %d instead of %d\n", act->name, processes[p], told[p],
			       wanted);
			failed++;
		}
		if (told[NOBODY] == ENOSYS)
			printf("# %s: this kernel has no such call\n", act->name);
	}
	assert_int_equal(failed, 0);
}

static void
test_other_processes(void **state)
{
	struct rlimit limit = {};
	struct sched_param parameter = {.sched_priority = 0};
	struct iovec mine = {&limit, 1}, its = {&limit, 1};
	unsigned long processor = 1;
	siginfo_t info = {.si_code = SI_QUEUE};
	const struct act acts[] = {
		{"ptrace", {SYS_ptrace, {PTRACE_SEIZE, victim}}, 0},
		{"process_vm_readv",
		 {SYS_process_vm_readv, {victim, (long)&mine, 1, (long)&its, 1}},
		 0},
		{"process_vm_writev",
		 {SYS_process_vm_writev, {victim, (long)&mine, 1, (long)&its, 1}},
		 0},
		{"process_madvise", {SYS_process_madvise, {victim_pidfd, (long)&its, 1, -1}}, SAYS},
		{"kcmp", {SYS_kcmp, {victim, victim, 0}}, 0},
		{"kill", {SYS_kill, {victim, 0}}, 0, B},
		{"kill all", {SYS_kill, {-1000000, 0}}, ESRCH, B},
		{"tgkill", {SYS_tgkill, {victim, victim, 0}}, 0, B},
		{"tkill", {SYS_tkill, {victim, 0}}, 0},
		{"rt_sigqueueinfo", {SYS_rt_sigqueueinfo, {victim, 0, (long)&info}}, 0},
		{"pidfd_open", {SYS_pidfd_open, {victim, 0}}, 0, B},
		{"pidfd_send_signal", {SYS_pidfd_send_signal, {victim_pidfd, 0, 0, 0}}, 0, B},
		{"pidfd_getfd", {SYS_pidfd_getfd, {victim_pidfd, 0, 0}}, 0},
		{"F_SETOWN", {SYS_fcntl, {sockets[0], F_SETOWN, victim}}, 0},
		{"F_SETSIG", {SYS_fcntl, {sockets[0], F_SETSIG, SIGTERM}}, 0},
		{"prlimit64", {SYS_prlimit64, {victim, RLIMIT_NOFILE, 0, (long)&limit}}, SAYS},
		{"prlimit64 of itself",
		 {SYS_prlimit64, {0, RLIMIT_NOFILE, 0, (long)&limit}},
		 0,
		 B | L},
		{"sched_setaffinity",
		 {SYS_sched_setaffinity, {victim, sizeof(processor), (long)&processor}},
		 0},
		{"sched_setscheduler",
		 {SYS_sched_setscheduler, {victim, SCHED_BATCH, (long)&parameter}},
		 0},
		{"sched_setparam", {SYS_sched_setparam, {victim, (long)&parameter}}, 0},
		{"setpriority", {SYS_setpriority, {PRIO_PROCESS, victim, 1}}, 0},
		{"ioprio_set", {SYS_ioprio_set, {1, victim, 2 << 13 | 4}}, 0},
		{"migrate_pages", {SYS_migrate_pages, {victim, 0, 0, 0}}, SAYS},
		{"move_pages", {SYS_move_pages, {victim, 0, 0, 0, 0, 0}}, SAYS},
	};

	(void)state;
	if (!needs_root())
		try_acts(acts, ELEMENTS(acts));
}

/* A bad argument is as good as a good one: what the kernel says of it is not the filter's answer. */
static void
test_more_processes_and_privilege(void **state)
{
	const long bad = 1;
	const struct act acts[] = {
		{"execve", {SYS_execve, {(long)"/none", 0, 0}}, ENOENT},
		{"execveat", {SYS_execveat, {-1, (long)"none", 0, 0, 0}}, EBADF, B},
		{"a process", {SYS_clone, {CLONE_SIGHAND}}, EINVAL, B},
		{"a thread", {SYS_clone, {CLONE_THREAD}}, EINVAL, B | L},
		{"a user namespace", {SYS_clone, {CLONE_NEWUSER | CLONE_SIGHAND}}, EINVAL},
		{"a mount namespace", {SYS_clone, {CLONE_NEWNS | CLONE_SIGHAND}}, EINVAL},
		{"a control group namespace",
		 {SYS_clone, {CLONE_NEWCGROUP | CLONE_SIGHAND}},
		 EINVAL},
		{"a UTS namespace", {SYS_clone, {CLONE_NEWUTS | CLONE_SIGHAND}}, EINVAL},
		{"a IPC namespace", {SYS_clone, {CLONE_NEWIPC | CLONE_SIGHAND}}, EINVAL},
		{"a PID namespace", {SYS_clone, {CLONE_NEWPID | CLONE_SIGHAND}}, EINVAL},
		{"a network namespace", {SYS_clone, {CLONE_NEWNET | CLONE_SIGHAND}}, EINVAL},
		{"unshare", {SYS_unshare, {CLONE_FS}}, 0},
		{"setns", {SYS_setns, {-1, 0}}, EBADF},
		{"setuid", {SYS_setuid, {0}}, 0, B},
		{"setresuid", {SYS_setresuid, {0, 0, 0}}, 0, B},
		{"setgroups", {SYS_setgroups, {0, 0}}, 0, B},
		{"setfsuid", {SYS_setfsuid, {0}}, 0, B},
		{"capset", {SYS_capset, {bad, 0}}, EFAULT, B},
		{"PR_SET_DUMPABLE", {SYS_prctl, {PR_SET_DUMPABLE, 1}}, 0, B | S},
		{"PR_SET_PDEATHSIG", {SYS_prctl, {PR_SET_PDEATHSIG, 0}}, 0, B | S},
		{"seccomp", {SYS_seccomp, {99, 0, 0}}, EINVAL, B},
		{"personality", {SYS_personality, {0xffffffff}}, 0},
		{"keyctl",
		 {SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0}},
		 SAYS},
		{"add_key", {SYS_add_key, {bad, 0, 0, 0, 0}}, SAYS},
		{"bpf", {SYS_bpf, {-1, 0, 0}}, SAYS},
		{"perf_event_open", {SYS_perf_event_open, {bad, 0, 0, 0, -1}}, SAYS},
		{"userfaultfd", {SYS_userfaultfd, {-1}}, SAYS},
		{"io_uring_setup", {SYS_io_uring_setup, {1, bad}}, SAYS},
		{"io_uring_enter", {SYS_io_uring_enter, {-1, 0, 0, 0, 0}}, SAYS},
		{"open_by_handle_at", {SYS_open_by_handle_at, {AT_FDCWD, bad, 0}}, SAYS},
		{"name_to_handle_at", {SYS_name_to_handle_at, {-1, (long)"x", bad, bad, 0}}, SAYS},
		{"fanotify_init", {SYS_fanotify_init, {-1, 0}}, SAYS},
		{"init_module", {SYS_init_module, {bad, 4096, bad}}, SAYS},
		{"delete_module", {SYS_delete_module, {bad, 0}}, SAYS},
		{"kexec_load", {SYS_kexec_load, {0, 0, 0, 0xffff}}, SAYS},
		{"reboot", {SYS_reboot, {0, 0, 0, 0}}, EINVAL},
		{"swapon", {SYS_swapon, {bad, 0}}, SAYS},
		{"acct", {SYS_acct, {bad}}, EFAULT},
		{"settimeofday", {SYS_settimeofday, {bad, 0}}, EFAULT},
		{"clock_settime", {SYS_clock_settime, {0, bad}}, EFAULT},
		{"sethostname", {SYS_sethostname, {bad, 1}}, EFAULT},
		{"syslog", {SYS_syslog, {99, 0, 0}}, SAYS},
		{"quotactl", {SYS_quotactl, {0, bad, 0, 0}}, SAYS},
		{"a packet socket", {SYS_socket, {AF_PACKET, SOCK_RAW, 0}}, 0},
		{"a UNIX socket", {SYS_socket, {AF_UNIX, SOCK_STREAM, 0}}, 0, B | L},
		{"listen", {SYS_listen, {-1, 0}}, EBADF, B},
		{"connect", {SYS_connect, {-1, 0, 0}}, EBADF, B | L},
		{"SO_PEERCRED",
		 {SYS_getsockopt, {-1, SOL_SOCKET, SO_PEERCRED, 0, 0}},
		 EBADF,
		 B | L | G},
		{"SO_PEERSEC", {SYS_getsockopt, {-1, SOL_SOCKET, SO_PEERSEC, 0, 0}}, EBADF, B | L},
		{"SO_PASSCRED",
		 {SYS_setsockopt, {-1, SOL_SOCKET, SO_PASSCRED, 0, 0}},
		 EBADF,
		 B | L},
		{"another level", {SYS_setsockopt, {-1, 0, SO_SNDBUF, 0, 0}}, EBADF, B | L},
		{"memory to execute",
		 {SYS_mmap, {0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
		 0,
		 B | L | S},
		{"memory",
		 {SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
		 0,
		 B | L | G},
	};

	(void)state;
	if (!needs_root())
		try_acts(acts, ELEMENTS(acts));
}

static void
test_files(void **state)
{
	const long at = AT_FDCWD, name = (long)file, new = (long)fresh;
	long bad = 1;
	const struct act acts[] = {
		{"mount", {SYS_mount, {new, new, 0, MS_BIND, 0}}, ENOENT},
		{"umount2", {SYS_umount2, {new, 0}}, ENOENT},
		{"pivot_root", {SYS_pivot_root, {new, new}}, ENOENT},
		{"move_mount", {SYS_move_mount, {-1, (long)"", -1, (long)"", 0}}, ENOENT},
		{"open_tree", {SYS_open_tree, {-1, (long)"x", 0}}, EBADF, B},
		{"mount_setattr", {SYS_mount_setattr, {-1, (long)"x", 0, 0, 0}}, SAYS, B},
		{"fsopen", {SYS_fsopen, {(long)"no-such-fs", 0}}, ENODEV, B},
		{"chroot", {SYS_chroot, {new}}, ENOENT, B},
		{"chown", {SYS_fchownat, {at, name, 0, 0, 0}}, 0},
		{"fchown", {SYS_fchown, {opened, 0, 0}}, 0},
		{"chmod", {SYS_fchmodat, {at, name, 0600}}, 0},
		{"fchmod", {SYS_fchmod, {opened, 0600}}, 0},
		{"setxattr", {SYS_setxattr, {name, (long)"trusted.x", (long)"x", 1, 0}}, 0},
		{"fsetxattr", {SYS_fsetxattr, {opened, (long)"trusted.x", (long)"x", 1, 0}}, 0},
		{"removexattr", {SYS_removexattr, {name, (long)"trusted.none"}}, SAYS},
		{"utimensat", {SYS_utimensat, {at, name, 0, 0}}, 0},
		{"truncate", {SYS_truncate, {name, 0}}, 0},
		{"fallocate", {SYS_fallocate, {opened, 0, 0, 1}}, 0},
		{"rename", {SYS_renameat2, {at, new, at, new, 0}}, ENOENT},
		{"mkdir", {SYS_mkdirat, {at, name, 0700}}, EEXIST},
		{"mknod", {SYS_mknodat, {at, name, S_IFIFO, 0}}, EEXIST},
		{"symlink", {SYS_symlinkat, {name, at, name}}, EEXIST},
		{"link", {SYS_linkat, {at, name, at, name, 0}}, EEXIST},
		{"unlink", {SYS_unlinkat, {at, new, 0}}, ENOENT, B},
		{"copy_file_range",
		 {SYS_copy_file_range, {opened, (long)&bad, opened, 0, 0, 0}},
		 0},
		{"sendfile", {SYS_sendfile, {opened, opened, 0, 0}}, 0},
		{"splice", {SYS_splice, {pipes[0], 0, pipes[1], 0, 0, 0}}, 0},
		{"tee", {SYS_tee, {pipes[0], pipes[1], 0, 0}}, 0},
		{"vmsplice", {SYS_vmsplice, {pipes[1], 0, 0, 0}}, 0},
		{"a lease", {SYS_fcntl, {opened, F_SETLEASE, F_UNLCK}}, EAGAIN},
		{"flags of a file", {SYS_ioctl, {opened, FS_IOC_GETFLAGS, bad}}, EFAULT},
		{"a terminal's input", {SYS_ioctl, {opened, TIOCSTI, bad}}, ENOTTY},
		{"open", {SYS_openat, {at, name, O_RDONLY}}, 0, B | L | S},
		{"openat2", {SYS_openat2, {at, new, 0, 0}}, EINVAL, B | L},
		{"read", {SYS_read, {-1, 0, 0}}, EBADF, B | L | G},
		{"write", {SYS_write, {-1, 0, 0}}, EBADF, B | L | G},
	};

	(void)state;
	if (needs_root())
		return;
	bad = 0;
	try_acts(acts, ELEMENTS(acts));
}

/* --- Landlock ---------------------------------------------------------------------------- */

static int
confine_landlock(int takes)
{
	if (takes < 0)
		return 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return landlock_enter((enum landlock_takes)takes, NULL, 0);
}

static void
test_landlock(void **state)
{
	const long at = AT_FDCWD, name = (long)file, new = (long)fresh;
	static const struct {
		int abi;
		int changes, all; /* what it comes to, with that much taken */
	} expected[] = {
		{1, EACCES, EACCES}, {1, 0, EACCES},      {1, EACCES, EACCES},
		{1, EACCES, EACCES}, {1, EACCES, EACCES}, {1, EACCES, EACCES},
		{3, EACCES, EACCES}, {6, EPERM, EPERM},   {6, 0, EPERM},
	};
	struct call calls[] = {
		{SYS_openat, {at, name, O_WRONLY}},
		{SYS_openat, {at, name, O_RDONLY}},
		{SYS_openat, {at, new, O_CREAT | O_RDWR, 0600}},
		{SYS_mkdirat, {at, new, 0700}},
		{SYS_mknodat, {at, new, S_IFIFO | 0600, 0}},
		{SYS_symlinkat, {name, at, new}},
		{SYS_truncate, {name, 1}},
		{SYS_kill, {victim, 0}},
		{SYS_connect, {sockets[1], (long)&abstract, abstract_size}},
	};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(calls); i++) {
		const int wanted[] = {0, expected[i].all, expected[i].changes};
		const int takes[] = {-1, LANDLOCK_TAKES_ALL, LANDLOCK_TAKES_CHANGES};

		for (size_t t = 0; t < ELEMENTS(takes); t++) {
			/* One that is connected already may go on. */
			int unconnected = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

			assert_return_code(dup2(unconnected, sockets[1]), errno);
			close(unconnected);
			if (t > 0 && sys_landlock_abi() < expected[i].abi) {
				printf("# Landlock of this kernel: no act %zu\n", i);
				continue;
			}
			assert_int_equal(
				outcome_of(confine_landlock, takes[t], make_call, &calls[i]),
				wanted[t]);
			(void)remove(fresh);
		}
	}
}

/* --- all of it --------------------------------------------------------------------------- */

enum { IDS_ALONE, WITH_LANDLOCK, WITH_CALLS, ALL_OF_IT, DROPPED, DROPPED_ALL };

/* The victim is of the same account: as a worker is, to a compiler that an attacker owns. */
static int
confine_as_account(int how)
{
	const char *account = "61003";

	if (how == ALL_OF_IT)
		return drop_privileges(account, account, LANDLOCK_TAKES_CHANGES) == 0
			       ? calls_enter_look_up()
			       : -1;
	if (how == DROPPED || how == DROPPED_ALL)
		return drop_privileges(account, account,
				       how == DROPPED ? LANDLOCK_TAKES_CHANGES
						      : LANDLOCK_TAKES_ALL) == 0;
	if (setresgid(VICTIM, VICTIM, VICTIM) < 0 || setresuid(VICTIM, VICTIM, VICTIM) < 0)
		return -1;
	return how == WITH_LANDLOCK ? confine_landlock(LANDLOCK_TAKES_CHANGES)
	       : how == WITH_CALLS  ? enter_calls(LOOK_UP)
				    : 1;
}

static void
test_a_worker_of_the_same_account(void **state)
{
	struct call kills = {SYS_kill, {victim, 0}};
	struct call traces = {SYS_ptrace, {PTRACE_SEIZE, victim}};
	struct call asks = {SYS_setpriority, {PRIO_PROCESS, victim, 2}};

	(void)state;
	if (needs_root())
		return;
	assert_int_equal(outcome_of(confine_as_account, IDS_ALONE, make_call, &kills), 0);
	assert_int_equal(outcome_of(confine_as_account, IDS_ALONE, make_call, &asks), 0);
	if (sys_landlock_abi() >= 6)
		assert_int_equal(outcome_of(confine_as_account, WITH_LANDLOCK, make_call, &kills),
				 EPERM);
	assert_int_equal(outcome_of(confine_as_account, WITH_CALLS, make_call, &kills), KILLED);
	assert_int_equal(outcome_of(confine_as_account, WITH_CALLS, make_call, &asks), KILLED);
	assert_int_equal(outcome_of(confine_as_account, ALL_OF_IT, make_call, &kills), KILLED);
	assert_int_equal(outcome_of(confine_as_account, ALL_OF_IT, make_call, &traces), KILLED);
	assert_int_equal(outcome_of(confine_as_account, ALL_OF_IT, make_call, &asks), KILLED);
}

/* The account's own file, and what drop_privileges() leaves of the ways to it. */
static void
test_dropping_privileges(void **state)
{
	struct call reads = {SYS_openat, {AT_FDCWD, (long)own, O_RDONLY}};
	struct call writes = {SYS_openat, {AT_FDCWD, (long)own, O_WRONLY}};
	struct call returns = {SYS_setresuid, {0, 0, 0}};

	(void)state;
	if (needs_root())
		return;
	assert_int_equal(outcome_of(confine_as_account, IDS_ALONE, make_call, &writes), 0);
	assert_int_equal(outcome_of(confine_as_account, DROPPED, make_call, &returns), EPERM);
	if (sys_landlock_abi() < 1)
		return;
	assert_int_equal(outcome_of(confine_as_account, DROPPED, make_call, &reads), 0);
	assert_int_equal(outcome_of(confine_as_account, DROPPED, make_call, &writes), EACCES);
	assert_int_equal(outcome_of(confine_as_account, DROPPED_ALL, make_call, &reads), EACCES);
}

static void *
run_thread(void *told)
{
	*(int *)told = 1;
	return NULL;
}

/* What a module of the user database may do: threads, sockets, files, time. Returns a line. */
static int
look_up(void *context)
{
	struct pollfd wait = {.fd = pipes[0], .events = POLLIN};
	const struct timespec moment = {.tv_nsec = 1000};
	const struct passwd *entry;
	pthread_t thread;
	int told = 0, fd;

	(void)context;
	entry = getpwuid(0);
	if (!entry || strcmp(entry->pw_name, "root") != 0 || getpwnam("no-such-user-here"))
		return __LINE__;
	if (pthread_create(&thread, NULL, run_thread, &told) != 0 ||
	    pthread_join(thread, NULL) != 0 || told != 1)
		return __LINE__;
	for (int family = 0; family < 3; family++) {
		fd = socket((int[]){AF_UNIX, AF_INET, AF_INET6}[family], SOCK_STREAM | SOCK_CLOEXEC,
			    0);
		if (fd < 0 && errno != EAFNOSUPPORT)
			return __LINE__;
		close(fd);
	}
	if (poll(&wait, 1, 0) != 0 || nanosleep(&moment, NULL) < 0 || isatty(pipes[0]))
		return __LINE__;
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	return fd < 0 || close(fd) < 0 ? __LINE__ : 0;
}

static void
test_looking_up_goes_on(void **state)
{
	(void)state;
	for (int p = NOBODY; p <= LOOK_UP; p++)
		assert_int_equal(outcome_of(confine_calls, p, look_up, NULL), 0);
	if (!needs_root())
		assert_int_equal(outcome_of(confine_as_account, ALL_OF_IT, look_up, NULL), 0);
	/* And where it is not permitted it shows. */
	assert_int_equal(outcome_of(confine_calls, LOG, look_up, NULL), KILLED);
}

/* A program of another architecture, or of x32, is no way around. */
static int
make_other_call(void *context)
{
	long r = -ENOSYS;

	(void)context;
#if defined(__x86_64__)
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "r8", "r9", "r10", "r11", "memory");
#endif
	return r < 0 ? (int)-r : 0;
}

static void
test_other_architecture(void **state)
{
	(void)state;
	if (outcome_of(confine_calls, NOBODY, make_other_call, NULL) != 0) {
		puts("# there is none here");
		return;
	}
	for (int p = BROKER; p < N_PROCESSES; p++)
		assert_int_equal(outcome_of(confine_calls, p, make_other_call, NULL), KILLED);
}

static int
setup(void **state)
{
	(void)state;
	make_directory(directory);
	snprintf(file, sizeof(file), "%s/file", directory);
	snprintf(fresh, sizeof(fresh), "%s/fresh", directory);
	write_file(file, "x");
	snprintf(own, sizeof(own), "%s/own", directory);
	write_file(own, "x");
	if (geteuid() == 0 && chown(own, VICTIM, VICTIM) < 0)
		return -1;
	opened = open(file, O_RDWR | O_CLOEXEC);
	if (opened < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    (sockets[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
	    (sockets[1] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
	    /* The kernel chooses a name, unix(7). */
	    bind(sockets[0], (struct sockaddr *)&abstract, sizeof(sa_family_t)) < 0 ||
	    getsockname(sockets[0], (struct sockaddr *)&abstract, &abstract_size) < 0)
		return -1;
	victim = fork();
	if (victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (geteuid() == 0 && (setresgid(VICTIM, VICTIM, VICTIM) < 0 ||
				       setresuid(VICTIM, VICTIM, VICTIM) < 0))
			_exit(1);
		/* Changing ids cleared it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!write(pipes[1], "x", 1);
		for (;;)
			pause();
	}
	victim_pidfd = (int)syscall(SYS_pidfd_open, victim, 0);
	for (char byte; read(pipes[0], &byte, 1) != 1;)
		sleep_ms(1);
	return victim < 0 || victim_pidfd < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	kill(victim, SIGKILL);
	return waitpid(victim, NULL, 0) == victim ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_processes),
		cmocka_unit_test(test_more_processes_and_privilege),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_a_worker_of_the_same_account),
		cmocka_unit_test(test_dropping_privileges),
		cmocka_unit_test(test_looking_up_goes_on),
		cmocka_unit_test(test_other_architecture),
	};

	return cmocka_run_group_tests_name("broker/calls", tests, setup, teardown);
}
