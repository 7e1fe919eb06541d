/* SPDX-License-Identifier: MIT */
/* Runs in: worker, both phases. Distrusts: whoever owns or may write a directory. */
#include "broker/worker/strict.h"

#include <string.h>

#include "broker/clock.h"
#include "broker/worker/siphash.h"

enum {
	SLOTS = 64,
	KEY_MAX = 239, /* bytes of a path; a longer one is looked at each time */
};

static struct memory {
	int64_t until; /* milliseconds of CLOCK_MONOTONIC; 0: free */
	uint8_t kind;  /* enum strict_kind */
	uint32_t length;
	struct policy_chain chain;
	char path[KEY_MAX + 1];
} memories[SLOTS];

/* Without a key: whoever makes two paths share a slot makes them be looked at again. */
static struct memory *
slot_of(enum strict_kind kind, const char *path, size_t length)
{
	static const uint64_t key[2];

	return &memories[siphash(key, kind, path, length) % SLOTS];
}

void
strict_remember(enum strict_kind kind, const char *path, size_t length,
		const struct policy_chain *chain)
{
	struct memory *m;

	/* What is no good has to be found good as soon as it is. */
	if (length > KEY_MAX || chain->shared || chain->fault.length > 0)
		return;
	m = slot_of(kind, path, length);
	m->until = now_ms() + STRICT_MS;
	m->kind = (uint8_t)kind;
	m->length = (uint32_t)length;
	m->chain = *chain;
	memcpy(m->path, path, length);
}

bool
strict_recall(enum strict_kind kind, const char *path, size_t length,
	      struct policy_chain *ret_chain)
{
	const struct memory *m;

	if (length > KEY_MAX)
		return false;
	m = slot_of(kind, path, length);
	if (m->kind != kind || m->length != length || memcmp(m->path, path, length) != 0 ||
	    m->until < now_ms())
		return false;
	*ret_chain = m->chain;
	return true;
}
