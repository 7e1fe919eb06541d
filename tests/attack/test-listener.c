/* SPDX-License-Identifier: MIT */
/*
 * What the broker's socket takes before the broker looks at it: connections and messages that wait,
 * on a socket of its own and on one that it was given. Against a real broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "broker/sys.h"
#include "tests/people.h"

enum {
	A = 61001,
};

static const char rules[] = "allow user:61001 read @/who/a\n"
			    "allow user:0 read @/who/root\n";
static const char *const files[] = {"a", "root", NULL};
static bool kernel_refuses; /* descriptors, where it is asked to */

static int
send_request(int socket, const char *name, const struct ucred *credentials, const int *fd)
{
	char path[128], message[512];
	int length = snprintf(path, sizeof(path), "%s/who/%s", broker.directory, name);
	struct raw raw = {
		.bytes = message, .credentials = credentials, .fds = fd, .n_fds = fd != NULL};

	raw.size = raw_request(message, 9, O_RDONLY, path, (size_t)length);
	return raw_send(socket, &raw);
}

/* The answer to it: as ask() says it. */
static int
receive_answer(int socket)
{
	struct reply reply;

	raw_receive(socket, 0, &reply);
	if (reply.size == -ECONNRESET)
		raw_receive(socket, 0, &reply);
	reply_drop(&reply);
	if (reply.size == 0)
		return ASK_ENDED;
	if (reply.size < 0 || reply.head.id != 9)
		return ASK_ODD;
	return reply.head.status != 0 ? reply.head.status : (int)reply.results[0].error;
}

static void
freeze_broker(void)
{
	assert_return_code(kill(broker.pid, SIGSTOP), errno);
}

static void
thaw_broker(void)
{
	assert_return_code(kill(broker.pid, SIGCONT), errno);
}

/* --- connections that wait to be accepted --------------------------------------------------- */

/* The options are the listener's: they hold before the broker has seen the connection. */
static void
test_queued_connections(void **state)
{
	int own = count_fds(0), silent, honest, hostile, r;

	(void)state;
	freeze_broker();
	silent = raw_connect(&broker);
	honest = raw_connect(&broker);
	hostile = raw_connect(&broker);
	/* Credentials come along although nobody has asked for them on this connection. */
	assert_int_equal(send_request(honest, "root", NULL, NULL), 0);
	r = send_request(hostile, "root", NULL, &honest);
	assert_int_equal(r, kernel_refuses ? -EPERM : 0);
	thaw_broker();
	if (geteuid() == 0)
		assert_int_equal(receive_answer(honest), 0);
	if (kernel_refuses)
		assert_served_on(&broker, hostile);
	else
		assert_ended(hostile);
	assert_served_on(&broker, silent);
	/* The same after it was accepted. */
	r = send_request(silent, "root", NULL, &honest);
	assert_int_equal(r, kernel_refuses ? -EPERM : 0);
	if (kernel_refuses)
		assert_served_on(&broker, silent);
	else
		assert_ended(silent);
	close(silent);
	close(honest);
	close(hostile);
	assert_int_equal(count_fds(0), own);
	if (kernel_refuses)
		assert_undisturbed(&broker);
	else
		assert_renewed(&broker);
}

/* Forged before anybody looked. */
static void
test_queued_forgeries(void **state)
{
	const struct ucred forged[] = {{.pid = 1}, {.pid = getpid(), .uid = A, .gid = A}};
	struct ucred claim;
	struct maker maker;
	int socket;

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(forged); i++) {
		claim = forged[i];
		freeze_broker();
		socket = connection_of(&broker, &(struct ids){.uid = A, .gid = A}, &maker);
		assert_int_equal(send_request(socket, "a", &claim, NULL), 0);
		assert_int_equal(send_request(socket, "root", &claim, NULL), 0);
		assert_int_equal(send_request(socket, "a", &maker.credentials, NULL), 0);
		thaw_broker();
		assert_int_equal(receive_answer(socket), EACCES);
		assert_int_equal(receive_answer(socket), EACCES);
		assert_int_equal(receive_answer(socket), ASK_GRANTED);
		close(socket);
		maker_end(&maker);
	}
	assert_undisturbed(&broker);
}

/* --- a refuser that takes no more ------------------------------------------------------------- */

/* What has to be refused is kept until the refuser has room: the broker itself closes none. */
static void
test_refuser_without_room(void **state)
{
	const struct ids last = {.uid = 400000, .gid = A};
	const struct ucred self = {.pid = getpid(), .uid = last.uid, .gid = last.gid};
	pid_t refuser = helper_of(&broker, "fdbroker-worker: refuser");
	static int many[600]; /* more than its queue holds, fewer than a process may have open */
	unsigned long refused, now;
	int fd, r;

	(void)state;
	if (needs_root())
		return;
	assert_int_not_equal(refuser, 0);
	assert_return_code(kill(refuser, SIGSTOP), errno);
	for (size_t i = 0; i < ELEMENTS(many); i++)
		many[i] = connect_as(&broker, &(struct ids){.uid = 500000 + (uid_t)i, .gid = A});
	fd = connect_as(&broker, &last);
	/* It has taken as many as it can. */
	now = status_number(&broker, "accepted");
	do {
		refused = now;
		sleep_ms(50);
		now = status_number(&broker, "accepted");
	} while (now != refused);
	r = now < ELEMENTS(many) ? 0 : 1;
	(void)kill(refuser, SIGCONT);
	assert_int_equal(r, 0);
	assert_int_equal(ask(&broker, fd, &self, "a"), EACCES);
	close(fd);
	for (size_t i = 0; i < ELEMENTS(many); i++)
		close(many[i]);
	assert_undisturbed(&broker);
}

/* --- what the broker would have to destroy ---------------------------------------------------- */

/* Nothing goes up a control socket: what a worker sent could hold up the broker when it closes. */
static void
test_control_is_one_way(void **state)
{
	const char *const helpers[] = {"fdbroker-worker: refuser", "fdbroker-worker: uid 0"};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(helpers); i++) {
		int pidfd = pidfd_open(helper_of(&broker, helpers[i]), 0), fd;

		assert_return_code(pidfd, errno);
		fd = pidfd_getfd(pidfd, IPC_CONTROL, 0);
		assert_return_code(fd, errno);
		assert_int_equal(raw_send_bytes(fd, "x", 1), -EPIPE);
		assert_int_equal(
			raw_send(fd,
				 &(struct raw){.bytes = "x", .size = 1, .fds = &pidfd, .n_fds = 1}),
			-EPIPE);
		close(fd);
		close(pidfd);
	}
	assert_undisturbed(&broker);
}

/* A worker that lies about how many connections have ended: none is below none. */
static void
test_ends_that_never_were(void **state)
{
	static const char ends[1000];
	int pidfd, fd;

	(void)state;
	if (needs_root())
		return;
	pidfd = pidfd_open(helper_of(&broker, "fdbroker-worker: uid 0"), 0);
	assert_return_code(pidfd, errno);
	fd = pidfd_getfd(pidfd, IPC_ENDED, 0);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, ends, sizeof(ends)), sizeof(ends));
	close(fd);
	close(pidfd);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_as(&broker, &(struct ids){}, "root"), ASK_GRANTED);
	assert_undisturbed(&broker);
}

/* --- connections from before the broker ----------------------------------------------------- */

enum {
	SILENT,
	HONEST,
	UNSIGNED,
	HOSTILE,
	FORGED,
	N_EARLY,
};
static int early[N_EARLY], early_wire[2];

/*
 * A service manager's part, in the process that becomes the broker: a socket without any option, and
 * clients on it already. What that process says is the truth about it.
 */
static int
begin_as_manager(void *context)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct ucred self = {.pid = getpid()}, forged = {.pid = 1, .uid = A, .gid = A};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), fds[N_EARLY], r = 0;
	char pid[16];

	(void)context;
	memcpy(address.sun_path, broker.socket, strlen(broker.socket) + 1);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 100) < 0)
		return -1;
	for (size_t i = 0; i < N_EARLY && r == 0; i++) {
		fds[i] = raw_try_connect(&broker);
		r = fds[i] < 0 ? fds[i] : pass_fd(early_wire[1], fds[i]);
	}
	/* That they get in is what makes this a test. */
	if (r < 0 || send_request(fds[HONEST], "root", &self, NULL) < 0 ||
	    send_request(fds[UNSIGNED], "root", NULL, NULL) < 0 ||
	    send_request(fds[HOSTILE], "root", &self, &listener) < 0 ||
	    send_request(fds[FORGED], "root", &forged, NULL) < 0)
		return -1;
	for (size_t i = 0; i < N_EARLY; i++)
		close(fds[i]);
	if (listener != 3 && dup2(listener, 3) < 0)
		return -1;
	(void)fcntl(3, F_SETFD, 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	return setenv("LISTEN_PID", pid, 1) < 0 ? -1 : setenv("LISTEN_FDS", "1", 1);
}

static void
start_given(bool old_kernel)
{
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, early_wire),
			   errno);
	harness_start_how(&broker, &(struct harness_how){.rules = rules,
							 .files = files,
							 .old_kernel = old_kernel,
							 .prepare = begin_as_manager});
	for (size_t i = 0; i < N_EARLY; i++) {
		early[i] = take_fd(early_wire[0]);
		assert_true(early[i] >= 0);
	}
	close(early_wire[0]);
	close(early_wire[1]);
}

static void
test_queued_before_the_broker(void **state)
{
	const struct ucred made_by = {.pid = broker.pid};
	int r;

	(void)state;
	if (needs_root())
		return;
	r = receive_answer(early[UNSIGNED]);
	/* It was sent when nobody asked for credentials: the kernel adds them, or has none. */
	printf("# a message without credentials from before the broker: %d\n", r);
	assert_true(r == ASK_GRANTED || r == EACCES);
	assert_int_equal(receive_answer(early[HONEST]), ASK_GRANTED);
	assert_int_equal(receive_answer(early[FORGED]), EACCES);
	assert_int_equal(receive_answer(early[HOSTILE]), ASK_ENDED);
	/* What is sent from now on. */
	r = send_request(early[SILENT], "root", &made_by, &early[HONEST]);
	assert_int_equal(r, kernel_refuses ? -EPERM : 0);
	if (kernel_refuses)
		assert_int_equal(ask(&broker, early[SILENT], &made_by, "root"), ASK_GRANTED);
	else
		assert_ended(early[SILENT]);
	/* Without credentials of ours the kernel adds some: they are not those of the connection. */
	assert_int_equal(ask(&broker, early[FORGED], NULL, "root"), EACCES);
	assert_int_equal(ask(&broker, early[FORGED], &made_by, "root"), ASK_GRANTED);
	for (size_t i = 0; i < N_EARLY; i++)
		close(early[i]);
	assert_served(&broker);
}

/* The options are on that listener too: they hold for whoever connects, accepted or not. */
static void
test_queued_at_given(void **state)
{
	const struct ucred forged = {.pid = 1}, self = {.pid = getpid()};
	int socket;

	(void)state;
	if (needs_root())
		return;
	freeze_broker();
	socket = raw_connect(&broker);
	assert_int_equal(send_request(socket, "root", &self, &socket), kernel_refuses ? -EPERM : 0);
	thaw_broker();
	if (kernel_refuses) {
		assert_int_equal(ask(&broker, socket, &forged, "root"), EACCES);
		assert_int_equal(ask(&broker, socket, &self, "root"), ASK_GRANTED);
	} else {
		assert_ended(socket);
	}
	close(socket);
}

/* How the socket came about makes no difference for those who come later. */
static void
test_end_of_given(void **state)
{
	(void)state;
	if (!needs_root())
		assert_int_equal(harness_stop(&broker), 0);
}

static void
test_given_socket(void **state)
{
	(void)state;
	if (!needs_root())
		start_given(false);
}

static void
test_given_socket_on_an_old_kernel(void **state)
{
	(void)state;
	kernel_refuses = false;
	if (!needs_root())
		start_given(true);
}

static int
setup(void **state)
{
	(void)state;
	kernel_refuses = kernel_can_refuse();
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queued_connections),
		cmocka_unit_test(test_queued_forgeries),
		cmocka_unit_test(test_refuser_without_room),
		cmocka_unit_test(test_control_is_one_way),
		cmocka_unit_test(test_ends_that_never_were),
		cmocka_unit_test(harness_test_end),
		cmocka_unit_test(test_given_socket),
		cmocka_unit_test(test_queued_before_the_broker),
		cmocka_unit_test(test_queued_at_given),
		cmocka_unit_test(test_end_of_given),
		cmocka_unit_test(test_given_socket_on_an_old_kernel),
		cmocka_unit_test(test_queued_before_the_broker),
		cmocka_unit_test(test_end_of_given),
	};

	return cmocka_run_group_tests_name("attack/listener", tests, setup, harness_teardown);
}
