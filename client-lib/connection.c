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

#include "question.h"

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
	int left = deadline_left(deadline);
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
	} while (r == -EINTR && deadline_left(deadline) > 0);
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
	bool once = question->operation == WIRE_OPEN &&
		    (question->file.flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	int error = -EPROTO, r;

	connection->reason[0] = '\0';
	for (unsigned attempt = 0;; attempt++) {
		if (!is_ours(connection)) {
			connection_close(connection);
			r = connect_to(connection, where, deadline);
			if (r < 0)
				return r;
		}
		switch (question_ask(connection, question, deadline, &error)) {
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
		if (deadline_left(deadline) == 0)
			return -ETIMEDOUT;
		back_off(attempt);
	}
}

/* Of a file, and again while somebody holds a lease on it, as long as open(2) would wait for that. */
static int
exchange_path(struct connection *connection, const struct where *where, struct question *question,
	      const char *path, const struct timespec *deadline)
{
	bool waits = question->operation != WIRE_OPEN || !(question->file.flags & O_NONBLOCK);
	int r;

	question->file.path = path;
	question->file.path_length = (uint32_t)strnlen(path, WIRE_PATH_MAX + 1);
	if (question->file.path_length == 0 || question->file.path_length > WIRE_PATH_MAX) {
		connection->reason[0] = '\0';
		return -EINVAL;
	}
	for (unsigned attempt = 0;; attempt++) {
		r = exchange(connection, where, question, deadline);
		if (r != -EAGAIN || !waits)
			return r;
		if (deadline_left(deadline) == 0)
			return -ETIMEDOUT;
		back_off(attempt);
		/* The time is for all attempts. */
		if (is_open(connection))
			(void)limit_waits(connection->fd, deadline);
	}
}

int
connection_open(struct connection *connection, const struct where *where, const char *path,
		int flags, mode_t mode, const struct timespec *deadline, int *ret_fd)
{
	struct question question = {
		.operation = WIRE_OPEN,
		.file = {.flags = (uint32_t)flags, .mode = mode},
	};
	int r = exchange_path(connection, where, &question, path, deadline);

	if (r == 0)
		*ret_fd = question.fd;
	return r;
}

int
connection_stat(struct connection *connection, const struct where *where, const char *path,
		int flags, const struct timespec *deadline, struct statx *ret_status)
{
	struct question question = {
		.operation = WIRE_STAT,
		.file = {.flags = (uint32_t)flags},
		.status = ret_status,
	};

	return exchange_path(connection, where, &question, path, deadline);
}

int
connection_list(struct connection *connection, const struct where *where, const char *path,
		uint64_t from, const struct timespec *deadline, char *entries, size_t *ret_length,
		uint64_t *ret_next)
{
	struct question question = {
		.operation = WIRE_LIST,
		.file = {.from = from},
		.text = entries,
	};
	int r = exchange_path(connection, where, &question, path, deadline);

	if (r == 0) {
		*ret_length = question.text_length;
		*ret_next = question.next;
	}
	return r;
}

int
connection_whoami(struct connection *connection, const struct where *where,
		  const struct timespec *deadline, char *text, size_t size, size_t *ret_length)
{
	char page[WIRE_TEXT_MAX];
	struct question question = {.operation = WIRE_WHOAMI, .text = page};
	unsigned made = 0;
	size_t length = 0;
	int r;

	/* More than the largest policy has. */
	for (unsigned pages = 0; pages < CONNECTION_PAGES_MAX; pages++) {
		/* The time is for all pages: a server may have one ready just before it is over. */
		if (pages > 0 && deadline_left(deadline) == 0) {
			connection_close(connection);
			return -ETIMEDOUT;
		}
		if (pages > 0 && is_open(connection))
			(void)limit_waits(connection->fd, deadline);
		r = exchange(connection, where, &question, deadline);
		if (r < 0)
			return r;
		if (question.file.from != 0 && connection->made != made) {
			/* Another worker, which may have another policy: from the beginning. */
			question.file.from = 0;
			length = 0;
			continue;
		}
		made = connection->made;
		if (question.text_length > size - length)
			break;
		memcpy(text + length, page, question.text_length);
		length += question.text_length;
		if (question.next == 0) {
			*ret_length = length;
			return 0;
		}
		question.file.from = question.next;
	}
	connection_close(connection);
	return -EPROTO;
}
