/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker at its start; compiler, log process, and the worker's look-up of a name. The worker
 * that serves has a list of its own (broker/worker/filter.c).
 */
#include "broker/calls.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "broker/filter.h"

/* clang-format off */
#define RULE(name, kind, n, is) {.call = SCMP_SYS(name), .test = FILTER_##kind, .argument = n, .value = is}
/* clang-format on */
#define ANY(name)            RULE(name, ANY, 0, 0)
#define IS(name, n, is)      RULE(name, EQUAL, n, is)
#define LACKS(name, n, bits) RULE(name, BITS_CLEAR, n, bits)
#define HAS(name, n, bits)   RULE(name, BITS_SET, n, bits)
#define OPTION(name, option) RULE(name, OPTION, 0, option)

/* What the C library needs, of a program and of modules of the user database (nss(5)). */
static const struct filter_rule library[] = {
	/* Memory. Modules are mapped to be executed. */
	ANY(brk), ANY(mmap), ANY(munmap), ANY(mremap), ANY(mprotect), ANY(madvise), ANY(mlock),
	ANY(munlock), ANY(membarrier),
	/* A thread of its own, and its end. */
	ANY(arch_prctl), ANY(set_tid_address), ANY(set_robust_list), ANY(get_robust_list),
	ANY(rseq), ANY(futex), ANY(sched_yield), ANY(sched_getaffinity), ANY(getcpu), ANY(exit),
	ANY(exit_group),
	/* Signals that it gets. */
	ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigpending), ANY(rt_sigsuspend),
	ANY(rt_sigtimedwait), ANY(rt_sigreturn), ANY(restart_syscall), ANY(sigaltstack),
	ANY(signalfd4), ANY(pause),
	/* Time. */
	ANY(clock_gettime), ANY(clock_getres), ANY(clock_nanosleep), ANY(nanosleep),
	ANY(gettimeofday), ANY(time), ANY(times), ANY(alarm), ANY(getitimer), ANY(setitimer),
	ANY(timer_create), ANY(timer_settime), ANY(timer_gettime), ANY(timer_delete),
	ANY(timerfd_create), ANY(timerfd_settime), ANY(timerfd_gettime),
	/* Waiting. */
	ANY(poll), ANY(ppoll), ANY(select), ANY(pselect6), ANY(epoll_create), ANY(epoll_create1),
	ANY(epoll_ctl), ANY(epoll_wait), ANY(epoll_pwait), ANY(epoll_pwait2), ANY(eventfd),
	ANY(eventfd2),
	/* Who and where it is. */
	ANY(getpid), ANY(getppid), ANY(gettid), ANY(getpgrp), ANY(getpgid), ANY(getsid),
	ANY(getuid), ANY(geteuid), ANY(getgid), ANY(getegid), ANY(getresuid), ANY(getresgid),
	ANY(getgroups), ANY(capget), ANY(uname), ANY(sysinfo), ANY(getrusage), ANY(getrlimit),
	ANY(getrandom), IS(prlimit64, 0, 0), IS(prctl, 0, PR_SET_NAME), IS(prctl, 0, PR_GET_NAME),
	IS(prctl, 0, PR_CAPBSET_READ), IS(prctl, 0, PR_SET_VMA),
	/* Files. What may be changed by opening is Landlock's matter, and that of permissions. */
	ANY(open), ANY(openat), ANY(openat2), ANY(close), ANY(close_range), ANY(read), ANY(readv),
	ANY(pread64), ANY(preadv), ANY(write), ANY(writev), ANY(pwrite64), ANY(pwritev), ANY(lseek),
	ANY(stat), ANY(lstat), ANY(fstat), ANY(newfstatat), ANY(statx), ANY(statfs), ANY(fstatfs),
	ANY(access), ANY(faccessat), ANY(faccessat2), ANY(readlink), ANY(readlinkat), ANY(getdents),
	ANY(getdents64), ANY(getcwd), ANY(fadvise64), ANY(readahead), ANY(getxattr), ANY(fgetxattr),
	ANY(umask), ANY(flock), ANY(ftruncate), ANY(fsync), ANY(fdatasync), ANY(memfd_create),
	ANY(inotify_init1), ANY(inotify_add_watch), ANY(inotify_rm_watch),
	/* Descriptors. No owner of a descriptor, who would be sent signals; no lease. */
	ANY(dup), ANY(dup2), ANY(dup3), ANY(pipe), ANY(pipe2), IS(fcntl, 1, F_DUPFD),
	IS(fcntl, 1, F_DUPFD_CLOEXEC), IS(fcntl, 1, F_GETFD), IS(fcntl, 1, F_SETFD),
	IS(fcntl, 1, F_GETFL), IS(fcntl, 1, F_SETFL), IS(fcntl, 1, F_GETLK), IS(fcntl, 1, F_SETLK),
	IS(fcntl, 1, F_SETLKW), IS(fcntl, 1, F_OFD_GETLK), IS(fcntl, 1, F_OFD_SETLK),
	IS(fcntl, 1, F_OFD_SETLKW), IS(fcntl, 1, F_ADD_SEALS), IS(fcntl, 1, F_GET_SEALS),
	/* Is it a terminal (glibc 2.42 asks in another way), is there something, which interface. */
	IS(ioctl, 1, TCGETS), IS(ioctl, 1, TCGETS2), IS(ioctl, 1, FIONREAD), IS(ioctl, 1, FIONBIO),
	IS(ioctl, 1, FIOCLEX), IS(ioctl, 1, SIOCGIFINDEX), IS(ioctl, 1, SIOCGIFNAME),
	/* Sockets of services that know users: on this machine, ldap; which interfaces there are. */
	IS(socket, 0, AF_UNIX), IS(socket, 0, AF_INET), IS(socket, 0, AF_INET6),
	IS(socket, 0, AF_NETLINK), IS(socketpair, 0, AF_UNIX), ANY(connect), ANY(bind),
	ANY(getsockname), ANY(getpeername), ANY(getsockopt), ANY(setsockopt), ANY(sendto),
	ANY(sendmsg), ANY(sendmmsg), ANY(recvfrom), ANY(recvmsg), ANY(recvmmsg), ANY(shutdown)};

/*
 * Threads, no processes: those could outlive the one that made them. The C library tries clone3(2)
 * first, whose flags no filter sees.
 */
static const struct filter_rule threads[] = {HAS(clone, 0, CLONE_THREAD),
					     RULE(clone3, ABSENT, 0, 0)};

static const struct filter_rule broker[] = {
	/* Another process, in no namespace of its own. */
	LACKS(clone, 0,
	      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		      CLONE_NEWPID | CLONE_NEWNET),
	ANY(execveat), ANY(wait4), ANY(waitid), ANY(kill), ANY(tgkill), ANY(pidfd_open),
	ANY(pidfd_send_signal),
	/* A worker's trees and its empty root. */
	ANY(open_tree), ANY(mount_setattr), ANY(fsopen), ANY(fsconfig), ANY(fsmount), ANY(chroot),
	ANY(chdir), ANY(fchdir),
	/* A process for one call with the peer's effective uid. */
	ANY(setsid),
	/* The ways out of privilege. */
	ANY(setuid), ANY(setgid), ANY(setreuid), ANY(setregid), ANY(setresuid), ANY(setresgid),
	ANY(setgroups), ANY(setfsuid), ANY(setfsgid), ANY(capset), ANY(prctl), ANY(setrlimit),
	ANY(seccomp), ANY(landlock_create_ruleset), ANY(landlock_add_rule),
	ANY(landlock_restrict_self),
	/* The broker's own sockets. */
	ANY(listen), ANY(accept), ANY(accept4), ANY(unlink), ANY(unlinkat)};

static const struct filter_rule log_process[] = {
	ANY(recvmsg), ANY(read), ANY(pread64), ANY(write), ANY(close), ANY(epoll_wait),
	ANY(epoll_pwait), ANY(epoll_ctl), ANY(restart_syscall), ANY(clock_gettime), ANY(brk),
	ANY(munmap), ANY(exit_group), LACKS(mmap, 2, PROT_EXEC),
	/* Is it an admin, and room for what it is sent. */
	OPTION(getsockopt, SO_PEERCRED), OPTION(setsockopt, SO_SNDBUF)};

#define N(list) (sizeof(list) / sizeof((list)[0]))

static int
enter(enum filter_answer answer, const struct filter_rule *more, size_t n)
{
	struct filter_rule all[N(library) + N(broker)];

	memcpy(all, library, sizeof(library));
	memcpy(all + N(library), more, n * sizeof(*more));
	return filter_enter(answer, all, N(library) + n);
}

int
calls_enter_broker(void)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = enter(FILTER_ENOSYS, broker, N(broker));
	/* Making it took more memory than the broker needs from then on. */
	(void)malloc_trim(0);
	return r;
}

int
calls_enter_look_up(void)
{
	return enter(FILTER_KILLS, threads, N(threads));
}

int
calls_enter_log(void)
{
	return filter_enter(FILTER_KILLS, log_process, N(log_process));
}
