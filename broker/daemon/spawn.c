/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker, and in its children until they are another program. Trusts: the helpers'
 * directory. Every helper begins with the broker's privileges and gives them up before its first
 * input.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "broker/daemon/daemon.h"
#include "broker/sys.h"

static const char *const names[N_HELPERS] = {
	[HELPER_WORKER] = "fdbroker-worker",
	[HELPER_COMPILE] = "fdbroker-compile",
	[HELPER_LOG] = "fdbroker-log",
};

enum {
	FIRST = 3,   /* where a helper's own descriptors begin */
	FDS_MAX = 8, /* more than any helper is given */
};

/* Open all programs of one directory: by descriptors, so that an upgrade never mixes versions. */
static int
open_from(struct broker *b, const char *directory)
{
	struct stat status;
	char path[PATH_MAX];

	for (int i = 0; i < N_HELPERS; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		close_fd(&b->helpers[i]);
		b->helpers[i] = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
		if (b->helpers[i] >= 0 && fstat(b->helpers[i], &status) == 0 &&
		    !S_ISREG(status.st_mode))
			errno = EACCES;
		else if (b->helpers[i] >= 0 && access(path, X_OK) == 0)
			continue;
		say("helper program %s cannot be used: %s; see --libexec", path, strerror(errno));
		return -ECANCELED;
	}
	return 0;
}

int
spawn_open_helpers(struct broker *b)
{
	char beside[PATH_MAX] = "", *slash;

	/* In the build directory they are beside us. */
	if (!b->options.libexec && readlink("/proc/self/exe", beside, sizeof(beside) - 1) > 0) {
		slash = strrchr(beside, '/');
		snprintf(slash, (size_t)(beside + sizeof(beside) - slash), "/%s", names[0]);
		if (access(beside, F_OK) == 0) {
			*slash = '\0';
			return open_from(b, beside);
		}
	}
	return open_from(b, b->options.libexec ? b->options.libexec : FDBROKER_LIBEXEC);
}

/* The child has no other way to say why. */
static void __attribute__((noreturn)) give_up(const struct spawn *spawn, const char *what)
{
	say("cannot start %s: %s: %s", names[spawn->helper], what, strerror(errno));
	_exit(EXIT_FAILURE);
}

/* A copy above those that the helper is given, so that putting one in its place overwrites none. */
static int
lift(int fd, const struct spawn *spawn)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST + (int)spawn->n_fds);

	if (high < 0)
		give_up(spawn, "descriptors");
	return high;
}

/* In the child: become that program, or exit. */
static void __attribute__((noreturn)) become(const struct broker *b, const struct spawn *spawn)
{
	char *const environment[] = {NULL};
	int high[FDS_MAX], program, null;
	sigset_t none;

	/*
	 * They end when the broker ends them, not when a terminal or service manager signals all.
	 */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGTERM, SIG_IGN) == SIG_ERR ||
	    signal(SIGHUP, SIG_IGN) == SIG_ERR)
		give_up(spawn, "signals");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	program = lift(b->helpers[spawn->helper], spawn);
	null = lift(b->null, spawn);
	for (size_t i = 0; i < spawn->n_fds && i < FDS_MAX; i++)
		high[i] = lift(spawn->fds[i], spawn);
	for (size_t i = 0; i < spawn->n_fds; i++)
		if (dup2(high[i], FIRST + (int)i) < 0)
			give_up(spawn, "descriptors");
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		give_up(spawn, "descriptors");
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	sys_execveat(program, spawn->argv, environment);
	give_up(spawn, "exec");
}

int
spawn_helper(const struct broker *b, const struct spawn *spawn, pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(b, spawn);
	*ret_pid = pid;
	return 0;
}
