/* SPDX-License-Identifier: MIT */
#include "intern.h"

#include <string.h>

#include "diag.h"
#include "hash.h"

enum {
	BYTES_MAX = 1 << 30,
};

/* The slot of the key, or the free one where it belongs. Needs a free slot. */
static size_t
find_slot(const struct policy_intern *intern, const void *key, size_t length, uint64_t hash)
{
	size_t mask = intern->n_slots - 1;

	for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
		const struct policy_intern_key *k;

		if (intern->slots[slot] == 0)
			return slot;
		k = &intern->keys.items[intern->slots[slot] - 1];
		if (k->hash == hash && k->length == length &&
		    memcmp(intern->bytes.items + k->at, key, length) == 0)
			return slot;
	}
}

static int
grow(struct policy_intern *intern)
{
	size_t n = intern->n_slots ? intern->n_slots * 2 : 64;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < intern->keys.n; i++) {
		size_t slot = intern->keys.items[i].hash & (n - 1);

		while (slots[slot] != 0)
			slot = (slot + 1) & (n - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	free(intern->slots);
	intern->slots = slots;
	intern->n_slots = n;
	return 0;
}

int
policy_intern_append(struct policy_intern *intern, const void *bytes, size_t length,
		     uint32_t *ret_at)
{
	int r;

	if (length >= BYTES_MAX || intern->bytes.n + length + 1 > BYTES_MAX)
		return -EFBIG;
	r = policy_vector_reserve(&intern->bytes, length + 1);
	if (r < 0)
		return r;
	if (length > 0)
		memcpy(intern->bytes.items + intern->bytes.n, bytes, length);
	intern->bytes.items[intern->bytes.n + length] = '\0';
	*ret_at = (uint32_t)intern->bytes.n;
	intern->bytes.n += length + 1;
	return 0;
}

int
policy_intern(struct policy_intern *intern, const void *key, size_t length, uint32_t *ret_id)
{
	uint64_t hash = policy_hash64(key, length);
	size_t slot;
	uint32_t at;
	int r;

	if (2 * (intern->keys.n + 1) > intern->n_slots) {
		r = grow(intern);
		if (r < 0)
			return r;
	}
	slot = find_slot(intern, key, length, hash);
	if (intern->slots[slot] != 0) {
		*ret_id = intern->slots[slot] - 1;
		return 0;
	}
	r = policy_vector_reserve(&intern->keys, 1);
	if (r == 0)
		r = policy_intern_append(intern, key, length, &at);
	if (r < 0)
		return r;
	intern->keys.items[intern->keys.n++] =
		(struct policy_intern_key){hash, at, (uint32_t)length};
	*ret_id = (uint32_t)intern->keys.n - 1;
	intern->slots[slot] = (uint32_t)intern->keys.n;
	return 0;
}

int
policy_intern_escaped(struct policy_intern *intern, const char *text, size_t length,
		      uint32_t *ret_at)
{
	_cleanup_free_ char *escaped = NULL;
	size_t size;
	uint32_t id;
	FILE *out = open_memstream(&escaped, &size);
	int r;

	if (!out)
		return -ENOMEM;
	policy_escape(out, text, length, 1);
	if (fclose(out) != 0)
		return -ENOMEM;
	r = policy_intern(intern, escaped, size, &id);
	if (r == 0)
		*ret_at = intern->keys.items[id].at;
	return r;
}

int
policy_intern_find(const struct policy_intern *intern, const void *key, size_t length,
		   uint32_t *ret_id)
{
	size_t slot;

	if (intern->n_slots == 0)
		return -ENOENT;
	slot = find_slot(intern, key, length, policy_hash64(key, length));
	if (intern->slots[slot] == 0)
		return -ENOENT;
	*ret_id = intern->slots[slot] - 1;
	return 0;
}

void
policy_intern_free(struct policy_intern *intern)
{
	policy_vector_free(&intern->keys);
	policy_vector_free(&intern->bytes);
	free(intern->slots);
	intern->slots = NULL;
	intern->n_slots = 0;
}
