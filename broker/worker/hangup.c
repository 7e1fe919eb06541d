/* SPDX-License-Identifier: MIT */
/* Runs in: worker, second phase. Distrusts: what clients sent and nobody received. */
#include "broker/worker/hangup.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/armed.h"
#include "broker/ipc.h"
#include "client-lib/channel.h"

enum unread {
	UNREAD_NOTHING,
	UNREAD_BYTES,
	UNREAD_DESCRIPTORS,
};

/* What comes next, without receiving it. */
static enum unread
look(int fd)
{
	struct channel_extra extra = {};
	char byte;
	ssize_t n;

	/* Said once, of a client that went away, and before what it sent. */
	do
		n = channel_receive(fd, &byte, sizeof(byte), NULL, 0, true, MSG_PEEK | MSG_DONTWAIT,
				    &extra);
	while (n == -ECONNRESET);
	if (extra.truncated)
		return UNREAD_DESCRIPTORS;
	return n > 0 || n == -EMSGSIZE || extra.has_credentials ? UNREAD_BYTES : UNREAD_NOTHING;
}

bool
hangup_is_due(int fd)
{
	return look(fd) == UNREAD_DESCRIPTORS;
}

/* Nothing more comes, and what is there is read, up to a message with descriptors. */
static bool
is_empty(int fd)
{
	struct channel_extra extra;
	enum unread unread;
	char byte;

	shutdown(fd, SHUT_RD);
	while ((unread = look(fd)) == UNREAD_BYTES)
		(void)channel_receive(fd, &byte, sizeof(byte), NULL, 0, true, MSG_DONTWAIT, &extra);
	return unread == UNREAD_NOTHING;
}

void
hangup_count(void)
{
	static const char ends[64];
	static size_t untold;
	ssize_t n;

	untold++;
	n = write(IPC_ENDED, ends, untold < sizeof(ends) ? untold : sizeof(ends));
	/* Full: the broker has not counted for a while; it learns of the rest later. */
	if (n > 0)
		untold -= (size_t)n;
}

bool
hangup(int fd, bool may_hold)
{
	if (may_hold) {
		if (!is_empty(fd)) {
			shutdown(fd, SHUT_WR); /* to the client it has ended */
			return false;
		}
		armed_begin();
	}
	close(fd);
	if (may_hold)
		armed_end();
	hangup_count();
	return true;
}
