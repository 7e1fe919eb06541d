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
		    S_ISREG(status.st_mode) && access(path, X_OK) == 0)
			continue;
		warnx("helper program %s cannot be used: %s; see --libexec", path, strerror(errno));
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

/* In the child: become that program, or say why not and exit. */
static void __attribute__((noreturn))
become(const struct broker *b, enum helper helper, const int *fds, size_t n_fds, char *const *argv)
{
	char *const environment[] = {NULL};
	sigset_t none;
	int r = 0;

	/*
	 * They end when the broker ends them, not when a terminal or service manager signals all.
	 */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGTERM, SIG_IGN) == SIG_ERR ||
	    signal(SIGHUP, SIG_IGN) == SIG_ERR)
		r = -1;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < n_fds && r >= 0; i++)
		r = dup2(fds[i], IPC_CONTROL + (int)i);
	if (r >= 0 && dup2(b->null, STDIN_FILENO) >= 0 && dup2(b->null, STDOUT_FILENO) >= 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		sys_execveat(b->helpers[helper], argv, environment);
	}
	warn("cannot start %s", names[helper]);
	_exit(EXIT_FAILURE);
}

pid_t
spawn_helper(const struct broker *b, enum helper helper, const int *fds, size_t n_fds,
	     char *const *argv)
{
	pid_t pid = fork();

	if (pid == 0)
		become(b, helper, fds, n_fds, argv);
	return pid < 0 ? -errno : pid;
}
