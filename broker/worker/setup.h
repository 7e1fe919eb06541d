/* SPDX-License-Identifier: MIT */
/* What the broker tells a worker before it has a client. */
#pragma once

#include <stddef.h>

#include "broker/ipc.h"
#include "policy/policy.h"

struct setup {
	struct ipc_setup head;
	struct ipc_identity peer;
	gid_t groups[IPC_GROUPS_MAX];
	uint32_t subjects[POLICY_SUBJECTS_MAX];
	const struct ipc_page *page;
	struct policy_image *image; /* NULL before the first load */
	struct policy_identity identity;
	/* Of the peer's uid, if a rule asks for it; a longer one shows that it is too long. */
	char name[POLICY_NAME_MAX_BYTES + 2];
};

/*
 * Read it all from the descriptors of broker/ipc.h, which stay open but for the image; look up the
 * peer's name if ${user} needs it.
 */
int setup_read(struct setup *setup);
