/* SPDX-License-Identifier: MIT */
/* Runs in: broker. Its two sockets: taken over from the service manager, or made. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "broker/daemon/daemon.h"
#include "broker/sys.h"

enum {
	BACKLOG = 4096, /* cut to net.core.somaxconn by the kernel */
};

/*
 * Refuses what this socket must never bring: descriptors; and has credentials with every message.
 */
static int
set_options(int fd)
{
	const int on = 1, off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	/* Linux 6.16; before that workers do not receive what has some (worker/hangup.h). */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	return 0;
}

static int
option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

bool
listen_close_rights(int fd)
{
	if (option_of(fd, SO_PASSRIGHTS) == 0)
		return true;
	(void)set_options(fd);
	return false;
}

/* The one socket that a .socket unit passes (sd_listen_fds(3)), -ENOENT, or -ECANCELED. */
static int
take_over(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	const int fd = 3;

	if (!pid || !n || strtol(pid, NULL, 10) != getpid())
		return -ENOENT;
	if (strcmp(n, "1") == 0 && option_of(fd, SO_DOMAIN) == AF_UNIX &&
	    option_of(fd, SO_TYPE) == SOCK_SEQPACKET && option_of(fd, SO_ACCEPTCONN) == 1 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && set_options(fd) == 0)
		return fd;
	warnx("what the service manager passed is not one listening SOCK_SEQPACKET socket: see "
	      "ListenSequentialPacket= in systemd.socket(5)");
	return -ECANCELED;
}

/* Make way for a new socket: only a socket that nobody serves is removed. */
static int
remove_stale(const char *path, const struct sockaddr_un *address, int type)
{
	struct stat status;
	int fd, r;

	if (lstat(path, &status) < 0)
		return 0; /* what bind(2) says of it is clearer */
	if (!S_ISSOCK(status.st_mode)) {
		warnx("%s exists and is not a socket; remove it, or choose another path", path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (r == -ECONNREFUSED && (unlink(path) == 0 || errno == ENOENT))
		return 0;
	warnx("%s is served by another process; stop that one first, or choose another path", path);
	return -EADDRINUSE;
}

static int
make_socket(const char *path, int type, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	if (path[0] != '/' || strlen(path) >= sizeof(address.sun_path)) {
		warnx("%s: the path of a socket begins with '/' and has at most %zu bytes", path,
		      sizeof(address.sun_path) - 1);
		return -ECANCELED;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = remove_stale(path, &address, type);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	umask(0777 & ~mode);
	if (fd < 0 || set_options(fd) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		warnx("cannot listen on %s: %s", path, strerror(errno));
		close_fd(&fd);
	}
	umask(077);
	return fd;
}

/* Of the file at path; 0 without one, or without a socket. */
static ino_t
inode_of(const char *path, int fd)
{
	struct stat status;

	return fd >= 0 && lstat(path, &status) == 0 ? status.st_ino : 0;
}

int
listen_start(struct broker *b)
{
	b->listener = take_over();
	if (b->listener == -ENOENT) {
		b->listener = make_socket(b->options.socket, SOCK_SEQPACKET, 0666);
		b->listener_inode = inode_of(b->options.socket, b->listener);
	}
	if (b->listener < 0)
		return -ECANCELED;
	b->admin = make_socket(b->options.admin, SOCK_STREAM, 0600);
	b->admin_inode = inode_of(b->options.admin, b->admin);
	return b->admin < 0 ? -ECANCELED : watch(b, b->admin, EVENT(EVENT_ADMIN, 0));
}

void
listen_stop(struct broker *b)
{
	/* Only our own: another may have made one there since. */
	if (b->listener_inode != 0 && inode_of(b->options.socket, 0) == b->listener_inode)
		unlink(b->options.socket);
	if (b->admin_inode != 0 && inode_of(b->options.admin, 0) == b->admin_inode)
		unlink(b->options.admin);
	listen_pause(b, 0);
	b->accept_at = 0;
}

void
listen_pause(struct broker *b, int ms)
{
	b->accepting = false;
	(void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->listener, NULL);
	b->accept_at = now_ms() + ms;
	wake_at(b, b->accept_at);
}

void
listen_resume(struct broker *b)
{
	b->accept_at = 0;
	b->accepting = watch(b, b->listener, EVENT(EVENT_LISTENER, 0)) == 0;
}
