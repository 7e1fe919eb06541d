/* SPDX-License-Identifier: MIT */
/*
 * The one sendmsg(2) and the one recvmsg(2) of the tree: a message with descriptors and
 * credentials. Used by the library, the broker, its workers and the log process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	CHANNEL_FDS_MAX = 64, /* descriptors in one message; the kernel's own limit is 253 */
};

/*
 * Send one message. fds, n_fds: descriptors that go with it (they stay the caller's). credentials:
 * sent explicitly, or NULL. flags: MSG_DONTWAIT or 0; a SIGPIPE is never raised. Returns 0 when the
 * whole message was taken, else a negative errno value.
 */
int channel_send(int socket, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds,
		 const struct ucred *credentials, int flags);

/* What a message brought beside its bytes. */
struct channel_extra {
	size_t n_fds; /* descriptors received, now the caller's, close-on-exec */
	bool has_credentials;
	struct ucred credentials;
	bool truncated; /* ancillary data was dropped: more descriptors than there was room for */
};

/*
 * Receive one message of at most size bytes. fds, max_fds: where descriptors go; with max_fds 0 the
 * kernel drops all of them before this process ever holds one. with_credentials: make room for
 * those.
 *
 * Returns the number of bytes (0: end of file, or an empty message, which nobody sends), -EMSGSIZE
 * if the message was longer than size (*ret_extra is set then too), or another negative errno
 * value, -EINTR too: the caller knows its deadline. On failure no descriptor is left behind. More
 * descriptors than max_fds: they are closed, and ret_extra->truncated is set.
 */
ssize_t channel_receive(int socket, void *buffer, size_t size, int *fds, size_t max_fds,
			bool with_credentials, int flags, struct channel_extra *ret_extra);
