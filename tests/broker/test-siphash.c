/* SPDX-License-Identifier: MIT */
/* SipHash-1-3 against another's, and that what is made of it is a permutation. */
#include "broker/worker/siphash.c" /* what would become 0 is found from within only */

#include "tests/harness.h"

enum {
	SAMPLES = 20000,
	TWEAKS = 8,
};

static const uint64_t none[2], counted[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* Of the bytes 0, 1, 2, ...: Python 3.11's hash(bytes) with PYTHONHASHSEED=0 is that without a key. */
static void
test_values(void **state)
{
	static const struct {
		size_t n;
		uint64_t without, with;
	} values[] = {
		{8, 0xead411e67ebe2eea, 0x369095118d299a8e},
		{13, 0xa0cf3211850f8e0d, 0x306f760c1229ffa7},
		{16, 0x8972188433a5c5b7, 0xcc4fdd1a7d908b66},
		{31, 0x169739443111d49b, 0x2370dd1f8c21d1bc},
	};
	unsigned char bytes[32];
	uint64_t first;

	(void)state;
	for (unsigned char i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	memcpy(&first, bytes, sizeof(first));
	for (size_t i = 0; i < ELEMENTS(values); i++) {
		const size_t n = values[i].n - sizeof(first);

		assert_true(siphash(none, first, bytes + sizeof(first), n) == values[i].without);
		assert_true(siphash(counted, first, bytes + sizeof(first), n) == values[i].with);
	}
	assert_true(siphash(none, first, NULL, 0) == values[0].without);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Places as file systems have them: counted, hashes, the last. */
static uint64_t
sample(unsigned i)
{
	return i < SAMPLES / 2       ? i + 1
	       : i < SAMPLES * 3 / 4 ? (uint64_t)i * 0x9e3779b97f4a7c15
				     : INT64_MAX - (uint64_t)i;
}

static void
test_permutation(void **state)
{
	static uint64_t hidden[SAMPLES];

	(void)state;
	for (uint64_t tweak = 0; tweak < TWEAKS; tweak++) {
		unsigned same = 0;

		for (unsigned i = 0; i < SAMPLES; i++) {
			uint64_t x = sample(i);

			hidden[i] = siphash_hide(counted, tweak, x);
			assert_true(hidden[i] != 0);
			assert_true(siphash_restore(counted, tweak, hidden[i]) == x);
			assert_true(siphash_hide(counted, tweak,
						 siphash_restore(counted, tweak, x)) == x);
			same += hidden[i] == x;
			same += siphash_hide(none, tweak, x) == hidden[i];
			same += siphash_hide(counted, tweak + 1, x) == hidden[i];
			same += siphash_restore(none, tweak, hidden[i]) == x;
		}
		assert_int_equal(same, 0);
		qsort(hidden, SAMPLES, sizeof(hidden[0]), compare);
		for (unsigned i = 1; i < SAMPLES; i++)
			assert_true(hidden[i] != hidden[i - 1]);
	}
}

/* Each bit of a place changes about half the bits. */
static void
test_spread(void **state)
{
	unsigned changed = 0;

	(void)state;
	for (unsigned i = 0; i < 64 * 64; i++) {
		uint64_t x = sample(i), other = x ^ UINT64_C(1) << i % 64;
		uint64_t d = siphash_hide(counted, 1, x) ^ siphash_hide(counted, 1, other);

		if (other != 0)
			changed += (unsigned)__builtin_popcountll(d);
	}
	assert_in_range(changed / 64, 31 * 64, 33 * 64);
}

static void
test_zero(void **state)
{
	(void)state;
	for (uint64_t tweak = 0; tweak < TWEAKS; tweak++) {
		uint64_t to = permute(counted, tweak, 0), from = permute_back(counted, tweak, 0);

		assert_true(siphash_hide(counted, tweak, 0) == 0);
		assert_true(siphash_restore(counted, tweak, 0) == 0);
		/* The counter-check: the network alone makes 0 of another place. */
		assert_true(from != 0 && to != 0 && permute(counted, tweak, from) == 0);
		assert_true(siphash_hide(counted, tweak, from) == to);
		assert_true(siphash_restore(counted, tweak, to) == from);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_permutation),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests_name("broker/siphash", tests, NULL, NULL);
}
