/* SPDX-License-Identifier: MIT */
/* Runs in: the client. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connection.h"
#include "fdbroker.h"
#include "wire.h"

/*
 * One connection a thread: no lock, no answer that another thread waits for. The key exists only
 * for its destructor, which closes the connection when the thread ends.
 */
static __thread struct connection thread_connection = {.fd = -1};
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static void
thread_end(void *connection)
{
	connection_close(connection);
}

static void
thread_setup(void)
{
	(void)pthread_atfork(NULL, NULL, connection_forked);
	/*
	 * Without a key (PTHREAD_KEYS_MAX) a thread that ends leaves its connection to the process.
	 */
	if (pthread_key_create(&thread_key, thread_end) != 0)
		thread_key = (pthread_key_t)-1;
}

static struct connection *
own_connection(void)
{
	pthread_once(&thread_once, thread_setup);
	if (thread_connection.fd < 0 && thread_key != (pthread_key_t)-1)
		(void)pthread_setspecific(thread_key, &thread_connection);
	return &thread_connection;
}

bool
where_parse_uid(const char *text, uid_t *ret_uid)
{
	size_t n = strspn(text, "0123456789");
	unsigned long long uid;

	if (n == 0 || n > 10 || text[n])
		return false;
	uid = strtoull(text, NULL, 10);
	/* (uid_t)-1 is nobody. */
	if (uid >= (uid_t)-1)
		return false;
	*ret_uid = (uid_t)uid;
	return true;
}

void
where_find(struct where *ret_where)
{
	const char *path = secure_getenv("FDBROKER_SOCKET");
	const char *uid = secure_getenv("FDBROKER_SERVER_UID");

	*ret_where = (struct where){.path = path && *path ? path : BROKER_SOCKET_DEFAULT};
	ret_where->has_uid = uid && where_parse_uid(uid, &ret_where->uid);
}

/* Whom to ask, and until when. */
static void
begin(struct where *ret_where, struct timespec *ret_deadline)
{
	where_find(ret_where);
	clock_gettime(CLOCK_MONOTONIC, ret_deadline);
	ret_deadline->tv_sec += BROKER_TIMEOUT_DEFAULT / 1000;
}

int
broker_open(const char *path, int flags, ...)
{
	int saved = errno, fd = -1, r;
	struct timespec deadline;
	struct where where;
	mode_t mode = 0;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_list arguments;

		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	begin(&where, &deadline);
	r = connection_open(own_connection(), &where, path, flags, mode, &deadline, &fd);
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : fd;
}

int
broker_stat(const char *path, int flags, struct statx *ret_status)
{
	int saved = errno, r;
	struct timespec deadline;
	struct where where;

	begin(&where, &deadline);
	r = connection_stat(own_connection(), &where, path, flags, &deadline, ret_status);
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : 0;
}

/* Each entry of a page. Not 0: what fn returned. */
static int
each_entry(const char *entries, size_t length, broker_list_fn *fn, void *context)
{
	char name[WIRE_NAME_MAX + 1];
	const char *bytes;
	unsigned char type;
	size_t n;
	int r = 0;

	while (r == 0 && wire_next_entry(&entries, &length, &type, &bytes, &n)) {
		memcpy(name, bytes, n);
		name[n] = '\0';
		r = fn(context, name, type);
	}
	return r;
}

int
broker_list(const char *path, broker_list_fn *fn, void *context)
{
	char entries[CONNECTION_LIST_MAX];
	struct timespec deadline;
	int saved = errno, r;
	struct where where;
	uint64_t next = 0;
	size_t length;

	do {
		begin(&where, &deadline);
		r = connection_list(own_connection(), &where, path, next, &deadline, entries,
				    &length, &next);
		if (r < 0) {
			errno = -r;
			return -1;
		}
		errno = saved;
		r = each_entry(entries, length, fn, context);
	} while (r == 0 && next != 0);
	return r;
}

const char *
broker_error_reason(void)
{
	return thread_connection.reason[0] ? thread_connection.reason : NULL;
}
