/* SPDX-License-Identifier: MIT */
/* A quick hash of short strings. Whoever uses it compares the bytes too. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Up to eight bytes, the first of them lowest. */
static inline uint64_t
policy_load(const char *bytes, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, bytes, n);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* Each bit of the word changes each bit of the result: names differ in their last bytes. */
static inline uint64_t
policy_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
	hash = (hash ^ hash >> 35) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static inline uint64_t
policy_hash64(const char *bytes, size_t length)
{
	uint64_t hash = length * UINT64_C(0x9e3779b97f4a7c15);

	for (; length > 8; length -= 8, bytes += 8)
		hash = policy_mix(hash, policy_load(bytes, 8));
	if (length >= 4)
		hash = policy_mix(hash, policy_load(bytes, 4) | policy_load(bytes + length - 4, 4)
									<< 32);
	else if (length > 0)
		hash = policy_mix(hash, (uint64_t)(unsigned char)bytes[0] |
						(uint64_t)(unsigned char)bytes[length / 2] << 8 |
						(uint64_t)(unsigned char)bytes[length - 1] << 16);
	return hash;
}

/* Of a path component. Part of the image format. */
static inline uint32_t
policy_hash(const char *bytes, size_t length)
{
	return (uint32_t)(policy_hash64(bytes, length) >> 32);
}
