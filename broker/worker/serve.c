/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the control socket. Distrusts: clients, and how fast they
 * read.
 */
#include "broker/worker/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/worker/hangup.h"

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

void
loop_end(struct loop *loop, struct connection *c)
{
	*(c->previous ? &c->previous->next : &loop->newest) = c->next;
	if (c->next)
		c->next->previous = c->previous;
	*(c->client.refusal ? &loop->n_refused : &loop->n_connections) -= 1;
	loop->in_flight -= c->in_flight;
	loop->n_waiting -= c->waiting;
	if (!loop->newest)
		loop->idle_since = now_ms();
	if (c->blocked)
		answer_drop(c->blocked);
	free(c->blocked);
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
		loop_end(loop, oldest_of_account);
	else if (loop->n_refused >= SERVE_REFUSED_MAX)
		loop_end(loop, oldest);
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

void
loop_watch(struct loop *loop, struct connection *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	/* Cannot fail for a descriptor that is watched already (epoll_ctl(2)). */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, c->client.fd, &event);
}

/* No more requests are read until this client reads. False: there is no memory for what waits. */
static bool
block(struct loop *loop, struct connection *c, struct answer *answer)
{
	size_t size = offsetof(struct answer, message) + answer->length;

	if (c->blocked)
		return true;
	c->blocked = malloc(size);
	if (!c->blocked)
		return false;
	memcpy(c->blocked, answer, size);
	answer->n_fds = 0;
	loop_watch(loop, c, EPOLLOUT);
	return true;
}

/* Send the answer that is due. False: the connection is over. */
static bool
send_answer(struct loop *loop, struct connection *c, struct answer *answer)
{
	struct iovec iov = {.iov_base = answer->message, .iov_len = answer->length};
	int r = channel_send(c->client.fd, &iov, 1, answer->fds, answer->n_fds, NULL, MSG_DONTWAIT);

	/* Too many descriptors of this worker's user are on their way already (unix(7)). */
	if (r == -ETOOMANYREFS && !answer->is_once) {
		request_not_given(loop->server, &c->client, answer, EBUSY);
		iov.iov_len = answer->length;
		r = channel_send(c->client.fd, &iov, 1, NULL, 0, NULL, MSG_DONTWAIT);
	}
	if (r == -EAGAIN && block(loop, c, answer))
		return true;
	if (r == 0) {
		c->in_flight += (uint32_t)answer->n_fds;
		loop->in_flight += answer->n_fds;
	}
	answer_drop(answer);
	if (r == 0 && c->blocked) {
		free(c->blocked);
		c->blocked = NULL;
		loop_watch(loop, c, EPOLLIN);
	}
	return r == 0;
}

bool
loop_serve(struct loop *loop, struct connection *c)
{
	static char message[WIRE_MESSAGE_MAX];
	static struct answer answer;
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
	switch (request_execute(loop->server, &c->client, message, n, &extra, &answer)) {
	case REQUEST_CLOSE:
		return false;
	case REQUEST_REPLACE:
		replace_me(loop);
		break;
	case REQUEST_ANSWER:
		break;
	}
	/* Nobody tells this one when it is out of date. */
	if (loop->server->watch->blind && now_ms() - loop->began > WATCH_BLIND_MS)
		replace_me(loop);
	return send_answer(loop, c, &answer);
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

static void
serve_event(struct loop *loop, const struct epoll_event *event)
{
	struct connection *c = event->data.ptr;
	bool goes_on;

	/* Who came earlier, and has been waiting, is served earlier. */
	if (loop->n_waiting > 0 && !c->waiting)
		credit_serve_waiting(loop);
	if (c->waiting) {
		goes_on = false; /* nothing is asked for but its end */
	} else if (!c->blocked && !c->client.refusal && !credit_is_there(loop, c)) {
		credit_wait(loop, c);
		goes_on = true;
	} else if (!c->blocked) {
		goes_on = loop_serve(loop, c);
	} else {
		/* A right that was withdrawn while the answer waited is not given. */
		goes_on = request_recheck(loop->server, &c->client, c->blocked) &&
			  !(event->events & (EPOLLERR | EPOLLHUP)) &&
			  send_answer(loop, c, c->blocked);
	}
	if (!goes_on)
		loop_end(loop, c);
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

/* What this worker was made of may have changed. */
static void
look(struct loop *loop)
{
	struct watch *changes = loop->server->watch;

	loop->looked = now_ms();
	loop->look_at = 0;
	/* What happens from here on is told of; what has happened is seen. */
	watch_arm(changes, loop->epoll);
	if (!watch_look(changes))
		return;
	watch_disarm(loop->epoll);
	replace_me(loop);
}

/* Whoever makes changes all the time makes us look once in a while. */
static void
serve_change(struct loop *loop)
{
	int64_t now = now_ms();

	watch_disarm(loop->epoll);
	loop->look_at = loop->looked + WATCH_MS;
	if (loop->look_at <= now)
		look(loop);
}

static bool
is_idle(const struct loop *loop)
{
	return !loop->newest && !loop->noted_idle && loop->server->setup->peer.kind != IPC_REFUSER;
}

/* Milliseconds until something is due; -1: nothing is. */
static int
time_left(const struct loop *loop)
{
	int64_t now, left = INT64_MAX;

	if (loop->n_waiting == 0 && !is_idle(loop) && loop->look_at == 0 && !audit_is_behind())
		return -1;
	now = now_ms();
	if (loop->n_waiting > 0)
		left = loop->credit_ms;
	else if (is_idle(loop))
		left = loop->idle_since + SERVE_IDLE_MS - now;
	if (loop->look_at != 0 && loop->look_at - now < left)
		left = loop->look_at - now;
	if (audit_is_behind() && left > SERVE_BEHIND_MS)
		left = SERVE_BEHIND_MS;
	return left < 0 ? 0 : (int)left;
}

static void
serve_due(struct loop *loop)
{
	int64_t now = now_ms();

	audit_catch_up();
	if (loop->look_at != 0 && loop->look_at <= now)
		look(loop);
	if (loop->n_waiting > 0) {
		/* A client that does not read at all is not worth a look each millisecond. */
		if (loop->credit_ms < SERVE_CREDIT_MS)
			loop->credit_ms *= 2;
		credit_serve_waiting(loop);
	} else if (is_idle(loop) && loop->idle_since + SERVE_IDLE_MS <= now) {
		loop->noted_idle = true;
		serve_note(IPC_NOTE_IDLE);
	}
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

	loop.began = loop.idle_since = now_ms();
	look(&loop);
	/* The broker ends who cannot say at last what was lost. */
	while (!loop.finishing || loop.newest || audit_is_behind()) {
		/* One at a time: what it ends may be what would be next in a list. */
		r = epoll_wait(loop.epoll, &event, 1, time_left(&loop));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0) {
			serve_due(&loop);
		} else if (event.data.ptr == server->watch) {
			serve_change(&loop);
		} else if (event.data.ptr) {
			serve_event(&loop, &event);
			if (is_crowded(&loop))
				r = serve_arrivals(&loop);
		} else {
			r = serve_arrivals(&loop);
		}
		if (r < 0)
			return r;
		if (loop.n_waiting > 0 && loop.in_flight + WIRE_ITEMS_MAX > SERVE_CREDIT)
			credit_drop_unread(&loop);
	}
	return 0;
}
