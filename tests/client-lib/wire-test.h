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
	RESULT = sizeof(struct wire_result),
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

struct decoded {
	uint32_t id;
	struct wire_file files[WIRE_ITEMS_MAX];
	size_t n;
};

/* Twice, of which both say the same. The files point before the fence. */
static inline int
decode(const void *bytes, size_t size, struct decoded *d)
{
	static struct decoded other;
	char *heap = malloc(size);
	int r, again;

	if (size > 0) {
		memcpy(heap, bytes, size);
		memcpy(fence - size, bytes, size);
	}
	d->n = other.n = 4711;
	again = wire_decode_request(heap, size, &other.id, other.files, &other.n);
	r = wire_decode_request(fence - size, size, &d->id, d->files, &d->n);
	assert_int_equal(r, again);
	assert_int_equal(d->n, other.n);
	free(heap);
	return r;
}

static inline int
decode_reply(const void *bytes, size_t size, uint32_t id, size_t n, uint16_t *ret_status,
	     uint32_t *ret_errors)
{
	uint32_t errors[WIRE_ITEMS_MAX];
	uint16_t status = 0;
	char *heap = malloc(size);
	int r, again;

	if (size > 0) {
		memcpy(heap, bytes, size);
		memcpy(fence - size, bytes, size);
	}
	again = wire_decode_reply(heap, size, id, n, &status, errors);
	r = wire_decode_reply(fence - size, size, id, n, ret_status, ret_errors);
	assert_int_equal(r, again);
	free(heap);
	return r;
}
