/* SPDX-License-Identifier: MIT */
/* What the broker says that a client is, and which rules are for it. */
#pragma once

#include "broker/worker/request.h"

/*
 * Write a page of the answer to request id, from the line that `from` means, into buffer
 * (WIRE_REPLY_MAX bytes). Returns its length. Whatever `from` is, the answer says nothing but of
 * this client.
 */
size_t whoami_answer(const struct server *server, const struct client *client, uint32_t id,
		     uint32_t from, void *buffer);
