/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker. The table of workers: which identity each serves, what becomes of it. Distrusts:
 * workers, of whom it takes single bytes at a limited rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "broker/daemon/daemon.h"
#include "broker/layers.h"
#include "client-lib/channel.h"

/* Tell a worker to answer what is queued and to exit; it has FINISH_MS for that. */
static void
finish(struct broker *b, struct worker *w)
{
	if (w->shown.state == IPC_WORKER_FREE || w->shown.state >= IPC_WORKER_FINISHING)
		return;
	w->shown.state = IPC_WORKER_FINISHING;
	w->deadline = now_ms() + FINISH_MS;
	wake_at(b, w->deadline);
	close_fd(&w->control);
	if (w == b->refuser) {
		b->refuser = NULL;
		wake_at(b, b->refuser_at);
	}
}

/* The worker's ends of its channels, until they have gone to the child. */
enum { CONTROL, NOTES, AUDIT, ENDED, N_CHANNELS };

static int
make_channels(struct worker *w, int ends[N_CHANNELS])
{
	int *const readers[] = {[NOTES] = &w->notes, [AUDIT] = &w->audit, [ENDED] = &w->ended};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	w->control = pair[0];
	ends[CONTROL] = pair[1];
	/* One way, before anybody holds the other end. */
	if (shutdown(w->control, SHUT_RD) < 0)
		return -errno;
	for (int i = NOTES; i < N_CHANNELS; i++) {
		if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
		*readers[i] = pair[0];
		ends[i] = pair[1];
	}
	return 0;
}

static int
send_setup(struct broker *b, const struct worker *w)
{
	struct identity *identity = &b->identities[w - b->workers];
	struct ipc_setup setup = {
		.required = b->options.required | b->layers, /* no less than the first one */
		.worker = w->shown.number,
		.generation = w->shown.generation,
		.own_uid = policy_own_id(b->image, b->own_uid, IPC_WORKERS_MAX,
					 (uint32_t)(w - b->workers)),
		.own_gid = b->own_gid,
	};
	const struct iovec iov[2] = {{&setup, sizeof(setup)}, {identity, identity_size(identity)}};

	return channel_send(w->control, iov, 2, NULL, 0, NULL, MSG_DONTWAIT);
}

static int
launch(struct broker *b, struct worker *w, const int ends[N_CHANNELS])
{
	const int fds[] = {ends[CONTROL], ends[NOTES], ends[AUDIT],
			   ends[ENDED],   b->page_fd,  b->image_fd};
	char title[64];
	int r;

	if (w->shown.kind == IPC_IDENTITY)
		snprintf(title, sizeof(title), "fdbroker-worker: uid %u", w->shown.uid);
	else
		snprintf(title, sizeof(title), "fdbroker-worker: %s",
			 w->shown.kind == IPC_ANY ? "any" : "refuser");
	r = send_setup(b, w);
	if (r == 0)
		r = watch(b, w->notes, EVENT(EVENT_NOTES, w - b->workers));
	if (r < 0)
		return r;
	/* Before the first load there is no image. */
	r = spawn_helper(b, HELPER_WORKER, fds, b->image ? 6 : 5, title);
	w->shown.pid = r < 0 ? 0 : r;
	return r < 0 ? r : 0;
}

static void
close_channels(struct worker *w)
{
	close_fd(&w->control);
	close_fd(&w->notes);
	close_fd(&w->audit);
	close_fd(&w->ended);
}

/* A new worker in a free slot. */
static int
start(struct broker *b, const struct identity *identity, uid_t account, struct worker **ret_worker)
{
	int ends[N_CHANNELS] = {-1, -1, -1, -1}, r;
	/* Without a refuser nobody could be accepted: some room is never anybody else's. */
	const int room = identity->head.kind == IPC_REFUSER ? 0 : REFUSERS_ROOM;
	struct worker *w = b->workers, *end = w + IPC_WORKERS_MAX - room;

	while (w->shown.state != IPC_WORKER_FREE)
		if (++w == end)
			return -EBUSY;
	*w = (struct worker){
		.shown = {.number = ++b->last_worker,
			  .kind = identity->head.kind,
			  .uid = identity->head.uid,
			  .gid = identity->head.gid,
			  .account = identity->head.kind == IPC_IDENTITY ? account
									 : identity->head.uid,
			  .generation = b->generation,
			  .started = now_ms()},
		.control = -1,
		.notes = -1,
		.ended = -1,
		.audit = -1,
	};
	memcpy(&b->identities[w - b->workers], identity, identity_size(identity));

	r = make_channels(w, ends);
	if (r == 0)
		r = launch(b, w, ends);
	for (size_t i = 0; i < N_CHANNELS; i++)
		close_fd(&ends[i]);
	if (r < 0) {
		close_channels(w);
		warnx("cannot start a worker: %s", strerror(-r));
		return r;
	}
	w->shown.state = IPC_WORKER_STARTING;
	b->running++;
	logger_tell(b, w, NULL);
	*ret_worker = w;
	return 0;
}

static int
pass_to(struct broker *b, struct worker *w, const struct passing *passing)
{
	const struct iovec iov[2] = {{(void *)&passing->what, sizeof(passing->what)},
				     {(void *)passing->unit, strlen(passing->unit) + 1}};
	int r;

	logger_tell(b, w, &passing->what);
	r = channel_send(w->control, iov, 2, &passing->fd, 1, NULL, MSG_DONTWAIT);
	/* As many as may be are on their way to others: not this worker's fault (unix(7)). */
	if (r == -ETOOMANYREFS)
		r = -EAGAIN;
	if (r == 0) {
		w->shown.open++;
		/* Those of no account are counted by nobody else, and what ended would not fit. */
		if (++w->shown.passed % ENDED_AT_ONCE == 0)
			(void)worker_open(w);
	}
	return r;
}

uint64_t
worker_open(struct worker *w)
{
	char ended[ENDED_AT_ONCE];
	ssize_t n = read(w->ended, ended, sizeof(ended));

	/* What it says is believed as far as it can be true. */
	if (n > 0)
		w->shown.open -= (uint64_t)n < w->shown.open ? (uint64_t)n : w->shown.open;
	return w->shown.open;
}

unsigned
workers_count(struct broker *b, uid_t account, uint64_t *ret_open)
{
	unsigned n = 0;

	*ret_open = 0;
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++) {
		struct worker *w = &b->workers[i];

		if (w->shown.state == IPC_WORKER_FREE || w->shown.kind != IPC_IDENTITY ||
		    w->shown.account != account)
			continue;
		*ret_open += worker_open(w);
		n++;
	}
	return n;
}

/* To one that serves this identity already. -ENOENT: there should be one more. */
static int
pass_on(struct broker *b, const struct identity *identity, const struct passing *passing)
{
	unsigned n = 0;

	for (size_t i = 0; i < IPC_WORKERS_MAX; i++) {
		struct worker *w = &b->workers[i];
		int r;

		if (w->shown.state == IPC_WORKER_FREE || w->shown.generation != b->generation ||
		    memcmp(&b->identities[i], identity, identity_size(identity)) != 0)
			continue;
		if (w->shown.state == IPC_WORKER_FAILED)
			return -EBUSY;
		/* What clients can make hang is not counted where it would be counted for all. */
		n += w->shown.state != IPC_WORKER_FINISHING || identity->head.kind == IPC_IDENTITY;
		if (w->shown.state == IPC_WORKER_FINISHING)
			continue;
		r = pass_to(b, w, passing);
		if (r == 0)
			return 0;
		/* Full: it hangs, and the next one may not. Gone: it is about to be reaped. */
		if (r != -EAGAIN)
			finish(b, w);
	}
	return n < WORKERS_PER_IDENTITY ? -ENOENT : -EBUSY;
}

int
workers_pass(struct broker *b, const struct identity *identity, const struct passing *passing)
{
	struct worker *w = NULL;
	uint64_t open;
	int r = pass_on(b, identity, passing);

	if (r != -ENOENT)
		return -r;
	if (identity->head.kind == IPC_IDENTITY &&
	    workers_count(b, passing->what.account, &open) >= WORKERS_PER_ACCOUNT)
		return EBUSY;
	r = start(b, identity, passing->what.account, &w);
	if (r == 0)
		r = pass_to(b, w, passing);
	return r < 0 ? EBUSY : 0;
}

bool
workers_refuse(struct broker *b, const struct passing *passing)
{
	if (!b->refuser || pass_to(b, b->refuser, passing) == 0)
		return b->refuser != NULL;
	/* Full for so long: it hangs, and another one takes over. */
	if (now_ms() - b->passing_since > FINISH_MS)
		finish(b, b->refuser);
	return false;
}

int
workers_start_refuser(struct broker *b)
{
	struct identity nobody = {
		.head = {.kind = IPC_REFUSER, .uid = b->own_uid, .gid = b->own_gid}};

	return start(b, &nobody, b->own_uid, &b->refuser);
}

static void
kill_worker(struct broker *b, struct worker *w, const char *why)
{
	warnx("worker %u (uid %u) is killed: %s", w->shown.number, w->shown.uid, why);
	kill(w->shown.pid, SIGKILL);
	finish(b, w);
	w->deadline = 0;
}

static void
take_note(struct broker *b, struct worker *w, unsigned char note)
{
	if (note & IPC_NOTE_LAYERS && w->shown.state == IPC_WORKER_STARTING) {
		/* Said once, by its first phase: what one says that serves may be a client's word. */
		w->shown.state = IPC_WORKER_READY;
		w->shown.layers = note & LAYERS_ALL;
	} else if (note == IPC_NOTE_IDLE) {
		finish(b, w);
	} else if (note == IPC_NOTE_REPLACE && w->deadline == 0) {
		/* A file that is replaced all the time costs one worker a second. */
		w->deadline = w->shown.started + RESTART_MS;
		wake_at(b, w->deadline);
	}
}

void
workers_note(struct broker *b, uint32_t index)
{
	struct worker *w = &b->workers[index % IPC_WORKERS_MAX];
	unsigned char notes[IPC_NOTES_MAX];
	int64_t now = now_ms();
	ssize_t n;

	if (w->notes < 0)
		return;
	n = read(w->notes, notes, sizeof(notes));
	if (n <= 0) {
		/* Its end is closed, and soon it is gone: no more to be told of this. */
		if (n == 0 || errno != EAGAIN)
			close_fd(&w->notes);
		return;
	}
	if (now - w->notes_since >= 1000) {
		w->notes_since = now;
		w->notes_count = 0;
	}
	w->notes_count += (unsigned)n;
	if (w->notes_count > NOTES_PER_SECOND) {
		close_fd(&w->notes);
		kill_worker(b, w, "it sends more notes than any reason could make");
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		take_note(b, w, notes[i]);
}

void
workers_finish_all(struct broker *b)
{
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		finish(b, &b->workers[i]);
}

bool
workers_reap(struct broker *b, pid_t pid, int status)
{
	struct worker *w = b->workers;

	while (w < b->workers + IPC_WORKERS_MAX && w->shown.pid != pid)
		w++;
	if (w == b->workers + IPC_WORKERS_MAX)
		return false;
	if (WIFSIGNALED(status) && w->shown.state != IPC_WORKER_FINISHING)
		warnx("worker %u (uid %u) died of signal %d (%s)", w->shown.number, w->shown.uid,
		      WTERMSIG(status), strsignal(WTERMSIG(status)));
	close_channels(w);
	/* What could not start now could not start again at once either. */
	w->shown.state =
		w->shown.state == IPC_WORKER_STARTING ? IPC_WORKER_FAILED : IPC_WORKER_FREE;
	w->shown.pid = 0;
	b->running--;
	w->deadline = now_ms() + RESTART_MS;
	wake_at(b, w->deadline);
	if (w == b->refuser) {
		b->refuser = NULL;
		b->refuser_at = w->shown.started + RESTART_MS;
		wake_at(b, b->refuser_at);
	}
	return true;
}

/* A worker is replaced if not too many of its predecessors hang. */
static void
replace(struct broker *b, struct worker *w)
{
	const struct identity *identity = &b->identities[w - b->workers];
	unsigned n = 1;

	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		n += b->workers[i].shown.state == IPC_WORKER_FINISHING &&
		     memcmp(&b->identities[i], identity, identity_size(identity)) == 0;
	w->deadline = now_ms() + RESTART_MS;
	wake_at(b, w->deadline);
	if (n < WORKERS_PER_IDENTITY)
		finish(b, w);
}

void
workers_tick(struct broker *b, int64_t now)
{
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++) {
		struct worker *w = &b->workers[i];

		if (w->shown.state == IPC_WORKER_FREE || w->deadline == 0)
			continue;
		if (w->deadline > now)
			wake_at(b, w->deadline);
		else if (w->shown.state == IPC_WORKER_FINISHING)
			kill_worker(b, w, "it did not finish in time");
		else if (w->shown.state == IPC_WORKER_FAILED)
			w->shown.state = IPC_WORKER_FREE;
		else
			replace(b, w);
	}
	if (!b->refuser && !b->stopping && b->refuser_at <= now && workers_start_refuser(b) < 0)
		b->refuser_at = now + RESTART_MS;
	if (!b->refuser && !b->stopping)
		wake_at(b, b->refuser_at);
}
