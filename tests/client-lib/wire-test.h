/* SPDX-License-Identifier: MIT */
/* Both decoders, on memory whose next byte cannot be read. */
#pragma once

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness.h"

enum {
	HEADER = sizeof(struct wire_header),
	ITEM = sizeof(struct wire_item),
	LIST_ITEM = sizeof(struct wire_list_item),
	RESULT = sizeof(struct wire_result),
	REPLY_HEAD = sizeof(struct wire_reply),
	PAGE = sizeof(struct wire_page),
};

/* What a reply to a question said. */
struct page {
	uint16_t status;
	uint32_t next;
	const char *text;
	size_t length;
};

static char *fence; /* the first byte that cannot be read */

static inline int
make_room(void **state)
{
	const size_t size = 1 << 18, page = (size_t)sysconf(_SC_PAGESIZE);
	char *room =
		mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	if (room == MAP_FAILED)
		return -1;
	fence = room + size;
	return mprotect(fence, page, PROT_NONE);
}

/* Twice, of which both say the same. What was decoded points before the fence. */
static inline int
decode(const void *bytes, size_t size, struct wire_request *d)
{
	static struct wire_request other;
	char *heap = malloc(size);
	int r, again;

	if (size > 0) {
		memcpy(heap, bytes, size);
		memcpy(fence - size, bytes, size);
	}
	d->n = other.n = 4711;
	d->from = other.from = 0x4711;
	again = wire_decode_request(heap, size, &other);
	r = wire_decode_request(fence - size, size, d);
	assert_int_equal(r, again);
	assert_int_equal(d->n, other.n);
	assert_int_equal(d->from, other.from);
	free(heap);
	return r;
}

static inline int
decode_reply(const void *bytes, size_t size, uint32_t id, size_t n, uint16_t *ret_status,
	     struct wire_outcome *ret_outcomes)
{
	struct wire_outcome outcomes[WIRE_ITEMS_MAX];
	uint16_t status = 0;
	char *heap = malloc(size);
	int r, again;

	if (size > 0) {
		memcpy(heap, bytes, size);
		memcpy(fence - size, bytes, size);
	}
	again = wire_decode_reply(heap, size, id, n, &status, outcomes);
	r = wire_decode_reply(fence - size, size, id, n, ret_status, ret_outcomes);
	assert_int_equal(r, again);
	for (size_t i = 0; r == 0 && *ret_status == 0 && i < n; i++) {
		assert_int_equal(ret_outcomes[i].error, outcomes[i].error);
		assert_int_equal(ret_outcomes[i].text_length, outcomes[i].text_length);
		assert_int_equal(ret_outcomes[i].more_size, outcomes[i].more_size);
	}
	free(heap);
	return r;
}

/* A page whose text points before the fence. */
static inline int
decode_page(const void *bytes, size_t size, uint32_t id, struct page *page)
{
	struct page other = *page;
	char *heap = malloc(size);
	int r, again;

	if (size > 0) {
		memcpy(heap, bytes, size);
		memcpy(fence - size, bytes, size);
	}
	again = wire_decode_page(heap, size, id, &other.status, &other.next, &other.text,
				 &other.length);
	r = wire_decode_page(fence - size, size, id, &page->status, &page->next, &page->text,
			     &page->length);
	assert_int_equal(r, again);
	assert_int_equal(page->next, other.next);
	assert_int_equal(page->length, other.length);
	free(heap);
	return r;
}
