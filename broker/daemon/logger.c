/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker. Starts the log process, tells it who is behind each worker and connection, and has
 * it answer admins. Reads nothing from them.
 */
#include <errno.h>
#include <sys/socket.h>

#include "broker/daemon/daemon.h"
#include "client-lib/channel.h"

int
logger_start(struct broker *b)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	shutdown(pair[0], SHUT_RD);
	pid = spawn_helper(b, HELPER_LOG, &pair[1], 1, NULL);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	b->log_pid = pid;
	b->log = pair[0];
	b->log_started = now_ms();
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		b->workers[i].told = false;
	return 0;
}

bool
logger_reap(struct broker *b, pid_t pid, int status)
{
	if (pid != b->log_pid)
		return false;
	if (b->stop_by == 0)
		warnx("the log process ended (wait status 0x%x): records may be lost", status);
	b->log_pid = 0;
	close_fd(&b->log);
	wake_at(b, b->log_started + RESTART_MS);
	return true;
}

void
logger_tick(struct broker *b, int64_t now)
{
	if (b->log_pid == 0 && b->stop_by == 0 &&
	    (b->log_started + RESTART_MS > now || logger_start(b) < 0))
		wake_at(b, now + RESTART_MS);
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		if (b->workers[i].shown.pid > 0 && !b->workers[i].told)
			logger_tell(b, &b->workers[i], NULL);
}

/* Never waits. False: the log process has no room for it. */
static bool
tell(struct broker *b, const struct ipc_log *what, const int *fd)
{
	struct iovec iov = {(void *)(uintptr_t)what, sizeof(*what)};

	return channel_send(b->log, &iov, 1, fd, fd != NULL, NULL, MSG_DONTWAIT) == 0;
}

void
logger_tell(struct broker *b, struct worker *worker, const struct ipc_connection *connection)
{
	struct ipc_log what = {
		.kind = IPC_LOG_WORKER,
		.worker = worker->shown.number,
		.generation = worker->shown.generation,
		.peer = {.uid = worker->shown.uid, .gid = worker->shown.gid},
		.slot = (uint32_t)(worker - b->workers),
	};

	if (!worker->told)
		worker->told = tell(b, &what, &worker->ends[AUDIT]);
	if (!worker->told)
		wake_at(b, now_ms() + TELL_MS);
	if (!connection)
		return;
	what.kind = IPC_LOG_CONNECTION;
	what.connection = connection->number;
	what.generation = connection->generation;
	what.peer = connection->peer;
	(void)tell(b, &what, NULL);
}

void
logger_tell_messages(struct broker *b)
{
	const struct ipc_log what = {.kind = IPC_LOG_MESSAGES};

	if (b->load.shown_messages >= 0)
		(void)tell(b, &what, &b->load.shown_messages);
}

static void
send_status(struct broker *b, int fd)
{
	static struct ipc_worker workers[IPC_WORKERS_MAX];
	const int fds[] = {fd, b->load.shown_messages};
	struct ipc_status *status = &b->status;
	struct iovec iov[2] = {{status, sizeof(*status)}, {workers, 0}};

	status->load_busy = b->load.pid > 0;
	status->n_workers = 0;
	for (size_t i = 0; i < IPC_WORKERS_MAX; i++)
		if (b->workers[i].shown.state != IPC_WORKER_FREE) {
			(void)worker_open(&b->workers[i]);
			workers[status->n_workers++] = b->workers[i].shown;
		}
	iov[1].iov_len = status->n_workers * sizeof(workers[0]);
	/* Without a log process, or with one that does not keep up, there is no answer. */
	(void)channel_send(b->log, iov, 2, fds, fds[1] < 0 ? 1 : 2, NULL, MSG_DONTWAIT);
}

void
logger_serve_admins(struct broker *b)
{
	int fd;

	while ((fd = accept4(b->admin, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		send_status(b, fd);
		close(fd);
	}
}
