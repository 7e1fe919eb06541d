/* SPDX-License-Identifier: MIT */
/*
 * The messages that fdbroker-protocol(7) shows in hexadecimal are those that the library and the worker
 * write and read. Runs in the top directory of the sources.
 */
#include <endian.h>
#include <fcntl.h>

#include "wire-test.h"

static const char manual[] = "client-lib/fdbroker-protocol.7";

struct example {
	unsigned char bytes[256];
	size_t size;
};

/* The bytes of a line of nothing but pairs of digits and blanks; 0: it is another line. */
static size_t
read_line(const char *line, unsigned char *to, size_t room)
{
	size_t n = 0;

	for (; *line && *line != '\n'; line++) {
		if (*line == ' ')
			continue;
		if (n == room || sscanf(line, "%2hhx", &to[n]) != 1 ||
		    strspn(line, "0123456789abcdef") != 2)
			return 0;
		n++;
		line++;
	}
	return n;
}

/* Every run of such lines, which ends at a line of another kind. */
static size_t
read_examples(struct example *examples, size_t max)
{
	FILE *file = fopen(manual, "re");
	char line[256];
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct example *e = &examples[n];
		size_t more = read_line(line, e->bytes + e->size, sizeof(e->bytes) - e->size);

		e->size += more;
		if (more == 0 && e->size > 0) {
			n++;
			assert_true(n < max);
		}
	}
	fclose(file);
	return n;
}

static size_t
make_request(char *message, uint32_t id, enum wire_operation operation, const char *path,
	     uint32_t flags, uint32_t mode)
{
	const struct wire_file file = {
		.flags = flags, .mode = mode, .path_length = (uint32_t)strlen(path)};
	size_t size = wire_encode_request(message, id, operation, &file);

	memcpy(message + size, path, strlen(path));
	return size + strlen(path);
}

static size_t
make_reply(char *message, uint32_t error, const char *reason)
{
	const struct wire_outcome outcome = {
		.error = error, .text = reason, .text_length = strlen(reason)};

	return wire_encode_reply(message, 1, 0, &outcome, 1, 0);
}

/* What the manual says that it shows, in the order in which it does. 0: there is no more. */
static size_t
make_example(size_t i, char *message)
{
	static const char entries[] = "\4\3www\10\3new";
	const uint64_t next = htole64(7);
	const struct wire_outcome page = {
		.text = entries, .text_length = sizeof(entries) - 1, .more = &next};

	switch (i) {
	case 0:
		return make_request(message, 1, WIRE_OPEN, "/var/log/auth.log",
				    O_RDONLY | O_CLOEXEC, 0);
	case 1:
		return make_reply(message, 0, "");
	case 2:
		return make_reply(message, EACCES, "");
	case 3:
		return make_reply(message, EACCES, "ask root");
	case 4:
		return wire_encode_reply(message, 1, WIRE_STATUS_RETRY, NULL, 0, 0);
	case 5:
		return make_request(message, 2, WIRE_OPEN, "/srv/new", O_WRONLY | O_CREAT | O_EXCL,
				    0640);
	case 6:
		return make_request(message, 3, WIRE_STAT, "/srv/new", AT_SYMLINK_NOFOLLOW, 0);
	case 7:
		return make_request(message, 4, WIRE_LIST, "/srv", 0, 0);
	case 8:
		return wire_encode_reply(message, 4, 0, &page, 1, sizeof(next));
	case 9:
		return wire_encode_whoami(message, 1, 7);
	case 10:
		return wire_encode_page(message, 1, 0, "uid 61001\n", 10);
	default:
		return 0;
	}
}

static void
test_examples(void **state)
{
	static struct example examples[32];
	size_t n = read_examples(examples, ELEMENTS(examples));
	char message[WIRE_REPLY_MAX];

	(void)state;
	if (htole16(1) != 1)
		return;
	for (size_t i = 0; i < n; i++) {
		size_t size = make_example(i, message);

		if (size != examples[i].size || memcmp(message, examples[i].bytes, size) != 0)
			fail_msg("example %zu of %s", i, manual);
	}
	assert_int_equal(make_example(n, message), 0);
}

/* Decoded from the manual's bytes, not from ours. */
static void
test_reading(void **state)
{
	static struct example examples[32];
	size_t n = read_examples(examples, ELEMENTS(examples)), rest;
	struct wire_request d;
	struct wire_outcome outcome;
	struct page page;
	uint16_t status;

	(void)state;
	if (htole16(1) != 1)
		return;
	assert_int_equal(n, 11);
	assert_int_equal(decode(examples[0].bytes, examples[0].size, &d), 0);
	assert_memory_equal(d.files[0].path, "/var/log/auth.log", d.files[0].path_length);
	assert_int_equal(decode_reply(examples[3].bytes, examples[3].size, 1, 1, &status, &outcome),
			 0);
	assert_int_equal(outcome.error, EACCES);
	assert_memory_equal(outcome.text, "ask root", outcome.text_length);
	assert_int_equal(decode_reply(examples[4].bytes, examples[4].size, 1, 1, &status, &outcome),
			 0);
	assert_int_equal(status, WIRE_STATUS_RETRY);
	assert_int_equal(decode(examples[5].bytes, examples[5].size, &d), 0);
	assert_int_equal(d.files[0].flags, O_WRONLY | O_CREAT | O_EXCL);
	assert_int_equal(d.files[0].mode, 0640);
	assert_int_equal(decode(examples[7].bytes, examples[7].size, &d), 0);
	assert_int_equal(d.operation, WIRE_LIST);
	assert_int_equal(decode_reply(examples[8].bytes, examples[8].size, 4, 1, &status, &outcome),
			 0);
	assert_int_equal(decode_entries(outcome.text, outcome.text_length, &rest), 2);
	assert_int_equal(rest, 0);
	assert_int_equal(decode(examples[9].bytes, examples[9].size, &d), 0);
	assert_int_equal(d.from, 7);
	assert_int_equal(decode_page(examples[10].bytes, examples[10].size, 1, &page), 0);
	assert_memory_equal(page.text, "uid 61001\n", page.length);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests_name("client-lib/wire-examples", tests, make_room, NULL);
}
