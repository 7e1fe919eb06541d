/* SPDX-License-Identifier: MIT */
/* Files that the broker creates: whose they are, with which mode, and when there is none. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/attack/asks.h"

enum {
	ROUNDS = 1000,
};

static const char rules[] = "allow user:61001 read,write,create @/new/** mode=0640\n"
			    "allow user:61001 read,create @/once/* mode=0666\n"
			    "allow user:61001 create @/blind/*\n"
			    "allow user:61001 write,create @/single/log mode=0600\n"
			    "allow user:61001 read,write @/none/**\n"
			    "allow user:61001 read,write,create @/bits/** mode=0777\n"
			    "allow user:61001 read,write,create @/root/** owner=root\n"
			    "allow user:61001 read,write,create @/peer/** owner=peer\n"
			    "allow user:61001 read,write,create @/fifo/** type=fifo\n"
			    "allow user:61001 read,write,create @/shared/**\n"
			    "allow user:61001|user:61002 read,write,create @/both/**\n"
			    "allow user:61001 read,write,create @/rdonly/** @/full/** @/held/**\n"
			    "allow user:61001 write,create @/gone/** except @/gone/not\n"
			    "deny any write @/new/denied\n";
static const unsigned creating = O_RDWR | O_CREAT;

static int
setup(void **state)
{
	static const char *const directories[] = {"new",  "once", "blind",  "single",  "none",
						  "bits", "root", "peer",   "fifo",    "both",
						  "full", "held", "rdonly", "new/sub", "new/own"};

	(void)state;
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_dir(at("%s", directories[i]), 0, 0755);
	make_dir(at("shared"), 0, 0777);
	assert_return_code(mount("tests", at("full"), "tmpfs", 0, "mode=0755,nr_inodes=3"), errno);
	assert_return_code(mount("tests", at("rdonly"), "tmpfs", 0, "mode=0755"), errno);
	make_file(at("rdonly/file"), A, 0600, "");
	assert_return_code(mount("tests", at("rdonly"), NULL, MS_REMOUNT | MS_RDONLY, NULL), errno);
	peer = peer_begin(A);
	return 0;
}

/* Create it, and see that it is what it should be. */
static void
check_created(const char *path, unsigned flags, mode_t asked, mode_t wanted, gid_t group)
{
	struct stat status;
	int fd = -1;

	assert_int_equal(peer_open(&peer, flags | O_CREAT, asked, path, &fd), 0);
	assert_true(is_same(fd, path));
	assert_return_code(fstat(fd, &status), errno);
	if (status.st_mode != (S_IFREG | wanted))
		fail_msg("%s: mode %o, not %o", path, status.st_mode, wanted);
	assert_int_equal(status.st_uid, A);
	assert_int_equal(status.st_gid, group);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK),
			 flags & O_ACCMODE);
	close(fd);
}

static void
test_owner_and_mode(void **state)
{
	static const mode_t modes[] = {07777, 0777, 0666, 0640, 0600, 0444, 0200, 01000, 06000, 0};
	static const int access_modes[] = {O_RDONLY, O_WRONLY, O_RDWR};

	(void)state;
	for (size_t m = 0; m < ELEMENTS(modes); m++) {
		for (unsigned i = 0; i < ELEMENTS(access_modes); i++) {
			unsigned flags = (unsigned)access_modes[i];

			check_created(at("new/%zu-%u", m, i), flags, modes[m], modes[m] & 0640, A);
			/* Never a bit that gives a program, or a directory, more. */
			check_created(at("bits/%zu-%u", m, i), flags | O_EXCL, modes[m],
				      modes[m] & 0777, A);
		}
	}
	check_created(at("single/log"), O_WRONLY | O_APPEND, 0777, 0600, A);
	/* The counter-check: what an open without a mask, by root, makes of it. */
	{
		int fd = open(at("new/naive"), O_RDWR | O_CREAT | O_CLOEXEC, 07777);
		struct stat status;

		assert_return_code(fstat(fd, &status), errno);
		assert_true(status.st_uid == 0 && status.st_mode & 07000);
		close(fd);
	}
}

/* user::rwx user:B:rwx group::rwx mask::rwx other::rwx, as in <linux/posix_acl_xattr.h>. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[5];
} acl = {2,
	 {{1, 7, UINT32_MAX},
	  {2, 7, B},
	  {4, 7, UINT32_MAX},
	  {16, 7, UINT32_MAX},
	  {32, 7, UINT32_MAX}}};

static int
write_it(void *path)
{
	return open(path, O_WRONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static void
test_what_directories_pass_on(void **state)
{
	const struct ids b = {.uid = B, .gid = B};
	struct stat status;

	(void)state;
	make_dir(at("new/set-gid"), 0, 0755);
	assert_return_code(chown(at("new/set-gid"), 0, G), errno);
	assert_return_code(chmod(at("new/set-gid"), 02755), errno);
	check_created(at("new/set-gid/file"), O_RDWR, 07777, 0640, G);
	make_dir(at("new/acl"), 0, 0755);
	if (setxattr(at("new/acl"), "system.posix_acl_default", &acl, sizeof(acl), 0) < 0) {
		assert_int_equal(errno, ENOTSUP);
		return;
	}
	/* What the list gives at most is the group's bits of the mode, acl(5). */
	check_created(at("new/acl/file"), O_RDWR, 0666, 0640, A);
	assert_int_equal(act_as(&b, write_it, (void *)at("new/acl/file")), EACCES);
	/* The counter-check: the list does give, where a mode lets it. */
	close(open(at("new/acl/naive"), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
	assert_return_code(stat(at("new/acl/naive"), &status), errno);
	assert_int_equal(act_as(&b, write_it, (void *)at("new/acl/naive")), 0);
}

static int
create_it(void *path)
{
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0 ? 0 : errno;
}

static void
test_refused_and_nothing_made(void **state)
{
	static const struct {
		const char *path;
		unsigned flags;
		int error;
	} cases[] = {
		{"none/x", O_RDWR | O_CREAT, EACCES}, /* no such verb */
		{"none/x", O_RDWR | O_CREAT | O_EXCL, EACCES},
		{"once/x", O_RDWR | O_CREAT, EACCES}, /* not to be written */
		{"once/x", O_RDONLY | O_CREAT | O_TRUNC, EINVAL},
		{"blind/x", O_RDONLY | O_CREAT, EACCES},
		{"single/other", O_WRONLY | O_CREAT, EACCES},
		{"single/log2", O_WRONLY | O_CREAT, EACCES},
		{"new/denied", O_RDONLY | O_CREAT, EACCES},
		{"new/denied", O_RDWR | O_CREAT, EACCES},
		{"gone/not", O_WRONLY | O_CREAT, EACCES},
		{"new/.hidden", O_RDWR | O_CREAT, EACCES},
		{"elsewhere", O_RDWR | O_CREAT, EACCES},
		{"root/x", O_RDWR | O_CREAT, EACCES}, /* a condition that it would not meet */
		{"fifo/x", O_RDWR | O_CREAT, EACCES},
		{"shared/x", O_RDWR | O_CREAT, EACCES},
		{"new/missing/x", O_RDWR | O_CREAT, ENOENT},
		{"new/link/x", O_RDWR | O_CREAT, ELOOP},
		{"new/plain/x", O_RDWR | O_CREAT, ENOTDIR},
		{"new/sub", O_RDWR | O_CREAT, EISDIR},
		{"new", O_RDWR | O_CREAT, EISDIR},
		{"gone/x", O_WRONLY | O_CREAT, ENOENT},
		{"rdonly/x", O_RDWR | O_CREAT, EROFS},
		{"rdonly/x", O_RDONLY | O_CREAT, EROFS},
		{"new/x", O_RDWR | O_EXCL, EINVAL},
		{"new/x", O_RDWR | O_TMPFILE, EINVAL},
		{"new/sub", O_RDWR | O_TMPFILE, EINVAL},
		{"new/x", O_RDWR | O_CREAT | O_DIRECTORY, EINVAL},
		{"new/x", O_ACCMODE | O_CREAT, EINVAL},
		{"new/x/", O_RDWR | O_CREAT, EINVAL},
		{"new/../elsewhere", O_RDWR | O_CREAT, EINVAL},
	};
	unsigned before;

	(void)state;
	make_file(at("new/plain"), A, 0600, "");
	assert_return_code(symlink("sub", at("new/link")), errno);
	before = count_names();
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		int error = peer_open(&peer, cases[i].flags, 0600, at("%s", cases[i].path), NULL);

		if (error != cases[i].error)
			fail_msg("%s, flags %#o: %d, not %d", cases[i].path, cases[i].flags, error,
				 cases[i].error);
	}
	assert_int_equal(count_names(), before);
	check_created(at("peer/x"), O_RDWR, 0600, 0600, A);
	assert_int_equal(count_names(), before + 1);
}

/* It is the policy that gives this right: the peer itself has none. */
static void
test_beyond_its_own_rights(void **state)
{
	const struct ids a = {.uid = A, .gid = A};

	(void)state;
	assert_int_equal(act_as(&a, create_it, (void *)at("new/sub/beyond")), EACCES);
	check_created(at("new/sub/beyond"), O_RDWR, 0600, 0600, A);
	/* Its owner, but not the mode, gives it to itself. */
	check_created(at("new/sub/nobody"), O_RDWR, 0, 0, A);
	assert_int_equal(act_as(&a, create_it, (void *)at("new/sub/nobody")), EACCES);
}

/* --- O_EXCL -------------------------------------------------------------------------------- */

static void
test_exclusive(void **state)
{
	(void)state;
	make_file(at("new/there"), A, 0600, "content");
	assert_return_code(mkfifo(at("new/there-fifo"), 0600), errno);
	assert_return_code(symlink("nowhere", at("new/there-link")), errno);
	make_dir(at("new/there-dir"), A, 0755);
	assert_int_equal(peer_open(&peer, creating | O_EXCL, 0600, at("new/there"), NULL), EEXIST);
	assert_int_equal(peer_open(&peer, creating | O_EXCL | O_TRUNC, 0600, at("new/there"), NULL),
			 EEXIST);
	assert_int_equal(peer_open(&peer, creating | O_EXCL, 0600, at("new/there-fifo"), NULL),
			 EEXIST);
	assert_int_equal(peer_open(&peer, creating | O_EXCL, 0600, at("new/there-link"), NULL),
			 EEXIST);
	assert_int_equal(peer_open(&peer, creating | O_EXCL, 0600, at("new/there-dir"), NULL),
			 EEXIST);
	assert_int_equal(peer_open(&peer, O_CREAT | O_EXCL, 0600, at("new/there"), NULL), EEXIST);
	{
		struct stat status;

		assert_return_code(stat(at("new/there"), &status), errno);
		assert_int_equal(status.st_size, 7);
	}
}

/* Two identities, and so two workers, at once. */
static void
test_one_of_two(void **state)
{
	struct peer other = peer_begin(B);
	static struct told first, second;
	unsigned won[2] = {};

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const char *path = at("both/%d", i);
		const struct wire_file file = {.flags = creating | O_EXCL,
					       .mode = 0600,
					       .path = path,
					       .path_length = (uint32_t)strlen(path)};
		struct stat status;

		peer_send(i % 2 ? &peer : &other, WIRE_OPEN, &file);
		peer_send(i % 2 ? &other : &peer, WIRE_OPEN, &file);
		peer_receive(&peer, &first);
		peer_receive(&other, &second);
		assert_true(first.status == 0 && second.status == 0);
		assert_int_equal(first.error + second.error, EEXIST);
		won[first.error == 0 ? 0 : 1]++;
		assert_return_code(stat(path, &status), errno);
		assert_int_equal(status.st_uid, first.error == 0 ? A : B);
		close(first.error == 0 ? first.fd : second.fd);
		assert_return_code(unlink(path), errno);
	}
	assert_true(won[0] > 0 && won[1] > 0);
	peer_end(&other);
	/* The counter-check: who looks, and then creates, does not notice the other. */
	for (int i = 0; i < 2; i++)
		won[i] = access(at("both/naive"), F_OK) < 0;
	for (int i = 0; i < 2; i++)
		close(open(at("both/naive"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	assert_true(won[0] && won[1]);
}

/* --- what the descriptor is worth ------------------------------------------------------------ */

static int
widen(void *context)
{
	int *fd = context;
	char path[64];

	if (fchmod(*fd, 0666) == 0)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	return open(path, O_RDWR | O_CLOEXEC) >= 0 ? 0 : errno;
}

static void
test_created_for_reading(void **state)
{
	const struct ids a = {.uid = A, .gid = A};
	int fd = -1;

	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY | O_CREAT, 0666, at("once/read"), &fd), 0);
	assert_int_equal(act_as(&a, widen, &fd), EROFS);
	close(fd);
	assert_int_equal(peer_open(&peer, O_CREAT | O_EXCL, 0666, at("once/read2"), &fd), 0);
	assert_true(is_same(fd, at("once/read2")));
	assert_int_equal(act_as(&a, widen, &fd), EROFS);
	close(fd);
	/* The counter-check: one's own, opened as it lies. */
	fd = open(at("once/read"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(act_as(&a, widen, &fd), 1);
	close(fd);
}

static void
test_no_room(void **state)
{
	int made = 0, error;

	(void)state;
	while ((error = peer_open(&peer, creating, 0600, at("full/%d", made), NULL)) == 0)
		assert_true(made++ < 16);
	assert_int_equal(error, ENOSPC);
	assert_int_equal(made, 2);
	assert_int_equal(peer_open(&peer, creating | O_EXCL, 0600, at("full/x"), NULL), ENOSPC);
	assert_int_equal(peer_open(&peer, creating, 0600, at("full/0"), NULL), 0);
}

/* --- a policy that changes between the question and the answer -------------------------------- */

static void
reload_while_held(const char *more)
{
	const char *path = at("held/file");
	const struct wire_file file = {.flags = creating,
				       .mode = 0600,
				       .path = path,
				       .path_length = (uint32_t)strlen(path)};
	unsigned long generation = status_number(&broker, "generation");
	pid_t worker = worker_of(&broker, A);
	static struct told told;
	FILE *policy;

	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("held/file"), NULL), ENOENT);
	assert_true(worker > 0);
	assert_return_code(kill(worker, SIGSTOP), errno);
	peer_send(&peer, WIRE_OPEN, &file);
	policy = fopen(at("policy/test.policy"), "ae");
	assert_non_null(policy);
	fputs(more, policy);
	assert_int_equal(fclose(policy), 0);
	assert_return_code(kill(broker.pid, SIGHUP), errno);
	for (int i = 0; status_number(&broker, "generation") == generation; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(5);
	}
	/* It may have been killed by now, for it did not end when it was told to. */
	(void)kill(worker, SIGCONT);
	peer_receive(&peer, &told);
	assert_true(told.status == -1 || told.status == WIRE_STATUS_RETRY);
	assert_int_equal(access(path, F_OK), -1);
	peer_end(&peer);
	peer = peer_begin(A);
}

static void
test_policy_that_changes(void **state)
{
	static char line[256];

	(void)state;
	/* The counter-check: asked again by a policy that still permits it, it is made. */
	reload_while_held("# nothing\n");
	assert_int_equal(peer_open(&peer, creating, 0600, at("held/file"), NULL), 0);
	assert_return_code(unlink(at("held/file")), errno);
	snprintf(line, sizeof(line), "deny user:%u create %s\n", A, at("held/file"));
	reload_while_held(line);
	assert_int_equal(peer_open(&peer, creating, 0600, at("held/file"), NULL), EACCES);
	assert_int_equal(access(at("held/file"), F_OK), -1);
}

/* --- and while the worker is at it ------------------------------------------------------------ */

/* WIRE_ITEMS_MAX files of one request. */
static void
send_batch(void)
{
	static char paths[WIRE_ITEMS_MAX][128];
	struct wire_file files[WIRE_ITEMS_MAX];

	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) {
		int n = snprintf(paths[i], sizeof(paths[i]), "%s", at("held/%zu", i));

		files[i] = (struct wire_file){.flags = creating,
					      .mode = 0600,
					      .path = paths[i],
					      .path_length = (uint32_t)n};
	}
	peer_send_batch(&peer, files);
}

static unsigned
count_batch(bool remove_them)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WIRE_ITEMS_MAX; i++) {
		n += access(at("held/%u", i), F_OK) == 0;
		if (remove_them)
			(void)unlink(at("held/%u", i));
	}
	return n;
}

static void
await_stop(pid_t pid)
{
	char path[32], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; state != 'T'; i++) {
		FILE *file = fopen(path, "re");

		assert_true(file && i < WAIT_SECONDS * 1000);
		assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
		fclose(file);
	}
}

static void
test_policy_that_changes_meanwhile(void **state)
{
	unsigned long generation;
	struct reply reply;
	unsigned made = 0;
	pid_t worker;

	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("held/none"), NULL), ENOENT);
	worker = worker_of(&broker, A);
	/* Some of them, and not all. */
	for (unsigned i = 0;; i++) {
		const struct timespec moment = {.tv_nsec = i % 200 * 10000};

		assert_true(i < 20000);
		send_batch();
		nanosleep(&moment, NULL);
		assert_return_code(kill(worker, SIGSTOP), errno);
		await_stop(worker);
		made = count_batch(false);
		if (made > 0 && made < WIRE_ITEMS_MAX / 2)
			break;
		assert_return_code(kill(worker, SIGCONT), errno);
		raw_receive(peer.socket, 0, &reply);
		/* The counter-check: nothing else keeps the rest from being made. */
		assert_int_equal(reply.n_fds, WIRE_ITEMS_MAX);
		reply_drop(&reply);
		assert_int_equal(count_batch(true), WIRE_ITEMS_MAX);
	}
	generation = status_number(&broker, "generation");
	assert_return_code(kill(broker.pid, SIGHUP), errno);
	for (int i = 0; status_number(&broker, "generation") == generation; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(5);
	}
	(void)kill(worker, SIGCONT);
	raw_receive(peer.socket, 0, &reply);
	assert_int_equal(reply.n_fds, 0);
	/* One was perhaps past the last look already. */
	assert_in_range(count_batch(true), made, made + 1);
	peer_end(&peer);
	peer = peer_begin(A);
}

static void
test_end(void **state)
{
	(void)state;
	peer_end(&peer);
	assert_return_code(umount(at("full")), errno);
	assert_return_code(umount(at("rdonly")), errno);
	assert_int_equal(harness_stop(&broker), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_and_mode),
		cmocka_unit_test(test_what_directories_pass_on),
		cmocka_unit_test(test_refused_and_nothing_made),
		cmocka_unit_test(test_beyond_its_own_rights),
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_one_of_two),
		cmocka_unit_test(test_created_for_reading),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_policy_that_changes),
		cmocka_unit_test(test_policy_that_changes_meanwhile),
		cmocka_unit_test(test_end),
	};

	return asks_run("attack/create", tests, setup);
}
