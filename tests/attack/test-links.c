/* SPDX-License-Identifier: MIT */
/*
 * Symbolic links against a real broker: a rule with symlinks=no follows none, one with symlinks=beneath
 * has the path decided anew that the link names.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/asks.h"

enum {
	EXCHANGES = 3000,
};

static char rules[1024];
static pid_t owner_of_magic;

/* A process of the peer's, whose links in /proc lead to what the peer itself may open. */
static int
hold_open(void *wire)
{
	if (open(at("target/file"), O_RDONLY) < 0 || open(at("secret/file"), O_RDONLY) < 0)
		return 1;
	return wait_told(*(int *)wire);
}

static int wires[2];

static void
make_links(void)
{
	static const char *const links[][2] = {
		{"relative", "../target/file"},
		{"chain", "chain2"},
		{"chain2", "chain3"},
		{"chain3", "relative"},
		{"loop", "loop"},
		{"loop1", "loop2"},
		{"loop2", "loop1"},
		{"dir", "../target"},
		{"sub", "./././inner"},
		{"middle", "inner/../plain"},
		{"behind", "plain/.."},
		{"secret", "../secret/file"},
		{"secret-none", "../secret/none"},
		{"secret-dir", "../secret"},
		{"denied", "../target/denied"},
		{"other", "../no/plain"},
		{"into-no", "../no/relative"},
		{"make", "made"},
		{"make-else", "../target/made"},
		{"l1", "l2"},
		{"l2", "l3"},
		{"l3", "l4"},
		{"l4", "l5"},
		{"l5", "l6"},
		{"l6", "l7"},
		{"l7", "l8"},
		{"l8", "l9"},
		{"l9", "plain"},
		{"shell", "/etc/shadow"},
		{"root", "/"},
		{"dangling", "../target/none"},
		{"slash", "plain/"},
		{"slash-dir", "../target//"},
		{"dot", "plain/."},
		{"dot-dir", "../target/./."},
		{"dot-none", "none/."},
	};

	for (size_t i = 0; i < ELEMENTS(links); i++) {
		assert_return_code(symlink(links[i][1], at("yes/%s", links[i][0])), errno);
		assert_return_code(symlink(links[i][1], at("no/%s", links[i][0])), errno);
	}
	assert_return_code(symlink(at("target/file"), at("yes/absolute")), errno);
	assert_return_code(symlink(at("target/file"), at("no/absolute")), errno);
	/* Up, past the root, and down again. */
	for (int i = 0; i < 2; i++) {
		char up[512] = "";

		for (int k = 0; k < 30; k++)
			strcat(up, k ? "/.." : "..");
		strncat(up, at("target/file"), sizeof(up) - strlen(up) - 1);
		assert_return_code(symlink(up, at("%s/up", i ? "yes" : "no")), errno);
	}
}

static int
setup(void **state)
{
	static const char *const directories[] = {"yes",      "yes/inner", "no",
						  "no/inner", "target",    "secret"};
	static const char *const files[] = {"yes/plain",    "no/plain",      "target/file",
					    "secret/file",  "target/denied", "yes/inner/file",
					    "no/inner/file"};
	const struct ids a = {.uid = A, .gid = A};

	(void)state;
	snprintf(rules, sizeof(rules),
		 "allow user:%u read,list @/no/** @/target/**\n"
		 "allow user:%u read,write,create,list @/yes/** symlinks=beneath\n"
		 "allow user:%u read,list /proc/*/** symlinks=beneath strictmodes=no\n"
		 "deny user:%u any @/target/denied\n",
		 A, A, A, A);
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_dir(at("%s", directories[i]), 0, 0755);
	for (size_t i = 0; i < ELEMENTS(files); i++)
		make_file(at("%s", files[i]), 0, 0644, files[i]);
	make_links();
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires), errno);
	owner_of_magic = act_begin(&a, hold_open, &wires[1]);
	peer = peer_begin(A);
	return 0;
}

/* By the rule with symlinks=no: whatever they name, as the last component and before it. */
static void
test_not_followed(void **state)
{
	static const char *const links[] = {"absolute", "relative", "up",   "chain",  "dangling",
					    "loop",     "loop1",    "dir",  "secret", "shell",
					    "other",    "denied",   "root", "sub"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(links); i++) {
		const char *link = at("no/%s", links[i]);
		struct statx object;

		assert_int_equal(peer_open(&peer, O_RDONLY, 0, link, NULL), ELOOP);
		assert_int_equal(peer_open(&peer, O_RDONLY | O_NOFOLLOW, 0, link, NULL), ELOOP);
		assert_int_equal(peer_stat(&peer, 0, link, NULL), ELOOP);
		assert_int_equal(peer_list(&peer, link, NULL), ELOOP);
		/* Of the link itself something may be known. */
		assert_int_equal(peer_stat(&peer, AT_SYMLINK_NOFOLLOW, link, &object), 0);
		assert_true(S_ISLNK(object.stx_mode));
		link = at("no/%s/file", links[i]);
		assert_int_equal(peer_open(&peer, O_RDONLY, 0, link, NULL), ELOOP);
		assert_int_equal(peer_stat(&peer, 0, link, NULL), ELOOP);
		assert_int_equal(peer_stat(&peer, AT_SYMLINK_NOFOLLOW, link, NULL), ELOOP);
		assert_int_equal(peer_list(&peer, link, NULL), ELOOP);
	}
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("no/plain/.."), NULL), EINVAL);
}

struct link_case {
	const char *link;
	int error;
	const char *leads_to;
};

static void
check_link(const struct link_case *c)
{
	const char *link = at("yes/%s", c->link);
	struct statx object;
	struct stat wanted;
	int fd = -1, error = peer_open(&peer, O_RDONLY, 0, link, &fd);

	if (error != c->error)
		fail_msg("%s: %d, not %d", c->link, error, c->error);
	if (c->error != EISDIR)
		assert_int_equal(peer_stat(&peer, 0, link, &object), c->error);
	if (error != 0)
		return;
	assert_true(is_same(fd, at("%s", c->leads_to)));
	close(fd);
	assert_return_code(stat(at("%s", c->leads_to), &wanted), errno);
	assert_int_equal(object.stx_ino, wanted.st_ino);
}

static void
test_decided_anew(void **state)
{
	static const struct link_case cases[] = {
		{"absolute", 0, "target/file"},
		{"relative", 0, "target/file"},
		{"up", 0, "target/file"},
		{"chain", 0, "target/file"},
		{"dir/file", 0, "target/file"},
		{"sub/file", 0, "yes/inner/file"},
		{"other", 0, "no/plain"},
		{"dir", EISDIR, NULL},
		{"dir/none", ENOENT, NULL},
		{"dir/file/x", ENOTDIR, NULL},
		{"dangling", ENOENT, NULL},
		{"loop", ELOOP, NULL},
		{"loop1", ELOOP, NULL},
		{"loop/file", ELOOP, NULL},
		{"middle", ELOOP, NULL},
		{"behind", ELOOP, NULL},
		{"into-no", ELOOP, NULL},
		/* Which asks for a directory. */
		{"slash", ENOTDIR, NULL},
		{"slash-dir/file", 0, "target/file"},
		{"dot", ENOTDIR, NULL},
		{"dot-dir", EISDIR, NULL},
		{"dot-dir/file", 0, "target/file"},
		{"dot-none", ENOENT, NULL},
		/* Nothing is told of where no rule reaches: what is there, and what is not. */
		{"secret", EACCES, NULL},
		{"secret-none", EACCES, NULL},
		{"secret-dir", EACCES, NULL},
		{"secret-dir/file", EACCES, NULL},
		{"secret-dir/file/none", EACCES, NULL},
		{"secret-dir/none/none", EACCES, NULL},
		{"denied", EACCES, NULL},
		{"dir/denied", EACCES, NULL},
		{"shell", EACCES, NULL},
		{"root", EACCES, NULL},
		{"root/etc/passwd", EACCES, NULL},
		/* Eight are followed. */
		{"l2", 0, "yes/plain"},
		{"l1", ELOOP, NULL},
	};
	char *names = NULL;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		check_link(&cases[i]);
	/* The record has the path that was decided on, and the one that was asked for. */
	log_wait(1, "/secret/file\"", "/yes/secret\"");
	assert_int_equal(log_count("granted", "/secret/"), 0);
	assert_int_equal(peer_list(&peer, at("yes/sub"), &names), 0);
	assert_string_equal(names, "file/");
	free(names);
	assert_int_equal(peer_list(&peer, at("yes/dir"), &names), 0);
	assert_string_equal(names, "file/");
	free(names);
	assert_int_equal(peer_list(&peer, at("yes/secret-dir"), NULL), EACCES);
	/* The counter-check: all that open(2) follows. */
	for (int fd, i = 0; i < 3; i++) {
		static const char *const escapes[] = {"yes/secret", "no/secret",
						      "no/secret-dir/file"};

		fd = open(at("%s", escapes[i]), O_RDONLY | O_CLOEXEC);
		assert_true(is_same(fd, at("secret/file")));
		close(fd);
	}
}

static void
test_flags_on_links(void **state)
{
	static const char *const directories[] = {"slash", "dot", "dot-none"};
	struct statx object;
	unsigned before = count_names();
	int fd = -1;

	(void)state;
	assert_int_equal(peer_open(&peer, O_NOFOLLOW, 0, at("yes/relative"), NULL), ELOOP);
	/* Of the last component alone, as in open(2). */
	assert_int_equal(peer_open(&peer, O_NOFOLLOW, 0, at("yes/dir/file"), &fd), 0);
	assert_true(is_same(fd, at("target/file")));
	close(fd);
	assert_int_equal(peer_stat(&peer, AT_SYMLINK_NOFOLLOW, at("yes/relative"), &object), 0);
	assert_true(S_ISLNK(object.stx_mode));
	assert_int_equal(peer_stat(&peer, AT_SYMLINK_NOFOLLOW, at("yes/dir/file"), &object), 0);
	assert_true(S_ISREG(object.stx_mode));
	assert_int_equal(peer_open(&peer, O_RDWR | O_CREAT | O_EXCL, 0600, at("yes/make"), NULL),
			 EEXIST);
	assert_int_equal(peer_open(&peer, O_RDWR | O_CREAT | O_EXCL, 0600, at("yes/secret"), NULL),
			 EEXIST);
	assert_int_equal(
		peer_open(&peer, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, at("yes/make"), NULL), ELOOP);
	assert_int_equal(peer_open(&peer, O_RDWR | O_CREAT, 0600, at("yes/make-else"), NULL),
			 EACCES);
	assert_int_equal(peer_open(&peer, O_RDWR | O_CREAT, 0600, at("yes/secret-none"), NULL),
			 EACCES);
	/* Also where open(2) asks whether there is a directory. */
	for (size_t i = 0; i < ELEMENTS(directories); i++) {
		const char *link = at("yes/%s", directories[i]);

		assert_int_equal(open(link, O_RDWR | O_CREAT | O_CLOEXEC, 0600), -1);
		assert_int_equal(peer_open(&peer, O_RDWR | O_CREAT, 0600, link, NULL), errno);
		assert_int_equal(peer_open(&peer, O_WRONLY | O_TRUNC, 0600, link, NULL),
				 i == 2 ? ENOENT : ENOTDIR);
	}
	assert_int_equal(count_names(), before);
	assert_int_equal(peer_open(&peer, O_RDWR | O_CREAT, 0600, at("yes/make"), &fd), 0);
	assert_true(is_same(fd, at("yes/made")));
	close(fd);
	assert_int_equal(count_names(), before + 1);
}

/* Links of /proc lead to what has no name, or a name that no rule has. */
static int
open_magic(void *link)
{
	int fd = open(link, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && is_same(fd, at("secret/file")) ? 0 : 1;
}

static void
test_magic_links(void **state)
{
	static const char *const links[] = {"exe", "root/etc/passwd", "cwd/Makefile", "root",
					    "cwd", "ns/mnt"};
	const struct ids a = {.uid = A, .gid = A};
	char path[256];
	int error, seen = 0;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(links); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", owner_of_magic, links[i]);
		error = peer_open(&peer, O_RDONLY, 0, path, NULL);
		if (error != EACCES && error != ELOOP && error != ENOENT)
			fail_msg("%s: %d", path, error);
	}
	for (int i = 0; i < 64; i++) {
		int fd = -1;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", owner_of_magic, i);
		seen += act_as(&a, open_magic, path) == 0;
		error = peer_open(&peer, O_RDONLY, 0, path, &fd);
		if (error != 0)
			continue;
		assert_true(is_same(fd, at("target/file")));
		close(fd);
	}
	/* The counter-check: the peer itself gets there. */
	assert_int_equal(seen, 1);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, "/proc/self/exe", NULL), EACCES);
}

/* --- a link that changes ------------------------------------------------------------------- */

static void __attribute__((noreturn)) exchange(void)
{
	static const char *const targets[] = {"../target/file", "../secret/file"};
	static char changing[256], next[256];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(changing, sizeof(changing), "%s", at("yes/changing"));
	snprintf(next, sizeof(next), "%s", at("yes/next"));
	for (unsigned i = 0;; i++)
		if (symlink(targets[i % 2], next) < 0 || rename(next, changing) < 0)
			_exit(1);
}

/* Reads the link, decides, and opens what was named. Did it get what it decided against? */
static bool
naive_loses(void)
{
	char target[64];
	ssize_t n = readlink(at("yes/changing"), target, sizeof(target));
	bool lost;
	int fd;

	if (n <= 0 || !memmem(target, (size_t)n, "target", 6))
		return false;
	fd = open(at("yes/changing"), O_RDONLY | O_CLOEXEC);
	lost = fd >= 0 && is_same(fd, at("secret/file"));
	close(fd);
	return lost;
}

static void
test_link_that_changes(void **state)
{
	unsigned granted = 0, refused = 0;
	double end = seconds_now() + 60;
	bool lost = false;
	pid_t pid;

	(void)state;
	assert_return_code(symlink("../target/file", at("yes/changing")), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		exchange();
	for (int i = 0; i < EXCHANGES || (seconds_now() < end && !(granted && refused)); i++) {
		int fd = -1, error = peer_open(&peer, O_RDONLY, 0, at("yes/changing"), &fd);

		granted += error == 0;
		refused += error == EACCES;
		if (error != 0 && error != EACCES && error != ELOOP && error != EAGAIN)
			fail_msg("error %d", error);
		if (error != 0)
			continue;
		assert_true(is_same(fd, at("target/file")));
		close(fd);
	}
	while (!lost && seconds_now() < end)
		lost = naive_loses();
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(granted > 0 && refused > 0);
	assert_true(lost);
}

static void
test_end(void **state)
{
	assert_int_equal(tell(wires[0]), 0);
	assert_int_equal(act_end(owner_of_magic), 0);
	close(wires[0]);
	close(wires[1]);
	peer_end(&peer);
	harness_test_end(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_followed),      cmocka_unit_test(test_decided_anew),
		cmocka_unit_test(test_flags_on_links),    cmocka_unit_test(test_magic_links),
		cmocka_unit_test(test_link_that_changes), cmocka_unit_test(test_end),
	};

	return asks_run("attack/links", tests, setup);
}
