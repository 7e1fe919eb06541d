/* SPDX-License-Identifier: MIT */
/* What a real worker puts on record of paths that a client chose is a record, and so is the next. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "tests/attack/asks.h"

enum {
	LONGEST = 4096, /* bytes of a path, POLICY_PATH_MAX */
	COMPONENT = 200,
};

static const char rules[] = "allow user:61001 read @/dir/**\n"
			    "allow user:61001 read @/led/** symlinks=beneath\n"
			    "allow user:61001 read @/led/** symlinks=beneath strictmodes=no\n"
			    "allow user:61001 read @/s strictmodes=no\n";

static int
setup(void **state)
{
	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	make_dir(at("dir"), 0, 0755);
	make_file(at("dir/file"), 0, 0600, "");
	make_dir(at("led"), 0, 0755);
	make_file(at("s"), 0, 0600, "");
	harness_reload(&broker);
	sleep_ms(100);
	broker.worker_fds = count_fds(broker.worker);
	peer = peer_begin(A);
	return 0;
}

/* Every record before this one was read as one. */
static void
check_log(unsigned n)
{
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/none"), NULL), ENOENT);
	log_wait(n, "failed uid=61001", "dir/none\"");
	assert_int_equal(log_count("bad record", ""), 0);
}

/* The record has no room for the whole path, nor for the directory that is why. */
static void
test_directory_behind_the_cut(void **state)
{
	static char path[LONGEST + 1];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s", at("dir")), length;
	int at_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, granted, refused;

	(void)state;
	assert_return_code(at_fd, errno);
	/* The last directory leaves room for "/f". */
	while (used < LONGEST - 2) {
		length = LONGEST - 2 - used - 1;
		if (length > COMPONENT)
			length = length < COMPONENT + 10 ? length / 2 : COMPONENT;
		path[used] = '/';
		memset(path + used + 1, 'd', length);
		path[used + 1 + length] = '\0';
		assert_return_code(mkdirat(at_fd, path + used + 1, 0755), errno);
		fd = openat(at_fd, path + used + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_return_code(fd, errno);
		close(at_fd);
		at_fd = fd;
		used += 1 + length;
	}
	memcpy(path + used, "/f", 3);
	fd = openat(at_fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_return_code(fd, errno);
	close(fd);
	assert_int_equal(strlen(path), LONGEST);
	/* The counter-check: it is this directory that is why. */
	granted = peer_open(&peer, O_RDONLY, 0, path, NULL);
	assert_return_code(fchmod(at_fd, 0777), errno);
	refused = peer_open(&peer, O_RDONLY, 0, path, NULL);
	/* By its path nobody can remove it. */
	assert_return_code(unlinkat(at_fd, "f", 0), errno);
	close(at_fd);
	assert_int_equal(granted, 0);
	assert_int_equal(refused, EACCES);
	log_wait(1, "condition=strictmodes", " cut=yes");
	check_log(1);
}

/* One rule's condition fails at a long directory, by the next a link leads to a short path. */
static void
test_directory_of_another_path(void **state)
{
	char name[COMPONENT + 1] = "";

	(void)state;
	memset(name, 'd', COMPONENT);
	make_dir(at("led/%s", name), 0, 0700);
	assert_return_code(chmod(at("led/%s", name), 0777), errno);
	assert_return_code(symlink(at("s"), at("led/%s/link", name)), errno);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("led/%s/link", name), NULL), 0);
	log_wait(1, "granted uid=61001", "/s\" asked=\"");
	/* Of the rule that did it there is no condition to tell. */
	assert_int_equal(log_count("/s\" asked=\"", "directory="), 0);
	check_log(2);
}

/* A rule of a file with the longest name that there may be: it is cut, and the record is one. */
static void
test_long_name_of_a_rule(void **state)
{
	const char *policy = at("policy/%0*u.policy", NAME_MAX - 7, 1);
	char rule[256];

	(void)state;
	make_dir(at("ruled"), 0, 0755);
	make_file(at("ruled/file"), 0, 0600, "");
	snprintf(rule, sizeof(rule), "policy 1\nallow user:%u read %s/*\n", A, at("ruled"));
	write_file(policy, rule);
	harness_reload(&broker);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("ruled/file"), NULL), 0);
	log_wait(1, "granted uid=61001", "ruled/file\"");
	check_log(3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory_behind_the_cut),
		cmocka_unit_test(test_directory_of_another_path),
		cmocka_unit_test(test_long_name_of_a_rule),
		cmocka_unit_test(asks_end),
	};

	return asks_run("broker/audit", tests, setup);
}
