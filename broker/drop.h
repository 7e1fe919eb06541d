/* SPDX-License-Identifier: MIT */
/* How a helper that needs no privilege gives up the broker's, before it reads what others wrote. */
#pragma once

#include "broker/landlock.h"

/*
 * uid, gid: decimal numbers of the helpers' account, or "-" when the broker is not root and has
 * none to give. Afterwards the process has those ids, no group, no capability, and cannot get any
 * back; it is not dumpable; and what Landlock takes is gone, where the kernel has it. 0 or a negative
 * errno value.
 */
int drop_privileges(const char *uid, const char *gid, enum landlock_takes takes);
