/* SPDX-License-Identifier: MIT */
/*
 * Text that nearly is a policy: it is compiled to an image that is good, or refused with a message.
 * Run with the sanitizers; an input is a policy file. What it begins with is taken from the tests,
 * the examples and the manual, so it runs in the top directory of the sources.
 */
#include <errno.h>
#include <glob.h>

#include "tests/fuzz/fuzz.h"
#include "tests/policy/image-use.h"

enum {
	SEEDS_MAX = 1024,
	TEXT_MAX = 16384,
};

static struct seed {
	const char *text;
	size_t size;
} seeds[SEEDS_MAX];
static size_t n_seeds;
static unsigned long good, bad, messages_read;

static const char *const words[] = {
	"policy",
	"1",
	"subject",
	"set",
	"allow",
	"deny",
	"expect",
	"except",
	"any",
	"@s",
	"@t",
	"=",
	"|",
	"+",
	",",
	":",
	"user:0",
	"user:root",
	"user:no-such",
	"user:4294967294",
	"group:0",
	"group:no-such",
	"unit:a.service",
	"unit:*",
	"unit:a*.scope",
	"label:l",
	"web",
	"read",
	"write",
	"create",
	"stat",
	"list",
	"read,write",
	"/",
	"/**",
	"/a",
	"/a/b/c",
	"/*",
	"/.*",
	"/a/**/b",
	"/**/m/**/n",
	"/[a-z]",
	"/[!a]",
	"/[",
	"/{a,b}",
	"/{a,{",
	"/{,}{,}{,}{,}{,}{,}{,}",
	"/${user}",
	"/${uid}",
	"/${",
	"\\x2a",
	"\\x00",
	"\\x2f",
	"\\",
	"/a//b",
	"/a/",
	"/./..",
	"?",
	"mode=0640",
	"mode=9",
	"type=reg,fifo",
	"type=",
	"owner=root",
	"owner=user:root",
	"owner=peer",
	"strictmodes=sticky",
	"strictmodes=no",
	"symlinks=beneath",
	"exec",
	"hidden",
	"audit=all",
	"until=2027-01-31",
	"until=2027-02-30",
	"because=\"x y\"",
	"because=\"",
	"id=a",
	"#",
	" # x",
	"\n",
	"\n",
	"\n",
	" ",
	"\t",
	"\r\n",
	"\xff",
	"\x1b",
	"\xc3\xa9",
	"\nallow user:0 read ",
	"\ndeny any any ",
	"\nset @s = ",
	"\nsubject web = ",
	"\nexpect allow user:0 read /a\n",
	"\nexpect deny user:0 read /a\n",
};

static void
add_seed(const char *text, size_t size)
{
	if (n_seeds < SEEDS_MAX && size > 0 && size < TEXT_MAX)
		seeds[n_seeds++] = (struct seed){text, size};
}

/* Everything between two lines. */
static void
add_between(const char *path, const char *from, const char *to)
{
	size_t size;
	char *text = fuzz_read(path, &size), *at = text;

	while ((at = strstr(at, from))) {
		char *start = strchr(at + strlen(from), '\n'), *end;

		if (!start || !(end = strstr(start, to)))
			return;
		add_seed(start + 1, (size_t)(end - start));
		at = end;
	}
}

static void
find_seeds(void)
{
	glob_t files = {0};

	add_between("tests/policy/grammar.cases", "\n=== ", "\n---\n");
	add_between("policy/fdbroker.policy.5", "\n.Bd ", "\n.Ed");
	MUST(n_seeds > 20);
	MUST(glob("policy/examples/*.policy", 0, NULL, &files) == 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t size;
		char *text = fuzz_read(files.gl_pathv[i], &size);

		add_seed(text, size);
	}
	globfree(&files);
}

/* Put bytes into the text, over `gone` of its own. */
static size_t
splice(unsigned char *text, size_t size, size_t at, size_t gone, const void *bytes, size_t n)
{
	if (gone > size - at)
		gone = size - at;
	if (size - gone + n > TEXT_MAX)
		return size;
	memmove(text + at + n, text + at + gone, size - at - gone);
	memcpy(text + at, bytes, n);
	return size - gone + n;
}

static size_t
mutate(unsigned char *text, size_t size)
{
	size_t at = fuzz_draw((unsigned)size + 1), n;
	const char *word = words[fuzz_draw(ELEMENTS(words))];
	const struct seed *seed = &seeds[fuzz_draw((unsigned)n_seeds)];
	unsigned char copy[256], byte;

	switch (fuzz_draw(8)) {
	case 0:
		byte = (unsigned char)(fuzz_draw(4) ? ' ' + fuzz_draw(95) : fuzz_draw(256));
		return splice(text, size, at, 1, &byte, 1);
	case 1:
		return splice(text, size, at, fuzz_draw(20), "", 0);
	case 2:
	case 3:
		return splice(text, size, at, 0, word, strlen(word));
	case 4:
		return splice(text, size, at, fuzz_draw(12), word, strlen(word));
	case 5:
		n = fuzz_draw((unsigned)seed->size);
		return splice(text, size, at, 0, seed->text + n,
			      fuzz_draw((unsigned)(seed->size - n)));
	case 6:
		n = fuzz_draw(sizeof(copy));
		n = n < size - at ? n : size - at;
		memcpy(copy, text + at, n);
		return splice(text, size, fuzz_draw((unsigned)size + 1), 0, copy, n);
	default:
		/* Many times the same. */
		n = strlen(word);
		for (unsigned i = fuzz_draw(300); i > 0; i--)
			size = splice(text, size, at, 0, word, n);
		return size;
	}
}

#define DRAW(texts) ((texts)[fuzz_draw(ELEMENTS(texts))])

/* Rules that are good, as long as nothing else is done to them. */
static size_t
draw_rules(unsigned char *bytes)
{
	static const char *const who[] = {
		"user:0",
		"user:1|group:2",
		"any+user:7",
		"group:3+unit:a*.service",
		"web",
		"label:l1",
		"user:7+label:l2|user:1",
		"web|user:5",
		"web+group:2",
	};
	static const char *const allowed[] = {"read", "write", "read,write,create", "stat", "list"};
	static const char *const components[] = {
		"a",     "b",     "srv",   "m",     "*",       "*",      ".*",       "a*b",
		"{a,b}", "{,.}a", "[a-m]", "[.s]*", "${user}", "${uid}", "x{1,22}*", "**",
	};
	static const char *const options[] = {
		"",
		"",
		"",
		" audit=all",
		" id=x",
		" because=\"y z\"",
		" hidden",
		" exec",
		" strictmodes=no",
		" type=reg,fifo",
		" until=2400-02-29",
		" mode=0640",
	};
	char *text = (char *)bytes;
	int n = sprintf(text, "policy 1\nsubject web = user:1|group:3\nset @s = /srv/** /a/.b\n");

	for (unsigned rules = fuzz_draw(12); rules > 0; rules--) {
		bool allows = fuzz_draw(3);

		n += sprintf(text + n, "%s %s %s", allows ? "allow" : "deny",
			     allows         ? DRAW(who)
			     : fuzz_draw(2) ? "any"
					    : "user:1|label:l2",
			     allows ? DRAW(allowed) : "any");
		for (unsigned targets = 1 + fuzz_draw(4); targets > 0; targets--) {
			const char *component = "";

			n += sprintf(text + n, "%s", fuzz_draw(12) ? " " : " @s except ");
			for (unsigned k = 1 + fuzz_draw(5); k > 0; k--) {
				bool again = strcmp(component, "**") == 0;

				component = DRAW(components);
				n += sprintf(text + n, "/%s",
					     again && *component == '*' ? "q" : component);
			}
		}
		n += sprintf(text + n, "%s\n", allows ? DRAW(options) : "");
	}
	return (size_t)n;
}

static size_t
draw_text(unsigned char *text, size_t max)
{
	static const char header[] = "policy 1\n";
	size_t size = 0;

	MUST(max >= TEXT_MAX);
	if (n_seeds == 0)
		find_seeds();
	if (fuzz_draw(3) == 0) {
		size = draw_rules(text);
		for (unsigned n = fuzz_draw(3); n > 0; n--)
			size = mutate(text, size);
	} else if (fuzz_draw(4) == 0) {
		size = splice(text, 0, 0, 0, header, sizeof(header) - 1);
		for (unsigned n = fuzz_draw(80); n > 0; n--) {
			const char *word = words[fuzz_draw(ELEMENTS(words))];

			size = splice(text, size, size, 0, word, strlen(word));
			if (fuzz_draw(3))
				size = splice(text, size, size, 0, " ", 1);
		}
	} else {
		const struct seed *seed = &seeds[fuzz_draw((unsigned)n_seeds)];

		size = splice(text, 0, 0, 0, seed->text, seed->size);
		for (unsigned n = fuzz_draw(fuzz_draw(3) ? 4 : 20); n > 0; n--)
			size = mutate(text, size);
	}
	if (fuzz_draw(8))
		size = splice(text, size, size, 0, "\n", 1);
	return size;
}

static void
check_messages(const char *messages, size_t size)
{
	for (size_t i = 0; i < size; i++)
		MUST((messages[i] >= ' ' && messages[i] < 0x7f) || messages[i] == '\n' ||
		     messages[i] == '\t');
	MUST(size == 0 || messages[size - 1] == '\n');
}

static void
try_text(const unsigned char *text, size_t size)
{
	const struct policy_source source = {"fuzz.policy", (const char *)text, size};
	/* Also as JSON, also without a review: depends on the input alone, so that it can be replayed. */
	struct policy_diag diag = {.json = size % 4 == 0};
	struct policy_image *image;
	size_t messages_size, image_size;
	char *messages;
	void *bytes = NULL;
	int r;

	diag.out = open_memstream(&messages, &messages_size);
	MUST(diag.out);
	r = policy_compile(&source, 1, size % 5 ? POLICY_COMPILE_REVIEW : 0, &diag, &bytes,
			   &image_size);
	fclose(diag.out);
	check_messages(messages, messages_size);
	MUST(messages_size > 0 || diag.errors + diag.warnings + diag.notes == 0);
	messages_read += messages_size;
	if (r == 0) {
		MUST(diag.errors == 0);
		MUST(policy_image_from_memory(bytes, image_size, &image) == 0);
		(void)image_use(image);
		policy_image_free(image);
		free(bytes);
		good++;
	} else {
		MUST(r == -EBADMSG && diag.errors > 0 && !bytes);
		bad++;
	}
	free(messages);
}

static bool
summary(void)
{
	printf("fuzz-grammar: %lu good, %lu with errors, %lu bytes of messages\n", good, bad,
	       messages_read);
	return good > 0 && bad > 0;
}

int
main(int argc, char **argv)
{
	static const struct fuzzer fuzzer = {"fuzz-grammar", draw_text, try_text, summary};

	return fuzz_main(&fuzzer, argc, argv);
}
