/* SPDX-License-Identifier: MIT */
/* Who counts as whom: the text of /etc/subuid, and policy_account(). */
#include <time.h>

#include "policy-test.h"
#include "policy/format.h"

static struct compiled
compile_subuids(const char *text, size_t size)
{
	static const char rules[] = "policy 1\nallow any read /a\n";
	const struct policy_source sources[] = {
		{"t.policy", rules, sizeof(rules) - 1, POLICY_SOURCE_RULES},
		{"/etc/subuid", text, size, POLICY_SOURCE_SUBUIDS},
	};
	struct compiled c = compile_sources(sources, ELEMENTS(sources));

	/* Whatever is in it. */
	assert_int_equal(c.result, 0);
	assert_int_equal(c.diag.errors + c.diag.warnings, 0);
	return c;
}

/* "FIRST-LAST=OWNER ...", and "!" where lines share them. */
static char *
ranges_of(const struct policy_image *image)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint32_t i = 0; i < image_count(image, SECTION_SUBUIDS); i++) {
		const struct policy_subuids *ids = &image->subuids[i];

		fprintf(out, "%s%u-%u=%u%s", i ? " " : "", ids->first, ids->first + ids->n - 1,
			ids->owner, ids->shared ? "!" : "");
	}
	fclose(out);
	return text;
}

static const struct {
	const char *text;
	const char *ranges;
	unsigned notes;
} cases[] = {
	{"", "", 0},
	{"7:100000:65536\n", "100000-165535=7", 0},
	{"7:100000:65536", "100000-165535=7", 0},
	{"root:100000:10\n", "100000-100009=0", 0},
	{"# 7:1:1\n\n7:2:1\n", "2-2=7", 0},
	{"8:200:10\n7:100:10\n", "100-109=7 200-209=8", 0},
	/* Side by side: one, if they are one user's. */
	{"7:100:10\n7:110:10\n", "100-119=7", 0},
	{"7:100:10\n8:110:10\n", "100-109=7 110-119=8", 0},
	/* Of two that have the same the first counts. */
	{"7:100:10\n8:100:10\n", "100-109=7!", 1},
	{"7:100:10\n8:105:10\n", "100-104=7 105-109=7! 110-114=8", 1},
	{"7:105:10\n8:100:10\n", "100-104=8 105-109=7! 110-114=7", 1},
	{"7:100:10\n8:90:30\n", "90-99=8 100-109=7! 110-119=8", 1},
	{"7:90:30\n8:100:10\n", "90-99=7 100-109=7! 110-119=7", 1},
	{"7:100:10\n7:95:10\n", "95-99=7 100-104=7! 105-109=7", 1},
	{"7:100:10\n8:200:10\n9:50:300\n10:0:1000\n",
	 "0-49=10 50-99=9! 100-109=7! 110-199=9! 200-209=8! 210-349=9! 350-999=10", 2},
	/* No such user. */
	{"no-such-user-x:100:10\n8:100:10\n", "100-109=8!", 1},
	/* Up to the last id that there is. */
	{"7:4294967294:1\n", "4294967294-4294967294=7", 0},
	{"7:4294967294:2\n7:4294967295:1\n7:4294967296:1\n7:0:4294967296\n", "", 4},
	{"7:0:4294967295\n", "0-4294967294=7", 0},
	{"7:99999999999999999999:1\n", "", 1},
	{"7:1:0\n", "", 1},
	{"4294967294:1:1\n4294967295:2:1\n", "1-1=4294967294", 1},
	{"65534:100000:10\n", "100000-100009=65534", 0},
	/* Broken lines, and one that is not. */
	{"7\n7:\n7:1\n7:1:\n7::1\n:1:1\n7:1:1:1\n7:1:-1\n7:+1:1\n7: 1:1\n7:1:1 \n 7:1:1\n7:0x1:1\n"
	 "07:1:1\na b:1:1\na\tb:1:1\n7:1:1\r\n::\n:\n7:5:1\n",
	 "5-5=7", 19},
};

/* An id to run under, of four that account 7 wants. */
static const struct {
	const char *text;
	uid_t first; /* 7: there is no range */
} own[] = {
	{"", 7},
	{"7:65536:4\n", 65536},
	{"7:100000:65536\n", 100000},
	{"7:4294967290:4\n", 4294967290},
	/* Too few; below are people, and the system's own. */
	{"7:100000:3\n", 7},
	{"7:65535:4\n", 7},
	{"7:65535:65536\n", 7},
	{"7:1000:4\n7:70000:4\n", 70000},
	{"7:100000:3\n7:200000:4\n", 200000},
	{"7:100000:2\n7:100002:2\n", 100000},
	/* The lowest, whatever the order of lines. */
	{"7:300000:4\n7:200000:4\n", 200000},
	/* Somebody else's, also where that one came first. */
	{"8:100000:65536\n", 7},
	{"8:100000:2\n7:100000:5\n", 7},
	{"8:100000:2\n7:100000:6\n", 100002},
	{"7:100000:6\n8:100000:2\n", 100002},
	{"7:100000:65536\n8:100000:65536\n", 7},
	{"7:100000:65536\nno-such-user-x:100000:65536\n", 7},
};

static void
test_own_ids(void **state)
{
	(void)state;
	assert_int_equal(policy_own_id(NULL, 7, 4, 0), 7);
	for (size_t i = 0; i < ELEMENTS(own); i++) {
		struct compiled c = compile_subuids(own[i].text, strlen(own[i].text));

		for (uint32_t n = 0; n < 4; n++) {
			uid_t id = policy_own_id(c.image, 7, 4, n);

			if (id != (own[i].first == 7 ? 7 : own[i].first + n))
				fail_msg("%s gives %u as number %u", own[i].text, id, n);
		}
		/* Whose ranges there are none of. */
		assert_int_equal(policy_own_id(c.image, (uid_t)-1, 4, 0), (uid_t)-1);
		compiled_free(&c);
	}
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct compiled c = compile_subuids(cases[i].text, strlen(cases[i].text));
		_cleanup_free_ char *ranges = ranges_of(c.image);

		if (strcmp(ranges, cases[i].ranges) != 0)
			fail_msg("%s is %s", cases[i].text, ranges);
		if (c.diag.notes != cases[i].notes)
			fail_msg("%s: %lu notes\n%s", cases[i].text, c.diag.notes, c.messages);
		compiled_free(&c);
	}
}

static void
test_messages(void **state)
{
	static const char text[] = "7:1:x\x1b[2J\nno-such-user-x:100:10\n7:100:10\n8:101:1\n";
	struct compiled c = compile_subuids(text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(
		c.messages,
		"/etc/subuid:1:1: note[P084]: of these ids some count as no owner's: this is not "
		"NAME:FIRST:COUNT\n"
		"    1 | 7:1:x\\x1b[2J\n"
		"      | ^~~~~~~~~~~~\n"
		"      = help: the ids of this line count for themselves\n"
		"/etc/subuid:2:1: note[P084]: of these ids some count as no owner's: there is no "
		"such "
		"user\n"
		"    2 | no-such-user-x:100:10\n"
		"      | ^~~~~~~~~~~~~~~~~~~~~\n"
		"      = help: the ids of this line count for themselves; take the line out\n"
		"/etc/subuid:4:1: note[P084]: of these ids some count as no owner's: another line "
		"has "
		"these ids, or some of them\n"
		"    4 | 8:101:1\n"
		"      | ^~~~~~~\n"
		"      = help: those count as the other's, which comes first\n");
	compiled_free(&c);
}

static void
test_account(void **state)
{
	static const char text[] = "7:100000:10\n100005:200000:10\n9:0:20\n";
	static const uid_t pairs[][2] = {
		{99999, 99999},
		{100000, 7},
		{100009, 7},
		{100010, 100010},
		/* An owner who is in a range counts as it stands. */
		{100005, 7},
		{200003, 100005},
		{200010, 200010},
		/* A range with its owner in it. */
		{9, 9},
		{10, 9},
		{0, 9},
		{20, 20},
		{POLICY_OVERFLOW_ID, POLICY_OVERFLOW_ID},
		{UINT32_MAX - 1, UINT32_MAX - 1},
		{UINT32_MAX, UINT32_MAX},
	};
	struct compiled c = compile_subuids(text, sizeof(text) - 1), none = compile_rules("");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(pairs); i++) {
		assert_int_equal(policy_account(c.image, pairs[i][0]), pairs[i][1]);
		assert_int_equal(policy_account(none.image, pairs[i][0]), pairs[i][0]);
		assert_int_equal(policy_account(NULL, pairs[i][0]), pairs[i][0]);
	}
	compiled_free(&c);
	compiled_free(&none);
}

/* With an owner for each id: the first that comes. */
static void
test_random(void **state)
{
	enum {
		IDS = 300,
	};
	uint64_t seed = 3;
	unsigned long owned = 0;

	(void)state;
	for (int round = 0; round < 500; round++) {
		uint32_t owners[IDS];
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct compiled c;

		for (uint32_t i = 0; i < IDS; i++)
			owners[i] = i;
		for (unsigned lines = (unsigned)round % 12; lines > 0; lines--) {
			uint32_t first, n, owner;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			first = (uint32_t)(seed >> 33) % IDS;
			n = (uint32_t)(seed >> 45) % 80;
			owner = 1000 + (uint32_t)(seed >> 40) % 4;
			fprintf(out, "%u:%u:%u\n", owner, first, n);
			for (uint32_t i = first; i < first + n && i < IDS; i++)
				if (owners[i] == i)
					owners[i] = owner;
		}
		fclose(out);
		c = compile_subuids(text, size);
		for (uint32_t i = 0; i < IDS; i++) {
			if (policy_account(c.image, i) != owners[i])
				fail_msg("%s: %u is %u's", text, i, policy_account(c.image, i));
			owned += owners[i] != i;
		}
		compiled_free(&c);
		free(text);
	}
	assert_true(owned > 10000);
}

/* As long as it may be, and longer; with names that all have to be looked up. */
static void
test_long(void **state)
{
	static const char *const owners[] = {"7", "", "no-such-user-"};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(owners); i++) {
		char *text;
		size_t size, mib;
		FILE *out = open_memstream(&text, &size);
		struct timespec start, end;
		struct compiled c;

		for (int n = 0; n < 1 << 18; n++)
			fprintf(out, "%s%d:%d:1000000\n", owners[i], n, n);
		/* Behind the end of what is read. */
		fputs("7:4000000000:1\n", out);
		fclose(out);
		mib = size >> 20;
		clock_gettime(CLOCK_MONOTONIC, &start);
		c = compile_subuids(text, size);
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (size > POLICY_SUBUIDS_MAX)
			assert_int_equal(policy_account(c.image, 4000000000), 4000000000);
		if (end.tv_sec - start.tv_sec > 6)
			fail_msg("%ld s", (long)(end.tv_sec - start.tv_sec));
		print_message("# %zu MiB of '%s...': %ld ms\n", mib, owners[i],
			      (long)(end.tv_sec - start.tv_sec) * 1000 +
				      (end.tv_nsec - start.tv_nsec) / 1000000);
		compiled_free(&c);
		free(text);
	}
}

static void
test_noise(void **state)
{
	static const char bytes[] = "0123456789::\n\n#7a\0\xff ";
	char text[2000];
	uint64_t seed = 5;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct compiled c;

		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[i] = bytes[(seed >> 33) % (sizeof(bytes) - 1)];
		}
		c = compile_subuids(text, (size_t)round);
		compiled_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),    cmocka_unit_test(test_own_ids),
		cmocka_unit_test(test_messages), cmocka_unit_test(test_account),
		cmocka_unit_test(test_random),   cmocka_unit_test(test_long),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
