/* SPDX-License-Identifier: MIT */
/*
 * Long ways through the tree of patterns. A second matcher works on a table of components of the
 * pattern by components of the path, so that long paths and many `**` cost it nothing.
 */
#include "policy-test.h"
#include "policy/format.h"

enum {
	PATTERNS = 12,
	ITEMS_MAX = 20,
	POLICIES = 600,
	PATHS = 120,
};

/* One component of a pattern: its text, and the names that it stands for. */
struct item {
	const char *text;
	enum { NAMES, STAR, GLOBSTAR, USER } kind;
	const char *names[4];
};

static const struct item items[] = {
	{"**", GLOBSTAR, {0}},
	{"*", STAR, {0}},
	{"a", NAMES, {"a"}},
	{"b", NAMES, {"b"}},
	{".a", NAMES, {".a"}},
	{"{a,b}", NAMES, {"a", "b"}},
	{"{b,.a}", NAMES, {"b", ".a"}},
	{"{a,b,.a}", NAMES, {"a", "b", ".a"}},
	/* No brace that is taken apart, and it takes names with and without a leading dot. */
	{"{,.}a*", NAMES, {"a", ".a"}},
	{"${user}", USER, {0}},
};

static const char *const names[] = {"a", "b", ".a"};

static uint64_t seed = 11;

static unsigned
draw(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

struct pattern {
	const struct item *items[ITEMS_MAX];
	int n;
	bool hidden;
};

static void
draw_pattern(struct pattern *p, const struct pattern *before)
{
	int max = draw(4) ? 6 : ITEMS_MAX;

	*p = (struct pattern){.hidden = draw(2)};
	/* Often with the same beginning as another one, so that ways part late. */
	if (before && draw(2)) {
		p->n = (int)draw((unsigned)before->n);
		memcpy(p->items, before->items, sizeof(p->items));
	}
	while (p->n == 0 || (p->n < max && draw(6))) {
		const struct item *item = &items[draw(3) ? 2 + draw(8) : draw(2)];

		if (item->kind == GLOBSTAR && p->n > 0 && p->items[p->n - 1]->kind == GLOBSTAR)
			item = &items[2];
		p->items[p->n++] = item;
	}
}

static bool
item_matches(const struct item *item, const char *name, const char *user, bool dots)
{
	bool dot = *name == '.' && !dots;

	if (item->kind == STAR)
		return !dot;
	if (item->kind == USER)
		return user && !dot && strcmp(user, name) == 0;
	for (int i = 0; i < 4 && item->names[i]; i++)
		if (strcmp(item->names[i], name) == 0)
			return true;
	return false;
}

static bool
table_matches(const struct pattern *p, const char *const *path, int n, const char *user)
{
	bool at[ITEMS_MAX + 1][POLICY_COMPONENTS_MAX + 1] = {{0}};

	at[0][0] = true;
	for (int i = 0; i < p->n; i++) {
		for (int k = 0; k <= n; k++) {
			const struct item *item = p->items[i];

			if (item->kind == GLOBSTAR)
				at[i + 1][k] = at[i][k] || (k > 0 && at[i + 1][k - 1] &&
							    (p->hidden || *path[k - 1] != '.'));
			else
				at[i + 1][k] = k > 0 && at[i][k - 1] &&
					       item_matches(item, path[k - 1], user, p->hidden);
		}
	}
	return at[p->n][n];
}

static struct compiled
compile_patterns(const struct pattern *patterns, int n)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct compiled c;

	/* Each rule has a verb or a user of its own, so that each pattern can be asked for alone. */
	for (int i = 0; i < n; i++) {
		fprintf(out, "allow user:%d read ", i);
		for (int k = 0; k < patterns[i].n; k++)
			fprintf(out, "/%s", patterns[i].items[k]->text);
		fprintf(out, "%s\n", patterns[i].hidden ? " hidden" : "");
	}
	fclose(out);
	c = compile_rules(text);
	free(text);
	return c;
}

static int
draw_path(const char **path, char *text)
{
	int n = 1 + (int)draw(draw(3) ? 8 : POLICY_COMPONENTS_MAX);
	unsigned few = draw(8);

	*text = '\0';
	for (int i = 0; i < n; i++) {
		/* Mostly one name: then there are many ways. */
		path[i] = few ? names[draw(few) ? 0 : draw(3)] : names[draw(3)];
		strcat(strcat(text, "/"), path[i]);
	}
	return n;
}

static int
compare_ids(const void *a, const void *b)
{
	return (*(const uint32_t *)a > *(const uint32_t *)b) -
	       (*(const uint32_t *)a < *(const uint32_t *)b);
}

/* One at a time, and all of them together. */
static void
test_like_a_table(void **state)
{
	static const char *const users[] = {"a", "b", ".a", NULL};
	unsigned long exhausted = 0, allowed = 0, denied = 0;
	uint32_t ids[PATTERNS];

	(void)state;
	for (int round = 0; round < POLICIES; round++) {
		struct pattern patterns[PATTERNS];
		struct compiled c;

		for (int i = 0; i < PATTERNS; i++)
			draw_pattern(&patterns[i], i ? &patterns[draw((unsigned)i)] : NULL);
		c = compile_patterns(patterns, PATTERNS);
		for (int q = 0; q < PATHS; q++) {
			const char *path[POLICY_COMPONENTS_MAX], *user = users[draw(4)];
			char text[4 * POLICY_COMPONENTS_MAX + 1];
			int n = draw_path(path, text), one = (int)draw(PATTERNS + 1);
			struct policy_request request = {.path = text,
							 .length = strlen(text),
							 .verbs = POLICY_READ,
							 .day = POLICY_NO_DAY};
			struct policy_identity identity;
			struct policy_decision d;
			bool expected = false;
			size_t n_ids = 0;

			for (int i = 0; i < PATTERNS; i++) {
				if (one < PATTERNS && i != one)
					continue;
				expected |= table_matches(&patterns[i], path, n, user);
				assert_int_equal(
					policy_subjects(c.image,
							&(struct policy_peer){.has_uid = true,
									      .uid = (uid_t)i},
							&ids[n_ids], 1, &(size_t){0}),
					0);
				n_ids++;
			}
			qsort(ids, n_ids, sizeof(ids[0]), compare_ids);
			policy_identity_init(&identity, ids, n_ids, NULL, user);
			policy_decide(c.image, &identity, &request, &d);
			exhausted += d.exhausted;
			allowed += expected;
			denied += !expected;
			if (d.exhausted ? d.verdict != POLICY_DENY
					: (d.verdict == POLICY_ALLOW) != expected)
				fail_msg("%s for %s (%d): %d expected, %s", text, user ? user : "-",
					 one, expected, c.messages);
		}
		compiled_free(&c);
	}
	print_message("# %lu match, %lu do not, %lu took too long\n", allowed, denied, exhausted);
	assert_true(allowed > 1000 && denied > 1000);
	assert_true(exhausted < (allowed + denied) / 100);
}

/* Where the same `**` is come to in more than one way, with names in between that it must not take. */
static void
test_nested(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool allow, hidden;
	} cases[] = {
		{"/**/a/**/b", "/a/.x/a/b", false, true},
		{"/**/.x/**/b", "/a/.x/a/b", true, true},
		{"/**/.x/**/b", "/a/.x/.x/b", false, true},
		{"/**/.x/**/b", "/.x/a/.x/b", false, true},
		{"/**/.x/**/b", "/.x/.a/.x/b", false, true},
		{"/**/.x/**", "/.x/.a/.x/b", false, true},
		{"/**/.x/**", "/a/.x/.x", false, true},
		{"/**/.x/**", "/a/.x/.x/.x", false, true},
		{"/**/{,.}a*/**/b", "/a/.a/q/b", true, true},
		{"/**/{,.}a*/**/b", "/a/.a/.q/b", false, true},
		{"/**/{,.}a*/**/b", "/.a/a/q/b", true, true},
		{"/**/*/**/b", "/b", false, false},
		{"/**/*/**/b", "/.b/b", false, true},
		{"/**/*/**/b", "/a/.b/b", false, true},
		{"/**/*/**/.b/**/c", "/a/.b/a/c", true, true},
		{"/**/*/**/.b/**/c", "/a/.b/.a/c", false, true},
		{"/**/a/**/a/**/a", "/a/b/a/b/a", true, true},
		{"/**/a/**/a/**/a", "/a/b/a/b", false, false},
		{"/**/a/**/.y/**/a/**/.y/**", "/a/.y/a/.y/a/q", true, true},
		{"/**/a/**/.y/**/a/**/.y/**", "/a/.y/.y/a/.y/a/q", false, true},
		{"/**/{a,.y}/**/{a,.y}/**/z", "/.y/.y/z", true, true},
		{"/**/{a,.y}/**/{a,.y}/**/z", "/.y/a/.y/z", true, true},
		{"/**/{a,.y}/**/{a,.y}/**/z", "/q/.y/q/q/.y/q/z", true, true},
		{"/**/{a,.y}/**/{a,.y}/**/z", "/q/.y/q/.q/.y/q/z", false, true},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		for (int hidden = 0; hidden < 2; hidden++) {
			char rules[128];
			struct compiled c;

			snprintf(rules, sizeof(rules), "allow any read %s%s", cases[i].pattern,
				 hidden ? " hidden" : "");
			c = compile_rules(rules);
			if ((decide(c.image, "1", cases[i].path, "read").verdict == POLICY_ALLOW) !=
			    (hidden ? cases[i].hidden : cases[i].allow))
				fail_msg("%s: %s", rules, cases[i].path);
			compiled_free(&c);
		}
	}
}

/* Literals without a branch are one edge: it ends where a pattern ends, parts, or has a wild. */
static void
test_runs(void **state)
{
	static const struct {
		const char *path;
		bool allow;
	} cases[] = {
		{"/a", false},          {"/a/b", false},      {"/a/b/c", true},
		{"/a/b/c/d", false},    {"/a/b/c/d/e", true}, {"/a/b/c/d/f", false},
		{"/a/b/c/d/f/g", true}, {"/a/b/c/de", false}, {"/a/b/x/y/z", true},
		{"/a/b/x/y", false},    {"/a/b/x", false},    {"/a/b/xx/y/z", false},
		{"/a/b/q/1/2", true},   {"/a/b/q/1", false},  {"/q/r/s", true},
		{"/q/r", false},        {"/q/r/s/t", false},  {"/q/r.s", false},
		{"/q", false},          {"/", false},
	};
	struct compiled c = compile_rules("allow any read /a/b/c /a/b/c/d/e /a/b/c/d/f/g\n"
					  "allow any read /a/b/x/y/z /a/b/*/1/2 /q/r/s");
	uint32_t runs = 0;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++)
		if ((decide(c.image, "1", cases[i].path, "read").verdict == POLICY_ALLOW) !=
		    cases[i].allow)
			fail_msg("%s", cases[i].path);
	/* They were merged, so this is what is tested. */
	for (uint32_t at = 0; at < c.image->header->counts[SECTION_TREE];
	     at += (uint32_t)image_node_size(image_node(c.image, at)))
		runs += image_node(c.image, at)->run_components > 1;
	assert_int_equal(runs, 5);
	compiled_free(&c);
}

/* Braces that are taken apart, and one alternative more, with which they are matched as they are. */
static void
test_braces(void **state)
{
	(void)state;
	for (int n = 63; n <= 66; n++) {
		char *text, path[64];
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct compiled c;

		fprintf(out, "allow any read /d/{");
		for (int i = 0; i < n; i++)
			fprintf(out, "%sn%d", i ? "," : "", i);
		fprintf(out, "}/x\nallow any read /e/{a,b}{a,b}{a,b}/{a,b}/{a,b}/{a,b%s}\n",
			n > 64 ? ",c" : "");
		fclose(out);
		c = compile_rules(text);
		for (int i = 0; i < n + 2; i++) {
			struct policy_decision d;

			snprintf(path, sizeof(path), "/d/n%d/x", i);
			d = decide(c.image, "1", path, "read");
			assert_int_equal(d.verdict == POLICY_ALLOW, i < n);
			/* What the worker has to reach is narrower while they are taken apart. */
			if (i < n)
				assert_int_equal(d.literal, n <= 64);
		}
		for (int i = 0; i < 64; i++) {
			snprintf(path, sizeof(path), "/e/%c%c%c/%c/%c/%c", 'a' + (i & 1),
				 'a' + (i >> 1 & 1), 'a' + (i >> 2 & 1), 'a' + (i >> 3 & 1),
				 'a' + (i >> 4 & 1), 'a' + (i >> 5 & 1));
			assert_int_equal(decide(c.image, "1", path, "read").verdict, POLICY_ALLOW);
		}
		assert_int_equal(decide(c.image, "1", "/e/aac/a/a/a", "read").verdict, POLICY_DENY);
		assert_int_equal(decide(c.image, "1", "/e/aaaa/a/a/a", "read").verdict,
				 POLICY_DENY);
		assert_int_equal(decide(c.image, "1", "/e/aaa/a/a/c", "read").verdict,
				 n > 64 ? POLICY_ALLOW : POLICY_DENY);
		compiled_free(&c);
		free(text);
	}
}

static void
test_users(void **state)
{
	static const struct {
		const char *user, *path;
		const char *rules; /* that allow: f(irst), o(nly), l(ast), h(idden), d(eny) */
	} cases[] = {
		{"bob", "/bob", "oh"},  {"bob", "/bob/x", "f"},
		{"bob", "/y/bob", "l"}, {"bob", "/n/bob", "d"},
		{"bob", "/alice", ""},  {".x", "/.x", "h"},
		{".x", "/.x/x", ""},    {".x", "/y/.x", ""},
		{".x", "/n/.x", "d"},   {"a/b", "/a/b", ""},
		{"a/b", "/y/a/b", ""},  {"a/b", "/a", ""},
		{"", "/y", ""},         {"", "/x", ""},
		{"", "/n", ""},         {"..", "/y", ""},
		{NULL, "/${user}", ""}, {"*", "/*", "oh"},
		{"*", "/bob", ""},      {"${user}", "/${user}", "oh"},
		{"${uid}", "/1", ""},
	};
	struct compiled c = compile_rules("allow user:1 read /${user}/x\n"
					  "allow user:2 read /${user}\n"
					  "allow user:3 read /y/${user}\n"
					  "allow user:4 read /${user} hidden\n"
					  "deny user:5 read /n/${user}\n");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		for (uid_t uid = 1; uid <= 5; uid++) {
			const struct policy_request request = {.path = cases[i].path,
							       .length = strlen(cases[i].path),
							       .verbs = POLICY_READ,
							       .day = POLICY_NO_DAY};
			const struct policy_peer peer = {.has_uid = true, .uid = uid};
			struct policy_decision d =
				decide_on(c.image, &peer, cases[i].user, &request);

			if ((d.rule != POLICY_NO_RULE) !=
			    (strchr(cases[i].rules, "folhd"[uid - 1]) != NULL))
				fail_msg("user '%s', uid %u: %s", cases[i].user, uid,
					 cases[i].path);
		}
	}
	compiled_free(&c);
}

/* Paths as long as they may be: 4096 bytes, 64 components, and both. */
static void
test_longest_paths(void **state)
{
	static const char *const rules[] = {
		"/**",
		"/*/**",
		"/**/*",
		"/**/n*/**/n*",
		"/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/**",
		"/**/[n]*/**",
	};
	char path[POLICY_PATH_MAX + 1], text[POLICY_PATH_MAX + 32];

	(void)state;
	for (size_t pass = 0, each = 256; pass < 2; pass++, each = 64) {
		struct policy_request request = {.path = path,
						 .length = POLICY_PATH_MAX,
						 .verbs = POLICY_READ,
						 .day = POLICY_NO_DAY};
		const struct policy_peer peer = {.has_uid = true, .uid = 1};
		struct policy_decision d;
		struct compiled c;

		memset(path, 'n', sizeof(path));
		for (size_t i = 0; i < POLICY_PATH_MAX; i += each)
			path[i] = '/';
		path[POLICY_PATH_MAX] = '\0';
		for (size_t i = 0; i < ELEMENTS(rules); i++) {
			snprintf(text, sizeof(text), "allow any read %s", rules[i]);
			c = compile_rules(text);
			d = decide_on(c.image, &peer, NULL, &request);
			if (d.verdict != POLICY_ALLOW)
				fail_msg("%s: exhausted %d", rules[i], d.exhausted);
			compiled_free(&c);
		}
		/* Itself: one edge as long as it may be. */
		snprintf(text, sizeof(text), "allow any read %s", path);
		c = compile_rules(text);
		d = decide_on(c.image, &peer, NULL, &request);
		assert_int_equal(d.verdict, POLICY_ALLOW);
		assert_int_equal(d.prefix, POLICY_PATH_MAX - each);
		path[POLICY_PATH_MAX - 1] = 'm';
		assert_int_equal(decide_on(c.image, &peer, NULL, &request).verdict, POLICY_DENY);
		request.length--;
		assert_int_equal(decide_on(c.image, &peer, NULL, &request).verdict, POLICY_DENY);
		compiled_free(&c);
	}
}

/* 100,000 rules for as many users end at one node; each finds its own, with few steps. */
static void
test_many_at_one_node(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct compiled c;

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(out, "allow user:%d %s /a/b\n", i, i % 3 ? "read" : "write");
	fclose(out);
	c = compile_rules(text);
	for (uid_t uid = 0; uid < 100002; uid += 7) {
		const struct policy_peer peer = {.has_uid = true, .uid = uid};
		struct policy_decision d = decide_for(c.image, &peer, "/a/b", POLICY_READ);

		assert_false(d.exhausted);
		assert_int_equal(d.verdict == POLICY_ALLOW,
				 uid < 100000 && uid % 3 != 0 && uid != POLICY_OVERFLOW_ID);
	}
	compiled_free(&c);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_a_table),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_braces),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_longest_paths),
		cmocka_unit_test(test_many_at_one_node),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
