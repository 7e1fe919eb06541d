/* SPDX-License-Identifier: MIT */
/*
 * tool-kernel [--when FILE] LACKS... -- CMD...: run CMD as on a kernel that lacks something; with
 * --when from the moment on in which FILE exists. "looks" is no such thing: whoever asks for a pidfd,
 * or for the label of a peer, is killed. With "peersec" asking for a label fails, and not because
 * there are none; with "passcred" asking for credentials does.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#define PIDFD_INFO_CALL 0xc040ff0bu /* ioctl PIDFD_GET_INFO with 64 bytes, Linux 6.13 */

enum { KILLS = 1 << 16 };

/* A call that is answered with -answer, or with answer if that is positive. */
static const struct lack {
	const char *name;
	int call;
	int answer;
	unsigned argument; /* the one that is looked at, if value is not 0 */
	uint64_t value;
} lacks[] = {
	{"peerpidfd", SYS_getsockopt, -ENOPROTOOPT, 2, SO_PEERPIDFD},
	{"pidfdinfo", SYS_ioctl, -ENOTTY, 1, PIDFD_INFO_CALL},
	{"pidfd", SYS_pidfd_open, -ENOSYS, 0, 0},
	{"pidfd", SYS_pidfd_send_signal, -ENOSYS, 0, 0},
	{"looks", SYS_getsockopt, KILLS, 2, SO_PEERPIDFD},
	{"looks", SYS_getsockopt, KILLS, 2, SO_PEERSEC},
	{"looks", SYS_pidfd_open, KILLS, 0, 0},
	{"peersec", SYS_getsockopt, -EIO, 2, SO_PEERSEC},
	{"passcred", SYS_setsockopt, -EIO, 2, SO_PASSCRED},
	/* Not built in; built in and not in lsm= of the command line; each version, landlock(7). */
	{"landlock", SYS_landlock_create_ruleset, -ENOSYS, 0, 0},
	{"landlock", SYS_landlock_add_rule, -ENOSYS, 0, 0},
	{"landlock", SYS_landlock_restrict_self, -ENOSYS, 0, 0},
	{"landlock-lsm", SYS_landlock_create_ruleset, -EOPNOTSUPP, 0, 0},
	{"landlock-lsm", SYS_landlock_add_rule, -EOPNOTSUPP, 0, 0},
	{"landlock-lsm", SYS_landlock_restrict_self, -EOPNOTSUPP, 0, 0},
	{"landlock-1", SYS_landlock_create_ruleset, 1, 2, LANDLOCK_CREATE_RULESET_VERSION},
	{"landlock-2", SYS_landlock_create_ruleset, 2, 2, LANDLOCK_CREATE_RULESET_VERSION},
	{"landlock-3", SYS_landlock_create_ruleset, 3, 2, LANDLOCK_CREATE_RULESET_VERSION},
	{"landlock-4", SYS_landlock_create_ruleset, 4, 2, LANDLOCK_CREATE_RULESET_VERSION},
	{"landlock-5", SYS_landlock_create_ruleset, 5, 2, LANDLOCK_CREATE_RULESET_VERSION},
	{"landlock-6", SYS_landlock_create_ruleset, 6, 2, LANDLOCK_CREATE_RULESET_VERSION},
	{"landlock-rules", SYS_landlock_add_rule, -EINVAL, 0, 0},
	/* Linux 5.2; Linux 5.12 */
	{"open_tree", SYS_open_tree, -ENOSYS, 0, 0},
	{"fsopen", SYS_fsopen, -ENOSYS, 0, 0},
	{"fsopen", SYS_fsconfig, -ENOSYS, 0, 0},
	{"fsopen", SYS_fsmount, -ENOSYS, 0, 0},
	{"mount_setattr", SYS_mount_setattr, -ENOSYS, 0, 0},
	{"full", SYS_open_tree, -ENFILE, 0, 0}, /* of files, file-max in proc(5) */
	/* prctl(2) is what the library falls back to. */
	{"seccomp", SYS_seccomp, -ENOSYS, 0, 0},
	{"seccomp", SYS_prctl, -EINVAL, 0, PR_SET_SECCOMP},
	{"seccomp-filter", SYS_seccomp, -EINVAL, 0, SECCOMP_SET_MODE_FILTER},
	{"seccomp-filter", SYS_prctl, -EINVAL, 0, PR_SET_SECCOMP},
	{"seccomp-call", SYS_seccomp, -ENOSYS, 0, 0},
	/* What there is no way around. */
	{"openat2", SYS_openat2, -ENOSYS, 0, 0},
	{"close_range", SYS_close_range, -ENOSYS, 0, 0},
	{"execveat", SYS_execveat, -ENOSYS, 0, 0},
	{"seals", SYS_fcntl, -EINVAL, 1, F_ADD_SEALS},
	{"peergroups", SYS_getsockopt, -ENOPROTOOPT, 2, SO_PEERGROUPS},
};

static const char *when; /* NULL: from the start */
static bool asked_for[sizeof(lacks) / sizeof(lacks[0])];

static uint32_t
action_of(const struct lack *l)
{
	if (l->answer == KILLS)
		return SCMP_ACT_KILL_PROCESS;
	return when || l->answer > 0 ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO((uint32_t)-l->answer);
}

static bool
add(scmp_filter_ctx filter, const char *name, bool *asks)
{
	bool found = false;

	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		const struct lack *l = &lacks[i];
		/* Of the argument the half that the kernel reads. */
		struct scmp_arg_cmp is =
			SCMP_CMP(l->argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, l->value);

		if (strcmp(l->name, name) != 0)
			continue;
		if (seccomp_rule_add_array(filter, action_of(l), l->call, l->value != 0, &is) < 0)
			errx(1, "cannot hide %s", name);
		*asks |= action_of(l) == SCMP_ACT_NOTIFY;
		found = asked_for[i] = true;
	}
	return found;
}

static void
answer(const struct seccomp_notif *request, struct seccomp_notif_resp *response)
{
	response->id = request->id;
	response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		const struct lack *l = &lacks[i];

		if (!asked_for[i] || l->call != request->data.nr ||
		    (l->value != 0 && (uint32_t)request->data.args[l->argument] != l->value) ||
		    (when && access(when, F_OK) < 0))
			continue;
		response->flags = 0;
		response->error = l->answer < 0 ? l->answer : 0;
		response->val = l->answer > 0 ? l->answer : 0;
		return;
	}
}

/* Answers until the process that pidfd stands for, and is CMD by then, has ended. */
static void __attribute__((noreturn))
serve(int calls, int pidfd, struct seccomp_notif *request, struct seccomp_notif_resp *response,
      size_t request_size)
{
	struct pollfd wait[2] = {{.fd = calls, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};

	while (poll(wait, 2, -1) >= 0 || errno == EINTR) {
		if (wait[1].revents)
			break;
		if (!(wait[0].revents & POLLIN))
			continue;
		memset(request, 0, request_size);
		memset(response, 0, sizeof(*response));
		/* Who asked may be gone by now. */
		if (seccomp_notify_receive(calls, request) < 0)
			continue;
		answer(request, response);
		(void)seccomp_notify_respond(calls, response);
	}
	_exit(0);
}

/* Load it, with somebody behind it who is no child of CMD's. */
static void
load(scmp_filter_ctx filter, bool asks)
{
	struct seccomp_notif *request;
	struct seccomp_notif_resp *response;
	int pidfd, calls;
	pid_t pid;

	/* These calls may be among those that wait for an answer afterwards. */
	if (asks && seccomp_notify_alloc(&request, &response) < 0)
		errx(1, "no memory");
	pidfd = asks ? (int)syscall(SYS_pidfd_open, getpid(), 0) : -1;
	if (seccomp_load(filter) < 0 || (asks && pidfd < 0))
		errx(1, "cannot filter");
	if (!asks)
		return;
	calls = seccomp_notify_fd(filter);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			serve(calls, pidfd, request, response, sizeof(*request));
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		err(1, "fork");
	close(calls);
	close(pidfd);
}

int
main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool asks = false;
	int i = 1;

	if (!filter)
		errx(1, "no memory");
	if (argc > 2 && strcmp(argv[1], "--when") == 0) {
		when = argv[2];
		i = 3;
	}
	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!add(filter, argv[i], &asks))
			errx(2, "%s: nothing that can be lacked", argv[i]);
	if (i + 1 >= argc)
		errx(2, "usage: tool-kernel [--when FILE] LACKS... -- CMD...");
	load(filter, asks);
	execvp(argv[i + 1], argv + i + 1);
	err(127, "%s", argv[i + 1]);
}
