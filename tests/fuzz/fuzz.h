/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers share: a clock, numbers that a seed repeats, and an input that is kept when the
 * process dies of it.
 *
 *     fuzz-NAME [--seconds N] [--seed N] [--directory DIR]
 *     fuzz-NAME FILE...        what an earlier run left in DIR
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzzer {
	const char *name;
	/* Make an input of at most max bytes. */
	size_t (*draw)(unsigned char *bytes, size_t max);
	/* Try it; abort() if something is wrong. */
	void (*try)(const unsigned char *bytes, size_t size);
	/* Said at the end, and may complain that nothing was tested; or NULL. */
	bool (*summary)(void);
};

enum {
	FUZZ_INPUT_MAX = 1 << 16,
	FUZZ_INPUT_SECONDS = 20, /* that one input may take, with sanitizers on a busy machine */
};

/* Below `below`, which is not 0. */
unsigned fuzz_draw(unsigned below);

/* Read a file whole; ends the process if that fails. */
char *fuzz_read(const char *path, size_t *ret_size);

int fuzz_main(const struct fuzzer *fuzzer, int argc, char **argv);
