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
		b->helpers[i] = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
		if (b->helpers[i] >= 0)
			errno = ENOEXEC; /* of what is no regular file */
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

/*
 * In the child: become that program, or say why not and exit. What the broker blocks stays blocked:
 * helpers end when the broker ends them, not when a terminal or service manager signals all.
 */
static void __attribute__((noreturn))
become(const struct broker *b, enum helper helper, const int *fds, size_t n_fds, const char *title)
{
	const char *argv[4 + OPTIONS_POLICY_MAX + 1] = {title}, *const environment[] = {NULL};
	char uid[12] = "-", gid[12] = "-";
	int r = 0;

	if (b->own_uid != (uid_t)-1) {
		snprintf(uid, sizeof(uid), "%u", b->own_uid);
		snprintf(gid, sizeof(gid), "%u", b->own_gid);
	}
	/* Workers are told in a message. */
	if (helper != HELPER_WORKER) {
		argv[0] = names[helper];
		argv[1] = uid;
		argv[2] = gid;
		memcpy(argv + 3, b->options.policy, sizeof(b->options.policy));
		argv[3 + b->options.n_policy] = helper == HELPER_LOG ? b->options.socket : NULL;
	}
	for (size_t i = 0; i < n_fds && r >= 0; i++)
		r = dup2(fds[i], IPC_CONTROL + (int)i);
	if (r >= 0 && dup2(b->null, STDIN_FILENO) >= 0 && dup2(b->null, STDOUT_FILENO) >= 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		sys_execveat(b->helpers[helper], (char **)argv, (char **)environment);
	}
	warn("cannot start %s", names[helper]);
	_exit(EXIT_FAILURE);
}

pid_t
spawn_helper(const struct broker *b, enum helper helper, const int *fds, size_t n_fds,
	     const char *title)
{
	pid_t pid = fork();

	if (pid == 0)
		become(b, helper, fds, n_fds, title);
	return pid < 0 ? -errno : pid;
}
