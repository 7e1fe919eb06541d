/* SPDX-License-Identifier: MIT */
/* Runs in: broker. Its two sockets: taken over from the service manager, or made. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/daemon/daemon.h"
#include "broker/sys.h"

enum {
	BACKLOG = 4096, /* cut to net.core.somaxconn by the kernel */
};

/* Refuses what this socket must never bring: descriptors; and has credentials with every message.
 */
static int
set_options(int fd)
{
	const int on = 1, off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	/* Linux 6.16; before that they are dropped when a message is received. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	return 0;
}

/* The one socket that a .socket unit passes (sd_listen_fds(3)). -1: none; -2: it is not what we
 * need. */
static int
take_over(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int domain = 0, type = 0, listens = 0, fd = 3;
	socklen_t size = sizeof(int);

	if (!pid || !n || strtol(pid, NULL, 10) != getpid())
		return -1;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (strcmp(n, "1") != 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || domain != AF_UNIX ||
	    type != SOCK_SEQPACKET || !listens || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || set_options(fd) < 0) {
		say("the service manager passed something else than one listening SOCK_SEQPACKET "
		    "socket; "
		    "the unit needs ListenSequentialPacket=");
		return -2;
	}
	return fd;
}

/* Make way for a new socket: only a socket that nobody serves is removed. */
static int
remove_stale(const char *path, const struct sockaddr_un *address, int type)
{
	struct stat status;
	int fd, r;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode)) {
		say("%s exists and is not a socket; remove it, or choose another path", path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (r == -ECONNREFUSED)
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	say("%s is served by another process; stop that one first, or choose another path", path);
	return -EADDRINUSE;
}

static int
bind_and_listen(const char *path, const struct sockaddr_un *address, int type, mode_t mode)
{
	mode_t mask = umask(0777 & ~mode);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0 || set_options(fd) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		r = -errno;
		say("cannot listen on %s: %s", path, strerror(-r));
		if (fd >= 0)
			close(fd);
	}
	umask(mask);
	return r < 0 ? r : fd;
}

static int
make_socket(const char *path, int type, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char parent[sizeof(address.sun_path)];
	int lock, r;

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path)) {
		say("%s: the path of a socket begins with '/' and has at most %zu bytes", path,
		    sizeof(address.sun_path) - 1);
		return -EINVAL;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	memcpy(parent, path, strlen(path) + 1);
	/* Two brokers that start at once must not both take the other's new socket for a stale one.
	 */
	lock = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0) {
		say("cannot listen on %s: %s: %s", path, parent, strerror(errno));
		return -errno;
	}
	(void)flock(lock, LOCK_EX);
	r = remove_stale(path, &address, type);
	if (r == 0)
		r = bind_and_listen(path, &address, type, mode);
	close(lock);
	return r;
}

int
listen_start(struct broker *b)
{
	b->listener = take_over();
	if (b->listener == -2)
		return -1;
	if (b->listener < 0) {
		b->listener = make_socket(b->options.socket, SOCK_SEQPACKET, 0666);
		b->listener_is_ours = b->listener >= 0;
	}
	if (b->listener < 0)
		return -1;
	b->admin = make_socket(b->options.admin, SOCK_STREAM, 0600);
	b->admin_is_ours = b->admin >= 0;
	if (b->admin < 0) {
		listen_stop(b);
		return -1;
	}
	return watch(b, b->admin, EVENT(EVENT_ADMIN, 0)) < 0 ? -1 : 0;
}

void
listen_stop(struct broker *b)
{
	if (b->listener_is_ours)
		unlink(b->options.socket);
	if (b->admin_is_ours)
		unlink(b->options.admin);
	b->listener_is_ours = b->admin_is_ours = false;
	if (b->accepting)
		listen_pause(b);
	b->accept_at = 0;
}

void
listen_pause(struct broker *b)
{
	(void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->listener, NULL);
	b->accepting = false;
	b->accept_at = now_ms() + PAUSE_MS;
	wake_at(b, b->accept_at);
}

void
listen_resume(struct broker *b)
{
	b->accept_at = 0;
	b->accepting = watch(b, b->listener, EVENT(EVENT_LISTENER, 0)) == 0;
}
