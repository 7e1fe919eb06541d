/* SPDX-License-Identifier: MIT */
/*
 * Runs in: the client. Trusts: the kernel's word about the server. Distrusts: the server's bytes.
 */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "wire.h"

/*
 * Milliseconds left, rounded up, so that a wait never ends just before the deadline; 0 when it
 * passed.
 */
static int
milliseconds_left(const struct timespec *deadline)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (int64_t)(deadline->tv_sec - now.tv_sec) * 1000000000 +
	     (deadline->tv_nsec - now.tv_nsec);
	return ns <= 0 ? 0 : (int)((ns + 999999) / 1000000);
}

static unsigned forks;

void
connection_forked(void)
{
	forks++;
}

/* A program that closes all descriptors (closefrom(3)) may have given the number to another file. */
static bool
is_open(const struct connection *connection)
{
	struct stat status;

	return connection->fd >= 0 && fstat(connection->fd, &status) == 0 &&
	       S_ISSOCK(status.st_mode) && status.st_ino == connection->inode;
}

void
connection_close(struct connection *connection)
{
	if (is_open(connection))
		close(connection->fd);
	connection->fd = -1;
}

bool
where_trusts(const struct where *where, uid_t server)
{
	if (where->has_uid && server == where->uid)
		return true;
	/* All that have no id in our user namespace look alike, and maybe like ourselves. */
	return server == 0 || (server == geteuid() && server != CONNECTION_OVERFLOW_ID);
}

/* Requests name files that only root may read: an impostor must not learn them. */
static bool
server_is_trusted(int fd, const struct where *where)
{
	struct ucred server;
	socklen_t size = sizeof(server);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &size) == 0 &&
	       where_trusts(where, server.uid);
}

/* How long sends, receipts and, with a full backlog, connect(2) may wait (socket(7), unix(7)). */
static int
limit_waits(int fd, const struct timespec *deadline)
{
	int left = milliseconds_left(deadline);
	const struct timeval wait = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 + 1};

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	return 0;
}

static int
connect_socket(int fd, const struct sockaddr_un *address, const struct timespec *deadline)
{
	int r;

	do {
		r = limit_waits(fd, deadline);
		if (r < 0)
			return r;
		r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno
											: 0;
	} while (r == -EINTR && milliseconds_left(deadline) > 0);
	return r == -EAGAIN || r == -EINTR ? -ETIMEDOUT : r;
}

static int
connect_to(struct connection *connection, const struct where *where,
	   const struct timespec *deadline)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(where->path);
	struct stat status;
	int fd, r;

	/* Abstract names have no permissions, so whoever comes first would be the broker. */
	if (length == 0 || length >= sizeof(address.sun_path) || where->path[0] != '/')
		return -ENOTCONN;
	memcpy(address.sun_path, where->path, length);

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect_socket(fd, &address, deadline);
	if (r == 0 && (!server_is_trusted(fd, where) || fstat(fd, &status) < 0))
		r = -ENOTCONN;
	if (r < 0) {
		close(fd);
		/* Whatever keeps us from it, there is no broker to be reached; but for our own limits. */
		return r == -ETIMEDOUT || r == -ENOMEM ? r : r == -ENOBUFS ? -ENOMEM : -ENOTCONN;
	}
	connection->fd = fd;
	connection->inode = status.st_ino;
	connection->pid = getpid();
	connection->forks = forks;
	connection->uid = geteuid();
	connection->gid = getegid();
	connection->made++;
	return 0;
}

/* A connection belongs to one process and one pair of effective ids. */
static bool
is_ours(const struct connection *connection)
{
	return is_open(connection) && connection->forks == forks && connection->pid == getpid() &&
	       connection->uid == geteuid() && connection->gid == getegid();
}

enum outcome {
	OUTCOME_FAILED,       /* with a negative errno value */
	OUTCOME_DONE,         /* with a descriptor, or a page */
	OUTCOME_NOT_EXECUTED, /* the worker is being replaced: nothing was done */
	OUTCOME_UNKNOWN,      /* the connection ended without an answer */
};

/* What the open itself said, as it is; nothing that is no errno value. */
static int
result_error(uint32_t error)
{
	return error < 4096 ? -(int)error : -EPROTO;
}

/*
 * A refusal of the whole request. That we were not understood is one thing to a program, however it
 * came about.
 */
static int
status_error(uint16_t status)
{
	return status == EACCES || status == EBUSY ? -(int)status : -EPROTO;
}

/* What is asked, and what came of it. */
struct question {
	/* A file; */
	const char *path;
	size_t length;
	int flags;
	mode_t mode;
	int fd;
	/* or without a path: a page of who we are. */
	uint32_t from, next;
	size_t text_length;
	char text[WIRE_TEXT_MAX];
};

/* A message of the server, and what came with it. */
struct answer {
	size_t size;
	int fd;
	struct channel_extra extra;
	char message[WIRE_REPLY_MAX];
};

/* OUTCOME_DONE: it is there. */
static enum outcome
receive_answer(const struct connection *connection, const struct timespec *deadline,
	       struct answer *answer, int *ret_error)
{
	int flags = 0;
	ssize_t n;

	/*
	 * One call in the usual case. A signal, or a limit set earlier, ends it before its time:
	 * wait for the rest.
	 */
	for (;;) {
		struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
		int left;

		n = channel_receive(connection->fd, answer->message, sizeof(answer->message),
				    &answer->fd, 1, false, flags, &answer->extra);
		if (n != -EINTR && n != -EAGAIN)
			break;
		left = milliseconds_left(deadline);
		if (left == 0) {
			*ret_error = -ETIMEDOUT;
			return OUTCOME_FAILED;
		}
		(void)poll(&wait, 1, left);
		flags = MSG_DONTWAIT;
	}
	/*
	 * A server that went away says ECONNRESET first when it left a request of ours unread; then
	 * 0.
	 */
	if (n == -ECONNRESET || n == -EPIPE || (n == 0 && answer->extra.n_fds == 0))
		return OUTCOME_UNKNOWN;
	if (n < 0) {
		*ret_error = n == -EMSGSIZE ? -EPROTO : (int)n;
		return OUTCOME_FAILED;
	}
	answer->size = (size_t)n;
	return OUTCOME_DONE;
}

/* Exactly one descriptor with a grant, none with anything else. */
static enum outcome
read_grant(const struct answer *answer, uint32_t id, struct question *question, int *ret_error)
{
	const struct channel_extra *extra = &answer->extra;
	uint16_t status = 0;
	uint32_t error = 0;

	*ret_error = -EPROTO;
	if (wire_decode_reply(answer->message, answer->size, id, 1, &status, &error) < 0)
		return OUTCOME_FAILED;
	if (status == WIRE_STATUS_RETRY && extra->n_fds == 0)
		return OUTCOME_NOT_EXECUTED;
	if (status == 0 && error == 0) {
		if (extra->n_fds == 1 && !extra->truncated) {
			question->fd = answer->fd;
			return OUTCOME_DONE;
		}
		/* The kernel had a descriptor for us and no place to put it: our own limit. */
		if (extra->n_fds == 0 && extra->truncated)
			*ret_error = -EMFILE;
		return OUTCOME_FAILED;
	}
	if (extra->n_fds == 0 && !extra->truncated)
		*ret_error = status == 0 ? result_error(error) : status_error(status);
	return OUTCOME_FAILED;
}

static enum outcome
read_page(const struct answer *answer, uint32_t id, struct question *question, int *ret_error)
{
	const char *text = NULL;
	uint16_t status = 0;

	*ret_error = -EPROTO;
	if (answer->extra.n_fds > 0 || answer->extra.truncated ||
	    wire_decode_page(answer->message, answer->size, id, &status, &question->next, &text,
			     &question->text_length) < 0)
		return OUTCOME_FAILED;
	if (status == WIRE_STATUS_RETRY)
		return OUTCOME_NOT_EXECUTED;
	if (status != 0) {
		*ret_error = status_error(status);
		return OUTCOME_FAILED;
	}
	memcpy(question->text, text, question->text_length);
	return OUTCOME_DONE;
}

static enum outcome
ask(struct connection *connection, struct question *question, const struct timespec *deadline,
    int *ret_error)
{
	/*
	 * Without this the kernel would attach the real ids, which are not those of the connection.
	 */
	struct ucred self = {
		.pid = connection->pid, .uid = connection->uid, .gid = connection->gid};
	char head[WIRE_REQUEST_HEAD];
	struct iovec iov[2] = {
		{.iov_base = head, .iov_len = sizeof(head)},
		{.iov_base = (char *)question->path, .iov_len = question->length},
	};
	uint32_t id = connection->next_id++;
	struct answer answer;
	enum outcome outcome;
	int r;

	if (question->path)
		wire_encode_open(head, id, (uint32_t)question->flags, question->mode,
				 (uint32_t)question->length);
	else
		wire_encode_whoami(head, id, question->from);
	r = channel_send(connection->fd, iov, question->path ? 2 : 1, NULL, 0, &self, 0);
	if (r == -EPIPE || r == -ECONNRESET)
		return OUTCOME_NOT_EXECUTED;
	if (r < 0) {
		/* EINVAL: who has no id in its own user namespace cannot say who it is. */
		*ret_error = r == -EAGAIN ? -ETIMEDOUT : r == -EINVAL ? -ENOTCONN : r;
		return OUTCOME_FAILED;
	}
	answer.extra.n_fds = 0;
	outcome = receive_answer(connection, deadline, &answer, ret_error);
	if (outcome != OUTCOME_DONE)
		return outcome;
	outcome = question->path ? read_grant(&answer, id, question, ret_error)
				 : read_page(&answer, id, question, ret_error);
	if (outcome != OUTCOME_DONE && answer.extra.n_fds > 0)
		close(answer.fd);
	return outcome;
}

/* Wait a little, differently in each client, so that all of them do not come back at once. */
static void
back_off(unsigned attempt)
{
	struct timespec now, wait = {};
	unsigned spread = 1u << (attempt < 5 ? attempt : 5);

	clock_gettime(CLOCK_MONOTONIC, &now);
	wait.tv_nsec = (now.tv_nsec / 64 + getpid()) % (long)spread * 1000000;
	nanosleep(&wait, NULL);
}

/* One question and its answer, on as many connections as that takes. */
static int
exchange(struct connection *connection, const struct where *where, struct question *question,
	 const struct timespec *deadline)
{
	bool once = question->path && (question->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	int error = -EPROTO, r;

	for (unsigned attempt = 0;; attempt++) {
		if (!is_ours(connection)) {
			connection_close(connection);
			r = connect_to(connection, where, deadline);
			if (r < 0)
				return r;
		}
		switch (ask(connection, question, deadline, &error)) {
		case OUTCOME_DONE:
			return 0;
		case OUTCOME_FAILED:
			/*
			 * An answer that came too late, or was garbage, must not meet the next
			 * request; and who was too many here may not be on another connection.
			 */
			if (error == -ETIMEDOUT || error == -EPROTO || error == -ENOMEM ||
			    error == -EBUSY)
				connection_close(connection);
			return error;
		case OUTCOME_UNKNOWN:
			/*
			 * It may have been executed. Creating exclusively a second time would fail.
			 */
			if (once) {
				connection_close(connection);
				return -EPROTO;
			}
			break;
		case OUTCOME_NOT_EXECUTED:
			break;
		}
		connection_close(connection);
		if (milliseconds_left(deadline) == 0)
			return -ETIMEDOUT;
		back_off(attempt);
	}
}

int
connection_open(struct connection *connection, const struct where *where, const char *path,
		int flags, mode_t mode, const struct timespec *deadline, int *ret_fd)
{
	struct question question = {
		.path = path,
		.length = strnlen(path, WIRE_PATH_MAX + 1),
		.flags = flags,
		.mode = mode,
	};
	int r;

	if (question.length == 0 || question.length > WIRE_PATH_MAX)
		return -EINVAL;
	r = exchange(connection, where, &question, deadline);
	if (r == 0)
		*ret_fd = question.fd;
	return r;
}

int
connection_whoami(struct connection *connection, const struct where *where,
		  const struct timespec *deadline, char *text, size_t size, size_t *ret_length)
{
	struct question question = {};
	unsigned made = 0;
	size_t length = 0;
	int r;

	/* More than the largest policy has. */
	for (unsigned pages = 0; pages < CONNECTION_PAGES_MAX; pages++) {
		/* The time is for all pages: a server may have one ready just before it is over. */
		if (pages > 0 && milliseconds_left(deadline) == 0) {
			connection_close(connection);
			return -ETIMEDOUT;
		}
		if (pages > 0 && is_open(connection))
			(void)limit_waits(connection->fd, deadline);
		r = exchange(connection, where, &question, deadline);
		if (r < 0)
			return r;
		if (question.from != 0 && connection->made != made) {
			/* Another worker, which may have another policy: from the beginning. */
			question.from = 0;
			length = 0;
			continue;
		}
		made = connection->made;
		if (question.text_length > size - length)
			break;
		memcpy(text + length, question.text, question.text_length);
		length += question.text_length;
		if (question.next == 0) {
			*ret_length = length;
			return 0;
		}
		question.from = question.next;
	}
	connection_close(connection);
	return -EPROTO;
}
