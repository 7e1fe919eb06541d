/* SPDX-License-Identifier: MIT */
/* The image comes from a process that is not trusted: noise in it, and where it comes from. */
#include "image-test.h"

/* Else what is said below of mangled images is said of images that do nothing. */
static void
test_whole(void **state)
{
	struct image_use use = image_use(compiled.image);

	(void)state;
	assert_true(try_image(bytes, compiled.size));
	assert_true(use.allowed > 10 && use.denied > 10 && use.told > 10 && use.reached > 10);
	assert_int_equal(use.exhausted, 0);
	assert_true(use.applied > 10 && use.counted == 4);
	for (size_t i = 0; i < SECTIONS; i++)
		assert_true(compiled.image->header->counts[i] > 0);
}

static void
test_every_bit(void **state)
{
	unsigned long taken = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < compiled.size * 8; i++) {
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
		if (try_image(bytes, compiled.size))
			taken++;
		else
			refused++;
		bytes[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	/* Ids and letters may be others; structure may not. */
	assert_true(taken > 100);
	assert_true(refused > taken);
	print_message("# %lu bits: %lu taken\n", taken + refused, taken);
}

static void
test_every_word(void **state)
{
	static const uint32_t absolute[] = {0, 1, 2, 3, 4, 255, 65535, INT32_MAX, UINT32_MAX};
	unsigned long refused = 0;

	(void)state;
	for (size_t i = 0; i + 4 <= compiled.size; i += 4) {
		uint32_t old, new;

		memcpy(&old, bytes + i, 4);
		for (size_t k = 0; k < ELEMENTS(absolute) + 16; k++) {
			new = k < ELEMENTS(absolute) ? absolute[k]
						     : old + (uint32_t)(k - ELEMENTS(absolute)) - 8;
			memcpy(bytes + i, &new, 4);
			refused += !try_image(bytes, compiled.size);
		}
		memcpy(bytes + i, &old, 4);
	}
	assert_true(refused > 1000);
}

static void
test_cut_and_grown(void **state)
{
	unsigned char *grown = calloc(1, compiled.size + 64);
	const uint32_t zero = 0;

	(void)state;
	memcpy(grown, bytes, compiled.size);
	for (size_t size = 0; size < compiled.size + 64; size++) {
		uint32_t claimed = (uint32_t)size;

		assert_int_equal(try_image(grown, size), size == compiled.size);
		/* Also when the header says so. */
		if (size < 16)
			continue;
		memcpy(grown + 12, &claimed, 4);
		assert_int_equal(try_image(grown, size), size == compiled.size);
		memcpy(grown, bytes, 16);
	}
	memcpy(grown + 8, &zero, 4);
	assert_false(try_image(grown, compiled.size));
	free(grown);
}

static void
test_random(void **state)
{
	unsigned char *copy = malloc(compiled.size);
	uint64_t seed = 42;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, bytes, compiled.size);
		for (int k = i % 6; k >= 0; k--) {
			size_t at;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			at = (seed >> 33) % compiled.size;
			/* Small numbers and numbers from elsewhere get further than noise. */
			if (seed & 1 << 20)
				copy[at] = (unsigned char)(seed >> 24);
			else
				copy[at] = bytes[(seed >> 12) % compiled.size];
		}
		try_image(copy, compiled.size);
	}
	free(copy);
}

static void
test_alignment(void **state)
{
	char *at = fence - ((compiled.size + 7) & ~(size_t)7) - 7;
	struct policy_image *image;

	(void)state;
	/* At the next address it is good. */
	memcpy(at, bytes, compiled.size);
	assert_int_equal(policy_image_from_memory(at, compiled.size, &image), -EBADMSG);
	memmove(at - 1, at, compiled.size);
	assert_int_equal(policy_image_from_memory(at - 1, compiled.size, &image), 0);
	policy_image_free(image);
}

static int
make_memfd(const void *content, size_t size, unsigned flags)
{
	int fd = memfd_create("image", MFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, size), size);
	return fd;
}

static void
test_seals(void **state)
{
	static const struct {
		int seals;
		int result;
	} cases[] = {
		{0, -EPERM},
		{F_SEAL_WRITE, -EPERM},
		{F_SEAL_SHRINK | F_SEAL_GROW, -EPERM},
		{F_SEAL_WRITE | F_SEAL_GROW, -EPERM},
		{F_SEAL_WRITE | F_SEAL_SHRINK, -EPERM},
		{F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, -EPERM},
		{F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, 0},
		{F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct policy_image *image = NULL;
		int fd = make_memfd(bytes, compiled.size, MFD_ALLOW_SEALING);

		assert_int_equal(fcntl(fd, F_ADD_SEALS, cases[i].seals), 0);
		assert_int_equal(policy_image_map(fd, &image), cases[i].result);
		close(fd);
		if (cases[i].result != 0) {
			assert_null(image);
			continue;
		}
		(void)image_use(image);
		assert_int_equal(policy_image_size(image), compiled.size);
		assert_int_equal(decide(image, "7", "/etc/motd", "read").verdict, POLICY_ALLOW);
		assert_null(policy_image_free(image));
	}
}

static void
test_no_image(void **state)
{
	const int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	struct policy_image *image = NULL;
	int fd = make_memfd(bytes, compiled.size, 0),
	    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(policy_image_map(fd, &image), -EPERM);
	assert_int_equal(policy_image_map(zero, &image), -EPERM);
	close(zero);
	close(fd);
	assert_int_equal(policy_image_map(fd, &image), -EBADF);
	fd = make_memfd("", 0, MFD_ALLOW_SEALING);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, all), 0);
	assert_int_equal(policy_image_map(fd, &image), -EBADMSG);
	close(fd);
	fd = make_memfd(bytes, compiled.size - 1, MFD_ALLOW_SEALING);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, all), 0);
	assert_int_equal(policy_image_map(fd, &image), -EBADMSG);
	close(fd);
	assert_null(image);
	assert_null(policy_image_free(NULL));
}

/* The same text gives the same bytes. */
static void
test_reproducible(void **state)
{
	struct compiled again = compile_all();

	(void)state;
	assert_int_equal(again.size, compiled.size);
	assert_memory_equal(again.bytes, compiled.bytes, compiled.size);
	compiled_free(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),        cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_every_word),   cmocka_unit_test(test_cut_and_grown),
		cmocka_unit_test(test_random),       cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_seals),        cmocka_unit_test(test_no_image),
		cmocka_unit_test(test_reproducible),
	};

	return cmocka_run_group_tests_name("image", tests, set_up, drop);
}
