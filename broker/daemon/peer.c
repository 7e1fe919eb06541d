/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker. Who is calling, from the kernel alone. Reads nothing that a client sent.
 *
 * What a client can choose of the answers: which of its processes connects, with which of the ids,
 * groups and labels that it can have, and when that one ends. And names of control groups, as far as
 * some have been given to it: they are read in one piece of bounded size, and policy_unit_of() takes
 * the first component that is no slice, which a client does not choose.
 *
 * The cheap and the counted come first: over its limit a client costs no more than the first two
 * questions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "broker/daemon/daemon.h"
#include "broker/sys.h"

enum {
	PROC_FILE_MAX = 8192, /* a longer one is not understood: the peer is in no unit */
};

/* All of a small file of a process, with a NUL behind it. False: it is gone, or not small. */
static bool
read_proc(pid_t pid, const char *name, char text[PROC_FILE_MAX], size_t *ret_size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, PROC_FILE_MAX);
	close(fd);
	if (n <= 0 || n == PROC_FILE_MAX)
		return false;
	text[n] = '\0';
	*ret_size = (size_t)n;
	return true;
}

/*
 * Does the process with this number have the ids of the peer? They own its directory, dumpable or not
 * (task_dump_owner() in fs/proc/base.c, Linux 4.12 and later).
 */
static bool
has_ids(const struct ucred *peer)
{
	struct stat status;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", peer->pid);
	return stat(path, &status) == 0 && status.st_uid == peer->uid && status.st_gid == peer->gid;
}

/*
 * The process that connected. Before Linux 6.5 the process that has its number now: another one if
 * the peer is gone, and if that one has other ids it does not count.
 */
static int
open_pidfd(int fd, const struct ucred *peer)
{
	socklen_t size = sizeof(int);
	int pidfd = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -1;
	pidfd = pidfd_open(peer->pid, 0);
	if (pidfd >= 0 && !has_ids(peer))
		close_fd(&pidfd);
	return pidfd;
}

/*
 * The system unit, if a rule asks for one; empty: none that could be found out, and only an allow
 * names units. A process number can be used again. What was read of it counts when the process that
 * had it before still has it after.
 */
static void
ask_unit(const struct broker *b, struct passing *peer)
{
	char text[PROC_FILE_MAX], unit[POLICY_UNIT_MAX];
	size_t size;
	int pidfd;

	if (!(policy_asks(b->image) & POLICY_ASKS_UNIT))
		return;
	pidfd = open_pidfd(peer->fd, &peer->what.peer);
	if (pidfd < 0)
		return;
	if (read_proc(peer->what.peer.pid, "cgroup", text, &size) &&
	    policy_unit_of(text, size, unit) &&
	    (pidfd_send_signal(pidfd, 0, NULL, 0) == 0 || errno == EPERM))
		memcpy(peer->unit, unit, sizeof(unit));
	close(pidfd);
}

/*
 * The security label, if a rule asks for one; empty: no security module gives any. One that cannot
 * be read is an error: a deny may name it.
 */
static int
ask_label(const struct broker *b, int fd, char *label, socklen_t size)
{
	if (!(policy_asks(b->image) & POLICY_ASKS_LABEL) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) == 0 || errno == ENOPROTOOPT)
		return 0;
	return -errno;
}

static int
find_subjects(const struct broker *b, struct identity *identity, const char *unit,
	      const char *label)
{
	const bool known = identity->head.kind == IPC_IDENTITY;
	const struct policy_peer peer = {
		.has_uid = known,
		.uid = identity->head.uid,
		.has_gid = known,
		.gid = identity->head.gid,
		.groups = identity->ids,
		.n_groups = identity->head.n_groups,
		.unit = *unit ? unit : NULL,
		.label = *label ? label : NULL,
	};
	size_t n = 0;
	int r = policy_subjects(b->image, &peer, identity->ids + peer.n_groups, POLICY_SUBJECTS_MAX,
				&n);

	identity->head.n_subjects = (uint32_t)n;
	return r;
}

void
peer_find_any(struct broker *b)
{
	/* No file of the peer's own is within reach of `any`, so no id of the peer's either. */
	b->any.head = (struct ipc_identity){
		.kind = IPC_ANY,
		.uid = b->is_root ? b->own_uid : geteuid(),
		.gid = b->is_root ? b->own_gid : getegid(),
	};
	if (find_subjects(b, &b->any, "", "") < 0)
		warnx("more than %d subjects match every peer: rules for 'any' are out of force",
		      POLICY_SUBJECTS_MAX);
}

int
peer_identify(struct broker *b, struct passing *peer, struct identity *identity)
{
	struct ucred *credentials = &peer->what.peer;
	socklen_t size = sizeof(*credentials);
	char label[256] = "";
	enum policy_scope scope;
	uint64_t open;

	*credentials = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
	peer->what.account = (uid_t)-1;
	peer->unit[0] = '\0';
	if (getsockopt(peer->fd, SOL_SOCKET, SO_PEERCRED, credentials, &size) < 0)
		return EACCES;
	peer->what.account = policy_account(b->image, credentials->uid);
	(void)workers_count(b, peer->what.account, &open);
	if (open >= CONNECTIONS_PER_ACCOUNT)
		return EBUSY;
	/* A process that has no number here could not be told from another one. */
	if (!b->image || credentials->pid == 0)
		return EACCES;
	/* Without privilege nothing could be created for, or kept from, anybody else. */
	if (!b->is_root && credentials->uid != geteuid())
		return EACCES;
	identity->head = (struct ipc_identity){
		.kind = IPC_IDENTITY, .uid = credentials->uid, .gid = credentials->gid};
	/* As they were at connect(2): the kernel's, not the system database's. */
	size = IPC_GROUPS_MAX * sizeof(gid_t);
	if (getsockopt(peer->fd, SOL_SOCKET, SO_PEERGROUPS, identity->ids, &size) < 0)
		return EACCES; /* ERANGE: more than anybody needs */
	identity->head.n_groups = (uint32_t)(size / sizeof(gid_t));
	ask_unit(b, peer);
	if (ask_label(b, peer->fd, label, sizeof(label) - 1) < 0)
		return EACCES;
	if (find_subjects(b, identity, peer->unit, label) < 0)
		return EBUSY;
	scope = policy_scope(b->image, identity->ids + identity->head.n_groups,
			     identity->head.n_subjects);
	/*
	 * Only those who match nothing beyond `any` may share: a deny that names the peer has to
	 * hold.
	 */
	if (scope == POLICY_SCOPE_ANY)
		memcpy(identity, &b->any, identity_size(&b->any));
	return scope == POLICY_SCOPE_NONE ? EACCES : 0;
}
