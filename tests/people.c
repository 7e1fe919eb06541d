/* SPDX-License-Identifier: MIT */
#include "tests/people.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int
become(const struct ids *ids)
{
	if (setgroups(ids->n_groups, ids->groups) < 0 ||
	    setresgid(ids->gid, ids->gid, ids->gid) < 0 ||
	    setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return -1;
	/* Its own files in /proc are its own again. */
	return prctl(PR_SET_DUMPABLE, 1);
}

pid_t
act_begin(const struct ids *ids, act_fn *act, void *context)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid != 0)
		return pid;
	if (ids && become(ids) < 0)
		_exit(ASK_BROKEN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(act(context));
}

int
act_end(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int
act_as(const struct ids *ids, act_fn *act, void *context)
{
	return act_end(act_begin(ids, act, context));
}

static bool
is_that_file(int fd, const char *path)
{
	struct stat wanted, got;

	return fstat(fd, &got) == 0 && stat(path, &wanted) == 0 && wanted.st_dev == got.st_dev &&
	       wanted.st_ino == got.st_ino;
}

int
ask(const struct harness *h, int socket, const struct ucred *credentials, const char *name)
{
	static uint32_t id = 5000;
	char path[128], message[512];
	struct reply reply;
	int r, length = snprintf(path, sizeof(path), "%s/who/%s", h->directory, name);
	struct raw raw = {.bytes = message, .credentials = credentials};

	raw.size = raw_request(message, ++id, O_RDONLY, path, (size_t)length);
	r = raw_send(socket, &raw);
	if (r < 0)
		return ASK_KERNEL - r;
	raw_receive(socket, 0, &reply);
	if (reply.size == 0 || reply.size == -ECONNRESET)
		return ASK_ENDED;
	if (reply.size < 0 || (size_t)reply.size < sizeof(reply.head) || reply.head.id != id)
		r = ASK_ODD;
	else if (reply.head.status != 0)
		r = reply.head.status < ASK_KERNEL && reply.n_fds == 0 ? reply.head.status
								       : ASK_ODD;
	else if (reply.head.items != 1 || reply.n_fds != (reply.results[0].error == 0))
		r = ASK_ODD;
	else if (reply.results[0].error == 0)
		r = is_that_file(reply.fds[0], path) ? ASK_GRANTED : ASK_ODD;
	else
		r = reply.results[0].error < ASK_KERNEL ? (int)reply.results[0].error : ASK_ODD;
	reply_drop(&reply);
	return r;
}

int
ask_who(int socket, const struct ucred *credentials)
{
	char message[WIRE_REQUEST_HEAD];
	struct reply reply;
	int r = raw_send(socket, &(struct raw){.bytes = message,
					       .size = wire_encode_whoami(message, 4999, 0),
					       .credentials = credentials});

	if (r < 0)
		return ASK_KERNEL - r;
	raw_receive(socket, 0, &reply);
	reply_drop(&reply);
	return reply.size < (ssize_t)sizeof(reply.head) || reply.head.id != 4999
		       ? ASK_ODD
		       : reply.head.status;
}

struct question {
	const struct harness *h;
	const char *name;
};

static int
connect_and_ask(void *context)
{
	const struct question *question = context;
	int fd = raw_try_connect(question->h);

	return fd < 0 ? ASK_KERNEL - fd : ask(question->h, fd, NULL, question->name);
}

int
ask_as(const struct harness *h, const struct ids *ids, const char *name)
{
	return act_as(ids, connect_and_ask, &(struct question){.h = h, .name = name});
}

int
connect_as(const struct harness *h, const struct ids *ids)
{
	int fd;

	assert_return_code(setgroups(ids->n_groups, ids->groups), errno);
	assert_return_code(setegid(ids->gid), errno);
	assert_return_code(seteuid(ids->uid), errno);
	fd = raw_try_connect(h);
	assert_return_code(seteuid(0), errno);
	assert_return_code(setegid(0), errno);
	assert_return_code(setgroups(0, NULL), errno);
	assert_return_code(fd, -fd);
	return fd;
}

int
pass_fd(int wire, int fd)
{
	return raw_send(wire, &(struct raw){.bytes = "f", .size = 1, .fds = &fd, .n_fds = 1});
}

int
take_fd(int wire)
{
	struct reply reply;

	raw_receive(wire, 0, &reply);
	if (reply.size == 1 && reply.n_fds == 1)
		return reply.fds[0];
	reply_drop(&reply);
	return -1;
}

int
tell(int wire)
{
	return raw_send_bytes(wire, "t", 1) < 0 ? -1 : 0;
}

int
wait_told(int wire)
{
	char byte;

	return recv(wire, &byte, 1, 0) == 1 ? 0 : -1;
}

struct making {
	const struct harness *h;
	int wires[2];
};

static int
make_connection(void *context)
{
	const struct making *making = context;
	int fd = raw_try_connect(making->h);

	close(making->wires[0]);
	if (fd < 0 || pass_fd(making->wires[1], fd) < 0)
		return ASK_BROKEN;
	close(fd);
	(void)wait_told(making->wires[1]);
	return 0;
}

int
connection_of(const struct harness *h, const struct ids *ids, struct maker *ret_maker)
{
	struct making making = {.h = h};
	int fd;

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, making.wires),
			   errno);
	ret_maker->pid = act_begin(ids, make_connection, &making);
	close(making.wires[1]);
	ret_maker->wire = making.wires[0];
	ret_maker->credentials =
		(struct ucred){.pid = ret_maker->pid, .uid = ids->uid, .gid = ids->gid};
	fd = take_fd(ret_maker->wire);
	assert_true(fd >= 0);
	return fd;
}

void
maker_end(struct maker *maker)
{
	close(maker->wire);
	assert_int_equal(act_end(maker->pid), 0);
}

int
write_map(pid_t pid, const char *which, const char *map)
{
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, which);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 || dprintf(fd, "%s", map) < 0 ? -1 : 0;
	if (fd >= 0)
		close(fd);
	return r;
}

int
enter_mapped(int flags, const char *map)
{
	int pair[2], status = -1;
	pid_t pid, self = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		_exit(wait_told(pair[1]) < 0 || write_map(self, "uid_map", map) < 0 ||
		      write_map(self, "gid_map", map) < 0);
	if (pid < 0 || unshare(flags) < 0 || tell(pair[0]) < 0 || waitpid(pid, &status, 0) != pid ||
	    status != 0)
		return -1;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

int
in_pid_namespace(int (*run)(void))
{
	int status = -1;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		/* The first of its namespace: when it ends, all in there end. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
			_exit(1);
		exit(run());
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
