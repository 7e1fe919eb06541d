/* SPDX-License-Identifier: MIT */
#include "tests/attack/asks.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

const char *
at(const char *format, ...)
{
	static char buffers[32][8192];
	static unsigned next;
	char *buffer = buffers[next++ % ELEMENTS(buffers)];
	size_t n = (size_t)snprintf(buffer, sizeof(buffers[0]), "%s/", broker.directory);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(buffer + n, sizeof(buffers[0]) - n, format, arguments);
	va_end(arguments);
	return buffer;
}

struct peer
peer_begin(uid_t uid)
{
	const struct ids ids = {.uid = uid, .gid = uid};

	return (struct peer){connect_as(&broker, &ids), {getpid(), uid, uid}};
}

void
peer_end(struct peer *p)
{
	close(p->socket);
	p->socket = -1;
}

struct peer peer;

void
asks_end(void **state)
{
	peer_end(&peer);
	harness_test_end(state);
}

/* 0 or a negative errno value. */
static int
try_send(const struct peer *p, enum wire_operation operation, const struct wire_file *file)
{
	static char message[WIRE_MESSAGE_MAX];
	static uint32_t id;
	size_t n = wire_encode_request(message, ++id, operation, file);

	memcpy(message + n, file->path, file->path_length);
	return raw_send(p->socket, &(struct raw){.bytes = message,
						 .size = n + file->path_length,
						 .credentials = &p->credentials});
}

void
peer_send(const struct peer *p, enum wire_operation operation, const struct wire_file *file)
{
	assert_int_equal(try_send(p, operation, file), 0);
}

static void
read_reply(const char *bytes, size_t size, struct told *told)
{
	struct wire_outcome outcome = {};
	struct wire_reply reply;
	uint16_t status = 0;

	assert_in_range(size, sizeof(reply), WIRE_REPLY_MAX);
	memcpy(&reply, bytes, sizeof(reply));
	assert_int_equal(wire_decode_reply(bytes, size, reply.id, 1, &status, &outcome), 0);
	told->status = status;
	if (status != 0)
		return;
	told->error = (int)outcome.error;
	told->length = outcome.text_length;
	memcpy(told->text, outcome.text, outcome.text_length);
	if (outcome.more_size == WIRE_STATUS_SIZE)
		memcpy(&told->object, outcome.more, WIRE_STATUS_SIZE);
	if (outcome.more_size == sizeof(told->next))
		memcpy(&told->next, outcome.more, sizeof(told->next));
}

void
peer_send_batch(const struct peer *p, const struct wire_file files[WIRE_ITEMS_MAX])
{
	static char message[WIRE_MESSAGE_MAX];
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = WIRE_OPEN,
				     .id = 1,
				     .item_size = sizeof(struct wire_item),
				     .items = WIRE_ITEMS_MAX};
	size_t used = sizeof(header) + WIRE_ITEMS_MAX * sizeof(struct wire_item);

	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++) {
		const struct wire_item item = {.flags = files[i].flags,
					       .mode = files[i].mode,
					       .path_length = files[i].path_length};

		memcpy(message + sizeof(header) + i * sizeof(item), &item, sizeof(item));
		memcpy(message + used, files[i].path, item.path_length);
		used += item.path_length;
	}
	header.length = (uint32_t)used;
	memcpy(message, &header, sizeof(header));
	assert_int_equal(raw_send(p->socket, &(struct raw){.bytes = message,
							   .size = used,
							   .credentials = &p->credentials}),
			 0);
}

void
peer_receive(const struct peer *p, struct told *ret_told)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	static char bytes[WIRE_REPLY_MAX + 1];
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n;

	*ret_told = (struct told){.status = -1, .fd = -1};
	n = recvmsg(p->socket, &message, MSG_CMSG_CLOEXEC);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return;
	assert_return_code(n, errno);
	assert_int_equal(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC), 0);
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(&ret_told->fd, CMSG_DATA(c), sizeof(int));
	}
	read_reply(bytes, (size_t)n, ret_told);
	if (ret_told->fd >= 0)
		assert_true(ret_told->status == 0 && ret_told->error == 0);
}

int
peer_ask(struct peer *p, enum wire_operation operation, const struct wire_file *file,
	 struct told *ret_told)
{
	static struct told own;
	struct told *told = ret_told ? ret_told : &own;

	for (int i = 0;; i++) {
		*told = (struct told){.status = -1, .fd = -1};
		if (try_send(p, operation, file) == 0)
			peer_receive(p, told);
		if (told->status == 0)
			break;
		assert_true(told->status == -1 || told->status == WIRE_STATUS_RETRY);
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
		peer_end(p);
		*p = peer_begin(p->credentials.uid);
	}
	assert_int_equal(told->fd >= 0, operation == WIRE_OPEN && told->error == 0);
	if (!ret_told && told->fd >= 0)
		close(told->fd);
	return told->error;
}

int
peer_open(struct peer *p, unsigned flags, mode_t mode, const char *path, int *ret_fd)
{
	const struct wire_file file = {
		.flags = flags, .mode = mode, .path = path, .path_length = (uint32_t)strlen(path)};
	static struct told told;
	int error = peer_ask(p, WIRE_OPEN, &file, ret_fd ? &told : NULL);

	if (error == 0 && ret_fd)
		*ret_fd = told.fd;
	return error;
}

int
peer_stat(struct peer *p, unsigned flags, const char *path, struct statx *ret_object)
{
	const struct wire_file file = {
		.flags = flags, .path = path, .path_length = (uint32_t)strlen(path)};
	static struct told told;
	int error = peer_ask(p, WIRE_STAT, &file, &told);

	if (error == 0 && ret_object)
		*ret_object = told.object;
	return error;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each of them, in order. */
static char *
join_sorted(char **names, size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (n > 0)
		qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%s/", names[i]);
		free(names[i]);
	}
	free(names);
	assert_int_equal(fclose(out), 0);
	return text;
}

int
peer_list(struct peer *p, const char *path, char **ret_names)
{
	struct wire_file file = {.path = path, .path_length = (uint32_t)strlen(path)};
	static struct told told;
	char **names = NULL;
	size_t n = 0;

	do {
		const char *text = told.text, *name;
		unsigned char type;
		size_t length;
		int error = peer_ask(p, WIRE_LIST, &file, &told);

		if (error != 0) {
			free(join_sorted(names, n));
			return error;
		}
		while (wire_next_entry(&text, &told.length, &type, &name, &length)) {
			names = reallocarray(names, n + 1, sizeof(names[0]));
			assert_non_null(names);
			names[n++] = strndup(name, length);
		}
		assert_int_equal(told.length, 0);
		file.from = told.next;
	} while (file.from != 0);
	if (ret_names)
		*ret_names = join_sorted(names, n);
	else
		free(join_sorted(names, n));
	return 0;
}

bool
is_same(int fd, const char *path)
{
	struct stat wanted, got;

	assert_return_code(fstat(fd, &got), errno);
	return stat(path, &wanted) == 0 && wanted.st_dev == got.st_dev &&
	       wanted.st_ino == got.st_ino;
}

unsigned
log_count(const char *one, const char *other)
{
	FILE *log = fopen(broker.log, "re");
	char *line = NULL;
	size_t room = 0;
	unsigned n = 0;

	assert_non_null(log);
	while (getline(&line, &room, log) >= 0)
		n += strstr(line, one) && strstr(line, other);
	free(line);
	fclose(log);
	return n;
}

void
log_wait(unsigned n, const char *one, const char *other)
{
	for (int i = 0; log_count(one, other) < n; i++) {
		if (i > WAIT_SECONDS * 100)
			fail_msg("the log does not say: %s, %s", one, other);
		sleep_ms(10);
	}
}

static unsigned names;

static int
count_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)path, (void)status, (void)type, (void)where;
	names++;
	return 0;
}

unsigned
count_names(void)
{
	names = 0;
	assert_int_equal(nftw(broker.directory, count_one, 16, FTW_PHYS), 0);
	return names;
}

void
make_file(const char *path, uid_t owner, mode_t mode, const char *content)
{
	write_file(path, content);
	assert_return_code(chown(path, owner, owner), errno);
	assert_return_code(chmod(path, mode), errno);
}

void
make_dir(const char *path, uid_t owner, mode_t mode)
{
	assert_return_code(mkdir(path, 0700), errno);
	assert_return_code(chown(path, owner, owner), errno);
	assert_return_code(chmod(path, mode), errno);
}

static void
test_nothing(void **state)
{
	(void)state;
	(void)needs_root();
}

const struct CMUnitTest asks_without_root[1] = {cmocka_unit_test(test_nothing)};
