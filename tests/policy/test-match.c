/* SPDX-License-Identifier: MIT */
/* Which paths a pattern covers, in an allow and in a deny. */
#include "policy-test.h"
#include "policy/match.h"

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

	/* classes: one byte of these */
	{"/[abc]", "/b", "yes", "yes"},
	{"/[abc]", "/d", "-", "-"},
	{"/[abc]", "/ab", "-", "-"},
	{"/[a-c]x", "/cx", "yes", "yes"},
	{"/[a-c]x", "/-x", "-", "-"},
	{"/[a-]x", "/-x", "yes", "yes"},
	{"/[-a]x", "/-x", "yes", "yes"},
	{"/[a*]", "/*", "yes", "yes"},
	{"/[a*]", "/b", "-", "-"},
	{"/[\\x01-\\xff]", "/\x80", "yes", "yes"},
	{"/[\\xc3]\\xa9", "/\xc3\xa9", "yes", "yes"},
	{"/[\\x5d\\x5b]", "/]", "yes", "yes"},
	{"/[0-9][0-9]*", "/12", "yes", "yes"},
	{"/[0-9][0-9]*", "/1", "-", "-"},
	{"/[.a]b", "/.b", "-", "yes"},
	{"/x[.]b", "/x.b", "yes", "yes"},
	{"/.[a-z]", "/.b", "yes", "yes"},
	/* a class that holds '/' by its range does not cross it */
	{"/a[+-9]b", "/a/b", "-", "-"},
	{"/a[+-9]b", "/a.b", "yes", "yes"},

	/* braces: one of these, and each may be empty */
	{"/{a,bc}", "/a", "yes", "yes"},
	{"/{a,bc}", "/bc", "yes", "yes"},
	{"/{a,bc}", "/b", "-", "-"},
	{"/{a,bc}", "/abc", "-", "-"},
	{"/x{,y}", "/x", "yes", "yes"},
	{"/x{,y}", "/xy", "yes", "yes"},
	{"/{a,ab}{b,}c", "/abbc", "yes", "yes"},
	{"/{a,ab}{b,}c", "/ac", "yes", "yes"},
	{"/{a,ab}{b,}c", "/abc", "yes", "yes"},
	{"/{a}", "/a", "yes", "yes"},
	{"/{.a,b}", "/.a", "yes", "yes"},
	{"/{.,x}b", "/.b", "yes", "yes"},
	{"/{.a,b}*", "/.ac", "yes", "yes"},
	{"/{,a}*", "/.ac", "-", "yes"},
	{"/{a,b}/{c,d}/e", "/b/c/e", "yes", "yes"},
	{"/{a,b}/{c,d}/e", "/b/e/e", "-", "-"},
	/* what would be no name is none, and does no harm to the rest */
	{"/x/{,.,..,a}", "/x/a", "yes", "yes"},
	{"/x/{,.,..,a}", "/x", "-", "-"},
	{"/{\\x2a,\\x2c}", "/,", "yes", "yes"},
	{"/{\\x2a,\\x2c}", "/b", "-", "-"},

	/* variables: uid 1, alice */
	{"/${user}", "/alice", "yes", "yes"},
	{"/${user}", "/bob", "-", "-"},
	{"/${user}", "/${user}", "-", "-"},
	{"/${uid}", "/1", "yes", "yes"},
	{"/${uid}", "/10", "-", "-"},
	{"/a${uid}", "/a1", "yes", "yes"},
	{"/*${user}", "/xalice", "yes", "yes"},
	{"/*${user}*", "/aalicealice.x", "yes", "yes"},
	{"/.${user}", "/.alice", "yes", "yes"},
	{"/${user}-[0-9]", "/alice-7", "yes", "yes"},
	{"/{a,b}${uid}", "/b1", "yes", "yes"},
	{"/${user}/**", "/alice/x/y", "yes", "yes"},
	{"/**/${user}", "/x/y/alice", "yes", "yes"},
	{"/a${user}/b", "/aalice/b", "yes", "yes"},
};

static struct policy_decision
decide_alice(const struct policy_image *image, const char *path)
{
	const struct policy_request request = {
		.path = path,
		.length = strlen(path),
		.verbs = POLICY_READ,
		.day = POLICY_NO_DAY,
	};
	struct who who;

	parse_who("1", &who);
	return decide_on(image, &who.peer, "alice", &request);
}

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
		allowed = decide_alice(c.image, cases[i].path).verdict == POLICY_ALLOW;
		compiled_free(&c);
		snprintf(rules, sizeof(rules), "deny any read %s", cases[i].pattern);
		c = compile_rules(rules);
		denied = decide_alice(c.image, cases[i].path).rule == 0;
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
	struct compiled c = compile_rules("allow any read /a/.* /a/b /z except /a/*");

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
	struct policy_request request = {
		.path = "/a\0b", .length = 4, .verbs = POLICY_READ, .day = POLICY_NO_DAY};
	struct policy_identity identity;
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
	policy_identity_init(&identity, &any, 1, NULL, NULL);
	policy_decide(c.image, &identity, &request, &decision);
	assert_int_equal(decision.verdict, POLICY_DENY);
	/* A length shorter than the string is what counts. */
	request.path = "/a/..";
	request.length = 2;
	policy_decide(c.image, &identity, &request, &decision);
	assert_int_equal(decision.verdict, POLICY_ALLOW);

	memset(path, 'n', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 128)
		path[i] = '/';
	assert_true(policy_path_is_canonical(path, POLICY_PATH_MAX));
	path[POLICY_PATH_MAX] = 'n';
	assert_false(policy_path_is_canonical(path, POLICY_PATH_MAX + 1));
	compiled_free(&c);
}

/* Slashes, NULs and dots at all places of paths of all lengths, as eight bytes at a time see them. */
static void
test_canonical_at_each_place(void **state)
{
	(void)state;
	for (size_t length = 2; length < 40; length++) {
		for (size_t at = 1; at < length; at++) {
			/* Exactly as long as it is: what is behind it belongs to others. */
			_cleanup_free_ char *path = malloc(length);
			bool last = at == length - 1;

			memset(path, 'x', length);
			path[0] = '/';
			assert_true(policy_path_is_canonical(path, length));
			path[at] = '\0';
			assert_false(policy_path_is_canonical(path, length));
			path[at] = '/';
			assert_int_equal(policy_path_is_canonical(path, length), at > 1 && !last);
			path[at] = '.';
			assert_int_equal(policy_path_is_canonical(path, length), length > 2);
			path[at - 1] = '/';
			assert_int_equal(policy_path_is_canonical(path, length), at != 2 && !last);
		}
	}
}

static void
test_units(void **state)
{
	static const struct {
		const char *glob, *text;
		bool matches;
	} units[] = {
		{"a.service", "a.service", true},
		{"a.service", "a.servic", false},
		{"a.service", "a.services", false},
		{"*", "", true},
		{"*", "a.service", true},
		{"", "a", false},
		{"", "", true},
		{"a*", "a", true},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*b*c", "a1b2c", true},
		{"a*b*c", "abcb", false},
		{"*ab*ab*", "abab", true},
		{"*ab*ab*", "aab", false},
		{"*aab", "aaab", true},
		{"borg@*.service", "borg@home.service", true},
		{"borg@*.service", "borg@home.timer", false},
		{"a[b]", "ab", false},
	};
	char glob[256], text[256];

	(void)state;
	for (size_t i = 0; i < ELEMENTS(units); i++)
		if (policy_glob_matches(units[i].glob, units[i].text) != units[i].matches)
			fail_msg("%s on %s", units[i].glob, units[i].text);
	/* The worst of 255 bytes is done at once. */
	for (size_t i = 0; i < 254; i++)
		glob[i] = i % 2 ? '*' : 'a';
	glob[254] = 'b';
	glob[255] = '\0';
	memset(text, 'a', 255);
	text[255] = '\0';
	for (int i = 0; i < 1000; i++)
		assert_false(policy_glob_matches(glob, text));
}

/* --- a plain matcher of one component, on random input ------------------------------------ */

enum {
	COMPONENTS = 100,
	NAMES = 100,
	ROUNDS = 30,
	PARTS = 6,
};

/* One of some texts; a star; one of some bytes. */
struct part {
	enum { TEXTS, STAR, BYTES } kind;
	bool variable;
	int n;
	char texts[3][8];
};

struct component {
	struct part parts[PARTS];
	int n;
};

static uint64_t seed = 7;

static unsigned
draw(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static void
draw_text(char *text, unsigned n)
{
	static const char letters[] = "aab.\xff 1";

	for (; n > 0; n--)
		*text++ = letters[draw(7)];
	*text = '\0';
}

static void
draw_component(struct component *c)
{
	int stars = 0;

	memset(c, 0, sizeof(*c));
	while (c->n == 0 || draw(PARTS) > (unsigned)c->n) {
		struct part *part = &c->parts[c->n++];
		unsigned kind = draw(8);

		if (kind < 3 && (c->n == 1 || part[-1].kind != STAR)) {
			part->kind = STAR;
			stars++;
		} else if (kind == 3) {
			part->kind = BYTES;
			draw_text(part->texts[0], 1 + draw(3));
		} else if (kind == 4) {
			part->variable = true;
			part->n = 1;
			strcpy(part->texts[0], draw(2) ? "ab" : "1");
		} else {
			part->n = kind == 5 ? 1 : 1 + (int)draw(3);
			for (int i = 0; i < part->n; i++)
				draw_text(part->texts[i], kind == 5 ? 1 + draw(4) : draw(3));
		}
	}
	/* Else it could be a literal '.' or '..', which is an error. */
	if (stars == 0 && c->n < PARTS)
		draw_text(c->parts[c->n].texts[0], 1), c->parts[c->n++].kind = BYTES;
}

static void
write_text(FILE *out, const char *text)
{
	for (; *text; text++)
		fprintf(out, draw(3) && *text > ' ' ? "%c" : "\\x%02x", (unsigned char)*text);
}

static void
write_component(FILE *out, const struct component *c)
{
	for (int i = 0; i < c->n; i++) {
		const struct part *part = &c->parts[i];

		if (part->kind == STAR) {
			fputc('*', out);
		} else if (part->kind == BYTES) {
			fputc('[', out);
			write_text(out, part->texts[0]);
			fputc(']', out);
		} else if (part->variable) {
			fputs(*part->texts[0] == '1' ? "${uid}" : "${user}", out);
		} else if (part->n == 1 && *part->texts[0]) {
			write_text(out, part->texts[0]);
		} else {
			for (int k = 0; k < part->n; k++) {
				fputc(k ? ',' : '{', out);
				write_text(out, part->texts[k]);
			}
			fputc('}', out);
		}
	}
}

/* A leading dot is matched by texts only, unless dots. */
static bool
plain_matches(const struct part *part, const struct part *end, const char *name, const char *at,
	      bool dots)
{
	bool dot = at == name && *at == '.' && !dots;

	if (part == end)
		return *at == '\0';
	if ((part->kind != TEXTS || part->variable) && dot)
		return false;
	if (part->kind == STAR)
		return plain_matches(part + 1, end, name, at, dots) ||
		       (*at && plain_matches(part, end, name, at + 1, dots));
	if (part->kind == BYTES)
		return *at && strchr(part->texts[0], *at) &&
		       plain_matches(part + 1, end, name, at + 1, dots);
	for (int i = 0; i < part->n; i++) {
		size_t length = strlen(part->texts[i]);

		if (strncmp(at, part->texts[i], length) == 0 &&
		    plain_matches(part + 1, end, name, at + length, dots))
			return true;
	}
	return false;
}

/* A name that matches, or nearly so. */
static void
draw_name(const struct component *c, char *name)
{
	size_t n = 0;

	for (int i = 0; i < c->n; i++) {
		const struct part *part = &c->parts[i];
		size_t room = 200;

		if (part->kind == STAR)
			draw_text(name + n, draw(50) ? draw(4) : (unsigned)room / 6);
		else if (part->kind == BYTES)
			snprintf(name + n, 2, "%c",
				 part->texts[0][draw((unsigned)strlen(part->texts[0]))]);
		else
			strcpy(name + n, part->texts[draw((unsigned)part->n)]);
		n = strlen(name);
	}
	if (n > 0 && draw(2) == 0)
		draw_text(name + draw((unsigned)n), draw(3));
	n = strlen(name);
	if (draw(8) == 0 && n < 250) {
		memmove(name + 1, name, n + 1);
		*name = '.';
	}
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		strcpy(name, "a");
}

static void
check_component(const struct policy_image *image, const struct component *c, int number,
		unsigned long *counts)
{
	struct who who;

	parse_who("1", &who);
	for (int q = 0; q < NAMES; q++) {
		char name[512], path[600];
		struct policy_request request = {
			.path = path, .verbs = POLICY_READ, .day = POLICY_NO_DAY};
		bool expected, got;

		draw_name(c, name);
		for (int dots = 0; dots < 2; dots++) {
			request.length = (size_t)snprintf(path, sizeof(path), "/%s%d/%s",
							  dots ? "h" : "a", number, name);
			expected = plain_matches(c->parts, c->parts + c->n, name, name, dots);
			got = decide_on(image, &who.peer, "ab", &request).verdict == POLICY_ALLOW;
			counts[expected]++;
			if (got == expected)
				continue;
			write_component(stderr, c);
			fail_msg(" on %s, dots %d: %d expected", name, dots, expected);
		}
	}
}

static void
test_like_a_plain_matcher(void **state)
{
	unsigned long counts[2] = {0};

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct component components[COMPONENTS];
		struct compiled c;
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		for (int i = 0; i < COMPONENTS; i++) {
			draw_component(&components[i]);
			fprintf(out, "allow any read /a%d/", i);
			write_component(out, &components[i]);
			fprintf(out, "\nallow any read /h%d/", i);
			write_component(out, &components[i]);
			fprintf(out, " hidden\n");
		}
		fclose(out);
		c = compile_rules(text);
		for (int i = 0; i < COMPONENTS; i++)
			check_component(c.image, &components[i], i, counts);
		compiled_free(&c);
		free(text);
	}
	print_message("# %lu match, %lu do not\n", counts[1], counts[0]);
	assert_true(counts[0] > 10000 && counts[1] > 10000);
}

/* Names as long as they may be. */
static void
test_longest_names(void **state)
{
	static const struct {
		const char *pattern;
		bool matches;
	} longest[] = {
		{"/*", true},     {"/n*n", true},         {"/n*n*n*n*n*n", true}, {"/[n]*", true},
		{"/*[n]", true},  {"/{n,nn}*", true},     {"/*{,n}", true},       {"/[m]*", false},
		{"/*[m]", false}, {"/n*m*n", false},      {"/**/*[n]*", true},    {"/**", true},
		{"/[n]", false},  {"/{n,nn}{n,}", false},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(longest); i++) {
		char rule[64];
		struct compiled c;

		snprintf(rule, sizeof(rule), "allow any read %s", longest[i].pattern);
		c = compile_rules(rule);
		if ((decide(c.image, "1", "/" LONG_255, "read").verdict == POLICY_ALLOW) !=
		    longest[i].matches)
			fail_msg("%s", longest[i].pattern);
		assert_int_equal(decide(c.image, "1", "/" LONG_255 "n", "read").verdict,
				 POLICY_DENY);
		compiled_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_except_includes_dot_names),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_canonical_at_each_place),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_like_a_plain_matcher),
		cmocka_unit_test(test_longest_names),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
