/* SPDX-License-Identifier: MIT */
/*
 * What a worker says of its clients, on real sockets: every line, in pages of which each is whole
 * lines, and whatever a client asks from.
 */
#include <errno.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

/* A part of the worker that is in no archive; what it calls is. */
#include "broker/worker/whoami.c"

enum {
	A = 61001, /* nobody on this machine */
	B = 61002,
	G = 61010,
	ROOM = 1 << 16,
};

struct fixture {
	struct setup setup;
	struct server server;
	struct client client;
	uint32_t subjects[POLICY_SUBJECTS_MAX];
	void *bytes;
	int other; /* end of the connection */
};

/* A worker of this kind with a client of these ids, whose rules are those of `text` for uid A. */
static void
begin(struct fixture *f, enum ipc_kind kind, const char *name, const char *text)
{
	const uid_t uid = A;
	const struct policy_peer peer = {.has_uid = true, .uid = uid, .has_gid = true, .gid = A};
	int pair[2];

	*f = (struct fixture){.setup.peer.kind = kind};
	f->server.setup = &f->setup;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	f->client = (struct client){
		.fd = pair[0],
		.generation = 7,
		.peer = {.pid = 812, .uid = A, .gid = A},
	};
	f->other = pair[1];
	if (text) {
		const struct policy_source source = {name, text, strlen(text)};
		struct policy_diag diag = {.out = NULL};
		size_t size = 0, n = 0;

		assert_int_equal(policy_compile(&source, 1, 0, &diag, &f->bytes, &size), 0);
		assert_int_equal(policy_image_from_memory(f->bytes, size, &f->setup.image), 0);
		assert_int_equal(policy_subjects(f->setup.image, &peer, f->subjects,
						 POLICY_SUBJECTS_MAX, &n),
				 0);
		policy_identity_init(&f->setup.identity, f->subjects, n, &uid, NULL);
	}
}

static void
end(struct fixture *f)
{
	policy_image_free(f->setup.image);
	free(f->bytes);
	close(f->client.fd);
	close(f->other);
}

/* One page: its text is added, and its `next` returned. */
static uint32_t
ask(const struct fixture *f, uint32_t from, char *text, size_t *length)
{
	char message[WIRE_REPLY_MAX + 16];
	const char *page = NULL;
	uint16_t status = 1;
	uint32_t next = 0;
	size_t n = 0, size;

	memset(message, 'x', sizeof(message));
	size = whoami_answer(&f->server, &f->client, 9, from, message);
	assert_in_range(size, 24, WIRE_REPLY_MAX);
	assert_int_equal(message[WIRE_REPLY_MAX], 'x');
	assert_int_equal(wire_decode_page(message, size, 9, &status, &next, &page, &n), 0);
	assert_int_equal(status, 0);
	assert_in_range(*length + n, 0, ROOM - 1);
	memcpy(text + *length, page, n);
	*length += n;
	text[*length] = '\0';
	return next;
}

/* All pages; how many there were. */
static unsigned
ask_all(const struct fixture *f, char text[ROOM])
{
	uint32_t next = 0, before;
	unsigned pages = 0;
	size_t length = 0;

	do {
		before = next;
		next = ask(f, next, text, &length);
		assert_true(next == 0 || next > before);
		pages++;
	} while (next != 0);
	return pages;
}

static const char three[] = "policy 1\n"
			    "allow user:61001 read,write /a/**\n"
			    "allow user:61002 read /b/**\n"
			    "deny any any /c id=no-c\n"
			    "allow group:61001 read /d because=\"of this\"\n";

/* But for the groups, of which this process may have some. */
static void
without_groups(char *text)
{
	for (char *line; (line = strstr(text, "\ngroup "));) {
		char *end_of_line = strchr(line + 1, '\n');

		memmove(line, end_of_line, strlen(end_of_line) + 1);
	}
}

static void
test_lines(void **state)
{
#define HEAD(served)                                                                               \
	"generation 7\nserved " served "\nuid 61001\ngid 61001\npid 812\nunit ?\nlabel ?\n"
#define RULES                                                                                      \
	"rule deny read,write,create,stat,list x.policy:4 no-c\n"                                  \
	"rule allow read,write x.policy:2\n"                                                       \
	"rule allow read x.policy:5\n"
	static const struct {
		enum ipc_kind kind;
		const char *policy, *expected;
	} cases[] = {
		{IPC_IDENTITY, three, HEAD("own") RULES},  {IPC_ANY, three, HEAD("any") RULES},
		{IPC_REFUSER, NULL, HEAD("refused")},      {IPC_REFUSER, three, HEAD("refused")},
		{IPC_IDENTITY, "policy 1\n", HEAD("own")},
	};
	static char text[ROOM];
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		begin(&f, cases[i].kind, "x.policy", cases[i].policy);
		ask_all(&f, text);
		without_groups(text);
		assert_string_equal(text, cases[i].expected);
		end(&f);
	}
#undef RULES
}

static void
test_facts(void **state)
{
	static const struct {
		const char *unit, *line;
		unsigned asked;
	} cases[] = {
		{"a.service", "\nunit ?\n", 0},
		{"a.service", "\nunit ?\n", POLICY_ASKS_LABEL},
		{"a.service", "\nunit a.service\n", POLICY_ASKS_UNIT},
		{"", "\nunit -\n", POLICY_ASKS_UNIT},
		{NULL, "\nunit -\n", POLICY_ASKS_UNIT},
		{"a\nuid 0\\\033[1m\xff.service", "\nunit a\\x0auid 0\\x5c\\x1b[1m\\xff.service\n",
		 POLICY_ASKS_UNIT},
	};
	static char text[ROOM];
	char longest[1024];
	struct fixture f;

	(void)state;
	begin(&f, IPC_IDENTITY, "x.policy", three);
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		f.client.unit = cases[i].unit;
		f.client.asked = cases[i].asked;
		ask_all(&f, text);
		if (!strstr(text, cases[i].line))
			fail_msg("%zu: %s", i, text);
	}
	/* However long it is, and whatever stands where it is cut. */
	f.client.asked = POLICY_ASKS_UNIT | POLICY_ASKS_LABEL;
	f.client.unit = longest;
	for (size_t length = 0; length < sizeof(longest); length++) {
		memset(longest, length % 2 ? 'a' : '\n', length);
		longest[length] = '\0';
		ask_all(&f, text);
		assert_non_null(strstr(text, "\npid 812\nunit "));
		assert_int_equal(strstr(text, "...\nlabel ") != NULL,
				 length * (length % 2 ? 1 : 4) > SHOWN_MAX);
	}
	/* Here no security module gives labels, or this process has one. */
	assert_non_null(strstr(text, "\nlabel "));
	assert_null(strstr(text, "\nlabel ?"));
	end(&f);
}

/* From anywhere: no line of a rule that is for another, and an end. */
static void
test_hostile_cursors(void **state)
{
	static char text[ROOM];
	struct fixture f;

	(void)state;
	begin(&f, IPC_IDENTITY, "x.policy", three);
	for (uint32_t i = 0; i < 100000; i++) {
		/* Around each border, the highest, and spread over all. */
		uint32_t from = i < 3000   ? i
				: i < 6000 ? LINE_RULES - 1500 + (i - 3000)
				: i < 9000 ? UINT32_MAX - (i - 6000)
					   : i * 42943u;
		size_t length = 0;
		uint32_t next;

		next = ask(&f, from, text, &length);
		assert_true(next == 0 || next > from);
		assert_null(strstr(text, "x.policy:3"));
		if (from > LINE_RULES + 3) {
			assert_int_equal(length, 0);
			assert_int_equal(next, 0);
		}
	}
	end(&f);
}

/* More of everything than one page, and than one request looks at. */
static void
test_many_rules(void **state)
{
	enum {
		RULES = 3 * RULES_AT_ONCE + 10,
	};
	char name[5000], *policy = NULL;
	static char text[ROOM];
	size_t size = 0, length = 0;
	uint32_t next = 0;
	unsigned empty = 0, found = 0;
	struct fixture f;
	FILE *out = open_memstream(&policy, &size);

	(void)state;
	assert_non_null(out);
	fputs("policy 1\n", out);
	for (unsigned i = 0; i < RULES; i++)
		fprintf(out, "allow user:%u read /d/*x%u id=a%063u\n", i % 5000 == 5 ? A : B, i, i);
	fclose(out);
	/* A name that no page could hold. */
	memset(name, 'n', sizeof(name));
	memcpy(name, "/begin", 6);
	memcpy(name + sizeof(name) - 12, "/end.policy", 12);
	begin(&f, IPC_IDENTITY, name, policy);
	do {
		size_t before = length;

		next = ask(&f, next, text, &length);
		empty += length == before;
		assert_true(next == 0 || length > 0);
	} while (next != 0);
	for (char *line = text; (line = strstr(line, "rule allow read ...nnn")); line++) {
		unsigned number = 0;
		char *end_of_name = strstr(line, "n/end.policy:");

		assert_non_null(end_of_name);
		assert_int_equal(sscanf(end_of_name, "n/end.policy:%u", &number), 1);
		assert_int_equal((number - 2) % 5000, 5);
		found++;
	}
	assert_int_equal(found, (RULES - 6) / 5000 + 1);
	assert_in_range(empty, 1, RULES);
	end(&f);
	free(policy);
}

static void
has_groups(unsigned n)
{
	static char text[ROOM];
	static gid_t own[2000];
	unsigned pages, found = 0;
	struct fixture f;

	for (unsigned i = 0; i < n; i++)
		own[i] = i < 1000 ? G + i : 4000000000u + i;
	assert_return_code(setgroups(n, own), errno);
	begin(&f, IPC_IDENTITY, "x.policy", three);
	pages = ask_all(&f, text);
	for (char *line = text; (line = strstr(line, "\ngroup ")); line++)
		found++;
	if (n <= IPC_GROUPS_MAX) {
		assert_int_equal(found, n);
		assert_true(pages > 1 || n < 40);
	} else {
		assert_int_equal(found, 1);
		assert_non_null(strstr(text, "\ngroup ?\n"));
	}
	/* The rules follow, whatever came before. */
	assert_non_null(strstr(text, "\nrule allow read,write x.policy:2\n"));
	end(&f);
}

static void
test_groups(void **state)
{
	static const unsigned counts[] = {0, 1, 2, 31, 300, 1023, 1024, 1025, 2000};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(counts); i++) {
		int status = -1;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		assert_return_code(pid, errno);
		if (pid == 0) {
			has_groups(counts[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),           cmocka_unit_test(test_facts),
		cmocka_unit_test(test_hostile_cursors), cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests_name("broker/whoami", tests, NULL, NULL);
}
