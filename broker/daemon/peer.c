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
 * The security label, if a rule asks for one. NULL: there is none, because no security module gives
 * any. A label that cannot be read is an error: a deny may name it.
 */
static int
ask_label(const struct broker *b, int fd, char *label, size_t room, const char **ret_label)
{
	socklen_t size = (socklen_t)(room - 1);

	*ret_label = NULL;
	if (!(policy_asks(b->image) & POLICY_ASKS_LABEL))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) < 0)
		return errno == ENOPROTOOPT ? 0 : -errno;
	label[size] = '\0';
	*ret_label = label;
	return 0;
}

static int
find_subjects(const struct broker *b, const struct policy_peer *peer, struct identity *identity)
{
	size_t n = 0;
	int r = policy_subjects(b->image, peer, identity->subjects, POLICY_SUBJECTS_MAX, &n);

	identity->n_subjects = r < 0 ? 0 : (uint32_t)n;
	return r;
}

void
peer_find_any(struct broker *b)
{
	const struct policy_peer nobody = {};

	b->any.kind = IPC_ANY;
	/* No file of the peer's own is within reach of `any`, so no id of the peer's either. */
	b->any.uid = b->is_root ? b->own_uid : geteuid();
	b->any.gid = b->is_root ? b->own_gid : getegid();
	b->any.n_groups = 0;
	if (find_subjects(b, &nobody, &b->any) < 0)
		say("more than %d subjects match every peer: rules for 'any' are out of force",
		    POLICY_SUBJECTS_MAX);
}

int
peer_identify(const struct broker *b, int fd, struct ucred *ret_peer, struct identity *identity)
{
	socklen_t size = sizeof(*ret_peer);
	struct policy_peer peer;
	const char *label;
	char text[256];

	*ret_peer = (struct ucred){.uid = (uid_t)-1, .gid = (gid_t)-1};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) < 0)
		return EACCES;
	if (!b->image)
		return EACCES;
	/* Without privilege nothing could be created for, or kept from, anybody else. */
	if (!b->is_root && ret_peer->uid != geteuid())
		return EACCES;
	identity->kind = IPC_IDENTITY;
	identity->uid = ret_peer->uid;
	identity->gid = ret_peer->gid;
	if (ask_groups(fd, identity) < 0 || ask_label(b, fd, text, sizeof(text), &label) < 0)
		return EACCES;
	peer = (struct policy_peer){
		.has_uid = true,
		.uid = ret_peer->uid,
		.has_gid = true,
		.gid = ret_peer->gid,
		.groups = identity->groups,
		.n_groups = identity->n_groups,
		.label = label,
	};
	if (find_subjects(b, &peer, identity) < 0)
		return EBUSY;
	/*
	 * Only those who match nothing beyond `any` may share: a deny that names the peer has to
	 * hold.
	 */
	switch (policy_scope(b->image, identity->subjects, identity->n_subjects)) {
	case POLICY_SCOPE_OWN:
		return 0;
	case POLICY_SCOPE_ANY:
		*identity = b->any;
		return 0;
	case POLICY_SCOPE_NONE:
	default:
		return EACCES;
	}
}
