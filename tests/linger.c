/* SPDX-License-Identifier: MIT */
#include "tests/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/harness.h"

void
linger_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct rlimit limit;
	int fd;

	assert_return_code(unshare(CLONE_NEWNET), errno);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &lo), errno);
	close(fd);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	limit.rlim_cur = limit.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
}

void
arms_tcp(struct arms *arms, size_t n)
{
	static const char data[4096];
	const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_SECONDS};
	const int least = 1;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*arms = (struct arms){.n = n, .fuse.mount = -1};
	assert_true(n <= ARMS_MOST);
	assert_return_code(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)),
			   errno);
	assert_return_code(bind(listener, (struct sockaddr *)&address, size), errno);
	assert_return_code(listen(listener, 16), errno);
	assert_return_code(getsockname(listener, (struct sockaddr *)&address, &size), errno);
	for (size_t i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_return_code(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)),
				   errno);
		assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
				   errno);
		assert_return_code(connect(fd, (struct sockaddr *)&address, size), errno);
		arms->arm[i] = fd;
		arms->kept[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_return_code(arms->kept[i], errno);
	}
	/* What is on its way may find room yet at the other end: fill that too. */
	for (int round = 0; round < 3; round++) {
		sleep_ms(5);
		for (size_t i = 0; i < n; i++) {
			while (send(arms->arm[i], data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) >
			       0)
				;
			assert_int_equal(errno, EAGAIN);
		}
	}
	close(listener);
}

bool
arms_fuse(struct arms *arms, size_t n)
{
	*arms = (struct arms){.n = n};
	if (!fuse_start(&arms->fuse)) {
		fuse_stop(&arms->fuse);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		arms->arm[i] = fuse_open(&arms->fuse, (unsigned)i);
		arms->kept[i] = fuse_open(&arms->fuse, (unsigned)i);
		assert_return_code(arms->arm[i], errno);
		assert_return_code(arms->kept[i], errno);
	}
	return true;
}

void
arms_cock(struct arms *arms)
{
	if (arms->fuse.server <= 0)
		return;
	atomic_store(arms->fuse.answers, false);
	/* It stays with the kernel, and belongs to the file, not to the descriptor. */
	for (size_t i = 0; i < arms->n; i++)
		assert_int_equal(write(arms->kept[i], "x", 1), 1);
}

void
arms_disown(struct arms *arms)
{
	for (size_t i = 0; i < arms->n; i++)
		close(arms->arm[i]);
}

void
arms_release(struct arms *arms)
{
	/* First the server: while it lives and is silent, our own close() would wait. */
	fuse_stop(&arms->fuse);
	for (size_t i = 0; i < arms->n; i++)
		close(arms->kept[i]);
	arms->n = 0;
}
