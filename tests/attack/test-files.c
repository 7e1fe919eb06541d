/* SPDX-License-Identifier: MIT */
/* What may be asked for and what comes then, against a real broker: flags, paths, many at once. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"

static struct harness h;

/* As the header of the library lists them; O_LARGEFILE is 0 to a 64-bit program. */
static const uint32_t permitted = O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_DIRECT | O_NOCTTY |
				  O_NOFOLLOW | 0100000 | O_CLOEXEC;

static const char content[] = "0123456789";

/* --- flags --------------------------------------------------------------------------------------
 */

/* An open of our own says what the descriptor ought to be. */
static void
check_same(const char *path, uint32_t flags, int fd)
{
	struct stat wanted, got;
	int own = open(path, (int)flags | O_CLOEXEC);

	assert_return_code(own, errno);
	assert_int_equal(fcntl(fd, F_GETFL), fcntl(own, F_GETFL));
	assert_int_equal(!(fcntl(fd, F_GETFL) & O_NONBLOCK), !(flags & O_NONBLOCK));
	assert_return_code(fstat(own, &wanted), errno);
	assert_return_code(fstat(fd, &got), errno);
	assert_true(wanted.st_dev == got.st_dev && wanted.st_ino == got.st_ino);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(own);
}

/* What this open has to say, where everything is permitted. */
static int
expected(const char *path, uint32_t flags)
{
	uint32_t mode = flags & O_ACCMODE, rest = flags & ~(uint32_t)O_ACCMODE;
	int own, r;

	if (mode == O_ACCMODE || rest & ~(permitted | (mode == O_RDONLY ? 0 : O_TRUNC)))
		return EINVAL;
	/* O_DIRECT is not for every file system. */
	own = open(path, (int)flags & ~O_TRUNC);
	r = own < 0 ? errno : 0;
	if (own >= 0)
		close(own);
	return r;
}

static size_t
size_of(const char *path)
{
	struct stat status;

	assert_return_code(stat(path, &status), errno);
	return (size_t)status.st_size;
}

static void
try_flags(int socket, const char *path, uint32_t flags)
{
	int fd = -1, wanted = expected(path, flags);
	bool cut = wanted == 0 && flags & O_TRUNC;

	write_file(path, content);
	if (raw_open(socket, flags, path, strlen(path), &fd) != wanted)
		fail_msg("flags %#o: not %d", flags, wanted);
	assert_int_equal(size_of(path), cut ? 0 : sizeof(content) - 1);
	if (wanted != 0)
		return;
	check_same(path, flags & ~(uint32_t)O_TRUNC, fd);
	close(fd);
}

static void
test_each_flag(void **state)
{
	int own = count_fds(0), socket = raw_connect(&h);
	char path[128];
	unsigned good = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/rw/file", h.directory);
	for (uint32_t mode = 0; mode <= O_ACCMODE; mode++) {
		for (unsigned bit = 0; bit < 32; bit++) {
			uint32_t flags = mode | 1u << bit;

			if (bit >= 2)
				try_flags(socket, path, flags);
			good += bit >= 2 && expected(path, flags) == 0;
		}
		try_flags(socket, path, mode);
	}
	/* O_DIRECT may be missing. */
	assert_in_range(good, 3 * 9 + 2, 3 * 10 + 2);
	close(socket);
	assert_undisturbed(&h);
	assert_int_equal(count_fds(0), own);
}

static void
test_flags_together(void **state)
{
	int own = count_fds(0), socket = raw_connect(&h);
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/rw/file", h.directory);
	try_flags(socket, path, O_RDWR | O_APPEND | O_TRUNC | O_NONBLOCK | O_CLOEXEC);
	try_flags(socket, path, O_WRONLY | O_SYNC | O_NOFOLLOW | O_NOCTTY);
	try_flags(socket, path, O_RDWR | (permitted & ~(uint32_t)O_DIRECT) | O_TRUNC);
	try_flags(socket, path, O_RDONLY | O_TRUNC | O_APPEND);
	try_flags(socket, path, O_RDWR | O_CREAT);
	try_flags(socket, path, O_RDWR | O_CREAT | O_EXCL);
	try_flags(socket, path, O_RDWR | O_TMPFILE);
	try_flags(socket, path, O_PATH);
	try_flags(socket, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	try_flags(socket, path, O_DIRECTORY);
	try_flags(socket, path, UINT32_MAX);
	close(socket);
	assert_undisturbed(&h);
	assert_int_equal(count_fds(0), own);
}

/* Whatever needs to write is refused where only reading is permitted, and changes nothing. */
static void
test_flags_of_a_reader(void **state)
{
	static const uint32_t writing[] = {
		O_WRONLY,           O_RDWR,           O_RDONLY | O_APPEND,
		O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC, O_RDWR | O_APPEND};
	int own = count_fds(0), socket = raw_connect(&h);

	(void)state;
	write_file(h.file, content);
	for (size_t i = 0; i < ELEMENTS(writing); i++)
		assert_int_equal(raw_open(socket, writing[i], h.file, strlen(h.file), NULL),
				 EACCES);
	assert_int_equal(raw_open(socket, O_RDONLY | O_TRUNC, h.file, strlen(h.file), NULL),
			 EINVAL);
	assert_int_equal(size_of(h.file), sizeof(content) - 1);
	assert_served_on(&h, socket);
	close(socket);
	assert_int_equal(count_fds(0), own);
}

/* --- paths --------------------------------------------------------------------------------------
 */

/* Ask for a path below the broker's directory. */
static int
ask(int socket, const char *below)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", h.directory, below);
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
	int socket = raw_connect(&h);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		if (ask(socket, cases[i].below) != cases[i].error)
			fail_msg("T/%s: not %d", cases[i].below, cases[i].error);
	for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
		if (raw_open(socket, O_RDONLY, elsewhere[i].path, strlen(elsewhere[i].path),
			     NULL) != elsewhere[i].error)
			fail_msg("%s: not %d", elsewhere[i].path, elsewhere[i].error);
	close(socket);
	assert_undisturbed(&h);
}

static void
test_nul_in_a_path(void **state)
{
	int socket = raw_connect(&h);
	size_t length = strlen(h.file);
	char path[128];

	(void)state;
	memcpy(path, h.file, length + 1);
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
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/data", h.directory);

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
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/data", h.directory);

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
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/data/", h.directory);

	memset(path + used, 'x', component);
	return raw_open(socket, O_RDONLY, path, used + component, NULL);
}

static void
test_limits_of_a_path(void **state)
{
	int socket = raw_connect(&h);
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
	snprintf(path, sizeof(path), "%s/data/%.255s", h.directory, name);
	write_file(path, "");
	assert_int_equal(ask_wide(socket, 255), 0);
	assert_int_equal(ask_wide(socket, 254), ENOENT);
	assert_int_equal(ask_wide(socket, 256), EINVAL);
	close(socket);
	assert_undisturbed(&h);
}

/* A name that would end a log line, begin another, or speak to a terminal. */
static void
test_names_in_the_log(void **state)
{
	static const char name[] = "data/a\nfdbroker: granted uid=4242 \x1b[31m\r;uid=0;\"\\\xff";
	int socket = raw_connect(&h);
	char path[256], line[4096];
	unsigned lines = 0;
	FILE *log = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", h.directory, name);
	assert_int_equal(raw_open(socket, O_RDONLY, path, strlen(path), NULL), ENOENT);
	write_file(path, "");
	assert_int_equal(raw_open(socket, O_RDONLY, path, strlen(path), NULL), 0);
	path[strlen(h.directory) + 4]++;
	assert_int_equal(raw_open(socket, O_RDONLY, path, strlen(path), NULL), EACCES);
	for (int i = 0; i < WAIT_SECONDS * 100 && lines < 3; i++) {
		sleep_ms(10);
		lines = 0;
		log = fopen(h.log, "re");
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

		item.path_length = (uint32_t)snprintf(batch + used, sizeof(batch) - used,
						      "%s/%s%zu", h.directory, names[i % 3], i);
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
		snprintf(path, sizeof(path), "%s/data/f%zu", h.directory, i);
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
	int own = count_fds(0), socket = raw_connect(&h);
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/data/f%zu", h.directory, i);
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
	assert_served_on(&h, socket);
	close(socket);
	assert_undisturbed(&h);
	assert_int_equal(count_fds(0), own);
}

static int
start(void **state)
{
	(void)state;
	harness_start(&h, false);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	if (h.pid > 0)
		(void)harness_stop(&h);
	return 0;
}

static void
test_end(void **state)
{
	(void)state;
	assert_clean_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_flag),
		cmocka_unit_test(test_flags_together),
		cmocka_unit_test(test_flags_of_a_reader),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_nul_in_a_path),
		cmocka_unit_test(test_limits_of_a_path),
		cmocka_unit_test(test_names_in_the_log),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("attack/files", tests, start, stop);
}
