/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker. The table of workers: which identity each serves, what becomes of it. Distrusts:
 * workers, of whom it takes single bytes at a limited rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "broker/daemon/daemon.h"
#include "broker/layers.h"
#include "client-lib/channel.h"

/* Tell a worker to answer what is queued and to exit; it has so long for that, or what is left. */
static void
finish(struct broker *b, struct worker *w, int ms)
{
	int64_t deadline = now_ms() + ms;

	if (w->shown.state == IPC_WORKER_FREE || w->shown.state == IPC_WORKER_FAILED)
		return;
	if (w->shown.state != IPC_WORKER_FINISHING || w->deadline > deadline)
		w->deadline = deadline;
	w->shown.state = IPC_WORKER_FINISHING;
	wake_at(b, deadline);
	close_fd(&w->ends[CONTROL]);
	if (w == b->refuser) {
		b->refuser = NULL;
		wake_at(b, b->refuser_at);
	}
}

/* The broker's ends, and the worker's, until they have gone to the child. */
static int
make_channels(int ours[N_CHANNELS], int theirs[N_CHANNELS])
{
	for (int i = 0; i < N_CHANNELS; i++) {
		int pair[2];

		if (i == CONTROL ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)
				 : pipe2(pair, O_CLOEXEC | O_NONBLOCK))
			return -errno;
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	/* One way, before anybody holds the other end. */
	return shutdown(ours[CONTROL], SHUT_RD) < 0 ? -errno : 0;
}

static int
launch(struct broker *b, struct worker *w, const int ends[N_CHANNELS])
{
	const int fds[] = {ends[CONTROL], ends[NOTES], ends[AUDIT],
			   ends[ENDED],   b->page_fd,  b->image_fd};
	struct identity *identity = &b->identities[w - b->workers];
	struct ipc_setup setup = {
		.required = b->options.required | b->status.layers, /* no less than the first one */
		.worker = w->shown.number,
		.generation = w->shown.generation,
		.own_uid = policy_own_id(b->image, b->own_uid, IPC_WORKERS_MAX,
					 (uint32_t)(w - b->workers)),
		.own_gid = b->own_gid,
	};
	const struct iovec iov[2] = {{&setup, sizeof(setup)}, {identity, identity_size(identity)}};
	char title[64];
	int r;

	if (w->shown.kind == IPC_IDENTITY)
		snprintf(title, sizeof(title), "fdbroker-worker: uid %u", w->shown.uid);
	else
		snprintf(title, sizeof(title), "fdbroker-worker: %s",
			 w->shown.kind == IPC_ANY ? "any" : "refuser");
	r = channel_send(w->ends[CONTROL], iov, 2, NULL, 0, NULL, MSG_DONTWAIT);
	if (r == 0)
		r = watch(b, w->ends[NOTES], EVENT(EVENT_NOTES, w - b->workers));
	if (r < 0)
		return r;
	/* Before the first load there is no image. */
	r = spawn_helper(b, HELPER_WORKER, fds, b->image ? 6 : 5, title);
	w->shown.pid = r < 0 ? 0 : r;
	return r < 0 ? r : 0;
}

static void
close_channels(int ends[N_CHANNELS])
{
	for (int i = 0; i < N_CHANNELS; i++)
		close_fd(&ends[i]);
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
			  .generation = b->status.generation,
			  .started = now_ms()},
		.ends = {-1, -1, -1, -1},
		.took = now_ms(),
	};
	memcpy(&b->identities[w - b->workers], identity, identity_size(identity));

	r = make_channels(w->ends, ends);
	if (r == 0)
		r = launch(b, w, ends);
	close_channels(ends);
	if (r < 0) {
		close_channels(w->ends);
		warnx("cannot start a worker: %s", strerror(-r));
		return r;
	}
	w->shown.state = IPC_WORKER_STARTING;
	b->running++;
	logger_tell(b, w, NULL);
	*ret_worker = w;
	return 0;
}

/* What lies on its control socket, as the kernel accounts for it. */
static uint32_t
untaken(const struct worker *w)
{
	uint32_t memory[SK_MEMINFO_VARS] = {};
	socklen_t size = sizeof(memory);

	(void)getsockopt(w->ends[CONTROL], SOL_SOCKET, SO_MEMINFO, memory, &size);
	return memory[SK_MEMINFO_WMEM_ALLOC];
}

/* Is it in a call that does not return? So it seems when there is some, and it takes none. */
static bool
hangs(struct worker *w)
{
	const uint32_t left = untaken(w);

	if (left == 0 || left != w->untaken)
		w->took = now_ms();
	return now_ms() - w->took > HANGS_MS;
}

static int
pass_to(struct broker *b, struct worker *w, const struct passing *passing)
{
	const struct iovec iov[2] = {{(void *)&passing->what, sizeof(passing->what)},
				     {(void *)passing->unit, strlen(passing->unit) + 1}};
	int r;

	logger_tell(b, w, &passing->what);
	r = channel_send(w->ends[CONTROL], iov, 2, &passing->fd, 1, NULL, MSG_DONTWAIT);
	/* As many as may be are on their way to others: not this worker's fault (unix(7)). */
	if (r == -ETOOMANYREFS)
		r = -EAGAIN;
	if (r == 0) {
		w->untaken = untaken(w);
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
	ssize_t n = read(w->ends[ENDED], ended, sizeof(ended));

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

		if (w->shown.state == IPC_WORKER_FREE ||
		    w->shown.generation != b->status.generation ||
		    memcmp(&b->identities[i], identity, identity_size(identity)) != 0)
			continue;
		if (w->shown.state == IPC_WORKER_FAILED)
			return -EBUSY;
		/* What clients can make hang is not counted where it would be counted for all. */
		n += w->shown.state != IPC_WORKER_FINISHING || w->hung ||
		     identity->head.kind == IPC_IDENTITY;
		if (w->shown.state == IPC_WORKER_FINISHING)
			continue;
		/* Then it gets no more: it ends when its file system answers, or is killed. */
		w->hung = hangs(w);
		r = w->hung ? -EAGAIN : pass_to(b, w, passing);
		if (r == 0)
			return 0;
		/* Full: perhaps it hangs, and the next one may not. Gone: about to be reaped. */
		if (w->hung || r != -EAGAIN)
			finish(b, w, w->hung ? PATIENCE_MS : FINISH_MS);
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
		finish(b, b->refuser, FINISH_MS);
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
	finish(b, w, 0);
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
		finish(b, w, FINISH_MS);
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

	if (w->ends[NOTES] < 0)
		return;
	n = read(w->ends[NOTES], notes, sizeof(notes));
	if (n <= 0) {
		/* Its end is closed, and soon it is gone: no more to be told of this. */
		if (n == 0 || errno != EAGAIN)
			close_fd(&w->ends[NOTES]);
		return;
	}
	if (now - w->notes_since >= 1000) {
		w->notes_since = now;
		w->notes_count = 0;
	}
	w->notes_count += (unsigned)n;
	if (w->notes_count > NOTES_PER_SECOND) {
		close_fd(&w->ends[NOTES]);
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
		finish(b, &b->workers[i], FINISH_MS);
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
	logger_tell(b, w, NULL);
	if (!w->told)
		warnx("worker %u (uid %u): what it put on record is lost", w->shown.number,
		      w->shown.uid);
	close_channels(w->ends);
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
		finish(b, w, FINISH_MS);
}

void
workers_tick(struct broker *b, int64_t now)
{
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++) {
		struct worker *w = &b->workers[i];

		if (w->shown.state == IPC_WORKER_FREE || w->deadline == 0 ||
		    !is_due(b, w->deadline, now))
			continue;
		if (w->shown.state == IPC_WORKER_FINISHING)
			kill_worker(b, w, "it did not finish in time");
		else if (w->shown.state == IPC_WORKER_FAILED)
			w->shown.state = IPC_WORKER_FREE;
		else
			replace(b, w);
	}
	if (b->refuser || b->stop_by != 0)
		return;
	if (b->refuser_at <= now && workers_start_refuser(b) < 0)
		b->refuser_at = now + RESTART_MS;
	wake_at(b, b->refuser_at);
}
