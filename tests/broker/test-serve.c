/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker, with real sockets and a clock that the test can put forward: when it looks at
 * what it was made of, and what it tells the broker.
 */
#include "broker/worker/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/armed.h"
#include "broker/sys.h"
#include "client-lib/channel.h"
#include "tests/harness.h"

enum {
	LOWEST = 20,   /* descriptors of the test itself */
	QUIET_MS = 40, /* in which nothing comes */
	FEW = 20,      /* questions for the time, by a loop that waits */
	SIGNALS = 4,   /* sent to it, one a millisecond */
	NOTHING = -1,
};

static struct shared {
	struct ipc_page page;
	struct timespec began; /* its clock stands still: how slow the machine is changes nothing */
	_Atomic int64_t forward; /* milliseconds, of the worker's clock */
	_Atomic unsigned asked;  /* how often it asked for the time */
} * shared;

/* Instead of the C library's, in this program. */
int clock_gettime(clockid_t clock, struct timespec *ret);
int
clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (shared && clock == CLOCK_MONOTONIC) {
		ret->tv_sec = shared->began.tv_sec + shared->forward / 1000;
		ret->tv_nsec = shared->forward % 1000 * 1000000;
		shared->asked++;
	}
	return r;
}

struct worker {
	pid_t pid;
	int control, notes, others[2];
	char directory[64];
	char later[80]; /* what it watches; it is not there yet */
};

enum how {
	PLAIN = 0,
	BLIND = 1,   /* nobody tells it of names */
	CHANGED = 2, /* what it watches has changed before it serves */
	REFUSER = 4,
};

/* In the child. */
static int
work(const struct worker *w, enum how how, const int ends[4])
{
	static struct watch watch;
	static struct trees trees;
	static struct setup setup;
	struct policy_chain above;
	struct server server = {.setup = &setup, .trees = &trees, .watch = &watch};
	int epoll = -1, fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 4; i++)
		if (dup2(ends[i], IPC_CONTROL + i) < 0)
			return 2;
	if (sys_close_from(IPC_ENDED + 1) < 0 || armed_prepare() < 0)
		return 3;
	setup.peer.kind = how & REFUSER ? IPC_REFUSER : IPC_IDENTITY;
	setup.page = &shared->page;
	if (watch_begin(&watch, (uid_t)-1) < 0 || watch_place(&watch, w->later, true) < 0)
		return 4;
	(void)watch_note_mounts(&watch);
	if (watch_open(&watch, w->later, &above, &fd) != -ENOENT || watch_ready(&watch, true) < 0)
		return 5;
	watch.blind |= (how & BLIND) != 0;
	(void)watch_note_mounts(&watch);
	if (how & CHANGED && mkdir(w->later, 0755) < 0)
		return 6;
	if (serve_prepare(&epoll) < 0)
		return 7;
	return serve(&server, epoll, 64) < 0;
}

static void
begin(struct worker *w, enum how how)
{
	int pairs[4][2], ends[4];

	memset(shared, 0, sizeof(*shared));
	assert_return_code(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &shared->began), errno);
	make_directory(w->directory);
	snprintf(w->later, sizeof(w->later), "%s/later", w->directory);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pairs[0]), errno);
	for (int i = 1; i < 4; i++)
		assert_return_code(pipe2(pairs[i], O_CLOEXEC | O_NONBLOCK), errno);
	for (int i = 0; i < 4; i++) {
		ends[i] = fcntl(pairs[i][1], F_DUPFD_CLOEXEC, LOWEST);
		assert_true(ends[i] >= LOWEST);
		close(pairs[i][1]);
	}
	fflush(NULL);
	w->pid = fork();
	assert_return_code(w->pid, errno);
	if (w->pid == 0)
		_exit(work(w, how, ends));
	/* Before that the signal of put_forward() would end it. */
	for (int i = 0; shared->asked == 0; i++) {
		assert_true(i < WAIT_SECONDS * 1000);
		sleep_ms(1);
	}
	for (int i = 0; i < 4; i++)
		close(ends[i]);
	w->control = pairs[0][0];
	w->notes = pairs[1][0];
	w->others[0] = pairs[2][0];
	w->others[1] = pairs[3][0];
}

static void
end(struct worker *w)
{
	int status = -1;

	close(w->control);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	close(w->notes);
	close(w->others[0]);
	close(w->others[1]);
	rmdir(w->later);
	remove_directory(w->directory);
}

/* A client of it. */
static int
join(struct worker *w)
{
	const struct ipc_connection what = {.number = 1, .peer = {.pid = getpid()}};
	const struct iovec iov[2] = {{(void *)&what, sizeof(what)}, {(void *)"", 1}};
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	assert_int_equal(channel_send(w->control, iov, 2, &pair[1], 1, NULL, 0), 0);
	close(pair[1]);
	return pair[0];
}

/* It asks for something; whatever the answer, the loop has gone round. */
static void
ask(int client)
{
	struct pollfd answered = {.fd = client, .events = POLLIN};
	char bytes[256];
	size_t size = raw_request(bytes, 1, O_RDONLY, "/x", 2);

	assert_int_equal(send(client, bytes, size, MSG_NOSIGNAL), size);
	assert_int_equal(poll(&answered, 1, WAIT_SECONDS * 1000), 1);
	assert_true(recv(client, bytes, sizeof(bytes), 0) > 0);
}

/*
 * The worker's clock goes on by that much, and it asks again how long to wait, if it has a reason to: a
 * signal that comes before it waits changes nothing, so more than one is sent.
 */
static void
put_forward(struct worker *w, int64_t ms)
{
	shared->forward += ms;
	for (int i = 0; i < SIGNALS; i++) {
		assert_return_code(kill(w->pid, SIGALRM), errno);
		sleep_ms(1);
	}
}

/* What it says next, NOTHING after so many milliseconds. */
static int
note_within(struct worker *w, int ms)
{
	struct pollfd said = {.fd = w->notes, .events = POLLIN};
	unsigned char note;

	if (poll(&said, 1, ms) != 1)
		return NOTHING;
	assert_int_equal(read(w->notes, &note, 1), 1);
	return note;
}

static void
assert_says(struct worker *w, int note)
{
	assert_int_equal(note_within(w, WAIT_SECONDS * 1000), note);
}

/* It says nothing, and waits instead of going round. */
static void
assert_quiet(struct worker *w)
{
	unsigned asked;

	sleep_ms(1);
	asked = shared->asked;
	assert_int_equal(note_within(w, QUIET_MS), NOTHING);
	assert_in_range(shared->asked - asked, 0, FEW);
}

/* It has gone to wait: it can be told of a change then. */
static void
settle(struct worker *w)
{
	int client = join(w);

	ask(client);
	close(client);
	assert_quiet(w);
}

static void
test_idle(void **state)
{
	struct worker w;
	int client;

	(void)state;
	begin(&w, PLAIN);
	client = join(&w);
	ask(client);
	put_forward(&w, SERVE_IDLE_MS + 1000);
	ask(client);
	assert_quiet(&w);
	/* From the end of its last connection on. */
	close(client);
	assert_quiet(&w);
	put_forward(&w, SERVE_IDLE_MS - 5000);
	assert_quiet(&w);
	put_forward(&w, 5000);
	assert_says(&w, IPC_NOTE_IDLE);
	/* Once. */
	assert_quiet(&w);
	put_forward(&w, 2 * SERVE_IDLE_MS);
	assert_quiet(&w);
	/* The broker had one more for it. */
	settle(&w);
	put_forward(&w, SERVE_IDLE_MS);
	assert_says(&w, IPC_NOTE_IDLE);
	end(&w);

	/* Nobody ever came. */
	begin(&w, PLAIN);
	assert_quiet(&w);
	put_forward(&w, SERVE_IDLE_MS);
	assert_says(&w, IPC_NOTE_IDLE);
	end(&w);
}

/* It is there for all who come. */
static void
test_refuser_is_never_idle(void **state)
{
	struct worker w;

	(void)state;
	begin(&w, REFUSER);
	settle(&w);
	put_forward(&w, 2 * SERVE_IDLE_MS);
	assert_quiet(&w);
	end(&w);
}

static void
make(const struct worker *w, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/%s", w->directory, name);
	assert_return_code(mkdir(path, 0755), errno);
}

/* What changed while it confined itself is seen at once. */
static void
test_changed_before(void **state)
{
	struct worker w;

	(void)state;
	begin(&w, CHANGED);
	assert_says(&w, IPC_NOTE_REPLACE);
	assert_quiet(&w);
	end(&w);
}

static void
test_look(void **state)
{
	struct worker w;

	(void)state;
	begin(&w, PLAIN);
	settle(&w);
	/* The first change after a while is seen at once, */
	put_forward(&w, 2 * WATCH_MS);
	make(&w, "x");
	assert_quiet(&w);
	/* and those of the next second at its end, however many. */
	make(&w, "y");
	make(&w, "later");
	assert_quiet(&w);
	put_forward(&w, WATCH_MS);
	assert_says(&w, IPC_NOTE_REPLACE);
	/* That is said once, and then nothing is looked at any more. */
	assert_quiet(&w);
	put_forward(&w, 2 * WATCH_MS);
	assert_quiet(&w);
	{
		const unsigned asked = shared->asked;

		make(&w, "z");
		assert_int_equal(rmdir(w.later), 0);
		assert_int_equal(note_within(&w, QUIET_MS), NOTHING);
		/* But for its being told of the time, had that not been done yet. */
		assert_in_range(shared->asked - asked, 0, SIGNALS);
	}
	end(&w);

	begin(&w, PLAIN);
	settle(&w);
	put_forward(&w, 2 * WATCH_MS);
	make(&w, "later");
	/* At once: its clock stands still. */
	assert_says(&w, IPC_NOTE_REPLACE);
	end(&w);
}

/* Whom nobody tells is replaced when it is asked for something after a while. */
static void
test_blind(void **state)
{
	struct worker w;
	int client;

	(void)state;
	begin(&w, BLIND);
	client = join(&w);
	ask(client);
	put_forward(&w, WATCH_BLIND_MS - 1000);
	ask(client);
	assert_quiet(&w);
	put_forward(&w, 2000);
	assert_quiet(&w);
	ask(client);
	assert_says(&w, IPC_NOTE_REPLACE);
	ask(client);
	assert_quiet(&w);
	close(client);
	end(&w);

	/* The counter-check: one that is told. */
	begin(&w, PLAIN);
	client = join(&w);
	put_forward(&w, 2 * WATCH_BLIND_MS);
	ask(client);
	assert_quiet(&w);
	close(client);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),           cmocka_unit_test(test_refuser_is_never_idle),
		cmocka_unit_test(test_changed_before), cmocka_unit_test(test_look),
		cmocka_unit_test(test_blind),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	/* What neighbours mount, and make in /tmp, would have it look. Who may not unshare bears that. */
	if (unshare(CLONE_NEWNS) == 0 &&
	    (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	     mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") < 0 || unsetenv("TMPDIR") < 0))
		return 1;
	return cmocka_run_group_tests_name("broker/serve", tests, NULL, NULL);
}
