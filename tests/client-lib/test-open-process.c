/* SPDX-License-Identifier: MIT */
/*
 * broker_open() in processes that fork, start threads, change their ids, or must not believe their
 * environment.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "fake-server.h"

enum {
	A = 61001, /* nobody on this machine */
	B = 61002,
	C = 61003,
	FILES = 8,
	OPENS = 500,
};

static const char public[] = "/etc/passwd";
static char directory[64], files[FILES][96];

static int
make_files(void **state)
{
	(void)state;
	make_directory(directory);
	for (int i = 0; i < FILES; i++) {
		snprintf(files[i], sizeof(files[i]), "%s/%d", directory, i);
		write_file(files[i], "");
	}
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	remove_directory(directory);
	return 0;
}

/* --- one process, several -----------------------------------------------------------------------
 */

static void
leaves_errno_alone(const struct server *server)
{
	int fd;

	(void)server;
	for (int i = 0; i < 3; i++) {
		errno = 4711;
		fd = broker_open(public, O_RDONLY);
		CHECK(fd >= 0 && errno == 4711);
		close(fd);
	}
	CHECK(fails("/none", ENOENT));
}

static void
test_errno(void **state)
{
	(void)state;
	with_server(leaves_errno_alone, 1);
}

static void
forks(const struct server *server)
{
	int status = -1;
	pid_t pid;

	CHECK(opens(files[0]));
	pid = fork();
	CHECK(pid >= 0);
	for (int i = 0; i < OPENS; i++)
		CHECK(opens(files[pid == 0 ? 1 + i % 3 : 4 + i % 3]));
	CHECK(server->seen->accepted == 2 || pid != 0);
	if (pid == 0)
		_exit(0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
test_fork(void **state)
{
	(void)state;
	with_server(forks, 2);
}

static void *
open_many(void *path)
{
	uintptr_t failed = 0;

	for (int i = 0; i < OPENS; i++)
		failed += !opens(path);
	return (void *)failed;
}

static void
starts_threads(const struct server *server)
{
	pthread_t threads[FILES];
	int before = count_fds(0);

	(void)server;
	for (int i = 0; i < FILES; i++)
		CHECK(pthread_create(&threads[i], NULL, open_many, files[i]) == 0);
	for (int i = 0; i < FILES; i++) {
		void *failed = threads;

		CHECK(pthread_join(threads[i], &failed) == 0 && !failed);
	}
	/* Each closed its connection when it ended. */
	CHECK(count_fds(0) == before);
}

static void
test_threads(void **state)
{
	(void)state;
	with_server(starts_threads, FILES);
}

/* --- ids ----------------------------------------------------------------------------------------
 */

static void
changes_ids(const struct server *server)
{
	const struct ucred *peer = &server->seen->peer;

	CHECK(opens(public));
	CHECK(peer->uid == 0 && server->seen->accepted == 1);
	CHECK(seteuid(A) == 0 && opens(public));
	CHECK(peer->uid == A && server->seen->accepted == 2);
	CHECK(seteuid(0) == 0 && opens(public));
	CHECK(peer->uid == 0 && peer->gid == 0 && server->seen->accepted == 3);
	CHECK(setegid(B) == 0 && opens(public));
	CHECK(peer->uid == 0 && peer->gid == B && server->seen->accepted == 4);
	CHECK(opens(public) && server->seen->accepted == 4);
	CHECK(setegid(0) == 0);
}

static void
test_changed_ids(void **state)
{
	(void)state;
	if (!needs_root())
		with_server(changes_ids, 4);
}

/* The kernel makes /proc/self root's when ids change. */
static void
become(uid_t uid)
{
	CHECK(setresuid(uid, uid, uid) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

static void
refuses_a_stranger(const struct server *server)
{
	int before = count_fds(0);

	become(B);
	CHECK(fails(public, ENOTCONN));
	CHECK(count_fds(0) == before);
	CHECK(server->seen->requests == 0);
}

static void
trusts_root_and_itself(const struct server *server)
{
	(void)server;
	become(B);
	CHECK(opens(public));
}

static void
refuses_a_user_as_root(const struct server *server)
{
	CHECK(fails(public, ENOTCONN));
	CHECK(server->seen->requests == 0);
}

static void
test_server_of_another(void **state)
{
	static const struct {
		uid_t server;
		void (*client)(const struct server *server);
		unsigned requests;
	} cases[] = {
		{A, refuses_a_stranger, 0},
		{A, refuses_a_user_as_root, 0},
		{B, trusts_root_and_itself, 1},
		{0, trusts_root_and_itself, 1},
	};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct server server = {.answer = grant, .uid = cases[i].server};

		server_start(&server);
		client_run(cases[i].client, &server);
		assert_int_equal(server.seen->requests, cases[i].requests);
		server_stop(&server);
	}
}

/* --- the environment ----------------------------------------------------------------------------
 */

static void
refuses_paths(const struct server *server)
{
	static const char *const paths[] = {
		"", "socket", "./socket", "@", "@fdbroker", "/", "/none", "/dev/null",
	};
	char path[128] = "/tmp/";
	int before = count_fds(0);

	CHECK(chdir(server->directory) == 0);
	for (size_t i = 0; i < ELEMENTS(paths); i++) {
		CHECK(setenv("FDBROKER_SOCKET", paths[i], 1) == 0);
		CHECK(fails(public, ENOTCONN));
	}
	/* With no room for a NUL, and longer. */
	for (size_t length = 108; length < 111; length++) {
		memset(path + 5, 'x', length - 5);
		CHECK(setenv("FDBROKER_SOCKET", path, 1) == 0);
		CHECK(fails(public, ENOTCONN));
	}
	CHECK(unsetenv("FDBROKER_SOCKET") == 0);
	if (access(BROKER_SOCKET_DEFAULT, F_OK) < 0)
		CHECK(fails(public, ENOTCONN));
	CHECK(count_fds(0) == before);
}

static void
test_socket_paths(void **state)
{
	(void)state;
	with_server(refuses_paths, 0);
}

static void
opens_once(const struct server *server)
{
	(void)server;
	CHECK(opens(public));
}

/* 107 bytes are the most, and work. */
static void
test_longest_socket_path(void **state)
{
	struct server server = {.answer = grant};

	(void)state;
	make_directory(server.directory);
	snprintf(server.path, sizeof(server.path), "%s/", server.directory);
	memset(server.path + strlen(server.path), 'x', 107 - strlen(server.path));
	server_start(&server);
	client_run(opens_once, &server);
	server_stop(&server);
}

/* In a mount namespace of its own, where /run/fdbroker leads to the server's directory. */
static void
finds_the_default(const struct server *server)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	/* In a plain chroot "/" is no mount point, and what is mounted here would be seen outside. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno == EINVAL) {
		printf("# not in a chroot: the default socket is not tried\n");
		CHECK(!getenv("CI"));
		CHECK(opens(public) && opens(public));
		return;
	}
	CHECK(mount("none", "/run", "tmpfs", 0, NULL) == 0);
	CHECK(symlink(server->directory, "/run/fdbroker") == 0);
	CHECK(unsetenv("FDBROKER_SOCKET") == 0);
	CHECK(opens(public));
	CHECK(setenv("FDBROKER_SOCKET", "", 1) == 0);
	CHECK(close_range(3, ~0U, 0) == 0);
	CHECK(opens(public));
}

static void
test_default_socket(void **state)
{
	(void)state;
	if (!needs_root())
		with_server(finds_the_default, 2);
}

/* Runs as another program, which may be set-id: 0 or the errno value is its status. */
static int
open_as_program(const char *path)
{
	int fd = broker_open(path, O_RDONLY);

	return fd < 0 ? errno : 0;
}

static int
run_program(const char *program)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		execl(program, program, "open", public, NULL);
		_exit(255);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
copy_self(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	char bytes[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static void
test_set_id_program(void **state)
{
	struct server server = {.answer = grant};
	struct statvfs status;
	char program[96];

	(void)state;
	if (needs_root())
		return;
	snprintf(program, sizeof(program), "%s/program", directory);
	copy_self(program);
	server_start(&server);
	assert_int_equal(run_program(program), 0);
	assert_int_equal(server.seen->accepted, 1);
	assert_return_code(statvfs(directory, &status), errno);
	if (status.f_flag & ST_NOSUID)
		fail_msg("%s is on a file system without set-id programs", directory);
	assert_return_code(chown(program, C, C), errno);
	assert_return_code(chmod(program, 04755), errno);
	assert_int_not_equal(run_program(program), 0);
	assert_return_code(chmod(program, 02755), errno);
	assert_int_not_equal(run_program(program), 0);
	assert_int_equal(server.seen->accepted, 1);
	assert_return_code(chmod(program, 0755), errno);
	assert_int_equal(run_program(program), 0);
	server_stop(&server);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_changed_ids),
		cmocka_unit_test(test_server_of_another),
		cmocka_unit_test(test_socket_paths),
		cmocka_unit_test(test_longest_socket_path),
		cmocka_unit_test(test_default_socket),
		cmocka_unit_test(test_set_id_program),
	};

	if (argc == 3 && strcmp(argv[1], "open") == 0)
		_exit(open_as_program(argv[2]));
	return cmocka_run_group_tests_name("client-lib/open-process", tests, make_files,
					   remove_files);
}
