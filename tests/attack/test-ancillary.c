/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that nobody asked for and credentials that are not the sender's, against a real
 * broker: once with what this kernel offers, once as if it had no SO_PASSRIGHTS.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/sys.h"
#include "client-lib/fdbroker.h"
#include "tests/harness.h"

static bool kernel_refuses;                /* descriptors, before they are sent */
static char request[WIRE_MESSAGE_MAX + 1]; /* what follows the request is zero */
static size_t request_size;

enum {
	OTHER = 61001, /* nobody on this machine */
};

static struct ucred
self(void)
{
	return (struct ucred){.pid = getpid(), .uid = geteuid(), .gid = getegid()};
}

/* --- descriptors --------------------------------------------------------------------------------
 */

static void
try_fds(struct raw raw)
{
	int fds[FDS_AT_ONCE], own = count_fds(0), socket = raw_connect(&broker), r;

	for (size_t i = 0; i < ELEMENTS(fds); i++)
		fds[i] = socket;
	raw.fds = fds;
	r = raw_send(socket, &raw);
	if (kernel_refuses) {
		assert_int_equal(r, -EPERM);
		assert_served_on(&broker, socket);
	} else {
		assert_int_equal(r, 0);
		assert_ended(socket);
	}
	assert_served(&broker);
	close(socket);
	if (kernel_refuses)
		assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* Where the kernel let descriptors through, the worker that got them makes way for another. */
static void
assert_no_trace(void)
{
	if (kernel_refuses)
		assert_undisturbed(&broker);
	else
		assert_renewed(&broker);
}

static void
test_descriptors(void **state)
{
	static const size_t counts[] = {1, 2, 3, FDS_AT_ONCE};
	const size_t header = sizeof(struct wire_header),
		     sizes[] = {request_size, 0, 1, header, sizeof(request)};
	struct ucred credentials = self();

	(void)state;
	for (size_t i = 0; i < ELEMENTS(counts); i++) {
		for (size_t s = 0; s < ELEMENTS(sizes); s++)
			try_fds((struct raw){
				.bytes = request, .size = sizes[s], .n_fds = counts[i]});
		/* With credentials, in either order; and in two headers. */
		try_fds((struct raw){.bytes = request,
				     .size = request_size,
				     .n_fds = counts[i],
				     .credentials = &credentials});
		try_fds((struct raw){.bytes = request,
				     .size = request_size,
				     .n_fds = counts[i],
				     .credentials = &credentials,
				     .fds_first = true});
		try_fds((struct raw){.bytes = request,
				     .size = request_size,
				     .n_fds = counts[i],
				     .first_fds = (counts[i] + 1) / 2,
				     .credentials = &credentials,
				     .fds_first = i % 2 == 0});
		/* All of that with too little to be a request. */
		for (size_t s = 0; s < ELEMENTS(sizes); s++)
			for (int order = 0; order < 2; order++)
				try_fds((struct raw){.bytes = request,
						     .size = sizes[s],
						     .n_fds = counts[i],
						     .first_fds = counts[i] / 2,
						     .credentials = &credentials,
						     .fds_first = order});
	}
	assert_no_trace();
}

/* To whoever has room for them, all of these arrive, in one header or two, in either order. */
static void
test_descriptors_arrive_elsewhere(void **state)
{
	static const size_t counts[] = {1, 2, FDS_AT_ONCE};
	const int own = count_fds(0);
	struct ucred credentials = self();
	int fds[FDS_AT_ONCE], pair[2];
	struct reply reply;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	for (size_t i = 0; i < ELEMENTS(fds); i++)
		fds[i] = pair[0];
	for (size_t i = 0; i < ELEMENTS(counts) * 4; i++) {
		size_t n = counts[i / 4];

		assert_int_equal(raw_send(pair[0], &(struct raw){.bytes = request,
								 .size = 1,
								 .fds = fds,
								 .n_fds = n,
								 .first_fds = i % 2 ? n / 2 : 0,
								 .credentials = &credentials,
								 .fds_first = i / 2 % 2}),
				 0);
		raw_receive(pair[1], 0, &reply);
		assert_int_equal(reply.n_fds, n);
		assert_false(reply.truncated);
		reply_drop(&reply);
	}
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(count_fds(0), own);
}

/* A request, descriptors, a request: what was well-formed before is answered, what follows is not.
 */
static void
test_descriptors_between_requests(void **state)
{
	int own = count_fds(0), socket = raw_connect(&broker), r;

	(void)state;
	assert_served_on(&broker, socket);
	r = raw_send(
		socket,
		&(struct raw){.bytes = request, .size = request_size, .fds = &socket, .n_fds = 1});
	assert_int_equal(r, kernel_refuses ? -EPERM : 0);
	r = raw_send_bytes(socket, request, request_size);
	if (kernel_refuses) {
		struct reply reply;

		assert_int_equal(r, 0);
		raw_receive(socket, 0, &reply);
		assert_int_equal(reply.n_fds, 1);
		reply_drop(&reply);
		assert_served_on(&broker, socket);
	} else {
		assert_ended(socket);
	}
	close(socket);
	assert_no_trace();
	assert_int_equal(count_fds(0), own);
}

/* The worker hears first that the client left an answer unread, and looks nevertheless. */
static void
test_descriptors_and_an_answer_unread(void **state)
{
	struct pollfd answer = {.events = POLLIN};
	const int other = STDERR_FILENO; /* with its own in it the socket would not be closed */
	int socket;

	(void)state;
	if (needs_root())
		return;
	socket = raw_connect(&broker);
	assert_int_equal(raw_send_bytes(socket, request, request_size), 0);
	answer.fd = socket;
	assert_int_equal(poll(&answer, 1, WAIT_SECONDS * 1000), 1);
	assert_return_code(kill(broker.worker, SIGSTOP), errno);
	(void)raw_send(
		socket,
		&(struct raw){.bytes = request, .size = request_size, .fds = &other, .n_fds = 1});
	close(socket);
	assert_return_code(kill(broker.worker, SIGCONT), errno);
	assert_no_trace();
}

/* --- credentials --------------------------------------------------------------------------------
 */

static int
send_as(int socket, struct ucred credentials)
{
	return raw_send(
		socket,
		&(struct raw){.bytes = request, .size = request_size, .credentials = &credentials});
}

static void
test_own_credentials(void **state)
{
	int socket = raw_connect(&broker);
	struct reply reply;

	(void)state;
	assert_int_equal(send_as(socket, self()), 0);
	raw_receive(socket, 0, &reply);
	assert_int_equal(reply.head.status, 0);
	assert_int_equal(reply.n_fds, 1);
	reply_drop(&reply);
	close(socket);
}

/* Headers that are none: the kernel knows them, and nothing of them arrives. */
static void
test_broken_credentials(void **state)
{
	static const size_t sizes[] = {0, 5, sizeof(struct ucred) - 1, sizeof(struct ucred) + 1};
	int socket = raw_connect(&broker);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(struct ucred))] = {};
		struct cmsghdr header = {.cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_CREDENTIALS,
					 .cmsg_len = CMSG_LEN(sizes[i])};
		struct iovec iov = {.iov_base = request, .iov_len = request_size};
		struct msghdr message = {.msg_iov = &iov,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = CMSG_SPACE(sizes[i])};

		memcpy(control, &header, sizeof(header));
		assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_served_on(&broker, socket);
	close(socket);
	assert_undisturbed(&broker);
}

/* Who may not lie is stopped by the kernel, who may by the worker. */
static void
test_forged_credentials(void **state)
{
	const struct ucred forged[] = {
		{.pid = 1, .uid = 0, .gid = 0},
		{.pid = 1, .uid = geteuid(), .gid = getegid()},
		{.pid = getppid(), .uid = geteuid(), .gid = getegid()},
		{.pid = getpid(), .uid = OTHER, .gid = getegid()},
		{.pid = getpid(), .uid = geteuid(), .gid = OTHER},
		{.pid = getpid(), .uid = OTHER, .gid = OTHER},
	};
	int socket = raw_connect(&broker);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(forged); i++) {
		int r = send_as(socket, forged[i]);

		if (geteuid() == 0)
			assert_int_equal(r, 0);
		else
			assert_int_equal(r, -EPERM);
		if (r == 0)
			assert_refused(socket, 1, EACCES);
		assert_served_on(&broker, socket);
	}
	close(socket);
	assert_undisturbed(&broker);
}

/* A child's own words on its parent's connection, with credentials given and not. */
static void
test_connection_of_a_parent(void **state)
{
	int socket = raw_connect(&broker), status = -1;

	(void)state;
	for (int explicit = 0; explicit < 2; explicit ++) {
		pid_t pid = fork();

		assert_return_code(pid, errno);
		if (pid == 0) {
			int r = explicit ? send_as(socket, self())
					 : raw_send_bytes(socket, request, request_size);

			_exit(r != 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_refused(socket, 1, EACCES);
		assert_served_on(&broker, socket);
	}
	close(socket);
	assert_undisturbed(&broker);
}

/* A connection that was made with other effective ids. */
static void
test_connection_from_before(void **state)
{
	int socket;

	(void)state;
	if (needs_root())
		return;
	socket = raw_connect(&broker);
	assert_return_code(seteuid(OTHER), errno);
	assert_int_equal(send_as(socket, self()), 0);
	assert_return_code(seteuid(0), errno);
	assert_refused(socket, 1, EACCES);
	assert_return_code(setegid(OTHER), errno);
	assert_int_equal(send_as(socket, self()), 0);
	assert_return_code(setegid(0), errno);
	assert_refused(socket, 1, EACCES);
	assert_served_on(&broker, socket);
	close(socket);
	assert_undisturbed(&broker);
}

/* --- a client without room ----------------------------------------------------------------------
 */

/* The library says that it is the program's own limit, and nobody keeps what could not be given. */
static void
test_library_without_room(void **state)
{
	struct rlimit limit, none;
	int own, first, fd, connection = dup(STDOUT_FILENO);

	(void)state;
	assert_return_code(connection, errno);
	close(connection);
	assert_return_code(setenv("FDBROKER_SOCKET", broker.socket, 1), errno);
	fd = broker_open(broker.file, O_RDONLY);
	assert_return_code(fd, errno);
	close(fd);
	own = count_fds(0);
	first = dup(STDOUT_FILENO);
	close(first);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	for (int i = 0; i < 200; i++) {
		int error;

		none = limit;
		none.rlim_cur = (rlim_t)first;
		assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
		fd = broker_open(broker.file, O_RDONLY);
		error = errno;
		assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
		assert_int_equal(fd, -1);
		assert_int_equal(error, EMFILE);
	}
	assert_int_equal(count_fds(0), own);
	/* With room for one more it is given. */
	none.rlim_cur = (rlim_t)first + 1;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	fd = broker_open(broker.file, O_RDONLY);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(fd, first);
	close(fd);
	assert_served(&broker);
	/* The library keeps its connection. */
	assert_return_code(close(connection), errno);
	assert_undisturbed(&broker);
}

static void
test_end(void **state)
{
	(void)state;
	assert_clean_end(&broker);
}

static void
test_as_on_an_old_kernel(void **state)
{
	(void)state;
	kernel_refuses = false;
	harness_start(&broker, true);
	request_size = raw_request(request, 1, O_RDONLY, broker.file, strlen(broker.file));
}

static int
start(void **state)
{
	(void)state;
	kernel_refuses = kernel_can_refuse();
	harness_start(&broker, false);
	request_size = raw_request(request, 1, O_RDONLY, broker.file, strlen(broker.file));
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	if (broker.pid > 0)
		(void)harness_stop(&broker);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors_arrive_elsewhere),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_descriptors_between_requests),
		cmocka_unit_test(test_own_credentials),
		cmocka_unit_test(test_broken_credentials),
		cmocka_unit_test(test_forged_credentials),
		cmocka_unit_test(test_connection_of_a_parent),
		cmocka_unit_test(test_connection_from_before),
		cmocka_unit_test(test_library_without_room),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_as_on_an_old_kernel),
		cmocka_unit_test(test_descriptors_and_an_answer_unread),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_descriptors_between_requests),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("attack/ancillary", tests, start, stop);
}
