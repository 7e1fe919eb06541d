/* SPDX-License-Identifier: MIT */
/* Clients that ask and do not read, against a real broker: they wait, and nobody else does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"

enum {
	REQUESTS = 10000,
};

/* As many requests as there is room for, numbered from *sent on. False: no more is wanted. */
static bool
send_some(int socket, unsigned *sent, unsigned most)
{
	char message[256];

	while (*sent < most) {
		size_t size =
			raw_request(message, *sent, O_RDONLY, broker.file, strlen(broker.file));
		int r = raw_send(
			socket,
			&(struct raw){.bytes = message, .size = size, .flags = MSG_DONTWAIT});

		if (r == -EAGAIN)
			return true;
		assert_int_equal(r, 0);
		++*sent;
	}
	return false;
}

/* Until it has been full for a while: the worker reads no more. */
static void
send_until_full(int socket, unsigned *sent)
{
	for (int quiet = 0; quiet < 30; quiet++) {
		unsigned before = *sent;

		assert_true(send_some(socket, sent, REQUESTS));
		if (*sent != before)
			quiet = 0;
		sleep_ms(1);
	}
}

static void
test_replies_in_order(void **state)
{
	int own = count_fds(0), socket = raw_connect(&broker);
	unsigned sent = 0, received = 0;
	struct stat wanted, got;

	(void)state;
	assert_return_code(stat(broker.file, &wanted), errno);
	send_until_full(socket, &sent);
	printf("# %u requests fit\n", sent);
	assert_served(&broker);
	assert_int_equal(worker_of(&broker, geteuid()), broker.worker);
	while (received < REQUESTS) {
		struct reply reply;

		raw_receive(socket, 0, &reply);
		assert_int_equal(reply.size, sizeof(reply.head) + sizeof(reply.results[0]));
		assert_int_equal(reply.head.id, received);
		assert_int_equal(reply.head.status, 0);
		assert_int_equal(reply.results[0].error, 0);
		assert_int_equal(reply.n_fds, 1);
		assert_return_code(fstat(reply.fds[0], &got), errno);
		assert_int_equal(got.st_ino, wanted.st_ino);
		reply_drop(&reply);
		received++;
		send_some(socket, &sent, REQUESTS);
	}
	raw_receive(socket, MSG_DONTWAIT, &(struct reply){});
	assert_served_on(&broker, socket);
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

static void
test_clients_that_never_read(void **state)
{
	int own = count_fds(0), sockets[8];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(sockets); i++) {
		unsigned sent = 0;

		sockets[i] = raw_connect(&broker);
		send_until_full(sockets[i], &sent);
		assert_served(&broker);
	}
	assert_int_equal(worker_of(&broker, geteuid()), broker.worker);
	/* They disappear, each with replies unread and requests unanswered. */
	for (size_t i = 0; i < ELEMENTS(sockets); i++)
		close(sockets[i]);
	assert_served(&broker);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* More descriptors than may be on their way at once: it costs the one who does not receive them. */
static void
test_descriptors_that_nobody_receives(void **state)
{
	static char batch[WIRE_MESSAGE_MAX];
	struct raw raw = {
		.bytes = batch, .size = raw_greatest_request(batch), .flags = MSG_DONTWAIT};
	int own = count_fds(0), socket = raw_connect(&broker), sent = 0;
	struct reply reply;

	(void)state;
	for (int quiet = 0; quiet < 30; quiet++) {
		while (raw_send(socket, &raw) == 0) {
			sent++;
			quiet = 0;
		}
		assert_served(&broker);
	}
	for (int i = 0; i < sent; i++) {
		raw_receive(socket, 0, &reply);
		assert_int_equal(reply.head.status, 0);
		assert_int_equal(reply.head.items, WIRE_ITEMS_MAX);
		assert_int_equal(reply.n_fds, WIRE_ITEMS_MAX);
		reply_drop(&reply);
	}
	assert_served_on(&broker, socket);
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

static void
test_clients_that_disappear(void **state)
{
	char message[256];
	size_t size = raw_request(message, 1, O_RDONLY, broker.file, strlen(broker.file));

	(void)state;
	for (int i = 0; i < 500; i++) {
		int socket = raw_connect(&broker);

		for (int n = i % 4; n > 0; n--)
			assert_int_equal(raw_send_bytes(socket, message, size), 0);
		close(socket);
		/* Not faster than one worker takes them. */
		if (i % 50 == 0)
			assert_served(&broker);
	}
	assert_served(&broker);
	assert_undisturbed(&broker);
}

/* A worker that is slow, and still takes what it is given, is not one that hangs. */
static void
test_one_that_is_slow(void **state)
{
	const double end = seconds_now() + 6 * WAIT_SECONDS;
	int own = count_fds(0), sockets[8];
	double begun, took;

	(void)state;
	do {
		begun = seconds_now();
		assert_true(begun < end);
		assert_return_code(kill(broker.worker, SIGSTOP), errno);
		for (size_t i = 0; i < ELEMENTS(sockets); i++) {
			sockets[i] = raw_connect(&broker);
			sleep_ms(50);
		}
		assert_return_code(kill(broker.worker, SIGCONT), errno);
		took = seconds_now() - begun;
		assert_served(&broker);
		for (size_t i = 0; i < ELEMENTS(sockets); i++)
			close(sockets[i]);
		/* Longer than a second, on a busy machine, would be a hang; another one serves then. */
		while (took >= 0.9 && has_draining(&broker) && seconds_now() < end)
			sleep_ms(10);
		if (took >= 0.9)
			broker.worker = worker_of(&broker, geteuid());
	} while (took >= 0.9);
	/* Nor is one to which connections come all the time, for longer than that. */
	for (begun = seconds_now(); seconds_now() < begun + 1.5;)
		assert_served(&broker);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* Connected and silent: each costs a descriptor of the worker and nobody's time. */
static void
test_clients_that_say_nothing(void **state)
{
	int own = count_fds(0), sockets[200];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(sockets); i++)
		sockets[i] = raw_connect(&broker);
	assert_served(&broker);
	assert_int_equal(worker_of(&broker, geteuid()), broker.worker);
	assert_served_on(&broker, sockets[ELEMENTS(sockets) / 2]);
	for (size_t i = 0; i < ELEMENTS(sockets); i++)
		close(sockets[i]);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* The client's own limit: it sees that something was cut off, and nobody leaks. */
static void
test_client_without_room(void **state)
{
	int own = count_fds(0), socket = raw_connect(&broker), first;
	struct rlimit limit, none;
	struct reply reply;
	char message[256];
	size_t size = raw_request(message, 3, O_RDONLY, broker.file, strlen(broker.file));

	(void)state;
	first = dup(socket);
	assert_return_code(first, errno);
	close(first);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	none = limit;
	none.rlim_cur = (rlim_t)first;
	assert_int_equal(raw_send_bytes(socket, message, size), 0);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	raw_receive(socket, 0, &reply);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(reply.size, sizeof(reply.head) + sizeof(reply.results[0]));
	assert_int_equal(reply.n_fds, 0);
	assert_true(reply.truncated);
	assert_served_on(&broker, socket);
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_in_order),
		cmocka_unit_test(test_clients_that_never_read),
		cmocka_unit_test(test_descriptors_that_nobody_receives),
		cmocka_unit_test(test_clients_that_disappear),
		cmocka_unit_test(test_one_that_is_slow),
		cmocka_unit_test(test_clients_that_say_nothing),
		cmocka_unit_test(test_client_without_room),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/liveness", tests, harness_setup,
					   harness_teardown);
}
