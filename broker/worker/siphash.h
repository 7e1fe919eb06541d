/* SPDX-License-Identifier: MIT */
/* SipHash-1-3, and a permutation that is made of it. Who has not the key learns nothing from either. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of the eight bytes of first, and then these. */
uint64_t siphash(const uint64_t key[2], uint64_t first, const void *bytes, size_t n);

/*
 * Every tweak has a permutation of its own. 0 stays 0, and nothing else becomes 0. siphash_restore()
 * is the inverse: of a number that siphash_hide() never gave it makes some number.
 */
uint64_t siphash_hide(const uint64_t key[2], uint64_t tweak, uint64_t number);
uint64_t siphash_restore(const uint64_t key[2], uint64_t tweak, uint64_t number);
