/* SPDX-License-Identifier: MIT */
/* The log process against workers that lie: what it writes, and that it lives on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/ipc.h"
#include "client-lib/channel.h"

enum {
	WORKER = 7,
	CONNECTION = 40,
	OWNER = 61001,
	PEER = 61002,
	PEER_PID = 4321,
};

struct log {
	pid_t pid;
	int control;
	int out;  /* what it writes */
	int pipe; /* the worker's end */
};

static void
tell(struct log *l, const struct ipc_log *what, int fd)
{
	struct iovec iov = {(void *)(uintptr_t)what, sizeof(*what)};

	assert_int_equal(channel_send(l->control, &iov, 1, &fd, fd >= 0, NULL, 0), 0);
}

static int
start(void **state)
{
	static struct log l;
	const struct ipc_log worker = {.kind = IPC_LOG_WORKER,
				       .worker = WORKER,
				       .generation = 3,
				       .peer = {.uid = OWNER, .gid = OWNER}};
	const struct ipc_log connection = {.kind = IPC_LOG_CONNECTION,
					   .worker = WORKER,
					   .connection = CONNECTION,
					   .generation = 5,
					   .peer = {.pid = PEER_PID, .uid = PEER, .gid = PEER}};
	int control[2], out[2], records[2];
	char program[4096];

	assert_non_null(getenv("BUILD"));
	snprintf(program, sizeof(program), "%s/fdbroker-log", getenv("BUILD"));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    pipe2(out, O_CLOEXEC) < 0 || pipe2(records, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	l.pid = fork();
	if (l.pid == 0) {
		/* In an order that overwrites none that is still needed. */
		int socket = fcntl(control[1], F_DUPFD, 20), null = open("/dev/null", O_RDWR);

		dup2(out[1], STDERR_FILENO);
		dup2(null, STDIN_FILENO);
		dup2(socket, IPC_CONTROL);
		close_range(IPC_CONTROL + 1, ~0U, 0);
		execl(program, "fdbroker-log", "-", "-", "/socket", NULL);
		_exit(127);
	}
	close(control[1]);
	close(out[1]);
	l.control = control[0];
	l.out = out[0];
	l.pipe = records[1];
	tell(&l, &worker, records[0]);
	tell(&l, &connection, -1);
	close(records[0]);
	*state = &l;
	return 0;
}

static int
stop(void **state)
{
	struct log *l = *state;

	close(l->control);
	close(l->out);
	if (l->pipe >= 0)
		close(l->pipe);
	kill(l->pid, SIGKILL);
	return waitpid(l->pid, NULL, 0) == l->pid ? 0 : -1;
}

/* A record of these parts; length 0: the right one. */
static size_t
make_record(char *to, const char *rule, const char *path, size_t path_length, uint32_t error)
{
	struct ipc_record record = {
		.rule_length = (uint16_t)strlen(rule),
		.path_length = (uint16_t)path_length,
		.connection = CONNECTION,
		.outcome = error == 0        ? IPC_GRANTED
			   : error == EACCES ? IPC_DENIED
					     : IPC_FAILED,
		.error = error,
		.verbs = 1,
	};

	record.length = (uint16_t)(sizeof(record) + record.rule_length + record.path_length);
	memcpy(to, &record, sizeof(record));
	memcpy(to + sizeof(record), rule, record.rule_length);
	memcpy(to + sizeof(record) + record.rule_length, path, path_length);
	return record.length;
}

static void
write_record(struct log *l, const char *rule, const char *path, uint32_t error)
{
	char record[IPC_RECORD_MAX];
	size_t n = make_record(record, rule, path, strlen(path), error);

	assert_int_equal(write(l->pipe, record, n), n);
}

/* The next line, without its end; it comes within ten seconds. */
static void
read_line(struct log *l, char line[32768])
{
	struct pollfd wait = {.fd = l->out, .events = POLLIN};
	size_t n = 0;

	do {
		assert_int_equal(poll(&wait, 1, 10000), 1);
		assert_int_equal(read(l->out, line + n, 1), 1);
	} while (line[n++] != '\n' && n < 32768);
	line[n - 1] = '\0';
}

static void
assert_lives(struct log *l)
{
	assert_int_equal(waitpid(l->pid, NULL, WNOHANG), 0);
}

static void
test_stamp(void **state)
{
	char line[32768];

	write_record(*state, "/etc/x.policy:3", "/srv/file", 0);
	read_line(*state, line);
	assert_string_equal(
		line, "fdbroker: granted uid=61002 gid=61002 pid=4321 verbs=read flags=00 error=0 "
		      "worker=7 generation=5 rule=\"/etc/x.policy:3\" path=\"/srv/file\"");
	write_record(*state, "", "/srv/file", EACCES);
	read_line(*state, line);
	assert_non_null(strstr(line, "denied uid=61002"));
	assert_non_null(strstr(line, "error=EACCES"));
	assert_non_null(strstr(line, "rule=\"none\""));
	write_record(*state, "", "/srv/file", ENOENT);
	read_line(*state, line);
	assert_non_null(strstr(line, "failed uid=61002"));
}

/* A name that would end its quotes, the line, or speak to a terminal. */
static void
test_names(void **state)
{
	char line[32768];

	write_record(*state, "", "/a\" uid=0 x=\"\nfdbroker: granted uid=0\x1b[31m\\\xff", 0);
	read_line(*state, line);
	assert_non_null(strstr(
		line,
		"path=\"/a\\\" uid=0 x=\\\"\\x0afdbroker: granted uid=0\\x1b[31m\\\\\\xff\""));
}

/* A connection of another worker's, or of nobody's, is not this worker's to speak for. */
static void
test_foreign_connection(void **state)
{
	char record[IPC_RECORD_MAX], line[32768];
	size_t n = make_record(record, "", "/srv/file", 9, 0);
	uint64_t other = CONNECTION + 1;

	memcpy(record + offsetof(struct ipc_record, connection), &other, sizeof(other));
	assert_int_equal(write(((struct log *)*state)->pipe, record, n), n);
	read_line(*state, line);
	assert_non_null(strstr(line, "uid=61001 gid=61001 pid=0"));
}

/* What found the pipe full is counted by the worker and said. */
static void
test_lost(void **state)
{
	char record[IPC_RECORD_MAX], line[32768];
	size_t n = make_record(record, "", "/srv/file", 9, 0);
	struct ipc_record only_lost;
	uint32_t lost = 35000;

	memcpy(record + offsetof(struct ipc_record, lost), &lost, sizeof(lost));
	assert_int_equal(write(((struct log *)*state)->pipe, record, n), n);
	read_line(*state, line);
	assert_string_equal(line, "fdbroker: lost records=35000 worker=7");
	read_line(*state, line);
	assert_non_null(strstr(line, "granted"));
	assert_lives(*state);
	/* Nothing is left to go on record. */
	n = make_record(record, "", "", 0, 0);
	memcpy(&only_lost, record, sizeof(only_lost));
	only_lost.outcome = IPC_LOST;
	only_lost.lost = 1;
	memcpy(record, &only_lost, sizeof(only_lost));
	assert_int_equal(write(((struct log *)*state)->pipe, record, n), n);
	read_line(*state, line);
	assert_string_equal(line, "fdbroker: lost records=1 worker=7");
	assert_lives(*state);
}

/* An errno value that no C library has a name for: the kernel's ENOTSUPP, a FUSE server's -200. */
static void
test_errors_without_a_name(void **state)
{
	static const uint32_t errors[] = {524, 200, 4095};
	char line[32768], wanted[32];

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_null(strerrorname_np((int)errors[i]));
		write_record(*state, "", "/srv/file", errors[i]);
		read_line(*state, line);
		snprintf(wanted, sizeof(wanted), " error=%u ", errors[i]);
		assert_non_null(strstr(line, wanted));
		assert_non_null(strstr(line, "failed uid=61002"));
	}
	assert_lives(*state);
}

/* No more of a directory is shown than there is of the path, and of none nothing without a condition. */
static void
test_long_directory(void **state)
{
	static const struct {
		uint16_t condition, length;
		const char *wanted;
	} cases[] = {
		{IPC_CONDITION_STRICT, 4, " condition=strictmodes directory=\"/srv\" mode"},
		{IPC_CONDITION_STRICT, 9, " condition=strictmodes directory=\"/srv/file\" mode"},
		{IPC_CONDITION_STRICT, 10, " condition=strictmodes directory=\"/srv/file\" mode"},
		{IPC_CONDITION_STRICT, 0xffff,
		 " condition=strictmodes directory=\"/srv/file\" mode"},
		{IPC_CONDITION_NONE, 0xffff, " path=\"/srv/file\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char bytes[IPC_RECORD_MAX], line[32768];
		size_t n = make_record(bytes, "", "/srv/file", 9, EACCES);
		struct ipc_record record;

		memcpy(&record, bytes, sizeof(record));
		record.condition = cases[i].condition;
		record.directory_length = cases[i].length;
		memcpy(bytes, &record, sizeof(record));
		assert_int_equal(write(((struct log *)*state)->pipe, bytes, n), n);
		read_line(*state, line);
		assert_non_null(strstr(line, cases[i].wanted));
		if (cases[i].condition == IPC_CONDITION_NONE)
			assert_null(strstr(line, "directory="));
	}
	assert_lives(*state);
}

/* The longest path, all of it escaped. */
static void
test_longest(void **state)
{
	static char record[IPC_RECORD_MAX], path[IPC_RECORD_MAX], line[32768];
	size_t most = sizeof(record) - sizeof(struct ipc_record);

	memset(path, '\x01', sizeof(path));
	make_record(record, "", path, most, EACCES);
	assert_int_equal(write(((struct log *)*state)->pipe, record, sizeof(record)),
			 sizeof(record));
	read_line(*state, line);
	assert_int_equal(strlen(strstr(line, "path=\"")), strlen("path=\"\"") + 4 * most);
}

/* What is no record ends its worker's pipe and nothing else. */
static void
assert_forgotten(struct log *l)
{
	/* POLLERR: nobody holds the reading end any more. */
	struct pollfd wait = {.fd = l->pipe, .events = 0};
	char line[32768];

	read_line(l, line);
	assert_non_null(strstr(line, "bad record worker=7 uid=61001"));
	assert_int_equal(poll(&wait, 1, 10000), 1);
	assert_true(wait.revents & POLLERR);
	assert_lives(l);
}

static void
test_too_long(void **state)
{
	static char record[60000], path[60000];
	struct log *l = *state;

	assert_true(fcntl(l->pipe, F_SETPIPE_SZ, 1 << 20) >= 0);
	make_record(record, "", path, sizeof(record) - sizeof(struct ipc_record), EACCES);
	assert_int_equal(write(l->pipe, record, sizeof(record)), sizeof(record));
	assert_forgotten(l);
}

static void
test_half(void **state)
{
	char record[IPC_RECORD_MAX];
	struct log *l = *state;

	make_record(record, "", "/srv/file", 9, 0);
	assert_int_equal(write(l->pipe, record, 20), 20);
	assert_forgotten(l);
}

static void
test_lies(void **state)
{
	static const struct {
		size_t offset;
		uint16_t value;
	} lies[] = {
		{offsetof(struct ipc_record, length), 0},
		{offsetof(struct ipc_record, length), 1},
		{offsetof(struct ipc_record, length), 0xffff},
		{offsetof(struct ipc_record, rule_length), 0xffff},
		{offsetof(struct ipc_record, path_length), 8},
		{offsetof(struct ipc_record, path_length), 10},
		{offsetof(struct ipc_record, error), 0xfff0},
		{offsetof(struct ipc_record, error), 4096},
		{offsetof(struct ipc_record, outcome), IPC_OUTCOMES_N},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char record[IPC_RECORD_MAX];
		size_t n = make_record(record, "", "/srv/file", 9, EACCES);
		struct log *l = *state;

		memcpy(record + lies[i].offset, &lies[i].value, sizeof(lies[i].value));
		assert_int_equal(write(l->pipe, record, n), n);
		assert_forgotten(l);
		assert_int_equal(stop(state), 0);
		assert_int_equal(start(state), 0);
	}
}

/* The broker ends: what workers wrote before is written still. */
static void
test_end(void **state)
{
	struct log *l = *state;
	char line[32768];
	int status;

	kill(l->pid, SIGSTOP);
	write_record(l, "", "/srv/one", 0);
	write_record(l, "", "/srv/two", 0);
	close(l->pipe);
	l->pipe = -1;
	shutdown(l->control, SHUT_WR);
	kill(l->pid, SIGCONT);
	read_line(l, line);
	assert_non_null(strstr(line, "path=\"/srv/one\""));
	read_line(l, line);
	assert_non_null(strstr(line, "path=\"/srv/two\""));
	assert_int_equal(waitpid(l->pid, &status, 0), l->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(start(state), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stamp, start, stop),
		cmocka_unit_test_setup_teardown(test_names, start, stop),
		cmocka_unit_test_setup_teardown(test_foreign_connection, start, stop),
		cmocka_unit_test_setup_teardown(test_lost, start, stop),
		cmocka_unit_test_setup_teardown(test_errors_without_a_name, start, stop),
		cmocka_unit_test_setup_teardown(test_long_directory, start, stop),
		cmocka_unit_test_setup_teardown(test_longest, start, stop),
		cmocka_unit_test_setup_teardown(test_too_long, start, stop),
		cmocka_unit_test_setup_teardown(test_half, start, stop),
		cmocka_unit_test_setup_teardown(test_lies, start, stop),
		cmocka_unit_test_setup_teardown(test_end, start, stop),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("broker/log", tests, NULL, NULL);
}
