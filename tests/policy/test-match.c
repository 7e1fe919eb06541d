/* SPDX-License-Identifier: MIT */
/* Which paths a pattern covers, in an allow and in a deny. */
#include "policy-test.h"

#define LONG_255                                                                                   \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"    \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"    \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define STARS_64                                                                                   \
	"/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*"                         \
	"/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*"
#define NAMES_63                                                                                   \
	"/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n"                         \
	"/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n/n"

static const struct {
	const char *pattern;
	const char *path;
	const char *allow; /* "yes" or "-": is it matched in an allow */
	const char *deny;  /* and in a deny */
} cases[] = {
	/* literal */
	{"/", "/", "yes", "yes"},
	{"/", "/a", "-", "-"},
	{"/etc/motd", "/etc/motd", "yes", "yes"},
	{"/etc/motd", "/etc/motd2", "-", "-"},
	{"/etc/motd", "/etc/mot", "-", "-"},
	{"/etc/motd", "/etc", "-", "-"},
	{"/etc", "/etc/motd", "-", "-"},
	{"/etc/motd", "/etc/motd/x", "-", "-"},
	{"/etc/motd", "/ETC/motd", "-", "-"},
	{"/a\\x20b", "/a b", "yes", "yes"},
	{"/a\\x2Ab", "/a*b", "yes", "yes"},
	{"/a\\x2Ab", "/axb", "-", "-"},
	{"/\\xff\\xfe", "/\xff\xfe", "yes", "yes"},
	{"/a\\x5cb", "/a\\b", "yes", "yes"},
	{"/.ssh/id", "/.ssh/id", "yes", "yes"},
	{"/" LONG_255, "/" LONG_255, "yes", "yes"},

	/* one star stays in its component */
	{"/*", "/a", "yes", "yes"},
	{"/*", "/", "-", "-"},
	{"/*", "/a/b", "-", "-"},
	{"/var/*/x", "/var/log/x", "yes", "yes"},
	{"/var/*/x", "/var/x", "-", "-"},
	{"/var/*/x", "/var/a/b/x", "-", "-"},
	{"/*.log", "/a.log", "yes", "yes"},
	{"/*.log", "/a.log.log", "yes", "yes"},
	{"/*.log", "/a.log.1", "-", "-"},
	{"/*.log", "/.log", "-", "yes"},
	{"/a*", "/a", "yes", "yes"},
	{"/a*", "/ba", "-", "-"},
	{"/a*a", "/a", "-", "-"},
	{"/a*a", "/aa", "yes", "yes"},
	{"/a*b*c", "/abc", "yes", "yes"},
	{"/a*b*c", "/axbxbxc", "yes", "yes"},
	{"/a*b*c", "/acb", "-", "-"},
	{"/*ab*ab*", "/ab", "-", "-"},
	{"/*ab*ab*", "/xabyabz", "yes", "yes"},
	{"/*aab", "/aaab", "yes", "yes"},
	{"/" LONG_255 "*", "/" LONG_255, "yes", "yes"},
	{STARS_64, NAMES_63 "/n", "yes", "yes"},
	{STARS_64, NAMES_63, "-", "-"},

	/* two stars are any number of components, and none */
	{"/**", "/", "yes", "yes"},
	{"/**", "/a", "yes", "yes"},
	{"/**", "/a/b/c", "yes", "yes"},
	{"/a/**", "/a", "yes", "yes"},
	{"/a/**", "/a/b", "yes", "yes"},
	{"/a/**", "/a/b/c/d", "yes", "yes"},
	{"/a/**", "/ab", "-", "-"},
	{"/a/**", "/", "-", "-"},
	{"/a/**/z", "/a/z", "yes", "yes"},
	{"/a/**/z", "/a/b/z", "yes", "yes"},
	{"/a/**/z", "/a/b/z/z", "yes", "yes"},
	{"/a/**/z", "/a/z/b", "-", "-"},
	{"/a/**/z", "/az", "-", "-"},
	{"/**/*.c", "/x.c", "yes", "yes"},
	{"/**/*.c", "/a/b/x.c", "yes", "yes"},
	{"/**/*.c", "/a/b/x.h", "-", "-"},
	{"/**/a/**/b/**", "/a/b", "yes", "yes"},
	{"/**/a/**/b/**", "/x/a/y/b/z", "yes", "yes"},
	{"/**/a/**/b/**", "/x/b/y/a/z", "-", "-"},
	{"/**/*/**", "/", "-", "-"},
	{"/**/*/**", "/a", "yes", "yes"},
	{"/**/a/a/a", "/a/a/a/a", "yes", "yes"},
	{"/**", NAMES_63 "/n", "yes", "yes"},

	/* names that begin with a dot */
	{"/home/*", "/home/.x", "-", "yes"},
	{"/home/.*", "/home/.x", "yes", "yes"},
	{"/home/.*", "/home/x", "-", "-"},
	{"/home/.s*", "/home/.ssh", "yes", "yes"},
	{"/home/\\x2e*", "/home/.ssh", "yes", "yes"},
	{"/home/*/.ssh", "/home/a/.ssh", "yes", "yes"},
	{"/home/**", "/home/a/.ssh/id", "-", "yes"},
	{"/home/**", "/home/.a", "-", "yes"},
	{"/home/**", "/home/a/b.c", "yes", "yes"},
	{"/home/**/.ssh/*", "/home/a/.ssh/id", "yes", "yes"},
	{"/home/**/.ssh/*", "/home/.a/.ssh/id", "-", "yes"},
	{"/home/**/.*/**", "/home/.a", "yes", "yes"},
	{"/home/**/.*/**", "/home/a/.b/c", "yes", "yes"},
	{"/home/**/.*/**", "/home/a/.b/.c/.d", "-", "yes"},
	{"/a/*.*", "/a/x.y", "yes", "yes"},
	{"/a/*.*", "/a/.y", "-", "yes"},
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		char rules[2048];
		struct compiled c;
		bool allowed, denied;

		snprintf(rules, sizeof(rules), "allow any read %s", cases[i].pattern);
		c = compile_rules(rules);
		allowed = decide(c.image, "1", cases[i].path, "read").verdict == POLICY_ALLOW;
		compiled_free(&c);
		snprintf(rules, sizeof(rules), "deny any read %s", cases[i].pattern);
		c = compile_rules(rules);
		denied = decide(c.image, "1", cases[i].path, "read").rule == 0;
		compiled_free(&c);
		if (strcmp(allowed ? "yes" : "-", cases[i].allow) != 0 ||
		    strcmp(denied ? "yes" : "-", cases[i].deny) != 0)
			fail_msg("%s on %s: allow %d deny %d", cases[i].pattern, cases[i].path,
				 allowed, denied);
	}
}

/* An exception is as wide as a deny. */
static void
test_except_includes_dot_names(void **state)
{
	struct compiled c = compile_rules("allow any read /a/.* /a/b except /a/*");

	(void)state;
	assert_int_equal(decide(c.image, "1", "/a/.x", "read").verdict, POLICY_DENY);
	assert_int_equal(decide(c.image, "1", "/a/b", "read").verdict, POLICY_DENY);
	compiled_free(&c);
}

static void
test_canonical(void **state)
{
	static const char *const good[] = {"/",    "/a",    "/a/b",       "/...",       "/.a",
					   "/a b", "/\x01", "/" LONG_255, NAMES_63 "/n"};
	static const char *const bad[] = {
		"",    "a",    "//",      "/a/", "/a//b",          "/.",
		"/..", "/a/.", "/a/../b", "./a", "/" LONG_255 "n", NAMES_63 "/n/n"};
	char path[POLICY_PATH_MAX + 2];
	struct policy_decision decision;
	const uint32_t any = 0;
	struct compiled c = compile_rules("allow any read /**");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(good); i++)
		if (!policy_path_is_canonical(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		if (policy_path_is_canonical(bad[i], strlen(bad[i])))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(decide(c.image, "1", bad[i], "read").verdict, POLICY_DENY);
	}
	assert_false(policy_path_is_canonical("/a\0b", 4));
	policy_decide(c.image, &any, 1, "/a\0b", 4, POLICY_READ, &decision);
	assert_int_equal(decision.verdict, POLICY_DENY);
	/* A length shorter than the string is what counts. */
	policy_decide(c.image, &any, 1, "/a/..", 2, POLICY_READ, &decision);
	assert_int_equal(decision.verdict, POLICY_ALLOW);

	memset(path, 'n', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 128)
		path[i] = '/';
	assert_true(policy_path_is_canonical(path, POLICY_PATH_MAX));
	path[POLICY_PATH_MAX] = 'n';
	assert_false(policy_path_is_canonical(path, POLICY_PATH_MAX + 1));
	compiled_free(&c);
}

/* What makes a backtracking matcher take years. */
static void
test_no_blowup(void **state)
{
	char rules[8192] = "allow any read ", path[POLICY_PATH_MAX + 1] = "";
	struct compiled c;

	(void)state;
	for (int i = 0; i < 31; i++)
		strcat(rules, "/**/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
	for (int i = 0; i < 63; i++)
		strcat(path, "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	c = compile_rules(rules);
	for (int i = 0; i < 20; i++)
		assert_int_equal(decide(c.image, "1", path, "read").verdict, POLICY_DENY);
	compiled_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_except_includes_dot_names),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_no_blowup),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
