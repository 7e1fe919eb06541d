/* SPDX-License-Identifier: MIT */
/* Who may do what: precedence, verbs, identities, and what an identity reaches. */
#include <errno.h>
#include <pwd.h>

#include "policy-test.h"

/* Each query against the rules; rule is the line below `policy 1` that decides, "-" for none. */
static const struct {
	const char *rules;
	struct {
		const char *who, *verbs, *path;
		const char *verdict;
		const char *rule;
	} queries[8];
} cases[] = {
	{"# nothing is allowed that no rule allows",
	 {{"0", "read", "/a", "deny", "-"}, {"-", "stat", "/", "deny", "-"}}},

	{"allow any read /a\n"
	 "deny any read /a",
	 {{"1", "read", "/a", "deny", "2"}}},
	{"deny any read /a\n"
	 "allow any read /a",
	 {{"1", "read", "/a", "deny", "1"}}},
	{"deny any read /x/**\n"
	 "deny any read /x/a\n"
	 "allow any read /x/a",
	 {{"1", "read", "/x/a", "deny", "1"}}},
	{"allow user:1 read /x/b /x/**\n"
	 "allow any read /x/a",
	 {{"1", "read", "/x/a", "allow", "1"}, {"2", "read", "/x/a", "allow", "2"}}},
	{"allow any read /x/a\n"
	 "allow user:1 read /x/**",
	 {{"1", "read", "/x/a", "allow", "1"}, {"1", "read", "/x/b", "allow", "2"}}},

	/* a deny that touches one of the verbs denies all of the request */
	{"allow user:1 read,write /a\n"
	 "deny any write /a",
	 {{"1", "read", "/a", "allow", "1"},
	  {"1", "read,write", "/a", "deny", "2"},
	  {"1", "write", "/a", "deny", "2"}}},
	/* one allow must list every verb: two rules together grant nothing */
	{"allow user:1 read /a\n"
	 "allow user:1 write /a",
	 {{"1", "read", "/a", "allow", "1"},
	  {"1", "write", "/a", "allow", "2"},
	  {"1", "read,write", "/a", "deny", "-"}}},
	/* read covers stat; write does not cover create in an allow */
	{"allow user:1 read /a\n"
	 "allow user:1 write /b",
	 {{"1", "stat", "/a", "allow", "1"},
	  {"1", "read,stat", "/a", "allow", "1"},
	  {"1", "list", "/a", "deny", "-"},
	  {"1", "stat", "/b", "deny", "-"},
	  {"1", "create", "/b", "deny", "-"},
	  {"1", "write,create", "/b", "deny", "-"}}},
	{"allow user:1 stat /a",
	 {{"1", "stat", "/a", "allow", "1"}, {"1", "read", "/a", "deny", "-"}}},
	/* in a deny, read covers stat and write covers create, not the other way round */
	{"allow user:1 read,write,create,stat,list /**\n"
	 "deny any read /r\n"
	 "deny any write /w\n"
	 "deny any stat /s\n"
	 "deny any create /c\n"
	 "deny any any /x",
	 {{"1", "stat", "/r", "deny", "2"},
	  {"1", "list", "/r", "allow", "1"},
	  {"1", "create", "/w", "deny", "3"},
	  {"1", "stat", "/s", "deny", "4"},
	  {"1", "read", "/s", "allow", "1"},
	  {"1", "create", "/c", "deny", "5"},
	  {"1", "write", "/c", "allow", "1"},
	  {"1", "list", "/x", "deny", "6"}}},

	/* except takes away from its own rule only */
	{"allow any read /a/** except /a/b /a/c/**\n"
	 "allow user:1 read /a/b",
	 {{"1", "read", "/a/x", "allow", "1"},
	  {"1", "read", "/a/b", "allow", "2"},
	  {"2", "read", "/a/b", "deny", "-"},
	  {"2", "read", "/a/c", "deny", "-"},
	  {"2", "read", "/a/c/d", "deny", "-"}}},
	{"deny any read /a/** except /a/pub/**\n"
	 "allow any read /**",
	 {{"1", "read", "/a/x", "deny", "1"}, {"1", "read", "/a/pub/x", "allow", "2"}}},

	/* sets, also below their use */
	{"allow any read @a /c except @b\n"
	 "set @b = /a/2\n"
	 "set @a = /a/1 /a/2",
	 {{"1", "read", "/a/1", "allow", "1"},
	  {"1", "read", "/c", "allow", "1"},
	  {"1", "read", "/a/2", "deny", "-"}}},

	/* who */
	{"allow user:1|user:2+group:20|group:30 read /a",
	 {{"1", "read", "/a", "allow", "1"},
	  {"2", "read", "/a", "deny", "-"},
	  {"2:20", "read", "/a", "allow", "1"},
	  {"2:9,20", "read", "/a", "allow", "1"},
	  {"3:9,8,7,30", "read", "/a", "allow", "1"},
	  {"3:20", "read", "/a", "deny", "-"},
	  {"-", "read", "/a", "deny", "-"}}},
	{"allow group:20+group:30 read /a",
	 {{"1:20,30", "read", "/a", "allow", "1"},
	  {"1:30,5,20", "read", "/a", "allow", "1"},
	  {"1:20", "read", "/a", "deny", "-"},
	  {"1:30", "read", "/a", "deny", "-"}}},
	/* `any` beside others adds nothing; a number needs no entry; 0 is a number like others */
	{"allow any+user:4294967294 write /a\n"
	 "allow user:0 write /a\n"
	 "allow group:0 write /b",
	 {{"4294967294", "write", "/a", "allow", "1"},
	  {"0", "write", "/a", "allow", "2"},
	  {"5", "write", "/a", "deny", "-"},
	  {"-", "write", "/a", "deny", "-"},
	  {"5", "write", "/b", "deny", "-"},
	  {"5:0", "write", "/b", "allow", "3"}}},
	/* names are looked up; root is 0 everywhere */
	{"allow user:root read /a\n"
	 "allow group:root read /b\n"
	 "deny user:root read /c\n"
	 "allow any read /c",
	 {{"0", "read", "/a", "allow", "1"},
	  {"1", "read", "/a", "deny", "-"},
	  {"1:0", "read", "/b", "allow", "2"},
	  {"0", "read", "/c", "deny", "3"},
	  {"1", "read", "/c", "allow", "4"}}},
	/* an unknown user in an allow: that alternative matches nobody, the rest of it holds */
	{"allow user:no-such-user-x read /a\n"
	 "allow user:no-such-user-x+any|user:7|group:no-such-group-x read /b",
	 {{"0", "read", "/a", "deny", "-"},
	  {"4294967295", "read", "/a", "deny", "-"},
	  {"0:0", "read", "/b", "deny", "-"},
	  {"7", "read", "/b", "allow", "2"}}},
	{"deny user:1 read /a\n"
	 "allow any read /a",
	 {{"1", "read", "/a", "deny", "1"},
	  {"2", "read", "/a", "allow", "2"},
	  {"-", "read", "/a", "allow", "2"}}},
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct compiled c = compile_rules(cases[i].rules);

		for (size_t q = 0; q < 8 && cases[i].queries[q].who; q++) {
			typeof(&cases[i].queries[q]) query = &cases[i].queries[q];
			struct policy_decision d =
				decide(c.image, query->who, query->path, query->verbs);
			char rule[16] = "-";

			if (d.rule != POLICY_NO_RULE) {
				struct policy_rule described;

				policy_rule_describe(c.image, d.rule, &described);
				assert_int_equal(described.verdict, d.verdict);
				snprintf(rule, sizeof(rule), "%u", described.line - 1);
			}
			if (strcmp(rule, query->rule) != 0 ||
			    (d.verdict == POLICY_ALLOW) != (strcmp(query->verdict, "allow") == 0))
				fail_msg("%s\n%s %s %s: verdict %u rule %s", cases[i].rules,
					 query->who, query->verbs, query->path, d.verdict, rule);
		}
		compiled_free(&c);
	}
}

static void
test_no_verbs_no_right(void **state)
{
	struct compiled c = compile_rules("allow user:1 read,write,create,stat,list /**");
	struct who who;

	(void)state;
	parse_who("1", &who);
	assert_int_equal(decide_for(c.image, &who.peer, "/a", 0).verdict, POLICY_DENY);
	assert_int_equal(decide_for(c.image, &who.peer, "/a", 1 << 5).verdict, POLICY_DENY);
	assert_int_equal(decide_for(c.image, &who.peer, "/a", POLICY_READ | 1 << 9).verdict,
			 POLICY_DENY);
	assert_int_equal(decide_for(c.image, &who.peer, "/a", POLICY_VERBS_ALL).verdict,
			 POLICY_ALLOW);
	compiled_free(&c);
}

/* Numbers of subjects that are not of this image: nothing is known of their denies. */
static void
test_foreign_subjects(void **state)
{
	struct compiled c = compile_rules("allow any read /a");
	const uint32_t ids[] = {0, 7};
	struct policy_decision d;

	(void)state;
	policy_decide(c.image, ids, 1, "/a", 2, POLICY_READ, &d);
	assert_int_equal(d.verdict, POLICY_ALLOW);
	policy_decide(c.image, ids, 2, "/a", 2, POLICY_READ, &d);
	assert_int_equal(d.verdict, POLICY_DENY);
	compiled_free(&c);
}

static void
test_files_make_one_set(void **state)
{
	static const char a[] = "policy 1\nallow any read @both\n";
	static const char b[] =
		"policy 1\n\n\tset @both = /1 /2\n  deny user:1 any @both # caf\xc3\xa9\n";
	const struct policy_source forth[] = {{"a.policy", a, sizeof(a) - 1},
					      {"b\x1b.policy", b, sizeof(b) - 1}};
	const struct policy_source back[] = {forth[1], forth[0]};
	struct compiled c = compile_sources(forth, 2), d = compile_sources(back, 2);
	struct policy_rule rule;

	(void)state;
	assert_int_equal(c.result, 0);
	assert_int_equal(d.result, 0);
	assert_int_equal(decide(c.image, "1", "/2", "read").rule, 1);
	assert_int_equal(decide(c.image, "2", "/2", "read").rule, 0);
	assert_int_equal(decide(d.image, "1", "/2", "read").rule, 0);
	assert_int_equal(decide(d.image, "2", "/2", "read").rule, 1);
	assert_int_equal(policy_image_rules(c.image), 2);
	policy_rule_describe(c.image, 1, &rule);
	assert_string_equal(rule.file, "b\\x1b.policy");
	assert_string_equal(rule.text, "deny user:1 any @both # caf\\xc3\\xa9");
	assert_int_equal(rule.line, 4);
	assert_int_equal(rule.verdict, POLICY_DENY);
	assert_int_equal(rule.verbs, POLICY_VERBS_ALL);
	policy_rule_describe(c.image, 0, &rule);
	assert_string_equal(rule.file, "a.policy");
	assert_int_equal(rule.verbs, POLICY_READ);
	compiled_free(&c);
	compiled_free(&d);
}

static void
test_empty_set_denies(void **state)
{
	struct compiled c = compile_sources(NULL, 0);

	(void)state;
	assert_int_equal(c.result, 0);
	assert_int_equal(policy_image_rules(c.image), 0);
	assert_int_equal(policy_image_size(c.image), c.size);
	assert_int_equal(decide(c.image, "0", "/", "read").verdict, POLICY_DENY);
	compiled_free(&c);
}

static void
test_subjects(void **state)
{
	/* Equal conjunctions are one subject, however they are written. */
	struct compiled c = compile_rules("allow user:1+group:2|any+group:2+user:1 read /a\n"
					  "allow group:2+user:1 read /b\n"
					  "allow any|any+any read /c\n"
					  "deny user:1 read /d");
	struct who who;
	uint32_t ids[4] = {9, 9, 9, 9};
	size_t n = 77;

	(void)state;
	parse_who("1:2", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 4, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(ids[0], 0);
	assert_int_equal(ids[1], 1);
	assert_int_equal(ids[2], 2);
	assert_int_equal(ids[3], 9);
	n = 77;
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 2, &n), -E2BIG);
	assert_int_equal(n, 77);
	parse_who("-", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 4, &n), 0);
	assert_int_equal(n, 1);
	compiled_free(&c);
}

static void
test_scope(void **state)
{
	static const struct {
		const char *rules, *who;
		enum policy_scope scope;
	} scopes[] = {
		{"allow user:1 read /a", "2", POLICY_SCOPE_NONE},
		{"allow user:1 read /a", "1", POLICY_SCOPE_OWN},
		{"allow any read /a", "2", POLICY_SCOPE_ANY},
		{"allow any read /a\nallow group:5 read /b", "2", POLICY_SCOPE_ANY},
		{"allow any read /a\nallow group:5 read /b", "2:5", POLICY_SCOPE_OWN},
		{"allow any read /a\ndeny user:2 read /b", "2", POLICY_SCOPE_ANY},
		{"deny any read /a", "2", POLICY_SCOPE_NONE},
		{"deny user:2 read /a", "2", POLICY_SCOPE_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(scopes); i++) {
		struct compiled c = compile_rules(scopes[i].rules);
		struct who who;
		uint32_t ids[8];
		size_t n;

		parse_who(scopes[i].who, &who);
		assert_int_equal(policy_subjects(c.image, &who.peer, ids, 8, &n), 0);
		if (policy_scope(c.image, ids, n) != scopes[i].scope)
			fail_msg("%s for %s", scopes[i].rules, scopes[i].who);
		compiled_free(&c);
	}
}

static int
print_reach(void *context, const struct policy_reach *reach)
{
	char verbs[POLICY_VERBS_TEXT_MAX];

	fprintf(context, "%s %s %s%s\n", reach->directory, reach->name ? reach->name : "*",
		policy_verbs_text(reach->verbs, verbs), reach->recursive ? " recursive" : "");
	return 0;
}

static int
stop_at_once(void *context, const struct policy_reach *reach)
{
	(void)reach;
	return ++*(int *)context + 41;
}

static void
test_reach(void **state)
{
	struct compiled c =
		compile_rules("allow user:1 read /etc/motd /srv/*/x /srv/** /var/log/*.log\n"
			      "allow user:1 write,create /srv/y*z @s except /not/here/*\n"
			      "deny user:1 any /denied/**\n"
			      "allow user:2 read /other\n"
			      "allow any list / /** /one\n"
			      "set @s = /var/log/** /etc/motd");
	struct who who;
	uint32_t ids[8];
	size_t n, size;
	char *text;
	FILE *out = open_memstream(&text, &size);
	int calls = 0;

	(void)state;
	parse_who("1", &who);
	assert_int_equal(policy_subjects(c.image, &who.peer, ids, 8, &n), 0);
	assert_int_equal(policy_reach(c.image, ids, n, print_reach, out), 0);
	fclose(out);
	assert_string_equal(text, "/var/log * read,write,create,stat recursive\n"
				  "/etc motd read,write,create,stat\n"
				  "/srv * read,write,create,stat recursive\n"
				  "/ * list recursive\n"
				  "/ one list\n");
	free(text);
	assert_int_equal(policy_reach(c.image, ids, n, stop_at_once, &calls), 42);
	assert_int_equal(calls, 1);
	compiled_free(&c);
}

/* The prefix of a decision is the one of the pattern that matched. */
static void
test_prefix(void **state)
{
	struct compiled c = compile_rules("allow user:1 read /a/** /b/c except /a/x");
	uint32_t id = 0;
	struct policy_decision d[2];

	(void)state;
	d[0] = decide(c.image, "1", "/a/q", "read");
	d[1] = decide(c.image, "1", "/b/c", "read");
	assert_int_equal(d[0].verdict, POLICY_ALLOW);
	assert_int_equal(d[1].verdict, POLICY_ALLOW);
	assert_int_not_equal(d[0].prefix, d[1].prefix);
	assert_int_equal(d[0].prefix, 0);
	assert_int_equal(d[1].prefix, 1);
	assert_int_equal(policy_reach(c.image, &id, 1, stop_at_once, &(int){0}), 42);
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
	char rules[16384] = "";
	const uint32_t ids[] = {0, 1};
	struct compiled c;
	int n = 0;

	(void)state;
	for (int i = 0; i < 256; i++)
		sprintf(rules + strlen(rules), "allow %s read /d/%d\n", i < 200 ? "any" : "user:1",
			i);
	c = compile_rules(rules);
	assert_int_equal(policy_reach(c.image, ids, 2, count, &n), 0);
	assert_int_equal(n, 256);
	compiled_free(&c);
	strcat(rules, "allow user:1 read /d/256\n");
	c = compile_rules(rules);
	n = 0;
	assert_int_equal(policy_reach(c.image, ids, 2, count, &n), -E2BIG);
	assert_int_equal(n, 0);
	compiled_free(&c);
}

static void
test_verbs(void **state)
{
	static const char *const bad[] = {"",    "reed", "read,", ",read", "read,,list",
					  "any", "READ", "read ", "rea"};
	char text[POLICY_VERBS_TEXT_MAX];
	unsigned verbs;

	(void)state;
	for (unsigned all = 1; all <= POLICY_VERBS_ALL; all++) {
		verbs = 0;
		assert_int_equal(policy_verbs_parse(policy_verbs_text(all, text), &verbs), 0);
		assert_int_equal(verbs, all);
	}
	assert_string_equal(policy_verbs_text(POLICY_VERBS_ALL, text),
			    "read,write,create,stat,list");
	assert_string_equal(policy_verbs_text(0, text), "");
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		verbs = 99;
		assert_int_equal(policy_verbs_parse(bad[i], &verbs), -EINVAL);
		assert_int_equal(verbs, 99);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_no_verbs_no_right),
		cmocka_unit_test(test_foreign_subjects),
		cmocka_unit_test(test_files_make_one_set),
		cmocka_unit_test(test_empty_set_denies),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_reach_limit),
		cmocka_unit_test(test_verbs),
	};

	return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
