/* SPDX-License-Identifier: MIT */
/* Listings of directories: what no rule grants is not there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "broker/worker/siphash.h"
#include "tests/attack/asks.h"

enum {
	MANY = 5000,
	CURSORS = 800,
	HIDDEN = 1500,
	SHOWN = 200,
	LONG = 600, /* names of more than a page of bytes, and of more than are looked at for one */
};

static const char rules[] =
	"allow user:61001 list @/dir @/dir/sub @/literal/b\n"
	"allow user:61001 read @/dir/*.log\n"
	"allow user:61001 stat @/dir/*.txt except @/dir/not.txt\n"
	"allow user:61001 write @/dir/written\n"
	"allow user:61001 read @/dir/yesterday until=2020-01-01\n"
	"deny any read,stat,list @/dir/denied.log\n"
	"allow user:61001 read,list @/big/** @/names/** @/deep/** @/removed/**\n"
	"allow any list,read @/public/**\n"
	"allow user:61001 list @/places @/twin\n"
	"allow user:61001 read @/literal/b/*.log @/public/.private\n"
	"deny user:61001 list @/deep/closed\n";

static int
setup(void **state)
{
	static const char *const directories[] = {"dir",      "dir/sub", "literal",   "literal/b",
						  "big",      "names",   "public",    "deep",
						  "deep/a",   "removed", "removed/d", "deep/closed",
						  "dir/dark", "places",  "twin"};
	static const char *const files[] = {"dir/a.log",       "dir/b.txt",       "dir/.dot.log",
					    "dir/denied.log",  "dir/not.txt",     "dir/written",
					    "dir/other",       "literal/b/1.log", "public/file",
					    "public/.private", "deep/a/file",     "removed/d/x",
					    "dir/yesterday",   "deep/closed/x",   "dir/sub/secret"};

	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	for (size_t i = 0; i < ELEMENTS(directories); i++)
		make_dir(at("%s", directories[i]), 0, 0700);
	for (size_t i = 0; i < ELEMENTS(files); i++)
		make_file(at("%s", files[i]), 0, 0600, "");
	/* A rule for all is one for our own worker, too. */
	harness_reload(&broker);
	/* Until it has seen our connection end. */
	sleep_ms(100);
	broker.worker_fds = count_fds(broker.worker);
	peer = peer_begin(A);
	return 0;
}

static void
check_list(struct peer *who, const char *directory, const char *wanted)
{
	char *names = NULL;

	assert_int_equal(peer_list(who, at("%s", directory), &names), 0);
	assert_string_equal(names, wanted);
	free(names);
}

/* What readdir(3) says, of how many names. */
static unsigned
count_entries(const char *directory)
{
	DIR *d = opendir(directory);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void
test_only_what_is_granted(void **state)
{
	(void)state;
	check_list(&peer, "dir", "a.log/b.txt/sub/");
	/* The counter-check: it is not that there were no more. */
	assert_int_equal(count_entries(at("dir")), 10);
	check_list(&peer, "dir/sub", "");
	assert_int_equal(count_entries(at("dir/sub")), 1);
	/* `**` is the directory itself, too. */
	check_list(&peer, "deep", "a/closed/");
	check_list(&peer, "deep/a", "file/");
	assert_int_equal(peer_list(&peer, at("deep/closed"), NULL), EACCES);
	assert_int_equal(peer_list(&peer, at("dir/dark"), NULL), EACCES);
	assert_int_equal(peer_list(&peer, at("dir/none"), NULL), EACCES);
	assert_int_equal(peer_list(&peer, at("literal"), NULL), EACCES);
	assert_int_equal(peer_list(&peer, at("."), NULL), EINVAL);
	assert_int_equal(peer_list(&peer, "/", NULL), EACCES);
	assert_int_equal(peer_list(&peer, at("deep/a/file"), NULL), ENOTDIR);
	assert_int_equal(peer_list(&peer, at("deep/none"), NULL), ENOENT);
	/* A listing is no right to what is listed. */
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir/b.txt"), NULL), EACCES);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("dir"), NULL), EACCES);
}

/* A worker that is shared shows no one what is another's. */
static void
test_shared_worker(void **state)
{
	struct peer first = peer_begin(B), second = peer_begin(C);

	(void)state;
	check_list(&peer, "public", ".private/file/");
	check_list(&first, "public", "file/");
	check_list(&second, "public", "file/");
	assert_int_equal(peer_list(&first, at("dir"), NULL), EACCES);
	assert_int_equal(peer_list(&second, at("deep"), NULL), EACCES);
	peer_end(&first);
	peer_end(&second);
}

static void
test_names(void **state)
{
	static const char *const names[] = {"\n",  "\x1b[31m", "a b", "\"\\", "\xff\xfe", "*",
					    "..x", "x..",      "...", "~",    "-rf"};
	char longest[256], wanted[1024] = "", *got = NULL;
	unsigned shown = 0;

	(void)state;
	memset(longest, 'l', 255);
	longest[255] = '\0';
	make_file(at("names/%s", longest), 0, 0600, "");
	for (size_t i = 0; i < ELEMENTS(names); i++) {
		make_file(at("names/%s", names[i]), 0, 0600, "");
		shown += names[i][0] != '.';
	}
	assert_int_equal(peer_list(&peer, at("names"), &got), 0);
	for (const char *c = got; *c; c++)
		shown -= *c == '/';
	assert_int_equal(shown, (unsigned)-1);
	for (size_t i = 0; i < ELEMENTS(names); i++) {
		snprintf(wanted, sizeof(wanted), "%s/", names[i]);
		if (names[i][0] != '.')
			assert_non_null(strstr(got, wanted));
	}
	snprintf(wanted, sizeof(wanted), "%s/", longest);
	assert_non_null(strstr(got, wanted));
	free(got);
}

/* --- many, in pages -------------------------------------------------------------------------- */

static void __attribute__((noreturn)) come_and_go(void)
{
	static char path[256];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s", at("big/passing-"));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0;; i++) {
		snprintf(path + n, sizeof(path) - n, "%u", i % 300);
		if (i % 600 < 300)
			close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		else
			(void)unlink(path);
	}
}

/* Each that was there all the time is there once. */
static void
check_steady(void)
{
	static unsigned char seen[MANY];
	char *names = NULL, *rest = NULL;

	memset(seen, 0, sizeof(seen));
	assert_int_equal(peer_list(&peer, at("big"), &names), 0);
	for (char *name = strtok_r(names, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		unsigned i;

		if (strncmp(name, "passing-", 8) == 0)
			continue;
		assert_int_equal(sscanf(name, "steady-%u", &i), 1);
		assert_in_range(i, 0, MANY - 1);
		seen[i]++;
	}
	free(names);
	for (unsigned i = 0; i < MANY; i++)
		if (seen[i] != 1)
			fail_msg("steady-%u: %u times", i, seen[i]);
}

/* The first steady name behind a place, as a new descriptor has it; ret_place: behind a few names. */
static void
name_behind(off_t place, char ret_name[256], off_t *ret_place)
{
	static char buffer[1024] __attribute__((aligned(__alignof__(struct dirent64))));
	int fd = open(at("big"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n, end;

	assert_return_code(fd, errno);
	assert_return_code(lseek(fd, place, SEEK_SET), errno);
	*ret_name = '\0';
	while (!*ret_name) {
		end = getdents64(fd, buffer, sizeof(buffer));
		assert_true(end > 0);
		for (n = 0; n < end;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buffer + n);

			if (!*ret_name && strncmp(entry->d_name, "steady-", 7) == 0)
				snprintf(ret_name, 256, "%s", entry->d_name);
			*ret_place = entry->d_off;
			n += entry->d_reclen;
		}
	}
	close(fd);
}

/* Or are they counts of names, as on a tmpfs before Linux 6.6? Then a page goes on somewhere else. */
static bool
places_stay(void)
{
	char before[256], after[256];
	off_t place, next;

	name_behind(0, before, &place);
	name_behind(place, before, &next);
	for (unsigned i = 0; i < 10; i++)
		make_file(at("big/passing-%u", i), 0, 0600, "");
	name_behind(place, after, &next);
	return strcmp(before, after) == 0;
}

static void
test_pages(void **state)
{
	pid_t pid;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		make_file(at("big/steady-%u", i), 0, 0600, "");
	check_steady();
	if (!places_stay()) {
		print_message("# no places that stay here: without names that come and go\n");
		return;
	}
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		come_and_go();
	for (int i = 0; i < 10; i++)
		check_steady();
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Names so long that far fewer than usual fill a page: each is told once, and as it is. */
static void
test_pages_of_long_names(void **state)
{
	static unsigned char seen[LONG];
	char *names = NULL, *rest = NULL;

	(void)state;
	make_dir(at("names/long"), 0, 0700);
	for (unsigned i = 0; i < LONG; i++)
		make_file(at("names/long/%0*u", i % 3 ? 255 : 200 + (int)(i % 56), i), 0, 0600, "");
	assert_int_equal(peer_list(&peer, at("names/long"), &names), 0);
	for (char *name = strtok_r(names, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		unsigned long i = strtoul(name, NULL, 10);

		assert_in_range(i, 0, LONG - 1);
		assert_int_equal(strlen(name), i % 3 ? 255 : 200 + i % 56);
		seen[i]++;
	}
	free(names);
	for (unsigned i = 0; i < LONG; i++)
		assert_int_equal(seen[i], 1);
}

/* The broker's page, as root finds it. */
static void
read_key(const struct harness *h, uint64_t ret_key[2])
{
	char path[64], target[64];
	int fd = -1;

	for (int i = 0; fd < 0; i++) {
		ssize_t n;

		assert_true(i < 1024);
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", h->pid, i);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strstr(target, "fdbroker-generation"))
			fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	assert_int_equal(
		pread(fd, ret_key, 2 * sizeof(ret_key[0]), offsetof(struct ipc_page, cursor_key)),
		2 * sizeof(ret_key[0]));
	close(fd);
}

/* How the broker says to clients that a directory goes on there. */
static uint64_t
hide(const uint64_t key[2], const char *path, uint64_t place)
{
	return siphash_hide(key, siphash(key, UINT64_MAX, path, strlen(path)), place);
}

static uint64_t
restore(const uint64_t key[2], const char *path, uint64_t cursor)
{
	return siphash_restore(key, siphash(key, UINT64_MAX, path, strlen(path)), cursor);
}

/* A page from anywhere: its errno value. ret_names: how many, all of which may be known. */
static int
ask_from(const char *path, uint64_t from, const char *only, unsigned *ret_names)
{
	const struct wire_file file = {
		.path = path, .path_length = (uint32_t)strlen(path), .from = from};
	static struct told told;
	int error = peer_ask(&peer, WIRE_LIST, &file, &told);
	const char *text = told.text, *name;
	unsigned char type;
	size_t n;

	*ret_names = 0;
	while (error == 0 && wire_next_entry(&text, &told.length, &type, &name, &n)) {
		char wanted[260];

		snprintf(wanted, sizeof(wanted), "/%.*s/", (int)n, name);
		assert_non_null(strstr(only, wanted));
		++*ret_names;
	}
	assert_int_equal(told.length, 0);
	return error;
}

static void
test_cursors_of_ones_own_making(void **state)
{
	static const uint64_t special[] = {1,
					   2,
					   3,
					   INT32_MAX,
					   UINT32_MAX,
					   INT64_MAX,
					   (uint64_t)INT64_MAX + 1,
					   UINT64_MAX,
					   UINT64_MAX - 1};
	unsigned n, most = 0;
	uint64_t key[2];

	(void)state;
	read_key(&broker, key);
	for (size_t i = 0; i < CURSORS; i++) {
		uint64_t from = i / 2 < ELEMENTS(special)
					? special[i / 2]
					: i / 2 * UINT64_C(0x9e3779b97f4a7c15) >> i / 2 % 60;
		int error;

		/* As it is, and so that it becomes this place. */
		if (i % 2 == 0)
			from = hide(key, at("dir"), from);
		error = ask_from(at("dir"), from, "/a.log/b.txt/sub/", &n);
		if (error != 0 && error != EINVAL && error != EOVERFLOW && error != EIO)
			fail_msg("from %llu: %d", (unsigned long long)from, error);
		if (n > most)
			most = n;
		error = ask_from(at("deep/a/file"), from, "", &n);
		assert_int_equal(error, ENOTDIR);
		error = ask_from(at("dir/dark"), from, "", &n);
		assert_int_equal(error, EACCES);
	}
	/* The counter-check: some of them did lead to names. */
	assert_true(most > 0);
}

/* --- what a cursor says ---------------------------------------------------------------------- */

/* The name at whose end readdir(3) shows this place; NULL: none. */
static const char *
name_at(const char *directory, uint64_t place)
{
	static char name[256];
	const struct dirent *entry;
	DIR *d = opendir(directory);
	bool found = false;

	assert_non_null(d);
	while (!found && (entry = readdir(d))) {
		found = (uint64_t)entry->d_off == place;
		snprintf(name, sizeof(name), "%s", entry->d_name);
	}
	closedir(d);
	return found ? name : NULL;
}

/* Where the first page of this directory ends, as this broker says it. */
static uint64_t
first_cursor(const struct harness *h, const char *path)
{
	const struct wire_file file = {.path = path, .path_length = (uint32_t)strlen(path)};
	static struct told told;

	for (int i = 0;; i++) {
		struct peer who = {connect_as(h, &(struct ids){.uid = A, .gid = A}),
				   {getpid(), A, A}};

		peer_send(&who, WIRE_LIST, &file);
		peer_receive(&who, &told);
		peer_end(&who);
		if (told.status == 0)
			break;
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
	assert_int_equal(told.error, 0);
	assert_true(told.next != 0);
	assert_int_equal(told.length, 0);
	return told.next;
}

static void
test_cursors_say_nothing(void **state)
{
	static char others_rules[256];
	char path[128], twin[128];
	struct harness other;
	uint64_t key[2], others_key[2], next, twins, others, place;
	const char *name;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("places"));
	snprintf(twin, sizeof(twin), "%s", at("twin"));
	for (unsigned i = 0; i < HIDDEN; i++) {
		make_file(at("places/dark-%u", i), 0, 0600, "");
		make_file(at("twin/dark-%u", i), 0, 0600, "");
	}
	next = first_cursor(&broker, path);
	assert_null(name_at(path, next));
	/* The counter-check: with the key it is the place of a name that no rule grants, */
	read_key(&broker, key);
	place = restore(key, path, next);
	name = name_at(path, place);
	assert_non_null(name);
	assert_int_equal(strncmp(name, "dark-", 5), 0);
	/* and the same in a directory with the same names, where the client could look for it. */
	twins = first_cursor(&broker, twin);
	assert_int_equal(restore(key, twin, twins), place);
	assert_true(twins != next);
	assert_int_equal(first_cursor(&broker, path), next);

	snprintf(others_rules, sizeof(others_rules), "allow user:61001 list %s\n", path);
	harness_start_how(&other, &(struct harness_how){.rules = others_rules});
	others = first_cursor(&other, path);
	read_key(&other, others_key);
	assert_int_equal(harness_stop(&other), 0);
	assert_int_equal(restore(others_key, path, others), place);
	assert_true(others != next);
	assert_null(name_at(path, others));
}

/* A worker that takes over goes on where the one before was. */
static void
test_from_worker_to_worker(void **state)
{
	char path[128];
	struct wire_file file = {.path = path};
	unsigned pages = 0, names = 0;
	static struct told told;

	(void)state;
	for (unsigned i = 0; i < SHOWN; i++)
		make_file(at("big/shown-%u", i), 0, 0600, "");
	file.path_length = (uint32_t)snprintf(path, sizeof(path), "%s", at("big"));
	do {
		const char *text = told.text, *name;
		pid_t before = worker_of(&broker, A);
		unsigned char type;
		size_t n;

		if (pages++ < 3) {
			harness_reload(&broker);
			assert_true(before != worker_of(&broker, A));
		}
		assert_int_equal(peer_ask(&peer, WIRE_LIST, &file, &told), 0);
		while (wire_next_entry(&text, &told.length, &type, &name, &n))
			names += n > 6 && memcmp(name, "shown-", 6) == 0;
		file.from = told.next;
	} while (file.from != 0);
	assert_true(pages > 3);
	assert_int_equal(names, SHOWN);
}

static void
test_removed_meanwhile(void **state)
{
	static struct told told;
	static char path[128];
	struct wire_file file = {.path = path}, again;

	(void)state;
	file.path_length = (uint32_t)snprintf(path, sizeof(path), "%s", at("removed/d"));
	for (unsigned i = 0; i < 1500; i++)
		make_file(at("removed/d/%u", i), 0, 0600, "");
	assert_int_equal(peer_ask(&peer, WIRE_LIST, &file, &told), 0);
	assert_true(told.next != 0);
	again = file;
	again.from = told.next;
	remove_directory(path);
	assert_int_equal(peer_ask(&peer, WIRE_LIST, &again, &told), ENOENT);
	assert_int_equal(peer_ask(&peer, WIRE_LIST, &file, &told), ENOENT);
	make_dir(path, 0, 0700);
	assert_int_equal(peer_ask(&peer, WIRE_LIST, &again, &told), 0);
	assert_int_equal(told.length, 0);
	make_file(at("removed/file"), 0, 0600, "");
	assert_return_code(rmdir(path), errno);
	assert_return_code(rename(at("removed/file"), path), errno);
	assert_int_equal(peer_ask(&peer, WIRE_LIST, &again, &told), ENOTDIR);
}

/* A rule that names one directory, in whose place there is another by now. */
static void
test_replaced(void **state)
{
	double end = seconds_now() + WAIT_SECONDS;
	char *names = NULL;
	int error;

	(void)state;
	check_list(&peer, "literal/b", "1.log/");
	assert_return_code(rename(at("literal/b"), at("literal/old")), errno);
	make_dir(at("literal/b"), 0, 0700);
	make_file(at("literal/b/2.log"), 0, 0600, "");
	make_file(at("literal/b/2.txt"), 0, 0600, "");
	check_list(&peer, "literal/b", "2.log/");
	assert_int_equal(peer_list(&peer, at("literal/old"), NULL), EACCES);
	/* And what comes anew. */
	remove_directory(at("literal/b"));
	do {
		error = peer_list(&peer, at("literal/b"), NULL);
	} while (error == 0 && seconds_now() < end);
	assert_int_equal(error, ENOENT);
	make_dir(at("literal/b"), 0, 0700);
	make_file(at("literal/b/3.log"), 0, 0600, "");
	do {
		sleep_ms(10);
		error = peer_list(&peer, at("literal/b"), &names);
	} while (error != 0 && seconds_now() < end);
	assert_int_equal(error, 0);
	assert_string_equal(names, "3.log/");
	free(names);
}

static void
test_types(void **state)
{
	const char *path = at("dir");
	const struct wire_file file = {.path = path, .path_length = (uint32_t)strlen(path)};
	const char *text, *name;
	static struct told told;
	unsigned char type;
	size_t n;

	(void)state;
	assert_int_equal(peer_ask(&peer, WIRE_LIST, &file, &told), 0);
	text = told.text;
	while (wire_next_entry(&text, &told.length, &type, &name, &n))
		assert_true(type == (memcmp(name, "sub", 3) == 0 ? DT_DIR : DT_REG) ||
			    type == DT_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_granted),
		cmocka_unit_test(test_shared_worker),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_cursors_of_ones_own_making),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_pages_of_long_names),
		cmocka_unit_test(test_from_worker_to_worker),
		cmocka_unit_test(test_cursors_say_nothing),
		cmocka_unit_test(test_removed_meanwhile),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(asks_end),
	};

	return asks_run("attack/list", tests, setup);
}
