/* SPDX-License-Identifier: MIT */
/*
 * The worker's loop: connections from the broker, requests from them, until it is told to finish.
 */
#pragma once

#include "broker/worker/request.h"

enum {
	SERVE_CONNECTIONS_MAX =
		1024, /* that are served; RLIMIT_NOFILE of the worker is four times this */
	SERVE_REFUSED_MAX = 256,   /* that are only told no */
	SERVE_REFUSED_PER_UID = 4, /* of them, so that one uid cannot fill the refuser */
	SERVE_IDLE_SECONDS = 60,
};

/* Before confinement: what serve() waits with. */
int serve_prepare(int *ret_epoll);

/* Returns 0 when everything that was queued has been answered, or a negative errno value. */
int serve(const struct server *server, int epoll);

/*
 * Tell the broker, once, that what this worker was made of is out of date; or anything else in a
 * byte.
 */
void serve_note(unsigned char note);
