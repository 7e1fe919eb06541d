/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the control socket. Distrusts: clients, and how fast they
 * read.
 */
#include "broker/worker/serve.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/worker/hangup.h"

struct connection {
	struct connection *previous, *next;
	struct client client;
	uid_t account;
	bool may_hold;      /* descriptors may have been sent to it */
	uint32_t in_flight; /* descriptors that it may not have received yet */
	int64_t unread_since;
	bool waiting;   /* its request waits for credit */
	uint64_t place; /* in the line of those that wait */
	bool blocked;   /* the answer waits for room in the client's receive queue */
	struct answer answer;
	char unit[]; /* NUL-terminated */
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
	size_t n_connections;
	size_t n_refused;
	size_t n_kept; /* that hold descriptors, and so are not closed */
	size_t kept_max;
	struct connection *newest;
};

void
serve_note(unsigned char note)
{
	/* The pipe is full only for a worker that said too much already. */
	if (write(IPC_NOTES, &note, 1) < 0)
		return;
}

static void
replace_me(struct loop *loop)
{
	if (!loop->noted_replace)
		serve_note(IPC_NOTE_REPLACE);
	loop->noted_replace = true;
}

static void
close_client(struct loop *loop, int fd, bool may_hold)
{
	if (hangup(fd, may_hold))
		return;
	replace_me(loop);
	/* Before there is no descriptor left: a connection that finds none is destroyed. */
	if (++loop->n_kept == loop->kept_max)
		serve_note(IPC_NOTE_IDLE);
}

static void
connection_end(struct loop *loop, struct connection *c)
{
	*(c->previous ? &c->previous->next : &loop->newest) = c->next;
	if (c->next)
		c->next->previous = c->previous;
	*(c->client.refusal ? &loop->n_refused : &loop->n_connections) -= 1;
	loop->in_flight -= c->in_flight;
	loop->n_waiting -= c->waiting;
	answer_drop(&c->answer);
	/*
	 * The broker may still hold the same socket, and then closing ours does not end its events
	 * (epoll(7)).
	 */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, c->client.fd, NULL);
	close_client(loop, c->client.fd, c->may_hold);
	free(c);
}

/* Room for one more that is only told no: few an account, and the oldest goes. */
static void
make_room(struct loop *loop, uid_t account)
{
	struct connection *oldest = NULL, *oldest_of_account = NULL;
	size_t of_account = 0;

	for (struct connection *c = loop->newest; c; c = c->next) {
		if (!c->client.refusal)
			continue;
		oldest = c;
		if (c->account == account) {
			oldest_of_account = c;
			of_account++;
		}
	}
	if (of_account >= SERVE_REFUSED_PER_ACCOUNT)
		connection_end(loop, oldest_of_account);
	else if (loop->n_refused >= SERVE_REFUSED_MAX)
		connection_end(loop, oldest);
}

/* Where many share a worker, may this account have one more? */
static bool
is_within_share(const struct loop *loop, uid_t account)
{
	size_t n = 0;

	if (loop->server->setup->peer.kind != IPC_ANY)
		return true;
	for (const struct connection *c = loop->newest; c; c = c->next)
		n += !c->client.refusal && c->account == account;
	return n < SERVE_SHARE;
}

static struct connection *
connection_new(const struct loop *loop, int fd, const struct ipc_connection *what, const char *unit)
{
	struct connection *c = calloc(1, sizeof(*c) + strlen(unit) + 1);

	if (!c)
		return NULL;
	memcpy(c->unit, unit, strlen(unit) + 1);
	c->account = what->account;
	c->may_hold = what->may_hold != 0;
	c->client = (struct client){
		.fd = fd,
		.number = what->number,
		.generation = what->generation,
		.peer = what->peer,
		.unit = c->unit,
		.asked = what->asked,
		.refusal = what->refusal,
	};
	if (!c->client.refusal &&
	    (loop->n_connections >= SERVE_CONNECTIONS_MAX || !is_within_share(loop, what->account)))
		c->client.refusal = EBUSY;
	return c;
}

static void
connection_begin(struct loop *loop, int fd, const struct ipc_connection *what, const char *unit)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct connection *c = connection_new(loop, fd, what, unit);

	if (!c) {
		close_client(loop, fd, what->may_hold != 0);
		return;
	}
	if (c->client.refusal)
		make_room(loop, c->account);
	event.data.ptr = c;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		close_client(loop, fd, what->may_hold != 0);
		free(c);
		return;
	}
	c->next = loop->newest;
	if (c->next)
		c->next->previous = c;
	loop->newest = c;
	*(c->client.refusal ? &loop->n_refused : &loop->n_connections) += 1;
	loop->noted_idle = false;
	/* It came too late to be served; what was sent meanwhile is answered. */
	if (loop->finishing)
		shutdown(fd, SHUT_RD);
}

static void
watch(struct loop *loop, struct connection *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	/* Cannot fail for a descriptor that is watched already (epoll_ctl(2)). */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, c->client.fd, &event);
}

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

/* Is there credit for one more answer to c, of whatever size? Counted only when it seems used up. */
static bool
has_credit(struct loop *loop, const struct connection *c)
{
	if (may_answer(loop, c))
		return true;
	settle(loop);
	return may_answer(loop, c);
}

/* Others wait for what this one does not take: its connection ends. */
static void
drop_unread(struct loop *loop)
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
			connection_end(loop, c);
	}
}

/* Send the answer that is due. False: the connection is over. */
static bool
send_answer(struct loop *loop, struct connection *c)
{
	struct iovec iov = {.iov_base = c->answer.message, .iov_len = c->answer.length};
	int r = channel_send(c->client.fd, &iov, 1, c->answer.fds, c->answer.n_fds, NULL,
			     MSG_DONTWAIT);

	if (r == -ETOOMANYREFS) {
		/* Too many descriptors of this worker's user are on their way already (unix(7)). */
		request_not_given(loop->server, &c->client, &c->answer, EBUSY);
		iov.iov_len = c->answer.length;
		r = channel_send(c->client.fd, &iov, 1, NULL, 0, NULL, MSG_DONTWAIT);
	}
	if (r == -EAGAIN) {
		/* No more requests are read until this client reads. */
		if (!c->blocked)
			watch(loop, c, EPOLLOUT);
		c->blocked = true;
		return true;
	}
	if (r == 0) {
		c->in_flight += (uint32_t)c->answer.n_fds;
		loop->in_flight += c->answer.n_fds;
	}
	answer_drop(&c->answer);
	if (r == 0 && c->blocked) {
		c->blocked = false;
		watch(loop, c, EPOLLIN);
	}
	return r == 0;
}

/* One request. False: the connection is over. */
static bool
serve_request(struct loop *loop, struct connection *c)
{
	static char message[WIRE_MESSAGE_MAX];
	struct channel_extra extra = {};
	ssize_t n;

	if (c->may_hold && hangup_is_due(c->client.fd))
		return false;
	n = channel_receive(c->client.fd, message, sizeof(message), NULL, 0, true, MSG_DONTWAIT,
			    &extra);
	if (n == -EAGAIN || n == -EINTR)
		return true;
	/* Nobody sends us descriptors for a good reason; we have had no room for them. */
	if (n == 0 || (n < 0 && n != -EMSGSIZE) || extra.truncated)
		return false;
	switch (request_execute(loop->server, &c->client, message, n, &extra, &c->answer)) {
	case REQUEST_CLOSE:
		return false;
	case REQUEST_REPLACE:
		replace_me(loop);
		break;
	case REQUEST_ANSWER:
		break;
	}
	return send_answer(loop, c);
}

/* Take a connection from the broker; at its end of file begin to finish. 1: there may be another. */
static int
serve_control(struct loop *loop)
{
	char message[IPC_CONNECTION_MAX];
	struct ipc_connection what;
	struct channel_extra extra;
	int fd = -1;
	ssize_t n;

	n = channel_receive(IPC_CONTROL, message, sizeof(message), &fd, 1, false, MSG_DONTWAIT,
			    &extra);
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n < 0)
		return (int)n;
	if (n > 0) {
		if (extra.n_fds != 1) {
			/* No room for it: the client sees its connection end. */
			hangup_count();
			return 1;
		}
		if (n <= (ssize_t)sizeof(what) || message[n - 1] != '\0')
			return -EBADMSG;
		memcpy(&what, message, sizeof(what));
		connection_begin(loop, fd, &what, message + sizeof(what));
		return 1;
	}
	close(IPC_CONTROL);
	loop->finishing = true;
	/* A later send gets EPIPE, so the client knows that it was not executed. */
	for (struct connection *c = loop->newest; c; c = c->next)
		shutdown(c->client.fd, SHUT_RD);
	return 0;
}

/* First come, first served, of those whose requests were left where they are until there is credit. */
static void
serve_waiting(struct loop *loop)
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
		watch(loop, first, EPOLLIN);
		first->waiting = false;
		loop->n_waiting--;
		loop->credit_ms = 1;
		if (!serve_request(loop, first))
			connection_end(loop, first);
	} while (loop->n_waiting > 0);
}

static void
begin_to_wait(struct loop *loop, struct connection *c)
{
	/* What was unread in an earlier shortage is no reason to end a connection in this one. */
	if (loop->n_waiting == 0)
		for (struct connection *each = loop->newest; each; each = each->next)
			each->unread_since = 0;
	watch(loop, c, 0);
	c->waiting = true;
	c->place = loop->next_place++;
	loop->n_waiting++;
	loop->credit_ms = 1;
}

static void
serve_event(struct loop *loop, const struct epoll_event *event)
{
	struct connection *c = event->data.ptr;
	bool goes_on;

	/* Who came earlier, and has been waiting, is served earlier. */
	if (loop->n_waiting > 0 && !c->waiting)
		serve_waiting(loop);
	if (c->waiting) {
		goes_on = false; /* nothing is asked for but its end */
	} else if (!c->blocked && !c->client.refusal && !has_credit(loop, c)) {
		begin_to_wait(loop, c);
		goes_on = true;
	} else if (!c->blocked) {
		goes_on = serve_request(loop, c);
	} else {
		/* A right that was withdrawn while the answer waited is not given. */
		request_recheck(loop->server, &c->client, &c->answer);
		goes_on = !(event->events & (EPOLLERR | EPOLLHUP)) && send_answer(loop, c);
	}
	if (!goes_on)
		connection_end(loop, c);
}

/*
 * Many at a turn: the broker can wait for room, and with it everybody, while each of the requests of
 * those who are there may take long. 0 or a negative errno value.
 */
static int
serve_arrivals(struct loop *loop)
{
	int r = 1;

	for (int i = 0; i < SERVE_ARRIVALS && r > 0 && !loop->finishing; i++)
		r = serve_control(loop);
	return r < 0 ? r : 0;
}

/* Do so many share this worker that who comes has to be taken before they are served again? */
static bool
is_crowded(const struct loop *loop)
{
	return loop->server->setup->peer.kind != IPC_IDENTITY &&
	       loop->n_connections + loop->n_refused >= SERVE_CROWD;
}

int
serve_prepare(int *ret_epoll)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (epoll_ctl(fd, EPOLL_CTL_ADD, IPC_CONTROL, &event) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_epoll = fd;
	return 0;
}

int
serve(const struct server *server, int epoll, size_t kept_max)
{
	struct loop loop = {.server = server, .epoll = epoll, .kept_max = kept_max};
	struct epoll_event event;
	int r;

	while (!loop.finishing || loop.newest) {
		bool idle =
			!loop.newest && !loop.noted_idle && server->setup->peer.kind != IPC_REFUSER;
		int timeout = loop.n_waiting > 0 ? loop.credit_ms : idle ? SERVE_IDLE_MS : -1;

		/* One at a time: what it ends may be what would be next in a list. */
		r = epoll_wait(loop.epoll, &event, 1, timeout);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r > 0 && event.data.ptr) {
			serve_event(&loop, &event);
			if (is_crowded(&loop))
				r = serve_arrivals(&loop);
		} else if (r > 0) {
			r = serve_arrivals(&loop);
		} else if (r == 0 && loop.n_waiting == 0) {
			loop.noted_idle = true;
			serve_note(IPC_NOTE_IDLE);
		} else if (r == 0) {
			/* A client that does not read at all is not worth a look each millisecond. */
			if (loop.credit_ms < SERVE_CREDIT_MS)
				loop.credit_ms *= 2;
			serve_waiting(&loop);
		}
		if (r < 0)
			return r;
		if (loop.n_waiting > 0 && loop.in_flight + WIRE_ITEMS_MAX > SERVE_CREDIT)
			drop_unread(&loop);
	}
	return 0;
}
