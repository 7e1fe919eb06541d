/* SPDX-License-Identifier: MIT */
/*
 * fdbroker-compile: policy text in, image out. Started by fdbrokerd, never by hand:
 *
 *     fdbroker-compile UID GID DIRECTORY...
 *
 * Opens the policy files with the broker's privileges, gives those up, and only then reads; then also
 * /etc/subuid, whose ranges go into the image. From then on it owns nothing, changes no file, does
 * nothing to another process, and makes no system call but those that looking up a user takes. What
 * it writes is believed by nobody: the broker seals and validates it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/calls.h"
#include "broker/drop.h"
#include "broker/ipc.h"
#include "policy/dropin.h"
#include "policy/policy.h"

enum {
	EXIT_POLICY = 1, /* errors in the policy, which the messages name */
	EXIT_SYSTEM = 2,
};

/*
 * Far above what a sane policy takes; what is not sane ends here and not in the memory of others.
 */
static const rlim_t memory_max = (rlim_t)4 << 30;

static void __attribute__((noreturn)) fail(const char *what, int error)
{
	fprintf(stderr, "fdbroker-compile: %s: %s\n", what, strerror(error));
	exit(EXIT_SYSTEM);
}

static void
write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno != EINTR)
			fail("cannot write the result", errno);
		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		}
	}
}

/*
 * The texts of all files, and room for one more; of one that cannot be read, a message and no text.
 * The process ends before anybody would have to free them.
 */
static struct policy_source *
read_sources(const struct policy_files *files, struct policy_diag *diag)
{
	struct policy_source *sources = calloc(files->n + 2, sizeof(*sources));
	size_t left = POLICY_FILE_BYTES_MAX;

	if (!sources)
		fail("memory", ENOMEM);
	for (size_t i = 0; i < files->n; i++) {
		char *text = NULL;
		int r = policy_file_read(files->files[i].fd, left, &text, &sources[i].size);

		sources[i].name = files->files[i].path;
		sources[i].text = r < 0 ? "policy 1\n" : text;
		if (r < 0) {
			sources[i].size = strlen(sources[i].text);
			policy_escape(diag->out, sources[i].name, strlen(sources[i].name), 0);
			fprintf(diag->out, ": error: cannot be read: %s\n", strerror(-r));
			diag->errors++;
		}
		left -= sources[i].size < left ? sources[i].size : left;
	}
	return sources;
}

/*
 * Whose the ids of ranges are. Without it each counts for itself: that is no reason not to load a
 * policy. False: there is nothing.
 */
static bool
read_subuids(struct policy_source *source, struct policy_diag *diag)
{
	static const char name[] = "/etc/subuid";
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *text = NULL;
	int r = fd < 0 ? -errno : policy_file_read(fd, POLICY_SUBUIDS_MAX, &text, &source->size);

	if (fd >= 0)
		close(fd);
	if (r < 0 && r != -ENOENT) {
		fprintf(diag->out,
			"%s: note: cannot be read: %s; the ids in it count for themselves\n", name,
			strerror(-r));
		diag->notes++;
	}
	source->name = name;
	source->text = text;
	source->kind = POLICY_SOURCE_SUBUIDS;
	return r == 0;
}

static void
limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
	const struct rlimit limit = {.rlim_cur = memory_max, .rlim_max = memory_max};

	if (setrlimit(RLIMIT_AS, &limit) < 0)
		fail("cannot limit its memory", errno);
#else
	(void)memory_max;
#endif
}

int
main(int argc, char **argv)
{
	char *messages = NULL;
	size_t messages_size = 0, size = 0, n;
	struct policy_files files = {};
	struct policy_diag diag = {};
	struct policy_source *sources;
	unsigned long unread;
	void *image = NULL;
	int r, opened;

	if (argc < 3 || isatty(STDIN_FILENO)) {
		fputs("fdbroker-compile is started by fdbrokerd(8); to check a policy: fdbroker "
		      "check\n",
		      stderr);
		return EXIT_SYSTEM;
	}
	diag.out = open_memstream(&messages, &messages_size);
	if (!diag.out)
		fail("memory", ENOMEM);
	opened = policy_files_open((const char *const *)argv + 3, (size_t)argc - 3,
				   POLICY_TRUST_STRICT, &diag, &files);
	if (opened < 0 && opened != -EBADMSG)
		fail("cannot open the policy files", -opened);
	r = drop_privileges(argv[1], argv[2], LANDLOCK_TAKES_CHANGES);
	if (r < 0)
		fail("cannot give up its privileges", -r);
	/* Where the broker's messages go it must not be able to write: they may be a file. */
	if (dup2(IPC_COMPILE_MESSAGES, STDERR_FILENO) < 0)
		fail("cannot give up its standard error", errno);
	limit_memory();
	r = calls_enter_look_up();
	if (r < 0)
		fail("cannot limit its system calls", -r);

	sources = read_sources(&files, &diag);
	unread = diag.errors;
	n = files.n;
	if (read_subuids(&sources[n], &diag))
		n++;
	r = policy_compile(sources, n, 0, &diag, &image, &size);
	if (fclose(diag.out) != 0)
		fail("memory", ENOMEM);
	write_all(IPC_COMPILE_MESSAGES, messages, messages_size);
	if (r == -EBADMSG || opened < 0 || unread > 0)
		_exit(EXIT_POLICY);
	if (r < 0)
		fail("cannot compile", -r);
	write_all(IPC_COMPILE_IMAGE, image, size);
	_exit(EXIT_SUCCESS);
}
