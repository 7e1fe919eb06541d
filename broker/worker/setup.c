/* SPDX-License-Identifier: MIT */
/* Runs in: worker, first phase. Trusts: the broker, who alone can write to these descriptors. */
#include "broker/worker/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/worker/name.h"
#include "client-lib/channel.h"

_Static_assert((int)IPC_UNIT_MAX == (int)POLICY_UNIT_MAX, "a unit fits into a message");
_Static_assert(sizeof(struct ipc_setup) + sizeof(struct ipc_identity) +
			       IPC_GROUPS_MAX * sizeof(gid_t) +
			       POLICY_SUBJECTS_MAX * sizeof(uint32_t) <=
		       IPC_SETUP_MAX,
	       "an identity fits into a message");

/* Take n elements of a vector off the message. */
static int
take(const char **at, size_t *left, void *ret, size_t element, size_t n, size_t max)
{
	if (n > max || n * element > *left)
		return -EBADMSG;
	memcpy(ret, *at, n * element);
	*at += n * element;
	*left -= n * element;
	return 0;
}

/*
 * A name that cannot be had in time matches nothing. Where a deny waits for it there is no answer
 * at all.
 */
static int
identify(struct setup *setup)
{
	bool own = setup->peer.kind == IPC_IDENTITY, named = false;
	uid_t uid = setup->peer.uid;
	enum policy_name needs =
		policy_needs_name(setup->image, setup->subjects, setup->peer.n_subjects);
	int r = 0;

	if (own && needs != POLICY_NAME_UNUSED) {
		r = name_look_up(&setup->head, uid, setup->name, sizeof(setup->name));
		named = r == 0;
		if (r < 0 && r != -ENOENT)
			fprintf(stderr, "fdbroker-worker: no name for uid %u, so no %s: %s\n", uid,
				needs == POLICY_NAME_TAKES ? "request of it is served"
							   : "rule with ${user} applies",
				strerror(-r));
	}
	policy_identity_init(&setup->identity, setup->subjects, setup->peer.n_subjects,
			     own ? &uid : NULL, named ? setup->name : NULL);
	return needs == POLICY_NAME_TAKES && r < 0 && r != -ENOENT ? r : 0;
}

int
setup_read(struct setup *setup)
{
	static char message[IPC_SETUP_MAX];
	struct channel_extra extra;
	const char *at = message;
	size_t left;
	ssize_t n;
	void *page;
	int r;

	do
		n = channel_receive(IPC_CONTROL, message, sizeof(message), NULL, 0, false, 0,
				    &extra);
	while (n == -EINTR);
	if (n < 0)
		return (int)n;
	left = (size_t)n;
	r = take(&at, &left, &setup->head, sizeof(setup->head), 1, 1);
	if (r == 0)
		r = take(&at, &left, &setup->peer, sizeof(setup->peer), 1, 1);
	if (r == 0)
		r = take(&at, &left, setup->groups, sizeof(gid_t), setup->peer.n_groups,
			 IPC_GROUPS_MAX);
	if (r == 0)
		r = take(&at, &left, setup->subjects, sizeof(uint32_t), setup->peer.n_subjects,
			 POLICY_SUBJECTS_MAX);
	if (r < 0)
		return r;
	if (left != 0)
		return -EBADMSG;

	page = mmap(NULL, sizeof(struct ipc_page), PROT_READ, MAP_SHARED, IPC_PAGE, 0);
	if (page == MAP_FAILED)
		return -errno;
	setup->page = page;
	close(IPC_PAGE);
	/* The refuser of the time before the first load. */
	if (setup->head.generation == 0)
		return 0;
	/* The broker has looked at every item before it let anybody have this. */
	r = policy_image_map_validated(IPC_IMAGE, &setup->image);
	close(IPC_IMAGE);
	return r < 0 ? r : identify(setup);
}
