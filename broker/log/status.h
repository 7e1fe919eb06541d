/* SPDX-License-Identifier: MIT */
/* The broker's state as JSON, for admins. */
#pragma once

#include <stddef.h>

#include "broker/ipc.h"

/* What never changes, from the command line. */
struct status_fixed {
	const char *socket;
	char *const *policy; /* ends with NULL */
};

/*
 * Write what the broker says of itself to the connection of an admin. message, size: as received.
 * messages: the compiler's, or -1. Never waits; both descriptors stay the caller's.
 */
void status_write(const struct status_fixed *fixed, const void *message, size_t size,
		  int connection, int messages);
