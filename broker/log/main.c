/* SPDX-License-Identifier: MIT */
/*
 * fdbroker-log: turns the records of workers into lines, and the broker's state into JSON for admins.
 * Started by fdbrokerd, never by hand:
 *
 *     fdbroker-log UID GID DIRECTORY... SOCKET
 *
 * Owns nothing. Trusts: the broker, who says which pipe belongs to which worker and who is behind a
 * connection. Distrusts: workers. What a record says of a peer is not even part of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "broker/calls.h"
#include "broker/drop.h"
#include "broker/ipc.h"
#include "broker/log/status.h"
#include "client-lib/channel.h"

enum {
	LAST_READS = 16,         /* of the pipe of one that has ended: as much as a pipe holds */
	CONNECTIONS_MAX = 65536, /* remembered; of an older one only the worker's identity is */
	ERRNO_MAX = 4095,        /* the kernel's MAX_ERRNO */
	LINE_MAX_BYTES = 8 * IPC_RECORD_MAX + 512, /* a directory is there twice, all escaped */
};

struct source {
	int fd; /* -1: free */
	uint32_t worker;
	uint64_t generation;
	struct ucred owner;
};

static struct source sources[IPC_WORKERS_MAX];
static struct {
	uint64_t number;
	uint64_t generation;
	uint32_t worker;
	struct ucred peer;
} connections[CONNECTIONS_MAX];

/* Append bytes so that no name can end a line, a quote, or speak to a terminal. */
static size_t
escape(char *to, const char *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char *at = to;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\') {
			*at++ = '\\';
			*at++ = (char)c;
		} else if (c < ' ' || c >= 0x7f) {
			*at++ = '\\';
			*at++ = 'x';
			*at++ = digits[c >> 4];
			*at++ = digits[c & 15];
		} else {
			*at++ = (char)c;
		}
	}
	return (size_t)(at - to);
}

static const char *
verbs_text(uint32_t verbs, char buffer[40])
{
	static const char *const names[] = {"read", "write", "create", "stat", "list"};
	size_t used = 0;

	buffer[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (verbs & 1u << i)
			used += (size_t)snprintf(buffer + used, 40 - used, "%s%s", used ? "," : "",
						 names[i]);
	return used ? buffer : "none";
}

static const char *const outcomes[] = {
	[IPC_DENIED] = "denied", [IPC_FAILED] = "failed", [IPC_GRANTED] = "granted"};

/*
 * One line. Not with dprintf(3), which makes system calls of its own (newfstatat in glibc 2.36).
 * A reader of ours that is gone or full is nothing that we could put right.
 */
static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	char line[256];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (n < 0 ||
	    write(STDERR_FILENO, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line)) < 0)
		return;
}

/* What the broker said of this connection of this worker; of one that is forgotten, of the worker. */
static struct ucred
peer_of(const struct source *source, uint64_t connection, uint64_t *ret_generation)
{
	size_t slot = connection % CONNECTIONS_MAX;

	*ret_generation = source->generation;
	if (connections[slot].number != connection || connections[slot].worker != source->worker)
		return source->owner;
	*ret_generation = connections[slot].generation;
	return connections[slot].peer;
}

static const char *const conditions[IPC_CONDITIONS_N] = {
	[IPC_CONDITION_TYPE] = "type",          [IPC_CONDITION_OWNER] = "owner",
	[IPC_CONDITION_STRICT] = "strictmodes", [IPC_CONDITION_SYMLINK] = "symlink",
	[IPC_CONDITION_PRIVILEGES] = "set-id",
};

/* The bits of st_mode that S_IFMT has, inode(7). */
enum {
	TYPE_SHIFT = 12,
	TYPE_MASK = 15,
};
static const char *const types[TYPE_MASK + 1] = {
	"0",   "fifo", "chr", "3",  "dir",  "5",  "blk", "7",
	"reg", "9",    "lnk", "11", "sock", "13", "14",  "15",
};

/* One line, as it is made: with room for whatever a record can hold. */
struct line {
	size_t used;
	char bytes[LINE_MAX_BYTES];
};

static void __attribute__((format(printf, 2, 3))) put(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->bytes) - line->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line->bytes + line->used, room, format, arguments);
	va_end(arguments);
	line->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* ' key="bytes"' */
static void
put_quoted(struct line *line, const char *key, const char *bytes, size_t n)
{
	put(line, " %s=\"", key);
	line->used += escape(line->bytes + line->used, bytes, n);
	put(line, "\"");
}

/* Which condition does not hold, and for the sake of what. */
static void
put_condition(struct line *line, const struct ipc_record *record, const char *path)
{
	put(line, " condition=%s", conditions[record->condition]);
	if (record->condition == IPC_CONDITION_TYPE)
		put(line, " is=%s", types[record->mode >> TYPE_SHIFT & TYPE_MASK]);
	if (record->directory_length > 0)
		put_quoted(line, "directory", path, record->directory_length);
	put(line, " mode=0%o owner=%u", record->mode & 07777, record->owner);
}

static void
write_line(const struct source *source, const struct ipc_record *record, const char *rule)
{
	const char *because = rule + record->rule_length, *path = because + record->because_length;
	const char *error = record->error ? strerrorname_np((int)record->error) : NULL;
	char number[12];
	uint64_t generation;
	struct ucred peer = peer_of(source, record->connection, &generation);
	static struct line line;
	char verbs[40];

	/* File systems have some of their own: ENOTSUPP is 524, and a FUSE server says what it likes. */
	snprintf(number, sizeof(number), "%u", record->error);
	if (record->lost > 0)
		say("fdbroker: lost records=%u worker=%u\n", record->lost, source->worker);
	if (record->outcome == IPC_LOST)
		return;
	line.used = 0;
	put(&line,
	    "fdbroker: %s uid=%u gid=%u pid=%d verbs=%s flags=0%o error=%s worker=%u "
	    "generation=%llu",
	    outcomes[record->outcome], peer.uid, peer.gid, peer.pid,
	    verbs_text(record->verbs, verbs), record->flags, error ?: number, source->worker,
	    (unsigned long long)generation);
	if (record->rule_length > 0)
		put_quoted(&line, "rule", rule, record->rule_length);
	else
		put(&line, " rule=\"none\"");
	put_quoted(&line, "path", path, record->path_length);
	if (record->path_cut)
		put(&line, " cut=yes");
	if (record->condition != IPC_CONDITION_NONE)
		put_condition(&line, record, path);
	if (record->asked_length > 0)
		put_quoted(&line, "asked", path + record->path_length, record->asked_length);
	if (record->because_length > 0)
		put_quoted(&line, "because", because, record->because_length);
	put(&line, "\n");
	if (write(STDERR_FILENO, line.bytes, line.used) < 0)
		return;
}

/* False: these bytes are no record, and so is everything behind them. */
static bool
read_record(const struct source *source, const char *bytes, size_t size, size_t *ret_used)
{
	struct ipc_record record;

	if (size < sizeof(record))
		return false;
	memcpy(&record, bytes, sizeof(record));
	if (record.length > size || record.length > IPC_RECORD_MAX ||
	    record.rule_length > IPC_RULE_MAX || record.because_length > IPC_BECAUSE_MAX ||
	    record.length != sizeof(record) + record.rule_length + record.because_length +
				     record.path_length + record.asked_length)
		return false;
	if (record.outcome >= IPC_OUTCOMES_N || record.condition >= IPC_CONDITIONS_N ||
	    record.error > ERRNO_MAX)
		return false;
	if (record.directory_length > record.path_length)
		record.directory_length = record.path_length;
	write_line(source, &record, bytes + sizeof(record));
	*ret_used = record.length;
	return true;
}

static int epoll;

static void
forget(struct source *source)
{
	/*
	 * The broker holds the same pipe, so closing it here would not end what epoll(7) reports.
	 */
	(void)epoll_ctl(epoll, EPOLL_CTL_DEL, source->fd, NULL);
	close(source->fd);
	source->fd = -1;
}

enum {
	BUFFER = 16 * IPC_RECORD_MAX,
};

/* Bytes that are missing of the record at the end of what was read; 0: none, or it is none. */
static size_t
missing(const char *bytes, size_t left)
{
	struct ipc_record head = {};

	memcpy(&head, bytes, left < sizeof(head) ? left : sizeof(head));
	if (left < sizeof(head))
		return sizeof(head) - left;
	return head.length > left && head.length <= IPC_RECORD_MAX ? head.length - left : 0;
}

/*
 * Records are written whole and a pipe keeps their order, but a read may end inside one: the rest
 * is read then. Never waits: an honest worker's rest is there already. False: there was nothing.
 */
static bool
read_pipe(struct source *source)
{
	static char buffer[BUFFER + 2 * IPC_RECORD_MAX];
	size_t used = 0, have, want, length;
	ssize_t n = read(source->fd, buffer, BUFFER);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			forget(source);
		return false;
	}
	for (have = (size_t)n; used < have; used += length) {
		while ((want = missing(buffer + used, have - used)) > 0) {
			n = read(source->fd, buffer + have, want);
			if (n <= 0)
				break;
			have += (size_t)n;
		}
		if (!read_record(source, buffer + used, have - used, &length)) {
			say("fdbroker: bad record worker=%u uid=%u; no more of it is read\n",
			    source->worker, source->owner.uid);
			forget(source);
			return false;
		}
	}
	return true;
}

/*
 * Who had that place has ended. That its pipe has not, because a client was given the writing end, takes
 * no place from others.
 */
static void
add_source(const struct ipc_log *what, int fd)
{
	size_t slot = what->slot % IPC_WORKERS_MAX;
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = slot + 1};
	struct source *source = &sources[slot];

	for (int i = 0; i < LAST_READS && source->fd >= 0 && read_pipe(source); i++)
		;
	if (source->fd >= 0)
		forget(source);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return;
	}
	*source = (struct source){.fd = fd,
				  .worker = what->worker,
				  .generation = what->generation,
				  .owner = what->peer};
}

/*
 * The last records of workers that have ended; the pipes of those that have not are empty or
 * theirs.
 */
static void __attribute__((noreturn)) finish(void)
{
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		while (sources[i].fd >= 0 && read_pipe(&sources[i]))
			;
	_exit(EXIT_SUCCESS);
}

/* The compiler's messages are text by somebody who is not trusted: lines, of what can be printed. */
static void
say_messages(int fd)
{
	static char line[LINE_MAX_BYTES];
	char bytes[IPC_RECORD_MAX];
	size_t used = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		at += n;
		for (ssize_t i = 0; i < n; i++) {
			bool ends = bytes[i] == '\n';

			if (ends)
				line[used++] = '\n';
			else if (bytes[i] == '"' || bytes[i] == '\\')
				line[used++] = bytes[i];
			else
				used += escape(line + used, &bytes[i], 1);
			if (!ends && used + 8 < sizeof(line))
				continue;
			if (write(STDERR_FILENO, line, used) < 0)
				return;
			used = 0;
		}
	}
}

static struct status_fixed fixed;

/* What the broker says of a worker or of a connection. Takes the descriptors. */
static void
hear(const void *message, size_t size, int *fds, size_t n_fds)
{
	struct ipc_log what = {};

	memcpy(&what, message, size < sizeof(what) ? size : sizeof(what));
	if (what.kind == IPC_LOG_WORKER && n_fds == 1) {
		add_source(&what, fds[0]);
		return;
	}
	if (what.kind == IPC_LOG_STATUS && n_fds > 0)
		status_write(&fixed, message, size, fds[0], n_fds > 1 ? fds[1] : -1);
	if (what.kind == IPC_LOG_MESSAGES && n_fds == 1)
		say_messages(fds[0]);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	if (what.kind == IPC_LOG_CONNECTION) {
		size_t slot = what.connection % CONNECTIONS_MAX;

		connections[slot].number = what.connection;
		connections[slot].generation = what.generation;
		connections[slot].worker = what.worker;
		connections[slot].peer = what.peer;
	}
}

/* Everything that the broker has said so far: before any record that may be about it. */
static void
hear_broker(void)
{
	static char message[IPC_STATUS_MAX];
	struct channel_extra extra;
	int fds[2];

	for (;;) {
		ssize_t n =
			channel_receive(IPC_CONTROL, message, sizeof(message), fds,
					sizeof(fds) / sizeof(fds[0]), false, MSG_DONTWAIT, &extra);

		if (n == 0)
			finish(); /* the broker is gone */
		if (n < 0)
			return;
		hear(message, (size_t)n, fds, extra.n_fds);
	}
}

int
main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN};
	int r;

	if (argc < 4 || isatty(STDIN_FILENO)) {
		fputs("fdbroker-log is started by fdbrokerd(8), not by hand.\n", stderr);
		return 2;
	}
	fixed = (struct status_fixed){.socket = argv[argc - 1], .policy = argv + 3};
	argv[argc - 1] = NULL;
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		sources[i].fd = -1;
	r = drop_privileges(argv[1], argv[2], LANDLOCK_TAKES_ALL);
	if (r < 0) {
		fprintf(stderr, "fdbroker-log: cannot give up its privileges: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, IPC_CONTROL, &event) < 0 ||
	    prctl(PR_SET_NAME, "fdbroker-log", 0, 0, 0) < 0 || calls_enter_log() < 0) {
		perror("fdbroker-log");
		return EXIT_FAILURE;
	}
	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) < 1)
			continue;
		hear_broker();
		if (event.data.u64 > 0 && sources[event.data.u64 - 1].fd >= 0)
			(void)read_pipe(&sources[event.data.u64 - 1]);
	}
}
