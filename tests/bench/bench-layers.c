/* SPDX-License-Identifier: MIT */
/*
 * What the layers cost: open and close of one file through workers that have all of them, each
 * alone, and none, on one core, in interleaved rounds.
 *
 * A worker here is the program's own code from watch_begin() to serve(), in a child instead of
 * behind the broker; the client is the library's. The layers that this host, or this user, has not
 * are left out.
 *
 *     bench-layers [DEPTH]     directories between the file and where its rule begins, default: 1
 *
 * The deeper it lies the more Landlock and capabilities cost: they look at each directory.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/armed.h"
#include "broker/calls.h"
#include "broker/layers.h"
#include "broker/sys.h"
#include "broker/worker/confine.h"
#include "broker/worker/serve.h"
#include "client-lib/connection.h"

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

enum {
	/* Where in memory a process happens to lie is a part of what it costs: so several each. */
	GENERATIONS = 5,
	ROUNDS = 31, /* of each generation */
	OPENS = 150, /* of each worker, a round */
	ALL_ROUNDS = GENERATIONS * ROUNDS,
	OWN_ID = 60001, /* nobody's: the helpers' account, and the peer */
	PEER_ID = 60002,
	DEPTH_MAX = 40,
	CLIENT = 64, /* descriptors from here on, out of the way of those of broker/ipc.h */
};

/* The steps that belong to no layer: not dumpable, no_new_privs, limits. */
#define REST (LAYERS_ALL + 1u)
/* What a worker has from the broker when it begins. */
#define OUTER (2 * REST)
/* No layer: without private mounts a worker looks at a file before it opens it, in place of nodev. */
#define LOOKS (4 * REST)
#define ALL   (LAYERS_ALL | REST | OUTER)
#define BOUND 1.10 /* all layers to none */

static const struct variant {
	const char *name;
	uint32_t layers;
} variants[] = {
	{"no layer", 0},
	{"no layer, another worker", 0}, /* what is no difference */
	{"all layers", ALL},
	{"private trees, empty root", LAYER_TREES},
	{"Landlock", LAYER_LANDLOCK},
	{"seccomp", LAYER_SECCOMP},
	{"capabilities", LAYER_CAPS},
	{"uid", LAYER_USER},
	{"limits, no_new_privs", REST},
	{"the broker's filter", OUTER},
	{"no layer, and looks first", LOOKS},
};
enum { NONE = 0, EVERY = 2, N_VARIANTS = ELEMENTS(variants) };

struct server_process {
	pid_t pid;
	int control, notes, audit, ended; /* our ends, which nobody reads but for the first note */
	uint32_t layers;                  /* that it has */
	struct connection connection;
};

static struct server_process servers[N_VARIANTS];
static double us[N_VARIANTS][ALL_ROUNDS], ratio[N_VARIANTS][ALL_ROUNDS];
static char directory[] = "/var/lib/fdbroker-bench.XXXXXX", file[512];
static struct setup setup;
static bool is_root, can_mount;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- what there is to open ---------------------------------------------------------------- */

/* A file that only root reads, so many directories beneath where its rule begins. */
static void
make_files(int depth)
{
	FILE *stream;
	int n;

	/* Only root puts things into that one, as where the files lie that are asked for. */
	if (geteuid() != 0)
		strcpy(directory, "/tmp/fdbroker-bench.XXXXXX");
	if (!mkdtemp(directory))
		err(1, "%s", directory);
	n = snprintf(file, sizeof(file), "%s/log", directory);
	for (int i = -1; i < depth; i++) {
		if (i >= 0)
			n += snprintf(file + n, sizeof(file) - (size_t)n, "/d%d", i);
		if (mkdir(file, 0750) < 0)
			err(1, "%s", file);
	}
	strcpy(file + n, "/access.log");
	stream = fopen(file, "w");
	if (!stream || fputs("content\n", stream) < 0 || fclose(stream) < 0 ||
	    chmod(file, 0640) < 0)
		err(1, "%s", file);
}

/* Two rules, as what the broker would have told a worker. */
static void
make_setup(void)
{
	const uid_t uid = is_root ? PEER_ID : geteuid();
	const gid_t gid = is_root ? PEER_ID : getegid();
	const struct policy_peer peer = {.has_uid = true, .uid = uid, .has_gid = true, .gid = gid};
	struct policy_diag diag = {};
	char text[256];
	struct policy_source source = {.name = "bench.policy", .text = text};
	struct ipc_page *page;
	void *bytes = NULL;
	size_t size = 0, n = 0;

	source.size = (size_t)snprintf(
		text, sizeof(text),
		"policy 1\nallow user:%u read %s/log/**/*.log\nallow user:%u read /etc/passwd\n",
		uid, directory, uid);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || policy_compile(&source, 1, 0, &diag, &bytes, &size) < 0 ||
	    policy_image_from_memory(bytes, size, &setup.image) < 0 ||
	    policy_subjects(setup.image, &peer, setup.subjects, ELEMENTS(setup.subjects), &n) < 0)
		errx(1, "the policy does not compile");
	atomic_store(&page->generation, 1);
	setup.page = page;
	setup.head = (struct ipc_setup){
		.worker = 1, .generation = 1, .own_uid = (uid_t)-1, .own_gid = (gid_t)-1};
	if (is_root)
		setup.head.own_uid = setup.head.own_gid = OWN_ID;
	setup.peer = (struct ipc_identity){
		.kind = IPC_IDENTITY, .uid = uid, .gid = gid, .n_subjects = (uint32_t)n};
	policy_identity_init(&setup.identity, setup.subjects, n, &setup.peer.uid, NULL);
}

/* --- a worker ----------------------------------------------------------------------------- */

/* Without exit(3), which would take away what the others work with. */
static void __attribute__((noreturn)) fail(const char *what, int r)
{
	warnx("a worker cannot start: %s: %s", what, strerror(-r));
	_exit(EXIT_FAILURE);
}

static void
set_mounting(cap_flag_value_t value)
{
	const cap_value_t cap = CAP_SYS_ADMIN;
	cap_t caps = cap_get_proc();

	if (!caps || cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, value) < 0 ||
	    cap_set_proc(caps) < 0)
		fail("capabilities", -errno);
	cap_free(caps);
}

/* The steps of these layers alone. A step of several is one of them only together with the others. */
static int
enter_some(const struct confinement *c, uint32_t layers, uint32_t *ret_layers)
{
	uint32_t absent = 0;

	/* Without "caps", a change of ids would take what opening needs. */
	if (is_root && !(layers & LAYER_CAPS) &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -errno;
	/* Who can mount needs nothing else for Landlock; seccomp brings this with it. */
	if (!can_mount && layers & LAYER_LANDLOCK && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	for (size_t i = 0; i < n_confine_steps; i++) {
		const uint32_t of = confine_steps[i].layers ? confine_steps[i].layers : REST;
		int r = of & ~layers ? 1 : confine_steps[i].enter(c);

		if (r < 0)
			return r;
		absent |= r > 0 ? 0 : of;
	}
	*ret_layers = layers & ~absent;
	return 0;
}

/* As main() of a worker, with its descriptors in place. */
static void __attribute__((noreturn)) be_worker(uint32_t layers)
{
	static struct trees trees;
	static struct watch watch;
	struct server server = {.setup = &setup, .trees = &trees, .watch = &watch};
	struct confinement confinement = {
		.trees = &trees,
		.own_uid = setup.head.own_uid,
		.own_gid = setup.head.own_gid,
		.peer_uid = setup.peer.uid,
		.peer_gid = setup.peer.gid,
		.groups = setup.groups,
		.memory = policy_image_size(setup.image) + (64u << 20),
	};
	const bool hosts = can_mount && !(layers & LAYER_TREES);
	const char *step = "";
	uint32_t entered = 0;
	int epoll = -1, r;

	if (layers & OUTER && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs", -errno);
	r = layers & OUTER ? calls_enter_broker() : 0;
	if (r < 0)
		fail("the broker's filter", r);
	r = watch_begin(&watch, is_root ? setup.peer.uid : (uid_t)-1);
	/* Where it cannot mount, its trees are the host's directories. */
	if (hosts)
		set_mounting(CAP_CLEAR);
	if (r == 0)
		r = trees_make(&trees, &watch, setup.image, &setup.identity);
	if (hosts)
		set_mounting(CAP_SET);
	if (r == 0 && trees.is_private != (can_mount && !hosts))
		fail("trees of the wrong kind", -EEXIST);
	/* What the layer costs, not what is done in its place: the same calls for all. */
	if (hosts && !(layers & LOOKS))
		trees.is_private = true;
	if (r == 0)
		r = armed_prepare();
	if (r == 0)
		r = audit_start();
	if (r == 0)
		r = serve_prepare(&epoll);
	if (r == 0)
		r = layers == ALL ? confine(&confinement, &entered, &step)
				  : enter_some(&confinement, layers, &entered);
	if (r < 0)
		fail(*step ? step : "confinement", r);
	trees_forget_files(&trees);
	serve_note((unsigned char)(IPC_NOTE_LAYERS | (entered & LAYERS_ALL)));
	_exit(serve(&server, epoll, 100) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* The child's ends to where a worker finds them, and nothing else stays open. */
static void
place_descriptors(int ends[4])
{
	for (int i = 0; i < 4; i++)
		ends[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, CLIENT);
	for (int i = 0; i < 4; i++)
		if (ends[i] < 0 || dup2(ends[i], IPC_CONTROL + i) < 0)
			fail("descriptors", -errno);
	sys_close_from(IPC_PAGE);
}

/* A connection as the broker passes one on; descriptors cannot be sent to it, where that is known. */
static void
connect_to(struct server_process *s)
{
	const int on = 1, off = 0;
	struct ipc_connection what = {.number = 1, .generation = 1, .account = setup.peer.uid};
	const struct iovec iov[2] = {{&what, sizeof(what)}, {(char[1]){}, 1}};
	struct stat status;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    fstat(pair[0], &status) < 0)
		err(1, "connection");
	what.may_hold = setsockopt(pair[1], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0;
	what.peer = (struct ucred){getpid(), setup.peer.uid, setup.peer.gid};
	if (channel_send(s->control, iov, 2, &pair[1], 1, NULL, 0) < 0)
		errx(1, "a worker takes no connection");
	close(pair[1]);
	s->connection = (struct connection){.fd = pair[0],
					    .inode = status.st_ino,
					    .pid = getpid(),
					    .uid = setup.peer.uid,
					    .gid = setup.peer.gid};
}

static void
start(struct server_process *s, uint32_t layers)
{
	int control[2], notes[2], audit[2], ended[2];
	unsigned char note;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    shutdown(control[0], SHUT_RD) < 0 || pipe2(notes, O_CLOEXEC) < 0 ||
	    pipe2(audit, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(ended, O_CLOEXEC | O_NONBLOCK) < 0)
		err(1, "channels");
	s->pid = fork();
	if (s->pid == 0) {
		place_descriptors((int[]){control[1], notes[1], audit[1], ended[1]});
		be_worker(layers);
	}
	if (s->pid < 0)
		err(1, "fork");
	close(control[1]);
	close(notes[1]);
	close(audit[1]);
	close(ended[1]);
	s->control = control[0];
	s->notes = notes[0];
	s->audit = audit[0];
	s->ended = ended[0];
	if (read(s->notes, &note, 1) != 1)
		errx(1, "a worker ended before it was ready");
	s->layers = (note & LAYERS_ALL) | (layers & ~(uint32_t)LAYERS_ALL);
	connect_to(s);
}

/* It ends by itself when broker and client have gone. */
static void
stop(struct server_process *s)
{
	int status = 0;

	if (s->pid == 0)
		return;
	close(s->control);
	close(s->connection.fd);
	if (waitpid(s->pid, &status, 0) < 0 || status != 0)
		warnx("a worker ended with status %d", status);
	s->pid = 0;
	close(s->notes);
	close(s->audit);
	close(s->ended);
}

/* --- measuring ---------------------------------------------------------------------------- */

/* The client has no privilege, but for starting the next workers. */
static void
become(uid_t uid, gid_t gid)
{
	if (!is_root)
		return;
	if (uid == 0 && seteuid(0) < 0)
		err(1, "ids");
	if (setegid(gid) < 0 || seteuid(uid) < 0)
		err(1, "ids");
}

static double
measure(struct server_process *s)
{
	const struct where nowhere = {.path = ""};
	struct timespec deadline;
	double begin;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += 5;
	begin = now();
	for (int i = 0; i < OPENS; i++) {
		int fd = -1, r;

		r = connection_open(&s->connection, &nowhere, file, O_RDONLY | O_CLOEXEC, 0,
				    &deadline, &fd);
		if (r < 0)
			errx(1, "%s: open: %s", variants[s - servers].name, strerror(-r));
		close(fd);
	}
	return (now() - begin) / OPENS;
}

/* Each is first as often as last. */
static void
run(int generation)
{
	become(0, 0);
	for (size_t v = 0; v < N_VARIANTS; v++)
		start(&servers[v], variants[v].layers);
	become(setup.peer.uid, setup.peer.gid);
	for (int i = -2; i < ROUNDS; i++) {
		int row = generation * ROUNDS + (i < 0 ? 0 : i);

		for (int j = 0; j < N_VARIANTS; j++) {
			int at = (i & 1 ? j : N_VARIANTS - 1 - j) + i + 2;

			us[at % N_VARIANTS][row] = measure(&servers[at % N_VARIANTS]);
		}
		for (int v = 0; v < N_VARIANTS; v++)
			ratio[v][row] = us[v][row] / us[NONE][row];
	}
	become(0, 0);
}

static void
stop_all(void)
{
	for (size_t v = 0; v < N_VARIANTS; v++)
		stop(&servers[v]);
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
print_row(size_t v)
{
	double *const values[] = {us[v], ratio[v]};

	printf("%-26s", variants[v].name);
	if (variants[v].layers != ALL && servers[v].layers != variants[v].layers) {
		printf("   not to be had here\n");
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		qsort(values[i], ALL_ROUNDS, sizeof(double), compare);
		printf("  %7.*f %6.*f %6.*f", (int)i + 2, values[i][ALL_ROUNDS / 2], (int)i + 2,
		       values[i][ALL_ROUNDS / 10], (int)i + 2,
		       values[i][ALL_ROUNDS - 1 - ALL_ROUNDS / 10]);
		if (v == NONE)
			break;
	}
	if (v == EVERY)
		printf("   at most %.2f: %s", BOUND,
		       ratio[v][ALL_ROUNDS / 2] <= BOUND ? "met" : "missed");
	putchar('\n');
}

static void
finish(void)
{
	char command[128];

	become(0, 0);
	stop_all();
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command) != 0)
		warnx("%s is left over", directory);
}

int
main(int argc, char **argv)
{
	const int depth = argc > 1 ? atoi(argv[1]) : 1;
	cpu_set_t one;
	int tree;

	if (argc > 2 || depth < 0 || depth > DEPTH_MAX)
		errx(2, "usage: bench-layers [DEPTH], at most %d", DEPTH_MAX);
	is_root = geteuid() == 0;
	tree = sys_open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	can_mount = tree >= 0;
	if (tree >= 0)
		close(tree);
	/* One core: what is measured is work, not the wake-up of an idle core. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		err(1, "pinning");
	atexit(finish);
	make_files(depth);
	make_setup();
	for (int generation = 0; generation < GENERATIONS; generation++) {
		run(generation);
		stop_all();
	}
	printf("open + close through a worker,        microseconds           to no layer\n"
	       "%d rounds of %-5d              median    p10    p90   median    p10    p90\n",
	       ALL_ROUNDS, OPENS);
	for (size_t v = 0; v < N_VARIANTS; v++)
		print_row(v);
	for (unsigned i = 0; i < n_layer_names; i++)
		if (!(servers[EVERY].layers & layer_names[i].layer))
			printf("all layers: without '%s', which is not to be had here\n",
			       layer_names[i].name);
	return 0;
}
