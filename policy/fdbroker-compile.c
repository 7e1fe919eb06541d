/* SPDX-License-Identifier: MIT */
/*
 * fdbroker-compile: policy text in, image out. Runs without privilege; opens nothing but what the
 * look-up of users and groups needs.
 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "dropin.h"
#include "policy.h"
#include "util.h"

enum {
	IMAGE_FD = 3,
	DIAG_FD = 4,
	FIRST_SOURCE_FD = 5,

	EXIT_POLICY = 1,
	EXIT_SYSTEM = 2,
};

static const char usage[] =
	"usage: fdbroker-compile [--errors N] NAME...\n"
	"Compile policy files into an image, for fdbrokerd.\n"
	"\n"
	"Descriptor 3 takes the image, 4 the messages (stderr has them too); 5, 6, ... are\n"
	"the policy files, one for each NAME.\n"
	"\n"
	"  --errors N   N errors were reported before: the result is a failure\n"
	"  --help       this text\n"
	"  --version    the version\n"
	"\n"
	"Exit status: 0 image written, 1 errors in the policy, 2 wrong usage or system error.\n";

static int
fail(const char *what, int error)
{
	fprintf(stderr, "fdbroker-compile: ");
	policy_escape(stderr, what, strlen(what), 0);
	fprintf(stderr, ": %s\n", strerror(error));
	return EXIT_SYSTEM;
}

static int
write_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t written = write(fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		at += written;
		size -= (size_t)written;
	}
	return 0;
}

/* -EBADMSG: errors in the policy. Messages go to messages. */
static int
compile(const struct policy_source *sources, size_t n, unsigned long errors_before, FILE *messages,
	void **ret_bytes, size_t *ret_size)
{
	struct policy_diag diag = {.out = messages};
	int r = policy_compile(sources, n, &diag, ret_bytes, ret_size);

	return r == 0 && errors_before > 0 ? -EBADMSG : r;
}

static int
run(struct policy_source *sources, char **names, size_t n, unsigned long errors_before)
{
	_cleanup_free_ char *messages = NULL;
	_cleanup_free_ void *bytes = NULL;
	size_t size = 0, messages_size = 0, left = POLICY_FILE_BYTES_MAX;
	FILE *out;
	int r;

	for (size_t i = 0; i < n; i++) {
		char *text;

		r = policy_file_read(FIRST_SOURCE_FD + (int)i, left, &text, &sources[i].size);
		if (r < 0)
			return fail(names[i], -r);
		sources[i].text = text;
		sources[i].name = names[i];
		left -= sources[i].size;
	}
	out = open_memstream(&messages, &messages_size);
	if (!out)
		return fail("messages", errno);
	r = compile(sources, n, errors_before, out, &bytes, &size);
	if (fclose(out) != 0)
		return fail("messages", errno);
	(void)write_all(STDERR_FILENO, messages, messages_size);
	if (write_all(DIAG_FD, messages, messages_size) < 0)
		return fail("descriptor 4", errno);
	if (r == -EBADMSG)
		return EXIT_POLICY;
	if (r < 0)
		return fail("compile", -r);
	r = write_all(IMAGE_FD, bytes, size);
	return r < 0 ? fail("descriptor 3", -r) : 0;
}

static bool
parse_number(const char *text, unsigned long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoul(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"errors", required_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	unsigned long errors_before = 0;
	struct policy_source *sources;
	size_t n;
	int c, status;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'e':
			if (!parse_number(optarg, &errors_before)) {
				fprintf(stderr, "fdbroker-compile: --errors takes a number\n");
				return EXIT_SYSTEM;
			}
			break;
		case 'h':
			return fputs(usage, stdout) < 0 || fflush(stdout) != 0 ? EXIT_SYSTEM : 0;
		case 'v':
			puts("fdbroker-compile " FDBROKER_VERSION);
			return fflush(stdout) != 0 ? EXIT_SYSTEM : 0;
		default:
			fputs(usage, stderr);
			return EXIT_SYSTEM;
		}
	}
	n = (size_t)(argc - optind);
	for (int fd = IMAGE_FD; fd < FIRST_SOURCE_FD + (int)n; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		fprintf(stderr, "fdbroker-compile: descriptor %d is not open\n%s", fd, usage);
		return EXIT_SYSTEM;
	}
	sources = calloc(n + 1, sizeof(*sources));
	if (!sources)
		return fail("memory", ENOMEM);
	status = run(sources, argv + optind, n, errors_before);
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)sources[i].text);
	free(sources);
	return status;
}
