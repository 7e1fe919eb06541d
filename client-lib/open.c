/* SPDX-License-Identifier: MIT */
/* Runs in: the client. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "connection.h"
#include "fdbroker.h"

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

int
broker_open(const char *path, int flags, ...)
{
	const char *socket_path = secure_getenv("FDBROKER_SOCKET");
	int saved = errno, fd = -1, r;
	struct timespec deadline;
	mode_t mode = 0;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_list arguments;

		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	if (!socket_path || !*socket_path)
		socket_path = BROKER_SOCKET_DEFAULT;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += BROKER_TIMEOUT_DEFAULT / 1000;
	r = connection_open(own_connection(), socket_path, path, flags, mode, &deadline, &fd);
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : fd;
}
