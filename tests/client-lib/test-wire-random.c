/* SPDX-License-Identifier: MIT */
/*
 * A million messages for each decoder, good ones with a few bytes or numbers changed and pure
 * noise: it never reads beyond them, and takes exactly those that a second reading of the format
 * takes.
 */
#include "wire-test.h"

enum {
	ROUNDS = 1000000,
	ROOM = 512,
};

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t
draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

static void
add_noise(unsigned char *bytes)
{
	for (size_t i = 0; i < ROOM; i += sizeof(seed)) {
		draw(1);
		memcpy(bytes + i, &seed, sizeof(seed));
	}
}

static uint32_t
number_at(const unsigned char *bytes, size_t width)
{
	uint32_t number = 0;

	memcpy(&number, bytes, width);
	return number;
}

/* Numbers that are likely to hurt. */
static uint32_t
nasty(size_t size)
{
	const uint32_t numbers[] = {0,
				    1,
				    15,
				    16,
				    17,
				    64,
				    65,
				    255,
				    256,
				    257,
				    INT16_MAX,
				    UINT16_MAX,
				    INT32_MAX,
				    1u << 31,
				    UINT32_MAX,
				    UINT32_MAX - 15,
				    draw(600),
				    draw(600),
				    0u - draw(600)};
	uint32_t number = numbers[draw(ELEMENTS(numbers))];

	return draw(4) == 0 ? (uint32_t)size : number;
}

/* A few changes; more often to numbers than to any byte. Returns the new size. */
static size_t
mutate(unsigned char *bytes, size_t size)
{
	for (uint32_t n = draw(4); n > 0; n--) {
		uint32_t number = nasty(size);

		switch (draw(5)) {
		case 0:
			bytes[draw(ROOM)] = (unsigned char)draw(256);
			break;
		case 1:
			memcpy(bytes + 2 * draw(32), &number, 2);
			break;
		case 2:
			memcpy(bytes + 4 * draw(16), &number, 4);
			break;
		case 3:
			size = draw(2) ? draw(ROOM) : (size + draw(5) + ROOM - 2) % ROOM;
			break;
		default:
			number = (uint32_t)size;
			memcpy(bytes, &number, 4);
			break;
		}
	}
	return size;
}

static size_t
random_request(unsigned char *bytes)
{
	static const enum wire_operation operations[] = {WIRE_OPEN, WIRE_OPEN, WIRE_STAT,
							 WIRE_LIST};
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = operations[draw(ELEMENTS(operations))],
				     .id = draw(UINT32_MAX),
				     .item_size = (uint16_t)(ITEM + (draw(3) ? 0 : draw(20))),
				     .items = (uint16_t)(1 + draw(4))};
	size_t used;

	if (header.operation == WIRE_LIST && draw(8)) {
		header.items = 1;
		header.item_size = (uint16_t)(draw(4) ? LIST_ITEM : ITEM + draw(20));
	}
	used = HEADER + (size_t)header.items * header.item_size;
	add_noise(bytes);
	if (draw(50) == 0)
		return draw(ROOM);
	if (draw(4) == 0) {
		memset(bytes, 0, used);
		return wire_encode_whoami(bytes, header.id, draw(UINT32_MAX));
	}
	memset(bytes, 0, used);
	for (size_t i = 0; i < header.items; i++) {
		struct wire_item item = {.flags = draw(UINT32_MAX), .path_length = draw(30)};

		memcpy(bytes + HEADER + i * header.item_size, &item, ITEM);
		if (header.operation == WIRE_LIST && header.item_size >= LIST_ITEM)
			memcpy(bytes + HEADER + ITEM, &seed, sizeof(seed));
		used += item.path_length;
	}
	header.length = (uint32_t)used;
	memcpy(bytes, &header, HEADER);
	return used;
}

/* The same format, read by somebody else: in 64 bits, and without stopping at the first error. */
static bool
is_request(const unsigned char *bytes, size_t size)
{
	uint64_t items, item_size, sum, operation, known;
	bool good, whoami, list;

	if (size < HEADER)
		return false;
	item_size = number_at(bytes + 12, 2);
	items = number_at(bytes + 14, 2);
	sum = HEADER + items * item_size;
	operation = number_at(bytes + 6, 2);
	whoami = operation == WIRE_WHOAMI;
	list = operation == WIRE_LIST;
	known = list && item_size >= LIST_ITEM ? LIST_ITEM : ITEM;
	good = number_at(bytes, 4) == size && number_at(bytes + 4, 2) == WIRE_VERSION &&
	       operation >= 1 && operation <= 4 && items >= 1 &&
	       items <= (whoami || list ? 1 : 64) && item_size >= 16 && item_size <= 256;
	if (!good || sum > size)
		return false;
	for (uint64_t i = 0; i < items; i++) {
		const unsigned char *item = bytes + HEADER + i * item_size;

		sum += whoami ? 0 : number_at(item + 8, 4);
		for (uint64_t at = whoami ? 4 : 12; at < item_size; at++)
			if (whoami || at < ITEM || at >= known)
				good = good && item[at] == 0;
	}
	return good && sum == size;
}

static void
check_request(const struct wire_request *d, size_t size)
{
	const unsigned char *bytes = (unsigned char *)fence - size;
	const char *path = d->files[0].path;

	assert_int_equal(d->operation, number_at(bytes + 6, 2));
	if (d->operation == WIRE_WHOAMI) {
		assert_int_equal(d->from, number_at(bytes + HEADER, 4));
		assert_int_equal(d->n, 0);
		return;
	}
	assert_in_range(d->n, 1, WIRE_ITEMS_MAX);
	if (d->operation == WIRE_LIST && number_at(bytes + 12, 2) >= LIST_ITEM)
		assert_memory_equal(&d->files[0].from, bytes + HEADER + ITEM,
				    sizeof(d->files[0].from));
	else
		assert_true(d->files[0].from == 0);
	assert_ptr_equal(path, bytes + HEADER + d->n * number_at(bytes + 12, 2));
	for (size_t i = 0; i < d->n; i++) {
		assert_ptr_equal(d->files[i].path, path);
		path += d->files[i].path_length;
	}
	assert_ptr_equal(path, fence);
}

static void
test_requests(void **state)
{
	static unsigned char bytes[ROOM + 8];
	unsigned taken = 0;
	struct wire_request d;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t size = mutate(bytes, random_request(bytes));
		bool good = is_request(bytes, size);
		int r = decode(bytes, size, &d);

		if ((r == 0) != good)
			fail_msg("request %u: %d, and it is %s", i, r, good ? "good" : "bad");
		assert_int_equal(r == -EBADMSG, size < HEADER);
		assert_true(r == -EBADMSG || r == 0 || r == EPROTO || r == EPROTONOSUPPORT ||
			    r == EOPNOTSUPP || r == E2BIG);
		if (r == 0)
			check_request(&d, size);
		else
			assert_int_equal(d.n, 4711);
		taken += r == 0;
	}
	assert_in_range(taken, ROUNDS / 10, ROUNDS - ROUNDS / 10);
}

static size_t
random_reply(unsigned char *bytes, uint32_t id, size_t n)
{
	static const size_t sizes[] = {0, 8, 20};
	struct wire_outcome outcomes[4];
	char noise[40];
	uint16_t status = (uint16_t)(draw(4) ? 0 : draw(UINT16_MAX + 1));

	add_noise(bytes);
	memcpy(noise, bytes, sizeof(noise));
	for (size_t i = 0; i < n; i++)
		outcomes[i] = (struct wire_outcome){
			.error = draw(3) ? 0 : draw(UINT32_MAX),
			.text_length = draw(2) ? 0 : draw(sizeof(noise)),
			.text = noise,
			.more = noise,
		};
	return wire_encode_reply(bytes, id, status, outcomes, status == 0 ? n : 0,
				 sizes[draw(ELEMENTS(sizes))]);
}

static bool
is_reply(const unsigned char *bytes, size_t size, uint32_t id, size_t n)
{
	uint64_t items, item_size, sum;

	if (size < sizeof(struct wire_reply) || number_at(bytes, 4) != size ||
	    number_at(bytes + 4, 2) != WIRE_VERSION || number_at(bytes + 8, 4) != id)
		return false;
	item_size = number_at(bytes + 12, 2);
	items = number_at(bytes + 14, 2);
	if (number_at(bytes + 6, 2) != 0)
		return true;
	sum = 16 + items * item_size;
	if (items != n || item_size < RESULT || sum > size)
		return false;
	for (uint64_t i = 0; i < items; i++)
		sum += number_at(bytes + 16 + i * item_size + 4, 4);
	return sum == size;
}

/* They are where the message is, and nothing else is. */
static void
check_outcomes(const struct wire_outcome *outcomes, size_t n, size_t size)
{
	const unsigned char *bytes = (unsigned char *)fence - size;
	size_t item_size = number_at(bytes + 12, 2);
	const char *text = (const char *)bytes + 16 + n * item_size;

	for (size_t i = 0; i < n; i++) {
		const unsigned char *at = bytes + 16 + i * item_size;

		assert_int_equal(outcomes[i].error, number_at(at, 4));
		assert_ptr_equal(outcomes[i].more, at + RESULT);
		assert_int_equal(outcomes[i].more_size, item_size - RESULT);
		assert_ptr_equal(outcomes[i].text, text);
		text += outcomes[i].text_length;
	}
	assert_ptr_equal(text, fence);
}

static void
test_replies(void **state)
{
	static unsigned char bytes[ROOM + 8];
	struct wire_outcome outcomes[WIRE_ITEMS_MAX];
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t id = draw(UINT32_MAX);
		size_t n = 1 + draw(4), size = mutate(bytes, random_reply(bytes, id, n));
		bool good = is_reply(bytes, size, id, n);
		uint16_t status = 0;
		int r = decode_reply(bytes, size, id, n, &status, outcomes);

		assert_true(r == 0 || r == -EPROTO);
		taken += r == 0;
		if (r == 0) {
			assert_int_equal(status, number_at(bytes + 6, 2));
			if (status == 0)
				check_outcomes(outcomes, n, size);
		}
		if ((r == 0) != good)
			fail_msg("reply %u: %d, and it is %s", i, r, good ? "good" : "bad");
	}
	assert_in_range(taken, ROUNDS / 10, ROUNDS - ROUNDS / 10);
}

static bool
is_page(const unsigned char *bytes, size_t size, uint32_t id)
{
	bool good = true;

	if (size < REPLY_HEAD || number_at(bytes, 4) != size ||
	    number_at(bytes + 4, 2) != WIRE_VERSION || number_at(bytes + 8, 4) != id)
		return false;
	if (number_at(bytes + 6, 2) != 0)
		return true;
	for (size_t i = REPLY_HEAD + PAGE; i < size; i++)
		good = good && (bytes[i] == '\n' || (bytes[i] >= ' ' && bytes[i] <= '~'));
	return good && number_at(bytes + 12, 4) == 0 && size >= REPLY_HEAD + PAGE &&
	       (size == REPLY_HEAD + PAGE || bytes[size - 1] == '\n');
}

static void
test_pages(void **state)
{
	static unsigned char bytes[ROOM + 8];
	char text[64];
	unsigned taken = 0;
	struct page page;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t id = draw(UINT32_MAX);
		size_t size, length = draw(sizeof(text));
		bool good;
		int r;

		memset(text, 'a' + (int)draw(26), sizeof(text));
		if (length > 0)
			text[length - 1] = draw(20) ? '\n' : 'x';
		add_noise(bytes);
		size = draw(20) ? wire_encode_page(bytes, id, draw(3), text, length)
				: wire_encode_reply(bytes, id, (uint16_t)draw(UINT16_MAX), NULL, 0,
						    0);
		size = mutate(bytes, size);
		good = is_page(bytes, size, id);
		r = decode_page(bytes, size, id, &page);
		if ((r == 0) != good)
			fail_msg("page %u: %d, and it is %s", i, r, good ? "good" : "bad");
		assert_true(r == 0 || r == -EPROTO);
		taken += r == 0;
		if (r != 0 || page.status != 0)
			continue;
		assert_int_equal(page.next, number_at(bytes + REPLY_HEAD, 4));
		assert_ptr_equal(page.text, fence - page.length);
		assert_int_equal(page.length, size - REPLY_HEAD - PAGE);
	}
	assert_in_range(taken, ROUNDS / 10, ROUNDS - ROUNDS / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests_name("client-lib/wire-random", tests, make_room, NULL);
}
