/* SPDX-License-Identifier: MIT */
/* Runs in: every process that passes messages. Trusts: the kernel. Distrusts: whoever sends. */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Room for credentials and descriptors, aligned as cmsg(3) wants it. */
union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

int
channel_send(int socket, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds,
	     const struct ucred *credentials, int flags)
{
	union control control;
	struct msghdr message = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = n_iov,
	};
	size_t length = 0, used = 0;
	struct cmsghdr *header;
	ssize_t n;

	if (n_fds > CHANNEL_FDS_MAX)
		return -EINVAL;
	if (n_fds > 0 || credentials) {
		/* CMSG_NXTHDR looks at the length of the header that it goes to. */
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		if (credentials) {
			header->cmsg_level = SOL_SOCKET;
			header->cmsg_type = SCM_CREDENTIALS;
			header->cmsg_len = CMSG_LEN(sizeof(*credentials));
			memcpy(CMSG_DATA(header), credentials, sizeof(*credentials));
			used += CMSG_SPACE(sizeof(*credentials));
			header = CMSG_NXTHDR(&message, header);
		}
		if (n_fds > 0) {
			header->cmsg_level = SOL_SOCKET;
			header->cmsg_type = SCM_RIGHTS;
			header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
			memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
			used += CMSG_SPACE(n_fds * sizeof(int));
		}
		message.msg_controllen = used;
	}
	for (size_t i = 0; i < n_iov; i++)
		length += iov[i].iov_len;
	do
		n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EMSGSIZE;
}

/* Take the descriptors of one header; those that there is no room for are closed. */
static void
take_fds(const struct cmsghdr *header, int *fds, size_t max_fds, struct channel_extra *extra)
{
	size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
		if (extra->n_fds < max_fds) {
			fds[extra->n_fds++] = fd;
		} else {
			close(fd);
			extra->truncated = true;
		}
	}
}

ssize_t
channel_receive(int socket, void *buffer, size_t size, int *fds, size_t max_fds,
		bool with_credentials, int flags, struct channel_extra *ret_extra)
{
	struct channel_extra extra = {};
	struct iovec iov = {.iov_base = buffer, .iov_len = size};
	union control control;
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (max_fds > CHANNEL_FDS_MAX)
		return -EINVAL;
	/*
	 * Exactly the room that is wanted: what does not fit never becomes a descriptor of this
	 * process.
	 */
	message.msg_controllen = (with_credentials ? CMSG_SPACE(sizeof(struct ucred)) : 0) +
				 (max_fds > 0 ? CMSG_SPACE(max_fds * sizeof(int)) : 0);
	if (message.msg_controllen > 0)
		message.msg_control = &control;
	n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;

	if (message.msg_control) {
		for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
			if (h->cmsg_level != SOL_SOCKET)
				continue;
			if (h->cmsg_type == SCM_RIGHTS) {
				take_fds(h, fds, max_fds, &extra);
			} else if (h->cmsg_type == SCM_CREDENTIALS &&
				   h->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
				memcpy(&extra.credentials, CMSG_DATA(h), sizeof(struct ucred));
				extra.has_credentials = true;
			}
		}
	}
	if (message.msg_flags & MSG_CTRUNC)
		extra.truncated = true;
	if (message.msg_flags & MSG_TRUNC) {
		for (size_t i = 0; i < extra.n_fds; i++)
			close(fds[i]);
		extra.n_fds = 0;
		*ret_extra = extra;
		return -EMSGSIZE;
	}
	*ret_extra = extra;
	return n;
}
