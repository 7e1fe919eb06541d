/* SPDX-License-Identifier: MIT */
/* What a uid is called. */
#pragma once

#include <stddef.h>

#include "broker/ipc.h"

/*
 * Ask the system's database for the name of setup->peer_uid, in a process of its own without
 * privilege: the modules of nsswitch.conf(5) are others' code and may wait for a network. 0, -ENOENT
 * when there is no such user, -ETIMEDOUT after two seconds.
 */
int name_look_up(const struct ipc_setup *setup, uid_t uid, char *ret_name, size_t size);
