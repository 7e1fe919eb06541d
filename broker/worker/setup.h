/* SPDX-License-Identifier: MIT */
/* What the broker tells a worker before it has a client. */
#pragma once

#include <stddef.h>

#include "broker/ipc.h"
#include "policy/policy.h"

struct setup {
	struct ipc_setup head;
	gid_t groups[IPC_GROUPS_MAX];
	uint32_t subjects[POLICY_SUBJECTS_MAX];
	const struct ipc_page *page;
	struct policy_image *image; /* NULL in the refuser */
};

/* Read it all from the descriptors of broker/ipc.h, which stay open but for the image. */
int setup_read(struct setup *setup);
