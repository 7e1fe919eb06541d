/* SPDX-License-Identifier: MIT */
/* A fuzzer for something that is wrong, to see that the others would notice. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static size_t
draw(unsigned char *bytes, size_t max)
{
	(void)max;
	memcpy(bytes, fuzz_draw(100) ? "harmless" : "crash it", 8);
	return 8;
}

static void
try(const unsigned char *bytes, size_t size)
{
	const char *fault = getenv("FUZZ_FAULT");

	if (*bytes != 'c')
		return;
	if (fault && strcmp(fault, "slow") == 0)
		raise(SIGALRM);
	/* One byte behind it, which only the sanitizers notice. */
	if (fault && strcmp(fault, "read") == 0)
		exit(bytes[size]);
	abort();
}

int
main(int argc, char **argv)
{
	static const struct fuzzer fuzzer = {"fuzz-fault", draw, try, NULL};

	return fuzz_main(&fuzzer, argc, argv);
}
