/* SPDX-License-Identifier: MIT */
/*
 * A file that somebody holds a write lease on: an open that waits for it would have a worker wait, and
 * everybody whom it serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/attack/asks.h"

static const char rules[] = "allow user:61001|user:61002 read,write @/dir/**\n"
			    "allow user:61001 read @/other/** owner=root\n";
static const struct ids a = {.uid = A, .gid = A};
static const struct ids b = {.uid = B, .gid = B};

static int
setup(void **state)
{
	static const char *const files[] = {"leased", "given-up", "other", "never"};

	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	make_dir(at("dir"), 0, 0755);
	for (size_t i = 0; i < ELEMENTS(files); i++)
		make_file(at("dir/%s", files[i]), A, 0644, "");
	make_dir(at("other"), 0, 0755);
	make_file(at("other/leased"), A, 0644, "");
	assert_return_code(setenv("FDBROKER_SOCKET", broker.socket, 1), errno);
	peer = peer_begin(A);
	return 0;
}

/* --- who holds it ------------------------------------------------------------------------------ */

struct holder {
	const char *path;
	int wires[2];
	pid_t pid;
};

/* Says so when it has it; then, when it is told to, gives it up. */
static int
hold(void *context)
{
	const struct holder *holder = context;
	int fd = open(holder->path, O_RDWR | O_CLOEXEC);

	signal(SIGIO, SIG_IGN);
	if (fd < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0 || tell(holder->wires[1]) < 0 ||
	    wait_told(holder->wires[1]) < 0)
		return 1;
	return fcntl(fd, F_SETLEASE, F_UNLCK) < 0;
}

static void
holder_begin(struct holder *holder, const char *path)
{
	*holder = (struct holder){.path = path};
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, holder->wires),
			   errno);
	holder->pid = act_begin(&a, hold, holder);
	assert_int_equal(wait_told(holder->wires[0]), 0);
}

static void
holder_end(struct holder *holder)
{
	assert_int_equal(act_end(holder->pid), 0);
	close(holder->wires[0]);
	close(holder->wires[1]);
}

/* --- who asks ---------------------------------------------------------------------------------- */

static int
open_it(void *path)
{
	return broker_open(path, O_RDONLY) >= 0 ? 0 : errno;
}

static int
open_it_at_once(void *path)
{
	return broker_open(path, O_RDONLY | O_NONBLOCK) >= 0 ? 0 : errno;
}

static int
open_it_plainly(void *path)
{
	return open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

/* Is it still at it? */
static bool
goes_on(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void
test_worker_does_not_wait(void **state)
{
	static char path[128];
	struct holder holder;
	double began;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("dir/leased"));
	holder_begin(&holder, path);
	began = seconds_now();
	assert_int_equal(peer_open(&peer, O_RDONLY | O_NONBLOCK, 0, path, NULL), EAGAIN);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), EAGAIN);
	assert_int_equal(peer_open(&peer, O_RDWR, 0, path, NULL), EAGAIN);
	assert_int_equal(peer_open(&peer, O_WRONLY | O_TRUNC, 0, path, NULL), EAGAIN);
	/* The holder is asked for it only by an open. */
	assert_int_equal(peer_stat(&peer, 0, path, NULL), 0);
	assert_int_equal(act_as(&b, open_it_at_once, path), EAGAIN);
	/* fs.lease-break-time is 45 s. */
	assert_true(seconds_now() - began < 30);
	assert_int_equal(tell(holder.wires[0]), 0);
	holder_end(&holder);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), 0);
}

/* Of a file that is refused nobody is asked for a lease: an open would say EAGAIN. */
static void
test_refused_file_is_not_opened(void **state)
{
	static char path[128];
	struct holder holder;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("other/leased"));
	holder_begin(&holder, path);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), EACCES);
	assert_int_equal(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tell(holder.wires[0]), 0);
	holder_end(&holder);
}

static void
test_given_up(void **state)
{
	static char path[128];
	struct holder holder;
	pid_t asks;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("dir/given-up"));
	holder_begin(&holder, path);
	asks = act_begin(&b, open_it, path);
	/* It has been told no at least once. */
	log_wait(1, "error=EAGAIN", "/dir/given-up");
	assert_true(goes_on(asks));
	assert_int_equal(tell(holder.wires[0]), 0);
	holder_end(&holder);
	assert_int_equal(act_end(asks), 0);
	log_wait(1, "granted uid=61002", "/dir/given-up");
	assert_int_equal(log_count("error=EAGAIN", "/dir/given-up"), 1);
}

static void
test_never_given_up(void **state)
{
	static char path[128];
	struct peer other = peer_begin(B);
	struct holder holder;
	unsigned served = 0;
	pid_t asks, plain;
	int status = -1;
	double began;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("dir/never"));
	holder_begin(&holder, path);
	began = seconds_now();
	asks = act_begin(&b, open_it, path);
	/* Others are served meanwhile, by that very worker and by others. */
	while (waitpid(asks, &status, WNOHANG) == 0) {
		assert_int_equal(peer_open(&other, O_RDONLY, 0, at("dir/other"), NULL), 0);
		assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/other"), NULL), 0);
		served++;
		sleep_ms(20);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ETIMEDOUT);
	assert_true(seconds_now() - began >= BROKER_TIMEOUT_DEFAULT / 1000.0 - 0.1);
	assert_true(served > 3);
	/* One line, and not one for each time that it asked. */
	assert_int_equal(log_count("error=EAGAIN", path), 1);
	/* The counter-check: an open of one's own waits. */
	plain = act_begin(&b, open_it_plainly, path);
	sleep_ms(200);
	assert_true(goes_on(plain));
	assert_int_equal(tell(holder.wires[0]), 0);
	holder_end(&holder);
	assert_int_equal(act_end(plain), 0);
	peer_end(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_does_not_wait),
		cmocka_unit_test(test_refused_file_is_not_opened),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_never_given_up),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/lease", tests, setup);
}
