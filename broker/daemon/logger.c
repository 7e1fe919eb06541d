/* SPDX-License-Identifier: MIT */
/* Runs in: broker. Starts the log process and tells it who is behind each worker and connection. */
#include <errno.h>
#include <sys/socket.h>

#include "broker/daemon/daemon.h"
#include "client-lib/channel.h"

int
logger_start(struct broker *b)
{
	char *argv[] = {(char *)"fdbroker-log", b->account[0], b->account[1], NULL};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	shutdown(pair[0], SHUT_RD);
	r = spawn_helper(
		b, &(struct spawn){.helper = HELPER_LOG, .fds = &pair[1], .n_fds = 1, .argv = argv},
		&b->log_pid);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	b->log = pair[0];
	b->log_started = now_ms();
	for (size_t i = 0; i < WORKERS_MAX; i++) {
		/* Written only where there is one: the others stay untouched memory. */
		if (b->workers[i].pid == 0)
			continue;
		b->workers[i].told = false;
		logger_tell(b, &b->workers[i], NULL);
	}
	return 0;
}

bool
logger_reap(struct broker *b, pid_t pid, int status)
{
	if (pid != b->log_pid)
		return false;
	if (!b->stopping)
		say("the log process ended (wait status 0x%x) and is started again; records may be "
		    "lost",
		    status);
	b->log_pid = 0;
	close_fd(&b->log);
	wake_at(b, b->log_started + RESTART_MS);
	return true;
}

void
logger_tick(struct broker *b, int64_t now)
{
	if (b->log_pid != 0 || b->stopping)
		return;
	if (b->log_started + RESTART_MS > now || logger_start(b) < 0)
		wake_at(b, now + RESTART_MS);
}

/* Never waits. False: the log process has no room for it. */
static bool
tell(struct broker *b, const struct ipc_log *what, const int *fd)
{
	struct iovec iov = {(void *)(uintptr_t)what, sizeof(*what)};

	return b->log >= 0 &&
	       channel_send(b->log, &iov, 1, fd, fd != NULL, NULL, MSG_DONTWAIT) == 0;
}

void
logger_tell(struct broker *b, struct worker *worker, const struct ipc_connection *connection)
{
	struct ipc_log what = {
		.kind = IPC_LOG_WORKER,
		.worker = worker->number,
		.generation = worker->generation,
		.peer = {.uid = worker->identity.uid, .gid = worker->identity.gid},
	};

	if (!worker->told)
		worker->told = tell(b, &what, &worker->audit);
	if (!connection)
		return;
	what.kind = IPC_LOG_CONNECTION;
	what.connection = connection->number;
	what.generation = connection->generation;
	what.peer = connection->peer;
	(void)tell(b, &what, NULL);
}
