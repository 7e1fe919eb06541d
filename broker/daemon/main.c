/* SPDX-License-Identifier: MIT */
/* fdbrokerd: its start, its loop, its end. daemon.h says what the parts are. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "broker/armed.h"
#include "broker/calls.h"
#include "broker/caps.h"
#include "broker/daemon/daemon.h"
#include "broker/layers.h"
#include "broker/sys.h"

enum {
	EVENTS = 32,
	ACCEPTS = 16,         /* connections a turn, so that notes and signals get theirs */
	FIRST_NOTE_MS = 5000, /* for the refuser to say which layers it has */
	STOP_MS = 2 * FINISH_MS,
};

static struct broker broker;

void
wake_at(struct broker *b, int64_t when)
{
	if (when < b->wake)
		b->wake = when;
}

bool
is_due(struct broker *b, int64_t when, int64_t now)
{
	if (when > now)
		wake_at(b, when);
	return when <= now;
}

int
watch(struct broker *b, int fd, uint64_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* --- start ------------------------------------------------------------------------------- */

/* The account of the helpers. Only root can give them another than its own. */
static int
find_account(struct broker *b)
{
	const char *name = b->options.user ?: "fdbroker";
	const struct passwd *entry;

	b->own_uid = b->own_gid = (uid_t)-1;
	if (!b->is_root) {
		if (b->options.user)
			warnx("only root can give the helpers another account: leave --user out");
		return b->options.user ? -ECANCELED : 0;
	}
	entry = getpwnam(name);
	if (!entry && !b->options.user && (entry = getpwnam("nobody")))
		warnx("there is no account 'fdbroker': helpers run as 'nobody', as others may");
	if (!entry || entry->pw_uid == 0 || entry->pw_gid == 0) {
		warnx("account '%s' %s; see --user", name, entry ? "is root's" : "does not exist");
		return -ECANCELED;
	}
	b->own_uid = entry->pw_uid;
	b->own_gid = entry->pw_gid;
	return 0;
}

/*
 * What the broker and, in their first phase, its workers need. The kernel gives a root program all
 * that the bounding set holds, so what is taken out of it here nobody below gets back. Nor does
 * anybody below make a system call that is in no list. EPERM: without CAP_SETPCAP nothing can be
 * taken away; the first worker, which cannot do without it, says so.
 */
static int
limit_privileges(struct broker *b)
{
	static const cap_value_t keep[] = {
		CAP_SETUID,          /* helpers: the account's uid; workers: the peer's for files */
		CAP_SETGID,          /* the same of groups */
		CAP_SETPCAP,         /* workers: an empty bounding set, locked securebits */
		CAP_SYS_ADMIN,       /* workers: private mounts */
		CAP_SYS_CHROOT,      /* workers: an empty root */
		CAP_DAC_READ_SEARCH, /* workers: what they read; compiler: the policy files */
		CAP_DAC_OVERRIDE,    /* workers: what they write */
		CAP_KILL,            /* the broker: ending helpers, also by its own end */
	};
	const size_t n = sizeof(keep) / sizeof(keep[0]);
	int r = calls_enter_broker();

	if (r < 0)
		return r;
	r = b->is_root ? caps_bound(keep, n) : 0;
	return r < 0 && r != -EPERM ? r : caps_hold(keep, n);
}

static int
make_page(struct broker *b)
{
	/* Ours stays the only mapping that can write. */
	const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	b->page_fd = memfd_create("fdbroker-generation", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->page_fd < 0 || ftruncate(b->page_fd, sysconf(_SC_PAGESIZE)) < 0)
		return -errno;
	b->page = mmap(NULL, sizeof(struct ipc_page), PROT_READ | PROT_WRITE, MAP_SHARED,
		       b->page_fd, 0);
	if (b->page == MAP_FAILED ||
	    getrandom(b->page->cursor_key, sizeof(b->page->cursor_key), 0) < 0)
		return -errno;
	return fcntl(b->page_fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

static int
make_loop(struct broker *b)
{
	static const int taken[] = {SIGHUP, SIGTERM, SIGINT, SIGCHLD};
	sigset_t set;

	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	if (b->epoll < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR || armed_prepare() < 0)
		return -errno;
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->signals < 0 ? -errno : watch(b, b->signals, EVENT(EVENT_SIGNALS, 0));
}

/*
 * 0 to 2 exist from here on, and what was open in the one who started us reaches no helper. What the
 * helpers find at their start is put into the numbers below SPAWN_LOWEST: none of ours is there.
 */
static int
tidy_descriptors(struct broker *b)
{
	struct rlimit files;

	while ((b->null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && b->null < SPAWN_LOWEST)
		(void)fcntl(b->null, F_SETFD, b->null > STDERR_FILENO ? FD_CLOEXEC : 0);
	if (b->null < 0 || sys_close_on_exec_from(STDERR_FILENO + 1) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

/* The refuser has every layer that a worker can have: what it reports, all have. */
static int
find_layers(struct broker *b)
{
	struct pollfd wait = {.fd = b->refuser->ends[NOTES], .events = POLLIN};

	(void)poll(&wait, 1, FIRST_NOTE_MS);
	workers_note(b, (uint32_t)(b->refuser - b->workers));
	if (b->refuser->shown.state != IPC_WORKER_READY) {
		warnx("cannot start: the first worker did not; the lines above say why");
		return -ECANCELED;
	}
	b->status.layers = b->refuser->shown.layers;
	for (unsigned i = 0; i < n_layer_names; i++)
		if (!(b->status.layers & layer_names[i].layer))
			warnx("layer '%s' is off: %s; it takes %s", layer_names[i].name,
			      layer_names[i].absent, layer_names[i].takes);
	return 0;
}

/* In this order. -ECANCELED: it has said itself what is wrong. */
static const struct {
	const char *name;
	int (*take)(struct broker *b);
} steps[] = {
	{"descriptors", tidy_descriptors},
	{"privileges", limit_privileges},
	{"helper programs", spawn_open_helpers},
	{"account", find_account},
	{"event loop", make_loop},
	{"generation page", make_page},
	{"sockets", listen_start},
	{"log process", logger_start},
	{"first worker", workers_start_refuser},
	{"layers", find_layers},
};

static int
start(struct broker *b)
{
	int r = 0;

	b->is_root = geteuid() == 0;
	b->status = (struct ipc_status){.kind = IPC_LOG_STATUS, .pid = getpid(), .uid = geteuid()};
	b->image_fd = b->log = b->load.shown_messages = b->passing.fd = -1;
	memset(b->helpers, -1, sizeof(b->helpers));
	b->wake = INT64_MAX;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == 0; i++) {
		r = steps[i].take(b);
		if (r < 0 && r != -ECANCELED)
			warnx("cannot start: %s: %s", steps[i].name, strerror(-r));
	}
	return r;
}

/* --- loop -------------------------------------------------------------------------------- */

static void
accept_one(struct broker *b, int fd)
{
	static struct identity identity;
	struct passing *passing = &b->passing;
	int error;

	passing->fd = fd;
	b->passing_since = now_ms();
	passing->what = (struct ipc_connection){
		.number = ++b->status.accepted,
		.generation = b->status.generation,
		.asked = b->image ? policy_asks(b->image) : 0,
		.may_hold = !listen_close_rights(fd),
	};
	error = peer_identify(b, passing, &identity);
	if (error == 0)
		error = workers_pass(b, &identity, passing);
	passing->what.refusal = (uint32_t)error;
	b->status.refused += error != 0;
	/* Not before the refuser has it: closing may mean destroying what the client sent. */
	if (error == 0 || workers_refuse(b, passing))
		close_fd(&passing->fd);
}

static void
accept_some(struct broker *b)
{
	if (b->passing.fd >= 0 && workers_refuse(b, &b->passing))
		close_fd(&b->passing.fd);
	for (int i = 0; i < ACCEPTS && b->passing.fd < 0; i++) {
		int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			accept_one(b, fd);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			warnx("connections wait: %s", strerror(errno));
			listen_pause(b, PAUSE_MS);
			return;
		}
	}
	if (b->passing.fd >= 0)
		listen_pause(b, HOLD_MS);
}

/* From the first load on, whatever became of it: without a policy everything is denied. */
static void
begin_accepting(struct broker *b)
{
	listen_resume(b);
	warnx("listening on %s", b->options.socket);
	notify("READY=1");
}

static void
reap(struct broker *b)
{
	unsigned long loads = b->status.loads;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!workers_reap(b, pid, status) && !logger_reap(b, pid, status))
			(void)load_reap(b, pid, status);
	if (loads == 0 && b->status.loads > 0 && b->stop_by == 0)
		begin_accepting(b);
}

static void
stop(struct broker *b)
{
	/* What was killed by then, and is not gone, is held by its file system. */
	b->stop_by = now_ms() + STOP_MS;
	notify("STOPPING=1");
	listen_stop(b);
	workers_finish_all(b);
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
		else if (b->stop_by == 0)
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
	if (b->accept_at != 0 && is_due(b, b->accept_at, now))
		listen_resume(b);
	if (b->stop_by != 0)
		wake_at(b, b->stop_by);
}

static int
timeout(const struct broker *b)
{
	int64_t left = b->wake - now_ms();

	return b->wake == INT64_MAX ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void
turn(struct broker *b)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(b->epoll, events, EVENTS, timeout(b));
	bool connections = false;

	armed_begin();
	for (int i = 0; i < n; i++) {
		const uint64_t kind = events[i].data.u64 >> 32;

		if (kind == EVENT_SIGNALS)
			take_signals(b);
		else if (kind == EVENT_ADMIN)
			logger_serve_admins(b);
		else if (kind == EVENT_NOTES)
			workers_note(b, (uint32_t)events[i].data.u64);
		else
			connections = true;
	}
	tick(b);
	/*
	 * Last, so that a client that was told to connect again does not meet the worker that told
	 * it.
	 */
	if ((connections || b->passing.fd >= 0) && b->accepting)
		accept_some(b);
	armed_end();
}

int
main(int argc, char **argv)
{
	struct broker *b = &broker;

	options_parse(&b->options, argc, argv);
	setvbuf(stderr, NULL, _IOLBF, 0);
	umask(077);
	/*
	 * From here on the other capabilities are for the helpers, which get theirs by exec. CAP_KILL is
	 * in use until our last moment: a parent-death signal, too, is sent with the parent's rights
	 * (forget_original_parent()).
	 */
	if (start(b) < 0 || caps_rest(CAP_KILL) < 0) {
		listen_stop(b);
		return EXIT_FAILURE;
	}
	load_begin(b);
	if (b->status.loads > 0)
		begin_accepting(b);
	while (b->stop_by == 0 || (b->running > 0 && now_ms() < b->stop_by))
		turn(b);
	return EXIT_SUCCESS;
}
