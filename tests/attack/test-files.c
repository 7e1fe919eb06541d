/* SPDX-License-Identifier: MIT */
/* Paths, objects and many files at once, against a real broker. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"

/* Ask for a path below the broker's directory. */
static int
ask(int socket, const char *below)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", broker.directory, below);
	return raw_open(socket, O_RDONLY, path, strlen(path), NULL);
}

static void
test_paths(void **state)
{
	static const struct {
		const char *below;
		int error;
	} cases[] = {
		{"data/file", 0},
		{"data/..x", 0},
		{"data/none", ENOENT},
		{"data/fil", ENOENT},
		{"data/file2", ENOENT},
		{"data/file/below", ENOTDIR},
		{"data", EISDIR},
		{"data/", EINVAL},
		{"data/file/", EINVAL},
		{"data//file", EINVAL},
		{"/data/file", EINVAL},
		{"./data/file", EINVAL},
		{"data/./file", EINVAL},
		{"data/file/.", EINVAL},
		{"data/.", EINVAL},
		{"../data/file", EINVAL},
		{"data/../data/file", EINVAL},
		{"data/../data2/file", EINVAL},
		{"data/file/..", EINVAL},
		{"data/..", EINVAL},
		{"data2/file", EACCES},
		{"data2/none", EACCES},
		{"dat/file", EACCES},
		{"datafile", EACCES},
		{"data.file", EACCES},
		{"Data/file", EACCES},
		{"", EINVAL},
		{"socket", EACCES},
	};
	static const struct {
		const char *path;
		int error;
	} elsewhere[] = {
		{"", EINVAL},
		{"/", EACCES},
		{"//", EINVAL},
		{".", EINVAL},
		{"..", EINVAL},
		{"/.", EINVAL},
		{"/..", EINVAL},
		{"data/file", EINVAL},
		{"./x", EINVAL},
		{"../x", EINVAL},
		{"/../x", EINVAL},
		{"/..x", EACCES},
		{"/etc/passwd", EACCES},
	};
	int socket = raw_connect(&broker);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		if (ask(socket, cases[i].below) != cases[i].error)
			fail_msg("T/%s: not %d", cases[i].below, cases[i].error);
	for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
		if (raw_open(socket, O_RDONLY, elsewhere[i].path, strlen(elsewhere[i].path),
			     NULL) != elsewhere[i].error)
			fail_msg("%s: not %d", elsewhere[i].path, elsewhere[i].error);
	close(socket);
	assert_undisturbed(&broker);
}

static void
test_nul_in_a_path(void **state)
{
	int socket = raw_connect(&broker);
	size_t length = strlen(broker.file);
	char path[128];

	(void)state;
	memcpy(path, broker.file, length + 1);
	assert_int_equal(raw_open(socket, O_RDONLY, path, length, NULL), 0);
	assert_int_equal(raw_open(socket, O_RDONLY, path, length + 1, NULL), EINVAL);
	memcpy(path + length + 1, "/../../data2/file", 17);
	assert_int_equal(raw_open(socket, O_RDONLY, path, length + 18, NULL), EINVAL);
	path[length - 1] = '\0';
	assert_int_equal(raw_open(socket, O_RDONLY, path, length, NULL), EINVAL);
	path[0] = '\0';
	assert_int_equal(raw_open(socket, O_RDONLY, path, length, NULL), EINVAL);
	close(socket);
}

/* data/ and so many more bytes, in components of at most 200. */
static int
ask_long(int socket, size_t length)
{
	static char path[8192];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/data", broker.directory);

	for (size_t i = 0; used < length; i++) {
		bool slash = i % 200 == 0 && used + 1 < length;

		path[used++] = slash ? '/' : 'x';
	}
	return raw_open(socket, O_RDONLY, path, length, NULL);
}

/* This many components. */
static int
ask_deep(int socket, unsigned components)
{
	char path[512];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/data", broker.directory);

	for (size_t i = 0; i < used; i++)
		components -= path[i] == '/';
	for (; components > 0; components--)
		used += (size_t)snprintf(path + used, sizeof(path) - used, "/x");
	return raw_open(socket, O_RDONLY, path, used, NULL);
}

static int
ask_wide(int socket, size_t component)
{
	char path[512];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/data/", broker.directory);

	memset(path + used, 'x', component);
	return raw_open(socket, O_RDONLY, path, used + component, NULL);
}

static void
test_limits_of_a_path(void **state)
{
	int socket = raw_connect(&broker);
	char path[512], name[256];

	(void)state;
	assert_int_equal(ask_long(socket, 4095), ENOENT);
	assert_int_equal(ask_long(socket, 4096), ENOENT);
	assert_int_equal(ask_long(socket, 4097), EINVAL);
	assert_int_equal(ask_long(socket, 8000), EINVAL);
	assert_int_equal(ask_deep(socket, 64), ENOENT);
	assert_int_equal(ask_deep(socket, 65), EINVAL);
	assert_int_equal(ask_wide(socket, 255), ENOENT);
	memset(name, 'x', 255);
	snprintf(path, sizeof(path), "%s/data/%.255s", broker.directory, name);
	write_file(path, "");
	assert_int_equal(ask_wide(socket, 255), 0);
	assert_int_equal(ask_wide(socket, 254), ENOENT);
	assert_int_equal(ask_wide(socket, 256), EINVAL);
	close(socket);
	assert_undisturbed(&broker);
}

/* What is opened, looked at and not given is closed again. */
static void
test_objects(void **state)
{
	int own = count_fds(0), socket = raw_connect(&broker);
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/data/directory", broker.directory);
	assert_return_code(mkdir(path, 0755), errno);
	snprintf(path, sizeof(path), "%s/data/fifo", broker.directory);
	assert_return_code(mkfifo(path, 0644), errno);
	snprintf(path, sizeof(path), "%s/data/link", broker.directory);
	assert_return_code(symlink("file", path), errno);
	snprintf(path, sizeof(path), "%s/rw/set-id", broker.directory);
	write_file(path, "");
	assert_return_code(chmod(path, 04755), errno);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(socket, "data/directory"), EISDIR);
		assert_int_equal(ask(socket, "data/fifo"), EACCES);
		assert_int_equal(ask(socket, "data/link"), ELOOP);
		assert_int_equal(ask(socket, "rw/set-id"), 0);
		assert_int_equal(raw_open(socket, O_WRONLY, path, strlen(path), NULL), EACCES);
		assert_int_equal(raw_open(socket, O_RDWR | O_TRUNC, path, strlen(path), NULL),
				 EACCES);
	}
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

/* A name that would end a log line, begin another, or speak to a terminal. */
static void
test_names_in_the_log(void **state)
{
	static const char name[] = "data/a\nfdbroker: granted uid=4242 \x1b[31m\r;uid=0;\"\\\xff";
	int socket = raw_connect(&broker);
	char path[256], line[4096];
	unsigned lines = 0;
	FILE *log = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", broker.directory, name);
	assert_int_equal(raw_open(socket, O_RDONLY, path, strlen(path), NULL), ENOENT);
	write_file(path, "");
	assert_int_equal(raw_open(socket, O_RDONLY, path, strlen(path), NULL), 0);
	path[strlen(broker.directory) + 4]++;
	assert_int_equal(raw_open(socket, O_RDONLY, path, strlen(path), NULL), EACCES);
	for (int i = 0; i < WAIT_SECONDS * 100 && lines < 3; i++) {
		sleep_ms(10);
		lines = 0;
		log = fopen(broker.log, "re");
		assert_non_null(log);
		while (fgets(line, sizeof(line), log)) {
			lines += strstr(line, ";uid=0;") != NULL;
			/* The line of its own that it wanted to be. */
			assert_true(strncmp(line, "fdbroker: granted uid=4242 ", 27) != 0);
			for (const char *at = line; *at && at[1]; at++)
				assert_in_range(*at, ' ', '~');
		}
		fclose(log);
	}
	assert_int_equal(lines, 3);
	close(socket);
}

/* --- many files in one request ------------------------------------------------------------------
 */

enum {
	HEADER = sizeof(struct wire_header),
	ITEM = sizeof(struct wire_item),
};

static char batch[WIRE_MESSAGE_MAX];

/* n files, of which each third is there, each third is not, each third is none of ours. */
static size_t
make_batch(size_t n, uint32_t id)
{
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = WIRE_OPEN,
				     .id = id,
				     .item_size = ITEM,
				     .items = (uint16_t)n};
	size_t used = HEADER + n * ITEM;

	for (size_t i = 0; i < n; i++) {
		static const char *const names[] = {"data/f", "data/none", "data2/file"};
		struct wire_item item = {.flags = O_RDONLY};

		item.path_length =
			(uint32_t)snprintf(batch + used, sizeof(batch) - used, "%s/%s%zu",
					   broker.directory, names[i % 3], i);
		memcpy(batch + HEADER + i * ITEM, &item, ITEM);
		used += item.path_length;
	}
	header.length = (uint32_t)used;
	memcpy(batch, &header, HEADER);
	return used;
}

static void
check_batch(const struct reply *reply, size_t n)
{
	static const unsigned errors[] = {0, ENOENT, EACCES};
	size_t fd = 0;

	assert_int_equal(reply->head.status, 0);
	assert_int_equal(reply->head.items, n);
	assert_int_equal(reply->size, sizeof(reply->head) + n * sizeof(reply->results[0]));
	assert_false(reply->truncated);
	for (size_t i = 0; i < n; i++) {
		struct stat wanted, got;
		char path[128];

		assert_int_equal(reply->results[i].error, errors[i % 3]);
		if (reply->results[i].error != 0)
			continue;
		snprintf(path, sizeof(path), "%s/data/f%zu", broker.directory, i);
		assert_return_code(stat(path, &wanted), errno);
		assert_true(fd < reply->n_fds);
		assert_return_code(fstat(reply->fds[fd++], &got), errno);
		assert_int_equal(wanted.st_ino, got.st_ino);
	}
	assert_int_equal(reply->n_fds, fd);
}

static void
test_batches(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 63, 64};
	int own = count_fds(0), socket = raw_connect(&broker);
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/data/f%zu", broker.directory, i);
		write_file(path, "");
	}
	for (size_t i = 0; i < ELEMENTS(sizes); i++) {
		assert_int_equal(raw_send_bytes(socket, batch, make_batch(sizes[i], 7)), 0);
		raw_receive(socket, 0, &reply);
		check_batch(&reply, sizes[i]);
		reply_drop(&reply);
	}
	assert_int_equal(raw_send_bytes(socket, batch, make_batch(65, 8)), 0);
	assert_refused(socket, 8, EPROTO);
	assert_served_on(&broker, socket);
	close(socket);
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_nul_in_a_path),
		cmocka_unit_test(test_limits_of_a_path),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_names_in_the_log),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/files", tests, harness_setup, harness_teardown);
}
