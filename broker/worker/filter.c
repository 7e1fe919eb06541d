/* SPDX-License-Identifier: MIT */
/* Runs in: worker, end of the first phase. What is not listed here kills the process. */
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "broker/filter.h"
#include "broker/ipc.h"
#include "broker/worker/confine.h"

static const struct filter_rule rules[] = {
	/* A request: receive, open, look, answer, record. */
	{SCMP_SYS(recvmsg)},
	{SCMP_SYS(openat2)},
	{SCMP_SYS(fstat)},
	{SCMP_SYS(newfstatat)},
	{SCMP_SYS(statx)},
	{SCMP_SYS(readlinkat)},
	{SCMP_SYS(fgetxattr)},
	{SCMP_SYS(lseek)},
	{SCMP_SYS(getdents64)},
	{SCMP_SYS(ftruncate)},
	{SCMP_SYS(sendmsg)},
	{SCMP_SYS(write), FILTER_EQUAL, 0, IPC_NOTES},
	{SCMP_SYS(write), FILTER_EQUAL, 0, IPC_AUDIT},
	{SCMP_SYS(write), FILTER_EQUAL, 0, IPC_ENDED},
	/* Not to be held up by what a client sent along. */
	{SCMP_SYS(setitimer), FILTER_EQUAL, 0, ITIMER_REAL},
	{SCMP_SYS(rt_sigreturn)},
	{SCMP_SYS(close)},
	{SCMP_SYS(shutdown)},
	/* Was it read, and who is it. */
	{SCMP_SYS(getsockopt), FILTER_OPTION, .value = SO_MEMINFO},
	{SCMP_SYS(getsockopt), FILTER_OPTION, .value = SO_PEERGROUPS},
	{SCMP_SYS(getsockopt), FILTER_OPTION, .value = SO_PEERSEC},
	/*
	 * Flags of a descriptor and of an open file description; no leases, owners, signals, locks.
	 */
	{SCMP_SYS(fcntl), FILTER_EQUAL, 1, F_GETFD},
	{SCMP_SYS(fcntl), FILTER_EQUAL, 1, F_SETFD},
	{SCMP_SYS(fcntl), FILTER_EQUAL, 1, F_GETFL},
	{SCMP_SYS(fcntl), FILTER_EQUAL, 1, F_SETFL},
	/* What changed. */
	{SCMP_SYS(read), FILTER_EQUAL, 0, WATCH_NAMES},
	{SCMP_SYS(pread64), FILTER_EQUAL, 0, WATCH_MOUNTS},
	/* Waiting. */
	{SCMP_SYS(epoll_wait)},
	{SCMP_SYS(epoll_pwait)},
	{SCMP_SYS(epoll_ctl)},
	{SCMP_SYS(restart_syscall)},
	{SCMP_SYS(clock_gettime)}, /* where there is no vdso(7) for it */
	/* A connection's memory; none of it can be executed. */
	{SCMP_SYS(brk)},
	{SCMP_SYS(mmap), FILTER_BITS_CLEAR, 2, PROT_EXEC},
	{SCMP_SYS(mprotect), FILTER_BITS_CLEAR, 2, PROT_EXEC},
	{SCMP_SYS(munmap)},
	{SCMP_SYS(exit_group)},
};

int
confine_seccomp(const struct confinement *c)
{
	(void)c;
	return filter_enter(FILTER_KILLS, rules, sizeof(rules) / sizeof(rules[0]));
}
