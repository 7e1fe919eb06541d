/* SPDX-License-Identifier: MIT */
/*
 * What is found beneath a directory where a worker has no private mounts, and so nothing but the flags of
 * each call keeps links and the mounts of others out.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/worker/tree.h"
#include "tests/harness.h"

#define TREE "/mnt/tree"

static struct trees trees = {.n_trees = 1, .n_reaches = 1};
static char path[256];

static struct place
place_of(const char *name, bool recursive)
{
	trees.trees[0].recursive = recursive;
	snprintf(path, sizeof(path), "%s/%s", TREE, name);
	return (struct place){
		.trees = &trees,
		.tree = &trees.trees[0],
		.reach = &trees.reaches[0],
		.path = path,
		.length = strlen(path),
		.name = path + strlen(TREE "/"),
	};
}

static int
try_open(const char *name, bool recursive)
{
	const struct place place = place_of(name, recursive);
	int fd = -1, r = place_open(&place, TREE_READ, O_RDONLY | O_CLOEXEC, &fd);

	if (fd >= 0)
		close(fd);
	return r;
}

static int
try_hold(const char *name, bool recursive)
{
	const struct place place = place_of(name, recursive);
	int fd = -1, r = place_hold(&place, &fd);

	if (fd >= 0)
		close(fd);
	return r;
}

static int
try_create(const char *name, bool recursive)
{
	const struct place place = place_of(name, recursive);
	struct policy_chain above;
	struct parent parent;
	int fd = -1, r = place_parent(&place, &above, &parent);

	if (r != 0)
		return r;
	r = place_create(&place, &parent, O_WRONLY | O_CLOEXEC, 0600, &fd);
	if (fd >= 0)
		close(fd);
	close(parent.fd);
	return r;
}

static void
make(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	close(fd);
}

static int
setup(void **state)
{
	int directory;

	(void)state;
	if (geteuid() != 0)
		return 0;
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	assert_return_code(mount("tests", "/mnt", "tmpfs", 0, "mode=755"), errno);
	assert_return_code(mkdir(TREE, 0755), errno);
	assert_return_code(mkdir(TREE "/directory", 0755), errno);
	assert_return_code(mkdir(TREE "/mounted", 0755), errno);
	assert_return_code(mkdir("/mnt/outside", 0755), errno);
	assert_return_code(mount("tests", TREE "/mounted", "tmpfs", 0, "mode=755"), errno);
	make(TREE "/file");
	make(TREE "/directory/file");
	make(TREE "/mounted/file");
	make("/mnt/outside/file");
	assert_return_code(symlink("file", TREE "/link"), errno);
	assert_return_code(symlink("directory", TREE "/link-to-directory"), errno);
	assert_return_code(symlink("../outside", TREE "/link-out"), errno);
	assert_return_code(symlink("/mnt/outside", TREE "/absolute"), errno);
	assert_return_code(symlink("new", TREE "/dangling"), errno);
	directory = open(TREE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(directory, errno);
	trees.trees[0] = (struct tree){
		.directory = TREE, .length = strlen(TREE), .roots = {directory, directory, -1, -1}};
	return 0;
}

static void
test_beneath(void **state)
{
	static const struct {
		const char *name;
		int opened, held, created; /* by a rule that is not recursive */
		int recursive;             /* opened by one that is */
	} cases[] = {
		/* The counter-checks. */
		{"file", 0, 0, -EEXIST, 0},
		{"directory/file", 0, 0, -EEXIST, 0},
		{"directory/new", -ENOENT, -ENOENT, 0, 0},
		{"link", PLACE_LINK, 0, -EEXIST, PLACE_LINK},
		{"dangling", PLACE_LINK, 0, -EEXIST, PLACE_LINK},
		{"link-to-directory/file", PLACE_LINK, PLACE_LINK, PLACE_LINK, PLACE_LINK},
		{"link-to-directory/new", PLACE_LINK, PLACE_LINK, PLACE_LINK, PLACE_LINK},
		{"link-out/file", PLACE_LINK, PLACE_LINK, PLACE_LINK, PLACE_LINK},
		{"link-out/new", PLACE_LINK, PLACE_LINK, PLACE_LINK, PLACE_LINK},
		{"absolute/file", PLACE_LINK, PLACE_LINK, PLACE_LINK, PLACE_LINK},
		{"absolute/new", PLACE_LINK, PLACE_LINK, PLACE_LINK, PLACE_LINK},
		/* What is mounted there belongs to the tree if the rule says so. */
		{"mounted/file", -EXDEV, -EXDEV, -EXDEV, 0},
		{"mounted/new", -EXDEV, -EXDEV, -EXDEV, -ENOENT},
		/* No path that the policy lets pass has one; if it did, it would lead nowhere. */
		{"../outside/file", -EXDEV, -EXDEV, -EXDEV, -EXDEV},
	};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		const int got[] = {try_open(cases[i].name, false), try_hold(cases[i].name, false),
				   try_create(cases[i].name, false), try_open(cases[i].name, true)};
		const int wanted[] = {cases[i].opened, cases[i].held, cases[i].created,
				      cases[i].recursive};

		for (size_t j = 0; j < ELEMENTS(got); j++)
			if (got[j] != wanted[j])
				fail_msg("%s, %zu: %d, not %d", cases[i].name, j, got[j],
					 wanted[j]);
	}
	assert_int_equal(access("/mnt/outside/new", F_OK), -1);
	assert_int_equal(access(TREE "/new", F_OK), -1);
	assert_int_equal(access(TREE "/mounted/new", F_OK), -1);
	/* Without those flags each of them leads to a file. */
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		int fd = openat(trees.trees[0].roots[TREE_READ], cases[i].name,
				O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_return_code(fd, errno);
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_beneath)};

	return cmocka_run_group_tests_name("broker/beneath", tests, setup, NULL);
}
