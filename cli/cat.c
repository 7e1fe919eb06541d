/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "client-lib/fdbroker.h"
#include "text.h"

enum {
	BUFFER_SIZE = 128 << 10,
};

enum copied {
	COPIED,
	SOURCE_FAILED,
	TARGET_FAILED, /* standard output takes no more */
};

/* Standard output or a source that somebody else made non-blocking. */
static void
wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	(void)poll(&p, 1, -1);
}

static int
write_all(const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t r = write(STDOUT_FILENO, bytes, n);

		if (r >= 0) {
			bytes += r;
			n -= (size_t)r;
		} else if (errno == EAGAIN) {
			wait_for(STDOUT_FILENO, POLLOUT);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* A file that is copied to its own end grows for ever. */
static bool
is_standard_output(int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(STDOUT_FILENO, &b) == 0 && S_ISREG(a.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size > 0;
}

static enum copied
copy(const char *path, int fd)
{
	static char buffer[BUFFER_SIZE];

	if (is_standard_output(fd)) {
		cli_error("%s: is standard output as well", path);
		return SOURCE_FAILED;
	}
	for (;;) {
		ssize_t n = read(fd, buffer, sizeof(buffer));
		int r;

		if (n == 0)
			return COPIED;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			cli_error("%s: read: %s", path, strerror(errno));
			return SOURCE_FAILED;
		}
		r = write_all(buffer, (size_t)n);
		if (r == -EPIPE) /* the reader has seen enough */
			return TARGET_FAILED;
		if (r < 0) {
			cli_error("standard output: %s", strerror(-r));
			return TARGET_FAILED;
		}
	}
}

int
cli_cat(const struct cli_args *args)
{
	int status = CLI_YES;

	for (int i = 0; i < args->n_operands; i++) {
		const char *path = args->operands[i];
		_cleanup_close_ int fd = broker_open(path, O_RDONLY | O_CLOEXEC);
		enum copied copied;

		if (fd < 0) {
			cli_explain_open(path, O_RDONLY, errno);
			status = CLI_NO;
			continue;
		}
		copied = copy(path, fd);
		if (copied != COPIED)
			status = CLI_NO;
		if (copied == TARGET_FAILED)
			break;
	}
	return status;
}
