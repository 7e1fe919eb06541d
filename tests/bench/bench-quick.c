/* SPDX-License-Identifier: MIT */
/*
 * open(2), the floor and the broker side by side, on one core, in interleaved rounds.
 *
 * The floor is what no broker can be faster than: two bare processes, SOCK_SEQPACKET with
 * SO_PASSCRED, openat2(2), SCM_RIGHTS; no policy, no check, no log.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/sys.h"
#include "client-lib/channel.h"
#include "client-lib/fdbroker.h"

enum {
	ROUNDS = 31,
	OPENS = 1000, /* a round */
};

static char directory[] = "/var/lib/fdbroker-bench.XXXXXX";
static char file[64];
static int floor_socket = -1;
static pid_t broker = -1, floor_server = -1;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void __attribute__((noreturn)) serve_floor(int socket)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
	struct iovec iov = {.iov_base = (char[4]){}, .iov_len = 4};
	int base = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct channel_extra extra;
	char path[256] = "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (channel_receive(socket, path, sizeof(path), NULL, 0, true, 0, &extra) > 0) {
		int fd = sys_openat2(base, path, &how);

		if (fd < 0 || channel_send(socket, &iov, 1, &fd, 1, NULL, 0) < 0)
			_exit(1);
		close(fd);
	}
	_exit(0);
}

static void
start_floor(void)
{
	const int on = 1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		err(1, "floor");
	floor_server = fork();
	if (floor_server == 0) {
		close(pair[0]);
		serve_floor(pair[1]);
	}
	close(pair[1]);
	floor_socket = pair[0];
}

static void __attribute__((format(printf, 2, 3)))
write_file(const char *name, const char *format, ...)
{
	char path[128];
	va_list arguments;
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	stream = fopen(path, "w");
	if (!stream)
		err(1, "%s", path);
	va_start(arguments, format);
	vfprintf(stream, format, arguments);
	va_end(arguments);
	fclose(stream);
}

static void
start_broker(const char *build)
{
	char program[4096], socket[64], policy[64];

	snprintf(program, sizeof(program), "%s/fdbrokerd", build);
	snprintf(socket, sizeof(socket), "%s/socket", directory);
	snprintf(policy, sizeof(policy), "%s/policy", directory);
	if (mkdir(policy, 0755) < 0)
		err(1, "%s", policy);
	write_file("policy/bench.policy", "policy 1\nallow user:%u read %s/**\n", geteuid(),
		   directory);
	setenv("FDBROKER_SOCKET", socket, 1);
	broker = fork();
	if (broker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		execl(program, program, "--socket", socket, "--policy", policy, NULL);
		_exit(127);
	}
	for (int i = 0; i < 500; i++) {
		int fd = broker_open(file, O_RDONLY);

		if (fd >= 0) {
			close(fd);
			return;
		}
		usleep(10000);
	}
	errx(1, "the broker does not answer");
}

static int
open_directly(void)
{
	return open(file, O_RDONLY | O_CLOEXEC);
}

static int
open_floor(void)
{
	struct ucred self = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	struct iovec iov = {.iov_base = (char[5]){"file"}, .iov_len = 5};
	struct channel_extra extra;
	char answer[16];
	int fd = -1;

	if (channel_send(floor_socket, &iov, 1, NULL, 0, &self, 0) < 0 ||
	    channel_receive(floor_socket, answer, sizeof(answer), &fd, 1, false, 0, &extra) < 0)
		return -1;
	return fd;
}

static int
open_ours(void)
{
	return broker_open(file, O_RDONLY);
}

static double
measure(int (*open_it)(void))
{
	double start = now();

	for (int i = 0; i < OPENS; i++) {
		int fd = open_it();

		if (fd < 0)
			err(1, "open");
		close(fd);
	}
	return (now() - start) / OPENS;
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
print_row(const char *name, double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	printf("%-34s %8.2f %8.2f %8.2f\n", name, values[ROUNDS / 2], values[ROUNDS / 10],
	       values[ROUNDS - 1 - ROUNDS / 10]);
}

static void
finish(void)
{
	char command[128];

	if (broker > 0) {
		kill(broker, SIGTERM);
		waitpid(broker, NULL, 0);
	}
	if (floor_server > 0) {
		kill(floor_server, SIGKILL);
		waitpid(floor_server, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command) != 0)
		warnx("%s is left over", directory);
}

int
main(int argc, char **argv)
{
	static double direct[ROUNDS], floor[ROUNDS], ours[ROUNDS], to_floor[ROUNDS],
		to_direct[ROUNDS];
	cpu_set_t one;

	if (argc != 2)
		errx(2, "usage: bench-quick BUILD-DIRECTORY");
	/*
	 * Client and servers on one core: what is measured is work, not the wake-up of an idle
	 * core.
	 */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	/* Only root puts things into that one, as where the files lie that are asked for. */
	if (geteuid() != 0)
		strcpy(directory, "/tmp/fdbroker-bench.XXXXXX");
	if (sched_setaffinity(0, sizeof(one), &one) < 0 || !mkdtemp(directory) ||
	    chmod(directory, 0755) < 0)
		err(1, "preparing");
	atexit(finish);
	snprintf(file, sizeof(file), "%s/file", directory);
	write_file("file", "content\n");
	start_floor();
	start_broker(argv[1]);
	for (int i = -2; i < ROUNDS; i++) {
		double d = measure(open_directly), f = measure(open_floor), o = measure(open_ours);

		if (i < 0)
			continue;
		direct[i] = d;
		floor[i] = f;
		ours[i] = o;
		to_floor[i] = o / f;
		to_direct[i] = o / d;
	}
	printf("open + close of one file, %d rounds of %d   median      p10      p90\n", ROUNDS,
	       OPENS);
	print_row("open(2), microseconds", direct);
	print_row("the floor, microseconds", floor);
	print_row("broker_open(3), microseconds", ours);
	print_row("broker_open / floor", to_floor);
	print_row("broker_open / open(2)", to_direct);
	return 0;
}
