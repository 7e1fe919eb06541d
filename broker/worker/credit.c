/* SPDX-License-Identifier: MIT */
/* Runs in: worker, second phase. Distrusts: how fast clients read. */
#include <linux/sock_diag.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "broker/clock.h"
#include "broker/worker/loop.h"

/* Is nothing of what was sent on this socket unread? */
static bool
was_read(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 &&
	       memory[SK_MEMINFO_WMEM_ALLOC] == 0;
}

static bool
may_answer(const struct loop *loop, const struct connection *c)
{
	return loop->in_flight + WIRE_ITEMS_MAX <= SERVE_CREDIT &&
	       c->in_flight + WIRE_ITEMS_MAX <= SERVE_CREDIT_CONNECTION;
}

/* Give back the credit of those who have read everything. */
static void
settle(struct loop *loop)
{
	for (struct connection *c = loop->newest; c; c = c->next) {
		if (c->in_flight > 0 && was_read(c->client.fd)) {
			loop->in_flight -= c->in_flight;
			c->in_flight = 0;
			c->unread_since = 0;
		}
	}
}

bool
credit_is_there(struct loop *loop, const struct connection *c)
{
	if (may_answer(loop, c))
		return true;
	settle(loop);
	return may_answer(loop, c);
}

void
credit_drop_unread(struct loop *loop)
{
	int64_t now = now_ms();
	struct connection *next;

	for (struct connection *c = loop->newest; c; c = next) {
		next = c->next;
		if (c->in_flight == 0)
			continue;
		if (c->unread_since == 0)
			c->unread_since = now;
		else if (now - c->unread_since >= SERVE_PATIENCE_MS)
			loop_end(loop, c);
	}
}

void
credit_serve_waiting(struct loop *loop)
{
	struct connection *first;

	settle(loop);
	do {
		first = NULL;
		for (struct connection *c = loop->newest; c; c = c->next)
			if (c->waiting && may_answer(loop, c) &&
			    (!first || c->place < first->place))
				first = c;
		if (!first)
			return;
		loop_watch(loop, first, EPOLLIN);
		first->waiting = false;
		loop->n_waiting--;
		loop->credit_ms = 1;
		if (!loop_serve(loop, first))
			loop_end(loop, first);
	} while (loop->n_waiting > 0);
}

void
credit_wait(struct loop *loop, struct connection *c)
{
	/* What was unread in an earlier shortage is no reason to end a connection in this one. */
	if (loop->n_waiting == 0)
		for (struct connection *each = loop->newest; each; each = each->next)
			each->unread_since = 0;
	loop_watch(loop, c, 0);
	c->waiting = true;
	c->place = loop->next_place++;
	loop->n_waiting++;
	loop->credit_ms = 1;
}
