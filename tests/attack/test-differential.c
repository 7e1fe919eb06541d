/* SPDX-License-Identifier: MIT */
/*
 * The broker against open(2) itself: random (file, flags, mode), opened through the broker under a
 * rule that allows all, and directly, by the owner of the file. What comes of both is the same, but
 * for the exceptions in a table; each of them occurs.
 *
 * FDBROKER_SEED repeats a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <sched.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/people.h"

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
	A = 61071,
	OTHERS = 61072, /* a group that A is not in */
	SHOWN = 3,      /* differences of each object */
	WAIT_MS = 1,    /* for a FIFO, until that is called waiting */
};

/*
 * --- what there is to be opened -----------------------------------------------------------------
 */

enum side { DIRECT, BROKER, SIDES };

enum trait {
	READER = 1,         /* a FIFO that somebody has open for reading */
	WRITER = 1 << 1,    /* and for writing */
	CAPABLE = 1 << 2,   /* file capabilities */
	IMMUTABLE = 1 << 3, /* inode attributes */
	APPEND_ONLY = 1 << 4,
	RUNNING = 1 << 5,
	NOT_CANONICAL = 1 << 6, /* the path */
	TOO_LONG = 1 << 7,
	TOO_DEEP = 1 << 8,
	LONGEST = 1 << 9,
	OUTSIDE = 1 << 10, /* not what the rule is for */
	MOUNT = 1 << 11,   /* a file system of its own, read-only in the end */
	BIND = 1 << 12,    /* of `sub`, read-only */
	FINAL = 1 << 13,   /* the last component is a link */
	SLASHED = 1 << 16, /* that ends with "/" */
	BEHIND = 1 << 14,  /* with ".." behind a name */
	HOPS = 1 << 15,    /* more links than are followed */
};

/*
 * In names: `#` a component as long as can be; `%` in front: as many bytes in all as size says; `^`:
 * as many components; `=`: the path as it stands; `<` a path without the first `/`; `>` beneath
 * what the rule is not for. In targets: `%` the directory of both trees, `$` the tree.
 */
static const struct object {
	const char *name;
	mode_t mode; /* with the type; 0: nothing is made */
	off_t size;  /* of a device: its number */
	unsigned traits;
	const char *target;
} objects[] = {
	{"", S_IFDIR | 0755},
	{"sub", S_IFDIR | 0755},
	{".dir", S_IFDIR | 0700},
	{"closed", S_IFDIR | 0000},
	{"unwritable", S_IFDIR | 0555},
	{"set-gid-dir", S_IFDIR | 02755},
	{"sticky-dir", S_IFDIR | 01777},
	{">", S_IFDIR | 0755, .traits = OUTSIDE},
	{">sub", S_IFDIR | 0755, .traits = OUTSIDE},
	{"mount", S_IFDIR | 0755, .traits = MOUNT},
	{"bind", S_IFDIR | 0755, .traits = BIND},

	{"plain", S_IFREG | 0644, 1000},
	{"private", S_IFREG | 0600, 3},
	{"empty", S_IFREG | 0644, 0},
	{"one", S_IFREG | 0644, 1},
	{"page", S_IFREG | 0644, 4096},
	{"many", S_IFREG | 0644, 100000},
	{"sparse", S_IFREG | 0644, 5LL << 30},
	{"read-only", S_IFREG | 0400, 10},
	{"write-only", S_IFREG | 0200, 10},
	{"no-bits", S_IFREG | 0000, 10},
	{"program", S_IFREG | 0755, 10},
	{"set-uid", S_IFREG | 04755, 10},
	{"set-gid", S_IFREG | 02755, 10},
	{"set-gid-alone", S_IFREG | 02644, 10},
	{"sticky", S_IFREG | 01644, 10},
	{"capable", S_IFREG | 0755, 10, CAPABLE},
	{"immutable", S_IFREG | 0644, 10, IMMUTABLE},
	{"append-only", S_IFREG | 0644, 10, APPEND_ONLY},
	{"running", S_IFREG | 0755, 0, RUNNING},
	{".hidden", S_IFREG | 0644, 10},
	{"odd \n\033\377;uid=0;", S_IFREG | 0644, 10},
	{"#", S_IFREG | 0644, 10},
	{".dir/inner", S_IFREG | 0644, 10},
	{"sub/inner", S_IFREG | 0644, 10},
	{"closed/inner", S_IFREG | 0644, 10},
	{"unwritable/inner", S_IFREG | 0644, 10},
	{"sticky-dir/inner", S_IFREG | 0644, 10},
	{"mount/inner", S_IFREG | 0644, 10},
	{"mount/no-bits", S_IFREG | 0000, 10},
	{"bind/inner"},
	{">file", S_IFREG | 0644, 10, OUTSIDE},
	{">sub/file", S_IFREG | 0644, 10, OUTSIDE},

	{"fifo", S_IFIFO | 0644},
	{"fifo-no-bits", S_IFIFO | 0000},
	{"fifo-reader", S_IFIFO | 0644, .traits = READER},
	{"fifo-writer", S_IFIFO | 0644, .traits = WRITER},
	{"fifo-both", S_IFIFO | 0644, .traits = READER | WRITER},
	{"mount/fifo", S_IFIFO | 0644},
	{"socket", S_IFSOCK | 0777},
	{"null", S_IFCHR | 0666, 3},
	{"zero", S_IFCHR | 0666, 5},
	{"full", S_IFCHR | 0600, 7},
	{"block", S_IFBLK | 0600},

	{"to-plain", S_IFLNK, .target = "plain", .traits = FINAL},
	{"to-plain-absolute", S_IFLNK, .target = "%/$/plain", .traits = FINAL},
	{"sub/up", S_IFLNK, .target = "../plain", .traits = FINAL},
	{"to-here", S_IFLNK, .target = "./plain", .traits = FINAL},
	{"to-up-behind", S_IFLNK, .target = "sub/../plain", .traits = FINAL | BEHIND},
	{"to-file-as-directory", S_IFLNK, .target = "plain/", .traits = FINAL | SLASHED},
	{"to-directory-slash", S_IFLNK, .target = "sub/", .traits = FINAL | SLASHED},
	{"to-root", S_IFLNK, .target = "%/$", .traits = FINAL},
	{"to-root/plain"},
	{"hop-1", S_IFLNK, .target = "plain", .traits = FINAL},
	{"hop-2", S_IFLNK, .target = "hop-1", .traits = FINAL},
	{"hop-3", S_IFLNK, .target = "hop-2", .traits = FINAL},
	{"hop-4", S_IFLNK, .target = "hop-3", .traits = FINAL},
	{"hop-5", S_IFLNK, .target = "hop-4", .traits = FINAL},
	{"hop-6", S_IFLNK, .target = "hop-5", .traits = FINAL},
	{"hop-7", S_IFLNK, .target = "hop-6", .traits = FINAL},
	{"hop-8", S_IFLNK, .target = "hop-7", .traits = FINAL},
	{"hop-9", S_IFLNK, .target = "hop-8", .traits = FINAL | HOPS},
	{"to-link", S_IFLNK, .target = "to-plain", .traits = FINAL},
	{"to-directory", S_IFLNK, .target = "sub", .traits = FINAL},
	{"to-set-uid", S_IFLNK, .target = "set-uid", .traits = FINAL},
	{"to-fifo", S_IFLNK, .target = "fifo", .traits = FINAL},
	{"to-closed", S_IFLNK, .target = "closed/inner", .traits = FINAL},
	{"dangling", S_IFLNK, .target = "made", .traits = FINAL},
	{"dangling-deep", S_IFLNK, .target = "none/made", .traits = FINAL},
	{"loop", S_IFLNK, .target = "loop", .traits = FINAL},
	{"loop-long", S_IFLNK, .target = "sub/loop-back", .traits = FINAL},
	{"sub/loop-back", S_IFLNK, .target = "../loop-long", .traits = FINAL},
	{"out", S_IFLNK, .target = "%/out-$/file", .traits = OUTSIDE | FINAL},
	{"out-relative", S_IFLNK, .target = "../out-$/file", .traits = OUTSIDE | FINAL},
	{"out-none", S_IFLNK, .target = "../out-$/none", .traits = OUTSIDE | FINAL},
	{"out-sub", S_IFLNK, .target = "%/out-$/sub", .traits = OUTSIDE | FINAL},
	{"out-sub/file", .traits = OUTSIDE},
	{"out-sub/none", .traits = OUTSIDE},
	{"to-directory/inner"},
	{"to-directory/new"},
	{"to-directory/up", .traits = FINAL},
	{"to-plain/x"},
	{"dangling/x"},
	{"loop/x"},

	{"new"},
	{".new"},
	{"newer"},
	{"sub/new"},
	{"closed/new"},
	{"unwritable/new"},
	{"set-gid-dir/new"},
	{"sticky-dir/new"},
	{"mount/new"},
	{"bind/new"},
	{"sub/#"},
	{"none/new"},
	{"plain/x"},
	{"fifo/x"},
	{"null/x"},
	{"#x", .traits = TOO_LONG},
	{"sub/#x/x", .traits = TOO_LONG},
	{"%", .size = 4095},
	{"%", .size = 4096, .traits = LONGEST},
	{"%", .size = 4097, .traits = TOO_LONG},
	{"^", .size = 64},
	{"^", .size = 65, .traits = TOO_DEEP},
	{"sub//inner", .traits = NOT_CANONICAL},
	{"sub/./inner", .traits = NOT_CANONICAL},
	{"sub/../plain", .traits = NOT_CANONICAL},
	{"sub/", .traits = NOT_CANONICAL},
	{"plain/", .traits = NOT_CANONICAL},
	{"<sub/inner", .traits = NOT_CANONICAL},
	{"=", .traits = NOT_CANONICAL},
	{"=/", .traits = OUTSIDE},
};

/* What one triple came to; and of the object as its name leads to it: what it is after that. */
#define FACTS(X)                                                                                   \
	X(ERROR, "errno")                                                                          \
	X(TYPE, "type")                                                                            \
	X(RIGHT, "the right object")                                                               \
	X(FLAGS, "F_GETFL")                                                                        \
	X(FD_FLAGS, "F_GETFD")                                                                     \
	X(OFFSET, "offset")                                                                        \
	X(SIZE, "size")                                                                            \
	X(READ, "bytes read")                                                                      \
	X(CONTENT, "content")                                                                      \
	X(MODE, "mode")                                                                            \
	X(UID, "uid")                                                                              \
	X(GID, "gid")                                                                              \
	X(AFTER_ERROR, "errno of stat afterwards")                                                 \
	X(AFTER_MODE, "mode afterwards")                                                           \
	X(AFTER_SIZE, "size afterwards")                                                           \
	X(AFTER_UID, "uid afterwards")                                                             \
	X(AFTER_GID, "gid afterwards")

enum fact {
#define X(name, text) name,
	FACTS(X)
#undef X
		OF_FACTS,
};
static const char *const fact_names[] = {
#define X(name, text) text,
	FACTS(X)
#undef X
};

struct outcome {
	int64_t facts[OF_FACTS];
	dev_t device; /* of what was opened */
	ino_t inode;
};

struct triple {
	const struct object *object;
	uint32_t flags;
	mode_t mode;
};

static char place[64]; /* of both trees */
static struct place {
	char *path[SIDES];
	struct outcome before[SIDES]; /* facts about afterwards, and nothing else */
	unsigned shown;               /* differences */
	bool left_out;
} places[ELEMENTS(objects)];
static const char *const trees[SIDES] = {"a", "b"};

static struct place *
place_of(const struct object *object)
{
	return &places[object - objects];
}

static const struct object *
object_named(const char *name)
{
	for (size_t i = 0; i < ELEMENTS(objects); i++)
		if (strcmp(objects[i].name, name) == 0)
			return &objects[i];
	fail_msg("no object is named %s", name);
	return NULL;
}

static void
write_bytes(FILE *path, char byte, size_t n)
{
	while (n-- > 0)
		fputc(byte, path);
}

/* As long, or as deep, as the object's size says; `before` is what is there. */
static void
write_rest(FILE *path, const struct object *object, const char *before)
{
	size_t length = strlen(before), components = (size_t)object->size;

	if (strchr(object->name, '%')) {
		for (off_t i = 0; (off_t)length + i < object->size; i++) {
			bool slash = i % 200 == 199 && (off_t)length + i + 1 < object->size;

			fputc(slash ? '/' : 'n', path);
		}
		return;
	}
	for (const char *c = before; *c; c++)
		components -= *c == '/';
	fputc('n', path);
	for (; components > 0; components--)
		fputs("/n", path);
}

static char *
make_path(const struct object *object, enum side side)
{
	const char *name = object->name;
	bool outside = *name == '>', relative = *name == '<';
	char *text = NULL;
	size_t size = 0;
	FILE *path = open_memstream(&text, &size);

	assert_non_null(path);
	if (*name == '=') {
		fputs(name + 1, path);
		name = "";
	} else {
		fprintf(path, "%s/%s%s", place + relative, outside ? "out-" : "", trees[side]);
		name += outside || relative;
		if (*name)
			fputc('/', path);
	}
	for (; *name && *name != '%' && *name != '^'; name++)
		write_bytes(path, *name == '#' ? 'n' : *name, *name == '#' ? NAME_MAX : 1);
	fflush(path);
	if (*name)
		write_rest(path, object, text);
	assert_int_equal(fclose(path), 0);
	return text;
}

/* Where a link leads to. */
static char *
make_target(const struct object *object, enum side side)
{
	char *text = NULL;
	size_t size = 0;
	FILE *target = open_memstream(&text, &size);

	assert_non_null(target);
	for (const char *c = object->target; *c; c++) {
		if (*c == '%')
			fputs(place, target);
		else if (*c == '$')
			fputs(trees[side], target);
		else
			fputc(*c, target);
	}
	assert_int_equal(fclose(target), 0);
	return text;
}

/*
 * --- both trees ---------------------------------------------------------------------------------
 */

static struct helpers {
	pid_t running[SIDES];
	int ends[SIDES * ELEMENTS(objects)]; /* of FIFOs */
	size_t n_ends;
	int block; /* the device is there as long as this is open */
	dev_t block_device;
} helpers = {.block = -1};

/* A block device that nobody else has: where there is no loop device, one that nobody has at all. */
static void
make_block_device(void)
{
	struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), backing, r = -1;
	char path[96];

	if (control < 0) {
		puts("# no loop device: the block device is one that is not there");
		return;
	}
	snprintf(path, sizeof(path), "%s/backing", place);
	backing = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(backing, errno);
	assert_return_code(ftruncate(backing, 1 << 20), errno);
	config.fd = (unsigned)backing;
	snprintf(path, sizeof(path), "%s/loop", place);
	/* Others may take the one that is free. */
	for (int tries = 0; r < 0 && tries < 100; tries++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		assert_return_code(number, errno);
		helpers.block_device = makedev(LOOP_MAJOR, (unsigned)number);
		assert_return_code(mknod(path, S_IFBLK | 0600, helpers.block_device), errno);
		helpers.block = open(path, O_RDWR | O_CLOEXEC);
		assert_return_code(unlink(path), errno);
		if (helpers.block < 0)
			continue;
		r = ioctl(helpers.block, LOOP_CONFIGURE, &config);
		if (r < 0) {
			assert_int_equal(errno, EBUSY);
			close(helpers.block);
			helpers.block = -1;
		}
	}
	assert_return_code(r, errno);
	close(backing);
	close(control);
}

/* Content, size and mode of a regular file, as they were. */
static void
fill(const struct object *object, const char *path)
{
	static char bytes[100000];
	struct vfs_cap_data caps = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};
	size_t n = object->size > (off_t)sizeof(bytes) ? 1000 : (size_t)object->size;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	for (size_t i = 0; bytes[0] == 0 && i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 23);
	bytes[0] = 'a';
	assert_int_equal(write(fd, bytes, n), n);
	assert_return_code(ftruncate(fd, object->size), errno);
	assert_return_code(fchown(fd, A, A), errno);
	assert_return_code(fchmod(fd, object->mode & 07777), errno);
	caps.data[0].permitted = 1u << CAP_NET_BIND_SERVICE;
	if (object->traits & CAPABLE)
		assert_return_code(fsetxattr(fd, "security.capability", &caps, XATTR_CAPS_SZ_2, 0),
				   errno);
	close(fd);
}

/* This program once more, which waits; it runs when this returns. */
static void
start_running(const char *path, enum side side)
{
	char buffer[65536], byte;
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pair[2];
	int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t n;

	assert_true(from >= 0 && to >= 0);
	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(to, buffer, (size_t)n), n);
	assert_return_code(fchown(to, A, A), errno);
	assert_return_code(fchmod(to, 0755), errno);
	close(from);
	close(to);
	assert_return_code(pipe2(pair, O_CLOEXEC), errno);
	fflush(NULL);
	helpers.running[side] = fork();
	assert_return_code(helpers.running[side], errno);
	if (helpers.running[side] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, path, "wait", NULL);
		_exit(127);
	}
	close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
	assert_int_equal(waitpid(helpers.running[side], NULL, WNOHANG), 0);
}

static void
hold_ends(const struct object *object, const char *path)
{
	int reader, writer = -1;

	if (!(object->traits & (READER | WRITER)))
		return;
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_return_code(reader, errno);
	if (object->traits & WRITER) {
		writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		assert_return_code(writer, errno);
		helpers.ends[helpers.n_ends++] = writer;
	}
	if (object->traits & READER)
		helpers.ends[helpers.n_ends++] = reader;
	else
		close(reader);
}

static void
make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	close(fd);
}

static void
make_node(const struct object *object, const char *path, enum side side)
{
	dev_t device = makedev(1, (unsigned)object->size);
	char *target;

	switch (object->mode & S_IFMT) {
	case S_IFDIR:
		assert_return_code(mkdir(path, 0700), errno);
		if (object->traits & MOUNT)
			assert_return_code(mount("tests", path, "tmpfs", 0, "mode=755"), errno);
		break;
	case S_IFLNK:
		target = make_target(object, side);
		assert_return_code(symlink(target, path), errno);
		free(target);
		assert_return_code(lchown(path, A, A), errno);
		return;
	case S_IFSOCK:
		make_socket(path);
		break;
	default:
		if (S_ISBLK(object->mode))
			device = helpers.block_device;
		assert_return_code(mknod(path, object->mode, device), errno);
		break;
	}
	assert_return_code(chown(path, A, strcmp(object->name, "set-gid-dir") ? A : OTHERS), errno);
	assert_return_code(chmod(path, object->mode & 07777), errno);
	hold_ends(object, path);
}

/* False: the file system has no such attributes. */
static bool
set_attributes(const char *path, int set, int cleared)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), attributes = 0, r;

	assert_return_code(fd, errno);
	r = ioctl(fd, FS_IOC_GETFLAGS, &attributes);
	attributes = (attributes & ~cleared) | set;
	r = r < 0 ? r : ioctl(fd, FS_IOC_SETFLAGS, &attributes);
	assert_true(r == 0 || errno == ENOTTY || errno == EOPNOTSUPP);
	close(fd);
	return r == 0;
}

static void
make_object(const struct object *object, enum side side)
{
	const char *path = place_of(object)->path[side];

	if (!object->mode)
		return;
	if (!S_ISREG(object->mode)) {
		make_node(object, path, side);
		return;
	}
	if (object->traits & RUNNING) {
		start_running(path, side);
		return;
	}
	fill(object, path);
	if (object->traits & (IMMUTABLE | APPEND_ONLY) &&
	    !set_attributes(path, object->traits & IMMUTABLE ? FS_IMMUTABLE_FL : FS_APPEND_FL, 0)) {
		printf("# %s: left out, this file system has no attributes\n", object->name);
		place_of(object)->left_out = true;
	}
}

/* The mounts are read-only once there is something in them. */
static void
close_mounts(enum side side)
{
	const char *sub = place_of(object_named("sub"))->path[side];

	for (size_t i = 0; i < ELEMENTS(objects); i++) {
		const char *path = places[i].path[side];

		if (objects[i].traits & MOUNT)
			assert_return_code(
				mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, "mode=755"), errno);
		if (!(objects[i].traits & BIND))
			continue;
		assert_return_code(mount(sub, path, NULL, MS_BIND, NULL), errno);
		assert_return_code(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
				   errno);
	}
}

/* What an object is now, as its name leads to it. */
static void
look_after(const struct object *object, enum side side, struct outcome *ret)
{
	struct stat status = {};
	int r = stat(place_of(object)->path[side], &status);

	ret->facts[AFTER_ERROR] = r < 0 ? errno : 0;
	ret->facts[AFTER_MODE] = status.st_mode;
	ret->facts[AFTER_SIZE] = S_ISREG(status.st_mode) ? status.st_size : 0;
	ret->facts[AFTER_UID] = status.st_uid;
	ret->facts[AFTER_GID] = status.st_gid;
	ret->facts[RIGHT] =
		ret->inode != 0 && ret->device == status.st_dev && ret->inode == status.st_ino;
}

/* As it was before. */
static void
restore(const struct triple *t, enum side side, const struct outcome *after)
{
	const struct outcome *before = &place_of(t->object)->before[side];
	const char *path = place_of(t->object)->path[side];
	const struct object *object = t->object;
	struct outcome now = {};
	char *real;

	if (memcmp(&before->facts[AFTER_ERROR], &after->facts[AFTER_ERROR],
		   sizeof(int64_t) * (OF_FACTS - AFTER_ERROR)) == 0 &&
	    !(object->traits & CAPABLE && t->flags & O_TRUNC))
		return;
	real = realpath(path, NULL);
	assert_non_null(real);
	if (before->facts[AFTER_ERROR] == ENOENT) {
		assert_return_code(unlink(real), errno);
	} else {
		/* Where links lead to. */
		for (size_t i = 0; i < ELEMENTS(objects); i++)
			if (S_ISREG(objects[i].mode) && strcmp(places[i].path[side], real) == 0)
				object = &objects[i];
		fill(object, real);
	}
	free(real);
	look_after(t->object, side, &now);
	assert_memory_equal(now.facts, before->facts, sizeof(now.facts));
}

static void
make_trees(void)
{
	/* Whatever the options are of the file system of temporary files. */
	assert_return_code(mount(place, place, NULL, MS_BIND, NULL), errno);
	assert_return_code(mount(NULL, place, NULL, MS_REMOUNT | MS_BIND, NULL), errno);
	make_block_device();
	umask(0);
	for (int side = 0; side < SIDES; side++) {
		for (size_t i = 0; i < ELEMENTS(objects); i++) {
			places[i].path[side] = make_path(&objects[i], side);
			make_object(&objects[i], side);
		}
		close_mounts(side);
		for (size_t i = 0; i < ELEMENTS(objects); i++)
			look_after(&objects[i], side, &places[i].before[side]);
	}
	for (size_t i = 0; i < ELEMENTS(objects); i++)
		assert_memory_equal(places[i].before[DIRECT].facts, places[i].before[BROKER].facts,
				    sizeof(places[i].before[DIRECT].facts));
}

static void
remove_trees(void)
{
	for (size_t i = 0; i < helpers.n_ends; i++)
		close(helpers.ends[i]);
	helpers.n_ends = 0;
	if (helpers.block >= 0)
		close(helpers.block);
	helpers.block = -1;
	for (int side = 0; side < SIDES; side++) {
		if (helpers.running[side] > 0) {
			kill(helpers.running[side], SIGKILL);
			waitpid(helpers.running[side], NULL, 0);
		}
		helpers.running[side] = 0;
		for (size_t i = 0; i < ELEMENTS(objects); i++) {
			char *path = places[i].path[side];

			if (path && objects[i].traits & (MOUNT | BIND))
				umount2(path, MNT_DETACH);
			else if (path && objects[i].traits & (IMMUTABLE | APPEND_ONLY))
				(void)set_attributes(path, 0, FS_IMMUTABLE_FL | FS_APPEND_FL);
			free(path);
			places[i].path[side] = NULL;
		}
	}
	if (*place) {
		umount2(place, MNT_DETACH);
		remove_directory(place);
	}
	*place = '\0';
}

/*
 * --- who opens ----------------------------------------------------------------------------------
 */

/*
 * As its owner; the owner with the capabilities that make mode bits mean nothing; through the broker.
 */
enum opener { PLAINLY, PRIVILEGED, BROKERED, OPENERS };

/* What a direct opener does that was not asked for; close-on-exec would be one of the exceptions. */
static const struct lie {
	const char *what;
	uint32_t without, with; /* flags */
	mode_t mode;            /* the other way round */
	bool other_file, seeks, cuts;
} lies[] = {
	{"no O_APPEND", .without = O_APPEND},
	{"O_DSYNC instead of O_SYNC", .without = O_SYNC & ~O_DSYNC},
	{"links are followed", .without = O_NOFOLLOW},
	{"nothing is cut", .without = O_TRUNC},
	{"what exists is opened", .without = O_EXCL},
	{"nothing is created", .without = O_CREAT},
	{"O_NONBLOCK is left", .with = O_NONBLOCK},
	{"O_RDWR instead of O_WRONLY", .without = O_WRONLY, .with = O_RDWR},
	{"another mode", .mode = 0040},
	{"another file", .other_file = true},
	{"another offset", .seeks = true},
	{"cut, whatever the answer", .cuts = true},
};

static struct shared {
	struct triple triple;
	const struct lie *lie; /* or NULL */
	struct outcome outcomes[OPENERS];
} * shared;

static struct {
	pid_t pid;
	int wire;
} openers[OPENERS];

static void
interrupt(int signal)
{
	(void)signal;
}

/* open(2) that does not wait for the other end of a FIFO: EINTR. */
static int
open_directly(const char *path, uint32_t flags, mode_t mode, bool may_wait)
{
	struct itimerval timer = {{0, WAIT_MS * 1000}, {0, WAIT_MS * 1000}};
	int fd, error;

	if (may_wait)
		setitimer(ITIMER_REAL, &timer, NULL);
	fd = open(path, (int)flags, mode);
	error = errno;
	timer = (struct itimerval){};
	if (may_wait)
		setitimer(ITIMER_REAL, &timer, NULL);
	errno = error;
	return fd;
}

static int
open_wrongly(const struct lie *lie, const struct triple *t, bool may_wait)
{
	const char *path = place_of(t->object)->path[DIRECT];
	int fd;

	if (lie->other_file && t->object == object_named("plain"))
		path = place_of(t->object)->path[BROKER];
	if (lie->cuts)
		(void)!truncate(path, 0);
	fd = open_directly(path, (t->flags & ~lie->without) | lie->with, t->mode ^ lie->mode,
			   may_wait);
	/* A FIFO has no offset, and reading it could wait. */
	if (fd >= 0 && lie->seeks)
		(void)lseek(fd, 1, SEEK_SET);
	return fd;
}

/* What there is to be known of a descriptor. */
static void
look_at(int fd, struct outcome *ret)
{
	static _Alignas(4096) char bytes[4096];
	uint64_t sum = 14695981039346656037u; /* FNV-1a */
	struct stat status = {};
	off_t offset = lseek(fd, 0, SEEK_CUR);
	ssize_t n = 0;

	ret->facts[OFFSET] = offset < 0 ? -errno : offset;
	ret->facts[FLAGS] = fcntl(fd, F_GETFL);
	ret->facts[FD_FLAGS] = fcntl(fd, F_GETFD);
	if (fstat(fd, &status) < 0)
		ret->facts[ERROR] = ENOTRECOVERABLE;
	/* Of the FIFOs some would wait. */
	if (!S_ISFIFO(status.st_mode)) {
		n = read(fd, bytes, sizeof(bytes));
		ret->facts[READ] = n < 0 ? -errno : n;
	}
	for (ssize_t i = 0; i < n; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * 1099511628211u;
	ret->facts[CONTENT] = (int64_t)sum;
	ret->facts[TYPE] = status.st_mode & S_IFMT;
	ret->facts[SIZE] = S_ISREG(status.st_mode) ? status.st_size : 0;
	ret->facts[MODE] = status.st_mode & 07777;
	ret->facts[UID] = status.st_uid;
	ret->facts[GID] = status.st_gid;
	ret->device = status.st_dev;
	ret->inode = status.st_ino;
}

static void
execute(enum opener opener)
{
	const struct triple *t = &shared->triple;
	const struct place *where = place_of(t->object);
	bool may_wait =
		S_ISFIFO(where->before[DIRECT].facts[AFTER_MODE]) && !(t->flags & O_NONBLOCK);
	struct outcome *outcome = &shared->outcomes[opener];
	int fd;

	memset(outcome, 0, sizeof(*outcome));
	if (opener == BROKERED)
		fd = broker_open(where->path[BROKER], (int)t->flags, t->mode);
	else if (!shared->lie)
		fd = open_directly(where->path[DIRECT], t->flags, t->mode, may_wait);
	else
		fd = open_wrongly(shared->lie, t, may_wait);
	if (fd < 0) {
		outcome->facts[ERROR] = errno;
		return;
	}
	look_at(fd, outcome);
	close(fd);
}

/* Of what was kept from root, nothing but this. 0 or -1. */
static int
keep_capabilities(void)
{
	cap_t caps = cap_from_text("cap_dac_override,cap_dac_read_search=ep");
	int r = caps ? cap_set_proc(caps) : -1;

	cap_free(caps);
	return r;
}

static int
serve(void *context)
{
	enum opener opener = *(enum opener *)context;
	const struct sigaction action = {.sa_handler = interrupt};

	sigaction(SIGALRM, &action, NULL);
	if (opener == PRIVILEGED && keep_capabilities() < 0)
		return 1;
	/* The broker knows nothing of it. */
	umask(opener == BROKERED ? 077 : 0);
	while (wait_told(openers[opener].wire) == 0) {
		execute(opener);
		if (tell(openers[opener].wire) < 0)
			break;
	}
	return 0;
}

static void
start_openers(void)
{
	static const struct ids ids = {.uid = A, .gid = A};
	const struct timeval patience = {.tv_sec = 6 * WAIT_SECONDS};
	int pair[2];

	setenv("FDBROKER_SOCKET", broker.socket, 1);
	for (enum opener i = 0; i < OPENERS; i++) {
		assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair),
				   errno);
		openers[i].wire = pair[1];
		prctl(PR_SET_KEEPCAPS, i == PRIVILEGED);
		openers[i].pid = act_begin(&ids, serve, &i);
		prctl(PR_SET_KEEPCAPS, 0);
		close(pair[1]);
		openers[i].wire = pair[0];
		assert_return_code(
			setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			errno);
	}
}

/* One that does not end when its connection does is killed. */
static void
end_openers(void)
{
	for (int i = 0; i < OPENERS; i++) {
		if (openers[i].pid <= 0)
			continue;
		close(openers[i].wire);
		kill(openers[i].pid, SIGKILL);
		waitpid(openers[i].pid, NULL, 0);
		openers[i].pid = 0;
	}
}

/*
 * --- the exceptions -----------------------------------------------------------------------------
 * Each turns what came of the direct open into what has to come of the broker: an errno value, or
 * what adjust makes of it. The first errno value ends it, as the first refusal ends a request.
 */

/* What is asked of a direct opener, instead. It has failed until now, and changed nothing. */
static enum opener asked_last;

static void
ask_again(const struct triple *t, enum opener opener, uint32_t flags, struct outcome *expected)
{
	shared->triple.flags = flags;
	assert_int_equal(tell(openers[opener].wire), 0);
	assert_int_equal(wait_told(openers[opener].wire), 0);
	*expected = shared->outcomes[opener];
	look_after(t->object, DIRECT, expected);
	shared->triple.flags = t->flags;
	asked_last = opener;
}

static int64_t
before(const struct triple *t, enum fact fact)
{
	return place_of(t->object)->before[DIRECT].facts[fact];
}

static bool
is_odd_path(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return t->object->traits & NOT_CANONICAL;
}

static bool
is_too_long(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return t->object->traits & TOO_LONG;
}

static bool
is_too_deep(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return t->object->traits & TOO_DEEP;
}

static bool
is_longest(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & LONGEST && direct->facts[ERROR] == ENAMETOOLONG;
}

static bool
has_no_access_mode(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return (t->flags & O_ACCMODE) == O_ACCMODE;
}

static bool
cuts_for_reading(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return (t->flags & (O_ACCMODE | O_TRUNC)) == (O_RDONLY | O_TRUNC);
}

static bool
has_excl_alone(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return (t->flags & (O_CREAT | O_EXCL)) == O_EXCL;
}

static bool
is_outside(const struct triple *t, const struct outcome *direct)
{
	/* The link itself is inside, and it can be what the answer is about. */
	return t->object->traits & OUTSIDE &&
	       !(t->object->traits & FINAL &&
		 (direct->facts[ERROR] == EEXIST || direct->facts[ERROR] == ELOOP));
}

static bool
goes_up_behind(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & BEHIND && direct->facts[ERROR] != EEXIST;
}

static bool
asks_for_a_directory(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & SLASHED && direct->facts[ERROR] != EEXIST;
}

static bool
has_many_links(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & HOPS && direct->facts[ERROR] != EEXIST;
}

static bool
lacks_permission(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == EACCES;
}

static void
with_permission(const struct triple *t, struct outcome *expected)
{
	ask_again(t, PRIVILEGED, t->flags, expected);
}

static bool
waits(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == EINTR;
}

/* The same as O_NONBLOCK, and then without it. */
static void
without_waiting(const struct triple *t, struct outcome *expected)
{
	ask_again(t, asked_last, t->flags | O_NONBLOCK, expected);
	if (expected->facts[ERROR] == 0)
		expected->facts[FLAGS] &= ~O_NONBLOCK;
}

static bool
is_directory(const struct triple *t, const struct outcome *direct)
{
	return S_ISDIR(before(t, AFTER_MODE)) && direct->facts[ERROR] != EEXIST &&
	       direct->facts[ERROR] != ELOOP && direct->facts[ERROR] != EISDIR;
}

static bool
is_socket(const struct triple *t, const struct outcome *direct)
{
	return S_ISSOCK(before(t, AFTER_MODE)) && direct->facts[ERROR] == ENXIO;
}

static bool
writes(const struct triple *t, const struct outcome *direct)
{
	return S_ISREG(before(t, AFTER_MODE)) && (t->flags & O_ACCMODE) != O_RDONLY &&
	       direct->facts[ERROR] == 0;
}

static bool
writes_set_id(const struct triple *t, const struct outcome *direct)
{
	return writes(t, direct) && before(t, AFTER_MODE) & (S_ISUID | S_ISGID);
}

static bool
writes_capable(const struct triple *t, const struct outcome *direct)
{
	return writes(t, direct) && t->object->traits & CAPABLE;
}

static bool
survives_exec(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == 0 && direct->facts[FD_FLAGS] == 0;
}

static void
close_on_exec(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[FD_FLAGS] = FD_CLOEXEC;
}

static bool
makes_special(const struct triple *t, const struct outcome *direct)
{
	return before(t, AFTER_ERROR) == ENOENT && direct->facts[ERROR] == 0 &&
	       direct->facts[MODE] & 07000;
}

static void
mask_mode(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[MODE] &= 0777;
	expected->facts[AFTER_MODE] &= S_IFMT | 0777;
}

#define LARGEFILE 0100000 /* O_LARGEFILE is 0 to a 64-bit program */
#define NAMED                                                                                      \
	((uint32_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |    \
		    O_SYNC | O_ASYNC | O_DIRECT | LARGEFILE | O_DIRECTORY | O_NOFOLLOW |           \
		    O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE))

static struct exception {
	const char *what;
	/* Either any of these flags, or what holds says. */
	uint32_t flags;
	bool (*holds)(const struct triple *t, const struct outcome *direct);
	/* Either an errno value, or what adjust does. */
	int error;
	void (*adjust)(const struct triple *t, struct outcome *expected);
	const char *why;
	unsigned seen;
} exceptions[] = {
	{"a path that is not canonical: EINVAL", .holds = is_odd_path, .error = EINVAL,
	 .why = "it is never repaired, so that the policy and the kernel mean the same file"},
	{"a component of more than 255 bytes, a path of more than 4096: EINVAL",
	 .holds = is_too_long, .error = EINVAL, .why = "it is not canonical; not ENAMETOOLONG"},
	{"more than 64 components: EINVAL", .holds = is_too_deep, .error = EINVAL,
	 .why = "what a decision can cost has a bound"},
	{"access mode 3: EINVAL", .holds = has_no_access_mode, .error = EINVAL,
	 .why = "no verb stands for it"},
	{"O_TMPFILE: EINVAL", .flags = O_TMPFILE & ~O_DIRECTORY, .error = EINVAL,
	 .why = "a file without a name is beneath no rule"},
	{"O_PATH: EINVAL", .flags = O_PATH, .error = EINVAL,
	 .why = "it gives more than it says: a place to walk on from"},
	{"O_DIRECTORY: EINVAL", .flags = O_DIRECTORY, .error = EINVAL,
	 .why = "directories are listed, not opened"},
	{"O_ASYNC: EINVAL", .flags = O_ASYNC, .error = EINVAL,
	 .why = "open(2) takes it and sends no signal; F_SETFL sets it"},
	{"O_NOATIME: EINVAL", .flags = O_NOATIME, .error = EINVAL,
	 .why = "only the owner may, and the worker is not"},
	{"an unknown bit in flags: EINVAL", .flags = ~NAMED, .error = EINVAL,
	 .why = "open(2) ignores it, and so it can never get a meaning"},
	{"O_RDONLY|O_TRUNC: EINVAL", .holds = cuts_for_reading, .error = EINVAL,
	 .why = "unspecified by POSIX; who only reads does not change the file"},
	{"O_EXCL without O_CREAT: EINVAL", .holds = has_excl_alone, .error = EINVAL,
	 .why = "undefined but for block devices, which it would keep from others"},
	{"a link that leads to where no rule is: EACCES", .holds = is_outside, .error = EACCES,
	 .why = "what it names is decided anew"},
	{"a link with '..' behind a name: ELOOP", .holds = goes_up_behind, .error = ELOOP,
	 .why = "what is behind a name may be a link, and '..' is in no canonical path"},
	{"a link with '/' at its end, as the last component: ELOOP", .holds = asks_for_a_directory,
	 .error = ELOOP, .why = "it asks for a directory, which is not opened"},
	{"more than 8 links: ELOOP", .holds = has_many_links, .error = ELOOP,
	 .why = "what a request can cost has a bound; the kernel follows 40"},
	{"a path of 4096 bytes is looked up", .holds = is_longest, .error = ENOENT,
	 .why = "the limit of the kernel counts a NUL"},
	{"mode bits do not count", .holds = lacks_permission, .adjust = with_permission,
	 .why = "the policy decides"},
	{"a FIFO does not wait for its other end", .holds = waits, .adjust = without_waiting,
	 .why = "nobody may keep a worker waiting: as with O_NONBLOCK, which is not set then"},
	{"a directory: EISDIR", .holds = is_directory, .error = EISDIR,
	 .why = "directories are listed, not opened"},
	{"a socket: EACCES", .holds = is_socket, .error = EACCES,
	 .why = "no rule has the type; not ENXIO"},
	{"a set-id file for writing: EACCES", .holds = writes_set_id, .error = EACCES,
	 .why = "a shared mapping changes it and leaves the bits"},
	{"a file with capabilities for writing: EACCES", .holds = writes_capable, .error = EACCES,
	 .why = "as for the set-id file"},
	{"close-on-exec is always set", .holds = survives_exec, .adjust = close_on_exec,
	 .why = "between the open and an fcntl(2) another thread may exec"},
	{"a created file has no more than the mode of the rule", .holds = makes_special,
	 .adjust = mask_mode, .why = "0777 is the most that a rule can say"},
};

static void
refuse(const struct triple *t, int error, struct outcome *expected)
{
	*expected = place_of(t->object)->before[DIRECT];
	expected->facts[ERROR] = error;
}

/* From what came of the direct open to what has to come of the broker. */
static void
apply_exceptions(const struct triple *t, struct outcome *expected)
{
	asked_last = PLAINLY;
	for (size_t i = 0; i < ELEMENTS(exceptions); i++) {
		struct exception *e = &exceptions[i];
		struct outcome direct = *expected;

		if (e->holds ? !e->holds(t, expected) : !(t->flags & e->flags))
			continue;
		if (e->adjust)
			e->adjust(t, expected);
		else
			refuse(t, e->error, expected);
		e->seen += memcmp(direct.facts, expected->facts, sizeof(direct.facts)) != 0;
		if (!e->adjust)
			return;
	}
}

/*
 * --- the comparison -----------------------------------------------------------------------------
 */

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
		ret->object = &objects[draw(ELEMENTS(objects))];
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
	assert_int_equal(tell(openers[PLAINLY].wire), 0);
	assert_int_equal(tell(openers[BROKERED].wire), 0);
	assert_int_equal(wait_told(openers[PLAINLY].wire), 0);
	assert_int_equal(wait_told(openers[BROKERED].wire), 0);
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
	for (size_t i = 0; i < ELEMENTS(objects); i++)
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
	for (size_t i = 0; i < ELEMENTS(exceptions); i++)
		printf("# %6u  %s (%s)\n", exceptions[i].seen, exceptions[i].what,
		       exceptions[i].why);
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
	for (size_t i = 0; i < ELEMENTS(exceptions); i++)
		if (exceptions[i].seen == 0)
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
	for (size_t i = 0; i < ELEMENTS(lies); i++) {
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

static int
setup(void **state)
{
	static char rules[256];
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
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	snprintf(rules, sizeof(rules),
		 "allow user:%d read,write,create,stat,list %s/%s/** "
		 "hidden type=reg,fifo,chr,blk symlinks=beneath mode=0777 audit=deny\n",
		 A, place, trees[BROKER]);
	harness_start_how(&broker, &how);
	start_openers();
	return 0;
}

static int
teardown(void **state)
{
	end_openers();
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
		cmocka_unit_test(test_same_as_open),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_lies_are_noticed),
		cmocka_unit_test(test_each_fact_counts),
		cmocka_unit_test(test_end),
	};

	/* What is being executed, so that it cannot be written. */
	if (argc == 2 && strcmp(argv[1], "wait") == 0)
		return pause();
	return cmocka_run_group_tests_name("attack/differential", tests, setup, teardown);
}
