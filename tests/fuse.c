/* SPDX-License-Identifier: MIT */
#include "tests/fuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/sys.h"

enum {
	FOR_EVER = 3600, /* seconds that a name and its attributes are good for */
	MESSAGE_MAX = 1 << 18,
	KEPT_MAX = 64,
	KEPT_SIZE = 512, /* of the requests that it keeps, which have a name at most */
	LOOK_MS = 20,
	LONG_NAME = 1024, /* bytes of a name that any kernel takes from a server */
};

/* What test and server share. */
struct fuse_shared {
	_Atomic bool answers;
	_Atomic unsigned hangs, kept;
	_Atomic uid_t owner;
	_Atomic int xattr_error;
	_Atomic unsigned cuts;
};

/* In the number of an inode. */
#define DIRECTORY (1ULL << 32)
#define CREATED   (1ULL << 33)

static struct fuse_attr
attributes(uint64_t inode, struct fuse_shared *shared)
{
	return (struct fuse_attr){
		.ino = inode,
		.uid = inode & CREATED ? atomic_load(&shared->owner) : 0,
		.mode = inode == FUSE_ROOT_ID || inode & DIRECTORY ? S_IFDIR | 0755
								   : S_IFREG | 0666,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void
answer(int device, const struct fuse_in_header *to, int error, const void *bytes, size_t size)
{
	static char message[4096];
	struct fuse_out_header head = {
		.len = (uint32_t)(sizeof(head) + size), .error = error, .unique = to->unique};

	memcpy(message, &head, sizeof(head));
	if (size > 0)
		memcpy(message + sizeof(head), bytes, size);
	(void)!write(device, message, head.len);
}

static void
answer_init(int device, const struct fuse_in_header *head, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		/* What is written stays with the kernel until the file is let go of. */
		/* Who looks up one name does not wait for who looks up another one. */
		.flags = FUSE_WRITEBACK_CACHE | FUSE_PARALLEL_DIROPS,
		.max_write = 4096,
		.time_gran = 1,
	};

	answer(device, head, 0, &out, sizeof(out));
}

/*
 * Each name is a number, and each number a file; with a d before it a directory, with an n one that is
 * not there until it is created.
 */
static uint64_t
inode_of(const char *name)
{
	if (*name == 'd' || *name == 'n')
		return (*name == 'd' ? DIRECTORY : CREATED) + 2 + strtoull(name + 1, NULL, 10);
	return 2 + strtoull(name, NULL, 10);
}

static struct fuse_entry_out
entry_of(uint64_t inode, struct fuse_shared *shared)
{
	return (struct fuse_entry_out){.nodeid = inode,
				       .entry_valid = FOR_EVER,
				       .attr_valid = FOR_EVER,
				       .attr = attributes(inode, shared)};
}

static void
answer_create(int device, const struct fuse_in_header *head, struct fuse_shared *shared)
{
	const char *name = (const char *)(head + 1) + sizeof(struct fuse_create_in);
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {.entry = entry_of(inode_of(name), shared)};

	answer(device, head, 0, &out, sizeof(out));
}

/* Every directory has names of these lengths. */
static void
answer_names(int device, const struct fuse_in_header *head, const struct fuse_read_in *in)
{
	static const uint32_t lengths[] = {1, 255, 256, 300, LONG_NAME, 2};
	static _Alignas(struct fuse_dirent) char names[4096 - sizeof(struct fuse_out_header)];
	size_t used = 0;

	for (uint64_t i = in->offset; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct fuse_dirent *name = (void *)(names + used);
		size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + lengths[i]);

		if (used + size > in->size || used + size > sizeof(names))
			break;
		*name = (struct fuse_dirent){
			.ino = 2, .off = i + 1, .namelen = lengths[i], .type = DT_REG};
		memset(name->name, '1', lengths[i]);
		used += size;
	}
	answer(device, head, 0, names, used);
}

static void
serve_one(int device, const struct fuse_in_header *head, struct fuse_shared *shared)
{
	const bool answers = atomic_load(&shared->answers);
	const char *name = (const char *)(head + 1);
	uint64_t inode = head->opcode == FUSE_LOOKUP ? inode_of(name) : head->nodeid;
	struct fuse_attr_out attr = {.attr_valid = FOR_EVER, .attr = attributes(inode, shared)};
	struct fuse_entry_out entry = entry_of(inode, shared);
	struct fuse_write_out written = {};

	switch (head->opcode) {
	case FUSE_INIT:
		answer_init(device, head, (const void *)(head + 1));
		break;
	case FUSE_LOOKUP:
		if (inode & CREATED)
			answer(device, head, -ENOENT, NULL, 0);
		else
			answer(device, head, 0, &entry, sizeof(entry));
		break;
	case FUSE_CREATE:
		answer_create(device, head, shared);
		break;
	case FUSE_GETATTR:
		answer(device, head, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		answer(device, head, 0, &(struct fuse_open_out){}, sizeof(struct fuse_open_out));
		break;
	case FUSE_READDIR:
		answer_names(device, head, (const void *)(head + 1));
		break;
	case FUSE_GETXATTR:
		answer(device, head, -(atomic_load(&shared->xattr_error) ?: ENOSYS), NULL, 0);
		break;
	case FUSE_SETATTR:
		if (((const struct fuse_setattr_in *)(head + 1))->valid & FATTR_SIZE)
			atomic_fetch_add(&shared->cuts, 1);
		if (answers)
			answer(device, head, 0, &attr, sizeof(attr));
		break;
	case FUSE_WRITE:
		written.size = ((const struct fuse_write_in *)(head + 1))->size;
		if (answers)
			answer(device, head, 0, &written, sizeof(written));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		if (answers)
			answer(device, head, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(device, head, -ENOSYS, NULL, 0);
	}
}

/* Of which kind is it, as fuse_hang() has them? */
static unsigned
kind_of(const struct fuse_in_header *head)
{
	switch (head->opcode) {
	case FUSE_LOOKUP:
		return FUSE_HANGS_LOOKUP;
	case FUSE_OPEN:
		return FUSE_HANGS_OPEN;
	case FUSE_CREATE:
		return FUSE_HANGS_CREATE;
	case FUSE_INIT:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 0; /* what nobody waits for */
	default:
		return FUSE_HANGS_REST;
	}
}

static _Alignas(struct fuse_in_header) char kept[KEPT_MAX][KEPT_SIZE];
static size_t n_kept;

/* One that is not answered now. False: it is none, or there is no room. */
static bool
keep(const struct fuse_in_header *head, struct fuse_shared *shared)
{
	if (!(kind_of(head) & atomic_load(&shared->hangs)) || n_kept == KEPT_MAX ||
	    head->len > KEPT_SIZE)
		return false;
	memcpy(kept[n_kept++], head, head->len);
	atomic_fetch_add(&shared->kept, 1);
	return true;
}

/* Answer those that were kept, and are no longer. */
static void
release(int device, struct fuse_shared *shared)
{
	const unsigned hangs = atomic_load(&shared->hangs);
	size_t left = 0;

	for (size_t i = 0; i < n_kept; i++) {
		const struct fuse_in_header *head = (const void *)kept[i];

		if (kind_of(head) & hangs)
			memmove(kept[left++], kept[i], KEPT_SIZE);
		else
			serve_one(device, head, shared);
	}
	n_kept = left;
	atomic_store(&shared->kept, (unsigned)left);
}

static void __attribute__((noreturn)) serve(int device, struct fuse_shared *shared)
{
	static _Alignas(struct fuse_in_header) char message[MESSAGE_MAX];
	struct pollfd wait = {.fd = device, .events = POLLIN};
	ssize_t n;

	do {
		release(device, shared);
		/* With nothing kept there is nothing to look for. */
		if (poll(&wait, 1, n_kept > 0 ? LOOK_MS : -1) == 0) {
			n = 1;
			continue;
		}
		n = read(device, message, sizeof(message));
		if (n >= (ssize_t)sizeof(struct fuse_in_header) &&
		    !keep((const void *)message, shared))
			serve_one(device, (const void *)message, shared);
	} while (n > 0 || errno == EINTR || errno == ENOENT || errno == EAGAIN);
	_exit(0);
}

static int
configure(int context, unsigned command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, context, command, key, value, 0);
}

/* The mount, or -1. */
static int
make_mount(int device)
{
	int context = sys_fsopen("fuse"), mount = -1;
	char number[16];

	if (context < 0)
		return -1;
	snprintf(number, sizeof(number), "%d", device);
	if (configure(context, FSCONFIG_SET_STRING, "source", "fdbroker-test") == 0 &&
	    configure(context, FSCONFIG_SET_STRING, "fd", number) == 0 &&
	    configure(context, FSCONFIG_SET_STRING, "rootmode", "40000") == 0 &&
	    configure(context, FSCONFIG_SET_STRING, "user_id", "0") == 0 &&
	    configure(context, FSCONFIG_SET_STRING, "group_id", "0") == 0 &&
	    configure(context, FSCONFIG_SET_FLAG, "allow_other", NULL) == 0 &&
	    sys_fsconfig_create(context) == 0)
		mount = sys_fsmount(context, 0);
	close(context);
	return mount < 0 ? -1 : mount;
}

bool
fuse_start(struct fuse *f)
{
	pid_t parent = getpid();
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	*f = (struct fuse){.mount = -1};
	if (device < 0)
		return false;
	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	f->mount = make_mount(device);
	if (f->shared == MAP_FAILED || f->mount < 0) {
		close(device);
		return false;
	}
	f->answers = &f->shared->answers;
	atomic_store(f->answers, true);
	fflush(NULL);
	f->server = fork();
	if (f->server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(f->mount);
		serve(device, f->shared);
	}
	close(device);
	return f->server > 0;
}

void
fuse_stop(struct fuse *f)
{
	if (f->server > 0) {
		kill(f->server, SIGKILL);
		waitpid(f->server, NULL, 0);
	}
	if (f->mount > 0)
		close(f->mount);
	if (f->shared && f->shared != MAP_FAILED)
		munmap(f->shared, sizeof(*f->shared));
	*f = (struct fuse){.mount = -1};
}

int
fuse_open(const struct fuse *f, unsigned number)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	return openat(f->mount, name, O_RDWR | O_CLOEXEC);
}

bool
fuse_attach(const struct fuse *f, const char *path)
{
	return syscall(SYS_move_mount, f->mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

void
fuse_hang(const struct fuse *f, unsigned kinds)
{
	atomic_store(&f->shared->hangs, kinds);
}

unsigned
fuse_kept(const struct fuse *f)
{
	return atomic_load(&f->shared->kept);
}

void
fuse_set_owner(const struct fuse *f, uid_t owner)
{
	atomic_store(&f->shared->owner, owner);
}

void
fuse_set_xattr_error(const struct fuse *f, int error)
{
	atomic_store(&f->shared->xattr_error, error);
}

unsigned
fuse_cuts(const struct fuse *f)
{
	return atomic_load(&f->shared->cuts);
}
