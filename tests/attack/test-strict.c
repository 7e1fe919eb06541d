/* SPDX-License-Identifier: MIT */
/*
 * strictmodes against who may rename, link or make directories so that a rule reaches what it should
 * not. Each attack is asked for by three users with the same rule: strictmodes=yes, =sticky, and =no,
 * for whom it succeeds. In a mount namespace of its own, in directories where nobody else makes files.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/people.h"

enum {
	YES = 61201, /* the three who ask */
	STICKY,
	NO,
	MALLORY,           /* who owns directories, and moves things into them */
	VICTIM,            /* who owns others */
	SLOW_SECONDS = 30, /* for what should come within two */
	REMEMBERED_MS = 1000,
	TRIES = 50,
	EXCHANGES = 20000,
	ENOUGH_SECONDS = 20, /* of them, where each one takes long */
};

#define SECRET "secret\n"
#define FROM   "q" /* Mallory's, with secrets of root in it, which no rule names */

static const char rules[] =
	"allow user:61201 read,write,create,list @/s/** @/p/q/** @/fs/in/**\n"
	"allow user:61202 read,write,create,list @/s/** @/p/q/** @/fs/in/** strictmodes=sticky\n"
	"allow user:61203 read,write,create,list @/s/** @/p/q/** @/fs/in/** strictmodes=no\n"
	"deny  any any @/s/rename/private/**\n"
	"allow user:61201 read @/links/** symlinks=beneath\n"
	"allow user:61202 read @/links/** symlinks=beneath strictmodes=sticky\n"
	"allow user:61203 read @/links/** symlinks=beneath strictmodes=no\n"
	"allow user:61201|user:61202|user:61203 read @/vault/**\n";

static const char *
full(const char *below)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % ELEMENTS(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", broker.directory, below);
	return path;
}

/* --- scenes ---------------------------------------------------------------------------------- */

static void
directory(const char *below, uid_t owner, mode_t mode)
{
	assert_return_code(mkdir(full(below), 0700), errno);
	assert_return_code(chown(full(below), owner, owner), errno);
	assert_return_code(chmod(full(below), mode), errno);
}

static void
file(const char *below, uid_t owner)
{
	write_file(full(below), SECRET);
	assert_return_code(chown(full(below), owner, owner), errno);
}

struct names {
	const char *from, *to;
};

static int
do_rename(void *context)
{
	const struct names *names = context;

	return rename(names->from, names->to) < 0 ? errno : 0;
}

static int
do_link(void *context)
{
	const struct names *names = context;

	return link(names->from, names->to) < 0 ? errno : 0;
}

static int
by(uid_t uid, act_fn *act, const char *from, const char *to)
{
	return act_as(&(struct ids){.uid = uid, .gid = uid}, act,
		      &(struct names){full(from), full(to)});
}

/* Everybody may read and run it, its owner alone write; but this user, by an access control list. */
static void
set_acl(const char *below, uid_t uid, uint16_t mask)
{
	const struct {
		uint32_t version;
		struct {
			uint16_t tag, permissions;
			uint32_t id;
		} entries[5];
	} acl = {2, {{1, 7, -1u}, {2, 7, uid}, {4, 5, -1u}, {16, mask, -1u}, {32, 5, -1u}}};

	assert_return_code(setxattr(full(below), "system.posix_acl_access", &acl, sizeof(acl), 0),
			   errno);
}

/* --- questions ------------------------------------------------------------------------------- */

enum operation { OPEN, TRUNCATE, CREATE, STAT, LIST };

static const char *const operations[] = {"open", "truncate", "create", "stat", "list"};

struct asked_for {
	enum operation operation;
	char path[256];
};

static int
see_name(void *context, const char *name, unsigned char type)
{
	(void)context, (void)name, (void)type;
	return 0;
}

/* Open, and look at what was given. */
static int
open_as(const struct asked_for *what)
{
	static const int flags[] = {
		[OPEN] = O_RDONLY,
		[TRUNCATE] = O_WRONLY | O_TRUNC,
		[CREATE] = O_WRONLY | O_CREAT | O_EXCL,
	};
	char text[sizeof(SECRET)] = "";
	struct stat status;
	int fd = broker_open(what->path, flags[what->operation], 0600), r;

	if (fd < 0)
		return errno;
	r = fstat(fd, &status) < 0 ? ASK_BROKEN : 0;
	if (what->operation == OPEN &&
	    (read(fd, text, sizeof(text)) != (ssize_t)strlen(SECRET) || strcmp(text, SECRET) != 0))
		r = ASK_ODD;
	if (what->operation == TRUNCATE && status.st_size != 0)
		r = ASK_ODD;
	if (what->operation == CREATE && (status.st_uid != getuid() || status.st_size != 0))
		r = ASK_ODD;
	close(fd);
	return r;
}

static int
put(void *context)
{
	const struct asked_for *what = context;
	struct statx status;

	switch (what->operation) {
	case STAT:
		return broker_stat(what->path, 0, &status) < 0 ? errno : 0;
	case LIST:
		return broker_list(what->path, see_name, NULL) < 0 ? errno : 0;
	default:
		return open_as(what);
	}
}

/* Ask through the library, as that user. 0 or an errno value. */
static int
ask_for(uid_t uid, enum operation operation, const char *below)
{
	struct asked_for what = {.operation = operation};

	snprintf(what.path, sizeof(what.path), "%s", full(below));
	return act_as(&(struct ids){.uid = uid, .gid = uid}, put, &what);
}

static void
expect(enum operation operation, const char *below, int yes, int sticky, int no)
{
	const int wanted[] = {yes, sticky, no};

	/* Who may last: what it does is done. */
	for (uid_t i = 0; i < ELEMENTS(wanted); i++) {
		int r = ask_for(YES + i, operation, below);

		if (r != wanted[i])
			fail_msg("%s %s by %u: %d, not %d", operations[operation], below, YES + i,
				 r, wanted[i]);
	}
}

static bool
log_has(const char *const *words, size_t n)
{
	FILE *log = fopen(broker.log, "re");
	char *line = NULL;
	size_t room = 0, found = 0;

	while (log && found < n && getline(&line, &room, log) >= 0)
		for (found = 0; found < n && strstr(line, words[found]); found++)
			;
	free(line);
	if (log)
		fclose(log);
	return found == n;
}

/* The log says whose directory it is that this file was refused for. */
static void
assert_blamed(const char *below, const char *blamed, mode_t mode, uid_t owner)
{
	char who[32], path[300], why[400];
	const char *const words[] = {who, path, why};

	snprintf(who, sizeof(who), "denied uid=%u ", YES);
	snprintf(path, sizeof(path), " path=\"%s\"", full(below));
	snprintf(why, sizeof(why), " condition=strictmodes directory=\"%s\" mode=0%o owner=%u\n",
		 full(blamed), mode, owner);
	for (int i = 0; !log_has(words, ELEMENTS(words)); i++) {
		if (i > WAIT_SECONDS * 100)
			fail_msg("the log does not say of %s:%s", below, why);
		sleep_ms(10);
	}
}

/* --- what is moved --------------------------------------------------------------------------- */

static void
test_moved(void **state)
{
	(void)state;
	directory("s/moved", MALLORY, 0755);
	file(FROM "/moved", 0);
	/* What is right: the same secret where it belongs is root's to give. */
	file("s/proper", 0);
	expect(OPEN, "s/proper", 0, 0, 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/moved", "s/moved/secret"), 0);
	expect(OPEN, "s/moved/secret", EACCES, EACCES, 0);
	assert_blamed("s/moved/secret", "s/moved", 0755, MALLORY);
	expect(STAT, "s/moved/secret", EACCES, EACCES, 0);
	/* Not the least of it is changed. */
	expect(TRUNCATE, "s/moved/secret", EACCES, EACCES, 0);
	/* With directories of root's around it. */
	directory(FROM "/mine", MALLORY, 0755);
	directory(FROM "/mine/root", 0, 0755);
	file(FROM "/mine/root/secret", 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/mine", "s/moved/mine"), 0);
	expect(OPEN, "s/moved/mine/root/secret", EACCES, EACCES, 0);
}

static void
test_truncated(void **state)
{
	struct stat status;

	(void)state;
	directory("s/cut", MALLORY, 0755);
	file(FROM "/cut", 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/cut", "s/cut/secret"), 0);
	assert_int_equal(ask_for(YES, TRUNCATE, "s/cut/secret"), EACCES);
	assert_return_code(stat(full("s/cut/secret"), &status), errno);
	assert_int_equal(status.st_size, strlen(SECRET));
	assert_int_equal(ask_for(NO, TRUNCATE, "s/cut/secret"), 0);
	assert_return_code(stat(full("s/cut/secret"), &status), errno);
	assert_int_equal(status.st_size, 0);
}

static void
test_sticky(void **state)
{
	(void)state;
	file(FROM "/sticky", 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/sticky", "s/tmp/secret"), 0);
	expect(OPEN, "s/tmp/secret", EACCES, 0, 0);
	assert_blamed("s/tmp/secret", "s/tmp", 01777, 0);
	/* But the peer's own; and root's directories, which nobody could move there. */
	file("s/tmp/own", YES);
	expect(OPEN, "s/tmp/own", 0, 0, 0);
	directory("s/tmp/root", 0, 0755);
	file("s/tmp/root/file", 0);
	expect(OPEN, "s/tmp/root/file", 0, 0, 0);
	directory(FROM "/root", 0, 0755);
	assert_int_equal(by(MALLORY, do_rename, FROM "/root", "s/tmp/more"), EACCES);
	/* Nor one of Mallory's own. */
	directory("s/tmp/mallory", MALLORY, 0755);
	file(FROM "/third", 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/third", "s/tmp/mallory/secret"), 0);
	expect(OPEN, "s/tmp/mallory/secret", EACCES, EACCES, 0);
	assert_blamed("s/tmp/mallory/secret", "s/tmp/mallory", 0755, MALLORY);
}

/* A directory that one may write can be moved into a sticky one, and root's own directories with it. */
static void
test_sticky_in_sticky(void **state)
{
	(void)state;
	directory(FROM "/drop", 0, 01777);
	directory(FROM "/drop/sub", 0, 0755);
	file(FROM "/drop/sub/secret", 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/drop", "s/tmp/drop"), 0);
	expect(OPEN, "s/tmp/drop/sub/secret", EACCES, EACCES, 0);
	assert_blamed("s/tmp/drop/sub/secret", "s/tmp/drop", 01777, 0);
	expect(LIST, "s/tmp/drop/sub", EACCES, EACCES, 0);
	/* As what is put there, not as a directory of root's. */
	expect(LIST, "s/tmp/drop", EACCES, 0, 0);
	assert_blamed("s/tmp/drop", "s/tmp", 01777, 0);
}

/*
 * With fs.protected_hardlinks nobody links what is neither its own nor its to write: it is one of root's
 * that Mallory's group shares, and the peers' does not.
 */
static void
test_hard_link(void **state)
{
	(void)state;
	directory("s/linked", MALLORY, 0755);
	directory("shared", 0, 0755);
	file("shared/secret", 0);
	assert_return_code(chown(full("shared/secret"), 0, MALLORY), errno);
	assert_return_code(chmod(full("shared/secret"), 0660), errno);
	assert_int_equal(by(MALLORY, do_link, "shared/secret", "s/linked/secret"), 0);
	expect(OPEN, "s/linked/secret", EACCES, EACCES, 0);
	assert_blamed("s/linked/secret", "s/linked", 0755, MALLORY);
	assert_int_equal(by(MALLORY, do_link, "shared/secret", "s/tmp/linked"), 0);
	expect(OPEN, "s/tmp/linked", EACCES, 0, 0);
}

/* Who owns the directory above renames what a rule denies to what another allows. */
static void
test_renamed(void **state)
{
	(void)state;
	directory("s/rename", MALLORY, 0755);
	directory("s/rename/private", 0, 0755);
	file("s/rename/private/secret", 0);
	expect(OPEN, "s/rename/private/secret", EACCES, EACCES, EACCES);
	assert_int_equal(by(MALLORY, do_rename, "s/rename/private", "s/rename/public"), 0);
	expect(OPEN, "s/rename/public/secret", EACCES, EACCES, 0);
	expect(LIST, "s/rename/public", EACCES, EACCES, 0);
	assert_blamed("s/rename/public/secret", "s/rename", 0755, MALLORY);
}

static void
test_group(void **state)
{
	(void)state;
	directory("s/group", 0, 0775);
	assert_return_code(chown(full("s/group"), 0, MALLORY), errno);
	file(FROM "/group", 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/group", "s/group/secret"), 0);
	expect(OPEN, "s/group/secret", EACCES, EACCES, 0);
	assert_blamed("s/group/secret", "s/group", 0775, 0);
	/* Also what is the peer's own; and everything beneath. */
	file("s/group/own", YES);
	assert_int_equal(ask_for(YES, OPEN, "s/group/own"), EACCES);
	directory("s/group/sub", 0, 0755);
	file("s/group/sub/file", 0);
	expect(OPEN, "s/group/sub/file", EACCES, EACCES, 0);
}

static void
test_acl(void **state)
{
	(void)state;
	directory("s/acl", 0, 0755);
	file(FROM "/acl", 0);
	file("s/acl/file", 0);
	expect(OPEN, "s/acl/file", 0, 0, 0);
	/* The mask takes it back: nobody else writes, so nothing is refused. */
	set_acl("s/acl", MALLORY, 5);
	assert_int_equal(by(MALLORY, do_rename, FROM "/acl", "s/acl/secret"), EACCES);
	directory("s/masked", 0, 0755);
	set_acl("s/masked", MALLORY, 5);
	file("s/masked/file", 0);
	expect(OPEN, "s/masked/file", 0, 0, 0);
	directory("s/writable", 0, 0755);
	set_acl("s/writable", MALLORY, 7);
	assert_int_equal(by(MALLORY, do_rename, FROM "/acl", "s/writable/secret"), 0);
	expect(OPEN, "s/writable/secret", EACCES, EACCES, 0);
	assert_blamed("s/writable/secret", "s/writable", 0775, 0);
}

/* Somebody's files in its own directories, but not in another's. */
static void
test_owners(void **state)
{
	(void)state;
	directory("s/home", VICTIM, 0700);
	directory("s/home/sub", VICTIM, 0755);
	file("s/home/sub/file", VICTIM);
	expect(OPEN, "s/home/sub/file", 0, 0, 0);
	file("s/home/sub/root", 0);
	expect(OPEN, "s/home/sub/root", EACCES, EACCES, 0);
	assert_blamed("s/home/sub/root", "s/home", 0700, VICTIM);
	directory("s/home/mallory", MALLORY, 0755);
	file("s/home/mallory/file", VICTIM);
	expect(OPEN, "s/home/mallory/file", EACCES, EACCES, 0);
	assert_blamed("s/home/mallory/file", "s/home/mallory", 0755, MALLORY);
	file("s/home/mallory/own", MALLORY);
	expect(OPEN, "s/home/mallory/own", EACCES, EACCES, 0);
	assert_blamed("s/home/mallory/own", "s/home", 0700, VICTIM);
}

static void
led_by(const char *below, const char *to, uid_t owner)
{
	assert_return_code(symlink(full(to), full(below)), errno);
	assert_return_code(lchown(full(below), owner, owner), errno);
}

/* Whoever makes a link does not choose for others what they get, unless it is the link's owner's. */
static void
test_led(void **state)
{
	(void)state;
	file("vault/root", 0);
	file("vault/mallory", MALLORY);
	file("vault/victim", VICTIM);
	directory("links/mallory", MALLORY, 0755);
	led_by("links/mallory/root", "vault/root", MALLORY);
	expect(OPEN, "links/mallory/root", EACCES, EACCES, 0);
	expect(STAT, "links/mallory/root", EACCES, EACCES, 0);
	led_by("links/mallory/victim", "vault/victim", MALLORY);
	expect(OPEN, "links/mallory/victim", EACCES, EACCES, 0);
	/* One of root's in there, which Mallory may have moved. */
	led_by("links/mallory/moved", "vault/root", 0);
	expect(OPEN, "links/mallory/moved", EACCES, EACCES, 0);
	led_by("links/mallory/own", "vault/mallory", MALLORY);
	expect(OPEN, "links/mallory/own", 0, 0, 0);
	/* By way of one of root's. */
	led_by("links/root", "vault/root", 0);
	expect(OPEN, "links/root", 0, 0, 0);
	led_by("links/mallory/twice", "links/root", MALLORY);
	expect(OPEN, "links/mallory/twice", EACCES, EACCES, 0);
	led_by("links/to-mallory", "links/mallory/root", 0);
	expect(OPEN, "links/to-mallory", EACCES, EACCES, 0);
	led_by("links/to-own", "links/mallory/own", 0);
	expect(OPEN, "links/to-own", 0, 0, 0);
	directory("links/tmp", 0, 01777);
	led_by("links/tmp/root", "vault/root", MALLORY);
	expect(OPEN, "links/tmp/root", EACCES, EACCES, 0);
	/* Who asks could as well ask for what it names. */
	led_by("links/tmp/mine", "vault/root", YES);
	assert_int_equal(ask_for(YES, OPEN, "links/tmp/mine"), 0);
}

/* --- the other operations -------------------------------------------------------------------- */

static void
test_create(void **state)
{
	(void)state;
	directory("s/new", MALLORY, 0755);
	expect(CREATE, "s/new/file", EACCES, EACCES, 0);
	assert_blamed("s/new/file", "s/new", 0755, MALLORY);
	directory("s/new-tmp", 0, 01777);
	assert_int_equal(ask_for(YES, CREATE, "s/new-tmp/yes"), 0);
	assert_int_equal(ask_for(STICKY, CREATE, "s/new-tmp/sticky"), 0);
	directory("s/new-group", 0, 0775);
	expect(CREATE, "s/new-group/file", EACCES, EACCES, 0);
	directory("s/new-own", YES, 0700);
	assert_int_equal(ask_for(YES, CREATE, "s/new-own/file"), 0);
	assert_int_equal(ask_for(STICKY, CREATE, "s/new-own/other"), EACCES);
	assert_int_equal(ask_for(YES, CREATE, "s/at-root"), 0);
}

/* Whoever asks may move root's directory, and is not to put anything into it for that. */
static void
test_create_in_what_was_moved(void **state)
{
	(void)state;
	directory("s/mine", YES, 0755);
	directory("s/mine/private", 0, 0700);
	assert_int_equal(by(YES, do_rename, "s/mine/private", "s/mine/open"), 0);
	assert_int_equal(ask_for(YES, CREATE, "s/mine/open/file"), EACCES);
	assert_blamed("s/mine/open/file", "s/mine", 0755, YES);
	assert_int_equal(ask_for(NO, CREATE, "s/mine/open/file"), 0);
}

static void
test_stat_and_list(void **state)
{
	(void)state;
	/* That others may write the listed one itself says nothing of where it is. */
	directory("s/open", 0, 0777);
	directory("s/open/sub", 0, 0755);
	file("s/open/file", 0);
	expect(LIST, "s/open", 0, 0, 0);
	expect(STAT, "s/open", 0, 0, 0);
	expect(LIST, "s/open/sub", EACCES, EACCES, 0);
	expect(STAT, "s/open/sub", EACCES, EACCES, 0);
	assert_blamed("s/open/sub", "s/open", 0777, 0);
	expect(STAT, "s/open/file", EACCES, EACCES, 0);
	directory("s/theirs", MALLORY, 0755);
	directory("s/theirs/sub", 0, 0755);
	expect(LIST, "s/theirs", 0, 0, 0);
	expect(LIST, "s/theirs/sub", EACCES, EACCES, 0);
	expect(LIST, "s/tmp", 0, 0, 0);
	expect(LIST, "s", 0, 0, 0);
}

/* --- what changes ---------------------------------------------------------------------------- */

/* Until the answer is this one; how many milliseconds that took. */
static unsigned
wait_for(const char *below, int wanted)
{
	double start = seconds_now();
	int r;

	while ((r = ask_for(YES, OPEN, below)) != wanted) {
		if (seconds_now() - start > SLOW_SECONDS)
			fail_msg("%s: still %d, not %d", below, r, wanted);
		sleep_ms(20);
	}
	return (unsigned)((seconds_now() - start) * 1000);
}

static void
closes_and_opens(const char *below, const char *changed, const char *how)
{
	unsigned refused, served;
	mode_t mode = 0755;
	uid_t owner = 0;
	char new[128];

	snprintf(new, sizeof(new), "%s-new", below);
	(void)wait_for(below, 0);
	if (strcmp(how, "chown") == 0) {
		owner = MALLORY;
		assert_return_code(chown(full(changed), MALLORY, 0), errno);
	} else if (strcmp(how, "acl") == 0) {
		mode = 0775;
		set_acl(changed, MALLORY, 7);
	} else {
		mode = 0775;
		assert_return_code(chmod(full(changed), mode), errno);
	}
	refused = wait_for(below, EACCES);
	assert_blamed(below, changed, mode, owner);
	assert_int_equal(ask_for(NO, OPEN, below), 0);
	assert_int_equal(ask_for(YES, CREATE, new), EACCES);
	(void)removexattr(full(changed), "system.posix_acl_access");
	assert_return_code(chown(full(changed), 0, 0), errno);
	assert_return_code(chmod(full(changed), 0755), errno);
	served = wait_for(below, 0);
	print_message("# %s of %s: refused after %u ms, served again after %u ms\n", how, changed,
		      refused, served);
}

static void
test_above(void **state)
{
	(void)state;
	directory("p", 0, 0755);
	directory("p/q", 0, 0755);
	directory("p/q/sub", 0, 0755);
	file("p/q/sub/file", 0);
	closes_and_opens("p/q/sub/file", "p", "chmod");
	closes_and_opens("p/q/sub/file", "p", "chown");
	closes_and_opens("p/q/sub/file", "p", "acl");
	closes_and_opens("p/q/sub/file", "p/q", "chmod");
	closes_and_opens("p/q/sub/file", "p/q/sub", "chmod");
}

/* The root of a file system: it is not the directory above that is told. */
static void
test_mounted_above(void **state)
{
	(void)state;
	directory("fs", 0, 0755);
	assert_return_code(mount("tests", full("fs"), "tmpfs", 0, "mode=755"), errno);
	directory("fs/in", 0, 0755);
	file("fs/in/file", 0);
	closes_and_opens("fs/in/file", "fs", "chmod");
	closes_and_opens("fs/in/file", "fs", "acl");
	assert_return_code(umount2(full("fs"), MNT_DETACH), errno);
}

/* --- what is remembered ---------------------------------------------------------------------- */

/* Is there a memory at all? Root may change a path within a second, and nobody sees it. */
static bool
is_remembered(void)
{
	bool seen;

	(void)wait_for("s/kept/file", 0);
	assert_return_code(chmod(full("s/kept"), 0777), errno);
	seen = ask_for(YES, OPEN, "s/kept/file") == 0;
	(void)wait_for("s/kept/file", EACCES);
	assert_return_code(chmod(full("s/kept"), 0755), errno);
	return seen;
}

/* Its owner removes it, Mallory makes it anew, with another of its files. How long after it was served it was refused, in ms. */
static double
is_replaced(unsigned i)
{
	char away[32];
	double served;
	int r;

	directory("s/tmp/d", VICTIM, 0755);
	file("s/tmp/d/file", VICTIM);
	directory(FROM "/d", MALLORY, 0755);
	file(FROM "/d/file", VICTIM);
	served = seconds_now();
	assert_int_equal(ask_for(YES, OPEN, "s/tmp/d/file"), 0);
	snprintf(away, sizeof(away), "s/tmp/was-%u", i);
	assert_int_equal(by(VICTIM, do_rename, "s/tmp/d", away), 0);
	assert_int_equal(by(MALLORY, do_rename, FROM "/d", "s/tmp/d"), 0);
	r = ask_for(YES, OPEN, "s/tmp/d/file");
	served = (seconds_now() - served) * 1000;
	assert_int_equal(r, EACCES);
	assert_int_equal(ask_for(NO, OPEN, "s/tmp/d/file"), 0);
	snprintf(away, sizeof(away), "s/tmp/is-%u", i);
	assert_int_equal(by(MALLORY, do_rename, "s/tmp/d", away), 0);
	return served;
}

static void
test_memory(void **state)
{
	unsigned i = 0;
	double ms;

	(void)state;
	directory("s/kept", 0, 0755);
	file("s/kept/file", 0);
	/* On a slow machine the second may be over. */
	while (!is_remembered())
		assert_true(++i < TRIES);
	i = 0;
	while ((ms = is_replaced(i)) > REMEMBERED_MS)
		assert_true(++i < TRIES);
	print_message("# refused %.0f ms after what was there before was served\n", ms);
}

/*
 * Whoever asks all the time does not keep alive what was found once: a directory beneath the tree, of
 * which nobody tells the worker.
 */
static void
test_memory_is_not_renewed(void **state)
{
	double changed, last = 0;
	unsigned served = 0;

	(void)state;
	directory("s/renewed", 0, 0755);
	file("s/renewed/file", 0);
	(void)wait_for("s/renewed/file", 0);
	assert_return_code(chmod(full("s/renewed"), 0777), errno);
	changed = seconds_now();
	while (ask_for(YES, OPEN, "s/renewed/file") == 0) {
		served++;
		last = seconds_now() - changed;
		if (last > SLOW_SECONDS)
			fail_msg("still served, %u times", served);
	}
	print_message("# refused after %u times, %.0f ms\n", served, last * 1000);
}

/* --- what changes while it is looked at ------------------------------------------------------- */

struct counts {
	unsigned granted, refused, again, other;
};

static int
hammer(void *context)
{
	struct counts *counts = context;
	const char *path = full("s/tmp/lock/file");
	const double begun = seconds_now();

	for (unsigned i = 0; i < EXCHANGES && seconds_now() - begun < ENOUGH_SECONDS; i++) {
		int fd = broker_open(path, O_RDONLY | O_NONBLOCK);

		if (fd >= 0) {
			counts->granted++;
			close(fd);
		} else if (errno == EACCES) {
			counts->refused++;
		} else if (errno == EAGAIN) {
			counts->again++;
		} else if (errno != ENOENT) {
			counts->other++;
		}
	}
	return 0;
}

/*
 * A name in a sticky directory that is now Mallory's, with a secret in it, and now root's own, as that of
 * a lock is: what was opened in the one is not to be judged by the other.
 */
static void
test_lock_directory(void **state)
{
	struct counts *counts = mmap(NULL, 2 * sizeof(*counts), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const uid_t uids[] = {YES, NO};
	pid_t exchanger;

	(void)state;
	assert_ptr_not_equal(counts, MAP_FAILED);
	directory("s/tmp/lock", MALLORY, 0755);
	file("s/tmp/lock/file", 0);
	directory("s/tmp/root-lock", 0, 0755);
	fflush(NULL);
	exchanger = fork();
	assert_return_code(exchanger, errno);
	if (exchanger == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (renameat2(AT_FDCWD, full("s/tmp/lock"), AT_FDCWD, full("s/tmp/root-lock"),
				 RENAME_EXCHANGE) == 0)
			;
		_exit(1);
	}
	for (size_t i = 0; i < ELEMENTS(uids); i++) {
		const struct ids ids = {.uid = uids[i], .gid = uids[i]};

		assert_int_equal(act_as(&ids, hammer, &counts[i]), 0);
		print_message("# %u: %u granted, %u refused, %u to be asked again\n", uids[i],
			      counts[i].granted, counts[i].refused, counts[i].again);
	}
	kill(exchanger, SIGKILL);
	assert_int_equal(waitpid(exchanger, NULL, 0), exchanger);
	assert_true(counts[0].granted == 0 && counts[0].refused > 0 && counts[0].other == 0);
	/* The counter-check: who is not judged by it. */
	assert_true(counts[1].granted > 0 && counts[1].other == 0);
	munmap(counts, 2 * sizeof(*counts));
}

static int
setup(void **state)
{
	(void)state;
	if (needs_root())
		exit(0);
	make_own_tmpdir();
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), errno);
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	assert_return_code(setenv("FDBROKER_SOCKET", broker.socket, 1), errno);
	directory("s", 0, 0755);
	directory("s/tmp", 0, 01777);
	directory(FROM, MALLORY, 0755);
	directory("links", 0, 0755);
	directory("vault", 0, 0755);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_sticky_in_sticky),
		cmocka_unit_test(test_hard_link),
		cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_acl),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_led),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_create_in_what_was_moved),
		cmocka_unit_test(test_stat_and_list),
		cmocka_unit_test(test_above),
		cmocka_unit_test(test_mounted_above),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_is_not_renewed),
		cmocka_unit_test(test_lock_directory),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/strict", tests, setup, harness_teardown);
}
