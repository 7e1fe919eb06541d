/* SPDX-License-Identifier: MIT */
/*
 * A compiler that is not trusted for good reasons. It is started as fdbrokerd starts
 * fdbroker-compile, reads nothing, and returns the image of one rule, which allows everybody to read
 * the file that the directory of the policy has by the name `allowed`. That directory also has a
 * file `mode`, which says what else it does:
 *
 *     honest      nothing
 *     mapping     a child keeps the image mapped for writing, and lives on
 *     descriptor  a child keeps a descriptor for writing, and writes when it is told to
 *
 * A file `kept` appears when the child is there; it ends when the file `end` is there.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "policy/policy.h"

static const char *directory;

static int
open_file(const char *name, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

/* False: not within a minute, as when the test has gone away with its directory. */
static bool
wait_for(const char *name)
{
	for (int i = 0; i < 60000; i++) {
		int fd = open_file(name, O_RDONLY);

		if (fd >= 0) {
			close(fd);
			return true;
		}
		usleep(1000);
	}
	return false;
}

static void
write_image(void)
{
	char *text = NULL;
	struct policy_diag diag = {.out = stderr};
	struct policy_source source = {.name = "tool-compile"};
	size_t size;
	void *image;

	if (asprintf(&text, "policy 1\nallow any read %s/allowed\n", directory) < 0)
		err(2, "asprintf");
	source.text = text;
	source.size = strlen(text);
	if (policy_compile(&source, 1, 0, &diag, &image, &size) < 0)
		errx(2, "cannot compile");
	if (write(IPC_COMPILE_IMAGE, image, size) != (ssize_t)size)
		err(2, "write");
}

/* Its last act shows whether it could still change what the broker believes. */
static void __attribute__((noreturn)) keep(bool mapping)
{
	void *image = MAP_FAILED;
	int image_fd = IPC_COMPILE_IMAGE;

	if (mapping) {
		image = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, image_fd, 0);
		if (image == MAP_FAILED)
			err(2, "mmap");
		close(image_fd);
	}
	close(open_file("kept", O_CREAT | O_WRONLY));
	if (!wait_for("end"))
		_exit(1);
	if (mapping)
		memset(image, 'x', 4096);
	else if (pwrite(image_fd, "x", 1, 0) < 0)
		close(open_file(errno == EPERM ? "could-not-write" : "failed", O_CREAT | O_WRONLY));
	close(open_file("ended", O_CREAT | O_WRONLY));
	_exit(0);
}

int
main(int argc, char **argv)
{
	char mode[32] = "";
	int fd;

	if (argc < 4)
		errx(2, "needs what fdbroker-compile is given");
	directory = argv[3];
	fd = open_file("mode", O_RDONLY);
	if (fd < 0 || read(fd, mode, sizeof(mode) - 1) <= 0)
		err(2, "%s/mode", directory);
	mode[strcspn(mode, "\n")] = '\0';
	write_image();
	if (strcmp(mode, "honest") == 0)
		_exit(0);
	switch (fork()) {
	case -1:
		err(2, "fork");
	case 0:
		keep(strcmp(mode, "mapping") == 0);
	default:
		break;
	}
	_exit(wait_for("kept") ? 0 : 2);
}
