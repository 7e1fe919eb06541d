/* SPDX-License-Identifier: MIT */
/*
 * Messages with descriptors that hurt whoever destroys them, against a real broker: once with what
 * this kernel offers, once as if it had no SO_PASSRIGHTS. Others do not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/sys.h"
#include "tests/gauge.h"
#include "tests/harness.h"
#include "tests/linger.h"

enum {
	/* To whom no rule applies, whom only `any` reaches, who has rules of its own. */
	VICTIM_NONE = 61001,
	VICTIM_ANY,
	VICTIM_OWN,
	ATTACKER_NONE = 61011,
	ATTACKER_ANY,
	ATTACKER_OWN,
	ATTACKER_CYCLES,

	CONNECTIONS = 64,
	MESSAGES = 40, /* on each */
	FLOOD = 1000,  /* connections, more than any queue takes, */
	DROPS = 2,     /* with so many messages */
	CYCLES = 40,
	ATTACKS = 3,
	FILES = 256, /* a whole number for each connection */

	BLOCKED_MS = 400, /* who has not come back by then waits for the descriptor */
	MEASURE_MS = 1000,
	P99_MS = 50,
	MOST_MS = 250,
	MEDIAN_FACTOR = 2, /* and one millisecond */
};

static struct arms arms;
static bool kernel_refuses; /* descriptors, before they are sent */

/* --- the weapons, against who is not protected --------------------------------------------------
 */

enum destroyer {
	CLOSES_UNREAD,
	HAS_NO_ROOM,
	RECEIVES_AND_CLOSES,
};

static void
destroy(int socket, enum destroyer how)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd;

	if (how == RECEIVES_AND_CLOSES) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
	}
	if (how != CLOSES_UNREAD && recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		_exit(1);
	if (how == RECEIVES_AND_CLOSES) {
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
		close(fd);
	} else if (how == CLOSES_UNREAD) {
		close(socket);
	}
}

/* Does a process that destroys the only one of arms wait for it? Frees both. */
static bool
blocks(enum destroyer how)
{
	int pair[2], told[2];
	struct pollfd done;
	bool blocked;
	pid_t pid;

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	assert_return_code(pipe2(told, O_CLOEXEC), errno);
	assert_int_equal(
		raw_send(pair[0],
			 &(struct raw){.bytes = "", .size = 1, .fds = arms.arm, .n_fds = 1}),
		0);
	arms_disown(&arms);
	arms_cock(&arms);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(told[0]);
		destroy(pair[1], how);
		(void)!write(told[1], "", 1);
		_exit(0);
	}
	close(pair[1]);
	close(told[1]);
	done = (struct pollfd){.fd = told[0], .events = POLLIN};
	blocked = poll(&done, 1, BLOCKED_MS) == 0;
	arms_release(&arms);
	assert_int_equal(poll(&done, 1, WAIT_SECONDS * 1000), 1);
	assert_true(done.revents & POLLIN);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(told[0]);
	close(pair[0]);
	return blocked;
}

static void
test_tcp_blocks(void **state)
{
	int own = count_fds(0);

	(void)state;
	arms_tcp(&arms, 1);
	assert_true(blocks(CLOSES_UNREAD));
	arms_tcp(&arms, 1);
	assert_true(blocks(HAS_NO_ROOM));
	arms_tcp(&arms, 1);
	assert_true(blocks(RECEIVES_AND_CLOSES));
	assert_int_equal(count_fds(0), own);
}

static void
test_file_blocks(void **state)
{
	int own = count_fds(0);

	(void)state;
	assert_true(arms_fuse(&arms, 1));
	assert_true(blocks(CLOSES_UNREAD));
	assert_true(arms_fuse(&arms, 1));
	assert_true(blocks(HAS_NO_ROOM));
	assert_true(arms_fuse(&arms, 1));
	assert_true(blocks(RECEIVES_AND_CLOSES));
	assert_int_equal(count_fds(0), own);
}

/* The same with nothing to wait for. */
static void
test_others_do_not_block(void **state)
{
	static const enum destroyer all[] = {CLOSES_UNREAD, HAS_NO_ROOM, RECEIVES_AND_CLOSES};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(all); i++) {
		arms = (struct arms){.n = 1, .arm[0] = open("/dev/null", O_RDWR | O_CLOEXEC)};
		arms.kept[0] = dup(arms.arm[0]);
		assert_false(blocks(all[i]));
	}
}

/* --- an attack ----------------------------------------------------------------------------------
 */

enum how {
	KEEPS,  /* its ends of the connections */
	CLOSES, /* them after it has sent */
	EXITS,
};

enum weapon {
	TCP,
	FILES_THAT_HANG,
	TCP_IN_CYCLES, /* never sent to the broker */
	TCP_FLOOD,     /* few on each of many connections */
};

struct scenario {
	uid_t attacker;
	enum weapon weapon;
	enum how how;
	bool stopped; /* the broker is, while the attacker connects and sends */
};

struct progress {
	_Atomic bool go, done;
	_Atomic unsigned connected, sent, refused;
};

static struct progress *progress;

static void
wake_up(int number)
{
	(void)number;
}

/* Our own close() may have become the last: it does not wait. */
static void
close_sent(int fd)
{
	const struct itimerval off = {}, on = {{0, 1000}, {0, 1000}};

	signal(SIGALRM, wake_up);
	setitimer(ITIMER_REAL, &on, NULL);
	close(fd);
	setitimer(ITIMER_REAL, &off, NULL);
	progress->sent++;
}

static void
fill(int socket, int messages, size_t *next)
{
	char message[256];
	size_t size = raw_request(message, 1, O_RDONLY, broker.file, strlen(broker.file));

	for (int i = 0; i < messages && *next < arms.n; i++) {
		int r = raw_send(socket, &(struct raw){.bytes = message,
						       .size = size,
						       .fds = &arms.arm[*next],
						       .n_fds = 1,
						       .flags = MSG_DONTWAIT});

		if (r == 0)
			close_sent(arms.arm[(*next)++]);
		else if (r == -EPERM)
			progress->refused++;
		if (r < 0)
			return;
	}
}

/* Sockets that only they themselves hold, each with an arm in its queue. */
static void
make_cycles(void)
{
	for (size_t i = 0; i < arms.n; i++) {
		int pair[2], fds[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			_exit(1);
		fds[0] = pair[1];
		fds[1] = arms.arm[i];
		if (raw_send(pair[0],
			     &(struct raw){.bytes = "", .size = 1, .fds = fds, .n_fds = 2}) < 0)
			_exit(1);
		close_sent(arms.arm[i]);
		/* In this order it is the next socket closed by anybody that has them collected. */
		close(pair[0]);
		close(pair[1]);
	}
}

static void __attribute__((noreturn)) attack(const struct scenario *s)
{
	const bool flood = s->weapon == TCP_FLOOD;
	static int sockets[FLOOD];
	size_t next = 0, n = 0;

	become(s->attacker);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!progress->go)
		sleep_ms(1);
	if (s->weapon == TCP_IN_CYCLES) {
		make_cycles();
	} else {
		for (size_t i = 0; i < (flood ? FLOOD : CONNECTIONS); i++) {
			int fd = quiet_connect(broker.socket);

			if (fd < 0)
				continue;
			sockets[n++] = fd;
			progress->connected++;
			fill(fd, flood ? DROPS : MESSAGES, &next);
		}
	}
	for (size_t i = 0; i < n && s->how == CLOSES; i++)
		close(sockets[i]);
	progress->done = true;
	if (s->how == EXITS)
		_exit(0);
	for (;;)
		pause();
}

/* The broker and its workers. */
static void
signal_all(int number)
{
	char path[64];
	FILE *children;
	pid_t pid;

	kill(broker.pid, number);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker.pid, broker.pid);
	children = fopen(path, "re");
	assert_non_null(children);
	while (fscanf(children, "%d", &pid) == 1)
		kill(pid, number);
	fclose(children);
}

static bool
make_arms(enum weapon weapon)
{
	if (weapon == FILES_THAT_HANG)
		return arms_fuse(&arms, FILES);
	arms_tcp(&arms, weapon == TCP         ? CONNECTIONS * MESSAGES
			: weapon == TCP_FLOOD ? FLOOD * DROPS
					      : CYCLES);
	return true;
}

/* --- what others see of it ----------------------------------------------------------------------
 */

static struct gauge gauges[2];
static struct gauge_figures before[2], during[2];
static size_t n_gauges;

static void
begin_all(void)
{
	for (size_t i = 0; i < n_gauges; i++)
		gauge_begin(&gauges[i]);
}

/* How many of those who measured were hurt. */
static int
end_all(void)
{
	int hurt = 0;

	for (size_t i = 0; i < n_gauges; i++) {
		const struct gauge_figures *f = &during[i];

		during[i] = gauge_end(&gauges[i]);
		gauge_show("during", &gauges[i], f);
		if (f->n == 0 || f->wrong > 0 || f->max > MOST_MS || f->p99 > P99_MS ||
		    f->median > MEDIAN_FACTOR * before[i].median + 1)
			hurt++;
	}
	return hurt;
}

static void
settle_all(void)
{
	for (size_t i = 0; i < n_gauges; i++)
		gauge_settle(&gauges[i]);
}

static void
measure_before(void)
{
	begin_all();
	sleep_ms(MEASURE_MS);
	for (size_t i = 0; i < n_gauges; i++) {
		before[i] = gauge_end(&gauges[i]);
		gauge_show("before", &gauges[i], &before[i]);
		assert_true(before[i].n > 0);
		assert_int_equal(before[i].wrong, 0);
	}
	settle_all();
}

static void
stop_gauges(void)
{
	for (size_t i = 0; i < ELEMENTS(gauges); i++)
		gauge_stop(&gauges[i]);
	n_gauges = 0;
}

static void
watch_as(uid_t uid, const char *path, int expected)
{
	gauge_start(&gauges[n_gauges++], &broker, uid, path, expected);
}

static pid_t
start_attacker(const struct scenario *s)
{
	pid_t pid;

	memset(progress, 0, sizeof(*progress));
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		attack(s);
	arms_disown(&arms);
	return pid;
}

/* Until it has done it, or waits for the broker. */
static void
await_attacker(void)
{
	unsigned last = 0;

	for (int quiet = 0; !progress->done && quiet < 300; quiet++) {
		if (progress->connected + progress->sent != last)
			quiet = 0;
		last = progress->connected + progress->sent;
		sleep_ms(1);
	}
}

/* How many others were hurt. */
static int
run_attack(const struct scenario *s)
{
	pid_t attacker = start_attacker(s);
	int hurt;

	if (s->stopped)
		signal_all(SIGSTOP);
	else
		begin_all();
	progress->go = true;
	await_attacker();
	arms_cock(&arms);
	if (s->stopped) {
		begin_all();
		signal_all(SIGCONT);
	}
	sleep_ms(MEASURE_MS);
	printf("# %u connections, %u messages with a descriptor, %u refused by the kernel\n",
	       progress->connected, progress->sent, progress->refused);
	hurt = end_all();
	arms_release(&arms);
	kill(attacker, SIGKILL);
	assert_int_equal(waitpid(attacker, NULL, 0), attacker);
	settle_all();
	return hurt;
}

static void
test_attack(void **state)
{
	const struct scenario *s = *state;
	pid_t worker = worker_of(&broker, VICTIM_OWN);
	int own = count_fds(0), hurt = 1;

	/* Who is hurt by the attack is hurt each time; by a busy machine, once. */
	for (int i = 0; i < ATTACKS && hurt != 0; i++) {
		if (!make_arms(s->weapon))
			fail_msg("no FUSE");
		hurt = run_attack(s);
	}
	assert_int_equal(hurt, 0);
	if (s->weapon != TCP_IN_CYCLES && kernel_refuses)
		assert_int_equal(progress->sent, 0);
	else
		assert_true(progress->sent >= (s->weapon == TCP_IN_CYCLES ? CYCLES : CONNECTIONS));
	assert_int_equal(worker_of(&broker, VICTIM_OWN), worker);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* --- a server that is not protected, to see that all this would show ----------------------------
 */

static void
serve_naively(int listener)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		char message[512];
		struct iovec iov = {message, sizeof(message)};
		struct msghdr head = {.msg_iov = &iov, .msg_iovlen = 1};
		struct wire_reply reply = {.length = sizeof(reply), .status = EACCES, .id = 1};
		int fd;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		fd = event.data.fd;
		if (fd == listener) {
			event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
		} else if (recvmsg(fd, &head, MSG_DONTWAIT) <= 0 || head.msg_flags & MSG_CTRUNC) {
			close(fd);
		} else {
			send(fd, &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
		}
	}
}

static void
start_naive_server(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	broker = (struct harness){};
	make_directory(broker.directory);
	snprintf(broker.socket, sizeof(broker.socket), "%s/socket", broker.directory);
	snprintf(broker.file, sizeof(broker.file), "%s/file", broker.directory);
	memcpy(address.sun_path, broker.socket, sizeof(broker.socket));
	assert_return_code(bind(listener, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(chmod(broker.socket, 0666), errno);
	assert_return_code(listen(listener, 4096), errno);
	fflush(NULL);
	broker.pid = fork();
	assert_return_code(broker.pid, errno);
	if (broker.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_naively(listener);
		_exit(1);
	}
	close(listener);
}

static void
test_who_is_not_protected(void **state)
{
	static const struct scenario all[] = {{ATTACKER_NONE, TCP, KEEPS, false},
					      {ATTACKER_NONE, TCP, KEEPS, true},
					      {ATTACKER_NONE, FILES_THAT_HANG, KEEPS, true}};

	(void)state;
	start_naive_server();
	watch_as(VICTIM_NONE, broker.file, EACCES);
	measure_before();
	for (size_t i = 0; i < ELEMENTS(all); i++) {
		assert_true(make_arms(all[i].weapon));
		assert_int_equal(run_attack(&all[i]), 1);
		/* By waiting, and by nothing else. */
		assert_true(during[0].max > MEASURE_MS / 2);
		assert_int_equal(during[0].wrong, 0);
	}
	stop_gauges();
	kill(broker.pid, SIGKILL);
	waitpid(broker.pid, NULL, 0);
	broker.pid = 0;
	remove_directory(broker.directory);
}

/* --- the brokers --------------------------------------------------------------------------------
 */

struct world {
	bool old_kernel;
	bool any; /* there is a rule for `any`, so that nobody is refused at once */
};

/* Its worker is there before anything is counted. */
static void
warm_up(uid_t uid)
{
	pid_t pid = fork();
	int status = -1;

	assert_return_code(pid, errno);
	if (pid == 0) {
		int fd;

		become(uid);
		fd = quiet_connect(broker.socket);
		_exit(fd < 0 || quiet_open(fd, broker.file) != (uid == ATTACKER_OWN ? 0 : EACCES));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_start(void **state)
{
	static const char own[] = "allow user:61003|user:61013 read @/data/*\n",
			  own_and_any[] = "allow user:61003|user:61013 read @/data/*\n"
					  "allow any read @/data2/*\n";
	const struct world *w = *state;
	char path[80];

	kernel_refuses = !w->old_kernel && kernel_can_refuse();
	harness_start_how(&broker, &(struct harness_how){.old_kernel = w->old_kernel,
							 .rules = w->any ? own_and_any : own});
	watch_as(VICTIM_OWN, broker.file, 0);
	snprintf(path, sizeof(path), "%s/data2/file", broker.directory);
	if (w->any)
		watch_as(VICTIM_ANY, path, 0);
	else
		watch_as(VICTIM_NONE, broker.file, EACCES);
	warm_up(w->any ? ATTACKER_ANY : ATTACKER_NONE);
	warm_up(ATTACKER_OWN);
	measure_before();
}

static void
test_end(void **state)
{
	(void)state;
	stop_gauges();
	assert_clean_end(&broker);
}

static int
stop(void **state)
{
	(void)state;
	arms_release(&arms);
	stop_gauges();
	if (broker.pid > 0) {
		signal_all(SIGCONT);
		(void)harness_stop(&broker);
	}
	return 0;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static struct CMUnitTest tests[64];
static size_t n_tests;

static void
add(const char *name, CMUnitTestFunction run, const void *data)
{
	assert_true(n_tests < ELEMENTS(tests));
	tests[n_tests++] =
		(struct CMUnitTest){.name = name, .test_func = run, .initial_state = (void *)data};
}

static void
add_attacks(uid_t attacker, const char *whom, bool old_kernel)
{
	enum {
		FEW = 3,
	};
	static const struct {
		const char *name;
		struct scenario scenario;
	} all[] = {
		{"sockets", {0, TCP, KEEPS, false}},
		{"sockets before it is accepted", {0, TCP, KEEPS, true}},
		{"files that hang, before it is accepted", {0, FILES_THAT_HANG, KEEPS, true}},
		{"sockets, and it hangs up", {0, TCP, CLOSES, false}},
		{"sockets before it is accepted, and it hangs up", {0, TCP, CLOSES, true}},
		{"sockets before it is accepted, and it ends", {0, TCP, EXITS, true}},
		{"files that hang, and it hangs up", {0, FILES_THAT_HANG, CLOSES, true}},
		{"sockets on many connections", {0, TCP_FLOOD, KEEPS, false}},
		{"sockets on many connections, before it is accepted", {0, TCP_FLOOD, KEEPS, true}},
	};
	static struct scenario scenarios[64];
	static char names[64][128];
	static size_t n;

	/* Where the kernel refuses there are no more ways than these. */
	for (size_t i = 0; i < (old_kernel || !kernel_can_refuse() ? ELEMENTS(all) : FEW);
	     i++, n++) {
		assert_true(n < ELEMENTS(scenarios));
		scenarios[n] = all[i].scenario;
		scenarios[n].attacker = attacker;
		snprintf(names[n], sizeof(names[n]), "%s sends %s%s", whom, all[i].name,
			 old_kernel ? ", as on an old kernel" : "");
		add(names[n], test_attack, &scenarios[n]);
	}
}

int
main(void)
{
	static const struct world worlds[] = {
		{false, false}, {false, true}, {true, false}, {true, true}};
	static const struct scenario cycles = {ATTACKER_CYCLES, TCP_IN_CYCLES, KEEPS, false};

	if (geteuid() != 0 && !getenv("CI")) {
		puts("1..0 # SKIP needs root");
		return 0;
	}
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	linger_network();
	add("a TCP socket blocks who destroys it", test_tcp_blocks, NULL);
	add("a file that hangs blocks who destroys it", test_file_blocks, NULL);
	add("another file does not", test_others_do_not_block, NULL);
	add("a server without protection", test_who_is_not_protected, NULL);
	for (size_t i = 0; i < ELEMENTS(worlds); i++) {
		bool old = worlds[i].old_kernel;

		/* This kernel is one itself: the others are the same, and more than there is room for. */
		if (old && !kernel_can_refuse())
			continue;
		add("a broker starts", test_start, &worlds[i]);
		if (worlds[i].any) {
			add_attacks(ATTACKER_ANY, "one of `any`", old);
		} else {
			add_attacks(ATTACKER_NONE, "one without rules", old);
			add_attacks(ATTACKER_OWN, "one with rules", old);
			add("sockets in cycles that nobody holds", test_attack, &cycles);
		}
		add("the broker ends", test_end, NULL);
	}
	return _cmocka_run_group_tests("attack/linger", tests, n_tests, NULL, stop);
}
