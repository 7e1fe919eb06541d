/* SPDX-License-Identifier: MIT */
/* Images that are good and made to be slow to look at: who looks is the broker, and it waits. */
#include <errno.h>
#include <time.h>

#include "policy-test.h"
#include "policy/format.h"

enum {
	MANY = 1 << 20,
	/* Seconds of processor time; what grows with the product of two sizes needs hours. */
	MOST = 5,
};

/* The same image, with one of its sections `n` items long; where that section is. */
static void *
with_section(const struct compiled *c, enum section which, uint32_t n, size_t *ret_size,
	     void **ret_section)
{
	const struct image_header *header = c->bytes;
	struct image_header copy = *header;
	uint64_t from[SECTIONS], to[SECTIONS];
	char *bytes;

	policy_image_layout(header->counts, from);
	copy.counts[which] = n;
	copy.size = (uint32_t)policy_image_layout(copy.counts, to);
	bytes = calloc(1, copy.size);
	assert_non_null(bytes);
	memcpy(bytes, &copy, sizeof(copy));
	for (size_t i = 0; i < SECTIONS; i++) {
		uint32_t items =
			header->counts[i] < copy.counts[i] ? header->counts[i] : copy.counts[i];

		memcpy(bytes + to[i], (const char *)c->bytes + from[i],
		       items * policy_section_item[i]);
	}
	*ret_size = copy.size;
	*ret_section = bytes + to[which];
	return bytes;
}

static void
check_quick(void *bytes, size_t size)
{
	const struct policy_peer peer = {.has_uid = true,
					 .uid = 1,
					 .unit = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.service"};
	struct policy_image *image = NULL;
	clock_t start = clock();
	uint32_t ids[16];
	size_t n;

	assert_int_equal(policy_image_from_memory(bytes, size, &image), 0);
	(void)policy_subjects(image, &peer, ids, ELEMENTS(ids), &n);
	if ((clock() - start) / CLOCKS_PER_SEC > MOST)
		fail_msg("%ld s", (long)((clock() - start) / CLOCKS_PER_SEC));
	policy_image_free(image);
	free(bytes);
}

/* Every note names the same long string. */
static void
test_one_string_for_all(void **state)
{
	enum {
		LONG = 16000,
	};
	struct compiled c = compile_rules("allow any read /a because=x"), longer = {0};
	uint32_t n = ((const struct image_header *)c.bytes)->counts[SECTION_STRINGS];
	struct image_note *notes;
	size_t size;
	void *bytes;
	char *strings;

	(void)state;
	longer.bytes = with_section(&c, SECTION_STRINGS, n + LONG, &longer.size, (void **)&strings);
	memset(strings + n, 'b', LONG - 1);
	bytes = with_section(&longer, SECTION_NOTES, MANY, &size, (void **)&notes);
	for (uint32_t i = 0; i < MANY; i++)
		notes[i] = (struct image_note){n, n};
	check_quick(bytes, size);
	free(longer.bytes);
	compiled_free(&c);
}

/* Every conjunction names all atoms: refused, for each has its own. */
static void
test_one_conjunction_for_all(void **state)
{
	struct compiled c = compile_rules("allow user:1+unit:*a*a*a*a*a*a*b.service read /a");
	struct image_conjunction *conjunctions;
	struct policy_image *image;
	size_t size;
	void *bytes = with_section(&c, SECTION_CONJUNCTIONS, MANY, &size, (void **)&conjunctions);

	(void)state;
	for (uint32_t i = 1; i < MANY; i++)
		conjunctions[i] = conjunctions[0];
	assert_int_equal(policy_image_from_memory(bytes, size, &image), -EBADMSG);
	/* Each with none: everybody, and good. */
	for (uint32_t i = 1; i < MANY; i++)
		conjunctions[i].atoms = (struct policy_range){2, 0};
	check_quick(bytes, size);
	compiled_free(&c);
}

/* All sections that can be long are, with items that are good. */
static void
test_long_sections(void **state)
{
	static const enum section sections[] = {SECTION_CLASSES, SECTION_SUBJECTS, SECTION_OPTIONS};
	struct compiled c = compile_rules("allow user:1 read /[ab]*");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(sections); i++) {
		size_t size, item = policy_section_item[sections[i]];
		char *items;
		void *bytes = with_section(&c, sections[i], MANY, &size, (void **)&items);

		for (uint32_t k = 1; k < MANY; k++)
			memcpy(items + k * item, items, item);
		check_quick(bytes, size);
	}
	compiled_free(&c);
}

/* A peer may bring one group a thousand times, and a thousand groups. */
static void
test_groups(void **state)
{
	enum {
		RULES = 20000,
	};
	static gid_t groups[1024];
	struct policy_peer peer = {.groups = groups, .n_groups = ELEMENTS(groups)};
	char *text;
	size_t size, n;
	FILE *out = open_memstream(&text, &size);
	struct compiled c;
	uint32_t ids[16];

	(void)state;
	for (int i = 0; i < RULES; i++)
		fprintf(out, "allow group:10+group:%d read /a\n", 100000 + i);
	fclose(out);
	c = compile_rules(text);
	for (int distinct = 0; distinct < 2; distinct++) {
		clock_t start = clock();

		for (size_t i = 0; i < ELEMENTS(groups); i++)
			groups[i] = 10 + (gid_t)(distinct ? i : 0);
		assert_int_equal(policy_subjects(c.image, &peer, ids, ELEMENTS(ids), &n), 0);
		assert_int_equal(n, 0);
		assert_true((clock() - start) / CLOCKS_PER_SEC < MOST);
	}
	compiled_free(&c);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_string_for_all),
		cmocka_unit_test(test_one_conjunction_for_all),
		cmocka_unit_test(test_long_sections),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
