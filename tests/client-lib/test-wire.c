/* SPDX-License-Identifier: MIT */
/*
 * The wire format: every malformed shape is told apart from the good ones, and no decoder reads a
 * byte beyond the message.
 */
#include <endian.h>

#include "wire-test.h"

/* --- requests -----------------------------------------------------------------------------------
 */

/* A request of n items of this size; item i has path_lengths[i] bytes of path. */
static size_t
make_request(char *to, size_t n, size_t item_size, const uint32_t *path_lengths)
{
	struct wire_header header = {
		.version = WIRE_VERSION,
		.operation = WIRE_OPEN,
		.id = 0xfedcba98u,
		.item_size = (uint16_t)item_size,
		.items = (uint16_t)n,
	};
	size_t used = HEADER + n * item_size;

	memset(to, 0, used);
	for (size_t i = 0; i < n; i++) {
		struct wire_item item = {.flags = (uint32_t)i + 1,
					 .mode = (uint32_t)i + 100,
					 .path_length = path_lengths[i]};

		memcpy(to + HEADER + i * item_size, &item,
		       item_size < ITEM ? item_size : (size_t)ITEM);
		memset(to + used, 'a' + (int)i, path_lengths[i]);
		used += path_lengths[i];
	}
	header.length = (uint32_t)used;
	memcpy(to, &header, HEADER);
	return used;
}

static void
check_files(const struct wire_request *d, size_t size, size_t n, size_t item_size,
	    const uint32_t *path_lengths)
{
	const char *path = fence - size + HEADER + n * item_size;

	assert_int_equal(d->id, 0xfedcba98u);
	assert_int_equal(d->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(d->files[i].flags, i + 1);
		assert_int_equal(d->files[i].mode, i + 100);
		assert_ptr_equal(d->files[i].path, path);
		assert_int_equal(d->files[i].path_length, path_lengths[i]);
		path += path_lengths[i];
	}
	assert_ptr_equal(path, fence);
}

static void
test_request_round_trips(void **state)
{
	static const size_t counts[] = {1, 2, 63, 64}, sizes[] = {16, 17, 24, 255, 256};
	static char message[WIRE_MESSAGE_MAX];
	uint32_t lengths[WIRE_ITEMS_MAX];
	struct wire_request d;

	(void)state;
	for (uint32_t i = 0; i < WIRE_ITEMS_MAX; i++)
		lengths[i] = i * 7 % 50;
	for (size_t c = 0; c < ELEMENTS(counts); c++) {
		for (size_t s = 0; s < ELEMENTS(sizes); s++) {
			size_t size = make_request(message, counts[c], sizes[s], lengths);

			assert_int_equal(decode(message, size, &d), 0);
			assert_int_equal(d.operation, WIRE_OPEN);
			check_files(&d, size, counts[c], sizes[s], lengths);
		}
	}
}

static void
test_encoded_requests(void **state)
{
	static const char path[] = "/etc/motd";
	const struct wire_file file = {.flags = 0x80000001u,
				       .mode = 0640,
				       .path_length = sizeof(path) - 1,
				       .from = 0xfedcba9876543210u};
	static const enum wire_operation operations[] = {WIRE_OPEN, WIRE_STAT, WIRE_LIST};
	char message[WIRE_REQUEST_HEAD + sizeof(path) - 1];
	struct wire_request d;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(operations); i++) {
		bool list = operations[i] == WIRE_LIST;
		size_t head = wire_encode_request(message, 7, operations[i], &file);

		assert_int_equal(head, HEADER + (list ? sizeof(struct wire_list_item) : ITEM));
		memcpy(message + head, path, sizeof(path) - 1);
		assert_int_equal(decode(message, head + sizeof(path) - 1, &d), 0);
		assert_int_equal(d.id, 7);
		assert_int_equal(d.operation, operations[i]);
		assert_int_equal(d.n, 1);
		assert_int_equal(d.files[0].flags, 0x80000001u);
		assert_int_equal(d.files[0].mode, 0640);
		assert_int_equal(d.files[0].path_length, sizeof(path) - 1);
		assert_memory_equal(d.files[0].path, path, sizeof(path) - 1);
		assert_true(d.files[0].from == (list ? file.from : 0));
	}
}

/* Every number in a header, and what becomes of a request of two items when it has that value. */
static const struct {
	size_t offset, width;
	uint32_t value;
	int result;
} spoilt[] = {
#define HEAD(field, value, result)                                                                 \
	{                                                                                          \
		offsetof(struct wire_header, field), sizeof(((struct wire_header *)0)->field),     \
			value, result                                                              \
	}
#define FIRST(field, value, result)                                                                \
	{                                                                                          \
		HEADER + offsetof(struct wire_item, field), sizeof(uint32_t), value, result        \
	}
	HEAD(length, 0, EPROTO),
	HEAD(length, 1, EPROTO),
	HEAD(length, HEADER, EPROTO),
	HEAD(length, HEADER + 2 * ITEM + 7, EPROTO),
	HEAD(length, HEADER + 2 * ITEM + 9, EPROTO),
	HEAD(length, INT32_MAX, EPROTO),
	HEAD(length, UINT32_MAX, EPROTO),
	HEAD(version, 0, EPROTONOSUPPORT),
	HEAD(version, 2, EPROTONOSUPPORT),
	HEAD(version, 0x0100, EPROTONOSUPPORT),
	HEAD(version, UINT16_MAX, EPROTONOSUPPORT),
	HEAD(operation, 0, EOPNOTSUPP),
	HEAD(operation, 2, EPROTO), /* which is a question, and has no two items */
	HEAD(operation, 3, 0),
	HEAD(operation, 4, EPROTO), /* of one directory */
	HEAD(operation, 5, EOPNOTSUPP),
	HEAD(operation, 0x0100, EOPNOTSUPP),
	HEAD(operation, 0x0103, EOPNOTSUPP),
	HEAD(operation, UINT16_MAX, EOPNOTSUPP),
	HEAD(items, 0, EPROTO),
	HEAD(items, 1, EPROTO),
	HEAD(items, 3, EPROTO),
	HEAD(items, 64, EPROTO),
	HEAD(items, 65, EPROTO),
	HEAD(items, INT16_MAX, EPROTO),
	HEAD(items, UINT16_MAX, EPROTO),
	HEAD(item_size, 0, EPROTO),
	HEAD(item_size, 1, EPROTO),
	HEAD(item_size, 15, EPROTO),
	HEAD(item_size, 256, EPROTO),
	HEAD(item_size, 257, EPROTO),
	HEAD(item_size, 0x8010, EPROTO),
	HEAD(item_size, UINT16_MAX, EPROTO),
	FIRST(path_length, 4, EPROTO),
	FIRST(path_length, 6, EPROTO),
	FIRST(path_length, 0, EPROTO),
	FIRST(path_length, 9, EPROTO),
	FIRST(path_length, INT32_MAX, EPROTO),
	FIRST(path_length, 1u << 31, EPROTO),
	FIRST(path_length, UINT32_MAX, EPROTO),
	FIRST(path_length, UINT32_MAX - 2, EPROTO),
	FIRST(path_length, UINT32_MAX - HEADER - 2 * ITEM + 1, EPROTO),
	FIRST(reserved, 1, E2BIG),
	FIRST(reserved, UINT32_MAX, E2BIG),
	/* What is not for the decoder to judge. */
	FIRST(flags, UINT32_MAX, 0),
	FIRST(mode, UINT32_MAX, 0),
	HEAD(id, UINT32_MAX, 0),
};

static void
test_spoilt_requests(void **state)
{
	static const uint32_t lengths[] = {5, 3};
	char message[256];
	struct wire_request d;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(spoilt); i++) {
		size_t size = make_request(message, 2, ITEM, lengths);
		uint16_t narrow = (uint16_t)spoilt[i].value;

		assert_int_equal(size, HEADER + 2 * ITEM + 8);
		if (spoilt[i].width == sizeof(narrow))
			memcpy(message + spoilt[i].offset, &narrow, sizeof(narrow));
		else
			memcpy(message + spoilt[i].offset, &spoilt[i].value, sizeof(uint32_t));
		d.id = 0;
		if (decode(message, size, &d) != spoilt[i].result)
			fail_msg("offset %zu, value %#x: not %d", spoilt[i].offset, spoilt[i].value,
				 spoilt[i].result);
		if (spoilt[i].offset != offsetof(struct wire_header, id))
			assert_int_equal(d.id, 0xfedcba98u);
		if (spoilt[i].result != 0)
			assert_int_equal(d.n, 4711);
	}
}

/* Cut at every byte, with the length as it was and with the length as it is. */
static void
test_cut_requests(void **state)
{
	static const uint32_t lengths[] = {5, 3};
	char message[256] = "";
	struct wire_request d;

	(void)state;
	for (size_t size = 0; size < 128; size++) {
		size_t whole = make_request(message, 2, ITEM, lengths);
		uint32_t length = (uint32_t)size;

		if (size == whole)
			continue;
		assert_int_equal(decode(message, size, &d), size < HEADER ? -EBADMSG : EPROTO);
		memcpy(message, &length, sizeof(length));
		assert_int_equal(decode(message, size, &d), size < HEADER ? -EBADMSG : EPROTO);
	}
}

static void
test_sizes_of_items(void **state)
{
	static const uint32_t lengths[WIRE_ITEMS_MAX + 1] = {5, 3};
	static char message[WIRE_MESSAGE_MAX];
	struct wire_request d;

	(void)state;
	for (size_t item = 0; item < 300; item++) {
		bool good = item >= 16 && item <= 256;
		size_t size = make_request(message, 2, item, lengths);

		assert_int_equal(decode(message, size, &d), good ? 0 : EPROTO);
		/* Each byte of the tail of each item. */
		for (size_t at = ITEM; good && at < item; at++) {
			for (size_t i = 0; i < 2; i++) {
				message[HEADER + i * item + at] = 1;
				assert_int_equal(decode(message, size, &d), E2BIG);
				message[HEADER + i * item + at] = 0;
			}
		}
	}
	for (size_t n = 1; n <= WIRE_ITEMS_MAX + 1; n++)
		assert_int_equal(decode(message, make_request(message, n, ITEM, lengths), &d),
				 n <= WIRE_ITEMS_MAX ? 0 : EPROTO);
}

/* --- replies ------------------------------------------------------------------------------------
 */

/* What becomes of file i: more_size bytes of this, and text_length of that. */
static void
make_outcomes(struct wire_outcome *outcomes, size_t n, size_t more_size)
{
	static char texts[WIRE_REPLY_MAX], more[WIRE_ITEMS_MAX][256];

	for (size_t i = 0; i < sizeof(texts); i++)
		texts[i] = (char)(i * 31 >> 2);
	for (size_t i = 0; i < n; i++) {
		memset(more[i], (int)i + 1, sizeof(more[i]));
		outcomes[i] = (struct wire_outcome){
			.error = (uint32_t)i * 0x01010101u,
			.text_length = i * 11 % 50,
			.text = texts + i,
			.more_size = more_size,
			.more = more[i],
		};
	}
}

static void
test_reply_round_trips(void **state)
{
	static const size_t sizes[] = {0, 8, WIRE_STATUS_SIZE};
	struct wire_outcome outcomes[WIRE_ITEMS_MAX], got[WIRE_ITEMS_MAX];
	char message[WIRE_REPLY_MAX];
	uint16_t status;

	(void)state;
	for (size_t n = 1; n <= WIRE_ITEMS_MAX; n++) {
		for (size_t s = 0; s < ELEMENTS(sizes); s++) {
			size_t size, wanted = REPLY_HEAD + n * (RESULT + sizes[s]);

			make_outcomes(outcomes, n, sizes[s]);
			size = wire_encode_reply(message, (uint32_t)n, 0, outcomes, n, sizes[s]);
			status = 1;
			assert_int_equal(decode_reply(message, size, (uint32_t)n, n, &status, got),
					 0);
			assert_int_equal(status, 0);
			for (size_t i = 0; i < n; i++) {
				/* What there is no room for is left out. */
				bool fits = wanted + outcomes[i].text_length <= WIRE_REPLY_MAX;

				assert_int_equal(got[i].error, outcomes[i].error);
				assert_int_equal(got[i].more_size, sizes[s]);
				assert_memory_equal(got[i].more, outcomes[i].more, sizes[s]);
				assert_int_equal(got[i].text_length,
						 fits ? outcomes[i].text_length : 0);
				assert_memory_equal(got[i].text, outcomes[i].text,
						    got[i].text_length);
				wanted += got[i].text_length;
			}
			assert_int_equal(size, wanted);
		}
	}
	for (uint32_t s = 1; s <= UINT16_MAX; s++) {
		size_t size = wire_encode_reply(message, 9, (uint16_t)s, NULL, 0, 0);

		assert_int_equal(size, REPLY_HEAD);
		assert_int_equal(decode_reply(message, size, 9, 1, &status, got), 0);
		assert_int_equal(status, s);
	}
}

/* Of 64 reasons as long as they may be, those that come first. */
static void
test_long_texts(void **state)
{
	struct wire_outcome outcomes[WIRE_ITEMS_MAX], got[WIRE_ITEMS_MAX];
	char message[WIRE_REPLY_MAX], reason[WIRE_REASON_MAX];
	const size_t room = WIRE_REPLY_MAX - REPLY_HEAD;
	size_t size, used = WIRE_ITEMS_MAX * RESULT;
	uint16_t status = 1;

	(void)state;
	memset(reason, 'r', sizeof(reason));
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++)
		outcomes[i] = (struct wire_outcome){
			.error = EACCES, .text = reason, .text_length = sizeof(reason)};
	/* One more is short enough. */
	outcomes[WIRE_ITEMS_MAX - 1].text_length = room - used - 9 * sizeof(reason);
	size = wire_encode_reply(message, 7, 0, outcomes, WIRE_ITEMS_MAX, 0);
	assert_int_equal(size, WIRE_REPLY_MAX);
	assert_int_equal(decode_reply(message, size, 7, WIRE_ITEMS_MAX, &status, got), 0);
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) {
		bool told = i < 9 || i == WIRE_ITEMS_MAX - 1;

		assert_int_equal(got[i].text_length, told ? outcomes[i].text_length : 0);
		used += got[i].text_length;
	}
	assert_int_equal(used, room);
}

static void
test_spoilt_replies(void **state)
{
	static const struct {
		size_t offset, width;
		uint32_t value;
	} cases[] = {
#define REPLY(field, value)                                                                        \
	{offsetof(struct wire_reply, field), sizeof(((struct wire_reply *)0)->field), value}
#define TEXT(i, value)                                                                             \
	{                                                                                          \
		REPLY_HEAD + (i)*RESULT + offsetof(struct wire_result, text_length), 4, value      \
	}
		REPLY(length, 0),
		REPLY(length, 15),
		REPLY(length, 31),
		REPLY(length, 33),
		REPLY(length, UINT32_MAX),
		REPLY(version, 0),
		REPLY(version, 2),
		REPLY(id, 0),
		REPLY(id, 8),
		REPLY(id, 0x90000007),
		REPLY(items, 0),
		REPLY(items, 1),
		REPLY(items, 3),
		REPLY(items, UINT16_MAX),
		REPLY(item_size, 0),
		REPLY(item_size, 7),
		REPLY(item_size, 9),
		REPLY(item_size, UINT16_MAX),
		TEXT(0, 1),
		TEXT(0, UINT32_MAX),
		TEXT(1, 1),
		TEXT(1, 1u << 31),
	};
	const struct wire_outcome errors[2] = {{.error = 0}, {.error = ENOENT}};
	struct wire_outcome got[WIRE_ITEMS_MAX];
	char message[WIRE_REPLY_MAX] = "";
	uint16_t status = 4711;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		size_t size = wire_encode_reply(message, 7, 0, errors, 2, 0);

		memcpy(message + cases[i].offset, &cases[i].value, cases[i].width);
		if (decode_reply(message, size, 7, 2, &status, got) != -EPROTO)
			fail_msg("offset %zu, value %#x", cases[i].offset, cases[i].value);
		assert_int_equal(status, 4711);
	}
	for (size_t size = 0; size < 64; size++) {
		size_t whole = wire_encode_reply(message, 7, 0, errors, 2, 0);
		uint32_t length = (uint32_t)size;

		if (size == whole)
			continue;
		assert_int_equal(decode_reply(message, size, 7, 2, &status, got), -EPROTO);
		memcpy(message, &length, sizeof(length));
		assert_int_equal(decode_reply(message, size, 7, 2, &status, got), -EPROTO);
	}
}

/* --- questions and pages ------------------------------------------------------------------------
 */

/* Of item_size bytes, zero behind what is known. */
static size_t
make_question(char *to, size_t item_size, uint32_t from)
{
	struct wire_header header;

	memset(to, 0, HEADER + item_size);
	assert_int_equal(wire_encode_whoami(to, 0xfedcba98u, from), HEADER + ITEM);
	memcpy(&header, to, HEADER);
	header.length = (uint32_t)(HEADER + item_size);
	header.item_size = (uint16_t)item_size;
	memcpy(to, &header, HEADER);
	return HEADER + item_size;
}

static void
test_questions(void **state)
{
	static const uint32_t froms[] = {0, 1, 1u << 24, INT32_MAX, UINT32_MAX};
	char message[512];
	struct wire_request d;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(froms); i++) {
		assert_int_equal(decode(message, make_question(message, 16, froms[i]), &d), 0);
		assert_int_equal(d.id, 0xfedcba98u);
		assert_int_equal(d.operation, WIRE_WHOAMI);
		assert_int_equal(d.from, froms[i]);
		assert_int_equal(d.n, 0);
	}
	for (size_t item = 16; item < 300; item++) {
		size_t size = make_question(message, item, 7);

		assert_int_equal(decode(message, size, &d), item <= 256 ? 0 : EPROTO);
		for (size_t at = 4; item <= 256 && at < item; at++) {
			message[HEADER + at] = 1;
			assert_int_equal(decode(message, size, &d), E2BIG);
			assert_int_equal(d.from, 0x4711);
			message[HEADER + at] = 0;
		}
	}
}

static void
test_spoilt_questions(void **state)
{
	static const struct {
		size_t offset;
		uint16_t value;
		int result;
	} cases[] = {
		{offsetof(struct wire_header, length), 31, EPROTO},
		{offsetof(struct wire_header, length), 33, EPROTO},
		{offsetof(struct wire_header, version), 0, EPROTONOSUPPORT},
		{offsetof(struct wire_header, version), 2, EPROTONOSUPPORT},
		{offsetof(struct wire_header, operation), 5, EOPNOTSUPP},
		{offsetof(struct wire_header, operation), 0x0200, EOPNOTSUPP},
		{offsetof(struct wire_header, items), 0, EPROTO},
		{offsetof(struct wire_header, items), 2, EPROTO},
		{offsetof(struct wire_header, items), 64, EPROTO},
		{offsetof(struct wire_header, items), UINT16_MAX, EPROTO},
		{offsetof(struct wire_header, item_size), 0, EPROTO},
		{offsetof(struct wire_header, item_size), 15, EPROTO},
		{offsetof(struct wire_header, item_size), 17, EPROTO},
		{offsetof(struct wire_header, item_size), UINT16_MAX, EPROTO},
	};
	char message[64] = "";
	struct wire_request d;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		size_t size = make_question(message, 16, 7);

		memcpy(message + cases[i].offset, &cases[i].value, sizeof(cases[i].value));
		if (decode(message, size, &d) != cases[i].result)
			fail_msg("offset %zu, value %#x", cases[i].offset, cases[i].value);
		assert_int_equal(d.from, 0x4711);
	}
	for (size_t size = 0; size < sizeof(message); size++) {
		size_t whole = make_question(message, 16, 7);
		uint32_t length = (uint32_t)size;

		if (size == whole)
			continue;
		assert_int_equal(decode(message, size, &d), size < HEADER ? -EBADMSG : EPROTO);
		memcpy(message, &length, sizeof(length));
		assert_int_equal(decode(message, size, &d), size < HEADER ? -EBADMSG : EPROTO);
	}
}

static void
test_page_round_trips(void **state)
{
	char message[WIRE_REPLY_MAX], text[WIRE_TEXT_MAX];
	struct page page;

	(void)state;
	for (size_t length = 0; length <= WIRE_TEXT_MAX; length++) {
		size_t size;

		memset(text, ' ' + (int)length % 95, sizeof(text));
		if (length > 0)
			text[length - 1] = text[length / 2] = '\n';
		size = wire_encode_page(message, 9, (uint32_t)length * 0x01010101u, text, length);
		assert_int_equal(size, REPLY_HEAD + PAGE + length);
		assert_in_range(size, 0, WIRE_REPLY_MAX);
		page = (struct page){.status = 1};
		assert_int_equal(decode_page(message, size, 9, &page), 0);
		assert_int_equal(page.status, 0);
		assert_int_equal(page.next, (uint32_t)length * 0x01010101u);
		assert_int_equal(page.length, length);
		assert_memory_equal(page.text, text, length);
	}
	for (uint32_t s = 1; s <= UINT16_MAX; s++) {
		size_t size = wire_encode_reply(message, 9, (uint16_t)s, NULL, 0, 0);

		page = (struct page){.next = 4711};
		assert_int_equal(decode_page(message, size, 9, &page), 0);
		assert_int_equal(page.status, s);
		assert_int_equal(page.next, 4711);
	}
}

static void
test_spoilt_pages(void **state)
{
	static const struct {
		size_t offset, width;
		uint32_t value;
	} cases[] = {
		REPLY(length, 0),    REPLY(length, 27),        REPLY(length, 29),
		REPLY(version, 0),   REPLY(version, 2),        REPLY(id, 8),
		REPLY(items, 1),     REPLY(items, UINT16_MAX), REPLY(item_size, 1),
		REPLY(item_size, 8),
	};
	const struct page untouched = {.status = 4711, .next = 4712};
	struct page page = untouched;
	char message[WIRE_REPLY_MAX] = "";

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		size_t size = wire_encode_page(message, 7, 5, "a b\n", 4);

		memcpy(message + cases[i].offset, &cases[i].value, cases[i].width);
		if (decode_page(message, size, 7, &page) != -EPROTO)
			fail_msg("offset %zu, value %#x", cases[i].offset, cases[i].value);
		assert_memory_equal(&page, &untouched, sizeof(page));
	}
	for (size_t size = 0; size < 28; size++) {
		uint32_t length = (uint32_t)size;

		(void)wire_encode_page(message, 7, 5, "a b\n", 4);
		assert_int_equal(decode_page(message, size, 7, &page), -EPROTO);
		memcpy(message, &length, sizeof(length));
		/* No text at all is a page; half a line is none. */
		assert_int_equal(decode_page(message, size, 7, &page),
				 size == REPLY_HEAD + PAGE ? 0 : -EPROTO);
	}
	/* Each byte, in the middle of a line and at its end. */
	for (int c = 0; c < 256; c++) {
		const char text[] = {'a', (char)c, 'b', '\n', (char)c};
		bool good = c == '\n' || (c >= 0x20 && c < 0x7f);
		size_t size = wire_encode_page(message, 7, 5, text, 4);

		assert_int_equal(decode_page(message, size, 7, &page), good ? 0 : -EPROTO);
		size = wire_encode_page(message, 7, 5, text, 5);
		assert_int_equal(decode_page(message, size, 7, &page), c == '\n' ? 0 : -EPROTO);
	}
}

/* The bytes that the manual shows, of a machine that writes the low byte first. */
static void
test_vectors(void **state)
{
	static const unsigned char question[] = {
		0x20, 0, 0, 0, 1, 0, 2, 0, 1, 0, 0, 0, 0x10, 0, 1, 0,
		0x07, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0,
	};
	static const unsigned char reply[] = {
		0x22, 0, 0, 0, 1, 0, 0, 0,   1,   0,   0,   0,   0,   0,   0,   0,   0,
		0,    0, 0, 0, 0, 0, 0, 'u', 'i', 'd', ' ', '6', '1', '0', '0', '1', '\n',
	};
	char message[WIRE_REPLY_MAX];
	struct wire_request d;
	struct page page;

	(void)state;
	if (htole16(1) != 1)
		return;
	assert_int_equal(wire_encode_whoami(message, 1, 7), sizeof(question));
	assert_memory_equal(message, question, sizeof(question));
	assert_int_equal(decode(question, sizeof(question), &d), 0);
	assert_int_equal(d.from, 7);
	assert_int_equal(wire_encode_page(message, 1, 0, "uid 61001\n", 10), sizeof(reply));
	assert_memory_equal(message, reply, sizeof(reply));
	assert_int_equal(decode_page(reply, sizeof(reply), 1, &page), 0);
	assert_int_equal(page.next, 0);
	assert_memory_equal(page.text, "uid 61001\n", page.length);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_round_trips),
		cmocka_unit_test(test_encoded_requests),
		cmocka_unit_test(test_spoilt_requests),
		cmocka_unit_test(test_cut_requests),
		cmocka_unit_test(test_sizes_of_items),
		cmocka_unit_test(test_reply_round_trips),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_spoilt_replies),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_spoilt_questions),
		cmocka_unit_test(test_page_round_trips),
		cmocka_unit_test(test_spoilt_pages),
		cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests_name("client-lib/wire", tests, make_room, NULL);
}
