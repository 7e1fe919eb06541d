/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "cli.h"
#include "client-lib/connection.h"
#include "text.h"

int64_t
admin_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
admin_clear(struct admin_status *status)
{
	free(status->text);
	json_decref(status->json);
	*status = (struct admin_status){0};
}

/* Connect before deadline: connect(2) waits while the queue of the socket is full. */
static int
admin_connect(const char *path, int64_t deadline, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	_cleanup_close_ int fd = -1;

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (admin_now() >= deadline)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 10);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int
read_to_end(int fd, int64_t deadline, char **ret_text, size_t *ret_size)
{
	_cleanup_free_ char *text = NULL;
	size_t room = 0, size = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - admin_now();
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (size + 1 >= room) {
			room = room ? room * 2 : 16 << 10;
			text = cli_resize(text, room, 1);
		}
		n = recv(fd, text + size, room - size - 1, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		size += n > 0 ? (size_t)n : 0;
		if (size > ADMIN_BYTES_MAX)
			return ADMIN_UNREADABLE;
	}
	text[size] = '\0';
	*ret_text = text;
	*ret_size = size;
	text = NULL;
	return ADMIN_READ;
}

int
admin_read(const char *path, int64_t deadline, struct admin_status *ret_status)
{
	_cleanup_close_ int fd = -1;
	struct admin_status status = {0};
	socklen_t length = sizeof(status.server);
	struct where where;
	size_t size = 0;
	int r = admin_connect(path, deadline, &fd);

	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &status.server, &length) < 0)
		return -errno;
	where_find(&where);
	if (!where_trusts(&where, status.server.uid))
		return ADMIN_UNTRUSTED;
	r = read_to_end(fd, deadline, &status.text, &size);
	if (r != ADMIN_READ)
		return r;
	status.json = json_loadb(status.text, size, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(status.json)) {
		admin_clear(&status);
		return ADMIN_UNREADABLE;
	}
	*ret_status = status;
	return ADMIN_READ;
}

void
admin_explain(const char *path, int result)
{
	switch (result) {
	case ADMIN_UNTRUSTED:
		cli_error("%s: what listens there runs neither as root nor as you; not trusted "
			  "(--server-uid says whom to trust)",
			  path);
		break;
	case ADMIN_UNREADABLE:
		cli_error("%s: the answer is not the status of a broker", path);
		break;
	case -ENOENT:
	case -ECONNREFUSED:
		if (strcmp(path, CLI_DEFAULT_ADMIN) == 0)
			cli_error("no broker at %s; start it: systemctl start fdbroker", path);
		else
			cli_error("no broker at %s; is fdbrokerd running with --admin %s?", path,
				  path);
		break;
	case -EACCES:
		cli_error("%s: %s; the admin socket is for root only", path, strerror(-result));
		break;
	case -ETIMEDOUT:
		cli_error("%s: no answer in time", path);
		break;
	default:
		cli_error("%s: %s", path, strerror(-result));
	}
}

int64_t
admin_integer(const json_t *object, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

const char *
admin_string(const json_t *object, const char *name, const char *otherwise)
{
	return json_string_value(json_object_get(object, name)) ?: otherwise;
}

char *
admin_bytes(const json_t *value)
{
	const char *at = json_string_value(value);
	char *bytes = at ? cli_resize(NULL, strlen(at) + 1, 1) : NULL, *to = bytes;

	if (!bytes)
		return NULL;
	while (*at) {
		unsigned char c = (unsigned char)*at++;

		/* U+0080 to U+00FF are C2 80 to C3 BF. */
		if ((c == 0xc2 || c == 0xc3) && *at)
			c = (unsigned char)((c & 3) << 6 | ((unsigned char)*at++ & 0x3f));
		*to++ = (char)c;
	}
	*to = '\0';
	return bytes;
}
