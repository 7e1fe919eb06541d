/* SPDX-License-Identifier: MIT */
/* Who may do what: precedence, verbs, who, sets, exceptions, days, and which rule decides. */
#include <errno.h>

#include "policy-test.h"

/*
 * Each query against the rules; rule is the line below `policy 1` that decides, "-" for none. who is
 * as parse_who() reads it, and after that: " unit=U label=L name=N day=D".
 */
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

	{"allow any read /a /z\n"
	 "deny any read /a",
	 {{"1", "read", "/a", "deny", "2"}}},
	{"deny any read /a\n"
	 "allow any read /a /z",
	 {{"1", "read", "/a", "deny", "1"}}},
	{"deny any read /x/**\n"
	 "deny any read /x/a\n"
	 "allow any read /x/a /z",
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

	/* wildcards of an allow skip names with a leading dot; deny and except do not */
	{"allow user:1 read /a/** /h/.*\n"
	 "allow user:2 read /a/** hidden\n"
	 "allow user:3 read /**\n"
	 "deny user:3 read /a/*",
	 {{"1", "read", "/a/b/.c", "deny", "-"},
	  {"1", "read", "/a/.b/c", "deny", "-"},
	  {"1", "read", "/h/.c", "allow", "1"},
	  {"2", "read", "/a/.b/.c", "allow", "2"},
	  {"3", "read", "/a/.b", "deny", "4"},
	  {"3", "read", "/a/b", "deny", "4"},
	  {"3", "read", "/a/b/c", "allow", "3"}}},
	{"allow user:1 read /a/** except /a/*/k hidden\n"
	 "allow user:2 read /a/.x/** except /a/*/k",
	 {{"1", "read", "/a/.x/k", "deny", "-"},
	  {"1", "read", "/a/.x/j", "allow", "1"},
	  {"1", "read", "/a/x/k", "deny", "-"},
	  {"2", "read", "/a/.x/k", "deny", "-"},
	  {"2", "read", "/a/.x/j", "allow", "2"}}},

	/* one set in rules of all kinds: to each of them it means what patterns mean there */
	{"set @s = /s/** /t/x\n"
	 "allow user:1|user:4 read @s\n"
	 "allow user:2|user:4 read @s hidden\n"
	 "deny user:3 read @s\n"
	 "allow user:3|user:5 read /** except @s",
	 {{"1", "read", "/s/a", "allow", "2"},
	  {"1", "read", "/s/.a", "deny", "-"},
	  {"2", "read", "/s/.a", "allow", "3"},
	  {"3", "read", "/s/.a", "deny", "4"},
	  {"4", "read", "/s/.a", "allow", "3"},
	  {"5", "read", "/s/.a", "deny", "-"},
	  {"5", "read", "/t/x", "deny", "-"},
	  {"5", "read", "/t/y", "allow", "5"}}},
	/* except by a set, by patterns, and by both */
	{"set @k = /a/*.key /a/${user}/**\n"
	 "allow user:1 read /a/** except @k /a/z\n"
	 "allow user:2 read /a/** except @k\n"
	 "allow user:3 read /a/** except /a/z @k @m\n"
	 "set @m = /a/m",
	 {{"1", "read", "/a/z", "deny", "-"},
	  {"1", "read", "/a/b.key", "deny", "-"},
	  {"2", "read", "/a/z", "allow", "3"},
	  {"2 name=bob", "read", "/a/bob/x", "deny", "-"},
	  {"2 name=eve", "read", "/a/bob/x", "allow", "3"},
	  {"2", "read", "/a/bob/x", "allow", "3"},
	  {"3", "read", "/a/m", "deny", "-"},
	  {"3", "read", "/a/n", "allow", "4"}}},

	/* the last day is included; without a day nothing is over */
	{"allow user:1 read /a until=1970-01-11\n"
	 "deny any read /b until=1970-01-11\n"
	 "allow any read /b",
	 {{"1 day=10", "read", "/a", "allow", "1"},
	  {"1 day=11", "read", "/a", "deny", "-"},
	  {"1 day=-5", "read", "/a", "allow", "1"},
	  {"1", "read", "/a", "allow", "1"},
	  {"1 day=10", "read", "/b", "deny", "2"},
	  {"1 day=11", "read", "/b", "allow", "3"},
	  {"1", "read", "/b", "deny", "2"}}},

	/* units and labels */
	{"allow user:1+unit:borg@*.service read /a\n"
	 "allow group:5+unit:x.service+label:l read /b\n"
	 "deny label:confined_t any /c\n"
	 "allow any read /c",
	 {{"1 unit=borg@home.service", "read", "/a", "allow", "1"},
	  {"1 unit=borg@.service", "read", "/a", "allow", "1"},
	  {"1 unit=xborg@home.service", "read", "/a", "deny", "-"},
	  {"2 unit=borg@home.service", "read", "/a", "deny", "-"},
	  {"1", "read", "/a", "deny", "-"},
	  {"1:5 unit=x.service label=l", "read", "/b", "allow", "2"},
	  {"1:5 unit=x.service label=ll", "read", "/b", "deny", "-"},
	  {"1:5 label=l", "read", "/b", "deny", "-"}}},
	{"deny label:confined_t any /c\n"
	 "allow any read /c",
	 {{"1 label=confined_t", "read", "/c", "deny", "1"},
	  {"1 label=confined_t:x", "read", "/c", "allow", "2"},
	  {"1 label=", "read", "/c", "allow", "2"},
	  {"1", "read", "/c", "allow", "2"}}},

	/* variables: of the peer; without a name the rule does not match */
	{"allow group:5 read /p/${user}/** /u/${uid}\n"
	 "deny any any /no/${user}\n"
	 "allow any read /no/*",
	 {{"7:5 name=alice", "read", "/p/alice/x", "allow", "1"},
	  {"7:5 name=alice", "read", "/p/bob/x", "deny", "-"},
	  {"7:5", "read", "/p/${user}/x", "deny", "-"},
	  {"7:5", "read", "/u/7", "allow", "1"},
	  {"7:5", "read", "/u/07", "deny", "-"},
	  {"- name=x", "read", "/u/0", "deny", "-"},
	  {"7 name=alice", "read", "/no/alice", "deny", "2"},
	  {"7 name=alice", "read", "/no/bob", "allow", "3"}}},
};

struct asker {
	struct who who;
	const char *name;
	int32_t day;
	char text[128];
};

static void
parse_asker(const char *text, struct asker *asker)
{
	char *word, *rest;

	parse_who(text, &asker->who);
	asker->name = NULL;
	asker->day = POLICY_NO_DAY;
	assert_true(strlen(text) < sizeof(asker->text));
	memcpy(asker->text, text, strlen(text) + 1);
	rest = strchr(asker->text, ' ');
	while (rest && (word = strsep(&rest, " "))) {
		if (strncmp(word, "unit=", 5) == 0)
			asker->who.peer.unit = word + 5;
		else if (strncmp(word, "label=", 6) == 0)
			asker->who.peer.label = word + 6;
		else if (strncmp(word, "name=", 5) == 0)
			asker->name = word + 5;
		else if (strncmp(word, "day=", 4) == 0)
			asker->day = (int32_t)strtol(word + 4, NULL, 10);
		else
			assert_string_equal(word, "");
	}
}

static struct policy_decision
ask(const struct policy_image *image, const char *who, const char *verbs, const char *path,
    uint32_t from)
{
	struct policy_request request = {.path = path, .length = strlen(path), .from = from};
	struct asker asker;

	parse_asker(who, &asker);
	request.day = asker.day;
	assert_int_equal(policy_verbs_parse(verbs, &request.verbs), 0);
	return decide_on(image, &asker.who.peer, asker.name, &request);
}

static uint32_t
line_of(const struct policy_image *image, uint32_t rule)
{
	struct policy_rule described;

	policy_rule_describe(image, rule, &described);
	return described.line - 1;
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct compiled c = compile_rules(cases[i].rules);

		for (size_t q = 0; q < 8 && cases[i].queries[q].who; q++) {
			typeof(&cases[i].queries[q]) query = &cases[i].queries[q];
			struct policy_decision d =
				ask(c.image, query->who, query->verbs, query->path, 0);
			char rule[16] = "-";

			if (d.rule != POLICY_NO_RULE)
				snprintf(rule, sizeof(rule), "%u", line_of(c.image, d.rule));
			if (strcmp(rule, query->rule) != 0 || d.exhausted ||
			    (d.verdict == POLICY_ALLOW) != (strcmp(query->verdict, "allow") == 0))
				fail_msg("%s\n%s %s %s: verdict %u rule %s", cases[i].rules,
					 query->who, query->verbs, query->path, d.verdict, rule);
		}
		compiled_free(&c);
	}
}

/* The same rules, last line first: the same verdicts by the same rules. */
static void
test_order_of_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		char *copy = strdup(cases[i].rules), *back = calloc(1, strlen(copy) + 2), *line;
		struct compiled forth = compile_rules(cases[i].rules), reverse;

		while ((line = strrchr(copy, '\n'))) {
			strcat(strcat(back, line + 1), "\n");
			*line = '\0';
		}
		reverse = compile_rules(strcat(back, copy));
		for (size_t q = 0; q < 8 && cases[i].queries[q].who; q++) {
			typeof(&cases[i].queries[q]) query = &cases[i].queries[q];
			struct policy_decision a =
				ask(forth.image, query->who, query->verbs, query->path, 0);
			struct policy_decision b =
				ask(reverse.image, query->who, query->verbs, query->path, 0);

			if (a.verdict != b.verdict ||
			    (a.rule == POLICY_NO_RULE) != (b.rule == POLICY_NO_RULE))
				fail_msg("%s\n%s: the order decides", back, query->path);
			/* Of equal ones another is named. */
			if (a.rule != POLICY_NO_RULE)
				assert_memory_equal(policy_rule_options(forth.image, a.rule),
						    policy_rule_options(reverse.image, b.rule),
						    sizeof(struct policy_options));
		}
		compiled_free(&forth);
		compiled_free(&reverse);
		free(copy);
		free(back);
	}
}

/* From the most generous options on; what is said last counts least. */
static const char *const by_generosity[] = {
	"exec symlinks=beneath",
	"exec strictmodes=no type=reg,fifo",
	"exec mode=0640",
	"exec",
	"symlinks=beneath owner=root",
	"strictmodes=no owner=peer mode=0",
	"strictmodes=no owner=root mode=0",
	"strictmodes=sticky type=fifo",
	"type=reg,fifo,chr",
	"type=reg,chr",
	"mode=0666",
	"mode=0640",
	"",
	"until=9000-01-01",
	"until=2400-01-01",
	"mode=0400",
	"owner=peer type=reg,fifo,chr,blk mode=0777",
	"owner=peer",
};

static void
test_most_generous_decides(void **state)
{
	(void)state;
	for (int pass = 0; pass < 3; pass++) {
		struct policy_decision d = {0};
		char *text = NULL;
		size_t size, n = ELEMENTS(by_generosity);
		FILE *out = open_memstream(&text, &size);
		struct compiled c;

		/* Also each twice: the second says nothing new. */
		for (size_t i = 0; i < n; i++)
			fprintf(out, "allow user:1 read,create /a %s\n%s",
				by_generosity[pass == 0   ? i
					      : pass == 1 ? n - 1 - i
							  : i * 7 % n],
				"allow user:2 read,create /a exec\n");
		fclose(out);
		c = compile_rules(text);
		for (size_t i = 0; i < n; i++) {
			size_t place = pass == 0 ? i : pass == 1 ? n - 1 - i : 0;

			while (pass == 2 && place * 7 % n != i)
				place++;
			d = ask(c.image, "1", "read,create", "/a", d.next);
			assert_int_equal(d.verdict, POLICY_ALLOW);
			if (line_of(c.image, d.rule) != 2 * place + 1)
				fail_msg("pass %d: %zu: line %u decides, not '%s'", pass, i,
					 line_of(c.image, d.rule), by_generosity[i]);
			assert_true(d.next > d.rule);
		}
		d = ask(c.image, "1", "read,create", "/a", d.next);
		assert_int_equal(d.verdict, POLICY_DENY);
		assert_int_equal(d.rule, POLICY_NO_RULE);
		compiled_free(&c);
		free(text);
	}
}

/* A retry goes on behind rules with the same options, and a deny is one from wherever it begins. */
static void
test_from(void **state)
{
	struct compiled c = compile_rules("allow user:1 read /a /d exec\n"
					  "allow user:1 read /** exec\n"
					  "allow user:1 read /*\n"
					  "deny user:1 read /d");
	struct policy_decision d = ask(c.image, "1", "read", "/a", 0);
	uint32_t first = d.next;

	(void)state;
	assert_int_equal(line_of(c.image, d.rule), 1);
	d = ask(c.image, "1", "read", "/a", first);
	assert_int_equal(d.verdict, POLICY_ALLOW);
	assert_int_equal(line_of(c.image, d.rule), 3);
	d = ask(c.image, "1", "read", "/a", d.next);
	assert_int_equal(d.verdict, POLICY_DENY);
	d = ask(c.image, "1", "read", "/d", first);
	assert_int_equal(line_of(c.image, d.rule), 4);
	assert_int_equal(d.verdict, POLICY_DENY);
	d = ask(c.image, "1", "read", "/a", UINT32_MAX);
	assert_int_equal(d.verdict, POLICY_DENY);
	compiled_free(&c);
}

static void
test_prefix(void **state)
{
	static const struct {
		const char *pattern, *path, *prefix;
		bool literal;
	} places[] = {
		{"/", "/", "", false},
		{"/x", "/x", "", true},
		{"/b/c", "/b/c", "/b", true},
		{"/a/b/c/d", "/a/b/c/d", "/a/b/c", true},
		{"/**", "/a/b", "", false},
		{"/a/**", "/a", "/a", false},
		{"/a/**", "/a/b/c", "/a", false},
		{"/a/b/*", "/a/b/c", "/a/b", false},
		{"/a/*/c/d", "/a/b/c/d", "/a", false},
		{"/a/**/d", "/a/d", "/a", false},
		{"/a/[b]/c", "/a/b/c", "/a", false},
		{"/a/b*/${user}", "/a/b/alice", "/a", false},
		{"/h/${user}", "/h/alice", "/h", true},
		{"/h/${user}/x", "/h/alice/x", "/h/alice", true},
		{"/h/${user}/*", "/h/alice/x", "/h/alice", false},
		{"/${user}/**", "/alice", "/alice", false},
		{"/h/u${uid}-${user}/${uid}/c/*", "/h/u1-alice/1/c/x", "/h/u1-alice/1/c", false},
		{"/b/{c,d}/e", "/b/d/e", "/b/d", true},
		{"/b/{c,d}", "/b/d", "/b", true},
		{"/b/{c,d}/*", "/b/d/e", "/b/d", false},
		{"/b/{c,${user}}/e", NULL, NULL, false},
	};

	(void)state;
	for (size_t i = 0; places[i].path; i++) {
		char rule[128];
		struct compiled c;
		struct policy_decision d;

		snprintf(rule, sizeof(rule), "allow user:1 read %s", places[i].pattern);
		c = compile_rules(rule);
		d = ask(c.image, "1 name=alice", "read", places[i].path, 0);
		assert_int_equal(d.verdict, POLICY_ALLOW);
		if (d.prefix != strlen(places[i].prefix) || d.literal != places[i].literal ||
		    strncmp(places[i].path, places[i].prefix, d.prefix) != 0)
			fail_msg("%s on %s: prefix %u literal %d", places[i].pattern,
				 places[i].path, d.prefix, d.literal);
		compiled_free(&c);
	}
}

/* What takes too long is denied, also where an allow was found before that. */
static void
test_exhausted(void **state)
{
	char *rules = strdup("allow user:1 read /**\nallow user:1|user:2 read "), path[4096] = "";
	struct policy_decision d;
	struct compiled c;

	(void)state;
	rules = realloc(rules, 8192);
	for (int i = 0; i < 31; i++)
		strcat(rules, "/**/*a*a*a*a*a*a*a*a*b");
	for (int i = 0; i < 63; i++)
		strcat(path, "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	c = compile_rules(rules);
	d = ask(c.image, "1", "read", path, 0);
	assert_true(d.exhausted);
	assert_int_equal(d.verdict, POLICY_DENY);
	assert_int_equal(d.rule, POLICY_NO_RULE);
	d = ask(c.image, "1", "read", "/aaa", 0);
	assert_false(d.exhausted);
	assert_int_equal(d.verdict, POLICY_ALLOW);
	compiled_free(&c);
	/* It is that pattern, and not the path. */
	c = compile_rules("allow user:1 read /**");
	d = ask(c.image, "1", "read", path, 0);
	assert_false(d.exhausted);
	assert_int_equal(d.verdict, POLICY_ALLOW);
	compiled_free(&c);
	free(rules);
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

static void
test_files_make_one_set(void **state)
{
	static const char a[] = "policy 1\nallow any read @both\n";
	static const char b[] = "policy 1\n\n\tset @both = /1 /2\n"
				"  deny user:1 any @both id=no because=\"caf\xc3\xa9\" # x\n";
	const struct policy_source forth[] = {{"a.policy", a, sizeof(a) - 1},
					      {"b\x1b.policy", b, sizeof(b) - 1}};
	const struct policy_source back[] = {forth[1], forth[0]};

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		struct compiled c = compile_sources(pass ? back : forth, 2);
		struct policy_rule rule;

		assert_int_equal(c.result, 0);
		assert_int_equal(policy_image_rules(c.image), 2);
		policy_rule_describe(c.image, decide(c.image, "1", "/2", "read").rule, &rule);
		assert_string_equal(rule.file, "b\\x1b.policy");
		assert_int_equal(rule.line, 4);
		assert_int_equal(rule.verdict, POLICY_DENY);
		assert_int_equal(rule.verbs, POLICY_VERBS_ALL);
		assert_string_equal(rule.id, "no");
		assert_string_equal(rule.because, "caf\\xc3\\xa9");
		policy_rule_describe(c.image, decide(c.image, "2", "/2", "read").rule, &rule);
		assert_string_equal(rule.file, "a.policy");
		assert_int_equal(rule.line, 2);
		assert_int_equal(rule.verdict, POLICY_ALLOW);
		assert_int_equal(rule.verbs, POLICY_READ);
		assert_null(rule.id);
		assert_null(rule.because);
		compiled_free(&c);
	}
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
		cmocka_unit_test(test_order_of_lines),
		cmocka_unit_test(test_most_generous_decides),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_exhausted),
		cmocka_unit_test(test_no_verbs_no_right),
		cmocka_unit_test(test_files_make_one_set),
		cmocka_unit_test(test_empty_set_denies),
		cmocka_unit_test(test_verbs),
	};

	return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
