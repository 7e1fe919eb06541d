/* SPDX-License-Identifier: MIT */
/* What the broker's status says of its workers. */
#include "tests/harness.h"

#include <errno.h>
#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

/* The admin socket tells without being asked. */
static size_t
ask_status(const struct harness *h, char *text, size_t room)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t used = 0;
	ssize_t n = 1;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s.admin", h->socket);
	assert_return_code(fd, errno);
	assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	while (used < room - 1 && n > 0) {
		n = read(fd, text + used, room - 1 - used);
		if (n > 0)
			used += (size_t)n;
	}
	text[used] = '\0';
	close(fd);
	return used;
}

/* A log process that has much to read yet gives no answer. */
static size_t
read_status(const struct harness *h, char *text, size_t room)
{
	size_t n = ask_status(h, text, room);

	for (int i = 0; n == 0 && i < WAIT_SECONDS * 10; i++) {
		sleep_ms(100);
		n = ask_status(h, text, room);
	}
	return n;
}

/* The number behind this key, before end; -1 without one. */
static long
number_of(const char *at, const char *end, const char *key)
{
	char wanted[32];
	const char *found;

	snprintf(wanted, sizeof(wanted), "\"%s\":", key);
	found = strstr(at, wanted);
	return found && (!end || found < end) ? strtol(found + strlen(wanted), NULL, 10) : -1;
}

unsigned long
status_number(const struct harness *h, const char *key)
{
	static char text[1 << 17];

	assert_true(read_status(h, text, sizeof(text)) > 0);
	return (unsigned long)number_of(text, NULL, key);
}

static bool
says(const char *at, const char *end, const char *words)
{
	const char *found = strstr(at, words);

	return found && found < end;
}

bool
has_draining(const struct harness *h)
{
	static char text[1 << 17];

	/* A busy log process may be asked once more. */
	for (int i = 0; read_status(h, text, sizeof(text)) <= 0; i++) {
		assert_true(i < WAIT_SECONDS);
		sleep_ms(100);
	}
	return strstr(text, "\"state\":\"draining\"") != NULL;
}

size_t
count_starting(const struct harness *h)
{
	static char text[1 << 17];
	size_t n = 0;

	assert_true(read_status(h, text, sizeof(text)) > 0);
	for (const char *at = text; (at = strstr(at, "\"state\":\"starting\"")); at++)
		n++;
	return n;
}

/* Of one uid, or of all (-1), those that take connections. */
static size_t
list_workers(const struct harness *h, long uid, struct worker_seen *seen, size_t max)
{
	static char text[1 << 17];
	const char *at, *end;
	size_t n = 0;

	assert_true(read_status(h, text, sizeof(text)) > 0);
	for (at = strstr(text, "\"workers\":"); at && (at = strstr(at, "{\"id\":")); at = end) {
		end = strchr(at, '}');
		assert_non_null(end);
		if (!says(at, end, "\"state\":\"starting\"") &&
		    !says(at, end, "\"state\":\"ready\""))
			continue;
		if (uid >= 0 &&
		    (!says(at, end, "\"kind\":\"identity\"") || number_of(at, end, "uid") != uid))
			continue;
		if (n < max)
			seen[n] = (struct worker_seen){
				.pid = (pid_t)number_of(at, end, "pid"),
				.gid = (gid_t)number_of(at, end, "gid"),
				.connections = (unsigned)number_of(at, end, "connections"),
			};
		n++;
	}
	return n;
}

size_t
workers_of(const struct harness *h, uid_t uid, struct worker_seen *ret_seen, size_t max)
{
	return list_workers(h, uid, ret_seen, max);
}

size_t
count_workers(const struct harness *h)
{
	return list_workers(h, -1, NULL, 0);
}

pid_t
worker_of(const struct harness *h, uid_t uid)
{
	struct worker_seen one = {};

	return list_workers(h, uid, &one, 1) > 0 ? one.pid : 0;
}

void
harness_know(struct harness *h)
{
	static struct worker_seen seen[HARNESS_KNOWN];
	size_t n = list_workers(h, -1, seen, HARNESS_KNOWN);

	assert_true(n <= HARNESS_KNOWN);
	/* Until they have seen the last connections end. */
	sleep_ms(100);
	for (size_t i = 0; i < n; i++) {
		h->known[i] = seen[i].pid;
		h->known_fds[i] = count_fds(seen[i].pid);
	}
	h->n_known = n;
}

void
assert_known_undisturbed(const struct harness *h)
{
	for (size_t i = 0; i < h->n_known; i++) {
		int n = -1;

		for (int wait = 0; wait < 1500; wait++) {
			n = count_fds(h->known[i]);
			if (n == h->known_fds[i])
				break;
			sleep_ms(2);
		}
		assert_int_equal(n, h->known_fds[i]);
	}
}

void
harness_reload(struct harness *h)
{
	unsigned long generation = status_number(h, "generation");

	assert_return_code(kill(h->pid, SIGHUP), errno);
	/* The refuser stays. */
	for (int i = 0; status_number(h, "generation") == generation || count_workers(h) > 1; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
	assert_served(h);
	h->worker = worker_of(h, geteuid());
	h->n_known = 0;
}
