/* SPDX-License-Identifier: MIT */
/* Whom the policy knows: subjects, scope, and what an identity reaches. */
#include <errno.h>

#include "policy-test.h"
#include "policy/match.h"

static void
test_subjects(void **state)
{
	/* Who is the same is one subject, however it is written. */
	struct compiled c = compile_rules("allow user:1+group:2 read /a\n"
					  "allow group:2+user:1+any read /b\n"
					  "allow any read /c\n"
					  "deny user:1 read /d\n"
					  "allow user:1|group:2 read /e");
	struct who who;
	uint32_t ids[5] = {9, 9, 9, 9, 9};
	size_t n = 77;

	(void)state;
	parse_who("1:2", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 5, &n), 0);
	/* Each once, also where both alternatives hold. */
	assert_int_equal(n, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ids[i], i);
	assert_int_equal(ids[4], 9);
	n = 77;
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 2, &n), -E2BIG);
	assert_int_equal(n, 77);
	parse_who("-", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 4, &n), 0);
	assert_int_equal(n, 1);
	compiled_free(&c);
}

/* One that is nobody's applies to nobody, whatever else it says. */
static void
test_rule_applies(void **state)
{
	static const struct {
		const char *who;
		bool applies[5];
	} cases[] = {
		{"1", {true, true, false, false, false}},
		{"2:20", {true, false, true, true, false}},
		{"3", {true, false, false, true, false}},
		{"-", {true, false, false, false, false}},
		{"65534", {false, false, false, false, false}},
	};
	struct compiled c = compile_text("policy 1\n"
					 "set @s = /s/*\n"
					 "allow any read /a except /a/b\n"
					 "allow user:1 write @s until=2000-01-01\n"
					 "allow group:20 read @s /s/**/x\n"
					 "deny user:2|user:3 any /d\n"
					 "allow user:no-such-user-x read /e\n");

	(void)state;
	assert_int_equal(c.result, 0);
	assert_int_equal(policy_image_rules(c.image), 5);
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct policy_identity identity;
		struct who who;
		uint32_t ids[8];
		size_t n;

		parse_who(cases[i].who, &who);
		assert_int_equal(policy_subjects(c.image, &who.peer, ids, 8, &n), 0);
		policy_identity_init(&identity, ids, n, NULL, NULL);
		for (uint32_t rule = 0; rule < 5; rule++) {
			struct policy_rule r;

			policy_rule_describe(c.image, rule, &r);
			if (policy_rule_applies(c.image, &identity, rule) !=
			    cases[i].applies[r.line - 3])
				fail_msg("line %u for %s", r.line, cases[i].who);
		}
	}
	compiled_free(&c);
}

static void
test_asks(void **state)
{
	static const struct {
		const char *rules;
		unsigned asks;
	} cases[] = {
		{"allow user:1 read /a", 0},
		{"allow user:1+unit:a.service read /a", POLICY_ASKS_UNIT},
		{"deny label:x read /a", POLICY_ASKS_LABEL},
		{"allow user:1+unit:*+label:x read /a", POLICY_ASKS_UNIT | POLICY_ASKS_LABEL},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct compiled c = compile_rules(cases[i].rules);

		assert_int_equal(policy_asks(c.image), cases[i].asks);
		compiled_free(&c);
	}
}

static void
test_scope(void **state)
{
	static const struct {
		const char *rules, *who;
		enum policy_scope scope;
		enum policy_name name;
	} scopes[] = {
		{"allow user:1 read /a", "2", POLICY_SCOPE_NONE, POLICY_NAME_UNUSED},
		{"allow user:1 read /a", "1", POLICY_SCOPE_OWN, POLICY_NAME_UNUSED},
		{"allow any read /a", "2", POLICY_SCOPE_ANY, POLICY_NAME_UNUSED},
		{"allow any read /a\nallow group:5 read /b", "2", POLICY_SCOPE_ANY,
		 POLICY_NAME_UNUSED},
		{"allow any read /a\nallow group:5 read /b", "2:5", POLICY_SCOPE_OWN,
		 POLICY_NAME_UNUSED},
		/* What is denied to a user is denied in a worker of that user's own. */
		{"allow any read /a\ndeny user:2 read /b", "2", POLICY_SCOPE_OWN,
		 POLICY_NAME_UNUSED},
		{"allow any read /a\ndeny user:2 read /b", "3", POLICY_SCOPE_ANY,
		 POLICY_NAME_UNUSED},
		{"deny any read /a", "2", POLICY_SCOPE_NONE, POLICY_NAME_UNUSED},
		{"deny user:2 read /a", "2", POLICY_SCOPE_NONE, POLICY_NAME_UNUSED},
		/* A path that depends on the peer is not everybody's. */
		{"allow any read /a/${user}", "2", POLICY_SCOPE_OWN, POLICY_NAME_GRANTS},
		{"allow any read /a/${uid}", "2", POLICY_SCOPE_OWN, POLICY_NAME_UNUSED},
		{"allow any read /a/* except /a/${user}", "2", POLICY_SCOPE_OWN, POLICY_NAME_TAKES},
		{"set @s = /a/${user}\nallow any read @s", "2", POLICY_SCOPE_OWN,
		 POLICY_NAME_GRANTS},
		{"set @s = /a/${user}\nallow any read /a/* except @s", "2", POLICY_SCOPE_OWN,
		 POLICY_NAME_TAKES},
		{"allow any read /a\ndeny any any /b/${user}", "2", POLICY_SCOPE_OWN,
		 POLICY_NAME_TAKES},
		{"set @s = /a/${user}\nallow any read /a", "2", POLICY_SCOPE_ANY,
		 POLICY_NAME_UNUSED},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(scopes); i++) {
		struct compiled c = compile_rules(scopes[i].rules);
		struct who who;
		uint32_t ids[8];
		size_t n;

		parse_who(scopes[i].who, &who);
		assert_int_equal(policy_subjects(c.image, &who.peer, ids, 8, &n), 0);
		if (policy_scope(c.image, ids, n) != scopes[i].scope ||
		    policy_needs_name(c.image, ids, n) != scopes[i].name)
			fail_msg("%s for %s", scopes[i].rules, scopes[i].who);
		compiled_free(&c);
	}
}

/* Ids that the kernel has no number for are all the same one: nobody's in particular. */
static void
test_overflow(void **state)
{
	static const struct {
		const char *who;
		size_t n;
	} cases[] = {
		{"65534", 0},       {"65534:20", 0},    {"65534:65534,20", 0},
		{"7:65534", 1},     {"7:20,65534", 2},  {"7:65534,20", 2},
		{"65533:65533", 3}, {"65535:65535", 3}, {"7:65534,65534,1", 1},
	};
	struct compiled c = compile_text("policy 1\n"
					 "allow any read /a\n"
					 "allow group:20 read /a\n"
					 "allow user:65533|user:65535 read /a\n"
					 "allow group:65533|group:65535 read /a\n"
					 "allow user:65534 read /a\n"
					 "allow group:65534 read /a\n"
					 "allow user:7+group:65534 read /a\n"
					 "allow group:20+group:65534|user:65534+group:20 read /a\n"
					 "deny user:65534 any /b\n"
					 "expect deny user:65534 read /a\n"
					 "expect deny user:65534+group:20 read /a\n"
					 "expect allow user:7+group:65534 read /a\n");

	(void)state;
	assert_int_equal(c.result, 0);
	/* Each time that one is named, but for the expectations. */
	assert_int_equal(c.diag.warnings, 6);
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct who who;
		const struct image_atom user = {POLICY_ATOM_USER, POLICY_OVERFLOW_ID},
					group = {POLICY_ATOM_GROUP, POLICY_OVERFLOW_ID};
		uint32_t ids[8];
		size_t n = 77;

		parse_who(cases[i].who, &who);
		assert_int_equal(policy_subjects(c.image, &who.peer, ids, 8, &n), 0);
		if (n != cases[i].n)
			fail_msg("%s matches %zu subjects", cases[i].who, n);
		assert_false(policy_atom_holds(c.image, &user, &who.peer));
		assert_false(policy_atom_holds(c.image, &group, &who.peer));
	}
	compiled_free(&c);
}

struct lines {
	char text[4096];
	int n;
};

static int
print_reach(void *context, const struct policy_reach *reach)
{
	struct lines *lines = context;
	char verbs[POLICY_VERBS_TEXT_MAX];
	size_t at = strlen(lines->text);

	lines->n++;
	snprintf(lines->text + at, sizeof(lines->text) - at, "%s %s %s%s\n", reach->directory,
		 reach->name ? reach->name : "*", policy_verbs_text(reach->verbs, verbs),
		 reach->recursive ? " recursive" : "");
	return 0;
}

/* What a rule adds to reading: what a worker makes mounts for. */
static int
print_added(void *context, const struct policy_reach *reach)
{
	struct lines *lines = context;
	size_t at = strlen(lines->text);

	lines->n++;
	snprintf(lines->text + at, sizeof(lines->text) - at, "%s %s%s%s%s\n", reach->directory,
		 reach->types & POLICY_TYPE_REG ? "reg " : "",
		 reach->types & POLICY_TYPE_CHR ? "chr " : "",
		 reach->types & POLICY_TYPE_BLK ? "blk " : "", reach->executable ? "exec" : "");
	return 0;
}

static int
stop_at_once(void *context, const struct policy_reach *reach)
{
	(void)reach;
	return ++*(int *)context + 41;
}

static struct lines
reach_of(const struct policy_image *image, const char *who_text, const char *user)
{
	struct lines lines = {0};
	struct policy_identity identity;
	struct who who;
	uint32_t ids[8];
	size_t n;

	parse_who(who_text, &who);
	assert_int_equal(policy_subjects(image, &who.peer, ids, 8, &n), 0);
	policy_identity_init(&identity, ids, n, &who.peer.uid, user);
	assert_int_equal(policy_reach(image, &identity, print_reach, &lines), 0);
	return lines;
}

static void
check_lines(const struct lines *lines, const char *const *expected, int n)
{
	for (int i = 0; i < n; i++) {
		const char *at = strstr(lines->text, expected[i]);

		if (!at || (at > lines->text && at[-1] != '\n'))
			fail_msg("no %sin\n%s", expected[i], lines->text);
	}
	if (lines->n != n)
		fail_msg("more than expected:\n%s", lines->text);
}

/* Each only where a rule opens something for it; of several rules all. */
static void
test_added(void **state)
{
	static const char *const added[] = {
		"/plain reg \n",   "/run reg exec\n", "/both reg exec\n", "/devices reg chr blk \n",
		"/written reg \n", "/listed \n",      "/denied reg \n",
	};
	struct compiled c = compile_rules("allow user:1 read /plain/*\n"
					  "allow user:1 read /run/* exec\n"
					  "allow user:1 read /both/*\n"
					  "allow user:1 read /both/x* exec\n"
					  "allow user:1 read /both/y*\n"
					  "allow user:1 read /devices/* type=chr\n"
					  "allow user:1 read /devices/x* type=reg\n"
					  "allow user:1 read /devices/y* type=blk\n"
					  "allow user:1 write /written/*\n"
					  "allow user:1 list /listed/* type=chr\n"
					  "allow user:1 read /denied/*\n"
					  "deny user:1 read /denied/x*\n");
	struct policy_identity identity;
	struct lines lines = {0};
	struct who who;
	uint32_t ids[8];
	size_t n;

	(void)state;
	parse_who("1", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 8, &n), 0);
	policy_identity_init(&identity, ids, n, &who.peer.uid, NULL);
	assert_int_equal(policy_reach(c.image, &identity, print_added, &lines), 0);
	check_lines(&lines, added, ELEMENTS(added));
	compiled_free(&c);
}

static void
test_reach(void **state)
{
	static const char *const of_1[] = {
		"/var/log * read,write,create,stat recursive\n",
		"/etc motd read,write,create,stat\n",
		"/srv * read,write,create,stat recursive\n",
		"/ * list recursive\n",
		"/ one list\n",
	};
	static const char *const of_3[] = {
		"/home/eve * write recursive\n", "/u/3 x write\n", "/b c write\n", "/b d write\n",
		"/ * list recursive\n",          "/ one list\n",
	};
	static const char *const nameless[] = {
		"/u/3 x write\n",       "/b c write\n", "/b d write\n",
		"/ * list recursive\n", "/ one list\n",
	};
	struct compiled c =
		compile_rules("allow user:1 read /etc/motd /srv/*/x /srv/** /var/log/*.log\n"
			      "allow user:1 write,create /srv/y*z @s except /not/here/*\n"
			      "deny user:1 any /denied/**\n"
			      "allow user:2 read /other\n"
			      "allow any list / /** /one\n"
			      "allow user:3 write /home/${user}/** /u/${uid}/x /b/{c,d}\n"
			      "set @s = /var/log/** /etc/motd");
	struct policy_identity identity;
	struct lines lines;
	const uint32_t id = 0;
	int calls = 0;

	(void)state;
	lines = reach_of(c.image, "1", NULL);
	check_lines(&lines, of_1, ELEMENTS(of_1));
	lines = reach_of(c.image, "3", "eve");
	check_lines(&lines, of_3, ELEMENTS(of_3));
	lines = reach_of(c.image, "3", NULL);
	check_lines(&lines, nameless, ELEMENTS(nameless));
	lines = reach_of(c.image, "3", "..");
	check_lines(&lines, nameless, ELEMENTS(nameless));
	policy_identity_init(&identity, &id, 1, NULL, NULL);
	assert_int_equal(policy_reach(c.image, &identity, stop_at_once, &calls), 42);
	assert_int_equal(calls, 1);
	compiled_free(&c);
}

static int
count(void *context, const struct policy_reach *reach)
{
	(void)reach;
	++*(int *)context;
	return 0;
}

/* Each of two subjects is within the limit, a peer that is both is not. */
static void
test_reach_limit(void **state)
{
	static const uint32_t ids[] = {0, 1};

	(void)state;
	for (int places = 256; places <= 257; places++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct policy_identity identity;
		struct compiled c;
		int n = 0;

		for (int i = 0; i < places; i++)
			fprintf(out, "allow %s read /d/%d\n", i < 200 ? "any" : "user:1", i);
		fclose(out);
		c = compile_rules(text);
		policy_identity_init(&identity, ids, 2, NULL, NULL);
		assert_int_equal(policy_reach(c.image, &identity, count, &n),
				 places == 256 ? 0 : -E2BIG);
		assert_int_equal(n, places == 256 ? 256 : 0);
		compiled_free(&c);
		free(text);
	}
}

/* A user in as many subjects as there may be, and in one more. */
static void
test_many_subjects(void **state)
{
	static uint32_t ids[POLICY_SUBJECTS_MAX + 1];
	struct policy_request request = {.verbs = POLICY_READ, .day = POLICY_NO_DAY};
	struct policy_identity identity;
	struct policy_decision d;
	char *text = NULL, path[32];
	size_t size, n = 0;
	FILE *out = open_memstream(&text, &size);
	struct compiled c;
	struct who who;

	(void)state;
	/* 32 places: so many subjects at each node that both ways of looking through them come. */
	for (int i = 0; i <= POLICY_SUBJECTS_MAX; i++)
		fprintf(out, "allow user:1|user:%d read /d/%d\n", 1000 + i, i % 32);
	for (int i = 0; i < 20000; i++)
		fprintf(out, "allow user:%d read /d/0\n", 100000 + i);
	fclose(out);
	c = compile_rules(text);
	parse_who("1", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, POLICY_SUBJECTS_MAX, &n), -E2BIG);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, POLICY_SUBJECTS_MAX + 1, &n), 0);
	assert_int_equal(n, POLICY_SUBJECTS_MAX + 1);
	request.path = path;
	for (size_t subjects = 0; subjects <= n; subjects += 41) {
		policy_identity_init(&identity, ids, subjects, NULL, NULL);
		for (size_t i = 0; i < 33; i++) {
			request.length = (size_t)snprintf(path, sizeof(path), "/d/%zu", i);
			policy_decide(c.image, &identity, &request, &d);
			/* With more subjects than this, and many rules for others, it may be. */
			if (subjects < 700 || i > 0)
				assert_false(d.exhausted);
			assert_int_equal(d.verdict == POLICY_ALLOW,
					 i < 32 && i < subjects && !d.exhausted);
		}
	}
	compiled_free(&c);
	free(text);
}

/* Names that could not be a component of a path stand for nothing. */
static void
test_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/", "a/", "/a"};
	static const char *const good[] = {"a", ".x", "...", "a.b", "-", "*", "${user}", "\xff"};
	char longest[POLICY_NAME_MAX_BYTES + 2];
	struct policy_identity identity;
	const uid_t uid = UINT32_MAX - 1;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		policy_identity_init(&identity, NULL, 0, &uid, bad[i]);
		assert_null(identity.user);
		assert_int_equal(identity.user_length, 0);
	}
	for (size_t i = 0; i < ELEMENTS(good); i++) {
		policy_identity_init(&identity, NULL, 0, &uid, good[i]);
		assert_string_equal(identity.user, good[i]);
		assert_int_equal(identity.user_length, strlen(good[i]));
	}
	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	policy_identity_init(&identity, NULL, 0, &uid, longest);
	assert_null(identity.user);
	policy_identity_init(&identity, NULL, 0, NULL, longest + 1);
	assert_int_equal(identity.user_length, POLICY_NAME_MAX_BYTES);
	assert_int_equal(identity.uid_length, 0);
	policy_identity_init(&identity, NULL, 0, &uid, NULL);
	assert_string_equal(identity.uid, "4294967294");
	assert_int_equal(identity.uid_length, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subjects),      cmocka_unit_test(test_asks),
		cmocka_unit_test(test_scope),         cmocka_unit_test(test_reach),
		cmocka_unit_test(test_added),         cmocka_unit_test(test_reach_limit),
		cmocka_unit_test(test_many_subjects), cmocka_unit_test(test_rule_applies),
		cmocka_unit_test(test_names),         cmocka_unit_test(test_overflow),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
