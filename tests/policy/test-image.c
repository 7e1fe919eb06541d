/* SPDX-License-Identifier: MIT */
/*
 * The image comes from a process that is not trusted: whatever its bytes are, it is refused or it
 * is safe to use. The bytes lie before a page that cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy-test.h"
#include "policy/format.h"

static const char rules[] =
	"set @s = /srv/** /home/*/.ssh/id_*\n"
	"allow user:1+group:2|user:7 read,write @s /etc/motd except /srv/*.key\n"
	"allow any stat,list /a*b*c/** / /x\n"
	"deny user:7 any @s /**/secret\n"
	"allow any stat /y/z/*";

static char *fence; /* the first byte that cannot be read */
static char *room;

static int
make_room(void **state)
{
	const size_t size = 1 << 20, page = (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	room = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		return -1;
	fence = room + size;
	return mprotect(fence, page, PROT_NONE);
}

/* As far back as alignment wants; a copy of exactly this size too, for what watches the heap. */
static char *
place(const void *bytes, size_t size)
{
	char *at = fence - ((size + 7) & ~(size_t)7);

	memset(fence - 8, 0xff, 8);
	return memcpy(at, bytes, size);
}

static int
touch_reach(void *context, const struct policy_reach *reach)
{
	assert_true(policy_path_is_canonical(reach->directory, strlen(reach->directory)));
	if (reach->name)
		assert_null(strchr(reach->name, '/'));
	*(unsigned *)context += reach->verbs;
	return 0;
}

static void
check_printable(const char *text)
{
	for (; *text; text++)
		assert_true((*text >= 0x20 && *text < 0x7f) || *text == '\t');
}

/* All that a program does with an image. */
static void
use(const struct policy_image *image)
{
	static const char *const paths[] = {
		"/",        "/etc/motd", "/srv/a/b.key", "/home/u/.ssh/id_rsa", "/axbxc/secret",
		"/a/b/c/d", "/x",        "/srv/.a",      "not a path",
	};
	static const char *const peers[] = {"1:2", "7", "7:2,1,0", "-"};
	unsigned sum = 0;

	for (size_t p = 0; p < ELEMENTS(peers); p++) {
		struct who who;
		uint32_t ids[64];
		size_t n;

		parse_who(peers[p], &who);
		if (policy_subjects(image, &who.peer, ids, ELEMENTS(ids), &n) < 0)
			continue;
		sum += policy_scope(image, ids, n);
		for (size_t i = 0; i < ELEMENTS(paths); i++) {
			for (unsigned verb = 1; verb < POLICY_VERBS_ALL; verb <<= 1) {
				struct policy_decision d;

				policy_decide(image, ids, n, paths[i], strlen(paths[i]), verb, &d);
				assert_true(d.verdict == POLICY_DENY || d.verdict == POLICY_ALLOW);
				assert_true(d.rule == POLICY_NO_RULE ||
					    d.rule < policy_image_rules(image));
				sum += d.prefix;
			}
		}
		policy_reach(image, ids, n, touch_reach, &sum);
	}
	for (uint32_t i = 0; i < policy_image_rules(image); i++) {
		struct policy_rule rule;

		policy_rule_describe(image, i, &rule);
		check_printable(rule.file);
		check_printable(rule.text);
		assert_true(rule.verbs > 0 && rule.verbs <= POLICY_VERBS_ALL);
	}
}

/* True: it was taken, and used. */
static bool
try_image(const void *bytes, size_t size)
{
	struct policy_image *image = (void *)-1;
	void *copy = malloc(size ? size : 1);
	int r, r2;

	memcpy(copy, bytes, size);
	r = policy_image_from_memory(copy, size, &image);
	if (r == 0) {
		use(image);
		policy_image_free(image);
	}
	free(copy);
	image = (void *)-1;
	r2 = policy_image_from_memory(place(bytes, size), size, &image);
	assert_int_equal(r, r2);
	if (r == 0) {
		use(image);
		policy_image_free(image);
		return true;
	}
	assert_int_equal(r, -EBADMSG);
	assert_ptr_equal(image, (void *)-1);
	return false;
}

static struct compiled compiled;
static unsigned char *bytes;

static int
compile_once(void **state)
{
	if (make_room(state) != 0)
		return -1;
	compiled = compile_rules(rules);
	bytes = compiled.bytes;
	return 0;
}

static void
test_whole(void **state)
{
	(void)state;
	assert_true(compiled.size < 4096);
	assert_true(try_image(bytes, compiled.size));
}

static void
test_every_byte(void **state)
{
	static const unsigned char with[] = {0x01, 0x80, 0xff, 0x7f, 0x04};
	unsigned long taken = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < compiled.size; i++) {
		for (size_t k = 0; k < ELEMENTS(with) + 256; k++) {
			unsigned char old = bytes[i];

			/* The first few in every way, the others in some. */
			if (i >= 64 && k >= ELEMENTS(with))
				break;
			bytes[i] = k < ELEMENTS(with) ? old ^ with[k]
						      : (unsigned char)(k - ELEMENTS(with));
			if (try_image(bytes, compiled.size))
				taken++;
			else
				refused++;
			bytes[i] = old;
		}
	}
	/* Ids and letters may be others; structure may not. */
	assert_true(taken > 100);
	assert_true(refused > taken);
}

static void
test_every_word(void **state)
{
	static const uint32_t absolute[] = {0, 1, 2, 3, 4, 255, 65535, INT32_MAX, UINT32_MAX};
	unsigned long refused = 0;

	(void)state;
	for (size_t i = 0; i + 4 <= compiled.size; i += 4) {
		uint32_t old, new;

		memcpy(&old, bytes + i, 4);
		for (size_t k = 0; k < ELEMENTS(absolute) + 16; k++) {
			new = k < ELEMENTS(absolute) ? absolute[k]
						     : old + (uint32_t)(k - ELEMENTS(absolute)) - 8;
			memcpy(bytes + i, &new, 4);
			refused += !try_image(bytes, compiled.size);
		}
		memcpy(bytes + i, &old, 4);
	}
	assert_true(refused > 1000);
}

static void
test_cut_and_grown(void **state)
{
	unsigned char *grown = calloc(1, compiled.size + 64);
	const uint32_t zero = 0;

	(void)state;
	memcpy(grown, bytes, compiled.size);
	for (size_t size = 0; size < compiled.size + 64; size++) {
		uint32_t claimed = (uint32_t)size;

		assert_int_equal(try_image(grown, size), size == compiled.size);
		/* Also when the header says so. */
		if (size < 16)
			continue;
		memcpy(grown + 12, &claimed, 4);
		assert_int_equal(try_image(grown, size), size == compiled.size);
		memcpy(grown, bytes, 16);
	}
	memcpy(grown + 8, &zero, 4);
	assert_false(try_image(grown, compiled.size));
	free(grown);
}

static void
test_random(void **state)
{
	unsigned char *copy = malloc(compiled.size);
	uint64_t seed = 42;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, bytes, compiled.size);
		for (int k = i % 6; k >= 0; k--) {
			size_t at;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			at = (seed >> 33) % compiled.size;
			/* Small numbers and numbers from elsewhere get further than noise. */
			if (seed & 1 << 20)
				copy[at] = (unsigned char)(seed >> 24);
			else
				copy[at] = bytes[(seed >> 12) % compiled.size];
		}
		try_image(copy, compiled.size);
	}
	free(copy);
}

/* What noise seldom finds: edits that each break one promise and nothing else. */
static void
test_promises(void **state)
{
	unsigned char *copy = malloc(compiled.size);
	const struct image_header *header = (const void *)copy;
	uint64_t at[SECTIONS];
	struct image_rule *edited_rules;
	struct image_subject *subjects;
	struct policy_range *lists, any;
	struct image_piece *pieces;
	uint32_t *numbers, i;

	(void)state;
	memcpy(copy, bytes, compiled.size);
	assert_int_equal(policy_image_layout(header->counts, at), compiled.size);
	edited_rules = (void *)(copy + at[SECTION_RULES]);
	subjects = (void *)(copy + at[SECTION_SUBJECTS]);
	lists = (void *)(copy + at[SECTION_LISTS]);
	pieces = (void *)(copy + at[SECTION_PIECES]);
	numbers = (void *)(copy + at[SECTION_SUBJECT_RULES]);
	assert_true(try_image(copy, compiled.size));

	/* a list of denies that holds an allow */
	edited_rules[2].verdict = POLICY_ALLOW;
	assert_false(try_image(copy, compiled.size));
	edited_rules[2].verdict = POLICY_DENY;

	/* rules of a subject out of order, or twice */
	for (i = 0; subjects[i].allows.n < 2; i++)
		assert_true(i + 1 < header->counts[SECTION_SUBJECTS]);
	any = subjects[i].allows;
	numbers[any.first + 1] = numbers[any.first];
	assert_false(try_image(copy, compiled.size));
	memcpy(copy, bytes, compiled.size);

	/* ranges that run over the end and come back by overflow */
	lists[0].n += 1000;
	lists[1].first += 1000;
	lists[1].n -= 1000;
	assert_false(try_image(copy, compiled.size));
	memcpy(copy, bytes, compiled.size);

	/* a length that is not the string's */
	for (i = 0; pieces[i].length < 2; i++)
		assert_true(i + 1 < header->counts[SECTION_PIECES]);
	pieces[i].length--;
	assert_false(try_image(copy, compiled.size));
	memcpy(copy, bytes, compiled.size);

	/* the last string has no end */
	copy[compiled.size - 1] = 'x';
	assert_false(try_image(copy, compiled.size));
	free(copy);
}

static void
test_alignment(void **state)
{
	char *at = room + 1;
	struct policy_image *image;

	(void)state;
	memcpy(at, bytes, compiled.size);
	assert_int_equal(policy_image_from_memory(at, compiled.size, &image), -EBADMSG);
}

static int
make_memfd(const void *content, size_t size, unsigned flags)
{
	int fd = memfd_create("image", MFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, size), size);
	return fd;
}

static void
test_seals(void **state)
{
	static const struct {
		int seals;
		int result;
	} cases[] = {
		{0, -EPERM},
		{F_SEAL_WRITE, -EPERM},
		{F_SEAL_SHRINK | F_SEAL_GROW, -EPERM},
		{F_SEAL_WRITE | F_SEAL_GROW, -EPERM},
		{F_SEAL_WRITE | F_SEAL_SHRINK, -EPERM},
		{F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, -EPERM},
		{F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, 0},
		{F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		struct policy_image *image = NULL;
		int fd = make_memfd(bytes, compiled.size, MFD_ALLOW_SEALING);

		assert_int_equal(fcntl(fd, F_ADD_SEALS, cases[i].seals), 0);
		assert_int_equal(policy_image_map(fd, &image), cases[i].result);
		close(fd);
		if (cases[i].result != 0) {
			assert_null(image);
			continue;
		}
		use(image);
		assert_int_equal(policy_image_size(image), compiled.size);
		assert_int_equal(decide(image, "1:2", "/etc/motd", "read").verdict, POLICY_ALLOW);
		assert_null(policy_image_free(image));
	}
}

static void
test_no_image(void **state)
{
	const int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	struct policy_image *image = NULL;
	int fd = make_memfd(bytes, compiled.size, 0),
	    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(policy_image_map(fd, &image), -EPERM);
	assert_int_equal(policy_image_map(zero, &image), -EPERM);
	close(zero);
	close(fd);
	assert_int_equal(policy_image_map(fd, &image), -EBADF);
	fd = make_memfd("", 0, MFD_ALLOW_SEALING);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, all), 0);
	assert_int_equal(policy_image_map(fd, &image), -EBADMSG);
	close(fd);
	fd = make_memfd(bytes, compiled.size - 1, MFD_ALLOW_SEALING);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, all), 0);
	assert_int_equal(policy_image_map(fd, &image), -EBADMSG);
	close(fd);
	assert_null(image);
	assert_null(policy_image_free(NULL));
}

/* The same text gives the same bytes. */
static void
test_reproducible(void **state)
{
	struct compiled again = compile_rules(rules);

	(void)state;
	assert_int_equal(again.size, compiled.size);
	assert_memory_equal(again.bytes, compiled.bytes, compiled.size);
	compiled_free(&again);
}

static int
drop(void **state)
{
	(void)state;
	compiled_free(&compiled);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),      cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_every_word), cmocka_unit_test(test_cut_and_grown),
		cmocka_unit_test(test_random),     cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_seals),      cmocka_unit_test(test_no_image),
		cmocka_unit_test(test_promises),   cmocka_unit_test(test_reproducible),
	};

	return cmocka_run_group_tests_name("image", tests, compile_once, drop);
}
