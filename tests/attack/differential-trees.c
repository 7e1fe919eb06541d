/* SPDX-License-Identifier: MIT */
/* Both trees: made, looked at, made anew where something was changed, and removed. */
#include "tests/attack/differential.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct helpers {
	pid_t running[SIDES];
	int ends[SIDES * OBJECTS_MAX]; /* of FIFOs */
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

	for (size_t i = 0; i < n_objects; i++) {
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

void
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

void
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
		for (size_t i = 0; i < n_objects; i++)
			if (S_ISREG(objects[i].mode) && strcmp(places[i].path[side], real) == 0)
				object = &objects[i];
		fill(object, real);
	}
	free(real);
	look_after(t->object, side, &now);
	assert_memory_equal(now.facts, before->facts, sizeof(now.facts));
}

void
make_trees(void)
{
	/* Whatever the options are of the file system of temporary files. */
	assert_return_code(mount(place, place, NULL, MS_BIND, NULL), errno);
	assert_return_code(mount(NULL, place, NULL, MS_REMOUNT | MS_BIND, NULL), errno);
	make_block_device();
	umask(0);
	for (int side = 0; side < SIDES; side++) {
		for (size_t i = 0; i < n_objects; i++) {
			places[i].path[side] = make_path(&objects[i], side);
			make_object(&objects[i], side);
		}
		close_mounts(side);
		for (size_t i = 0; i < n_objects; i++)
			look_after(&objects[i], side, &places[i].before[side]);
	}
	for (size_t i = 0; i < n_objects; i++)
		assert_memory_equal(places[i].before[DIRECT].facts, places[i].before[BROKER].facts,
				    sizeof(places[i].before[DIRECT].facts));
}

void
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
		for (size_t i = 0; i < n_objects; i++) {
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
