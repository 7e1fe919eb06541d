/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker. The table of workers: which identity each serves, what becomes of it. Distrusts:
 * workers, of whom it takes single bytes at a limited rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "broker/daemon/daemon.h"
#include "broker/layers.h"
#include "client-lib/channel.h"

static bool
same_identity(const struct identity *one, const struct identity *other)
{
	return one->kind == other->kind && one->uid == other->uid && one->gid == other->gid &&
	       one->n_groups == other->n_groups && one->n_subjects == other->n_subjects &&
	       memcmp(one->groups, other->groups, one->n_groups * sizeof(gid_t)) == 0 &&
	       memcmp(one->subjects, other->subjects, one->n_subjects * sizeof(uint32_t)) == 0;
}

/* Tell a worker to answer what is queued and to exit; it has FINISH_MS for that. */
static void
finish(struct broker *b, struct worker *w)
{
	if (w->state == WORKER_FREE || w->state >= WORKER_FINISHING)
		return;
	w->state = WORKER_FINISHING;
	w->deadline = now_ms() + FINISH_MS;
	wake_at(b, w->deadline);
	close_fd(&w->control);
}

/* The worker's ends of its channels, until they have gone to the child. */
enum { CONTROL, NOTES, AUDIT, N_CHANNELS };

static int
make_channels(struct worker *w, int ends[N_CHANNELS])
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	w->control = pair[0];
	ends[CONTROL] = pair[1];
	/* One way, before anybody holds the other end. */
	if (shutdown(w->control, SHUT_RD) < 0 || pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	w->notes = pair[0];
	ends[NOTES] = pair[1];
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	w->audit = pair[0];
	ends[AUDIT] = pair[1];
	return 0;
}

static int
send_setup(const struct broker *b, const struct worker *w)
{
	const struct identity *identity = &w->identity;
	struct ipc_setup setup = {
		.kind = identity->kind,
		.required = b->options.required,
		.generation = w->generation,
		.worker = w->number,
		.own_uid = b->own_uid,
		.own_gid = b->own_gid,
		.peer_uid = identity->uid,
		.peer_gid = identity->gid,
		.n_groups = identity->n_groups,
		.n_subjects = identity->n_subjects,
	};
	struct iovec iov[3] = {
		{&setup, sizeof(setup)},
		{(void *)identity->groups, identity->n_groups * sizeof(gid_t)},
		{(void *)identity->subjects, identity->n_subjects * sizeof(uint32_t)},
	};

	return channel_send(w->control, iov, 3, NULL, 0, NULL, MSG_DONTWAIT);
}

static int
launch(struct broker *b, struct worker *w, const int ends[N_CHANNELS])
{
	const int fds[] = {ends[CONTROL], ends[NOTES], ends[AUDIT], b->page_fd, b->image_fd};
	char title[64];
	char *argv[] = {title, NULL};
	struct spawn spawn = {
		.helper = HELPER_WORKER,
		.fds = fds,
		.n_fds = w->identity.kind == IPC_REFUSER ? 4 : 5,
		.argv = argv,
	};
	int r;

	if (w->identity.kind == IPC_IDENTITY)
		snprintf(title, sizeof(title), "fdbroker-worker: uid %u", w->identity.uid);
	else
		snprintf(title, sizeof(title), "fdbroker-worker: %s",
			 w->identity.kind == IPC_ANY ? "any" : "refuser");
	r = send_setup(b, w);
	if (r == 0)
		r = watch(b, w->notes, EVENT(EVENT_NOTES, w - b->workers));
	return r < 0 ? r : spawn_helper(b, &spawn, &w->pid);
}

static void
close_channels(struct worker *w)
{
	close_fd(&w->control);
	close_fd(&w->notes);
	close_fd(&w->audit);
}

/* Only what is in use: the rest of the tables stays untouched memory. */
static void
copy_identity(struct identity *to, const struct identity *from)
{
	memcpy(to, from, offsetof(struct identity, groups));
	memcpy(to->groups, from->groups, from->n_groups * sizeof(gid_t));
	memcpy(to->subjects, from->subjects, from->n_subjects * sizeof(uint32_t));
}

/* A new worker in a free slot. */
static int
start(struct broker *b, const struct identity *identity, struct worker **ret_worker)
{
	int ends[N_CHANNELS] = {-1, -1, -1}, r;
	struct worker *w = b->workers;

	while (w < b->workers + WORKERS_MAX && w->state != WORKER_FREE)
		w++;
	if (w == b->workers + WORKERS_MAX)
		return -EBUSY;
	memset(w, 0, offsetof(struct worker, identity));
	w->number = ++b->last_worker;
	w->control = w->notes = w->audit = -1;
	w->generation = b->generation;
	w->started = now_ms();
	copy_identity(&w->identity, identity);

	r = make_channels(w, ends);
	if (r == 0)
		r = launch(b, w, ends);
	for (size_t i = 0; i < N_CHANNELS; i++)
		close_fd(&ends[i]);
	if (r < 0) {
		close_channels(w);
		say("cannot start a worker: %s", strerror(-r));
		return r;
	}
	w->state = WORKER_STARTING;
	b->running++;
	logger_tell(b, w, NULL);
	*ret_worker = w;
	return 0;
}

static int
pass_to(struct broker *b, struct worker *w, int fd, const struct ipc_connection *what)
{
	struct iovec iov = {(void *)what, sizeof(*what)};
	int r;

	logger_tell(b, w, what);
	r = channel_send(w->control, &iov, 1, &fd, 1, NULL, MSG_DONTWAIT);
	if (r == 0)
		w->connections++;
	return r;
}

int
workers_pass(struct broker *b, const struct identity *identity, int fd,
	     const struct ipc_connection *what)
{
	unsigned n = 0;
	struct worker *w = NULL;
	int r;

	for (size_t i = 0; i < WORKERS_MAX; i++) {
		w = &b->workers[i];
		if (w->state == WORKER_FREE || w->generation != b->generation ||
		    !same_identity(&w->identity, identity))
			continue;
		if (w->state == WORKER_FAILED)
			return EBUSY;
		n++;
		if (w->state == WORKER_FINISHING)
			continue;
		r = pass_to(b, w, fd, what);
		if (r == 0)
			return 0;
		/* Full: it hangs, and the next one may not. Gone: it is about to be reaped. */
		if (r != -EAGAIN)
			finish(b, w);
	}
	if (n >= WORKERS_PER_IDENTITY)
		return EBUSY;
	r = start(b, identity, &w);
	if (r == 0)
		r = pass_to(b, w, fd, what);
	return r < 0 ? EBUSY : 0;
}

void
workers_refuse(struct broker *b, int fd, struct ipc_connection *what, int error)
{
	what->refusal = (uint32_t)error;
	b->refused++;
	if (b->refuser)
		(void)pass_to(b, b->refuser, fd, what);
}

int
workers_start_refuser(struct broker *b)
{
	struct identity nobody = {.kind = IPC_REFUSER, .uid = b->own_uid, .gid = b->own_gid};

	return start(b, &nobody, &b->refuser);
}

static void
kill_worker(struct worker *w, const char *why)
{
	say("worker %u (uid %u) is killed: %s", w->number, w->identity.uid, why);
	kill(w->pid, SIGKILL);
	w->state = WORKER_FINISHING;
	w->deadline = 0;
}

static void
take_note(struct broker *b, struct worker *w, unsigned char note)
{
	if (note & IPC_NOTE_LAYERS) {
		if (w->state == WORKER_STARTING)
			w->state = WORKER_READY;
		w->layers = note & LAYERS_ALL;
	} else if (note == IPC_NOTE_IDLE) {
		finish(b, w);
	} else if (note == IPC_NOTE_REPLACE && w->deadline == 0) {
		/* A file that is replaced all the time costs one worker a second. */
		w->deadline = w->started + RESTART_MS;
		wake_at(b, w->deadline);
	}
}

void
workers_note(struct broker *b, uint32_t index)
{
	struct worker *w = &b->workers[index % WORKERS_MAX];
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
		kill_worker(w, "it sends more notes than any reason could make");
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		take_note(b, w, notes[i]);
}

void
workers_finish_all(struct broker *b, bool refuser_too)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (&b->workers[i] != b->refuser || refuser_too)
			finish(b, &b->workers[i]);
}

bool
workers_reap(struct broker *b, pid_t pid, int status)
{
	struct worker *w = b->workers;

	while (w < b->workers + WORKERS_MAX && w->pid != pid)
		w++;
	if (w == b->workers + WORKERS_MAX)
		return false;
	if (WIFSIGNALED(status) && w->state != WORKER_FINISHING)
		say("worker %u (uid %u) died of signal %d (%s)", w->number, w->identity.uid,
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	close_channels(w);
	/* What could not start now could not start again at once either. */
	w->state = w->state == WORKER_STARTING ? WORKER_FAILED : WORKER_FREE;
	w->pid = 0;
	b->running--;
	w->deadline = now_ms() + RESTART_MS;
	wake_at(b, w->deadline);
	if (w == b->refuser) {
		b->refuser = NULL;
		wake_at(b, w->started + RESTART_MS);
	}
	return true;
}

void
workers_tick(struct broker *b, int64_t now)
{
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &b->workers[i];

		if (w->state == WORKER_FREE || w->deadline == 0)
			continue;
		if (w->deadline > now)
			wake_at(b, w->deadline);
		else if (w->state == WORKER_FINISHING)
			kill_worker(w, "it did not finish in time");
		else if (w->state == WORKER_FAILED)
			w->state = WORKER_FREE;
		else
			finish(b, w);
	}
	if (!b->refuser && !b->stopping && workers_start_refuser(b) < 0)
		wake_at(b, now + RESTART_MS);
}
