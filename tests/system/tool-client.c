/* SPDX-License-Identifier: MIT */
/*
 * A client for the TAP scripts.
 *
 *     tool-client loop N PATH...      open each path N times; says how often which errno came
 *     tool-client until FILE PATH...  the same until FILE exists
 *     tool-client hoard N PATH        ask for PATH 64 times in each of N requests, read no answer
 *     tool-client slow N PATH         the same on each of N connections, and read all every second
 *     tool-client steps PATH          for each line on standard input open PATH once and say what
 * came
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "client-lib/wire.h"

static unsigned long counts[200];

static void
open_once(const char *path)
{
	int fd = broker_open(path, O_RDONLY);

	counts[fd < 0 ? (unsigned)errno % 200 : 0]++;
	if (fd >= 0)
		close(fd);
}

static int
report(void)
{
	int r = 0;

	for (int i = 0; i < 200; i++) {
		if (counts[i] > 0)
			printf("%s %lu\n", i == 0 ? "ok" : strerrorname_np(i), counts[i]);
		if (i > 0 && counts[i] > 0)
			r = 1;
	}
	return r;
}

/* A connection, and a request for as many descriptors of path as one message can ask for. */
static int
connect_raw(const char *path, char message[WIRE_MESSAGE_MAX], size_t *ret_length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t path_length = strlen(path), at = sizeof(struct wire_header);
	struct wire_header header = {
		.version = WIRE_VERSION,
		.operation = WIRE_OPEN,
		.item_size = sizeof(struct wire_item),
		.items = WIRE_ITEMS_MAX,
	};
	struct wire_item item = {.path_length = (uint32_t)path_length};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	for (int i = 0; i < WIRE_ITEMS_MAX; i++, at += sizeof(item))
		memcpy(message + at, &item, sizeof(item));
	for (int i = 0; i < WIRE_ITEMS_MAX; i++, at += path_length)
		memcpy(message + at, path, path_length);
	header.length = (uint32_t)at;
	memcpy(message, &header, sizeof(header));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("FDBROKER_SOCKET"));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		exit(1);
	*ret_length = at;
	return fd;
}

/* Says "full" when no more requests are taken, and stays as it is until it is ended. */
static int
hoard(long n, const char *path)
{
	static char message[WIRE_MESSAGE_MAX];
	size_t length;
	int fd = connect_raw(path, message, &length);

	while (n > 0 && send(fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		n--;
	puts("full");
	fflush(stdout);
	pause();
	return 0;
}

/* Keeps four requests under way on each connection, and is in no hurry to read the answers. */
static void __attribute__((noreturn)) be_slow(long n, const char *path)
{
	static char message[WIRE_MESSAGE_MAX], answer[WIRE_REPLY_MAX];
	int fds[256], under_way[256] = {};
	size_t length = 0;

	for (int i = 0; i < n && i < 256; i++)
		fds[i] = connect_raw(path, message, &length);
	for (;;) {
		for (int i = 0; i < n && i < 256; i++) {
			/* Without room for descriptors, which end where they are. */
			while (recv(fds[i], answer, sizeof(answer), MSG_DONTWAIT) > 0)
				under_way[i]--;
			while (under_way[i] < 4 &&
			       send(fds[i], message, length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
				under_way[i]++;
		}
		puts("full");
		fflush(stdout);
		sleep(1);
	}
}

int
main(int argc, char **argv)
{
	char line[16];

	if (argc >= 4 && strcmp(argv[1], "loop") == 0) {
		for (long n = strtol(argv[2], NULL, 10); n > 0; n--)
			for (int i = 3; i < argc; i++)
				open_once(argv[i]);
		return report();
	}
	if (argc >= 4 && strcmp(argv[1], "until") == 0) {
		while (access(argv[2], F_OK) < 0)
			for (int i = 3; i < argc; i++)
				open_once(argv[i]);
		return report();
	}
	if (argc == 4 && strcmp(argv[1], "hoard") == 0)
		return hoard(strtol(argv[2], NULL, 10), argv[3]);
	if (argc == 4 && strcmp(argv[1], "slow") == 0)
		be_slow(strtol(argv[2], NULL, 10), argv[3]);
	if (argc == 3 && strcmp(argv[1], "steps") == 0) {
		while (fgets(line, sizeof(line), stdin)) {
			int fd = broker_open(argv[2], O_RDONLY);

			printf("%s\n", fd < 0 ? strerrorname_np(errno) : "ok");
			fflush(stdout);
			if (fd >= 0)
				close(fd);
		}
		return 0;
	}
	return 2;
}
