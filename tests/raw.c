/* SPDX-License-Identifier: MIT */
/* A client that speaks the protocol by hand, and wrongly when asked to. */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

int
raw_try_connect(const struct harness *h)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = WAIT_SECONDS};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, h->socket, strlen(h->socket) + 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int
raw_connect(const struct harness *h)
{
	int fd = raw_try_connect(h);

	assert_return_code(fd, -fd);
	return fd;
}

size_t
raw_request(void *buffer, uint32_t id, uint32_t flags, const char *path, size_t path_length)
{
	const size_t size = sizeof(struct wire_header) + sizeof(struct wire_item) + path_length;
	struct wire_header header = {
		.length = (uint32_t)size,
		.version = WIRE_VERSION,
		.operation = WIRE_OPEN,
		.id = id,
		.item_size = sizeof(struct wire_item),
		.items = 1,
	};
	struct wire_item item = {.flags = flags, .path_length = (uint32_t)path_length};
	char *at = buffer;

	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), &item, sizeof(item));
	memcpy(at + sizeof(header) + sizeof(item), path, path_length);
	return size;
}

static size_t
add_header(char *control, size_t used, int type, const void *bytes, size_t size)
{
	struct cmsghdr header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = type, .cmsg_len = CMSG_LEN(size)};

	memcpy(control + used, &header, sizeof(header));
	memcpy(control + used + CMSG_LEN(0), bytes, size);
	return used + CMSG_SPACE(size);
}

size_t
raw_greatest_request(char *batch)
{
	const size_t length = strlen(broker.file), items = WIRE_ITEMS_MAX;
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = WIRE_OPEN,
				     .item_size = sizeof(struct wire_item),
				     .items = (uint16_t)items};
	struct wire_item item = {.flags = O_RDONLY, .path_length = (uint32_t)length};
	size_t used = sizeof(header) + items * sizeof(item);

	for (size_t i = 0; i < items; i++) {
		memcpy(batch + sizeof(header) + i * sizeof(item), &item, sizeof(item));
		memcpy(batch + used, broker.file, length);
		used += length;
	}
	header.length = (uint32_t)used;
	memcpy(batch, &header, sizeof(header));
	return used;
}

int
raw_send(int socket, const struct raw *raw)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) +
					      2 * CMSG_SPACE(FDS_AT_ONCE * sizeof(int))] = {};
	struct iovec iov = {.iov_base = (void *)raw->bytes, .iov_len = raw->size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t used = 0, rest = raw->n_fds - raw->first_fds;
	ssize_t n;

	if (raw->credentials && !raw->fds_first)
		used = add_header(control, used, SCM_CREDENTIALS, raw->credentials,
				  sizeof(struct ucred));
	if (raw->first_fds > 0)
		used = add_header(control, used, SCM_RIGHTS, raw->fds,
				  raw->first_fds * sizeof(int));
	if (rest > 0)
		used = add_header(control, used, SCM_RIGHTS, raw->fds + raw->first_fds,
				  rest * sizeof(int));
	if (raw->credentials && raw->fds_first)
		used = add_header(control, used, SCM_CREDENTIALS, raw->credentials,
				  sizeof(struct ucred));
	if (used > 0) {
		message.msg_control = control;
		message.msg_controllen = used;
	}
	n = sendmsg(socket, &message, raw->flags | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == raw->size ? 0 : -EMSGSIZE;
}

int
raw_send_bytes(int socket, const void *bytes, size_t size)
{
	return raw_send(socket, &(struct raw){.bytes = bytes, .size = size});
}

void
raw_receive(int socket, int flags, struct reply *reply)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
	unsigned char bytes[WIRE_REPLY_MAX + 1];
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	size_t size;

	*reply = (struct reply){};
	reply->size = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	if (reply->size < 0) {
		reply->size = -errno;
		return;
	}
	reply->truncated = message.msg_flags & (MSG_CTRUNC | MSG_TRUNC);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		reply->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(reply->fds, CMSG_DATA(c), reply->n_fds * sizeof(int));
	}
	size = (size_t)reply->size;
	memcpy(&reply->head, bytes, size < sizeof(reply->head) ? size : sizeof(reply->head));
	/* Of what is longer, as a list is, only the beginning. */
	if (size > sizeof(reply->head)) {
		size -= sizeof(reply->head);
		memcpy(reply->results, bytes + sizeof(reply->head),
		       size < sizeof(reply->results) ? size : sizeof(reply->results));
	}
}

void
reply_drop(struct reply *reply)
{
	for (size_t i = 0; i < reply->n_fds; i++)
		close(reply->fds[i]);
	reply->n_fds = 0;
}

int
raw_take_all(int socket)
{
	struct reply reply;
	int status;

	raw_receive(socket, 0, &reply);
	assert_true(reply.size >= (ssize_t)sizeof(reply.head));
	status = reply.head.status;
	assert_int_equal(reply.n_fds, status == 0 ? WIRE_ITEMS_MAX : 0);
	assert_int_equal(reply.head.items, reply.n_fds);
	reply_drop(&reply);
	return status;
}

void
assert_ended(int socket)
{
	struct reply reply;

	raw_receive(socket, 0, &reply);
	/* ECONNRESET when something that we sent was left unread. */
	if (reply.size == -ECONNRESET)
		raw_receive(socket, 0, &reply);
	reply_drop(&reply);
	assert_int_equal(reply.size, 0);
}

void
assert_refused(int socket, uint32_t id, int status)
{
	struct reply reply;

	raw_receive(socket, 0, &reply);
	reply_drop(&reply);
	assert_int_equal(reply.size, sizeof(reply.head));
	assert_int_equal(reply.head.length, sizeof(reply.head));
	assert_int_equal(reply.head.id, id);
	assert_int_equal(reply.head.status, status);
	assert_int_equal(reply.head.items, 0);
}

int
raw_open(int socket, uint32_t flags, const char *path, size_t path_length, int *ret_fd)
{
	static char message[WIRE_MESSAGE_MAX];
	static uint32_t id = 1000;
	struct reply reply;
	int error;

	id++;
	assert_int_equal(
		raw_send_bytes(socket, message, raw_request(message, id, flags, path, path_length)),
		0);
	raw_receive(socket, 0, &reply);
	assert_int_equal(reply.size, sizeof(reply.head) + sizeof(reply.results[0]));
	assert_int_equal(reply.head.version, WIRE_VERSION);
	assert_int_equal(reply.head.status, 0);
	assert_int_equal(reply.head.id, id);
	assert_int_equal(reply.head.items, 1);
	assert_false(reply.truncated);
	error = (int)reply.results[0].error;
	assert_int_equal(reply.n_fds, error == 0);
	if (error == 0 && ret_fd)
		*ret_fd = reply.fds[0];
	else
		reply_drop(&reply);
	return error;
}
