/* SPDX-License-Identifier: MIT */
/* Acts on files: outside of the trees, in the one for reading, in the one for writing. */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "broker/sys.h"
#include "tests/harness.h"

static int
opened(int fd)
{
	return fd < 0 ? fd : 0;
}

static int
absolute(struct scene *s)
{
	return opened(act_open(AT_FDCWD, scene_path(s, "other/secret"), O_RDONLY));
}

static int
dot_dot(struct scene *s)
{
	return opened(act_open(s->read, "../other/secret", O_RDONLY));
}

static int
through_link(struct scene *s)
{
	return opened(act_open(s->read, "link", O_RDONLY));
}

static int
through_absolute_link(struct scene *s)
{
	return opened(act_open(s->read, "absolute", O_RDONLY));
}

static int
through_own_root(struct scene *s)
{
	char path[160];

	snprintf(path, sizeof(path), "/proc/self/root%s", scene_path(s, "other/secret"));
	return opened(act_open(AT_FDCWD, path, O_RDONLY));
}

static int
through_root(struct scene *s)
{
	char path[160];

	snprintf(path, sizeof(path), "/proc/%d/root%s", s->victim, scene_path(s, "other/secret"));
	return opened(act_open(AT_FDCWD, path, O_RDONLY));
}

static int
by_handle(struct scene *s)
{
	ACT_FILE(fd, s->read, "mine", O_RDONLY);

	return TRY(SYS_open_by_handle_at, fd, s->handle, O_RDONLY);
}

static int
make_handle(struct scene *s)
{
	_Alignas(8) unsigned char bytes[SCENE_HANDLE];
	struct file_handle *handle = (struct file_handle *)bytes;
	int mount_id;

	handle->handle_bytes = sizeof(bytes) - sizeof(*handle);
	return TRY(SYS_name_to_handle_at, s->read, "mine", handle, &mount_id, 0);
}

static int
beside_one(struct scene *s)
{
	return opened(act_open(s->one, "other", O_RDONLY));
}

static int
by_open(struct scene *s)
{
	return TRY(SYS_openat, s->read, "mine", O_RDONLY);
}

static int
list(struct scene *s)
{
	return opened(act_open(s->read, ".", O_RDONLY | O_DIRECTORY));
}

static int
open_denied(struct scene *s)
{
	return opened(act_open(s->read, "denied", O_RDONLY));
}

static int
open_to_write(struct scene *s)
{
	return opened(act_open(s->read, "mine", O_WRONLY));
}

static int
open_to_truncate(struct scene *s)
{
	return opened(act_open(s->read, "mine", O_RDONLY | O_TRUNC));
}

static int
create(struct scene *s)
{
	return opened(act_open(s->read, "new", O_WRONLY | O_CREAT | O_EXCL));
}

static int
create_unnamed(struct scene *s)
{
	return opened(act_open(s->read, ".", O_RDWR | O_TMPFILE));
}

static int
create_unnamed_writable(struct scene *s)
{
	return opened(act_open(s->write, ".", O_RDWR | O_TMPFILE));
}

static int
reopen(struct scene *s)
{
	char path[64];
	ACT_FILE(fd, s->read, "mine", O_RDONLY);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return opened(act_open(AT_FDCWD, path, O_RDWR));
}

static int
change_mode_of_read_only(struct scene *s)
{
	ACT_FILE(fd, s->read, "mine", O_RDONLY);

	return TRY(SYS_fchmod, fd, 0666);
}

static int
touch_read_only(struct scene *s)
{
	ACT_FILE(fd, s->read, "mine", O_RDONLY);

	return TRY(SYS_utimensat, fd, NULL, NULL, 0);
}

static int
open_device(struct scene *s)
{
	return opened(act_open(s->read, "device", O_RDONLY | O_NONBLOCK));
}

static int
control_device(struct scene *s)
{
	int bits, fd = act_open(s->read, "device", O_RDONLY | O_NONBLOCK);

	return fd < 0 ? fd : TRY(SYS_ioctl, fd, RNDGETENTCNT, &bits);
}

static char *const no_arguments[] = {(char *)"program", NULL};

static int
execute(struct scene *s)
{
	return TRY(SYS_execve, scene_path(s, "read/program"), no_arguments, no_arguments + 1);
}

static int
execute_at(struct scene *s)
{
	return TRY(SYS_execveat, s->read, "program", no_arguments, no_arguments + 1, 0);
}

/* --- in the tree that rules write ------------------------------------------------------------ */

static int
become_roots(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_fchown, fd, 0, 0);
}

static int
become_set_id(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_fchmod, fd, 04755);
}

/* The kernel takes the bit away from what is written, not from what is created (open(2)). */
static int
create_set_id(struct scene *s)
{
	struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			       .mode = S_ISUID | 0755};

	return opened(sys_openat2(s->write, "new", &how));
}

static bool
is_roots_set_id(struct scene *s)
{
	struct stat status;

	return stat(scene_path(s, "write/new"), &status) == 0 && status.st_uid == 0 &&
	       status.st_mode & S_ISUID;
}

static int
punch_hole(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0L, 4L);
}

static int
set_attribute(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_fsetxattr, fd, "user.x", "x", 1, 0);
}

static int
touch(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_utimensat, fd, NULL, NULL, 0);
}

static int
set_flags(struct scene *s)
{
	long flags = FS_NOATIME_FL;
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags);
}

static int
lease(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_fcntl, fd, F_SETLEASE, F_WRLCK);
}

static int
lock(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_flock, fd, 2 /* LOCK_EX */ | 4 /* LOCK_NB */);
}

static int
lock_record(struct scene *s)
{
	struct flock record = {.l_type = F_WRLCK};
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_fcntl, fd, F_SETLK, &record);
}

static int
duplicate(struct scene *s)
{
	return TRY(SYS_fcntl, s->read, F_DUPFD, 0);
}

static int
grow_pipe(struct scene *s)
{
	return TRY(SYS_fcntl, s->notes[1], F_SETPIPE_SZ, 1 << 17);
}

static int
write_data(struct scene *s)
{
	ACT_FILE(fd, s->write, "mine", O_RDWR);

	return TRY(SYS_write, fd, "x", 1);
}

static int
copy_range(struct scene *s)
{
	ACT_FILE(from, s->read, "mine", O_RDONLY);
	ACT_FILE(to, s->write, "mine", O_RDWR);

	return TRY(SYS_copy_file_range, from, NULL, to, NULL, 4UL, 0);
}

static int
send_file(struct scene *s)
{
	ACT_FILE(from, s->read, "mine", O_RDONLY);
	ACT_FILE(to, s->write, "mine", O_RDWR);

	return TRY(SYS_sendfile, to, from, NULL, 4UL);
}

static int
splice_in(struct scene *s)
{
	ACT_FILE(to, s->write, "mine", O_RDWR);

	return TRY(SYS_splice, s->pipes[0][0], NULL, to, NULL, 4UL, 0);
}

static int
tee_across(struct scene *s)
{
	return TRY(SYS_tee, s->pipes[0][0], s->pipes[1][1], 4UL, 0);
}

static int
splice_memory(struct scene *s)
{
	const struct iovec iov = {.iov_base = scene_secret, .iov_len = 4};

	return TRY(SYS_vmsplice, s->pipes[0][1], &iov, 1UL, 0);
}

static int
make_directory_there(struct scene *s)
{
	return TRY(SYS_mkdirat, s->write, "new", 0755);
}

static int
make_device(struct scene *s)
{
	return TRY(SYS_mknodat, s->write, "new", S_IFCHR | 0666, makedev(1, 3));
}

static int
make_fifo(struct scene *s)
{
	return TRY(SYS_mknodat, s->write, "new", S_IFIFO | 0666, 0);
}

static int
make_socket(struct scene *s)
{
	return TRY(SYS_mknodat, s->write, "new", S_IFSOCK | 0666, 0);
}

static int
make_symbolic_link(struct scene *s)
{
	return TRY(SYS_symlinkat, "/etc/shadow", s->write, "new");
}

static int
make_link(struct scene *s)
{
	return TRY(SYS_linkat, s->write, "mine", s->write, "new", 0);
}

static int
make_link_elsewhere(struct scene *s)
{
	return TRY(SYS_linkat, s->write, "mine", s->write, "directory/new", 0);
}

static int
make_link_from_outside(struct scene *s)
{
	return TRY(SYS_linkat, s->one, "other", s->write, "new", 0);
}

static int
name_descriptor(struct scene *s)
{
	int fd = act_open(s->write, ".", O_RDWR | O_TMPFILE);

	return fd < 0 ? -ACT_BROKEN : TRY(SYS_linkat, fd, "", s->write, "new", AT_EMPTY_PATH);
}

static int
rename_it(struct scene *s)
{
	return TRY(SYS_renameat2, s->write, "mine", s->write, "new", 0);
}

static int
remove_file(struct scene *s)
{
	return TRY(SYS_unlinkat, s->write, "mine", 0);
}

static int
remove_empty(struct scene *s)
{
	return TRY(SYS_unlinkat, s->write, "empty", AT_REMOVEDIR);
}

const struct act acts_files[] = {
	{.group = "Files that the rules do not give"},
	{"open another's file by its path", .act = absolute},
	{"... by `..` out of a tree", .act = dot_dot},
	{"... through a symbolic link in a tree", .act = through_link},
	{"... through an absolute one", .act = through_absolute_link},
	{"... through `/proc/self/root`", .act = through_own_root},
	{"... through `/proc/PID/root` of the broker", .act = through_root,
	 .victim = VICTIM_BROKER},
	{"... through `/proc/PID/root` of another worker", .act = through_root,
	 .victim = VICTIM_WORKER},
	{"... by open_by_handle_at", .act = by_handle},
	{"name_to_handle_at", .act = make_handle},
	{"open another file beside the one that a rule names", .act = beside_one},
	{"open a directory to list it", .act = list},
	{"openat, which takes no restrictions", .act = by_open, .runtime = true},
	{.group = "Beneath what the rules only read"},
	{"open for writing", .act = open_to_write},
	{"open with O_TRUNC", .act = open_to_truncate, .landlock_abi = 3},
	{"create a file", .act = create},
	{"create a file without a name (O_TMPFILE)", .act = create_unnamed},
	{"reopen a descriptor through `/proc/self/fd` for writing", .act = reopen},
	{"fchmod", .act = change_mode_of_read_only},
	{"utimensat", .act = touch_read_only},
	{"open a device", .act = open_device},
	{"ioctl of a device", .act = control_device, .landlock_abi = 5},
	{"execve", .act = execute},
	{"execveat", .act = execute_at},
	{.group = "On a file, and in a directory, that the rules write"},
	{"fchown to root", .act = become_roots},
	{"fchmod 04755", .act = become_set_id},
	{"create a set-user-ID file of root", .act = create_set_id, .effect = is_roots_set_id},
	{"fallocate: punch a hole", .act = punch_hole},
	{"fsetxattr", .act = set_attribute, .may_lack = true},
	{"utimensat to now", .act = touch},
	{"ioctl FS_IOC_SETFLAGS", .act = set_flags, .may_lack = true},
	{"fcntl F_SETLEASE", .act = lease},
	{"fcntl F_SETLK", .act = lock_record},
	{"fcntl F_DUPFD", .act = duplicate},
	{"fcntl F_SETPIPE_SZ of a pipe to the broker", .act = grow_pipe},
	{"flock", .act = lock},
	{"write to it", .act = write_data, .runtime = true},
	{"copy_file_range", .act = copy_range},
	{"sendfile", .act = send_file},
	{"splice", .act = splice_in},
	{"tee", .act = tee_across},
	{"vmsplice", .act = splice_memory},
	{"mkdir", .act = make_directory_there},
	{"mknod of a device", .act = make_device},
	{"mknod of a FIFO", .act = make_fifo},
	{"mknod of a socket", .act = make_socket},
	{"symlink", .act = make_symbolic_link},
	{"link", .act = make_link},
	{"link to another directory", .act = make_link_elsewhere},
	{"link from another tree", .act = make_link_from_outside},
	{"linkat of a descriptor (AT_EMPTY_PATH)", .act = name_descriptor},
	{"rename", .act = rename_it},
	{"unlink", .act = remove_file},
	{"rmdir", .act = remove_empty},
};
const size_t n_acts_files = ELEMENTS(acts_files);

/* --- what no layer stops --------------------------------------------------------------------- */

static int
send_descriptor(const struct scene *s, int fd)
{
	const struct raw raw = {.bytes = "", .size = 1, .fds = &fd, .n_fds = 1};

	return raw_send(s->client[1], &raw);
}

static int
give_read_only(struct scene *s)
{
	ACT_FILE(fd, s->read, "mine", O_RDONLY);

	return send_descriptor(s, fd);
}

static int
give_read_only_of_written(struct scene *s)
{
	ACT_FILE(fd, s->written, "mine", O_RDONLY);

	return send_descriptor(s, fd);
}

static int
give_tree(struct scene *s)
{
	return send_descriptor(s, s->read);
}

/* --- the client's part, as the peer --- */

static int
client_reopens(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return opened(act_open(AT_FDCWD, path, O_RDWR));
}

static int
client_changes_mode(int fd)
{
	return TRY(SYS_fchmod, fd, 0666);
}

static int
client_locks(int fd)
{
	return TRY(SYS_flock, fd, 2 /* LOCK_EX */ | 4 /* LOCK_NB */);
}

static int
client_opens_own(int tree)
{
	return opened(act_open(tree, "mine", O_RDONLY));
}

/* Root of a user namespace of its own, as every process can be. */
static int
client_unlocks_tree(int tree)
{
	const struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

	if (TRY(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */ | 0x00020000 /* CLONE_NEWNS */) < 0)
		return -errno;
	/* Not a mount of ours where there are no private trees: there it never was read-only. */
	(void)sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr);
	return opened(act_open(tree, "mine", O_RDWR));
}

static bool
client_does(struct scene *s, int (*run)(int fd))
{
	int fd = take_from_worker(s);
	bool done = fd >= 0 && as_peer(run, fd);

	if (fd >= 0)
		close(fd);
	return done;
}

#define EFFECT(name)                                                                               \
	static bool name##_effect(struct scene *s)                                                 \
	{                                                                                          \
		return client_does(s, name);                                                       \
	}
EFFECT(client_reopens)
EFFECT(client_changes_mode)
EFFECT(client_locks)
EFFECT(client_opens_own)
EFFECT(client_unlocks_tree)

static int
forge_record(struct scene *s)
{
	(void)s;
	return TRY(SYS_write, 5 /* IPC_AUDIT */, "forged", 6);
}

static int
ask_to_be_replaced(struct scene *s)
{
	(void)s;
	return TRY(SYS_write, 4 /* IPC_NOTES */, "r", 1);
}

static int
see_mounts(struct scene *s)
{
	char text[64];

	(void)s;
	return TRY(SYS_pread64, 10 /* WATCH_MOUNTS */, text, sizeof(text), 0L);
}

/* An honest worker refuses to open it for writing. */
static int
overwrite_set_id(struct scene *s)
{
	char *page;
	ACT_FILE(fd, s->write, "set-id", O_RDWR);

	page = (char *)syscall(SYS_mmap, NULL, 4096UL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0UL);
	if (page == MAP_FAILED)
		return -errno;
	page[0] = 'X';
	return 0;
}

static bool
is_overwritten(struct scene *s)
{
	int fd = open(scene_path(s, "write/set-id"), O_RDONLY | O_CLOEXEC);
	struct stat status;
	char byte = 0;
	bool is = fd >= 0 && fstat(fd, &status) == 0 && read(fd, &byte, 1) == 1 && byte == 'X' &&
		  status.st_uid == 0 && status.st_mode & S_ISUID;

	if (fd >= 0)
		close(fd);
	return is;
}

/* --- what the rules give, and so what is no act ---------------------------------------------- */

static int
open_to_read(struct scene *s)
{
	return opened(act_open(s->read, "mine", O_RDONLY));
}

static int
open_the_one(struct scene *s)
{
	return opened(act_open(s->one, "file", O_RDONLY));
}

static int
truncate_written(struct scene *s)
{
	int fd = act_open(s->write, "mine", O_WRONLY);

	return fd < 0 ? fd : TRY(SYS_ftruncate, fd, 0L);
}

static int
open_truncated(struct scene *s)
{
	return opened(act_open(s->write, "mine", O_WRONLY | O_TRUNC));
}

static int
create_written(struct scene *s)
{
	return opened(act_open(s->write, "new", O_WRONLY | O_CREAT | O_EXCL));
}

static bool
is_the_peers(struct scene *s)
{
	struct stat status;

	return stat(scene_path(s, "write/new"), &status) == 0 && status.st_uid == PEER &&
	       status.st_gid == PEER;
}

static int
list_written(struct scene *s)
{
	return opened(act_open(s->write, ".", O_RDONLY | O_DIRECTORY));
}

const struct act acts_permitted[] = {
	{"read", .act = open_to_read},
	{"read the file that a rule names", .act = open_the_one},
	{"truncate", .act = truncate_written},
	{"truncate when opening", .act = open_truncated},
	{"create what belongs to the peer", .act = create_written, .effect = is_the_peers},
	{"list", .act = list_written},
};
const size_t n_acts_permitted = ELEMENTS(acts_permitted);

const struct act acts_given[] = {
	{.group = "What a client does with a descriptor that was opened for reading"},
	{"reopen it through `/proc/self/fd` for writing", .act = give_read_only,
	 .effect = client_reopens_effect},
	{"fchmod, by the owner", .act = give_read_only, .effect = client_changes_mode_effect},
	{"reopen it for writing, where another rule writes beneath the same prefix",
	 .act = give_read_only_of_written, .effect = client_reopens_effect},
};
const size_t n_acts_given = ELEMENTS(acts_given);

const struct act acts_open[] = {
	{.group = "Not stopped"},
	{"open what a `deny` takes away beneath the same prefix", .act = open_denied, .open = true},
	{"create a file without a name beneath what the rules create", .open = true,
	 .act = create_unnamed_writable},
	{"send the tree to the client, who opens its own files in it", .act = give_tree,
	 .effect = client_opens_own_effect, .open = true},
	{"... and makes it writable in a user namespace of its own", .act = give_tree,
	 .effect = client_unlocks_tree_effect, .open = true},
	{"the client locks (flock) what it was given to read", .act = give_read_only,
	 .effect = client_locks_effect, .open = true},
	{"write a record of its own clients that is not true", .act = forge_record, .open = true},
	{"see what is mounted where", .act = see_mounts, .open = true},
	{"have itself replaced", .act = ask_to_be_replaced, .open = true},
	{"overwrite root's set-user-ID program, where the rules write, by a shared mapping",
	 .act = overwrite_set_id, .effect = is_overwritten, .open = true},
};
const size_t n_acts_open = ELEMENTS(acts_open);
