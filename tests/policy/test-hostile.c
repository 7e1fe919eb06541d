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

/* Units that take long to compare: the globs, and the name of the unit. */
static const struct {
	const char *name;
	char first, rest, last; /* of what stands between two stars; 0: not there */
	int length, times;
} slow[] = {
	{"one byte, often", 0, 'a', 0, 1, 120},    {"two bytes, often", 0, 'a', 0, 2, 80},
	{"three bytes, often", 0, 'a', 0, 3, 60},  {"wrong at its beginning", 'b', 'a', 0, 120, 1},
	{"wrong at its end", 0, 'a', 'b', 120, 1}, {"wrong at both", 'b', 'a', 'b', 60, 2},
	{"short and wrong", 'b', 'a', 0, 16, 7},   {"wrong behind others", 0, 'a', 'b', 7, 14},
};

/* Everything that may be: a user and 1023 groups, each at its limit, up to the limit of all. */
static char *
write_slow(size_t kind, unsigned beyond, size_t *ret_size)
{
	char *text, glob[300];
	FILE *out = open_memstream(&text, ret_size);

	fputs("policy 1\n", out);
	for (unsigned i = 0; i < IMAGE_UNITS_ALL_MAX + beyond; i++) {
		size_t at = 0;

		for (int k = 0; k < slow[kind].times; k++) {
			glob[at++] = '*';
			memset(glob + at, slow[kind].rest, (size_t)slow[kind].length);
			if (slow[kind].first)
				glob[at] = slow[kind].first;
			at += (size_t)slow[kind].length;
			if (slow[kind].last && k + 1 == slow[kind].times)
				glob[at - 1] = slow[kind].last;
		}
		/* No two are the same. */
		snprintf(glob + at, sizeof(glob) - at, "*%u", i);
		if (i < IMAGE_UNITS_MAX)
			fprintf(out, "allow user:1+unit:%s.service read /a\n", glob);
		else
			fprintf(out, "allow group:%u+unit:%s.service read /a\n", 10 + i % 1023,
				glob);
	}
	fclose(out);
	return text;
}

static void
test_slow_units(void **state)
{
	static gid_t groups[1024];
	char unit[256];
	struct policy_peer peer = {
		.has_uid = true, .uid = 1, .groups = groups, .n_groups = 1024, .unit = unit};

	(void)state;
	memset(unit, 'a', 247);
	memcpy(unit + 247, ".service", 9);
	for (size_t i = 0; i < ELEMENTS(groups); i++)
		groups[i] = 10 + (gid_t)i;
	for (size_t kind = 0; kind < ELEMENTS(slow); kind++) {
		size_t size, n = 77;
		_cleanup_free_ char *text = write_slow(kind, 0, &size);
		const struct policy_source source = {"t.policy", text, size, POLICY_SOURCE_RULES};
		struct compiled c = compile_sources(&source, 1);
		struct timespec start, end;
		uint32_t ids[16];
		double ms;

		if (c.result != 0)
			fail_msg("%.1000s", c.messages);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
		assert_int_equal(policy_subjects(c.image, &peer, ids, ELEMENTS(ids), &n), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		assert_int_equal(n, 0);
		ms = (double)(end.tv_sec - start.tv_sec) * 1e3 +
		     (double)(end.tv_nsec - start.tv_nsec) / 1e6;
		print_message("# %s: %.1f ms\n", slow[kind].name, ms);
#if !defined(__SANITIZE_ADDRESS__)
		assert_true(ms < 100);
#endif
		compiled_free(&c);
	}
}

/* One more than there may be: the compiler refuses, and so does whoever looks at the image. */
static void
test_too_many_units(void **state)
{
	static const struct {
		const char *before, *behind; /* a number that is another in each */
		const char *what;
		unsigned most;
	} cases[] = {
		{"allow user:1+unit:u", ".service read /a\n", "user:1", IMAGE_UNITS_MAX},
		{"allow group:7+user:1+unit:u", ".service read /a\n", "user:1", IMAGE_UNITS_MAX},
		{"allow group:7+unit:u", ".service read /a\n", "group:7", IMAGE_UNITS_MAX},
		{"allow user:1+unit:u*+unit:u", ".service read /a\n", "user:1",
		 IMAGE_UNITS_MAX / 2},
		{"allow user:", "+unit:u.service read /a\n", "all users and groups",
		 IMAGE_UNITS_ALL_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		for (unsigned beyond = 0; beyond < 2; beyond++) {
			char *text, expected[64];
			size_t size;
			FILE *out = open_memstream(&text, &size);
			struct compiled c;

			fputs("policy 1\n", out);
			for (unsigned n = 0; n < cases[i].most + beyond; n++)
				fprintf(out, "%s%u%s", cases[i].before, n, cases[i].behind);
			/* They are no units. */
			for (unsigned n = 0; n < 5000; n++)
				fprintf(out, "allow user:1+group:%u read /a\n", n);
			fclose(out);
			c = compile_text(text);
			assert_int_equal(c.result, beyond ? -EBADMSG : 0);
			assert_int_equal(c.diag.errors, beyond);
			snprintf(expected, sizeof(expected),
				 "error[P085]: too many units are named "
				 "for %s\n",
				 cases[i].what);
			assert_int_equal(strstr(c.messages, expected) != NULL, beyond);
			compiled_free(&c);
			free(text);
		}
}

/* The image of a compiler that does not count. */
static void
test_too_many_units_in_an_image(void **state)
{
	struct compiled c = compile_rules("allow user:1+unit:a.service read /a");

	(void)state;
	for (int all = 0; all < 2; all++)
		for (uint32_t beyond = 0; beyond < 2; beyond++) {
			uint32_t n = (all ? IMAGE_UNITS_ALL_MAX : IMAGE_UNITS_MAX) + beyond;
			struct compiled longer = {0};
			struct image_conjunction *conjunctions;
			struct image_atom *atoms;
			struct policy_image *image = NULL;
			size_t size;
			void *bytes;

			longer.bytes = with_section(&c, SECTION_ATOMS, 2 * n, &longer.size,
						    (void **)&atoms);
			for (uint32_t i = 1; i < n; i++)
				memcpy(atoms + 2 * (size_t)i, atoms, 2 * sizeof(*atoms));
			bytes = with_section(&longer, SECTION_CONJUNCTIONS, n, &size,
					     (void **)&conjunctions);
			for (uint32_t i = 0; i < n; i++) {
				conjunctions[i] = conjunctions[0];
				conjunctions[i].key = all ? i : 1;
				conjunctions[i].atoms = (struct policy_range){2 * i, 2};
			}
			assert_int_equal(policy_image_from_memory(bytes, size, &image),
					 beyond ? -EBADMSG : 0);
			policy_image_free(image);
			free(bytes);
			free(longer.bytes);
		}
	compiled_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_string_for_all),
		cmocka_unit_test(test_one_conjunction_for_all),
		cmocka_unit_test(test_long_sections),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_slow_units),
		cmocka_unit_test(test_too_many_units),
		cmocka_unit_test(test_too_many_units_in_an_image),
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
