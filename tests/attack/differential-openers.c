/* SPDX-License-Identifier: MIT */
/* Who opens: three processes of the same user, each of which opens what it is told. */
#include "tests/attack/differential.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"

enum {
	WAIT_MS = 1, /* for a FIFO, until that is called waiting */
};

const struct lie lies[] = {
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
const size_t n_lies = ELEMENTS(lies);

struct shared *shared;

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

/* What it lets its holder do, and leaves undone. */
static void
try(int fd, const struct stat *status, struct outcome *ret)
{
	char link[32], name[PATH_MAX] = "", new[96];
	struct stat named = {};
	void *page;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ret->facts[NAME] = readlink(link, name, sizeof(name) - 1) > 0 && stat(name, &named) == 0 &&
			   named.st_dev == status->st_dev && named.st_ino == status->st_ino;
	snprintf(new, sizeof(new), "%s/linked", place);
	if (linkat(AT_FDCWD, link, AT_FDCWD, new, AT_SYMLINK_FOLLOW) == 0)
		(void)unlink(new);
	else
		ret->facts[LINK] = errno;
	if (!S_ISREG(status->st_mode))
		return;
	page = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	ret->facts[EXEC] = page == MAP_FAILED ? errno : 0;
	if (page != MAP_FAILED)
		munmap(page, 1);
	ret->facts[CHMOD] = fchmod(fd, status->st_mode & 07777) < 0 ? errno : 0;
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
	try(fd, &status, ret);
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
	umask(UMASK);
	while (wait_told(openers[opener].wire) == 0) {
		execute(opener);
		if (tell(openers[opener].wire) < 0)
			break;
	}
	return 0;
}

void
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
void
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

void
ask_opener(enum opener opener)
{
	assert_int_equal(tell(openers[opener].wire), 0);
}

void
wait_for_opener(enum opener opener)
{
	assert_int_equal(wait_told(openers[opener].wire), 0);
}
