/* SPDX-License-Identifier: MIT */
/* What is a policy, and what is said about text that is none. */
#include <errno.h>
#include <time.h>

#include "policy-test.h"
#include "policy/dropin.h"
#include "policy/report.h"
#include "policy/words.h"

static bool seen[100]; /* codes in messages */

static void
note_codes(const char *messages)
{
	const char *at = messages;

	while ((at = strstr(at, "[P")) != NULL) {
		unsigned code = (unsigned)strtoul(at += 2, NULL, 10);

		if (code < ELEMENTS(seen))
			seen[code] = true;
	}
}

static void
check_messages(const char *name, const char *text, size_t size, const char *expected)
{
	const struct policy_source source = {"t.policy", text, size};
	struct compiled c = compile_sources(&source, 1);

	assert_int_equal(c.result, -EBADMSG);
	if (strcmp(c.messages, expected) != 0)
		fail_msg("%s: expected\n%sgot\n%s", name, expected, c.messages);
	note_codes(c.messages);
	compiled_free(&c);
}

/* Cut at a line that begins with mark: the end of what is before; NULL: there is none. */
static char *
cut(char *text, const char *mark)
{
	char *at = strstr(text, mark);

	if (at)
		at[1] = '\0'; /* behind the newline */
	return at ? at + strlen(mark) : NULL;
}

static void
test_file_of_cases(void **state)
{
	FILE *in = fopen("tests/policy/grammar.cases", "re");
	char *all, *at, *next;
	size_t size, n = 0;

	(void)state;
	assert_non_null(in);
	assert_int_equal(policy_file_read(fileno(in), 1 << 20, &all, &size), 0);
	fclose(in);
	for (at = cut(all, "\n=== "); at; at = next, n++) {
		char *text = strchr(at, '\n'), *messages;

		assert_non_null(text);
		*text++ = '\0';
		next = cut(text, "\n=== ");
		messages = cut(text, "\n---\n");
		assert_non_null(messages);
		check_messages(at, text, strlen(text), messages);
	}
	assert_true(n > 25);
	free(all);
}

static const struct {
	const char *name;
	const char *text;
	const char *messages;
} bytes_cases[] = {
	{"nothing", "",
	 "t.policy:1:1: error[P005]: a policy file begins with 'policy 1'\n"
	 "    1 | \n"
	 "      | ^\n"
	 "      = help: write 'policy 1'; a link to /dev/null masks a file\n"},
	{"UTF-8, and what turns writing round",
	 "policy 1\nallow user:1 read /\xc3\xa9/a?b # \xe2\x80\xae\n",
	 "t.policy:2:24: error[P016]: '?' must be escaped\n"
	 "    2 | allow user:1 read /\\xc3\\xa9/a?b # \\xe2\\x80\\xae\n"
	 "      |                              ^\n"
	 "      = help: '*' matches any characters; write '\\x3f' for the character itself\n"},
	{"a caret below bytes that are shown longer", "policy 1\nallow \xff\xfe read /a\n",
	 "t.policy:2:7: error[P024]: '\\xff\\xfe' does not say who\n"
	 "    2 | allow \\xff\\xfe read /a\n"
	 "      |       ^~~~~~~~\n"
	 "      = help: write 'any', a subject, 'user:NAME', 'group:NAME', 'unit:NAME' or "
	 "'label:TEXT'; '+' joins what must hold together, '|' alternatives\n"},
	{"lines of DOS: said once, and read",
	 "policy 1\r\nallow user:1 read /a\r\n\r\nallow user:1 read /a?\r\n",
	 "t.policy:1:9: error[P003]: control byte \\x0d\n"
	 "    1 | policy 1\\x0d\n"
	 "      |         ^~~~\n"
	 "      = help: end lines as UNIX does: sed -i 's/\\r$//' FILE\n"
	 "t.policy:4:21: error[P016]: '?' must be escaped\n"
	 "    4 | allow user:1 read /a?\n"
	 "      |                     ^\n"
	 "      = help: '*' matches any characters; write '\\x3f' for the character itself\n"},
	{"one line of DOS", "policy 1\nallow user:1 read /a\r\n",
	 "t.policy:2:21: error[P003]: control byte \\x0d\n"
	 "    2 | allow user:1 read /a\\x0d\n"
	 "      |                     ^~~~\n"
	 "      = help: end lines as UNIX does: sed -i 's/\\r$//' FILE\n"},
	{"a carriage return within the line of the header", "policy 1\rallow any read /a\n",
	 "t.policy:1:9: error[P003]: control byte \\x0d\n"
	 "    1 | policy 1\\x0dallow any read /a\n"
	 "      |         ^~~~\n"
	 "      = help: end lines as UNIX does, with a newline alone\n"},
	{"the header may stand in a line that is not read", "policy 1 # \x1b\nallow any read /a\n",
	 "t.policy:1:12: error[P003]: control byte \\x1b\n"
	 "    1 | policy 1 # \\x1b\n"
	 "      |            ^~~~\n"
	 "      = help: in a pattern write it as '\\x' and two digits\n"},
	{"an escape sequence in a comment", "policy 1\nallow user:1 read /a # \x1b[2Jx\n",
	 "t.policy:2:24: error[P003]: control byte \\x1b\n"
	 "    2 | allow user:1 read /a # \\x1b[2Jx\n"
	 "      |                        ^~~~\n"
	 "      = help: in a pattern write it as '\\x' and two digits\n"},
	{"DEL", "policy 1\nallow user:1 read /a\x7f\n",
	 "t.policy:2:21: error[P003]: control byte \\x7f\n"
	 "    2 | allow user:1 read /a\\x7f\n"
	 "      |                     ^~~~\n"
	 "      = help: in a pattern write it as '\\x' and two digits\n"},
	{"a file that is cut off", "policy 1\nallow user:1 read /a",
	 "t.policy:2:21: error[P035]: the last line has no end: is the file cut off?\n"
	 "    2 | allow user:1 read /a\n"
	 "      |                     ^\n"
	 "      = help: if the file is whole, end its last line\n"},
	{"a file that is cut off behind a comma", "policy 1\nallow user:1 read,",
	 "t.policy:2:18: error[P033]: ',' is not expected here\n"
	 "    2 | allow user:1 read,\n"
	 "      |                  ^\n"
	 "      = help: no blank after ',': write 'read,write'\n"
	 "t.policy:2:19: error[P035]: the last line has no end: is the file cut off?\n"
	 "    2 | allow user:1 read,\n"
	 "      |                   ^\n"
	 "      = help: if the file is whole, end its last line\n"},
};

static void
test_bytes(void **state)
{
	static const char nul[] = "policy 1\nallow\0 x\nfoo\n";

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bytes_cases); i++)
		check_messages(bytes_cases[i].name, bytes_cases[i].text,
			       strlen(bytes_cases[i].text), bytes_cases[i].messages);
	check_messages("a NUL byte ends the file", nul, sizeof(nul) - 1,
		       "t.policy:2:6: error[P002]: this is not a text file: it holds a NUL byte\n"
		       "    2 | allow\\x00 x\n"
		       "      |      ^~~~\n"
		       "      = help: nothing after this byte was read\n");
}

/* Each line, or lines, is a policy without a message. */
static const char *const good[] = {
	"",
	"# comment\n   # another\n\t\n",
	"allow any read /",
	"allow any read /a # comment",
	"allow any read /a#b /a=b /a,b /a|b+c:d @x\nset @x = /!a /\"b\" /'c' /~",
	"\tallow   any\tread,stat,list\t/a   except\t/b  ",
	"deny user:0 any /** except /a",
	"allow user:1 read,write,create,stat,list /**/*/**/a*b",
	"set @unused-set_1 = /a",
	"allow user:_apt-not-there|user:a.b@c$ read /a",
	"allow any+user:5|user:6+any write /a",
	"deny any+user:5|any write /a",
	"allow any read /a,b/,c/x\\x2c/*,v",
	/* subjects */
	"allow web read /a\nsubject web = front|back\nsubject front = user:1\nsubject back = "
	"user:2",
	"subject unused = any|group:0+unit:*",
	"subject u = unit:a.service\nsubject w = user:1\nallow u+w write /a",
	"subject u = unit:a.service\nallow group:0+u|user:1 write /a",
	"subject d = user:0|any|label:x\ndeny d|user:1 any /a",
	"subject a = user:1\nsubject b = a+a\nallow a+b|b+user:1 read /a",
	"subject any-body = any\nallow any-body read,stat,list /a",
	"subject user = user:1\nsubject set = group:1\nallow user|set read /a",
	"subject any-body = any\nallow any-body+user:1 write /a",
	/* units and labels */
	"allow user:1+unit:nginx.service|group:0+unit:app-*.scope read /a",
	"allow user:1+unit:dbus-:1.1-org@a\\x2db_c.service read /a",
	"allow user:1+unit:a.socket|user:1+unit:a.timer|user:1+unit:a.slice read /a",
	"allow user:1+unit:a.mount|user:1+unit:a.path|user:1+unit:a.automount read /a",
	"allow user:1+unit:a.swap|user:1+unit:a.target|user:1+unit:a.device read /a",
	"allow user:1+unit:*|user:1+unit:a* read /a",
	"allow user:1+unit:a*.service+unit:*b.service+unit:ab.service read /a",
	"allow label:system_u:system_r:httpd_t:s0:c1,c2 write /a",
	"deny label:/usr/bin/man//filter|any+label:unconfined any /a",
	/* options */
	"allow user:1 read /a type=reg",
	"allow user:1 read /a type=fifo,chr,blk,reg,reg",
	"allow user:1 read /a owner=any\nallow user:1 read /a owner=peer",
	"allow user:1 read /a owner=root\nallow user:1 read /a owner=user:0",
	"allow user:1 read /a owner=user:root\nallow user:1 read /a owner=user:4294967294",
	"allow user:1 read /a strictmodes=yes\nallow user:1 read /a strictmodes=sticky",
	"allow user:1 read /a strictmodes=no symlinks=no\nallow user:1 read /a symlinks=beneath",
	"allow user:1 create /a mode=0640\nallow user:1 create /a mode=777",
	"allow user:1 create /a mode=0\nallow user:1 create,write /a mode=0000",
	"allow user:1 read /a exec hidden\nallow user:1 list /a hidden",
	"allow user:1 read /a audit=first\nallow user:1 read /a audit=deny",
	"deny user:1 read /a audit=all id=a-1_b until=9999-12-31 because=\"a = b # c\"",
	"allow user:1 read /a except /b because=word until=2400-02-29 # comment",
	"allow user:1 read /a because=don't",
	/* expectations: what they expect is not looked at here */
	"deny user:1 any /a\nexpect deny user:1 any /a",
	"deny any any /**\nexpect deny any read /",
	"deny any any /**\nexpect deny user:1+group:1+group:2+unit:a.service+label:b:c read,stat "
	"/a",
	"deny any any /**\nexpect deny label:x write /a\\x20b/\\x2a\t# comment",
	"allow user:1 read /a\nexpect allow user:1 read /a",
};

/* The words of the language, as tables and as what was probably meant. */
static void
test_words(void **state)
{
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"reed", "read"},    {"READ", "read"},  {"raed", "read"},  {"wirte", "write"},
		{"creat", "create"}, {"lst", "list"},   {"re", "read"},    {"r", NULL},
		{"", NULL},          {"execute", NULL}, {"stats", "stat"}, {"all", NULL},
	};
	char text[POLICY_VERBS_TEXT_MAX], longest[200];
	unsigned verbs = 0;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		const char *nearest = policy_nearest(cases[i].word, strlen(cases[i].word),
						     policy_verb_names, POLICY_VERBS_N);

		if (cases[i].nearest)
			assert_string_equal(nearest, cases[i].nearest);
		else
			assert_null(nearest);
	}
	memset(longest, 'a', sizeof(longest));
	assert_null(policy_nearest(longest, sizeof(longest), policy_verb_names, POLICY_VERBS_N));
	for (size_t i = 0; i < POLICY_VERBS_N; i++)
		assert_int_equal(
			policy_verb_find(policy_verb_names[i], strlen(policy_verb_names[i])),
			1u << i);
	assert_int_equal(policy_verb_find("read", 4), POLICY_READ);
	assert_int_equal(policy_verb_find("write", 5), POLICY_WRITE);
	assert_int_equal(policy_verb_find("create", 6), POLICY_CREATE);
	assert_int_equal(policy_verb_find("stat", 4), POLICY_STAT);
	assert_int_equal(policy_verb_find("list", 4), POLICY_LIST);
	assert_int_equal(policy_verbs_parse(policy_verbs_text(POLICY_VERBS_ALL, text), &verbs), 0);
	assert_int_equal(verbs, POLICY_VERBS_ALL);
}

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(good); i++) {
		struct compiled c = compile_rules(good[i]);

		assert_int_equal(c.diag.errors, 0);
		compiled_free(&c);
	}
}

/* The same messages for programs: what is escaped is escaped again, and all of it is ASCII. */
static void
test_json(void **state)
{
	static const char text[] = "policy 1\nallow user:no-such-x read \t/\xff\"\\x5cx?\nfoo\n";
	const struct policy_source source = {"\"a\\\x1b", text, sizeof(text) - 1};
	struct policy_diag diag = {.json = true};
	char *messages, *many;
	size_t size;
	void *bytes;

	(void)state;
	diag.out = open_memstream(&messages, &size);
	assert_int_equal(policy_compile(&source, 1, 0, &diag, &bytes, &size), -EBADMSG);
	policy_diag_file(&diag, POLICY_CODE_CANNOT_OPEN, POLICY_ERROR, "/a\n", "\"why\"", NULL);
	policy_diag_file(&diag, POLICY_CODE_OTHER_NAME, POLICY_NOTE, "/b", "why", "do \"that\"");
	fclose(diag.out);
	assert_string_equal(
		messages,
		"{\"file\":\"\\\"a\\\\\\\\x1b\",\"line\":2,\"column\":12,\"length\":9,"
		"\"severity\":\"warning\",\"code\":\"P028\",\"message\":\"there is no user "
		"'no-such-x': THIS PART OF THE RULE MATCHES NOBODY\",\"source\":\"allow "
		"user:no-such-x read \\t/\\\\xff\\\"\\\\x5cx?\",\"help\":\"create it, or write "
		"'user:' "
		"and a number for an id without an entry\"}\n"
		"{\"file\":\"\\\"a\\\\\\\\x1b\",\"line\":2,\"column\":36,\"length\":1,"
		"\"severity\":\"error\",\"code\":\"P016\",\"message\":\"'?' must be escaped\","
		"\"source\":\"allow user:no-such-x read \\t/\\\\xff\\\"\\\\x5cx?\",\"help\":\"'*' "
		"matches any characters; write '\\\\x3f' for the character itself\"}\n"
		"{\"file\":\"\\\"a\\\\\\\\x1b\",\"line\":3,\"column\":1,\"length\":3,"
		"\"severity\":\"error\",\"code\":\"P007\",\"message\":\"unknown statement 'foo'\","
		"\"source\":\"foo\",\"help\":\"statements are subject, set, allow, deny, expect; "
		"'#' begins a comment\"}\n"
		"{\"file\":\"/a\\\\x0a\",\"severity\":\"error\",\"code\":\"P001\","
		"\"message\":\"cannot be read: \\\"why\\\"\"}\n"
		"{\"file\":\"/b\",\"severity\":\"note\",\"code\":\"P045\","
		"\"message\":\"not read: why\",\"help\":\"do \\\"that\\\"\"}\n");
	free(messages);

	many = malloc(300 * 4 + 1);
	for (size_t i = 0; i < 300; i++)
		strcpy(many + 4 * i, "foo\n");
	memcpy(many, "policy 1   \n", 12);
	diag = (struct policy_diag){.json = true, .out = open_memstream(&messages, &size)};
	assert_int_equal(policy_compile(&(struct policy_source){"x", many, 1200}, 1, 0, &diag,
					&bytes, &size),
			 -EBADMSG);
	fclose(diag.out);
	assert_non_null(strstr(messages, "}\n{\"severity\":\"error\",\"more\":197}\n"));
	free(messages);
	free(many);
}

/* A warning does not stop a policy, and is seen in one that is good. */
static void
test_warning(void **state)
{
	struct compiled c = compile_text("policy 1\nallow group:no-such-x|user:0 read /a\n");

	(void)state;
	assert_int_equal(c.result, 0);
	assert_int_equal(c.diag.errors, 0);
	assert_int_equal(c.diag.warnings, 1);
	assert_string_equal(c.messages,
			    "t.policy:2:13: warning[P028]: there is no group 'no-such-x': "
			    "THIS PART OF THE RULE MATCHES NOBODY\n"
			    "    2 | allow group:no-such-x|user:0 read /a\n"
			    "      |             ^~~~~~~~~\n"
			    "      = help: create it, or write 'group:' and a number "
			    "for an id without an entry\n");
	note_codes(c.messages);
	compiled_free(&c);
}

/* Files in order, whichever pass of the compiler finds what is wrong. Names are not trusted. */
static void
test_files_in_order(void **state)
{
	static const char a[] = "policy 1\nallow any read @x\nallow any read /?\n";
	static const char b[] = "policy 1\ndeny user:no-such-x any /\nfoo\n";
	const struct policy_source sources[] = {{"a\x1b[31m\n", a, sizeof(a) - 1},
						{"b", b, sizeof(b) - 1}};
	struct compiled c = compile_sources(sources, 2);
	const char *at = c.messages;
	static const char *const order[] = {"a\\x1b[31m\\x0a:2:16: error[P020]",
					    "a\\x1b[31m\\x0a:3:17: error[P016]",
					    "b:2:11: error[P027]", "b:3:1: error[P007]"};

	(void)state;
	assert_int_equal(c.result, -EBADMSG);
	assert_int_equal(c.diag.errors, 4);
	for (size_t i = 0; i < ELEMENTS(order); i++) {
		at = strstr(at, order[i]);
		assert_non_null(at);
	}
	assert_null(strchr(c.messages, '\x1b'));
	compiled_free(&c);
}

static size_t
count(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void
test_first_hundred(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct compiled c;

	(void)state;
	fputs("policy 1\n", out);
	for (int i = 0; i < 150; i++)
		fputs("deny user:no-such-x any /\n", out);
	/* Found before those above, but below them. */
	for (int i = 0; i < 1000; i++)
		fputs("foo\nallow user:no-such-x read /\n", out);
	fclose(out);
	c = compile_text(text);
	assert_int_equal(c.result, -EBADMSG);
	assert_int_equal(c.diag.errors, 1150);
	assert_int_equal(c.diag.warnings, 1000);
	assert_int_equal(count(c.messages, "error[P027]"), 100);
	assert_int_equal(count(c.messages, "error[P007]"), 0);
	assert_int_equal(count(c.messages, "warning[P028]"), 100);
	assert_non_null(strstr(c.messages, "t.policy:101:11: error"));
	assert_null(strstr(c.messages, "t.policy:102:"));
	assert_non_null(
		strstr(c.messages, "... and 1050 more errors\n... and 900 more warnings\n"));
	compiled_free(&c);
	free(text);
}

/* What is said of files and of lines is counted together, and what is not shown is told once. */
static void
test_first_hundred_of_files(void **state)
{
	static const char text[] = "policy 1\nfoo\nfoo\nfoo\nfoo\nfoo\n";
	const struct policy_source source = {"t.policy", text, sizeof(text) - 1};

	(void)state;
	for (int i = 0; i < 2 * 3; i++) {
		int files = i / 2 == 0 ? 95 : i / 2 == 1 ? 98 : 150;
		struct policy_diag diag = {.json = i % 2};
		char *messages, more[80] = "";
		struct policy_report *report = calloc(1, sizeof(*report));
		size_t size;
		void *bytes;

		assert_non_null(report);
		diag.out = open_memstream(&messages, &size);
		for (int k = 0; k < files; k++)
			policy_diag_file(&diag, POLICY_CODE_NOT_REGULAR, POLICY_ERROR, "/f", NULL,
					 NULL);
		assert_int_equal(policy_compile(&source, 1, 0, &diag, &bytes, &size), -EBADMSG);
		/* Nothing more: nothing more is told. */
		policy_report_flush(report, &diag);
		fclose(diag.out);
		assert_int_equal(diag.errors, files + 5);
		assert_int_equal(count(messages, "P044"), files < 100 ? files : 100);
		assert_int_equal(count(messages, "P007"), files < 100 ? 100 - files : 0);
		if (files > 95)
			snprintf(more, sizeof(more),
				 i % 2 ? "{\"severity\":\"error\",\"more\":%d}\n"
				       : "... and %d more errors\n",
				 files - 95);
		assert_int_equal(count(messages, " more ") + count(messages, "\"more\""),
				 files > 95);
		assert_string_equal(messages + strlen(messages) - strlen(more), more);
		free(messages);
		free(report);
	}
}

/* What is not known may be where nothing could be read. */
static void
test_file_not_read(void **state)
{
	static const char text[] = "policy 1\nallow s read @x\n";
	const struct policy_source source = {"t.policy", text, sizeof(text) - 1};

	(void)state;
	for (int unread = 0; unread < 2; unread++) {
		struct policy_diag diag = {0};
		char *messages;
		size_t size;
		void *bytes;

		diag.out = open_memstream(&messages, &size);
		if (unread)
			policy_diag_file(&diag, POLICY_CODE_LINK, POLICY_ERROR, "/f", NULL, NULL);
		assert_int_equal(policy_compile(&source, 1, 0, &diag, &bytes, &size), -EBADMSG);
		fclose(diag.out);
		assert_int_equal(count(messages, "may be in a file"), unread ? 2 : 0);
		if (unread)
			assert_non_null(strstr(messages, "      = help: it may be in a file that "
							 "could not be read; else define it in any "
							 "of the files: set @x = PATTERN...\n"));
		free(messages);
	}
}

/* The caret, where the number of the line needs more room. */
static void
test_caret_far_down(void **state)
{
	char *text = malloc(100000 + 40);
	struct compiled c;

	(void)state;
	memcpy(text, "policy 1\n", 9);
	memset(text + 9, '\n', 100000 - 2);
	strcpy(text + 9 + 100000 - 2, "foo\n");
	c = compile_text(text);
	assert_string_equal(c.messages, "t.policy:100000:1: error[P007]: unknown statement 'foo'\n"
					"100000 | foo\n"
					"       | ^~~\n"
					"      = help: statements are subject, set, allow, deny, "
					"expect; '#' begins a comment\n");
	compiled_free(&c);
	free(text);
}

/* 8 MiB of anything: not long, and not much is said. */
static void
test_bounded(void **state)
{
	const size_t size = 8 << 20;
	char *text = malloc(size + 1);
	struct policy_source source = {"t.policy", text, size};
	uint64_t random = 1;
	clock_t start = clock();

	(void)state;
	for (int kind = 0; kind < 5; kind++) {
		struct compiled c;

		for (size_t i = 0; i < size; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			text[i] = kind == 0   ? (char)(random >> 56)
				  : kind == 1 ? (char)((random >> 56) % 255 + 1)
				  : kind == 2 ? 'x'
				  : kind == 3 ? "x x\n"[i % 4]
					      : "allow any|any+any read /*/*\n"[i % 28];
		}
		memcpy(text, "policy 1\n", 9);
		text[size] = '\0';
		c = compile_sources(&source, 1);
		assert_int_equal(c.result, -EBADMSG);
		assert_true(c.messages_size < 200000);
		note_codes(c.messages);
		compiled_free(&c);
	}
	assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
	free(text);
}

/* Limits that no text in the table can reach. */
static void
test_limits(void **state)
{
	char *text = malloc(200000);
	struct policy_source huge = {"t.policy", "", (size_t)POLICY_FILE_BYTES_MAX + 1};
	struct compiled c;

	(void)state;
	strcpy(text, "policy 1\nallow any read");
	for (size_t n = strlen(text); n < 9 + 65536; n = strlen(text))
		strcpy(text + n, " /a/*");
	text[9 + 65536] = '\n';
	text[9 + 65536 + 1] = '\0';
	c = compile_text(text);
	assert_int_equal(c.result, 0);
	compiled_free(&c);
	text[9 + 65536] = '/';
	strcpy(text + 9 + 65536 + 1, "\n");
	c = compile_text(text);
	assert_int_equal(c.result, -EBADMSG);
	assert_non_null(strstr(c.messages, "t.policy:2:65537: error[P004]: the line is longer"));
	note_codes(c.messages);
	compiled_free(&c);

	/* Refused by its size, before a byte of it is read. */
	c = compile_sources(&huge, 1);
	assert_int_equal(c.result, -EBADMSG);
	note_codes(c.messages);
	compiled_free(&c);

	strcpy(text, "policy 1\nallow user:1 read /");
	memset(text + strlen(text), 'n', 256);
	strcpy(text + strlen("policy 1\nallow user:1 read /") + 256, "\n");
	c = compile_text(text);
	assert_non_null(strstr(c.messages, "t.policy:2:20: error[P019]: this pattern goes beyond "
					   "a limit: a path component has at most 255 bytes\n"));
	compiled_free(&c);
	strcpy(text, "policy 1\nallow user:1 read ");
	for (int i = 0; i < 65; i++)
		strcat(text, "/a");
	strcat(text, "\n");
	c = compile_text(text);
	assert_non_null(strstr(c.messages, "t.policy:2:148: error[P019]: this pattern goes beyond "
					   "a limit: a path has at most 64 components\n"));
	note_codes(c.messages);
	compiled_free(&c);
	free(text);
}

/* 256 places are what a worker holds. */
static void
test_places(void **state)
{
	char *text = malloc(20000);
	struct compiled c;

	(void)state;
	strcpy(text, "policy 1\n");
	for (int i = 0; i < 256; i++)
		sprintf(text + strlen(text), "allow user:0 read /d/%d\n", i);
	c = compile_text(text);
	assert_int_equal(c.result, 0);
	compiled_free(&c);
	strcat(text, "allow user:0 read /d/x\n");
	c = compile_text(text);
	assert_int_equal(c.result, -EBADMSG);
	assert_non_null(
		strstr(c.messages, "t.policy:2:7: error[P036]: the rules of 'user:0' reach"));
	note_codes(c.messages);
	compiled_free(&c);
	free(text);
}

/* Values are as long as they may be, then a byte longer. */
static void
test_value_limits(void **state)
{
	static const struct {
		const char *format, *message;
		int longest;
	} cases[] = {
		{"allow user:1+unit:%s.service read /a", "has at most 255 bytes", 255 - 8},
		{"allow label:%s read /a", "a label has at most 255 bytes", 255},
		{"allow user:1 read /a because=%s", "the text has 1 to 255 bytes", 255},
		{"allow user:1 read /a because=\"%s\"", "the text has 1 to 255 bytes", 255},
		{"allow user:1 read /a id=%s", "at most 64", 64},
		{"subject %s = user:1", "is not a name of a subject", 64},
	};

	(void)state;
	for (size_t i = 0; i < 2 * ELEMENTS(cases); i++) {
		char value[300] = "", text[600] = "policy 1\n", *hole;
		struct compiled c;

		memset(value, 'a', (size_t)cases[i / 2].longest + i % 2);
		strcat(text, cases[i / 2].format);
		hole = strstr(text, "%s");
		memmove(hole + strlen(value), hole + 2, strlen(hole + 2) + 1);
		memcpy(hole, value, strlen(value));
		strcat(text, "\n");
		c = compile_text(text);
		assert_int_equal(c.result, i % 2 ? -EBADMSG : 0);
		if (i % 2)
			assert_non_null(strstr(c.messages, cases[i / 2].message));
		compiled_free(&c);
	}
}

/* What one who, and all together, may come to. */
static void
test_who_limits(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out;
	struct compiled c;

	(void)state;
	for (int n = 4096; n <= 4097; n++) {
		out = open_memstream(&text, &size);
		fputs("policy 1\nallow user:1", out);
		for (int i = 1; i < n; i++)
			fprintf(out, "|user:%d", i);
		fputs(" read /a\n", out);
		fclose(out);
		c = compile_text(text);
		assert_int_equal(c.result, n == 4096 ? 0 : -EBADMSG);
		note_codes(c.messages);
		compiled_free(&c);
		free(text);
	}

	/* 2^12 alternatives are made of 12 subjects; their parts are counted as well. */
	c = compile_text("policy 1\nsubject a = user:1|user:1\nsubject b = a+a+a+a+a+a\n"
			 "allow b+a+a read /a\nallow b+b+a read /a\nsubject c = b+b\n");
	assert_int_equal(c.result, -EBADMSG);
	assert_string_equal(c.messages,
			    "t.policy:5:7: error[P052]: too many different peers in one rule: "
			    "more than 4096 alternatives\n"
			    "    5 | allow b+b+a read /a\n"
			    "      |       ^~~~~\n"
			    "      = help: name a group instead, or write more than one rule\n");
	compiled_free(&c);
	out = open_memstream(&text, &size);
	fputs("policy 1\nsubject s0 = group:1\n", out);
	for (int i = 1; i < 40; i++)
		fprintf(out, "subject s%d = s%d+s%d\n", i, i - 1, i - 1);
	fclose(out);
	c = compile_text(text);
	assert_int_equal(c.result, -EBADMSG);
	assert_int_equal(c.diag.errors, 1);
	assert_non_null(strstr(c.messages, "t.policy:19:9: error[P052]: too many different peers "
					   "in one rule: more than 65536 parts\n"));
	compiled_free(&c);
	free(text);

	/* Each within the limit, too much together: said once. */
	out = open_memstream(&text, &size);
	fputs("policy 1\nsubject s = user:1", out);
	for (int i = 1; i < 4000; i++)
		fprintf(out, "|user:%d", i);
	for (int i = 0; i < 2000; i++)
		fprintf(out, "\nallow s|user:%d read /a", i);
	fputs("\n", out);
	fclose(out);
	c = compile_text(text);
	assert_int_equal(c.result, -EBADMSG);
	assert_int_equal(c.diag.errors, 1);
	assert_non_null(strstr(c.messages, "error[P037]: the policy is too large: its subjects"));
	compiled_free(&c);
	free(text);
}

/* Each code about text is the subject of a test above; others are those of files and of review. */
static void
test_every_code(void **state)
{
	enum policy_severity severity;
	unsigned number;

	(void)state;
	for (size_t i = 0; policy_diag_code(i, &number, &severity); i++)
		if (((number > 1 && number < 40) || (number > 47 && number < POLICY_CODE_EXPECT)) &&
		    !seen[number])
			fail_msg("P%03u is not tested", number);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_of_cases),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_warning),
		cmocka_unit_test(test_files_in_order),
		cmocka_unit_test(test_first_hundred),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_who_limits),
		cmocka_unit_test(test_value_limits),
		cmocka_unit_test(test_first_hundred_of_files),
		cmocka_unit_test(test_caret_far_down),
		cmocka_unit_test(test_file_not_read),
		cmocka_unit_test(test_every_code),
	};

	return cmocka_run_group_tests_name("grammar", tests, NULL, NULL);
}
