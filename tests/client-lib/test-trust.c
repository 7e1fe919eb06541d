/* SPDX-License-Identifier: MIT */
/*
 * Whom the library takes for the broker: root, the caller's own user, and the one that it was told
 * to expect; with servers and clients of several users, set-id programs and user namespaces.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "fake-server.h"

enum {
	A = 61001, /* nobody on this machine */
	B = 61002,
	C = 61003,
	OVERFLOW = 65534,
};

static const char public[] = "/etc/passwd";
static char directory[64];

static int
make_directory_once(void **state)
{
	(void)state;
	make_directory(directory);
	return 0;
}

static int
remove_it(void **state)
{
	(void)state;
	remove_directory(directory);
	return 0;
}

static void
become(uid_t uid)
{
	CHECK(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
	/* The kernel makes /proc/self root's when ids change. */
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

/* "": not told. Makes a new connection: an old one was judged when it was made. */
static bool
opens_when_told(const char *uid)
{
	if (*uid)
		CHECK(setenv("FDBROKER_SERVER_UID", uid, 1) == 0);
	else
		CHECK(unsetenv("FDBROKER_SERVER_UID") == 0);
	close_range(3, ~0U, 0);
	errno = 0;
	if (opens(public))
		return true;
	CHECK(errno == ENOTCONN);
	return false;
}

/* --- users --------------------------------------------------------------------------------------
 */

static void
is_told(const struct server *server)
{
	/* None of these is 61001; some would be if they were read carelessly. */
	static const char *const others[] = {
		"61002",      "61003",      "6100",        "610010", " 61001",
		"61001 ",     "+61001",     "-1",          "0xee49", "61001x",
		"61001,0",    "x",          "-4294906295", "65534",  "4294967295",
		"4295028297", "4294967296", "00000061001", "1e9",
	};

	become(B);
	CHECK(!opens_when_told(""));
	CHECK(server->seen->requests == 0);
	for (size_t i = 0; i < ELEMENTS(others); i++)
		CHECK(!opens_when_told(others[i]));
	CHECK(server->seen->requests == 0);
	CHECK(opens_when_told("61001"));
	CHECK(server->seen->requests == 1);
	CHECK(!opens_when_told(""));
}

/* Who is told of one more still trusts those that everybody trusts. */
static void
trusts_whoever_is_told(const struct server *server)
{
	(void)server;
	become(B);
	CHECK(opens_when_told("61001"));
	CHECK(opens_when_told("nonsense"));
	CHECK(opens_when_told(""));
}

static void
serve_as(uid_t uid, void (*client)(const struct server *server))
{
	struct server server = {.answer = grant, .uid = uid};

	server_start(&server);
	client_run(client, &server);
	server_stop(&server);
	assert_return_code(unsetenv("FDBROKER_SERVER_UID"), errno);
}

static void
test_server_of_another(void **state)
{
	(void)state;
	if (needs_root())
		return;
	serve_as(A, is_told);
	serve_as(0, trusts_whoever_is_told);
	serve_as(B, trusts_whoever_is_told);
}

/* --- set-id programs ----------------------------------------------------------------------------
 */

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

/* As user B: its status is 0 or the errno value that broker_open() gave. */
static int
run_program(const char *program)
{
	int status = -1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		become(B);
		execl(program, program, "open", public, NULL);
		_exit(255);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/*
 * A set-id program looks for the socket at the default place alone: in a mount namespace of its own
 * that is the server's directory.
 */
static void
runs_programs(const struct server *server)
{
	char program[96];

	snprintf(program, sizeof(program), "%s/program", directory);
	CHECK(unshare(CLONE_NEWNS) == 0);
	/* In a plain chroot "/" is no mount point, and what is mounted here would be seen outside. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno == EINVAL) {
		printf("# not in a chroot: set-id programs are not tried\n");
		CHECK(!getenv("CI"));
		return;
	}
	CHECK(mount("none", "/run", "tmpfs", 0, NULL) == 0);
	CHECK(symlink(server->directory, "/run/fdbroker") == 0);
	CHECK(unsetenv("FDBROKER_SOCKET") == 0);
	CHECK(run_program(program) == ENOTCONN);
	CHECK(setenv("FDBROKER_SERVER_UID", "61001", 1) == 0);
	CHECK(run_program(program) == 0);
	CHECK(server->seen->requests == 1);
	CHECK(chown(program, C, C) == 0 && chmod(program, 04755) == 0);
	CHECK(run_program(program) == ENOTCONN);
	CHECK(chmod(program, 02755) == 0);
	CHECK(run_program(program) == ENOTCONN);
	CHECK(server->seen->requests == 1);
	CHECK(chmod(program, 0755) == 0);
	CHECK(run_program(program) == 0);
	CHECK(server->seen->requests == 2);
	/* What is refused there is who the server is: the program's own user is trusted. */
	CHECK(chown(program, A, A) == 0 && chmod(program, 04755) == 0);
	CHECK(run_program(program) == 0);
	/* Nor is it told where the server is. */
	CHECK(unlink("/run/fdbroker") == 0);
	CHECK(setenv("FDBROKER_SOCKET", server->path, 1) == 0);
	CHECK(run_program(program) == ENOTCONN);
	CHECK(chmod(program, 0755) == 0);
	CHECK(run_program(program) == 0);
}

static void
test_set_id_program(void **state)
{
	struct statvfs status;
	char program[96];

	(void)state;
	if (needs_root())
		return;
	assert_return_code(statvfs(directory, &status), errno);
	if (status.f_flag & ST_NOSUID)
		fail_msg("%s is on a file system without set-id programs", directory);
	snprintf(program, sizeof(program), "%s/program", directory);
	copy_self(program);
	serve_as(A, runs_programs);
}

/* --- user namespaces ----------------------------------------------------------------------------
 */

static void
write_text(const char *path, const char *map)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map));
	close(fd);
}

/* User B, in a user namespace of its own, where it has these ids; NULL: it has none. */
static void
leave(const char *uid, const char *gid)
{
	char map[64];

	become(B);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	if (!uid)
		return;
	snprintf(map, sizeof(map), "%s 61002 1", uid);
	write_text("/proc/self/uid_map", map);
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%s 61002 1", gid);
	write_text("/proc/self/gid_map", map);
}

/* Outside of a namespace nothing is in the way. */
static void
sees_all(const struct server *server)
{
	(void)server;
	become(B);
	CHECK(opens_when_told(""));
}

static void
sees_only_itself(const struct server *server)
{
	leave("61002", "61002");
	CHECK(geteuid() == B);
	CHECK(!opens_when_told(""));
	CHECK(!opens_when_told("0"));
	CHECK(server->seen->requests == 0);
	CHECK(opens_when_told("65534"));
	CHECK(server->seen->requests == 1);
}

static void
sees_itself_as_root(const struct server *server)
{
	leave("0", "0");
	CHECK(geteuid() == 0);
	CHECK(!opens_when_told(""));
	CHECK(server->seen->requests == 0);
	CHECK(opens_when_told("65534"));
}

/* Without an id it cannot say who it is, so there is nothing to be had from anybody. */
static void
has_no_id(const struct server *server)
{
	leave(NULL, NULL);
	CHECK(geteuid() == OVERFLOW);
	CHECK(!opens_when_told(""));
	CHECK(!opens_when_told("65534"));
	CHECK(server->seen->requests == 0);
}

/* The server is a stranger and looks like 65534, which is what the client is called here. */
static void
is_called_nobody(const struct server *server)
{
	leave("65534", "61002");
	CHECK(geteuid() == OVERFLOW);
	CHECK(!opens_when_told(""));
	CHECK(server->seen->requests == 0);
	CHECK(opens_when_told("65534"));
}

/* Its own user's server it knows. */
static void
sees_its_own(const struct server *server)
{
	leave("61002", "61002");
	CHECK(opens_when_told(""));
	CHECK(server->seen->requests == 1);
}

/* Told to trust 65534 it trusts whoever is outside of the map, as the manual says. */
static void
cannot_tell_strangers(const struct server *server)
{
	leave("61002", "61002");
	CHECK(!opens_when_told(""));
	CHECK(server->seen->requests == 0);
	CHECK(opens_when_told("65534"));
}

static void
test_user_namespaces(void **state)
{
	(void)state;
	if (needs_root())
		return;
	serve_as(0, sees_all);
	serve_as(0, sees_only_itself);
	serve_as(0, sees_itself_as_root);
	serve_as(0, has_no_id);
	serve_as(A, is_called_nobody);
	serve_as(B, sees_its_own);
	serve_as(A, cannot_tell_strangers);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_of_another),
		cmocka_unit_test(test_set_id_program),
		cmocka_unit_test(test_user_namespaces),
	};

	if (argc == 3 && strcmp(argv[1], "open") == 0)
		_exit(broker_open(argv[2], O_RDONLY) < 0 ? errno : 0);
	return cmocka_run_group_tests_name("client-lib/trust", tests, make_directory_once,
					   remove_it);
}
