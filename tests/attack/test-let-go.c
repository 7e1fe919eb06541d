/* SPDX-License-Identifier: MIT */
/*
 * What a worker lets go of: after each kind of answer it holds no more descriptors than before. And
 * what it has done once and does not say: nobody is told to ask again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/attack/asks.h"

enum {
	TIMES = 20,
	BATCH = 2,
	ATTEMPTS = 20,
};

static const char rules[] = "allow user:61001 read,write,create,list @/dir/**\n"
			    "allow user:61001 read,create @/once/*\n"
			    "allow user:61001 read @/peer/** owner=peer\n"
			    "allow user:61001 read,list @/links/** symlinks=beneath\n"
			    "allow user:61001 read @/literal/stale\n"
			    "allow user:61001 read @/chr/** type=chr\n";

static int
setup(void **state)
{
	static const char *const directories[] = {"dir",   "dir/sub", "once", "peer",
						  "links", "literal", "chr"};
	static const char *const files[] = {"dir/file", "dir/sub/file", "peer/root",
					    "literal/stale"};

	(void)state;
	/* Nobody else makes files there, so that what is found is remembered. */
	make_own_tmpdir();
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_dir(at("%s", directories[i]), 0, 0755);
	make_dir(at("dir/shared"), 0, 01777);
	make_dir(at("dir/open"), 0, 0777);
	for (size_t i = 0; i < ELEMENTS(files); i++)
		make_file(at("%s", files[i]), 0, 0600, "");
	make_file(at("dir/shared/own"), A, 0600, "");
	make_file(at("dir/open/file"), 0, 0600, "");
	assert_return_code(mknod(at("chr/null"), S_IFCHR | 0600, makedev(1, 3)), errno);
	assert_return_code(mknod(at("dir/null"), S_IFCHR | 0600, makedev(1, 3)), errno);
	assert_return_code(symlink("file", at("dir/link")), errno);
	assert_return_code(symlink("../dir/sub", at("links/sub")), errno);
	peer = peer_begin(A);
	return 0;
}

/* --- descriptors ------------------------------------------------------------------------------- */

static const struct {
	enum wire_operation operation;
	unsigned flags;
	const char *path;
	int error;
	bool is_new; /* removed after each time */
} asked[] = {
	{WIRE_OPEN, O_RDONLY, "dir/file", 0, false},
	{WIRE_OPEN, O_RDWR | O_TRUNC, "dir/sub/file", 0, false},
	{WIRE_OPEN, O_RDONLY, "dir/none", ENOENT, false},
	{WIRE_OPEN, O_RDONLY, "dir/none/none/none", ENOENT, false},
	{WIRE_OPEN, O_RDONLY, "dir/sub", EISDIR, false},
	{WIRE_OPEN, O_RDONLY, "dir/link", ELOOP, false},
	{WIRE_OPEN, O_RDONLY, "dir/null", EACCES, false},
	{WIRE_OPEN, O_RDONLY, "peer/root", EACCES, false},
	{WIRE_OPEN, O_RDONLY, "dir/open/file", EACCES, false},
	{WIRE_OPEN, O_RDONLY, "dir/shared/own", 0, false},
	{WIRE_OPEN, O_RDONLY, "chr/null", 0, false},
	{WIRE_OPEN, O_RDONLY, "links/sub/file", 0, false},
	{WIRE_OPEN, O_RDONLY, "links/sub/none", ENOENT, false},
	{WIRE_OPEN, O_RDWR | O_CREAT, "dir/sub/new", 0, true},
	{WIRE_OPEN, O_RDWR | O_CREAT | O_EXCL, "dir/file", EEXIST, false},
	{WIRE_OPEN, O_RDWR | O_CREAT, "dir/open/new", EACCES, false},
	{WIRE_OPEN, O_RDWR | O_CREAT, "dir/none/new", ENOENT, false},
	{WIRE_OPEN, O_RDONLY | O_CREAT, "once/new", 0, true},
	{WIRE_OPEN, O_RDONLY | O_CREAT | O_EXCL, "once/new", 0, true},
	{WIRE_STAT, 0, "dir/sub/file", 0, false},
	{WIRE_STAT, 0, "dir/link", ELOOP, false},
	{WIRE_STAT, AT_SYMLINK_NOFOLLOW, "dir/link", 0, false},
	{WIRE_STAT, 0, "dir/open/file", EACCES, false},
	{WIRE_STAT, 0, "links/sub/file", 0, false},
	{WIRE_LIST, 0, "dir", 0, false},
	{WIRE_LIST, 0, "dir/open/file", ENOTDIR, false},
	{WIRE_LIST, 0, "dir/shared", 0, false},
	{WIRE_LIST, 0, "links/sub", 0, false},
};

static void
test_descriptors(void **state)
{
	pid_t worker;
	int before;

	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/file"), NULL), 0);
	worker = worker_of(&broker, A);
	assert_true(worker > 0);
	/* What it sent is closed in a moment. */
	before = count_fds(worker);
	for (int n, i = 0; i < 20; i++, sleep_ms(5))
		if ((n = count_fds(worker)) < before)
			before = n;
	assert_true(before > 0);
	for (size_t i = 0; i < ELEMENTS(asked); i++) {
		const char *path = at("%s", asked[i].path);
		const struct wire_file file = {.flags = asked[i].flags,
					       .mode = 0600,
					       .path = path,
					       .path_length = (uint32_t)strlen(path)};
		int after;

		for (int times = 0; times < TIMES; times++) {
			int error = peer_ask(&peer, asked[i].operation, &file, NULL);

			if (error != asked[i].error)
				fail_msg("%s: %d, not %d", asked[i].path, error, asked[i].error);
			if (asked[i].is_new)
				assert_return_code(unlink(path), errno);
		}
		/* The answer is there before what was in it is closed. */
		for (int k = 0; (after = count_fds(worker)) != before && k < 100; k++)
			sleep_ms(2);
		if (after != before)
			fail_msg("%s, operation %d, flags %#o: %d descriptors more", asked[i].path,
				 asked[i].operation, asked[i].flags, after - before);
	}
	assert_int_equal(worker_of(&broker, A), worker);
	/* The counter-check: another connection is seen in the number. */
	{
		struct peer other = peer_begin(A);

		assert_int_equal(peer_open(&other, O_RDONLY, 0, at("dir/file"), NULL), 0);
		assert_int_equal(worker_of(&broker, A), worker);
		for (int i = 0; count_fds(worker) != before + 1; i++, sleep_ms(2))
			assert_true(i < 100);
		peer_end(&other);
	}
}

/* --- once -------------------------------------------------------------------------------------- */

/* Two opens in one request: the status of the answer, -1 if there was none. */
static int
ask_both(const char *const paths[BATCH], const unsigned flags[BATCH])
{
	static char message[WIRE_MESSAGE_MAX];
	struct wire_item items[BATCH] = {};
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = WIRE_OPEN,
				     .id = 7,
				     .item_size = sizeof(items[0]),
				     .items = BATCH};
	size_t n = sizeof(header) + sizeof(items);
	struct wire_reply reply;
	ssize_t got;

	for (size_t i = 0; i < BATCH; i++) {
		items[i] = (struct wire_item){
			.flags = flags[i], .mode = 0600, .path_length = (uint32_t)strlen(paths[i])};
		memcpy(message + n, paths[i], items[i].path_length);
		n += items[i].path_length;
	}
	header.length = (uint32_t)n;
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), items, sizeof(items));
	if (raw_send(peer.socket, &(struct raw){.bytes = message,
						.size = n,
						.credentials = &peer.credentials}) != 0)
		return -1;
	got = recv(peer.socket, message, sizeof(message), 0);
	if (got < (ssize_t)sizeof(reply))
		return -1;
	memcpy(&reply, message, sizeof(reply));
	return reply.status;
}

/*
 * The second file is another one since the worker began, so that only a new worker can open it, and the
 * first one is made. The status of the answer to that.
 */
static int
ask_while_stale(unsigned flags)
{
	const unsigned both[BATCH] = {flags, O_RDONLY};

	for (int i = 0; i < ATTEMPTS; i++) {
		const char *paths[BATCH] = {at("dir/once"), at("literal/stale")};
		int status;

		/* A worker that knows this file, and one that is new. */
		peer_end(&peer);
		peer = peer_begin(A);
		assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("literal/stale"), NULL), 0);
		make_file(at("literal/new"), 0, 0600, "");
		assert_return_code(rename(at("literal/new"), at("literal/stale")), errno);
		status = ask_both(paths, both);
		/* It may have been replaced before it was asked. */
		if (unlink(at("dir/once")) == 0 && status != 0)
			return status;
	}
	fail_msg("it was never out of date");
	return 0;
}

static void
test_once(void **state)
{
	(void)state;
	/* The counter-check: what can be done twice. */
	assert_int_equal(ask_while_stale(O_RDWR | O_CREAT), WIRE_STATUS_RETRY);
	assert_int_equal(ask_while_stale(O_RDWR | O_CREAT | O_EXCL), -1);
	assert_int_equal(ask_while_stale(O_RDWR | O_CREAT), WIRE_STATUS_RETRY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_once),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/let-go", tests, setup);
}
