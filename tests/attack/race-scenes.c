/* SPDX-License-Identifier: MIT */
/*
 * What is exchanged. All of it is done by an unprivileged user, who owns the directories in which it
 * happens: none of these needs root.
 */
#include "tests/attack/race.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define VAULT     "../vault"
#define EMPTY     VAULT "/empty" /* nothing may appear in these two */
#define BARE      VAULT "/bare"
#define PLANTED   "/vault/empty/new"
#define LOOSE     "strictmodes=no" /* what the attacker's directories hold is not the matter */
#define SECRET    "secret"
#define TEXT_SIZE 16

const struct race races[RACES] = {
	{
		.name = "inner directory, absolute link",
		.verbs = "read",
		.options = LOOSE,
		.paths = {"tree/inner/file"},
		.given = "tree/inner/file",
		.errors = {ELOOP, EXDEV}, /* moved out of the tree on the way */
		.pairs = {{"tree/inner", "out/link", VAULT "/file"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/inner"},
			   {RACE_FILE, "tree/inner/file"},
			   {RACE_DIRECTORY, "out"},
			   {RACE_LINK, "out/link", "@/vault"}},
	},
	{
		.name = "inner directory, relative link",
		.verbs = "read",
		.options = LOOSE,
		.paths = {"tree/a/inner/file"},
		.given = "tree/a/inner/file",
		.errors = {ELOOP},
		.pairs = {{"tree/a/inner", "tree/a/link", VAULT "/file"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/a"},
			   {RACE_DIRECTORY, "tree/a/inner"},
			   {RACE_FILE, "tree/a/inner/file"},
			   {RACE_LINK, "tree/a/link", "../../../vault"}},
	},
	{
		.name = "file, link to a secret",
		.verbs = "read",
		.options = LOOSE,
		.paths = {"tree/file"},
		.given = "tree/file",
		.errors = {ELOOP},
		.pairs = {{"tree/file", "tree/link", VAULT "/file"},
			  {"tree/file", "tree/up", VAULT "/other"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_FILE, "tree/file"},
			   {RACE_LINK, "tree/link", "@/vault/file"},
			   {RACE_LINK, "tree/up", "../../vault/other"}},
	},
	{
		.name = "where the rule begins, link",
		.verbs = "read",
		.options = LOOSE,
		.paths = {"tree/file"},
		.given = "tree/file",
		.errors = {ENOENT},
		.renews = true,
		.pairs = {{"tree", "link", VAULT "/file"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_FILE, "tree/file"},
			   {RACE_LINK, "link", "@/vault"}},
	},
	{
		.name = "where the rule begins, directory with a secret",
		.verbs = "read",
		.options = "owner=user:61300 " LOOSE,
		.paths = {"tree/file"},
		.given = "tree/file",
		.errors = {EACCES},
		.renews = true,
		.pairs = {{"tree", "other", "other/file"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_FILE, "tree/file"},
			   {RACE_PRIVATE, "other"},
			   {RACE_SECRET, "other/file"}},
	},
	{
		/*
		 * Who is in `inner` when `way` is moved is no longer in the tree, and goes up to
		 * somewhere else.
		 */
		.name = "directory on the way, moved out of the tree",
		.verbs = "read",
		.options = LOOSE,
		.paths = {"tree/way/inner/file", "tree/way/inner/../../file"},
		.held = "tree/way/inner",
		.given = "tree/way/inner/file",
		.errors = {ENOENT, EXDEV, EINVAL},
		.pairs = {{"tree/way", "out/way", "out/file"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/way"},
			   {RACE_DIRECTORY, "tree/way/inner"},
			   {RACE_FILE, "tree/way/inner/file"},
			   {RACE_FILE, "tree/file"},
			   {RACE_DIRECTORY, "out"},
			   {RACE_DIRECTORY, "out/way"},
			   {RACE_SECRET, "out/file"}},
	},
	{
		.name = "denied directory and hard link, allowed name",
		.verbs = "read",
		.options = "",
		.deny = "tree/private/**",
		.paths = {"tree/open/file"},
		.given = "tree/open/file",
		.errors = {EACCES},
		.pairs = {{"tree/open", "tree/private", "tree/private/file"},
			  {"tree/open/file", "tree/open/hard", VAULT "/file"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/open"},
			   {RACE_FILE, "tree/open/file"},
			   {RACE_HARD, "tree/open/hard", VAULT "/file"},
			   {RACE_PRIVATE, "tree/private"},
			   {RACE_SECRET, "tree/private/file"}},
	},
	{
		.name = "file, FIFO, device and directory",
		.verbs = "read",
		.options = LOOSE,
		.paths = {"tree/file"},
		.given = "tree/file",
		.errors = {EACCES, EISDIR},
		.pairs = {{"tree/file", "tree/fifo", "tree/fifo"},
			  {"tree/file", "tree/device", "tree/device"},
			  {"tree/file", "tree/directory", "tree/directory"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_FILE, "tree/file"},
			   {RACE_FIFO, "tree/fifo"},
			   {RACE_DEVICE, "tree/device"},
			   {RACE_DIRECTORY, "tree/directory"}},
	},
	{
		.name = "file, set-user-ID file, to write and truncate",
		.verbs = "read,write",
		.options = LOOSE,
		.flags = O_WRONLY | O_TRUNC,
		.paths = {"tree/file"},
		.given = "tree/file",
		.errors = {EACCES},
		.pairs = {{"tree/file", "tree/set-uid", "tree/set-uid"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_FILE, "tree/file"},
			   {RACE_SET_UID, "tree/set-uid"}},
	},
	{
		.name = "create once, directory and link",
		.operation = RACE_CREATE,
		.verbs = "write,create",
		.options = LOOSE,
		.flags = O_WRONLY | O_CREAT | O_EXCL,
		.paths = {"tree/inner/new"},
		.made = "tree/inner/new",
		.errors = {ELOOP, EEXIST, EXDEV},
		.pairs = {{"tree/inner", "out/link", EMPTY}, {"tree/inner", "tree/up", BARE}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/inner"},
			   {RACE_DIRECTORY, "out"},
			   {RACE_LINK, "out/link", "@/vault/empty"},
			   {RACE_LINK, "tree/up", "../../vault/bare"}},
	},
	{
		/* There is one in `open`: only elsewhere could anything be created. */
		.name = "create, directory, denied directory and links",
		.operation = RACE_CREATE,
		.verbs = "read,write,create",
		.options = "",
		.deny = "tree/private/**",
		.flags = O_RDWR | O_CREAT,
		.paths = {"tree/open/new"},
		.given = "tree/open/new",
		.errors = {EACCES, ELOOP},
		.pairs = {{"tree/open", "tree/private", "tree/private"},
			  {"tree/open", "tree/link", BARE},
			  {"tree/open/new", "tree/open/planted", EMPTY}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/open"},
			   {RACE_FILE, "tree/open/new"},
			   {RACE_LINK, "tree/open/planted", "@" PLANTED},
			   {RACE_LINK, "tree/link", "@/vault/bare"},
			   {RACE_PRIVATE, "tree/private"}},
	},
	{
		.name = "create once, link made of the name",
		.operation = RACE_CREATE,
		.verbs = "write,create",
		.options = LOOSE,
		.flags = O_WRONLY | O_CREAT | O_EXCL,
		.paths = {"tree/new"},
		.made = "tree/new",
		.errors = {EEXIST},
		.pairs = {{"tree/new", NULL, EMPTY}},
		.things = {{RACE_DIRECTORY, "tree"}},
	},
	{
		.name = "create, link made of the name",
		.operation = RACE_CREATE,
		.verbs = "write,create",
		.options = LOOSE,
		.flags = O_WRONLY | O_CREAT,
		.paths = {"tree/new"},
		.made = "tree/new",
		.errors = {ELOOP},
		.pairs = {{"tree/new", NULL, EMPTY}},
		.things = {{RACE_DIRECTORY, "tree"}},
	},
	{
		.name = "stat, denied directory, link and hard link",
		.operation = RACE_STAT,
		.verbs = "stat",
		.options = "",
		.deny = "tree/private/**",
		.paths = {"tree/open/file"},
		.given = "tree/open/file",
		.errors = {EACCES, ELOOP, EXDEV},
		.pairs = {{"tree/open", "tree/private", "tree/private/file"},
			  {"tree/open", "out/link", VAULT "/file"},
			  {"tree/open/file", "tree/open/hard", VAULT "/other"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/open"},
			   {RACE_FILE, "tree/open/file"},
			   {RACE_HARD, "tree/open/hard", VAULT "/other"},
			   {RACE_PRIVATE, "tree/private"},
			   {RACE_SECRET, "tree/private/file"},
			   {RACE_DIRECTORY, "out"},
			   {RACE_LINK, "out/link", "@/vault"}},
	},
	{
		.name = "list, denied directory and link",
		.operation = RACE_LIST,
		.verbs = "list",
		.options = "",
		.deny = "tree/private/**",
		.paths = {"tree/open"},
		.given = "tree/open/file",
		.errors = {EACCES, ELOOP, EXDEV},
		.pairs = {{"tree/open", "tree/private", "tree/private"},
			  {"tree/open", "out/link", VAULT}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_DIRECTORY, "tree/open"},
			   {RACE_FILE, "tree/open/file"},
			   {RACE_PRIVATE, "tree/private"},
			   {RACE_SECRET, "tree/private/secret"},
			   {RACE_DIRECTORY, "out"},
			   {RACE_LINK, "out/link", "@/vault"}},
	},
	{
		.name = "links that are followed, to a file and to a secret",
		.verbs = "read",
		.options = "symlinks=beneath " LOOSE,
		.paths = {"tree/way/file"},
		.given = "tree/given",
		.errors = {EACCES},
		.pairs = {{"tree/way", "tree/out", VAULT "/file"},
			  {"tree/inner/file", "tree/inner/up", VAULT "/other"}},
		.things = {{RACE_DIRECTORY, "tree"},
			   {RACE_FILE, "tree/given"},
			   {RACE_DIRECTORY, "tree/inner"},
			   {RACE_LINK, "tree/way", "inner"},
			   {RACE_LINK, "tree/out", "@/vault"},
			   {RACE_LINK, "tree/inner/file", "../given"},
			   {RACE_LINK, "tree/inner/up", "@/vault/other"}},
	},
};

static unsigned
number_of(const struct race *race)
{
	return (unsigned)(race - races);
}

char *
races_rules(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	for (unsigned i = 0; i < RACES; i++) {
		const struct race *race = &races[i];

		fprintf(file, "allow group:%u %s @/race%u/tree/** %s\n", CLIENT + i, race->verbs, i,
			race->options);
		if (race->deny)
			fprintf(file, "deny any any @/race%u/%s\n", i, race->deny);
	}
	assert_int_equal(fclose(file), 0);
	return text;
}

void
race_path(const struct race_run *run, const char *name, char ret_path[PATH_MAX])
{
	assert_in_range(snprintf(ret_path, PATH_MAX, "%s/%s", run->directory, name), 1,
			PATH_MAX - 1);
}

static struct race_object
object_of(const struct race_run *run, const char *name)
{
	char path[PATH_MAX];
	struct stat status;

	race_path(run, name, path);
	assert_return_code(lstat(path, &status), errno);
	return (struct race_object){status.st_dev, status.st_ino};
}

bool
race_is_object(const struct race_object *object, const struct stat *status)
{
	return status->st_dev == object->device && status->st_ino == object->inode;
}

static void
make_link(const char *to, const char *path)
{
	char target[PATH_MAX];

	if (to[0] == '@')
		snprintf(target, sizeof(target), "%s%s", broker.directory, to + 1);
	assert_return_code(symlink(to[0] == '@' ? target : to, path), errno);
}

static void
make_thing(const struct race_run *run, const struct race_thing *thing)
{
	char path[PATH_MAX], to[PATH_MAX];
	bool is_roots = thing->kind >= RACE_PRIVATE;

	race_path(run, thing->name, path);
	switch (thing->kind) {
	case RACE_DIRECTORY:
	case RACE_PRIVATE:
		assert_return_code(mkdir(path, is_roots ? 0700 : 0755), errno);
		break;
	case RACE_FILE:
	case RACE_SECRET:
	case RACE_SET_UID:
		write_file(path, is_roots ? SECRET : "given");
		break;
	case RACE_LINK:
		make_link(thing->to, path);
		break;
	case RACE_FIFO:
		assert_return_code(mkfifo(path, 0666), errno);
		break;
	case RACE_DEVICE:
		assert_return_code(mknod(path, S_IFCHR | 0666, makedev(1, 5)), errno);
		break;
	case RACE_HARD:
		race_path(run, thing->to, to);
		assert_return_code(link(to, path), errno);
		break;
	case RACE_NOTHING:
		return;
	}
	if (!is_roots)
		assert_return_code(lchown(path, ATTACKER, ATTACKER), errno);
	if (thing->kind == RACE_SET_UID)
		assert_return_code(chmod(path, 04755), errno);
}

/* Where no rule is. */
static void
make_vault(const struct race_run *run)
{
	const struct race_thing vault[] = {
		{RACE_PRIVATE, VAULT}, {RACE_SECRET, VAULT "/file"}, {RACE_SECRET, VAULT "/other"},
		{RACE_PRIVATE, EMPTY}, {RACE_PRIVATE, BARE},
	};
	char path[PATH_MAX];

	race_path(run, VAULT, path);
	if (access(path, F_OK) == 0)
		return;
	for (size_t i = 0; i < ELEMENTS(vault); i++)
		make_thing(run, &vault[i]);
}

void
race_make(struct race_run *ret_run, const struct race *race)
{
	*ret_run = (struct race_run){.race = race};
	snprintf(ret_run->directory, sizeof(ret_run->directory), "%s/race%u", broker.directory,
		 number_of(race));
	assert_return_code(mkdir(ret_run->directory, 0755), errno);
	assert_return_code(chown(ret_run->directory, ATTACKER, ATTACKER), errno);
	snprintf(ret_run->planted, sizeof(ret_run->planted), "%s%s", broker.directory, PLANTED);
	make_vault(ret_run);
	for (size_t i = 0; i < RACE_THINGS; i++)
		make_thing(ret_run, &race->things[i]);
	if (race->given)
		ret_run->given = object_of(ret_run, race->given);
	for (size_t i = 0; i < RACE_PAIRS && race->pairs[i].a; i++)
		ret_run->secrets[ret_run->n_pairs++] = object_of(ret_run, race->pairs[i].secret);
}

static bool
is_empty(const char *path)
{
	DIR *directory = opendir(path);
	int names = 0;

	if (!directory)
		return false;
	while (readdir(directory))
		names++;
	closedir(directory);
	return names == 2; /* "." and ".." */
}

/* With its first content and mode: a device, FIFO or directory has none that could be lost. */
static bool
is_intact(const struct race_run *run, const char *name, const struct race_object *object)
{
	char path[PATH_MAX], text[TEXT_SIZE] = "";
	bool is_set_uid = run->race->flags & O_TRUNC;
	struct stat status;
	ssize_t n = -1;
	int fd;

	race_path(run, name, path);
	if (lstat(path, &status) < 0 || !race_is_object(object, &status))
		return false;
	if (run->race->operation == RACE_CREATE)
		return is_empty(path);
	if (!S_ISREG(status.st_mode))
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return n == (ssize_t)strlen(SECRET) && strcmp(text, SECRET) == 0 &&
	       (status.st_mode & 07777) == (is_set_uid ? 04755 : 0600);
}

bool
race_is_intact(const struct race_run *run)
{
	for (size_t i = 0; i < run->n_pairs; i++)
		if (!is_intact(run, run->race->pairs[i].secret, &run->secrets[i]))
			return false;
	return true;
}

/* There, or back. */
static int
exchange_once(const struct race_run *run, const struct race_pair *pair, bool is_back)
{
	int r;

	if (pair->b)
		r = renameat2(AT_FDCWD, pair->a, AT_FDCWD, pair->b, RENAME_EXCHANGE);
	else
		r = is_back ? unlink(pair->a) : symlink(run->planted, pair->a);
	/* Others create and remove it, too. */
	if (r < 0 && (pair->b || (errno != EEXIST && errno != ENOENT)))
		return -errno;
	/* Where a link leads the attacker to now, it may remove nothing. */
	if (run->race->made && pair->b)
		unlink(run->race->made);
	return 0;
}

static int
exchange(void *context)
{
	struct race_run *run = context;

	if (chdir(run->directory) < 0)
		return 1;
	while (!atomic_load_explicit(&run->stop, memory_order_relaxed))
		for (size_t i = 0; i < run->n_pairs; i++)
			for (int n = 0; n < 2; n++) {
				const struct race_pair *pair = &run->race->pairs[i];
				int r = exchange_once(run, pair, n == 1);

				if (r < 0) {
					snprintf(run->complaint, sizeof(run->complaint),
						 "%s and %s: %s", pair->a,
						 pair->b ? pair->b : run->planted, strerror(-r));
					return 1;
				}
				atomic_fetch_add_explicit(&run->exchanges, 1, memory_order_relaxed);
			}
	return 0;
}

pid_t
race_begin(struct race_run *run)
{
	const struct ids attacker = {.uid = ATTACKER, .gid = ATTACKER};
	unsigned long before = atomic_load(&run->exchanges);
	double end = seconds_now() + SECONDS_MOST;
	pid_t pid;

	atomic_store(&run->stop, false);
	pid = act_begin(&attacker, exchange, run);
	while (atomic_load(&run->exchanges) == before && !run->complaint[0] && seconds_now() < end)
		sleep_ms(1);
	return pid;
}

bool
race_end(struct race_run *run, pid_t attacker)
{
	atomic_store(&run->stop, true);
	return act_end(attacker) == 0;
}
