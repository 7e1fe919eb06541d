/* SPDX-License-Identifier: MIT */
/*
 * The broker against open(2) itself: random (file, flags, mode), opened through the broker under a
 * rule that allows all, and directly, by the owner of the file. What comes of both is the same, but
 * for the exceptions in a table; each of them occurs, and broker_open(3) has them in the same words
 * (differential.t).
 *
 * FDBROKER_SEED repeats a run.
 */
#include "tests/attack/differential.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"

#if defined(__SANITIZE_ADDRESS__)
enum {
	TRIPLES = 10000,
};
/* Whoever is in other namespaces, or has changed ids, cannot be looked into for leaks. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#else
enum {
	TRIPLES = 100000,
};
#endif

enum {
	SHOWN = 3, /* differences of each object */
};

static uint64_t generator;
static unsigned differences;

/* Of what came of the broker. */
static struct counts {
	unsigned given, created, cut, through_links, fifos, devices;
} counts;

/* splitmix64 */
static uint64_t
draw(uint64_t below)
{
	uint64_t x = generator += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % below;
}

static uint32_t
draw_flags(void)
{
	static const uint32_t modes[] = {O_RDONLY, O_RDONLY, O_RDONLY, O_WRONLY, O_WRONLY, O_WRONLY,
					 O_RDWR,   O_RDWR,   O_RDWR,   O_RDWR,   O_ACCMODE};
	static const uint32_t usual[] = {O_CREAT,  O_CREAT | O_EXCL, O_NOCTTY,   O_TRUNC,
					 O_APPEND, O_NONBLOCK,       O_DSYNC,    O_SYNC,
					 O_DIRECT, LARGEFILE,        O_NOFOLLOW, O_CLOEXEC};
	static const uint32_t others[] = {O_EXCL,    O_ASYNC, O_DIRECTORY,
					  O_NOATIME, O_PATH,  O_TMPFILE};
	uint32_t flags = modes[draw(ELEMENTS(modes))];

	for (size_t i = 0; i < ELEMENTS(usual); i++)
		if (draw(5) == 0)
			flags |= usual[i];
	if (draw(3) == 0)
		flags |= O_CREAT;
	if (draw(10) == 0)
		flags |= others[draw(ELEMENTS(others))];
	if (draw(20) == 0)
		flags |= 1u << draw(32);
	return draw(50) == 0 ? (uint32_t)draw(1ull << 32) : flags;
}

static void
draw_triple(struct triple *ret)
{
	do {
		ret->object = &objects[draw(n_objects)];
	} while (place_of(ret->object)->left_out);
	ret->flags = draw_flags();
	ret->mode = (mode_t)draw(010000);
}

/* The first fact that is another; OF_FACTS: none. */
static enum fact
compare(const struct outcome *expected, const struct outcome *got)
{
	for (enum fact i = 0; i < OF_FACTS; i++)
		if (expected->facts[i] != got->facts[i])
			return i;
	return OF_FACTS;
}

static void
show(const struct triple *t, const struct outcome *direct, const struct outcome *expected,
     const struct outcome *got)
{
	printf("# %s, flags %#o, mode %#o:\n", place_of(t->object)->path[BROKER], t->flags,
	       t->mode);
	for (enum fact i = 0; i < OF_FACTS; i++)
		if (expected->facts[i] != got->facts[i])
			printf("#   %s: %lld, not %lld (open(2): %lld)\n", fact_names[i],
			       (long long)got->facts[i], (long long)expected->facts[i],
			       (long long)direct->facts[i]);
}

/* Both sides once: what came of each, and what should have come of the broker. */
static void
run(const struct triple *t, struct outcome *ret_direct, struct outcome *ret_expected,
    struct outcome *ret_got)
{
	shared->triple = *t;
	ask_opener(PLAINLY);
	ask_opener(BROKERED);
	wait_for_opener(PLAINLY);
	wait_for_opener(BROKERED);
	*ret_direct = shared->outcomes[PLAINLY];
	*ret_got = shared->outcomes[BROKERED];
	look_after(t->object, DIRECT, ret_direct);
	look_after(t->object, BROKER, ret_got);
	*ret_expected = *ret_direct;
	apply_exceptions(t, ret_expected);
}

static void
clean(const struct triple *t)
{
	for (enum side side = 0; side < SIDES; side++) {
		struct outcome now = {};

		look_after(t->object, side, &now);
		restore(t, side, &now);
	}
}

static void
count(const struct triple *t, const struct outcome *got)
{
	int64_t type = got->facts[TYPE];

	if (got->facts[ERROR] != 0)
		return;
	counts.given++;
	counts.created += before(t, AFTER_ERROR) == ENOENT;
	counts.cut += before(t, AFTER_SIZE) > 0 && got->facts[AFTER_SIZE] == 0;
	counts.through_links += (t->object->traits & FINAL) != 0;
	counts.fifos += S_ISFIFO(type);
	counts.devices += S_ISCHR(type) || S_ISBLK(type);
}

/* Something else may have been changed than what was asked for. */
static void
clean_all(uint32_t flags)
{
	for (size_t i = 0; i < n_objects; i++)
		clean(&(struct triple){.object = &objects[i], .flags = flags});
}

/* One after the other from this seed on; quietly: until one differs. Returns how many. */
static unsigned
run_triples(uint64_t seed, unsigned n, bool quietly)
{
	unsigned i;

	generator = seed;
	differences = 0;
	for (i = 0; i < n && !(quietly && differences > 0); i++) {
		struct outcome direct, expected, got;
		struct triple t;

		draw_triple(&t);
		run(&t, &direct, &expected, &got);
		count(&t, &got);
		if (compare(&expected, &got) != OF_FACTS) {
			differences++;
			if (!quietly && place_of(t.object)->shown++ < SHOWN)
				show(&t, &direct, &expected, &got);
			clean_all(t.flags);
		}
		clean(&t);
	}
	return i;
}

static uint64_t
seed_of_run(void)
{
	static uint64_t seed;
	const char *text = getenv("FDBROKER_SEED");

	if (seed == 0)
		seed = text ? strtoull(text, NULL, 0) : (uint64_t)(seconds_now() * 1e6);
	return seed;
}

/*
 * --- tests --------------------------------------------------------------------------------------
 */

static unsigned names;

static int
count_name(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)path, (void)status, (void)type, (void)where;
	names++;
	return 0;
}

static unsigned
count_names(enum side side)
{
	names = 0;
	assert_return_code(nftw(place_of(object_named(""))->path[side], count_name, 16, FTW_PHYS),
			   errno);
	return names;
}

static void
report(void)
{
	printf("# given %u: created %u, cut %u, through links %u, FIFOs %u, devices %u\n",
	       counts.given, counts.created, counts.cut, counts.through_links, counts.fifos,
	       counts.devices);
	for (size_t i = 0; i < n_exceptions; i++)
		if (!exceptions[i].shown_by)
			printf("# %6u  %s\n", exceptions[i].seen, exceptions[i].what);
}

static void
test_same_as_open(void **state)
{
	double began = seconds_now();
	unsigned in_tree;

	(void)state;
	if (needs_root())
		return;
	printf("# FDBROKER_SEED=%llu\n", (unsigned long long)seed_of_run());
	in_tree = count_names(BROKER);
	counts = (struct counts){};
	run_triples(seed_of_run(), TRIPLES, false);
	printf("# %u triples in %.1f s\n", (unsigned)TRIPLES, seconds_now() - began);
	report();
	if (differences > 0)
		fail_msg("%u triples differ", differences);
	for (size_t i = 0; i < n_exceptions; i++)
		if (!exceptions[i].shown_by && exceptions[i].seen == 0)
			fail_msg("never seen: %s", exceptions[i].what);
	/* Else little was compared. */
	assert_true(counts.given > TRIPLES / 10);
	assert_true(counts.created > TRIPLES / 200 && counts.cut > TRIPLES / 200);
	assert_true(counts.through_links > TRIPLES / 200);
	assert_true(counts.fifos > TRIPLES / 200 && counts.devices > TRIPLES / 200);
	/* No name is left that nobody asked for. */
	assert_int_equal(count_names(BROKER), in_tree);
	assert_int_equal(count_names(DIRECT), in_tree);
}

/* Nothing that is given stays open in the worker. */
static void
test_nothing_is_left(void **state)
{
	int fds, now = -1;

	(void)state;
	if (needs_root())
		return;
	run_triples(seed_of_run(), 1, false);
	fds = count_fds(worker_of(&broker, A));
	assert_true(fds > 0);
	run_triples(seed_of_run(), 1000, false);
	for (int i = 0; now != fds && i < WAIT_SECONDS * 100; i++) {
		now = count_fds(worker_of(&broker, A));
		sleep_ms(10);
	}
	assert_int_equal(now, fds);
}

/* Who opens it wrongly is noticed. */
static void
test_lies_are_noticed(void **state)
{
	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < n_lies; i++) {
		unsigned n;

		shared->lie = &lies[i];
		n = run_triples(seed_of_run(), TRIPLES, true);
		shared->lie = NULL;
		if (differences == 0)
			fail_msg("not noticed: %s", lies[i].what);
		printf("# noticed after %u triples: %s\n", n, lies[i].what);
	}
	/* Else it was something else that was noticed. */
	run_triples(seed_of_run(), TRIPLES / 100, false);
	assert_int_equal(differences, 0);
}

/* Each fact counts: another one is a difference. */
static void
test_each_fact_counts(void **state)
{
	struct triple t = {.object = object_named("plain"), .flags = O_RDWR};
	struct outcome direct, expected, got;

	(void)state;
	if (needs_root())
		return;
	run(&t, &direct, &expected, &got);
	assert_int_equal(compare(&expected, &got), OF_FACTS);
	assert_int_equal(got.facts[ERROR], 0);
	assert_int_equal(got.facts[RIGHT], 1);
	for (enum fact i = 0; i < OF_FACTS; i++) {
		struct outcome wrong = got;

		wrong.facts[i] ^= 1;
		assert_int_equal(compare(&expected, &wrong), i);
	}
}

/*
 * --- what triples do not reach ------------------------------------------------------------------
 */

static struct {
	int master;
	char path[64];
} terminal = {.master = -1};

static void
make_terminal(void)
{
	terminal.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_return_code(terminal.master, errno);
	assert_return_code(unlockpt(terminal.master), errno);
	assert_return_code(ptsname_r(terminal.master, terminal.path, sizeof(terminal.path)), errno);
	assert_return_code(chown(terminal.path, A, A), errno);
}

/* Opened by who leads a session: has it a controlling terminal then? 2: it was not opened. */
static int
open_terminal(void *context)
{
	const bool *directly = context;
	int fd;

	setsid();
	fd = *directly ? open(terminal.path, O_RDWR | O_CLOEXEC)
		       : broker_open(terminal.path, O_RDWR);
	if (fd < 0 || !isatty(fd))
		return 2;
	return open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0;
}

/* The number of its controlling terminal, proc_pid_stat(5). */
static int
terminal_of(pid_t pid)
{
	char path[32];
	int number = -1;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	assert_non_null(stat);
	assert_int_equal(fscanf(stat, "%*d (%*[^)]) %*c %*d %*d %*d %d", &number), 1);
	assert_int_equal(fclose(stat), 0);
	return number;
}

static void
test_terminal(void **state)
{
	static const struct ids ids = {.uid = A, .gid = A};
	bool directly = true;

	(void)state;
	if (needs_root())
		return;
	assert_int_equal(act_as(&ids, open_terminal, &directly), 1);
	directly = false;
	assert_int_equal(act_as(&ids, open_terminal, &directly), 0);
	assert_int_equal(terminal_of(worker_of(&broker, A)), 0);
}

static int
setup(void **state)
{
	static char rules[1024];
	const struct harness_how how = {.rules = rules};

	(void)state;
	if (needs_root())
		return 0;
	/* The broker's too, which is our child; nothing of it leaves. */
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	make_directory(place);
	/* For the path without a `/`. */
	assert_return_code(chdir("/"), errno);
	atexit(remove_trees);
	make_trees();
	make_terminal();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	snprintf(rules, sizeof(rules),
		 "allow user:%d read,write,create,stat,list %s/%s/** "
		 "hidden type=reg,fifo,chr,blk symlinks=beneath mode=0777 audit=deny\n"
		 "allow user:%d read,write,create,stat,list %s/bare-%s/** "
		 "hidden mode=0777 audit=deny\n"
		 "allow user:%d read,write %s type=chr\n",
		 A, place, trees[BROKER], A, place, trees[BROKER], A, terminal.path);
	harness_start_how(&broker, &how);
	start_openers();
	return 0;
}

static int
teardown(void **state)
{
	end_openers();
	if (terminal.master >= 0)
		close(terminal.master);
	remove_trees();
	return harness_teardown(state);
}

static void
test_end(void **state)
{
	if (needs_root())
		return;
	end_openers();
	harness_test_end(state);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_open),     cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_lies_are_noticed), cmocka_unit_test(test_each_fact_counts),
		cmocka_unit_test(test_terminal),         cmocka_unit_test(test_end),
	};

	/* For differential.t, which looks for them in the manual page. */
	if (argc == 2 && strcmp(argv[1], "--exceptions") == 0) {
		for (size_t i = 0; i < n_exceptions; i++)
			printf("%s\t%s\t%s\n", exceptions[i].what, exceptions[i].why,
			       exceptions[i].shown_by ? exceptions[i].shown_by : "");
		return 0;
	}
	/* What is being executed, so that it cannot be written. */
	if (argc == 2 && strcmp(argv[1], "wait") == 0)
		return pause();
	return cmocka_run_group_tests_name("attack/differential", tests, setup, teardown);
}
