/* SPDX-License-Identifier: MIT */
/*
 * The worker's loop: connections from the broker, requests from them, until it is told to finish.
 */
#pragma once

#include "broker/worker/request.h"

enum {
	SERVE_CONNECTIONS_MAX = 1024,  /* that are served */
	SERVE_REFUSED_MAX = 256,       /* that are only told no */
	SERVE_REFUSED_PER_ACCOUNT = 4, /* of them, so that one cannot fill the refuser */
	SERVE_SHARE = 64,              /* of an account, at the worker that those of `any` share */
	SERVE_ARRIVALS = 32,           /* connections taken at a turn */
	SERVE_CROWD = 3,               /* connections of others that make a turn of it */
	SERVE_IDLE_MS = 60000,
	SERVE_BEHIND_MS = 500, /* until lost records are told of, if none comes that could */
	/*
	 * Descriptors that were sent and that no client has received yet. The kernel counts them per
	 * sending user, and workers without a uid of their own are all the same one: without a limit
	 * a client that does not read would use up what the clients of other workers need.
	 */
	SERVE_CREDIT = 8 * WIRE_ITEMS_MAX,
	SERVE_CREDIT_CONNECTION = 2 * WIRE_ITEMS_MAX,
	SERVE_CREDIT_MS = 64,     /* at most between two looks, while a request waits for credit */
	SERVE_PATIENCE_MS = 2000, /* with a client that does not read, when all credit is used up */
};

/* Before confinement: what serve() waits with. */
int serve_prepare(int *ret_epoll);

/*
 * Returns 0 when everything that was queued has been answered, or a negative errno value. kept_max:
 * connections that may stay open because they hold descriptors, before it asks to be ended.
 */
int serve(const struct server *server, int epoll, size_t kept_max);

/* Tell the broker something: enum ipc_note. It ends a worker that says too much. */
void serve_note(unsigned char note);
