/* SPDX-License-Identifier: MIT */
/* Runs in: worker. */
#include "broker/worker/siphash.h"

#include <string.h>

enum {
	ROUNDS = 8, /* of the Feistel network; four are enough for fewer than 2^16 numbers */
};

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t
siphash(const uint64_t key[2], uint64_t first, const void *bytes, size_t n)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	uint64_t word = first;

	for (size_t i = 0;; i += 8) {
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		if (i > n)
			break;
		/* The last word carries the length, so that no two texts make the same words. */
		word = n - i >= 8 ? 0 : (uint64_t)(sizeof(first) + n) << 56;
		if (n > i)
			memcpy(&word, (const char *)bytes + i, n - i >= 8 ? 8 : n - i);
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint32_t
mix(const uint64_t key[2], uint64_t tweak, unsigned i, uint32_t half)
{
	return (uint32_t)siphash(key, (uint64_t)i << 32 | half, &tweak, sizeof(tweak));
}

static uint64_t
permute(const uint64_t key[2], uint64_t tweak, uint64_t number)
{
	uint32_t left = (uint32_t)(number >> 32), right = (uint32_t)number;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t next = left ^ mix(key, tweak, i, right);

		left = right;
		right = next;
	}
	return (uint64_t)left << 32 | right;
}

static uint64_t
permute_back(const uint64_t key[2], uint64_t tweak, uint64_t number)
{
	uint32_t left = (uint32_t)(number >> 32), right = (uint32_t)number;

	for (unsigned i = ROUNDS; i-- > 0;) {
		uint32_t before = right ^ mix(key, tweak, i, left);

		right = left;
		left = before;
	}
	return (uint64_t)left << 32 | right;
}

/* What would become 0 takes the place that 0 leaves. */
uint64_t
siphash_hide(const uint64_t key[2], uint64_t tweak, uint64_t number)
{
	uint64_t hidden = number ? permute(key, tweak, number) : 0;

	return number && hidden == 0 ? permute(key, tweak, 0) : hidden;
}

uint64_t
siphash_restore(const uint64_t key[2], uint64_t tweak, uint64_t number)
{
	uint64_t restored = number ? permute_back(key, tweak, number) : 0;

	return number && restored == 0 ? permute_back(key, tweak, 0) : restored;
}
