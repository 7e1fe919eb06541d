/* SPDX-License-Identifier: MIT */
/*
 * Objects that are no regular files, against a real broker: given where the rule's type says so, and
 * otherwise not even opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/asks.h"

static const char rules[] = "allow user:61001 read,write,list @/reg/**\n"
			    "allow user:61001 read,write @/fifo/** type=fifo\n"
			    "allow user:61001 read,write @/chr/** type=chr\n"
			    "allow user:61001 read,write @/blk/** type=blk\n"
			    "allow user:61001 read,write @/any/** type=reg,fifo,chr,blk\n"
			    "allow user:61001 read,write /dev/pts/*\n"
			    "allow user:61002 read,write /dev/pts/* type=chr\n"
			    "allow user:61002 read,write @/any/** type=reg,chr\n"
			    "allow user:61001 read,write,list @/own/** type=fifo owner=peer\n"
			    "allow user:61001 read,write,list @/wide/** type=fifo\n"
			    "allow user:61001 read @/two/** type=fifo\n"
			    "allow user:61001 write @/two/**\n";
static const char *const types[] = {"reg", "fifo", "chr", "blk", "any"};
static const char *const objects[] = {"file", "fifo", "null", "disk", "socket", "directory"};

static void
make_objects(const char *directory)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	make_dir(at("%s", directory), 0, 0755);
	make_file(at("%s/file", directory), 0, 0600, "regular");
	assert_return_code(mkfifo(at("%s/fifo", directory), 0600), errno);
	assert_return_code(mknod(at("%s/null", directory), S_IFCHR | 0600, makedev(1, 3)), errno);
	/* There need not be such a disk. */
	assert_return_code(mknod(at("%s/disk", directory), S_IFBLK | 0600, makedev(1, 0)), errno);
	make_dir(at("%s/directory", directory), 0, 0755);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at("%s/socket", directory));
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	close(fd);
}

static int
setup(void **state)
{
	(void)state;
	/* Where nobody but root can change a path, what was found is remembered for a while. */
	make_own_tmpdir();
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(types); i++)
		make_objects(types[i]);
	make_dir(at("two"), 0, 0755);
	assert_return_code(mkfifo(at("two/fifo"), 0600), errno);
	make_dir(at("own"), 0, 0755);
	assert_return_code(mkfifo(at("own/fifo"), 0600), errno);
	make_dir(at("wide"), 0, 0777);
	assert_return_code(mkfifo(at("wide/fifo"), 0600), errno);
	peer = peer_begin(A);
	return 0;
}

/* What open(2) itself says, where nothing forbids it. */
static int
plain_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC), error = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

static void
test_each_type(void **state)
{
	static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR};
	unsigned granted = 0;

	(void)state;
	for (size_t t = 0; t < ELEMENTS(types); t++) {
		int keep = open(at("%s/fifo", types[t]), O_RDWR | O_NONBLOCK | O_CLOEXEC);

		for (size_t o = 0; o < ELEMENTS(objects); o++) {
			const char *path = at("%s/%s", types[t], objects[o]);
			bool covered = o < 4 && (t == o || t == 4);

			for (size_t m = 0; m < ELEMENTS(modes); m++) {
				int wanted = o == 5    ? EISDIR
					     : covered ? plain_open(path, modes[m])
						       : EACCES;
				int error = peer_open(&peer, (unsigned)modes[m], 0, path, NULL);

				if (error != wanted)
					fail_msg("%s: %d, not %d", path, error, wanted);
				granted += error == 0;
			}
			/* A type is asked of what is opened, not of what is looked at. */
			assert_int_equal(peer_stat(&peer, 0, path, NULL), 0);
			if (t == 0)
				assert_int_equal(peer_list(&peer, path, NULL),
						 o == 5 ? 0 : ENOTDIR);
		}
		close(keep);
	}
	assert_in_range(granted, 2 * 9, 2 * 12);
	log_wait(1, "condition=type is=fifo", "/reg/fifo");
	log_wait(1, "condition=type is=chr", "/reg/null");
	log_wait(1, "condition=type is=sock", "/any/socket");
}

/* --- FIFOs --------------------------------------------------------------------------------- */

struct waiting {
	pid_t pid;
	int done; /* readable when the open has returned */
};

/* A process that waits in open(2) for the other end. */
static struct waiting
wait_in_open(const char *path, int flags)
{
	struct waiting w;
	int ends[2];

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	fflush(NULL);
	w.pid = fork();
	assert_return_code(w.pid, errno);
	if (w.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ends[1], "b", 1) != 1)
			_exit(1);
		_exit(open(path, flags | O_CLOEXEC) < 0 || write(ends[1], "d", 1) != 1);
	}
	close(ends[1]);
	w.done = ends[0];
	assert_int_equal(read(w.done, &(char){0}, 1), 1);
	/* Asleep, and not on its way there. */
	for (int i = 0; i < WAIT_SECONDS * 100; i++) {
		char name[32], text[128] = "";
		int fd;

		snprintf(name, sizeof(name), "/proc/%d/wchan", w.pid);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		(void)!read(fd, text, sizeof(text) - 1);
		close(fd);
		if (strstr(text, "wait_for_partner") || strstr(text, "fifo_open"))
			break;
		sleep_ms(10);
	}
	return w;
}

static bool
waits(const struct waiting *w, int ms)
{
	struct pollfd wait = {.fd = w->done, .events = POLLIN};

	return poll(&wait, 1, ms) == 0;
}

static void
waiting_end(struct waiting *w)
{
	kill(w->pid, SIGKILL);
	assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
	close(w->done);
}

/* Refused for its type, its owner, the directory that it is in. */
static void
test_fifo_is_not_opened(void **state)
{
	static const int ends[][2] = {{O_WRONLY, O_RDONLY}, {O_RDONLY, O_WRONLY}};
	static const struct {
		const char *fifo;
		int of_stat;
	} cases[] = {{"reg/fifo", 0}, {"own/fifo", EACCES}, {"wide/fifo", EACCES}};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases) * ELEMENTS(ends); i++) {
		const int *end = ends[i % ELEMENTS(ends)],
			  of_stat = cases[i / ELEMENTS(ends)].of_stat;
		const char *path = at("%s", cases[i / ELEMENTS(ends)].fifo);
		struct waiting w = wait_in_open(path, end[0]);
		int fd;

		assert_int_equal(peer_open(&peer, (unsigned)end[1], 0, path, NULL), EACCES);
		assert_int_equal(peer_open(&peer, O_RDWR, 0, path, NULL), EACCES);
		assert_int_equal(peer_stat(&peer, 0, path, NULL), of_stat);
		assert_int_equal(peer_list(&peer, path, NULL), ENOTDIR);
		assert_true(waits(&w, 100));
		/* The counter-check: an open and a look afterwards is noticed. */
		fd = open(path, end[1] | O_NONBLOCK | O_CLOEXEC);
		assert_return_code(fd, errno);
		assert_false(waits(&w, WAIT_SECONDS * 1000));
		close(fd);
		waiting_end(&w);
	}
}

/* A name that is there and is not, all the time. */
static int
come_and_go(void *there)
{
	char away[256];

	snprintf(away, sizeof(away), "%s-away", (const char *)there);
	for (;;)
		if (rename(there, away) < 0 || rename(away, there) < 0)
			return 1;
}

static void
test_fifo_that_comes_and_goes(void **state)
{
	enum { TRIES = 20000 };
	static char path[256];
	unsigned errors[4096] = {}; /* errno values */
	struct waiting w;
	pid_t mover;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("reg/comes"));
	assert_return_code(mkfifo(path, 0600), errno);
	assert_return_code(link(path, at("reg/stays")), errno);
	w = wait_in_open(at("reg/stays"), O_WRONLY);
	mover = act_begin(NULL, come_and_go, path);
	for (int i = 0; i < TRIES; i++)
		errors[peer_open(&peer, O_RDONLY, 0, path, NULL)]++;
	assert_true(waits(&w, 0));
	/* It was seen, it was gone, and it came in between. */
	printf("# EACCES %u, ENOENT %u, EAGAIN %u\n", errors[EACCES], errors[ENOENT],
	       errors[EAGAIN]);
	assert_true(errors[EACCES] > 0 && errors[ENOENT] > 0);
	assert_int_equal(errors[EACCES] + errors[ENOENT] + errors[EAGAIN], TRIES);
	/* The counter-check: an open in order to learn what is there. */
	for (double end = seconds_now() + WAIT_SECONDS; waits(&w, 0) && seconds_now() < end;)
		(void)plain_open(path, O_RDONLY);
	assert_false(waits(&w, 0));
	kill(mover, SIGKILL);
	(void)act_end(mover);
	waiting_end(&w);
}

/* All that the host's own call says, and nothing of where the worker has it mounted. */
static void
test_stat_is_the_hosts(void **state)
{
	static const char *const paths[] = {"reg", "reg/file", "reg/fifo", "reg/directory"};
	const unsigned told = STATX_BASIC_STATS | STATX_BTIME;
	struct statx here, there;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(paths); i++) {
		const char *path = at("%s", paths[i]);

		assert_int_equal(peer_stat(&peer, 0, path, &there), 0);
		assert_return_code(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, told, &here), errno);
		assert_int_equal(there.stx_mask, here.stx_mask & told);
		assert_int_equal(there.stx_attributes, here.stx_attributes);
		assert_int_equal(there.stx_attributes_mask,
				 here.stx_attributes_mask & ~(uint64_t)STATX_ATTR_MOUNT_ROOT);
		here.stx_mask = there.stx_mask;
		here.stx_attributes_mask = there.stx_attributes_mask;
		assert_memory_equal(&there, &here, WIRE_STATUS_SIZE);
	}
}

static void
test_fifo_never_blocks(void **state)
{
	const char *path = at("fifo/fifo");
	struct waiting w;
	int fd = -1;

	(void)state;
	assert_int_equal(peer_open(&peer, O_WRONLY, 0, path, NULL), ENXIO);
	assert_int_equal(peer_open(&peer, O_WRONLY | O_NONBLOCK, 0, path, NULL), ENXIO);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, &fd), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	close(fd);
	/* The counter-check: this is one that does. */
	w = wait_in_open(path, O_RDONLY);
	assert_true(waits(&w, 50));
	assert_int_equal(peer_open(&peer, O_WRONLY, 0, path, &fd), 0);
	assert_false(waits(&w, WAIT_SECONDS * 1000));
	assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_WRONLY);
	close(fd);
	waiting_end(&w);
}

/* What one rule gave is not, for another one, a regular file that was looked at. */
static void
test_fifo_of_two_rules(void **state)
{
	struct waiting w;
	const char *path = at("two/fifo");
	int fd = -1;

	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, &fd), 0);
	close(fd);
	w = wait_in_open(path, O_RDONLY);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), 0);
	assert_int_equal(peer_open(&peer, O_WRONLY, 0, path, NULL), EACCES);
	assert_true(waits(&w, 100));
	/* The counter-check. */
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_false(waits(&w, WAIT_SECONDS * 1000));
	close(fd);
	waiting_end(&w);
}

/* --- terminals ----------------------------------------------------------------------------- */

struct terminal {
	int master;
	char slave[64];
};

static struct terminal
terminal_make(void)
{
	struct terminal t = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};

	assert_return_code(t.master, errno);
	assert_return_code(grantpt(t.master), errno);
	assert_return_code(unlockpt(t.master), errno);
	assert_int_equal(ptsname_r(t.master, t.slave, sizeof(t.slave)), 0);
	return t;
}

/* Was the other side opened, and is closed again? */
static bool
was_opened(const struct terminal *t)
{
	struct pollfd hung_up = {.fd = t->master};

	return poll(&hung_up, 1, 0) == 1 && hung_up.revents & POLLHUP;
}

static void
test_terminal_is_not_opened(void **state)
{
	struct terminal t = terminal_make();

	(void)state;
	assert_int_equal(peer_open(&peer, O_RDWR, 0, t.slave, NULL), EACCES);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, t.slave, NULL), EACCES);
	assert_int_equal(peer_stat(&peer, 0, t.slave, NULL), 0);
	assert_false(was_opened(&t));
	/* The counter-check. */
	assert_int_equal(plain_open(t.slave, O_RDWR | O_NOCTTY), 0);
	assert_true(was_opened(&t));
	close(t.master);
}

/* In a session of its own: does a terminal become the one that controls it? */
static int
take_terminal(void *context)
{
	const struct terminal *t = context;
	struct peer user;
	int fd = -1;

	if (setsid() < 0)
		return 1;
	user = peer_begin(B);
	if (peer_open(&user, O_RDWR, 0, t->slave, &fd) != 0 || !isatty(fd))
		return 2;
	if (open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0)
		return 3;
	/* The counter-check: one's own open takes it. */
	return open(t->slave, O_RDWR | O_CLOEXEC) >= 0 && open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0
		       ? 0
		       : 4;
}

/* Field 7 of proc_pid_stat(5). */
static int
terminal_of(pid_t pid)
{
	char path[32];
	int number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %d", &number), 1);
	fclose(file);
	return number;
}

static void
test_no_controlling_terminal(void **state)
{
	struct terminal t = terminal_make();
	pid_t worker;

	(void)state;
	assert_int_equal(act_as(NULL, take_terminal, &t), 0);
	worker = worker_of(&broker, B);
	assert_true(worker > 0);
	assert_int_not_equal(terminal_of(worker), -1);
	if (terminal_of(getpid()) == 0)
		assert_int_equal(terminal_of(worker), 0);
	close(t.master);
}

/* --- exchanged ----------------------------------------------------------------------------- */

static void
test_another_type_meanwhile(void **state)
{
	static const struct {
		const char *object;
		int error, with_chr;
	} cases[] = {
		{"file", 0, 0},           {"fifo", EACCES, EACCES},   {"null", EACCES, 0},
		{"disk", EACCES, EACCES}, {"socket", EACCES, EACCES}, {"directory", EISDIR, EISDIR},
		{"link", ELOOP, ELOOP}};
	struct peer with_chr = peer_begin(B);

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_return_code(symlink("null", at("%s/link", i ? "any" : "reg")), errno);
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		for (int any = 0; any < 2; any++) {
			struct peer *who = any ? &with_chr : &peer;
			const char *directory = any ? "any" : "reg";
			const char *path = at("%s/changing", directory);
			int wanted = any ? cases[i].with_chr : cases[i].error, error;

			/* Seen as a file, and remembered as one. */
			make_file(path, 0, 0600, "");
			assert_int_equal(peer_open(who, O_RDONLY, 0, path, NULL), 0);
			assert_return_code(rename(at("%s/%s", directory, cases[i].object),
						  at("%s/new", directory)),
					   errno);
			assert_return_code(unlink(path), errno);
			assert_return_code(rename(at("%s/new", directory), path), errno);
			error = peer_open(who, O_RDONLY, 0, path, NULL);
			if (error != wanted)
				fail_msg("%s instead of a file: %d, not %d", cases[i].object, error,
					 wanted);
			/* And the other way. */
			assert_return_code(rename(path, at("%s/%s", directory, cases[i].object)),
					   errno);
			make_file(path, 0, 0600, "");
			assert_int_equal(peer_open(who, O_RDONLY, 0, path, NULL), 0);
			assert_return_code(unlink(path), errno);
		}
	}
	peer_end(&with_chr);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_type),
		cmocka_unit_test(test_stat_is_the_hosts),
		cmocka_unit_test(test_fifo_is_not_opened),
		cmocka_unit_test(test_fifo_that_comes_and_goes),
		cmocka_unit_test(test_fifo_never_blocks),
		cmocka_unit_test(test_fifo_of_two_rules),
		cmocka_unit_test(test_terminal_is_not_opened),
		cmocka_unit_test(test_no_controlling_terminal),
		cmocka_unit_test(test_another_type_meanwhile),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/objects", tests, setup);
}
