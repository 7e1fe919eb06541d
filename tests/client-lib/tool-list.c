/* SPDX-License-Identifier: MIT */
/*
 * A client for the TAP scripts: tool-list PATH says each name in a directory, with its type; after the
 * first one it waits for a line on standard input. Names are one line each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client-lib/fdbroker.h"

static int
show(void *context, const char *name, unsigned char type)
{
	unsigned *n = context;
	char line[16];

	printf("%s %d\n", name, type);
	if (++*n > 1)
		return 0;
	return fflush(stdout) != 0 || !fgets(line, sizeof(line), stdin);
}

int
main(int argc, char **argv)
{
	unsigned n = 0;
	int r;

	if (argc != 2)
		return 2;
	r = broker_list(argv[1], show, &n);
	if (r < 0)
		printf("%s\n", strerrorname_np(errno));
	return r != 0;
}
