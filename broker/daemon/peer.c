/* SPDX-License-Identifier: MIT */
/* Runs in: broker. Who is calling, from the kernel alone. Reads nothing that a client sent. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/daemon/daemon.h"

/* Supplementary groups as they were at connect(2): the kernel's, not the system database's. */
static int
ask_groups(int fd, struct identity *identity)
{
	socklen_t size = sizeof(identity->groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, identity->groups, &size) < 0)
		return -errno; /* ERANGE: more than anybody needs */
	identity->n_groups = (uint32_t)(size / sizeof(gid_t));
	return 0;
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
find_subjects(const struct broker *b, struct identity *identity, const char *label)
{
	const struct policy_peer peer = {
		.has_uid = identity->kind == IPC_IDENTITY,
		.uid = identity->uid,
		.has_gid = identity->kind == IPC_IDENTITY,
		.gid = identity->gid,
		.groups = identity->groups,
		.n_groups = identity->n_groups,
		.label = *label ? label : NULL,
	};
	size_t n = 0;
	int r = policy_subjects(b->image, &peer, identity->subjects, POLICY_SUBJECTS_MAX, &n);

	identity->n_subjects = (uint32_t)n;
	return r;
}

void
peer_find_any(struct broker *b)
{
	b->any.kind = IPC_ANY;
	/* No file of the peer's own is within reach of `any`, so no id of the peer's either. */
	b->any.uid = b->is_root ? b->own_uid : geteuid();
	b->any.gid = b->is_root ? b->own_gid : getegid();
	b->any.n_groups = 0;
	if (find_subjects(b, &b->any, "") < 0)
		say("more than %d subjects match every peer: rules for 'any' are out of force",
		    POLICY_SUBJECTS_MAX);
}

int
peer_identify(const struct broker *b, int fd, struct ucred *ret_peer, struct identity *identity)
{
	socklen_t size = sizeof(*ret_peer);
	char label[256] = "";
	enum policy_scope scope;

	*ret_peer = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) < 0 || !b->image)
		return EACCES;
	/* Without privilege nothing could be created for, or kept from, anybody else. */
	if (!b->is_root && ret_peer->uid != geteuid())
		return EACCES;
	identity->kind = IPC_IDENTITY;
	identity->uid = ret_peer->uid;
	identity->gid = ret_peer->gid;
	if (ask_groups(fd, identity) < 0 || ask_label(b, fd, label, sizeof(label) - 1) < 0)
		return EACCES;
	if (find_subjects(b, identity, label) < 0)
		return EBUSY;
	scope = policy_scope(b->image, identity->subjects, identity->n_subjects);
	/*
	 * Only those who match nothing beyond `any` may share: a deny that names the peer has to
	 * hold.
	 */
	if (scope == POLICY_SCOPE_ANY)
		*identity = b->any;
	return scope == POLICY_SCOPE_NONE ? EACCES : 0;
}
