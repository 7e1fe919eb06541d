/* SPDX-License-Identifier: MIT */
/* What the parts of a worker's loop share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/worker/serve.h"

struct connection {
	struct connection *previous, *next;
	struct client client;
	uid_t account;
	bool may_hold;      /* descriptors may have been sent to it */
	uint32_t in_flight; /* descriptors that it may not have received yet */
	int64_t unread_since;
	bool waiting;           /* its request waits for credit */
	uint64_t place;         /* in the line of those that wait */
	struct answer *blocked; /* an answer that waits for room in the client's receive queue */
	char unit[];            /* NUL-terminated */
};

struct loop {
	const struct server *server;
	int epoll;
	bool finishing;
	bool noted_replace;
	bool noted_idle;
	size_t in_flight;
	size_t n_waiting;
	uint64_t next_place;
	int credit_ms; /* until the next look for credit */
	/* Milliseconds of CLOCK_MONOTONIC: */
	int64_t began, idle_since;
	int64_t looked;  /* at what may have changed */
	int64_t look_at; /* again; 0: when the kernel tells of something */
	size_t n_connections;
	size_t n_refused;
	size_t n_kept; /* that hold descriptors, and so are not closed */
	size_t kept_max;
	struct connection *newest;
};

/* --- serve.c ----------------------------------------------------------------------------- */

/* Wait for these events of a connection, and for no others. */
void loop_watch(struct loop *loop, struct connection *c, uint32_t events);
/* One request. False: the connection is over. */
bool loop_serve(struct loop *loop, struct connection *c);
void loop_end(struct loop *loop, struct connection *c);

/* --- credit.c: descriptors that were sent, and not received yet ------------------------------- */

/* Is there credit for one more answer to c, of whatever size? Counted only when it seems used up. */
bool credit_is_there(struct loop *loop, const struct connection *c);
/* The request of c stays where it is until there is some. */
void credit_wait(struct loop *loop, struct connection *c);
/* First come, first served, of those that wait. */
void credit_serve_waiting(struct loop *loop);
/* Others wait for what those do not take whose connections end here. */
void credit_drop_unread(struct loop *loop);
