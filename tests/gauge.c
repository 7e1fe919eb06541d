/* SPDX-License-Identifier: MIT */
#include "tests/gauge.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

enum state {
	PAUSED,
	MEASURES,
};

struct gauge_shared {
	_Atomic int state;
	_Atomic int64_t since; /* nanoseconds: when the present sample began; 0: none */
	_Atomic unsigned n, again, wrong;
	_Atomic int got;
	double ms[GAUGE_MOST];
};

void
become(uid_t uid)
{
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(99);
}

int
quiet_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = WAIT_SECONDS};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int
quiet_open(int socket, const char *path)
{
	const struct ucred self = {getpid(), geteuid(), getegid()};
	char message[512];
	size_t size = raw_request(message, 1, O_RDONLY, path, strlen(path));
	struct reply reply;
	int r = raw_send(socket,
			 &(struct raw){.bytes = message, .size = size, .credentials = &self});

	if (r < 0)
		return -r;
	raw_receive(socket, 0, &reply);
	reply_drop(&reply);
	if (reply.size < 0)
		return (int)-reply.size;
	if (reply.size == 0)
		return ENOTCONN;
	return reply.head.status != 0 ? reply.head.status : (int)reply.results[0].error;
}

static int64_t
nanoseconds(void)
{
	return (int64_t)(seconds_now() * 1e9);
}

static int
ask(const char *socket, const char *path)
{
	int fd = quiet_connect(socket), r;

	if (fd < 0)
		return -fd;
	r = quiet_open(fd, path);
	close(fd);
	return r;
}

static void __attribute__((noreturn))
measure(struct gauge_shared *s, const struct harness *h, const char *path, int expected)
{
	for (;;) {
		int64_t start = nanoseconds();
		int r;

		if (s->state == PAUSED) {
			sleep_ms(1);
			continue;
		}
		s->since = start;
		r = ask(h->socket, path);
		/* The library tries once more as well. */
		if (r == ENOTCONN || r == ECONNRESET || r == EPIPE || r == (int)WIRE_STATUS_RETRY) {
			s->again++;
			r = ask(h->socket, path);
		}
		if (s->n < GAUGE_MOST)
			s->ms[s->n++] = (double)(nanoseconds() - start) / 1e6;
		if (r != expected) {
			s->got = r;
			s->wrong++;
		}
		s->since = 0;
		sleep_ms(1);
	}
}

void
gauge_start(struct gauge *g, const struct harness *h, uid_t uid, const char *path, int expected)
{
	pid_t parent = getpid();

	g->uid = uid;
	g->shared = mmap(NULL, sizeof(*g->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g->shared, MAP_FAILED);
	fflush(NULL);
	g->pid = fork();
	assert_return_code(g->pid, errno);
	if (g->pid == 0) {
		become(uid);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		measure(g->shared, h, path, expected);
	}
}

void
gauge_begin(struct gauge *g)
{
	g->shared->n = g->shared->again = g->shared->wrong = 0;
	g->shared->state = MEASURES;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct gauge_figures
gauge_end(struct gauge *g)
{
	static double ms[GAUGE_MOST];
	struct gauge_shared *s = g->shared;
	struct gauge_figures f = {};
	int64_t since;

	s->state = PAUSED;
	since = s->since;
	f.n = s->n;
	f.again = s->again;
	f.wrong = s->wrong;
	f.got = s->got;
	memcpy(ms, s->ms, f.n * sizeof(ms[0]));
	qsort(ms, f.n, sizeof(ms[0]), compare);
	if (f.n > 0) {
		f.median = ms[f.n / 2];
		f.p99 = ms[f.n - 1 - f.n / 100];
		f.max = ms[f.n - 1];
	}
	if (since != 0 && (double)(nanoseconds() - since) / 1e6 > f.max)
		f.max = (double)(nanoseconds() - since) / 1e6;
	return f;
}

void
gauge_settle(struct gauge *g)
{
	g->shared->state = PAUSED;
	for (int i = 0; g->shared->since != 0; i++) {
		assert_true(i < 2 * WAIT_SECONDS * 1000);
		sleep_ms(1);
	}
}

void
gauge_stop(struct gauge *g)
{
	if (g->pid > 0) {
		kill(g->pid, SIGKILL);
		waitpid(g->pid, NULL, 0);
		munmap(g->shared, sizeof(*g->shared));
	}
	*g = (struct gauge){};
}

void
gauge_show(const char *when, const struct gauge *g, const struct gauge_figures *f)
{
	printf("# %s: uid %u: %u times (%u again), median %.2f ms, p99 %.2f, max %.1f\n", when,
	       g->uid, f->n, f->again, f->median, f->p99, f->max);
	if (f->wrong > 0)
		printf("# %u wrong answers, the last: %s\n", f->wrong, strerror(f->got));
}
