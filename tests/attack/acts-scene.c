/* SPDX-License-Identifier: MIT */
/* The place where the acts are tried, made anew for each: a file system of its own. */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "broker/sys.h"
#include "tests/harness.h"

char scene_secret[16] = "another's secret";

const char *
scene_path(const struct scene *scene, const char *name)
{
	static char paths[4][128];
	static unsigned at;
	char *path = paths[at++ % ELEMENTS(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", scene->directory, name);
	return path;
}

int
act_open(int directory, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC};

	if (flags & (O_CREAT | O_TMPFILE) & ~(uint64_t)O_DIRECTORY)
		how.mode = 0600;
	return sys_openat2(directory, path, &how);
}

void
scenes_begin(struct scene *scene)
{
	make_directory(scene->directory);
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
}

void
scenes_end(struct scene *scene)
{
	/* What a failed test has left. */
	(void)umount2(scene->directory, MNT_DETACH);
	remove_directory(scene->directory);
}

/* Directories, then files: whose, which mode. */
static void
make_files(const struct scene *scene)
{
	static const struct {
		const char *name;
		mode_t mode;
		uid_t owner;
	} files[] = {
		{"read", S_IFDIR | 0755, PEER},
		{"read/mine", S_IFREG | 0600, PEER},
		{"read/denied", S_IFREG | 0600, 0},
		{"read/device", S_IFCHR | 0666, 0},
		{"read/directory", S_IFDIR | 0755, PEER},
		{"write", S_IFDIR | 0755, PEER},
		{"write/mine", S_IFREG | 0600, PEER},
		{"write/set-id", S_IFREG | 04755, 0},
		{"write/directory", S_IFDIR | 0755, PEER},
		{"write/empty", S_IFDIR | 0755, PEER},
		{"one", S_IFDIR | 0755, 0},
		{"one/file", S_IFREG | 0600, PEER},
		{"one/other", S_IFREG | 0600, PEER},
		{"other", S_IFDIR | 0755, 0},
		{"other/secret", S_IFREG | 0600, OTHER_PEER},
	};

	for (size_t i = 0; i < ELEMENTS(files); i++) {
		const char *path = scene_path(scene, files[i].name);
		mode_t type = files[i].mode & S_IFMT;

		if (type == S_IFDIR)
			assert_return_code(mkdir(path, 0755), errno);
		else if (type == S_IFCHR)
			/* random(4): it can be read, and knows an ioctl(2) for everybody. */
			assert_return_code(mknod(path, files[i].mode, makedev(1, 8)), errno);
		else
			write_file(path, "content of a file\n");
		/* In this order: the first takes set-id bits away. */
		assert_return_code(chown(path, files[i].owner, files[i].owner), errno);
		assert_return_code(chmod(path, files[i].mode & 07777), errno);
	}
	assert_return_code(symlink("../other/secret", scene_path(scene, "read/link")), errno);
	assert_return_code(
		symlink(scene_path(scene, "other/secret"), scene_path(scene, "read/absolute")),
		errno);
}

static void
copy_program(const struct scene *scene)
{
	int from = open("/bin/true", O_RDONLY | O_CLOEXEC);
	int to = open(scene_path(scene, "read/program"), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char bytes[4096];
	ssize_t n;

	assert_return_code(from, errno);
	assert_return_code(to, errno);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(to, bytes, (size_t)n), n);
	assert_return_code(fchmod(to, 0755), errno);
	close(from);
	close(to);
}

static int
listen_on_name(const struct scene *scene, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path + abstract, sizeof(address.sun_path) - 1, "%s/socket%u",
		 scene->directory, scene->number);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 1), errno);
	if (!abstract)
		assert_return_code(chmod(address.sun_path, 0666), errno);
	return fd;
}

static void
listen_on_loopback(struct scene *scene)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(scene->listener, errno);
	assert_return_code(bind(scene->listener, (struct sockaddr *)&address, size), errno);
	assert_return_code(listen(scene->listener, 1), errno);
	assert_return_code(getsockname(scene->listener, (struct sockaddr *)&address, &size), errno);
	scene->port = address.sin_port;
}

static void __attribute__((noreturn)) suffer(enum victim victim, int ready)
{
	sigset_t signals;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&signals);
	sigaddset(&signals, SCENE_SIGNAL);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (victim == VICTIM_WORKER &&
	    (setgroups(0, NULL) < 0 || setresgid(HELPERS, HELPERS, HELPERS) < 0 ||
	     setresuid(HELPERS, HELPERS, HELPERS) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0))
		_exit(1);
	if (victim == VICTIM_WORKER)
		setfsuid(OTHER_PEER);
	if (write(ready, "", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static void
start_victim(struct scene *scene, enum victim victim)
{
	int ready[2];
	char byte;

	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	fflush(NULL);
	scene->victim = fork();
	assert_return_code(scene->victim, errno);
	if (scene->victim == 0)
		suffer(victim, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static void
make_pipes(struct scene *scene)
{
	int *const pipes[] = {scene->notes, scene->audit, scene->ended, scene->pipes[0],
			      scene->pipes[1]};

	for (size_t i = 0; i < ELEMENTS(pipes); i++)
		assert_return_code(pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK), errno);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(write(scene->pipes[i][1], "some bytes", 10), 10);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scene->client),
			   errno);
	/* As the broker makes it (broker/daemon/workers.c): one way. */
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scene->control),
			   errno);
	assert_return_code(shutdown(scene->control[0], SHUT_RD), errno);
}

void
scene_set(struct scene *scene, enum victim victim)
{
	struct file_handle *handle = (struct file_handle *)scene->handle;
	const char *read;
	int mount_id;

	scene->number++;
	/* Devices, programs and set-id bits count here, wherever TMPDIR is. */
	assert_return_code(mount("fdbroker-test", scene->directory, "tmpfs", 0, "mode=0755"),
			   errno);
	make_files(scene);
	copy_program(scene);
	/* A mount, so that its flags can be tried to be changed without trees of our own too. */
	read = scene_path(scene, "read");
	assert_return_code(mount(read, read, NULL, MS_BIND, NULL), errno);
	handle->handle_bytes = SCENE_HANDLE - sizeof(*handle);
	assert_return_code(name_to_handle_at(AT_FDCWD, scene_path(scene, "other/secret"), handle,
					     &mount_id, 0),
			   errno);
	make_pipes(scene);
	listen_on_loopback(scene);
	scene->name = listen_on_name(scene, false);
	scene->abstract = listen_on_name(scene, true);
	scene->namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	assert_return_code(scene->namespace, errno);
	if (victim != VICTIM_NONE)
		start_victim(scene, victim);
}

void
scene_strike(struct scene *scene)
{
	int *const pairs[] = {scene->notes,    scene->audit,   scene->ended, scene->pipes[0],
			      scene->pipes[1], scene->control, scene->client};

	if (scene->victim > 0) {
		kill(scene->victim, SIGKILL);
		waitpid(scene->victim, NULL, 0);
		scene->victim = 0;
	}
	for (size_t i = 0; i < ELEMENTS(pairs); i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	close(scene->listener);
	close(scene->name);
	close(scene->abstract);
	close(scene->namespace);
	assert_return_code(umount2(scene->directory, MNT_DETACH), errno);
}

bool
as_peer(int (*run)(int fd), int fd)
{
	const gid_t group = GROUP;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setgroups(1, &group) < 0 || setresgid(PEER, PEER, PEER) < 0 ||
		    setresuid(PEER, PEER, PEER) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
			_exit(1);
		_exit(run(fd) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

int
take_from_worker(const struct scene *scene)
{
	struct reply reply;

	raw_receive(scene->client[0], MSG_DONTWAIT, &reply);
	return reply.size > 0 && reply.n_fds == 1 ? reply.fds[0] : -1;
}
