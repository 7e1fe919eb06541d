/* SPDX-License-Identifier: MIT */
/*
 * fdbroker-worker: opens files for one identity. Started by fdbrokerd, never by hand.
 *
 * First phase: root (or whoever runs the broker), no client. Reads what it is, makes its trees,
 * confines itself. Second phase: no privilege but to read and search past permission bits, serves
 * clients.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/armed.h"
#include "broker/filter.h"
#include "broker/layers.h"
#include "broker/worker/confine.h"
#include "broker/worker/serve.h"

static void __attribute__((noreturn, format(printf, 2, 3))) fail(int r, const char *format, ...)
{
	va_list arguments;

	fputs("fdbroker-worker: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(-r));
	exit(EXIT_FAILURE);
}

static void
name_missing(uint32_t layers)
{
	for (unsigned i = 0; i < n_layer_names; i++)
		if (layers & layer_names[i].layer)
			fail(-ENOTSUP, "layer '%s' is required and cannot be had: it takes %s",
			     layer_names[i].name, layer_names[i].takes);
}

int
main(int argc, char **argv)
{
	static struct setup setup;
	static struct trees trees;
	static struct watch watch;
	struct confinement confinement;
	struct server server = {.setup = &setup, .trees = &trees, .watch = &watch};
	uint32_t layers = 0;
	long files;
	int epoll = -1, r;

	(void)argv;
	if (argc != 1 || isatty(STDIN_FILENO)) {
		fputs("fdbroker-worker is started by fdbrokerd(8), not by hand.\n", stderr);
		return 2;
	}
	umask(0);
	r = confine_begin();
	if (r < 0)
		fail(r, "cannot begin");
	r = setup_read(&setup);
	if (r < 0)
		fail(r, "cannot read what the broker said");
	/* The peer pays for what it makes the kernel remember. */
	r = watch_begin(&watch, setup.head.own_uid == (uid_t)-1   ? (uid_t)-1
				: setup.peer.kind == IPC_IDENTITY ? setup.peer.uid
								  : setup.head.own_uid);
	if (r == 0)
		r = confine_begin();
	if (r == 0)
		r = trees_make(&trees, &watch, setup.peer.kind == IPC_REFUSER ? NULL : setup.image,
			       &setup.identity);
	if (r == -E2BIG)
		fail(r,
		     "the rules for uid %u name more than %d directories; use fewer and broader "
		     "ones",
		     setup.peer.uid, POLICY_PREFIXES_MAX);
	if (r == -ENOSYS)
		fail(r, "openat2(2) is not there: it takes Linux 6.1, and no RestrictSUIDSGID= of "
			"systemd");
	if (r < 0)
		fail(r, "cannot make the trees");
	r = armed_prepare();
	if (r == 0)
		r = audit_start();
	if (r == 0)
		r = serve_prepare(&epoll);
	if (r < 0)
		fail(r, "cannot prepare");
	confinement = (struct confinement){
		.trees = &trees,
		.required = setup.head.required,
		.own_uid = setup.head.own_uid,
		.own_gid = setup.head.own_gid,
		.peer_uid = setup.peer.uid,
		.peer_gid = setup.peer.gid,
		.groups = setup.groups,
		.n_groups = setup.peer.n_groups,
		.memory = (setup.image ? policy_image_size(setup.image) : 0) + (64u << 20),
	};
	/* No more than that will be left of them. */
	files = sysconf(_SC_OPEN_MAX);
	files = files > 0 && files < CONFINE_FILES_MAX ? files : CONFINE_FILES_MAX;
	r = confine(&confinement, &layers);
	if (r == -ENOTSUP)
		name_missing(setup.head.required & ~layers);
	if (r < 0)
		fail(r, "cannot confine itself");
	trees_forget_files(&trees);
	/* Where the broker's messages go, this process must not be able to write. */
	if (!FILTER_SANITIZED)
		close(STDERR_FILENO);
	serve_note((unsigned char)(IPC_NOTE_LAYERS | layers));
	_exit(serve(&server, epoll, (size_t)files / 2) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
