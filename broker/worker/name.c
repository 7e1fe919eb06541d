/* SPDX-License-Identifier: MIT */
/* Runs in: worker, first phase, and a child of it that has given up all privilege. */
#include "broker/worker/name.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/calls.h"
#include "broker/drop.h"
#include "broker/sys.h"

enum {
	LOOK_UP_MS = 2000,
	LOOK_UP_SECONDS = 3, /* the child's own end, should its parent be gone */
};

static void __attribute__((noreturn)) answer(const struct ipc_setup *setup, uid_t peer, int pipe)
{
	char uid[16] = "-", gid[16] = "-";
	const struct passwd *user;

	if (setup->own_uid != (uid_t)-1) {
		snprintf(uid, sizeof(uid), "%u", setup->own_uid);
		snprintf(gid, sizeof(gid), "%u", setup->own_gid);
	}
	alarm(LOOK_UP_SECONDS);
	/* No module is to find the broker's sockets, or to write where its messages go. */
	if (dup2(pipe, STDIN_FILENO) < 0 || dup2(STDOUT_FILENO, STDERR_FILENO) < 0 ||
	    sys_close_from(STDERR_FILENO + 1) < 0 ||
	    drop_privileges(uid, gid, LANDLOCK_TAKES_CHANGES) < 0 || calls_enter_look_up() < 0)
		_exit(EXIT_FAILURE);
	errno = 0;
	user = getpwuid(peer);
	if (!user)
		_exit(errno == 0 || errno == ENOENT ? EXIT_SUCCESS : EXIT_FAILURE);
	_exit(write(STDIN_FILENO, user->pw_name, strlen(user->pw_name)) < 0 ? EXIT_FAILURE
									    : EXIT_SUCCESS);
}

/* What the child wrote, or nothing. */
static int
read_answer(int pipe, char *ret_name, size_t size)
{
	struct pollfd wait = {.fd = pipe, .events = POLLIN};
	ssize_t n;
	int r;

	do
		r = poll(&wait, 1, LOOK_UP_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	n = read(pipe, ret_name, size - 1);
	if (n < 0)
		return -errno;
	ret_name[n] = '\0';
	return n > 0 ? 0 : -ENOENT;
}

int
name_look_up(const struct ipc_setup *setup, uid_t uid, char *ret_name, size_t size)
{
	int ends[2], r, status = 0;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		answer(setup, uid, ends[1]);
	r = child < 0 ? -errno : 0;
	close(ends[1]);
	if (r == 0)
		r = read_answer(ends[0], ret_name, size);
	close(ends[0]);
	if (child < 0)
		return r;
	/* One that has said all it has to say ends by itself; only its end tells "none" from "?". */
	if (r < 0 && r != -ENOENT)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return r == -ENOENT && status != 0 ? -EIO : r;
}
