/* SPDX-License-Identifier: MIT */
/*
 * Requests of every wrong shape against a real broker. Whatever comes, the same worker goes on to
 * serve, and no process has more descriptors than before.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/harness.h"

enum {
	ENDS = -1, /* no reply: the connection ends */
	HEADER = sizeof(struct wire_header),
	ITEM = sizeof(struct wire_item),
};

/* A message before it is spoiled: one item, data/file. */
static struct draft {
	struct wire_header header;
	struct wire_item item;
	char rest[200000];
	size_t size;
} draft;

static void
empty(struct draft *d)
{
	d->size = 0;
}

static void
one_byte(struct draft *d)
{
	d->size = 1;
}

static void
almost_a_header(struct draft *d)
{
	d->size = HEADER - 1;
}

static void
header_alone(struct draft *d)
{
	d->size = d->header.length = HEADER;
}

static void
one_short(struct draft *d)
{
	d->size--;
}

static void
one_short_and_says_so(struct draft *d)
{
	d->header.length = (uint32_t)--d->size;
}

static void
one_long(struct draft *d)
{
	d->size++;
}

static void
one_long_and_says_so(struct draft *d)
{
	d->header.length = (uint32_t)++d->size;
}

static void
length_zero(struct draft *d)
{
	d->header.length = 0;
}

static void
length_greatest(struct draft *d)
{
	d->header.length = UINT32_MAX;
}

static void
version_zero(struct draft *d)
{
	d->header.version = 0;
}

static void
version_next(struct draft *d)
{
	d->header.version = WIRE_VERSION + 1;
}

static void
version_of_nothing(struct draft *d)
{
	d->header.version = UINT16_MAX;
	d->size = HEADER;
}

static void
operation_zero(struct draft *d)
{
	d->header.operation = 0;
}

static void
operation_next(struct draft *d)
{
	d->header.operation = WIRE_LIST + 1;
}

static void
operation_greatest(struct draft *d)
{
	d->header.operation = UINT16_MAX;
}

static void
no_items(struct draft *d)
{
	d->header.items = 0;
}

static void
two_items_one_there(struct draft *d)
{
	d->header.items = 2;
}

static void
too_many_items(struct draft *d)
{
	const size_t items = WIRE_ITEMS_MAX + 1;

	d->header.items = (uint16_t)items;
	for (size_t i = 0; i < items; i++)
		memcpy((char *)&d->item + i * ITEM, &(struct wire_item){.path_length = 1}, ITEM);
	d->size = HEADER + items * ITEM + items;
	d->header.length = (uint32_t)d->size;
}

static void
most_items_that_a_number_holds(struct draft *d)
{
	d->header.items = UINT16_MAX;
}

static void
item_size_zero(struct draft *d)
{
	d->header.item_size = 0;
}

static void
item_size_short(struct draft *d)
{
	d->header.item_size = ITEM - 1;
}

/* The item grows to this size, its new bytes are zero, and the path moves. */
static void
grow_item(struct draft *d, size_t size)
{
	const size_t path = d->item.path_length;

	memmove(d->rest + size - ITEM, d->rest, path);
	memset(d->rest, 0, size - ITEM);
	d->header.item_size = (uint16_t)size;
	d->size = HEADER + size + path;
	d->header.length = (uint32_t)d->size;
}

static void
item_with_a_zero_tail(struct draft *d)
{
	grow_item(d, ITEM + 1);
}

static void
item_with_a_long_zero_tail(struct draft *d)
{
	grow_item(d, WIRE_ITEM_SIZE_MAX);
}

static void
item_with_a_tail(struct draft *d)
{
	grow_item(d, ITEM + 1);
	d->rest[0] = 1;
}

static void
item_with_a_last_byte(struct draft *d)
{
	grow_item(d, WIRE_ITEM_SIZE_MAX);
	d->rest[WIRE_ITEM_SIZE_MAX - ITEM - 1] = (char)0x80;
}

static void
item_too_long(struct draft *d)
{
	grow_item(d, WIRE_ITEM_SIZE_MAX + 1);
}

static void
item_size_greatest(struct draft *d)
{
	d->header.item_size = UINT16_MAX;
}

static void
reserved_is_not_zero(struct draft *d)
{
	d->item.reserved = 1u << 31;
}

static void
path_one_short(struct draft *d)
{
	d->item.path_length--;
}

static void
path_one_long(struct draft *d)
{
	d->item.path_length++;
}

static void
path_greatest(struct draft *d)
{
	d->item.path_length = UINT32_MAX;
}

/* Two lengths whose sum is right in 32 bits. */
static void
paths_that_wrap(struct draft *d)
{
	const size_t path = d->item.path_length;
	struct wire_item second = d->item;

	second.path_length = (uint32_t)path + 16;
	d->item.path_length = UINT32_MAX - 15;
	memmove(d->rest + ITEM, d->rest, path);
	memcpy(d->rest, &second, ITEM);
	d->header.items = 2;
	d->size += ITEM;
	d->header.length = (uint32_t)d->size;
}

static void
grow(struct draft *d, size_t size)
{
	d->size = size;
	d->header.length = (uint32_t)size;
	d->item.path_length = (uint32_t)(size - HEADER - ITEM);
}

static void
no_path(struct draft *d)
{
	grow(d, HEADER + ITEM);
}

static void
largest(struct draft *d)
{
	grow(d, WIRE_MESSAGE_MAX);
}

static void
one_more_than_the_largest(struct draft *d)
{
	grow(d, WIRE_MESSAGE_MAX + 1);
}

static void
three_times_the_largest(struct draft *d)
{
	grow(d, 3 * WIRE_MESSAGE_MAX);
}

#define SHAPE(name, status, error)                                                                 \
	{                                                                                          \
#name, name, status, error                                                         \
	}

static const struct shape {
	const char *name;
	void (*spoil)(struct draft *d);
	int status; /* of the reply, or ENDS */
	int error;  /* of the one file, when the status is 0 */
} shapes[] = {
	SHAPE(empty, ENDS, 0),
	SHAPE(one_byte, ENDS, 0),
	SHAPE(almost_a_header, ENDS, 0),
	SHAPE(header_alone, EPROTO, 0),
	SHAPE(one_short, EPROTO, 0),
	SHAPE(one_short_and_says_so, EPROTO, 0),
	SHAPE(one_long, EPROTO, 0),
	SHAPE(one_long_and_says_so, EPROTO, 0),
	SHAPE(length_zero, EPROTO, 0),
	SHAPE(length_greatest, EPROTO, 0),
	SHAPE(version_zero, EPROTONOSUPPORT, 0),
	SHAPE(version_next, EPROTONOSUPPORT, 0),
	SHAPE(version_of_nothing, EPROTONOSUPPORT, 0),
	SHAPE(operation_zero, EOPNOTSUPP, 0),
	SHAPE(operation_next, EOPNOTSUPP, 0),
	SHAPE(operation_greatest, EOPNOTSUPP, 0),
	SHAPE(no_items, EPROTO, 0),
	SHAPE(two_items_one_there, EPROTO, 0),
	SHAPE(too_many_items, EPROTO, 0),
	SHAPE(most_items_that_a_number_holds, EPROTO, 0),
	SHAPE(item_size_zero, EPROTO, 0),
	SHAPE(item_size_short, EPROTO, 0),
	SHAPE(item_with_a_zero_tail, 0, 0),
	SHAPE(item_with_a_long_zero_tail, 0, 0),
	SHAPE(item_with_a_tail, E2BIG, 0),
	SHAPE(item_with_a_last_byte, E2BIG, 0),
	SHAPE(item_too_long, EPROTO, 0),
	SHAPE(item_size_greatest, EPROTO, 0),
	SHAPE(reserved_is_not_zero, E2BIG, 0),
	SHAPE(path_one_short, EPROTO, 0),
	SHAPE(path_one_long, EPROTO, 0),
	SHAPE(path_greatest, EPROTO, 0),
	SHAPE(paths_that_wrap, EPROTO, 0),
	SHAPE(no_path, 0, EINVAL),
	SHAPE(largest, 0, EINVAL),
	SHAPE(one_more_than_the_largest, EMSGSIZE, 0),
	SHAPE(three_times_the_largest, EMSGSIZE, 0),
};

static void
expect_file(int socket, uint32_t id, int error)
{
	struct reply reply;

	raw_receive(socket, 0, &reply);
	assert_int_equal(reply.size, sizeof(reply.head) + sizeof(reply.results[0]));
	assert_int_equal(reply.head.status, 0);
	assert_int_equal(reply.head.id, id);
	assert_int_equal(reply.head.items, 1);
	assert_int_equal(reply.results[0].error, error);
	assert_int_equal(reply.n_fds, error == 0);
	reply_drop(&reply);
}

static void
test_shapes(void **state)
{
	int own = count_fds(0);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(shapes); i++) {
		const struct shape *shape = &shapes[i];
		uint32_t id = 0x80000000u + (uint32_t)i;
		int socket = raw_connect(&broker);

		memset(&draft, 'x', sizeof(draft));
		draft.size = raw_request(&draft, id, O_RDONLY, broker.file, strlen(broker.file));
		shape->spoil(&draft);
		printf("# %s\n", shape->name);
		assert_int_equal(raw_send_bytes(socket, &draft, draft.size), 0);
		if (shape->status == ENDS) {
			assert_ended(socket);
		} else {
			if (shape->status == 0)
				expect_file(socket, id, shape->error);
			else
				assert_refused(socket, id, shape->status);
			assert_served_on(&broker, socket);
		}
		assert_served(&broker);
		close(socket);
		assert_undisturbed(&broker);
	}
	assert_int_equal(count_fds(0), own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/framing", tests, harness_setup,
					   harness_teardown);
}
