/* SPDX-License-Identifier: MIT */
/* fdbrokerd: its start, its loop, its end. daemon.h says what the parts are. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/daemon/daemon.h"
#include "broker/layers.h"
#include "broker/sys.h"

enum {
	EVENTS = 32,
	ACCEPTS = 16,         /* connections a turn, so that notes and signals get theirs */
	FIRST_NOTE_MS = 5000, /* for the refuser to say which layers it has */
	FIRST_HELPER_FD = 10,
};

static struct broker broker;

int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
wake_at(struct broker *b, int64_t when)
{
	if (when < b->wake)
		b->wake = when;
}

int
watch(struct broker *b, int fd, uint64_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void
say(const char *format, ...)
{
	va_list arguments;
	char line[1024];

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fprintf(stderr, "fdbrokerd: %s\n", line);
}

/* --- start --------------------------------------------------------------------------------------
 */

/* The account of the helpers. Only root can give them another than its own. */
static int
find_account(struct broker *b)
{
	const char *name = b->options.user ? b->options.user : "fdbroker";
	const struct passwd *entry;

	b->own_uid = (uid_t)-1;
	b->own_gid = (gid_t)-1;
	if (!b->is_root && b->options.user) {
		say("only root can give the helpers another account: leave --user out");
		return -EPERM;
	}
	if (!b->is_root)
		return 0;
	entry = getpwnam(name);
	if (!entry && !b->options.user) {
		entry = getpwnam("nobody");
		if (entry)
			say("there is no account 'fdbroker': helpers run as 'nobody', which others "
			    "may use too");
	}
	if (!entry || entry->pw_uid == 0) {
		say("account '%s' %s; see --user", name, entry ? "is root's" : "does not exist");
		return -ENOENT;
	}
	b->own_uid = entry->pw_uid;
	b->own_gid = entry->pw_gid;
	return 0;
}

/*
 * What the broker and, in their first phase, its workers need. The kernel gives a root program all
 * that the bounding set holds, so what is taken out of it here nobody below gets back.
 */
static int
limit_capabilities(const struct broker *b)
{
	const cap_value_t keep[] = {
		CAP_SETUID,
		CAP_SETGID,
		CAP_SETPCAP, /* workers and helpers: their ids, their own bounding set */
		CAP_SYS_ADMIN,
		CAP_SYS_CHROOT,      /* workers: private mounts, an empty root */
		CAP_DAC_READ_SEARCH, /* workers: the trees, then what they serve */
		CAP_DAC_OVERRIDE,    /* workers with a rule that writes */
		CAP_KILL,            /* the broker: workers, which run under another uid */
	};
	const int n = (int)(sizeof(keep) / sizeof(keep[0]));
	cap_t have = cap_get_proc(), wanted = cap_init();
	int r = have && wanted ? 0 : -ENOMEM;

	for (int i = 0; i < n && r == 0; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		cap_get_flag(have, keep[i], CAP_PERMITTED, &has);
		if (has == CAP_SET &&
		    (cap_set_flag(wanted, CAP_PERMITTED, 1, &keep[i], CAP_SET) < 0 ||
		     cap_set_flag(wanted, CAP_EFFECTIVE, 1, &keep[i], CAP_SET) < 0))
			r = -errno;
	}
	for (cap_value_t cap = 0; cap <= cap_max_bits() && r == 0 && b->is_root; cap++) {
		bool kept = false;

		for (int i = 0; i < n; i++)
			kept |= keep[i] == cap;
		/* EPERM: no CAP_SETPCAP, so there is nothing that we could take from ourselves. */
		if (!kept && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0 && errno != EPERM)
			r = -errno;
	}
	if (r == 0 && cap_set_proc(wanted) < 0)
		r = -errno;
	cap_free(have);
	cap_free(wanted);
	return r;
}

static int
make_page(struct broker *b)
{
	b->page_fd = memfd_create("fdbroker-generation", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->page_fd < 0 || ftruncate(b->page_fd, sysconf(_SC_PAGESIZE)) < 0)
		return -errno;
	b->page = mmap(NULL, sizeof(struct ipc_page), PROT_READ | PROT_WRITE, MAP_SHARED,
		       b->page_fd, 0);
	if (b->page == MAP_FAILED)
		return -errno;
	/* Ours stays the only mapping that can write. */
	return fcntl(b->page_fd, F_ADD_SEALS,
		     F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0
		       ? -errno
		       : 0;
}

static int
make_signals(struct broker *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->signals < 0 ? -errno : watch(b, b->signals, EVENT(EVENT_SIGNALS, 0));
}

/* Whatever was open in the one who started us is none of ours; 0 to 2 exist from here on. */
static int
tidy_descriptors(struct broker *b)
{
	bool passed = getenv("LISTEN_FDS") != NULL;
	struct rlimit files;

	while ((b->null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && b->null <= STDERR_FILENO)
		(void)fcntl(b->null, F_SETFD, 0);
	if (b->null < 0)
		return -errno;
	(void)sys_close_from(passed ? (unsigned)b->null + 1 : STDERR_FILENO + 1);
	if (!passed) {
		b->null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (b->null < 0)
			return -errno;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

/* The refuser has every layer that a worker can have: what it reports, all have. */
static int
find_layers(struct broker *b)
{
	int64_t until = now_ms() + FIRST_NOTE_MS;
	uint32_t missing;

	while (b->refuser->state == WORKER_STARTING) {
		struct pollfd wait = {.fd = b->refuser->notes, .events = POLLIN};
		int64_t left = until - now_ms();

		if (left <= 0 || poll(&wait, 1, (int)left) < 0 || b->refuser->notes < 0) {
			say("the first worker did not start; the lines above say why");
			return -EIO;
		}
		workers_note(b, (uint32_t)(b->refuser - b->workers));
	}
	b->layers = b->refuser->layers;
	missing = LAYERS_ALL & ~b->layers;
	for (unsigned i = 0; i < n_layer_names; i++)
		if (missing & layer_names[i].layer)
			say("layer '%s' is off: %s", layer_names[i].name, layer_names[i].absent);
	return 0;
}

static int
start(struct broker *b)
{
	const char *step = "descriptors";
	int r = tidy_descriptors(b);

	b->is_root = geteuid() == 0;
	b->image_fd = b->log = -1;
	b->wake = INT64_MAX;
	if (r == 0 && spawn_open_helpers(b) < 0)
		return -1;
	if (r == 0 && find_account(b) < 0)
		return -1;
	if (r == 0) {
		step = "capabilities";
		r = limit_capabilities(b);
	}
	if (r == 0) {
		step = "event loop";
		b->epoll = epoll_create1(EPOLL_CLOEXEC);
		r = b->epoll < 0 ? -errno : make_signals(b);
	}
	if (r == 0) {
		step = "generation page";
		r = make_page(b);
	}
	if (r == 0 && listen_start(b) < 0)
		return -1;
	if (r == 0) {
		step = "log process";
		r = logger_start(b);
	}
	if (r == 0) {
		step = "first worker";
		r = workers_start_refuser(b);
	}
	if (r < 0) {
		say("cannot start: %s: %s", step, strerror(-r));
		return -1;
	}
	return find_layers(b);
}

/* --- loop ---------------------------------------------------------------------------------------
 */

static void
accept_one(struct broker *b, int fd)
{
	static struct identity identity;
	struct ipc_connection what = {.number = ++b->accepted};
	const int off = 0;
	int error;

	/* A connection that was queued before the listener's option was set still has the old one.
	 */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	error = peer_identify(b, fd, &what.peer, &identity);
	if (error == 0)
		error = workers_pass(b, &identity, fd, &what);
	if (error != 0)
		workers_refuse(b, fd, &what, error);
	close(fd);
}

static void
accept_some(struct broker *b)
{
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			accept_one(b, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			   errno == ENOBUFS) {
			say("connections wait: %s", strerror(errno));
			listen_pause(b);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void
first_load_ended(struct broker *b)
{
	static bool once;

	if (once)
		return;
	once = true;
	listen_resume(b);
	say("listening on %s", b->options.socket);
	notify("READY=1");
}

static void
reap(struct broker *b)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!workers_reap(b, pid, status) && !logger_reap(b, pid, status))
			(void)load_reap(b, pid, status);
	if (b->load.serial > 0 && !b->stopping)
		first_load_ended(b);
}

static void
stop(struct broker *b)
{
	b->stopping = true;
	notify("STOPPING=1");
	listen_stop(b);
	workers_finish_all(b, true);
}

static void
take_signals(struct broker *b)
{
	struct signalfd_siginfo info;

	while (read(b->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(b);
		else if (info.ssi_signo == SIGHUP)
			load_begin(b);
		else if (!b->stopping)
			stop(b);
	}
}

static void
tick(struct broker *b)
{
	int64_t now = now_ms();

	if (b->wake > now)
		return;
	b->wake = INT64_MAX;
	workers_tick(b, now);
	load_tick(b, now);
	logger_tick(b, now);
	if (b->accept_at != 0 && b->accept_at <= now)
		listen_resume(b);
	else if (b->accept_at != 0)
		wake_at(b, b->accept_at);
}

static int
timeout(const struct broker *b)
{
	int64_t left = b->wake - now_ms();

	if (b->wake == INT64_MAX)
		return -1;
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void
turn(struct broker *b)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(b->epoll, events, EVENTS, timeout(b));
	bool connections = false;

	for (int i = 0; i < n; i++) {
		switch (events[i].data.u64 >> 32) {
		case EVENT_SIGNALS:
			take_signals(b);
			break;
		case EVENT_ADMIN:
			status_serve(b);
			break;
		case EVENT_NOTES:
			workers_note(b, (uint32_t)events[i].data.u64);
			break;
		case EVENT_LISTENER:
			connections = true;
			break;
		}
	}
	tick(b);
	/* Last, so that a client that was told to connect again does not meet the worker that told
	 * it. */
	if (connections && b->accepting)
		accept_some(b);
}

int
main(int argc, char **argv)
{
	struct broker *b = &broker;

	options_parse(&b->options, argc, argv);
	setvbuf(stderr, NULL, _IOLBF, 0);
	umask(077);
	if (start(b) < 0) {
		listen_stop(b);
		return EXIT_FAILURE;
	}
	load_begin(b);
	if (b->load.serial > 0)
		first_load_ended(b);
	while (!b->stopping || workers_running(b) > 0)
		turn(b);
	return EXIT_SUCCESS;
}
