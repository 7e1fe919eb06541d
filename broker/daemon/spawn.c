/* SPDX-License-Identifier: MIT */
/* Runs in: broker, and in its children until they are another program. Trusts: the helpers'
 * directory. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "broker/daemon/daemon.h"
#include "broker/sys.h"

static const char *const names[N_HELPERS] = {
	[HELPER_WORKER] = "fdbroker-worker",
	[HELPER_COMPILE] = "fdbroker-compile",
	[HELPER_LOG] = "fdbroker-log",
};

enum {
	FIRST = 3,   /* where a helper's own descriptors begin */
	MOST = 1024, /* more than any helper is given */
};

/* Open all programs of one directory. 0 or a negative errno value, with the name of what is
 * missing. */
static int
open_from(struct broker *b, const char *directory, const char **ret_missing)
{
	int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), r = dir < 0 ? -errno : 0;

	*ret_missing = directory;
	for (int i = 0; i < N_HELPERS && r == 0; i++) {
		b->helpers[i] = openat(dir, names[i], O_PATH | O_CLOEXEC | O_NOFOLLOW);
		if (b->helpers[i] < 0 || faccessat(dir, names[i], X_OK, 0) < 0) {
			r = -errno;
			*ret_missing = names[i];
		}
	}
	if (dir >= 0)
		close(dir);
	return r;
}

int
spawn_open_helpers(struct broker *b)
{
	char beside[PATH_MAX];
	const char *directory = b->options.libexec, *missing;
	ssize_t n;
	int r;

	/* By a descriptor opened once: an upgrade never mixes versions. */
	if (!directory) {
		n = readlink("/proc/self/exe", beside, sizeof(beside) - 1);
		if (n > 0) {
			beside[n] = '\0';
			*strrchr(beside, '/') = '\0';
			if (open_from(b, beside, &missing) == 0)
				return 0;
		}
		directory = FDBROKER_LIBEXEC;
	}
	r = open_from(b, directory, &missing);
	if (r < 0)
		say("helper program %s cannot be used from %s: %s; see --libexec", missing,
		    directory, strerror(-r));
	return r;
}

/* The helpers' ids and nothing else. Verified: a way back ends the child. */
static bool
drop_privileges(const struct broker *b)
{
	cap_t none = cap_init();

	if (b->is_root &&
	    (setgroups(0, NULL) < 0 || setresgid(b->own_gid, b->own_gid, b->own_gid) < 0 ||
	     setresuid(b->own_uid, b->own_uid, b->own_uid) < 0))
		return false;
	if (!none || cap_set_proc(none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return false;
	cap_free(none);
	return !b->is_root || (setuid(0) < 0 && setgid(0) < 0);
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

void
spawn_exec(const struct broker *b, const struct spawn *spawn)
{
	char *const environment[] = {NULL};
	int high[MOST], program, null;
	sigset_t none;

	/* They end when the broker ends them; what a terminal or service manager sends to all is
	 * not for them. */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGTERM, SIG_IGN) == SIG_ERR ||
	    signal(SIGHUP, SIG_IGN) == SIG_ERR)
		give_up(spawn, "signals");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	program = lift(b->helpers[spawn->helper], spawn);
	null = lift(b->null, spawn);
	for (size_t i = 0; i < spawn->n_fds && i < MOST; i++)
		high[i] = lift(spawn->fds[i], spawn);
	for (size_t i = 0; i < spawn->n_fds; i++)
		if (dup2(high[i], FIRST + (int)i) < 0)
			give_up(spawn, "descriptors");
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		give_up(spawn, "descriptors");
	if (spawn->unprivileged && !drop_privileges(b))
		give_up(spawn, "privileges");
	/* Changing ids clears it (prctl(2)), so after that. */
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
		spawn_exec(b, spawn);
	*ret_pid = pid;
	return 0;
}
