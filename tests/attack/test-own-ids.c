/* SPDX-License-Identifier: MIT */
/*
 * A uid of its own for each worker, if /etc/subuid has a range for the helpers' account: against a
 * real broker that sees an /etc/subuid of ours, and may have few descriptors on their way.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "tests/people.h"

enum {
	A = 61001,
	B = 61002,
	STRANGER = 61003, /* in no rule */
	FIRST = 300000,   /* of the range */
	LIMIT = 400,      /* descriptors; the kernel counts those on their way against it */
	CONNECTIONS = 6,  /* each with two full answers unread */
	BATCHES = 2,
	WORKERS = 8, /* no more run here */
};

static const char account[] = "games";
static const char rules[] = "allow user:61001|user:61002 read @/data/**\n";
static char subuid[96];

static int
prepare(void *context)
{
	const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};

	(void)context;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(subuid, "/etc/subuid", NULL, MS_BIND, NULL) < 0)
		return -1;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static void
reload_with(const char *owner, uid_t first, unsigned n)
{
	char line[64];

	snprintf(line, sizeof(line), "%s:%u:%u\n", owner, first, n);
	write_file(subuid, line);
	harness_reload(&broker);
}

/* --- who the workers are ----------------------------------------------------------------- */

struct seen {
	pid_t pid;
	uid_t ids[4]; /* real, effective, saved, of the file system */
};

/* A worker of this broker? */
static bool
look_at(pid_t pid, struct seen *ret_seen)
{
	char path[64], text[256];
	int parent = 0, found = 0;
	FILE *file;

	*ret_seen = (struct seen){.pid = pid};
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(text, sizeof(text), file)) {
		(void)sscanf(text, "PPid: %d", &parent);
		found += sscanf(text, "Uid: %u %u %u %u", &ret_seen->ids[0], &ret_seen->ids[1],
				&ret_seen->ids[2], &ret_seen->ids[3]) == 4;
	}
	if (file)
		fclose(file);
	if (parent != broker.pid || found != 1)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	return strncmp(text, "fdbroker-worker: ", 17) == 0;
}

static size_t
look_at_all(struct seen seen[WORKERS])
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	assert_non_null(proc);
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) && n < WORKERS)
			n += look_at(atoi(entry->d_name), &seen[n]);
	closedir(proc);
	return n;
}

/* Have workers of A, of B and of ourselves, beside the refuser. */
static size_t
start_all(struct seen seen[WORKERS])
{
	size_t n;

	assert_int_equal(ask_as(&broker, &(struct ids){.uid = A, .gid = A}, "x"), EACCES);
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = B, .gid = B}, "x"), EACCES);
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = STRANGER, .gid = STRANGER}, "x"),
			 EACCES);
	assert_served(&broker);
	n = look_at_all(seen);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(seen[i].ids[1], seen[i].ids[0]);
		assert_int_equal(seen[i].ids[2], seen[i].ids[0]);
	}
	return n;
}

static void
assert_own_ids(void)
{
	struct seen seen[WORKERS];
	size_t n = start_all(seen), of_peers = 0;

	for (size_t i = 0; i < n; i++) {
		assert_in_range(seen[i].ids[0], FIRST, FIRST + IPC_WORKERS_MAX - 1);
		for (size_t other = 0; other < i; other++)
			assert_int_not_equal(seen[i].ids[0], seen[other].ids[0]);
		of_peers += seen[i].ids[3] == A || seen[i].ids[3] == B || seen[i].ids[3] == 0;
	}
	/* The file system ids are the peers' as ever. */
	assert_int_equal(of_peers, 3);
}

static void
assert_one_id(void)
{
	const uid_t own = getpwnam(account)->pw_uid;
	struct seen seen[WORKERS];
	size_t n = start_all(seen);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(seen[i].ids[0], own);
}

static void
test_own_ids(void **state)
{
	(void)state;
	if (needs_root())
		return;
	reload_with(account, FIRST, IPC_WORKERS_MAX);
	assert_own_ids();
}

static void
test_no_range_of_use(void **state)
{
	(void)state;
	if (needs_root())
		return;
	reload_with(account, FIRST, IPC_WORKERS_MAX - 1);
	assert_one_id();
	reload_with(account, 65535, 65536);
	assert_one_id();
	reload_with("bin", FIRST, 65536);
	assert_one_id();
	write_file(subuid, "");
	harness_reload(&broker);
	assert_one_id();
}

/* It is another user's process, and the broker has the one capability that ends it. */
static void
test_one_that_hangs_is_ended(void **state)
{
	struct seen seen[WORKERS];

	(void)state;
	if (needs_root())
		return;
	reload_with(account, FIRST, IPC_WORKERS_MAX);
	(void)start_all(seen);
	for (size_t i = 0; i < 4; i++)
		if (seen[i].ids[3] == A)
			assert_return_code(kill(seen[i].pid, SIGSTOP), errno);
	harness_reload(&broker);
	for (size_t i = 0; i < 4; i++)
		for (int tries = 0; kill(seen[i].pid, 0) == 0; tries++) {
			assert_true(tries < WAIT_SECONDS * 100);
			sleep_ms(10);
		}
	assert_own_ids();
}

/* --- descriptors on their way ------------------------------------------------------------ */

static int
send_as(int socket, uid_t uid, const void *bytes, size_t size)
{
	const struct ucred self = {.pid = getpid(), .uid = uid, .gid = uid};

	return raw_send(socket, &(struct raw){.bytes = bytes, .size = size, .credentials = &self});
}

/* A leaves answers unread until its worker can send no more. What does B get? */
static int
ask_beside_one_that_does_not_read(void)
{
	static char batch[WIRE_MESSAGE_MAX];
	const struct ids a = {.uid = A, .gid = A}, b = {.uid = B, .gid = B};
	const size_t size = raw_greatest_request(batch);
	int sockets[CONNECTIONS], other, status;
	size_t refused = 0;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		sockets[i] = connect_as(&broker, &a);
		for (size_t n = 0; n < BATCHES; n++)
			assert_int_equal(send_as(sockets[i], A, batch, size), 0);
		sleep_ms(50);
	}
	other = connect_as(&broker, &b);
	assert_int_equal(send_as(other, B, batch, size), 0);
	status = raw_take_all(other);
	close(other);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		for (size_t n = 0; n < BATCHES; n++)
			refused += raw_take_all(sockets[i]) == EBUSY;
		close(sockets[i]);
	}
	printf("# %zu of %d answers to one were refused, to another: %d\n", refused,
	       CONNECTIONS * BATCHES, status);
	assert_true(refused > 0);
	return status;
}

static void
test_on_their_way(void **state)
{
	(void)state;
	if (needs_root())
		return;
	reload_with(account, FIRST, IPC_WORKERS_MAX);
	assert_int_equal(ask_beside_one_that_does_not_read(), 0);
	/* All workers are one user to the kernel. */
	reload_with("bin", FIRST, IPC_WORKERS_MAX);
	assert_int_equal(ask_beside_one_that_does_not_read(), EBUSY);
}

static int
setup(void **state)
{
	static char directory[64];

	(void)state;
	make_directory(directory);
	snprintf(subuid, sizeof(subuid), "%s/subuid", directory);
	write_file(subuid, "");
	assert_return_code(chmod(subuid, 0644), errno);
	harness_start_how(&broker, &(struct harness_how){
					   .rules = rules,
					   .user = geteuid() == 0 ? account : NULL,
					   .prepare = geteuid() == 0 ? prepare : NULL,
				   });
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_ids),
		cmocka_unit_test(test_no_range_of_use),
		cmocka_unit_test(test_one_that_hangs_is_ended),
		cmocka_unit_test(test_on_their_way),
	};

	return cmocka_run_group_tests_name("attack/own-ids", tests, setup, harness_teardown);
}
