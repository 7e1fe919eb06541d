/* SPDX-License-Identifier: MIT */
/*
 * Text that is meant to take long, or much memory. Each is compiled in a process of its own, of
 * which the kernel says what it has used; the bounds are far above what it takes.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy-test.h"
#include "policy/dropin.h"

enum {
	MIB = 1 << 20,
	SECONDS = 8, /* of the processor; fdbrokerd waits for 10 */
#if defined(__SANITIZE_ADDRESS__)
	SLOWER = 8,
#else
	SLOWER = 1,
#endif
};

struct hard {
	const char *name;
	void (*write)(FILE *out);
	int result;
	unsigned long errors; /* as they are counted */
	const char *message;  /* something that is said; NULL: nothing is */
	unsigned mib;         /* of memory */
};

static void
nothing(FILE *out)
{
	(void)out;
}

static void
binary(FILE *out)
{
	uint64_t random = 1;

	fputs("policy 1\n", out);
	for (int i = 0; i < 8 * MIB; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		fputc((int)(random >> 56 | 1), out);
	}
}

static void
program(FILE *out)
{
	static const char elf[] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0";

	fwrite(elf, 1, sizeof(elf), out);
	for (int i = 0; i < 4 * MIB; i++)
		fputc((int)((unsigned)i * (unsigned)i >> 7 & 0xff), out);
}

static void
hundred_megabytes(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 100 * MIB / 32; i++)
		fputs("# nothing but this comment here\n", out);
	fputs("allow user:1 read /a\n", out);
}

static void
one_line(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 100 * MIB / 16; i++)
		fputs("allow any read /", out);
	fputs("\n", out);
}

static void
nested_braces(FILE *out)
{
	fputs("policy 1\nallow any read /", out);
	for (int i = 0; i < 60000; i++)
		fputc('{', out);
	fputs("\n", out);
}

/* Each line stands for 2^64 names, or for 64^4. */
static void
many_braces(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 5000; i++) {
		fprintf(out, "allow user:%d read /d%d/x", i, i);
		for (int k = 0; k < 64; k++)
			fputs("{a,b}", out);
		fputs(" /d", out);
		for (int k = 0; k < 4; k++) {
			fputs("/{", out);
			for (int n = 0; n < 64; n++)
				fprintf(out, "%s%d", n ? "," : "", n);
			fputs("}", out);
		}
		fputs("\n", out);
	}
}

/* Each line stands for as many patterns as are taken apart. */
static void
many_expansions(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 5000; i++)
		fprintf(out, "allow user:%d read /x%d/*/{a,b}/{a,b}/{a,b}/{a,b}/{a,b}/{a,b}/*\n", i,
			i);
}

static void
million_errors(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 1000000; i++)
		fputs("alow x\n", out);
}

static void
million_errors_of_resolving(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 1000000; i++)
		fputs("deny any any @x\n", out);
}

static void
chain_of_subjects(FILE *out)
{
	fputs("policy 1\nsubject s0 = user:1\n", out);
	for (int i = 1; i < 100000; i++)
		fprintf(out, "subject s%d = s%d\n", i, i - 1);
	fputs("allow s99999 read /a\n", out);
}

static void
chain_upside_down(FILE *out)
{
	fputs("policy 1\nallow s99999 read /a\n", out);
	for (int i = 99999; i > 0; i--)
		fprintf(out, "subject s%d = s%d\n", i, i - 1);
	fputs("subject s0 = user:1\n", out);
}

static void
ring_of_subjects(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 100000; i++)
		fprintf(out, "subject s%d = s%d\n", i, (i + 1) % 100000);
}

static void
targets_in_sets(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 1000; i++) {
		fprintf(out, "set @s%d =", i);
		for (int k = 0; k < 100; k++)
			fprintf(out, " /d/*/%d/%d", i, k);
		fprintf(out, "\nallow user:1 read @s%d except @s%d\n", i, 999 - i);
	}
}

static void
set_in_many_rules(FILE *out)
{
	fputs("policy 1\nset @s =", out);
	for (int i = 0; i < 5000; i++)
		fprintf(out, " /d/*/%d", i);
	fputs("\n", out);
	for (int i = 0; i < 10000; i++)
		fprintf(out, "allow user:%d read @s\n", i);
}

static void
same_who(FILE *out)
{
	fputs("policy 1\nsubject w = user:1|group:2+label:l|user:3+unit:a*.service\n", out);
	for (int i = 0; i < 100000; i++)
		fprintf(out, "allow w read /d/*/%d\n", i);
}

static void
different_excepts(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 10000; i++)
		fprintf(out, "allow user:1 read /d/**/x except /d/%d/** /d/**/%d/* /d/e\n", i, i);
}

static void
nested_globstars(FILE *out)
{
	fputs("policy 1\n", out);
	for (int i = 0; i < 50000; i++)
		fprintf(out, "allow any read /d/**/x%d/**/y%d\n", i, i);
}

static void
hard_expectations(FILE *out)
{
	nested_globstars(out);
	for (int i = 0; i < 20000; i++)
		fprintf(out, "expect deny user:1 read /d/x1/x2/x3/x4/y%d/q\n", i);
}

static const struct hard hard[] = {
	{"an empty file", nothing, -EBADMSG, 1, "error[P005]", 64},
	{"noise", binary, -EBADMSG, 0, "error[P", 512},
	{"a program", program, -EBADMSG, 0, "error[P002]", 128},
	{"100 MiB of comments", hundred_megabytes, 0, 0, NULL, 512},
	{"100 MiB in a line", one_line, -EBADMSG, 1, "error[P004]", 512},
	{"braces in braces", nested_braces, -EBADMSG, 1, "error[P075]", 64},
	{"braces by braces", many_braces, 0, 0, NULL, 1024},
	{"braces that are taken apart", many_expansions, 0, 0, NULL, 1024},
	{"a million errors", million_errors, -EBADMSG, 1000000, "and 999900 more errors", 512},
	{"a million unknown sets", million_errors_of_resolving, -EBADMSG, 1000000,
	 "and 999900 more errors", 1024},
	{"a chain of subjects", chain_of_subjects, 0, 0, NULL, 512},
	{"a chain, last link first", chain_upside_down, 0, 0, NULL, 512},
	{"a ring of subjects", ring_of_subjects, -EBADMSG, 0, "error[P051]", 512},
	{"100,000 targets in sets", targets_in_sets, 0, 0, NULL, 512},
	{"a set in 10,000 rules", set_in_many_rules, 0, 0, NULL, 512},
	{"100,000 rules for one subject", same_who, 0, 0, NULL, 512},
	{"10,000 different excepts", different_excepts, 0, 0, NULL, 512},
	{"50,000 times two '**'", nested_globstars, 0, 0, NULL, 512},
	{"20,000 expectations of those", hard_expectations, 0, 0, NULL, 512},
};

/* In the child: what is wrong with the answer, or NULL. */
static const char *
compile_hard(const struct hard *h, const char *text, size_t size)
{
	const struct policy_source source = {"t.policy", text, size};
	struct compiled c = compile_flags(&source, 1, 0);

	if (c.result != h->result)
		return c.messages_size > 0 ? c.messages : strerror(-c.result);
	if (h->errors > 0 ? c.diag.errors != h->errors
			  : (c.diag.errors > 0) != (h->message != NULL))
		return "another number of errors";
	if (h->message ? !strstr(c.messages, h->message) : c.messages_size > 0)
		return c.messages;
	/* A hundred of them, each with a line of the source. */
	return c.messages_size < 100000 ? NULL : "much is said";
}

static void
limit(unsigned long mib)
{
#if !defined(__SANITIZE_ADDRESS__)
	const struct rlimit memory = {(rlim_t)mib * MIB, (rlim_t)mib * MIB};

	(void)setrlimit(RLIMIT_AS, &memory);
#else
	(void)mib;
#endif
	(void)setrlimit(RLIMIT_CPU, &(struct rlimit){SECONDS * SLOWER, SECONDS * SLOWER});
}

static void
test_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(hard); i++) {
		const struct hard *h = &hard[i];
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct rusage usage;
		pid_t pid;
		int status;

		h->write(out);
		fclose(out);
		assert_true(size <= POLICY_FILE_BYTES_MAX);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			const char *wrong;

			/* The text, which is copied by nobody, comes on top. */
			limit(h->mib + 32 + size / MIB * 2);
			wrong = compile_hard(h, text, size);
			if (wrong)
				fprintf(stderr, "%s: %.2000s\n", h->name, wrong);
			_exit(wrong != NULL);
		}
		assert_int_equal(wait4(pid, &status, 0, &usage), pid);
		print_message("# %s: %ld.%02ld s, %ld MiB with %zu of text\n", h->name,
			      usage.ru_utime.tv_sec, usage.ru_utime.tv_usec / 10000,
			      usage.ru_maxrss / 1024, size / MIB);
		if (status != 0)
			fail_msg("%s: status %x", h->name, status);
		free(text);
	}
}

#if !defined(__SANITIZE_ADDRESS__)
/* That the limits above are limits. */
static void
test_limits_hold(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status;
	pid_t pid;

	(void)state;
	same_who(out);
	fclose(out);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct policy_source source = {"t.policy", text, size};
		struct policy_diag diag = {0};
		void *bytes;

		limit(16);
		_exit(policy_compile(&source, 1, 0, &diag, &bytes, &size) == -ENOMEM ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(text);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounded),
#if !defined(__SANITIZE_ADDRESS__)
		cmocka_unit_test(test_limits_hold),
#endif
	};

	return cmocka_run_group_tests_name("bounded", tests, NULL, NULL);
}
