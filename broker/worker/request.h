/* SPDX-License-Identifier: MIT */
/* A request, from its bytes to its answer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "broker/worker/audit.h"
#include "broker/worker/setup.h"
#include "broker/worker/tree.h"
#include "client-lib/channel.h"
#include "client-lib/wire.h"

/* What stays the same for every request of this worker. */
struct server {
	const struct setup *setup;
	const struct trees *trees;
	struct watch *watch;
};

/* An answer and the descriptors that go with it. */
struct answer {
	uint32_t id; /* of the request */
	size_t length;
	size_t n_fds;
	bool is_once; /* a file was created with O_EXCL: asked for again, it would be there */
	int fds[WIRE_ITEMS_MAX];
	char message[WIRE_REPLY_MAX];
};

struct client {
	int fd; /* of the connection, which is not ours to close */
	uint64_t number;
	uint64_t generation; /* of the policy by which it came here */
	uint32_t refusal;    /* 0, or the errno value that every request is answered with */
	struct ucred peer;
	unsigned asked;   /* enum policy_asks: which facts the broker looked at */
	const char *unit; /* of those the system unit; "" or NULL: none */
	struct audit_seen seen;
};

enum request_outcome {
	REQUEST_ANSWER = 0,
	/* Not even a header; or it is not to be said that it may be asked for again. */
	REQUEST_CLOSE,
	REQUEST_REPLACE, /* there is an answer, and this worker is out of date */
};

/*
 * Decide and execute. message, size, extra: as channel_receive() returned them; size is -EMSGSIZE
 * for a message that was too long. The answer's descriptors are the caller's to send and to close.
 */
enum request_outcome request_execute(const struct server *server, struct client *client,
				     const void *message, ssize_t size,
				     const struct channel_extra *extra, struct answer *ret_answer);

/*
 * An answer that had to wait: what it gave is taken back when the policy has changed since. False: and
 * the connection has to end, as the client cannot know what was done.
 */
bool request_recheck(const struct server *server, const struct client *client,
		     struct answer *answer);

/* Is the policy by which this client came here, and was given to us, still the one in force? */
bool server_is_current(const struct server *server, const struct client *client);

/* A whole request, or the answer to one, comes to nothing: put on record, and made the answer. */
void request_not_given(const struct server *server, const struct client *client,
		       struct answer *answer, unsigned error);

void answer_drop(struct answer *answer);
