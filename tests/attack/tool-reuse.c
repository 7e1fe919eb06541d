/* SPDX-License-Identifier: MIT */
/*
 * tool-reuse FATE SENDER BROKER FILE UID NEXT PROCS...: a process of UID connects while the broker,
 * whose pid is BROKER, is stopped. Then its FATE is
 *
 *     alive    it lives on, in the control groups whose cgroup.procs are PROCS
 *     outside  the same, where we are
 *     dead     it dies, and nobody has its pid
 *     reused   it dies, and a process of the user NEXT, in the control groups, gets its pid; or of the
 *              ids NEXT, which are REAL:EFFECTIVE:REAL:EFFECTIVE, of the user and of the group
 *
 * Then the broker goes on, and somebody who has held the connection all the time asks for FILE:
 * SENDER is "root", with the credentials of the one who connected, or "user", a process of UID with
 * its own. Prints what came.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/channel.h"
#include "client-lib/wire.h"

enum { WAIT_S = 10 };

static pid_t broker;

static void
go_on(void)
{
	kill(broker, SIGCONT);
}

static void
stop(int signal)
{
	(void)signal;
	go_on();
	_exit(3);
}

/* A child, with this pid if it is not 0. */
static pid_t
start(pid_t wanted)
{
	struct clone_args how = {
		.exit_signal = SIGCHLD,
		.set_tid = wanted ? (uintptr_t)&wanted : 0,
		.set_tid_size = wanted != 0,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));

	if (pid < 0)
		err(3, "clone3");
	return pid;
}

struct ids {
	uid_t real_uid, uid;
	gid_t real_gid, gid;
};

static struct ids
parse_ids(const char *text)
{
	struct ids ids;

	if (sscanf(text, "%u:%u:%u:%u", &ids.real_uid, &ids.uid, &ids.real_gid, &ids.gid) != 4)
		ids.real_uid = ids.uid = ids.real_gid = ids.gid = (uid_t)strtoul(text, NULL, 10);
	return ids;
}

/* In a child: to where it should be, and who. */
static void
become(struct ids ids, char *const *procs)
{
	for (; *procs; procs++) {
		int fd = open(*procs, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "0", 1) != 1)
			err(3, "%s", *procs);
		close(fd);
	}
	if (setgroups(0, NULL) < 0 || setresgid(ids.real_gid, ids.gid, ids.gid) < 0 ||
	    setresuid(ids.real_uid, ids.uid, ids.uid) < 0)
		err(3, "setresuid");
	/* Forgotten at a change of ids, so after it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
tell(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(3);
}

static void
await(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		errx(3, "a child did not come so far");
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Ask for one file, and say what came. */
static void
ask(int fd, const char *path, const struct ucred *self)
{
	const struct wire_file file = {.flags = O_RDONLY, .path_length = (uint32_t)strlen(path)};
	char head[WIRE_REQUEST_HEAD], answer[WIRE_REPLY_MAX];
	struct iovec iov[] = {
		{head, wire_encode_request(head, 1, WIRE_OPEN, &file)},
		{(void *)path, strlen(path)},
	};
	struct channel_extra extra;
	struct wire_outcome outcome = {};
	uint16_t status = 0;
	int opened = -1, r;
	ssize_t n;

	r = channel_send(fd, iov, 2, NULL, 0, self, 0);
	if (r < 0) {
		printf("unsent %s\n", strerrorname_np(-r));
		return;
	}
	n = channel_receive(fd, answer, sizeof(answer), &opened, 1, false, 0, &extra);
	if (n <= 0)
		printf("ended %s\n", n < 0 ? strerrorname_np((int)-n) : "");
	else if (wire_decode_reply(answer, (size_t)n, 1, 1, &status, &outcome) < 0)
		puts("nonsense");
	else if (status != 0 || outcome.error != 0)
		puts(strerrorname_np((int)(status ? status : outcome.error)));
	else
		puts(opened >= 0 ? "granted" : "nothing");
}

int
main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = WAIT_S};
	static char *nowhere[] = {NULL};
	struct ucred self = {};
	int fd, ready[2];
	pid_t next = 0;

	if (argc < 8)
		return 2;
	const char *fate = argv[1], *path = argv[4];
	char **procs = argv + 7;
	bool lives = strcmp(fate, "alive") == 0 || strcmp(fate, "outside") == 0;

	broker = (pid_t)strtol(argv[3], NULL, 10);
	self.uid = self.gid = (uid_t)strtoul(argv[5], NULL, 10);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("FDBROKER_SOCKET"));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || pipe2(ready, O_CLOEXEC) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		err(3, "socket");
	/* Also when this fails: a broker that is stopped cannot be ended. */
	if (atexit(go_on) != 0 || signal(SIGTERM, stop) == SIG_ERR || kill(broker, SIGSTOP) < 0)
		err(3, "cannot stop the broker");

	self.pid = start(0);
	if (self.pid == 0) {
		become(parse_ids(argv[5]), strcmp(fate, "alive") == 0 ? procs : nowhere);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(3);
		tell(ready[1]);
		pause();
		_exit(0);
	}
	await(ready[0]);
	if (!lives)
		end(self.pid);
	if (strcmp(fate, "reused") == 0) {
		next = start(self.pid);
		if (next == 0) {
			become(parse_ids(argv[6]), procs);
			tell(ready[1]);
			pause();
			_exit(0);
		}
		await(ready[0]);
		if (next != self.pid)
			errx(3, "the pid is another");
	}
	go_on();
	fflush(stdout);
	if (strcmp(argv[2], "root") == 0) {
		ask(fd, path, &self);
	} else {
		pid_t holder = start(0);

		if (holder == 0) {
			become(parse_ids(argv[5]), nowhere);
			self.pid = getpid();
			ask(fd, path, &self);
			fflush(stdout);
			_exit(0);
		}
		waitpid(holder, NULL, 0);
	}
	if (lives)
		end(self.pid);
	if (next > 0)
		end(next);
	return 0;
}
