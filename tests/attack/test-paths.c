/* SPDX-License-Identifier: MIT */
/* Text of paths against a real broker: the same for open, with and without O_CREAT, stat and list. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include "tests/attack/asks.h"

static const char rules[] = "allow user:61001 read,write,create,list @/tree/** @/tree/..x\n"
			    "allow user:61001 read,write,create,list @/one/*.log\n";

static int
setup(void **state)
{
	static const char *const directories[] = {"tree", "tree/dir", "tree2", "trees",
						  "tre",  "one",      "one/d"};
	static const char *const files[] = {"tree/file", "tree/..x",  "tree2/file", "trees/file",
					    "tre/file",  "one/a.log", "one/.log",   "one/d/a.log"};

	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_dir(at("%s", directories[i]), 0, 0755);
	for (size_t i = 0; i < ELEMENTS(files); i++)
		make_file(at("%s", files[i]), 0, 0600, "");
	peer = peer_begin(A);
	return 0;
}

static int
ask_bytes(enum wire_operation operation, unsigned flags, const char *path, size_t length)
{
	const struct wire_file file = {
		.flags = flags, .mode = 0600, .path = path, .path_length = (uint32_t)length};

	return peer_ask(&peer, operation, &file, NULL);
}

/* What each says of a path. */
static void
check(const char *path, size_t length, int in_open, int in_stat, int in_list)
{
	const int wanted[] = {in_open, in_stat, in_list};
	static const enum wire_operation operations[] = {WIRE_OPEN, WIRE_STAT, WIRE_LIST};

	for (size_t i = 0; i < ELEMENTS(operations); i++) {
		int error = ask_bytes(operations[i], 0, path, length);

		if (error != wanted[i])
			fail_msg("%.*s, operation %u: %d, not %d", (int)length, path, operations[i],
				 error, wanted[i]);
	}
	/* What could be created would be. */
	if (in_open == EINVAL || in_open == EACCES)
		assert_int_equal(ask_bytes(WIRE_OPEN, O_RDWR | O_CREAT, path, length), in_open);
}

static void
test_each_path(void **state)
{
	static const struct {
		const char *path; /* without a slash in front: beneath the broker's directory */
		int in_open, in_stat, in_list;
	} cases[] = {
		{"tree/file", 0, 0, ENOTDIR},
		{"tree/..x", 0, 0, ENOTDIR},
		{"tree", EISDIR, 0, 0},
		{"tree/dir", EISDIR, 0, 0},
		{"tree/none", ENOENT, ENOENT, ENOENT},
		{"tree/fil", ENOENT, ENOENT, ENOENT},
		{"tree/file2", ENOENT, ENOENT, ENOENT},
		{"tree/file/below", ENOTDIR, ENOTDIR, ENOTDIR},
		{"tree/...", EACCES, EACCES, EACCES}, /* a wildcard takes no such name */
		{"tree2/file", EACCES, EACCES, EACCES},
		{"tree2", EACCES, EACCES, EACCES},
		{"trees/file", EACCES, EACCES, EACCES},
		{"tre/file", EACCES, EACCES, EACCES},
		{"treefile", EACCES, EACCES, EACCES},
		{"tree.file", EACCES, EACCES, EACCES},
		{"Tree/file", EACCES, EACCES, EACCES},
		{"one/a.log", 0, 0, ENOTDIR},
		{"one/d/a.log", EACCES, EACCES, EACCES}, /* `*` crosses no slash */
		{"one/.log", EACCES, EACCES, EACCES},
		{"one/a.logx", EACCES, EACCES, EACCES},
		{"one/a.lo", EACCES, EACCES, EACCES},
		{"one", EACCES, EACCES, EACCES},
		{"one/../tree2/a.log", EINVAL, EINVAL, EINVAL},
		{"", EINVAL, EINVAL, EINVAL},
		{"tree/", EINVAL, EINVAL, EINVAL},
		{"tree/file/", EINVAL, EINVAL, EINVAL},
		{"tree//file", EINVAL, EINVAL, EINVAL},
		{"tree/./file", EINVAL, EINVAL, EINVAL},
		{"tree/file/.", EINVAL, EINVAL, EINVAL},
		{"tree/file/..", EINVAL, EINVAL, EINVAL},
		{"tree/.", EINVAL, EINVAL, EINVAL},
		{"tree/..", EINVAL, EINVAL, EINVAL},
		{"../tree/file", EINVAL, EINVAL, EINVAL},
		{"./tree/file", EINVAL, EINVAL, EINVAL},
		{"tree/../tree2/file", EINVAL, EINVAL, EINVAL},
		{"tree/../tree/file", EINVAL, EINVAL, EINVAL},
		{"/tree", EINVAL, EINVAL, EINVAL}, /* two slashes */
	};
	unsigned before = count_names();

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		const char *path = at("%s", cases[i].path);

		check(path, strlen(path), cases[i].in_open, cases[i].in_stat, cases[i].in_list);
	}
	assert_int_equal(count_names(), before);
}

static void
test_not_beneath_anything(void **state)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{"", EINVAL},     {".", EINVAL},     {"..", EINVAL},        {"./x", EINVAL},
		{"../x", EINVAL}, {"x", EINVAL},     {"tree/file", EINVAL}, {"//", EINVAL},
		{"/.", EINVAL},   {"/..", EINVAL},   {"/../x", EINVAL},     {"/..x", EACCES},
		{"/", EACCES},    {"//etc", EINVAL}, {"/etc/", EINVAL},     {"/etc/shadow", EACCES},
		{"~/x", EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		check(cases[i].path, strlen(cases[i].path), cases[i].error, cases[i].error,
		      cases[i].error);
}

static void
test_nul(void **state)
{
	static char path[256];
	size_t length = (size_t)snprintf(path, sizeof(path), "%s", at("tree/file"));

	(void)state;
	check(path, length, 0, 0, ENOTDIR);
	check(path, length + 1, EINVAL, EINVAL, EINVAL);
	memcpy(path + length + 1, "/../../tree2/file", 17);
	check(path, length + 18, EINVAL, EINVAL, EINVAL);
	path[length - 1] = '\0';
	check(path, length, EINVAL, EINVAL, EINVAL);
	path[0] = '\0';
	check(path, length, EINVAL, EINVAL, EINVAL);
}

/* tree/ and so many more bytes, in components of so many. */
static void
check_long(size_t length, size_t component, int error)
{
	static char path[8192];
	size_t used = strlen(at("tree"));

	memcpy(path, at("tree"), used);
	for (size_t i = 0; used < length; i++, used++)
		path[used] = i % (component + 1) == 0 && used + 1 < length ? '/' : 'x';
	check(path, length, error, error, error);
}

static void
test_lengths(void **state)
{
	const size_t used = strlen(at("tree/"));
	size_t deep = used - 1;

	(void)state;
	check_long(4095, 200, ENOENT);
	check_long(4096, 200, ENOENT);
	check_long(4097, 200, EINVAL);
	check_long(8000, 200, EINVAL);
	check_long(used + 254, 255, ENOENT);
	check_long(used + 255, 255, ENOENT);
	check_long(used + 256, 256, EINVAL);
	for (const char *c = at("tree"); *c; c++)
		deep += *c == '/' ? (size_t)-2 : 0;
	check_long(deep + 2 * 64, 1, ENOENT);
	check_long(deep + 2 * 65, 1, EINVAL);
}

/* A name that would end a line of the log, begin another, or speak to a terminal. */
static const char speaking[] = "a\nfdbroker: granted uid=4242 \x1b[31m\r;uid=0;\"\\\xff";

/* A line that is not the log's own. */
static bool
has_forged_line(const char *path)
{
	FILE *log = fopen(path, "re");
	bool forged = false;
	char line[4096];

	assert_non_null(log);
	while (fgets(line, sizeof(line), log)) {
		forged |= strncmp(line, "fdbroker: granted uid=4242 ", 27) == 0;
		for (const char *c = line; *c && c[1]; c++)
			forged |= *c < ' ' || *c > '~';
	}
	fclose(log);
	return forged;
}

static void
test_quoted_in_the_log(void **state)
{
	static const enum wire_operation operations[] = {WIRE_OPEN, WIRE_STAT, WIRE_LIST};
	static const char *const verbs[] = {"verbs=read ", "verbs=stat ", "verbs=list "};
	const char *path = at("tree/%s", speaking);
	FILE *naive;

	(void)state;
	check(path, strlen(path), ENOENT, ENOENT, ENOENT);
	make_file(path, 0, 0600, "");
	check(path, strlen(path), 0, 0, ENOTDIR);
	path = at("tree2/%s", speaking);
	check(path, strlen(path), EACCES, EACCES, EACCES);
	for (size_t i = 0; i < ELEMENTS(operations); i++) {
		log_wait(3, verbs[i], ";uid=0;");
		assert_int_equal(log_count(verbs[i], ";uid=0;"), 3);
	}
	path = at("tree//%s", speaking);
	check(path, strlen(path), EINVAL, EINVAL, EINVAL);
	log_wait(4, "error=EINVAL", ";uid=0;");
	assert_false(has_forged_line(broker.log));
	/* The counter-check: a log that is written without a thought. */
	naive = fopen(at("naive"), "we");
	assert_non_null(naive);
	fprintf(naive, "denied path=%s\n", path);
	fclose(naive);
	assert_true(has_forged_line(at("naive")));
}

/* What opens a path as it stands, if it begins, or ends, as the rule says. */
static void
test_naive_openers(void **state)
{
	static const char *const prefixed[] = {"tree2/file", "trees/file", "tree/../tree2/file",
					       "tree/./../trees//file", "tree//../tre/file"};
	const char *pattern = at("one/*.log"), *prefix = at("tree");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(prefixed); i++) {
		const char *path = at("%s", prefixed[i]);
		int fd = strncmp(path, prefix, strlen(prefix)) == 0
				 ? open(path, O_RDONLY | O_CLOEXEC)
				 : -1;

		assert_return_code(fd, errno);
		assert_false(is_same(fd, at("tree/file")));
		close(fd);
	}
	assert_int_equal(fnmatch(pattern, at("one/d/a.log"), 0), 0);
	assert_int_equal(access(at("one/../one/d/a.log"), R_OK), 0);
	/* A NUL ends what open(2) sees, and not what a comparison of bytes does. */
	assert_int_equal(access(at("tree2/file%c.allowed", '\0'), R_OK), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_path),
		cmocka_unit_test(test_not_beneath_anything),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_quoted_in_the_log),
		cmocka_unit_test(test_naive_openers),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/paths", tests, setup);
}
