/* SPDX-License-Identifier: MIT */
/*
 * What the tests of broker_open() share: a server in a child that answers as it is told to, and
 * clients in children of their own.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/harness.h"

enum {
	CONNECTIONS_MAX = 64,
};

/* What a server saw, in memory that its parent and the clients see too. */
struct seen {
	_Atomic unsigned accepted, requests;
	struct ucred peer; /* of the newest connection */
};

struct request {
	int socket;
	unsigned connection; /* from 1 */
	unsigned number;     /* of all requests, from 1 */
	uint32_t id;
	char path[256]; /* "": it is a question */
	uint32_t from;
	enum wire_operation operation;
	struct wire_file file; /* but its path */
};

enum after {
	KEEP = 0,
	CLOSE,
	DEAFEN, /* keep it open, read no more */
};

struct server {
	char directory[64];
	char path[128];
	pid_t pid;
	struct seen *seen;
	uid_t uid;    /* becomes that first, if not 0 */
	bool stuck;   /* listens and accepts nothing */
	bool no_read; /* the first connections are answered without reading what they sent */
	bool drains;  /* the first connection is shut for reading when a request lies there */
	enum after (*answer)(const struct request *request);
};

/* --- in the server ------------------------------------------------------------------------------
 */

static inline void
send_outcome(const struct request *request, const struct wire_outcome *outcome)
{
	char reply[WIRE_REPLY_MAX];
	size_t size = wire_encode_reply(reply, request->id, 0, outcome, 1, outcome->more_size);

	(void)raw_send_bytes(request->socket, reply, size);
}

static inline void
send_reply(const struct request *request, uint16_t status, uint32_t error, const int *fds,
	   size_t n_fds)
{
	const struct wire_outcome outcome = {.error = error};
	char reply[WIRE_REPLY_MAX];
	size_t size = wire_encode_reply(reply, request->id, status, &outcome, status == 0, 0);

	(void)raw_send(request->socket,
		       &(struct raw){.bytes = reply, .size = size, .fds = fds, .n_fds = n_fds});
}

/* Open what is asked for. */
static inline enum after
grant(const struct request *request)
{
	int fd = open(request->path, O_RDONLY | O_CLOEXEC);

	send_reply(request, 0, fd < 0 ? (uint32_t)errno : 0, &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
	return KEEP;
}

static inline enum after
read_request(const struct server *server, int socket, unsigned connection)
{
	static char message[WIRE_MESSAGE_MAX];
	static struct wire_request decoded;
	struct request request = {.socket = socket, .connection = connection};
	ssize_t size;

	if (server->no_read && server->seen->accepted < 4)
		return CLOSE;
	if (server->drains && connection == 1)
		shutdown(socket, SHUT_RD);
	size = recv(socket, message, sizeof(message), MSG_DONTWAIT);
	if (size <= 0 || wire_decode_request(message, (size_t)size, &decoded) != 0)
		return CLOSE;
	request.id = decoded.id;
	request.from = decoded.from;
	request.number = ++server->seen->requests;
	request.operation = decoded.operation;
	if (decoded.n > 0) {
		request.file = decoded.files[0];
		snprintf(request.path, sizeof(request.path), "%.*s", (int)request.file.path_length,
			 request.file.path);
	}
	return server->answer(&request);
}

static inline void __attribute__((noreturn)) serve(const struct server *server, int listener)
{
	struct pollfd fds[1 + CONNECTIONS_MAX] = {{.fd = listener, .events = POLLIN}};
	socklen_t size = sizeof(server->seen->peer);

	for (unsigned i = 1; i <= CONNECTIONS_MAX; i++)
		fds[i].fd = -1;
	for (;;) {
		if (server->stuck || poll(fds, 1 + CONNECTIONS_MAX, -1) < 0) {
			pause();
			continue;
		}
		for (unsigned i = 1; i <= CONNECTIONS_MAX; i++) {
			enum after after = KEEP;

			if (fds[i].fd >= 0 && fds[i].revents)
				after = read_request(server, fds[i].fd, i);
			if (after == CLOSE)
				close(fds[i].fd);
			if (after != KEEP)
				fds[i].fd = -1;
		}
		if (!fds[0].revents)
			continue;
		/* Numbers of connections are used once, until they run out. */
		for (unsigned i = 1 + server->seen->accepted % CONNECTIONS_MAX;;
		     i = i % CONNECTIONS_MAX + 1) {
			if (fds[i].fd >= 0)
				continue;
			fds[i] = (struct pollfd){.fd = accept(listener, NULL, NULL),
						 .events = POLLIN};
			(void)getsockopt(fds[i].fd, SOL_SOCKET, SO_PEERCRED, &server->seen->peer,
					 &size);
			server->seen->accepted++;
			break;
		}
	}
}

/* --- in the test --------------------------------------------------------------------------------
 */

/* Where it listens, unless path says otherwise, is what FDBROKER_SOCKET says from now on. */
static inline void
server_start(struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int ready[2], listener;
	char byte;

	if (server->directory[0] == '\0')
		make_directory(server->directory);
	if (server->path[0] == '\0')
		snprintf(server->path, sizeof(server->path), "%s/socket", server->directory);
	memcpy(address.sun_path, server->path, strnlen(server->path, sizeof(address.sun_path)));
	server->seen = mmap(NULL, sizeof(*server->seen), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(server->seen != MAP_FAILED);
	assert_return_code(chmod(server->directory, 01777), errno);
	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	fflush(NULL);
	server->pid = fork();
	assert_return_code(server->pid, errno);
	if (server->pid == 0) {
		if (server->uid != 0 && setresuid(server->uid, server->uid, server->uid) < 0)
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		umask(0);
		listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		    listen(listener, server->stuck ? 0 : 100) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		serve(server, listener);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_return_code(setenv("FDBROKER_SOCKET", server->path, 1), errno);
}

static inline void
server_stop(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	munmap(server->seen, sizeof(*server->seen));
	remove_directory(server->directory);
}

/* A check in a client, which is a child and ends when it does not hold. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		int errno_then = errno;                                                            \
		if (!(condition)) {                                                                \
			dprintf(STDOUT_FILENO, "# %s:%d: %s (errno %d)\n", __FILE__, __LINE__,     \
				#condition, errno_then);                                           \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* Run a client in a child, which must not leave more descriptors than one: its connection. */
static inline pid_t
client_start(void (*client)(const struct server *server), const struct server *server)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		int before, after;

		/* Whatever we were started with must not be taken for ours. */
		close_range(STDERR_FILENO + 1, ~0U, 0);
		before = count_fds(0);
		client(server);
		after = count_fds(0);
		CHECK(after == before || after == before + 1);
		_exit(0);
	}
	return pid;
}

static inline void
client_wait(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static inline void
client_run(void (*client)(const struct server *server), const struct server *server)
{
	client_wait(client_start(client, server));
}

/* Run one client against an honest server, to which it connects so often. */
static inline void
with_server(void (*client)(const struct server *server), unsigned connections)
{
	struct server server = {.answer = grant};

	server_start(&server);
	client_run(client, &server);
	assert_int_equal(server.seen->accepted, connections);
	server_stop(&server);
}

/* In a client: what the broker opened is this file. */
static inline bool
opens(const char *path)
{
	struct stat wanted, got;
	int fd = broker_open(path, O_RDONLY);
	bool right;

	if (fd < 0)
		return false;
	right = stat(path, &wanted) == 0 && fstat(fd, &got) == 0 && wanted.st_ino == got.st_ino &&
		fcntl(fd, F_GETFD) == FD_CLOEXEC;
	close(fd);
	return right;
}

static inline bool
fails(const char *path, int error)
{
	errno = 0;
	return broker_open(path, O_RDONLY) == -1 && errno == error;
}
