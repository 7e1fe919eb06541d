/* SPDX-License-Identifier: MIT */
/* What is in the tree when names are looked up: who comes of subjects, what options are. */
#include <time.h>

#include "policy-test.h"
#include "policy/ast.h"

struct tree {
	struct policy_source source;
	struct policy_report *report;
	struct policy_ast ast;
	unsigned long errors, warnings;
};

static struct tree
read_text(const char *text)
{
	struct tree t = {.source = {"t.policy", text, strlen(text)},
			 .report = calloc(1, sizeof(*t.report))};
	struct policy_diag diag = {0};

	assert_non_null(t.report);
	t.report->sources = &t.source;
	assert_int_equal(policy_parse(&t.ast, t.report, 0), 0);
	assert_int_equal(policy_resolve(&t.ast, t.report), 0);
	policy_report_flush(t.report, &diag);
	t.errors = diag.errors;
	t.warnings = diag.warnings;
	return t;
}

static void
tree_free(struct tree *t)
{
	policy_ast_free(&t->ast);
	free(t->report);
}

static void
write_conjunction(const struct policy_ast *ast, const struct policy_ast_conjunction *c, FILE *out)
{
	for (uint32_t a = c->atoms.first; a < c->atoms.first + c->atoms.n; a++) {
		const struct policy_ast_atom *atom = &ast->atoms.items[a];

		assert_int_not_equal(atom->kind, POLICY_ATOM_SUBJECT);
		if (a > c->atoms.first)
			fputc('+', out);
		if (atom->kind == POLICY_ATOM_USER || atom->kind == POLICY_ATOM_GROUP)
			fprintf(out, "%s%d", atom->kind == POLICY_ATOM_USER ? "u" : "g",
				(int)atom->id);
		else
			fprintf(out, "%.*s", (int)atom->length, atom->text);
	}
	if (c->inert)
		fputc('!', out);
}

/* "u1+g2|any": what the who of a rule came to; "!" stands behind what is inert. */
static char *
who_text(const struct policy_ast *ast, struct policy_range who)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint32_t i = 0; i < who.n; i++) {
		if (i > 0)
			fputc('|', out);
		write_conjunction(ast, &ast->conjunctions.items[who.first + i], out);
	}
	fclose(out);
	return text;
}

static void
test_expansion(void **state)
{
	static const struct {
		const char *who, *expected;
	} cases[] = {
		{"user:1", "u1"},
		{"any+user:root|group:0", "any+u0|g0"},
		{"a", "u1+x.service|g2"},
		{"a|user:5", "u1+x.service|g2|u5"},
		{"a+group:x", "u1+x.service+g-1!|g2+g-1!"},
		{"group:7+a+label:l:m", "g7+u1+x.service+l:m|g7+g2+l:m"},
		{"later", "u1+x.service|g2|u1+x.service+g3|g2+g3"},
		{"pair+pair", "g1+g1|g2+g1|g1+g2|g2+g2"},
		{"pair+group:9+more", "g1+g9+g3|g2+g9+g3|g1+g9+g4|g2+g9+g4"},
		{"holed", "u-1!|g1"},
		{"holed+group:2", "u-1+g2!|g1+g2"},
		{"unit:*+a", "*+u1+x.service|*+g2"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		char *text, *got;
		struct tree t;

		assert_true(
			asprintf(&text,
				 "policy 1\nsubject later = a|a+group:3\n"
				 "allow %s read /a\n"
				 "subject a = user:1+unit:x.service|group:2\n"
				 "subject pair = group:1|group:2\nsubject more = group:3|group:4\n"
				 "subject holed = user:no-such-user-x|group:1\n",
				 cases[i].who) > 0);
		t = read_text(text);
		assert_int_equal(t.errors, 0);
		got = who_text(&t.ast, t.ast.rules.items[0].who);
		assert_string_equal(got, cases[i].expected);
		free(got);
		tree_free(&t);
		free(text);
	}
}

/* A subject that many rules use is there once, and so is an expression of subjects. */
static void
test_sharing(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct tree t;

	(void)state;
	fputs("policy 1\nsubject s = user:1|user:2\nsubject same = s\n", out);
	for (int i = 0; i < 1000; i++)
		fputs("allow s read /a\nallow same read /a\nallow same+group:1|user:3 read /a\n",
		      out);
	fclose(out);
	t = read_text(text);
	assert_int_equal(t.errors, 0);
	for (size_t i = 3; i < t.ast.rules.n; i++) {
		const struct policy_ast_rule *rule = &t.ast.rules.items[i], *first;

		first = &t.ast.rules.items[i % 3];
		assert_int_equal(rule->who.first, first->who.first);
		assert_int_equal(rule->who.n, first->who.n);
	}
	assert_int_equal(t.ast.rules.items[0].who.first, t.ast.rules.items[1].who.first);
	assert_true(t.ast.conjunctions.n < 5000);
	tree_free(&t);
	free(text);
}

static void
test_options(void **state)
{
	const struct policy_options standard = POLICY_OPTIONS_DEFAULT;
	struct tree t =
		read_text("policy 1\n"
			  "allow user:1 read /a\n"
			  "allow user:1 read,create /a type=fifo,blk owner=user:root "
			  "strictmodes=sticky symlinks=beneath mode=0640 exec hidden audit=all "
			  "until=9999-12-31 because=\"a # b\" id=x\n"
			  "allow user:1 read /a owner=user:70000 strictmodes=no\n"
			  "deny user:1 any /a because=word id=y audit=deny "
			  "until=9999-01-01\n"
			  "allow user:1 read /a owner=peer\nallow user:1 read /a owner=root "
			  "type=chr,reg\n");
	const struct policy_ast_rule *rule = t.ast.rules.items;
	const struct policy_options *o;

	(void)state;
	assert_int_equal(t.errors, 0);
	assert_int_equal(t.ast.rules.n, 6);
	assert_memory_equal(&rule[0].options, &standard, sizeof(standard));
	assert_int_equal(rule[0].because.length + rule[0].id.length, 0);
	o = &rule[1].options;
	assert_int_equal(o->types, POLICY_TYPE_FIFO | POLICY_TYPE_BLK);
	assert_int_equal(o->owner, POLICY_OWNER_UID);
	assert_int_equal(o->owner_uid, 0);
	assert_int_equal(o->strict, POLICY_STRICT_STICKY);
	assert_int_equal(o->mode, 0640);
	assert_int_equal(o->audit, POLICY_AUDIT_ALL);
	assert_true(o->symlinks_beneath && o->exec && o->hidden);
	assert_int_equal(o->until, 2932896);
	assert_int_equal(rule[1].because.length, 5);
	assert_memory_equal(rule[1].place.text + rule[1].because.at, "a # b", 5);
	assert_int_equal(rule[1].id.length, 1);
	assert_int_equal(rule[1].place.text[rule[1].id.at], 'x');
	assert_int_equal(rule[2].options.owner_uid, 70000);
	assert_int_equal(rule[2].options.strict, POLICY_STRICT_NO);
	assert_int_equal(rule[3].options.audit, POLICY_AUDIT_DENY);
	assert_memory_equal(rule[3].place.text + rule[3].because.at, "word", 4);
	assert_int_equal(rule[4].options.owner, POLICY_OWNER_PEER);
	assert_int_equal(rule[5].options.owner, POLICY_OWNER_ROOT);
	assert_int_equal(rule[5].options.types, POLICY_TYPE_CHR | POLICY_TYPE_REG);
	tree_free(&t);
}

/* Every day of 8030 years, by the C library's calendar. */
static void
test_days(void **state)
{
	(void)state;
	for (int32_t day = 0; day <= 2932896; day += day < 40000 ? 1 : 97) {
		const time_t when = (time_t)day * 24 * 60 * 60;
		char text[80];
		struct tm tm;
		struct tree t;

		gmtime_r(&when, &tm);
		strftime(text, sizeof(text), "policy 1\nallow any read /a until=%Y-%m-%d\n", &tm);
		t = read_text(text);
		assert_int_equal(t.errors, 0);
		assert_int_equal(t.warnings, when / 86400 < time(NULL) / 86400);
		assert_int_equal(t.ast.rules.items[0].options.until, day);
		tree_free(&t);
	}
}

static void
test_expect(void **state)
{
	struct tree t = read_text("policy 1\n"
				  "expect deny any any /a\\x20b\n"
				  "expect allow user:root+group:1+group:2+unit:a.service+label:b:c "
				  "read,write /\n"
				  "expect deny user:no-such-user-x read /a\n");
	static const char *const peers[] = {"any", "u0+g1+g2+a.service+b:c", "u-1!"};

	(void)state;
	assert_int_equal(t.errors, 0);
	assert_int_equal(t.warnings, 1);
	assert_int_equal(t.ast.expects.n, ELEMENTS(peers));
	for (size_t i = 0; i < ELEMENTS(peers); i++) {
		char *got = who_text(&t.ast, (struct policy_range){t.ast.expects.items[i].peer, 1});

		assert_string_equal(got, peers[i]);
		free(got);
	}
	assert_int_equal(t.ast.expects.items[0].verdict, POLICY_DENY);
	assert_int_equal(t.ast.expects.items[0].verbs, POLICY_VERBS_ALL);
	assert_int_equal(t.ast.expects.items[0].path.length, 7);
	assert_int_equal(t.ast.expects.items[1].verdict, POLICY_ALLOW);
	assert_int_equal(t.ast.expects.items[1].verbs, POLICY_READ | POLICY_WRITE);
	tree_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expansion), cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_options),   cmocka_unit_test(test_days),
		cmocka_unit_test(test_expect),
	};

	return cmocka_run_group_tests_name("ast", tests, NULL, NULL);
}
