/* SPDX-License-Identifier: MIT */
/*
 * tool-kernel LACKS... -- CMD...: run CMD as on a kernel that lacks something. "looks" is no such
 * thing: whoever asks for a pidfd, or for the label of a peer, is killed. With "peersec" asking for a
 * label fails, and not because there are none; with "passcred" asking for credentials does.
 */
#include <err.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#define PIDFD_INFO_CALL 0xc040ff0bu /* ioctl PIDFD_GET_INFO with 64 bytes, Linux 6.13 */

static const struct lack {
	const char *name;
	int call;
	uint32_t action;
	unsigned argument; /* the one that is looked at, if value is not 0 */
	uint64_t value;
} lacks[] = {
	{"peerpidfd", SYS_getsockopt, SCMP_ACT_ERRNO(ENOPROTOOPT), 2, SO_PEERPIDFD},
	{"pidfdinfo", SYS_ioctl, SCMP_ACT_ERRNO(ENOTTY), 1, PIDFD_INFO_CALL},
	{"pidfd", SYS_pidfd_open, SCMP_ACT_ERRNO(ENOSYS), 0, 0},
	{"pidfd", SYS_pidfd_send_signal, SCMP_ACT_ERRNO(ENOSYS), 0, 0},
	{"looks", SYS_getsockopt, SCMP_ACT_KILL_PROCESS, 2, SO_PEERPIDFD},
	{"looks", SYS_getsockopt, SCMP_ACT_KILL_PROCESS, 2, SO_PEERSEC},
	{"looks", SYS_pidfd_open, SCMP_ACT_KILL_PROCESS, 0, 0},
	{"peersec", SYS_getsockopt, SCMP_ACT_ERRNO(EIO), 2, SO_PEERSEC},
	{"passcred", SYS_setsockopt, SCMP_ACT_ERRNO(EIO), 2, SO_PASSCRED},
};

static int
add(scmp_filter_ctx filter, const char *name)
{
	int n = 0;

	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		const struct lack *l = &lacks[i];
		/* Of the argument the half that the kernel reads. */
		struct scmp_arg_cmp is =
			SCMP_CMP(l->argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, l->value);

		if (strcmp(l->name, name) != 0)
			continue;
		if (seccomp_rule_add_array(filter, l->action, l->call, l->value != 0, &is) < 0)
			errx(1, "cannot hide %s", name);
		n++;
	}
	return n;
}

int
main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int i;

	if (!filter)
		errx(1, "no memory");
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (add(filter, argv[i]) == 0)
			errx(2, "%s: nothing that can be lacked", argv[i]);
	if (i + 1 >= argc)
		errx(2, "usage: tool-kernel LACKS... -- CMD...");
	if (seccomp_load(filter) < 0)
		errx(1, "cannot filter");
	execvp(argv[i + 1], argv + i + 1);
	err(127, "%s", argv[i + 1]);
}
