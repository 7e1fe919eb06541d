/* SPDX-License-Identifier: MIT */
/* Equal byte strings get the same number, in the order in which they first come. */
#pragma once

#include "util.h"

struct policy_intern_key {
	uint64_t hash;
	uint32_t at; /* in bytes */
	uint32_t length;
};

struct policy_intern {
	POLICY_VECTOR(struct policy_intern_key) keys;
	POLICY_VECTOR(char) bytes; /* a NUL follows each key */
	uint32_t *slots;           /* number + 1, 0: free */
	size_t n_slots;
};

/* -EFBIG when the keys are 1 GiB together. */
int policy_intern(struct policy_intern *intern, const void *key, size_t length, uint32_t *ret_id);

/* Bytes (and a NUL) that are no key: equal ones stay apart. ret_at: where in bytes. */
int policy_intern_append(struct policy_intern *intern, const void *bytes, size_t length,
			 uint32_t *ret_at);

/* The key that policy_escape() makes of the text. ret_at: where in bytes. */
int policy_intern_escaped(struct policy_intern *intern, const char *text, size_t length,
			  uint32_t *ret_at);

/* -ENOENT: there is no such key. */
int policy_intern_find(const struct policy_intern *intern, const void *key, size_t length,
		       uint32_t *ret_id);

void policy_intern_free(struct policy_intern *intern);
