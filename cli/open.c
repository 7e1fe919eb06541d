/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "cli.h"
#include "client-lib/fdbroker.h"
#include "text.h"

enum {
	WANT_READ = 1 << 0,
	WANT_WRITE = 1 << 1,
};

static const struct {
	const char *name;
	int want;
	int flags;
} words[] = {
	{"read", WANT_READ, 0}, {"write", WANT_WRITE, 0},    {"append", 0, O_APPEND},
	{"trunc", 0, O_TRUNC},  {"nonblock", 0, O_NONBLOCK}, {"sync", 0, O_SYNC},
	{"dsync", 0, O_DSYNC},  {"direct", 0, O_DIRECT},     {"nofollow", 0, O_NOFOLLOW},
	{"create", 0, O_CREAT}, {"excl", 0, O_EXCL},
};

enum {
	WORDS_N = sizeof(words) / sizeof(words[0]),
};

static int
parse_word(const struct cli_command *command, const char *word, int *want, int *flags)
{
	const char *names[WORDS_N];

	for (size_t i = 0; i < WORDS_N; i++) {
		names[i] = words[i].name;
		if (strcmp(word, names[i]) == 0) {
			*want |= words[i].want;
			*flags |= words[i].flags;
			return CLI_YES;
		}
	}

	const char *nearest = cli_nearest(word, names, WORDS_N);

	if (nearest)
		return cli_usage(command, "unknown flag '%s'; did you mean '%s'?", word, nearest);
	return cli_usage(command, "unknown flag '%s'; there are %s", word, CLI_FLAG_WORDS);
}

static int
parse_flags(const struct cli_args *args, int *ret_flags)
{
	_cleanup_free_ char *list = cli_format("%s", args->value[CLI_FLAGS] ?: "read");
	int want = 0, flags = 0;

	for (char *rest = list, *word; (word = strsep(&rest, ",")) != NULL;) {
		int r = parse_word(args->command, word, &want, &flags);

		if (r != CLI_YES)
			return r;
	}
	if ((flags & (O_APPEND | O_TRUNC)) && !(want & WANT_WRITE))
		return cli_usage(args->command, "append and trunc need write: --flags=write,%s",
				 args->value[CLI_FLAGS]);
	if ((flags & (O_CREAT | O_EXCL)) == O_EXCL)
		return cli_usage(args->command, "excl needs create: --flags=create,%s",
				 args->value[CLI_FLAGS]);
	flags |= want == (WANT_READ | WANT_WRITE) ? O_RDWR
		 : want == WANT_WRITE             ? O_WRONLY
						  : O_RDONLY;
	*ret_flags = flags;
	return CLI_YES;
}

/* Permission bits of a file that is created; the rule may give fewer. */
static int
parse_mode(const struct cli_args *args, int flags, mode_t *ret_mode)
{
	const char *text = args->value[CLI_MODE];
	size_t n = text ? strspn(text, "01234567") : 0;

	if (!text) {
		*ret_mode = 0600;
		return CLI_YES;
	}
	if (n == 0 || n > 4 || text[n] || strtoul(text, NULL, 8) > 0777)
		return cli_usage(args->command, "--mode=%s: not an octal mode (0 to 0777)", text);
	if (!(flags & O_CREAT))
		return cli_usage(args->command, "--mode needs --flags=create");
	*ret_mode = (mode_t)strtoul(text, NULL, 8);
	return CLI_YES;
}

static int
parse_fd(const struct cli_args *args, int flags, int *ret_fd)
{
	const char *text = args->value[CLI_FD];
	char *end = NULL;
	long n;

	if (!text) {
		*ret_fd = (flags & O_ACCMODE) == O_WRONLY ? STDOUT_FILENO : STDIN_FILENO;
		return CLI_YES;
	}
	errno = 0;
	n = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n >= sysconf(_SC_OPEN_MAX))
		return cli_usage(args->command,
				 "--fd=%s: not the number of a descriptor (0 to %ld)", text,
				 sysconf(_SC_OPEN_MAX) - 1);
	*ret_fd = (int)n;
	return CLI_YES;
}

/* Give fd the number target, for the next program. */
static int
place(int fd, int target)
{
	if (fd == target)
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	return dup2(fd, target) < 0 ? -errno : 0;
}

int
cli_open(const struct cli_args *args)
{
	const char *path = args->operands[0];
	int flags = 0, target = 0, r;
	mode_t mode = 0;

	r = parse_flags(args, &flags);
	if (r == CLI_YES)
		r = parse_mode(args, flags, &mode);
	if (r == CLI_YES)
		r = parse_fd(args, flags, &target);
	if (r != CLI_YES)
		return r;

	int fd = broker_open(path, flags | O_CLOEXEC, mode);

	if (fd < 0) {
		cli_explain_open(path, flags, errno);
		return CLI_NO;
	}

	/* What is said below must not end up in the file. */
	int messages = target == STDERR_FILENO
			       ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
			       : -1;

	r = place(fd, target);
	if (r < 0) {
		cli_error("descriptor %d: %s", target, strerror(-r));
		return CLI_NO;
	}
	cli_environment_restore();
	execvp(args->program[0], args->program);
	r = errno;
	if (target == STDERR_FILENO && dup2(messages, STDERR_FILENO) < 0)
		close(STDERR_FILENO);
	cli_error("%s: %s", args->program[0], strerror(r));
	return r == ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE;
}
