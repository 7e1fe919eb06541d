/* SPDX-License-Identifier: MIT */
/* For which object which directories are good; what is remembered of them, and for how long. */
#include "broker/worker/strict.h"

#include <time.h>

#include "tests/harness.h"

enum {
	U = 1001, /* some user */
	V = 1002, /* another one */
	P = 1003, /* the peer */
	DEPTH = 5,
	PATHS = 200, /* more than there are places to remember */
};

#define YES    POLICY_STRICT_YES
#define STICKY POLICY_STRICT_STICKY
#define NO     POLICY_STRICT_NO

static int64_t clock_ms = 1000000;

/* Instead of the C library's, in this program. */
int clock_gettime(clockid_t clock, struct timespec *ret);
int
clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	ret->tv_sec = clock_ms / 1000;
	ret->tv_nsec = clock_ms % 1000 * 1000000;
	return 0;
}

struct one {
	uid_t owner;
	mode_t mode; /* 0: there is none */
};

/* Directories have lengths 1, 2, ... */
static struct policy_chain
chain_of(const struct one *directories)
{
	struct policy_chain chain = {};

	for (size_t i = 0; i < DEPTH && directories[i].mode != 0; i++)
		policy_chain_add(&chain, i + 1,
				 &(struct stat){.st_mode = S_IFDIR | directories[i].mode,
						.st_uid = directories[i].owner});
	return chain;
}

/* clang-format off */
#define ROOT {0, 0755}
#define TMP  {0, 01777}
/* clang-format on */
#define FILE_OF(u)         u, S_IFREG | 0600
#define DIRECTORY_OF(u, m) u, S_IFDIR | (m)
#define LINK_OF(u)         u, S_IFLNK | 0777

/* blame: the number of a directory from 1; 0: the condition holds. For each word that there is. */
static const struct {
	const char *what;
	struct one directories[DEPTH];
	uid_t owner;
	mode_t mode;
	unsigned yes, sticky;
} cases[] = {
	{"root's in root's", {ROOT, ROOT}, FILE_OF(0), 0, 0},
	{"a user's in root's", {ROOT, ROOT}, FILE_OF(U), 0, 0},
	{"the peer's in root's", {ROOT, ROOT}, FILE_OF(P), 0, 0},
	{"in no directory", {}, DIRECTORY_OF(0, 01777), 0, 0},
	{"a user's in its own", {ROOT, {U, 0700}, {U, 0755}}, FILE_OF(U), 0, 0},
	{"root's in a user's", {ROOT, {U, 0700}}, FILE_OF(0), 2, 2},
	{"root's in root's in a user's", {ROOT, {U, 0755}, ROOT}, FILE_OF(0), 2, 2},
	{"another's in a user's", {ROOT, {U, 0755}}, FILE_OF(V), 2, 2},
	{"another's in the peer's", {ROOT, {P, 0755}}, FILE_OF(V), 2, 2},
	{"the peer's in another's", {ROOT, {U, 0755}}, FILE_OF(P), 2, 2},
	{"a user's, beneath its own and root's", {ROOT, {U, 0755}, ROOT}, FILE_OF(U), 0, 0},
	{"whom the number stands for", {ROOT, {65534, 0755}}, FILE_OF(65534), 2, 2},
	{"two owners, of the upper", {ROOT, {U, 0755}, {V, 0755}}, FILE_OF(U), 3, 3},
	{"two owners, of the lower", {ROOT, {U, 0755}, {V, 0755}}, FILE_OF(V), 2, 2},
	{"two owners, of root", {ROOT, {U, 0755}, {V, 0755}}, FILE_OF(0), 2, 2},
	{"three owners", {{U, 0755}, {V, 0755}, {P, 0755}}, FILE_OF(U), 2, 2},
	{"two faults: the upper", {ROOT, {0, 0775}, {0, 0777}}, FILE_OF(0), 2, 2},
	{"its group writes", {ROOT, {0, 0775}}, FILE_OF(0), 2, 2},
	{"its group alone writes", {ROOT, {0, 0020}}, FILE_OF(0), 2, 2},
	{"others write", {ROOT, {0, 0757}}, FILE_OF(0), 2, 2},
	{"others alone write", {ROOT, {0, 0002}}, FILE_OF(0), 2, 2},
	{"its group writes, and it is set-group-id", {ROOT, {0, 02775}}, FILE_OF(0), 2, 2},
	{"its group writes, above", {{0, 0775}, ROOT, ROOT}, FILE_OF(0), 1, 1},
	{"its group writes, the peer's own", {ROOT, {P, 0775}}, FILE_OF(P), 2, 2},
	{"all read", {ROOT, {0, 0555}, {0, 0111}, {0, 03755}}, FILE_OF(0), 0, 0},
	{"sticky, and nobody writes", {ROOT, {0, 01755}}, FILE_OF(0), 0, 0},
	{"nobody may do anything", {ROOT, {0, 01000}}, FILE_OF(U), 0, 0},
	{"sticky, root's", {ROOT, TMP}, FILE_OF(0), 2, 0},
	{"sticky, a user's", {ROOT, TMP}, FILE_OF(U), 2, 0},
	{"sticky, the peer's", {ROOT, TMP}, FILE_OF(P), 0, 0},
	{"sticky by its group", {ROOT, {0, 01770}}, FILE_OF(0), 2, 0},
	{"sticky, a user's: of root", {ROOT, {U, 01777}}, FILE_OF(0), 2, 2},
	{"sticky, a user's: of its own", {ROOT, {U, 01777}}, FILE_OF(U), 2, 0},
	{"sticky, a user's: of the peer", {ROOT, {U, 01777}}, FILE_OF(P), 2, 2},
	{"sticky, the peer's: of the peer", {ROOT, {P, 01777}}, FILE_OF(P), 0, 0},
	{"sticky in the middle, root's", {ROOT, TMP, ROOT}, FILE_OF(0), 0, 0},
	{"sticky in the middle, a user's", {ROOT, TMP, {U, 0700}}, FILE_OF(U), 0, 0},
	{"sticky in the middle, another's", {ROOT, TMP, {U, 0700}}, FILE_OF(0), 3, 3},
	{"sticky, the peer's of another", {ROOT, TMP, {P, 0700}}, FILE_OF(0), 3, 3},
	{"sticky in sticky, root's", {ROOT, TMP, TMP}, FILE_OF(0), 3, 3},
	{"sticky in sticky, the peer's", {ROOT, TMP, TMP}, FILE_OF(P), 3, 3},
	{"sticky in sticky, deeper", {ROOT, TMP, TMP, ROOT}, FILE_OF(0), 3, 3},
	{"sticky beneath sticky, not in it", {ROOT, TMP, ROOT, TMP, ROOT}, FILE_OF(0), 0, 0},
	{"a link in sticky", {ROOT, TMP}, LINK_OF(0), 2, 0},
	{"a FIFO in sticky", {ROOT, TMP}, 0, S_IFIFO | 0600, 2, 0},
	{"a directory in sticky", {ROOT, TMP}, DIRECTORY_OF(0, 0700), 0, 0},
	{"a user's directory in sticky", {ROOT, TMP}, DIRECTORY_OF(U, 0755), 0, 0},
	{"one that others write, in sticky", {ROOT, TMP}, DIRECTORY_OF(0, 01733), 2, 0},
	{"the peer's own like that", {ROOT, TMP}, DIRECTORY_OF(P, 01777), 0, 0},
	{"a directory that others write", {ROOT, ROOT}, DIRECTORY_OF(0, 0777), 0, 0},
	{"a user's directory in root's", {ROOT, ROOT}, DIRECTORY_OF(U, 0777), 0, 0},
	{"a directory in one that others write", {ROOT, {0, 0777}}, DIRECTORY_OF(0, 0700), 2, 2},
	{"a directory in another's", {ROOT, {U, 0755}}, DIRECTORY_OF(V, 0700), 2, 2},
};

/* Who is blamed; 0: nobody. */
static unsigned
blamed(const struct policy_chain *chain, const struct stat *object, enum policy_strict strict)
{
	static const struct policy_directory untouched = {77, 0123, 456};
	struct policy_directory blame = untouched;
	bool holds = policy_chain_holds(chain, object, P, strict, &blame);

	if (holds)
		assert_memory_equal(&blame, &untouched, sizeof(blame));
	return holds ? 0 : blame.length;
}

static void
test_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		const struct policy_chain chain = chain_of(cases[i].directories);
		const struct stat object = {.st_mode = cases[i].mode, .st_uid = cases[i].owner};
		unsigned yes = blamed(&chain, &object, YES),
			 sticky = blamed(&chain, &object, STICKY);

		if (yes != cases[i].yes || sticky != cases[i].sticky)
			fail_msg("%s: %u and %u, not %u and %u", cases[i].what, yes, sticky,
				 cases[i].yes, cases[i].sticky);
		assert_int_equal(blamed(&chain, &object, NO), 0);
		/* strictmodes=sticky refuses nothing that yes does not. */
		assert_true(sticky == 0 || yes != 0);
	}
}

/* What the log says of the one. */
static void
test_blame(void **state)
{
	const struct policy_chain chain =
		chain_of((const struct one[DEPTH]){ROOT, {U, 0750}, {0, 02770}});
	struct policy_directory blame;

	(void)state;
	assert_false(
		policy_chain_holds(&chain, &(struct stat){.st_mode = S_IFREG}, P, YES, &blame));
	assert_true(blame.length == 2 && blame.owner == U && blame.mode == (S_IFDIR | 0750));
	assert_false(policy_chain_holds(&chain, &(struct stat){.st_mode = S_IFREG, .st_uid = U}, P,
					YES, &blame));
	assert_true(blame.length == 3 && blame.owner == 0 && blame.mode == (S_IFDIR | 02770));
}

/*
 * The definition, word for word and for all of a directory, for each chain of three out of some owners
 * and modes, and each object.
 */
static bool
is_good(const struct one *d, uid_t owner, mode_t mode, enum policy_strict strict)
{
	bool is_directory = S_ISDIR(mode) && !(mode & 022);

	for (size_t i = 0; i < 3; i++) {
		bool is_last = i == 2, is_sticky = d[i].mode & 01000;

		if (d[i].owner != 0 && d[i].owner != owner)
			return false;
		if (!(d[i].mode & 022))
			continue;
		if (!is_sticky)
			return false;
		/* The next component: a directory of root's or of that owner, which nobody else writes. */
		if (!is_last) {
			if (d[i + 1].mode & 022 || (d[i + 1].owner != 0 && d[i + 1].owner != owner))
				return false;
			continue;
		}
		if (!is_directory && owner != P && strict != STICKY)
			return false;
	}
	return true;
}

static void
test_definition(void **state)
{
	static const uid_t owners[] = {0, U, P};
	static const mode_t modes[] = {0755, 0775, 0757, 01777, 01755, 01770};
	static const mode_t objects[] = {S_IFREG | 0600, S_IFDIR | 0755, S_IFDIR | 01777};
	const size_t n = ELEMENTS(owners) * ELEMENTS(modes);
	unsigned good = 0, all = 0;

	(void)state;
	for (size_t c = 0; c < n * n * n; c++) {
		struct one d[DEPTH] = {};
		struct policy_chain chain;

		for (size_t i = 0, rest = c; i < 3; i++, rest /= n)
			d[i] = (struct one){owners[rest % n / ELEMENTS(modes)],
					    modes[rest % ELEMENTS(modes)]};
		chain = chain_of(d);
		for (size_t o = 0; o < ELEMENTS(owners) * ELEMENTS(objects) * 2; o++) {
			const struct stat object = {
				.st_uid = owners[o / 2 % ELEMENTS(owners)],
				.st_mode = objects[o / 2 / ELEMENTS(owners)],
			};
			enum policy_strict strict = o % 2 ? STICKY : YES;
			bool wanted = is_good(d, object.st_uid, object.st_mode, strict);

			if ((blamed(&chain, &object, strict) == 0) != wanted)
				fail_msg("%u:%o %u:%o %u:%o object %u:%o: not %d", d[0].owner,
					 d[0].mode, d[1].owner, d[1].mode, d[2].owner, d[2].mode,
					 object.st_uid, object.st_mode, wanted);
			good += wanted;
			all++;
		}
	}
	print_message("# %u of %u hold\n", good, all);
	assert_true(good > all / 100 && good < all / 2);
}

/* --- memory ---------------------------------------------------------------------------------- */

static bool
recalls(enum strict_kind kind, const char *path)
{
	struct policy_chain chain;

	return strict_recall(kind, path, strlen(path), &chain);
}

static void
remember(enum strict_kind kind, const char *path, const struct one *directories)
{
	const struct policy_chain chain = chain_of(directories);

	strict_remember(kind, path, strlen(path), &chain);
}

static const struct one good[DEPTH] = {ROOT, {U, 0750}};

static void
test_remembers(void **state)
{
	const struct policy_chain was = chain_of(good);
	struct policy_chain chain;

	(void)state;
	assert_false(recalls(STRICT_DIRECTORY, "/a/b"));
	remember(STRICT_DIRECTORY, "/a/b", good);
	assert_true(strict_recall(STRICT_DIRECTORY, "/a/b", 4, &chain));
	assert_memory_equal(&chain, &was, sizeof(chain));
	/* That path, whole, and as what it was; more bytes behind it say nothing. */
	assert_true(strict_recall(STRICT_DIRECTORY, "/a/bc", 4, &chain));
	assert_false(recalls(STRICT_FILE, "/a/b"));
	assert_false(recalls(STRICT_DIRECTORY, "/a"));
	assert_false(recalls(STRICT_DIRECTORY, "/a/"));
	assert_false(recalls(STRICT_DIRECTORY, "/a/c"));
	assert_false(recalls(STRICT_DIRECTORY, "/a/bc"));
	assert_false(recalls(STRICT_DIRECTORY, ""));
	/* Of nothing that is not so the caller's is touched. */
	chain = (struct policy_chain){.shared = true};
	assert_false(strict_recall(STRICT_FILE, "/a/b", 4, &chain));
	assert_true(chain.shared && chain.owned.length == 0);
}

static void
test_forgets(void **state)
{
	(void)state;
	remember(STRICT_FILE, "/a/b", good);
	clock_ms += STRICT_MS;
	assert_true(recalls(STRICT_FILE, "/a/b"));
	clock_ms += 1;
	assert_false(recalls(STRICT_FILE, "/a/b"));
	/* From when it was found, not from when it was last asked for. */
	remember(STRICT_FILE, "/a/b", good);
	for (int i = 0; i < 4; i++) {
		clock_ms += STRICT_MS / 4;
		assert_true(recalls(STRICT_FILE, "/a/b"));
	}
	clock_ms += STRICT_MS / 4;
	assert_false(recalls(STRICT_FILE, "/a/b"));
}

/* What others can change, and what has to be found good as soon as it is. */
static void
test_never(void **state)
{
	static const struct one never[][DEPTH] = {
		{TMP},                        /* shared, the last one */
		{ROOT, TMP, ROOT},            /* in the middle */
		{ROOT, TMP, {U, 0700}, ROOT}, /* somebody's in it */
		{ROOT, {0, 01770}, ROOT},     /* with a group */
		{ROOT, {0, 0775}},            /* faults */
		{ROOT, {0, 0777}, ROOT},      /* deeper */
		{ROOT, {U, 0755}, {V, 0755}}, /* two owners */
		{ROOT, TMP, TMP},             /* sticky in sticky */
	};

	(void)state;
	clock_ms += 2 * STRICT_MS;
	for (size_t i = 0; i < ELEMENTS(never); i++) {
		remember(STRICT_DIRECTORY, "/n/x", never[i]);
		remember(STRICT_FILE, "/n/x/f", never[i]);
		if (recalls(STRICT_DIRECTORY, "/n/x") || recalls(STRICT_FILE, "/n/x/f"))
			fail_msg("the one with number %zu is remembered", i);
	}
	/* The counter-check. */
	remember(STRICT_DIRECTORY, "/n/x", good);
	assert_true(recalls(STRICT_DIRECTORY, "/n/x"));
}

static void
test_long_paths(void **state)
{
	struct policy_chain chain = chain_of(good);
	char path[POLICY_PATH_MAX];
	size_t longest = 0;

	(void)state;
	memset(path, 'x', sizeof(path));
	for (size_t n = 1; n < sizeof(path); n++) {
		strict_remember(STRICT_FILE, path, n, &chain);
		if (strict_recall(STRICT_FILE, path, n, &chain))
			longest = n;
		else
			break;
	}
	/* Up to a length all of them, and none beyond. */
	assert_true(longest >= 128 && longest < 1024);
	for (size_t n = longest + 1; n < sizeof(path); n++) {
		strict_remember(STRICT_FILE, path, n, &chain);
		assert_false(strict_recall(STRICT_FILE, path, n, &chain));
	}
	/* The last byte counts. */
	strict_remember(STRICT_FILE, path, longest, &chain);
	path[longest - 1] = 'y';
	assert_false(strict_recall(STRICT_FILE, path, longest, &chain));
}

/* Two paths in one place: the later one, whole, and never what was remembered of the other. */
static void
test_one_place(void **state)
{
	unsigned kept = 0;

	(void)state;
	clock_ms += 2 * STRICT_MS;
	for (unsigned i = 0; i < PATHS; i++) {
		const struct one directories[DEPTH] = {ROOT, {U + i, 0700}};
		char path[32];

		snprintf(path, sizeof(path), "/place/%u", i);
		remember(STRICT_FILE, path, directories);
		assert_true(recalls(STRICT_FILE, path));
		/* Nor the other kind, where both have the same place. */
		assert_false(recalls(STRICT_DIRECTORY, path));
	}
	for (unsigned i = 0; i < PATHS; i++) {
		struct policy_chain chain;
		char path[32];
		int n = snprintf(path, sizeof(path), "/place/%u", i);

		if (!strict_recall(STRICT_FILE, path, (size_t)n, &chain))
			continue;
		kept++;
		assert_int_equal(chain.owned.owner, U + i);
	}
	assert_true(kept > 0 && kept < PATHS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds),      cmocka_unit_test(test_blame),
		cmocka_unit_test(test_definition), cmocka_unit_test(test_remembers),
		cmocka_unit_test(test_forgets),    cmocka_unit_test(test_never),
		cmocka_unit_test(test_long_paths), cmocka_unit_test(test_one_place),
	};

	return cmocka_run_group_tests_name("broker/strict", tests, NULL, NULL);
}
