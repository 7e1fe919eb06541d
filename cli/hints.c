/* SPDX-License-Identifier: MIT */
/* What an errno value of the library means to somebody at a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "client-lib/fdbroker.h"
#include "policy/policy.h"
#include "text.h"
#include "who.h"

static int
compare_gids(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return (x > y) - (x < y);
}

static size_t
sort_unique(gid_t *groups, size_t n)
{
	size_t kept = 0;

	qsort(groups, n, sizeof(*groups), compare_gids);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || groups[kept - 1] != groups[i])
			groups[kept++] = groups[i];
	return kept;
}

static char *
group_atom(gid_t gid)
{
	const struct group *g = getgrgid(gid);

	return g ? cli_format("+group:%s", g->gr_name) : cli_format("+group:%u", gid);
}

/* This process as WHO of `can`; groups are named only where the database has other ones. */
static char *
who_am_i(void)
{
	int n = getgroups(0, NULL);
	_cleanup_free_ gid_t *own = cli_resize(NULL, (size_t)(n > 0 ? n : 0) + 1, sizeof(gid_t));
	_cleanup_free_ gid_t *listed = NULL;
	size_t n_own = 0, n_listed = 0;
	const struct passwd *user = getpwuid(geteuid());
	char *text = user ? cli_format("user:%s", user->pw_name) : cli_format("user:%u", geteuid());

	if (n > 0)
		n = getgroups(n, own);
	n_own = n > 0 ? (size_t)n : 0;
	own[n_own++] = getegid();
	n_own = sort_unique(own, n_own);

	if (user) {
		who_groups_of(user, &listed, &n_listed);
		n_listed = sort_unique(listed, n_listed);
		if (n_own == n_listed && memcmp(own, listed, n_own * sizeof(*own)) == 0)
			return text;
	}
	for (size_t i = 0; i < n_own; i++) {
		_cleanup_free_ char *before = text, *atom = group_atom(own[i]);

		text = cli_format("%s%s", before, atom);
	}
	return text;
}

/* How to ask the broker that was asked, and no other. */
static char *
status_command(void)
{
	_cleanup_free_ char *socket = cli_shell_word(cli_socket_path());

	if (strcmp(cli_socket_path(), BROKER_SOCKET_DEFAULT) == 0)
		return cli_format("fdbroker status");
	return cli_format("fdbroker --socket %s status", socket);
}

/* Are ids here other ones than to the broker? */
static bool
has_other_ids(void)
{
	unsigned long first = 0, outside = 0, n = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");
	bool same = map && fscanf(map, "%lu %lu %lu", &first, &outside, &n) == 3 && first == 0 &&
		    outside == 0 && n == UINT32_MAX;

	if (map)
		fclose(map);
	return map && !same;
}

/* What is to be asked, and by whom. */
static char *
admin_question(const char *path, const char *verbs)
{
	_cleanup_free_ char *who = who_am_i(), *who_word = cli_shell_word(who);
	_cleanup_free_ char *path_word = cli_shell_word(path);
	_cleanup_free_ char *status = status_command();

	if (has_other_ids())
		return cli_format("'fdbroker whoami' shows what an administrator can ask");
	if (strcmp(cli_socket_path(), BROKER_SOCKET_DEFAULT) == 0)
		return cli_format("an administrator can ask: fdbroker explain %s %s %s", who_word,
				  verbs, path_word);
	return cli_format("an administrator can ask: fdbroker explain --policy DIR %s %s %s "
			  "(the policy is that broker's: '%s' names each DIR)",
			  who_word, verbs, path_word, status);
}

static void
explain_denied(const char *path, const char *verbs)
{
	const char *reason = broker_error_reason();
	_cleanup_free_ char *why =
		reason ? cli_format("the broker's policy does not allow it: %s", reason)
		       : cli_format("the broker's policy does not allow it, or it is not what its "
				    "rule asks for (then condition= in the log says which: "
				    "journalctl -u fdbroker)");
	_cleanup_free_ char *question = admin_question(path, verbs);

	cli_error("%s: %s; %s", path, why, question);
}

/* Can this process see for itself that it is not there? */
static bool
is_missing(const char *path)
{
	_cleanup_free_ char *part = cli_format("%s", path);
	struct stat status;
	size_t at = 0;

	do {
		at += 1 + strcspn(path + at + 1, "/");
		part[at] = '\0';
		if (lstat(part, &status) < 0)
			return errno == ENOENT;
		if (S_ISLNK(status.st_mode))
			return false;
		part[at] = path[at];
	} while (path[at]);
	return false;
}

/* A rule permits it: which one, and whether there is such a file, is the administrator's to say. */
static void
explain_not_found(const char *path, const char *verbs)
{
	_cleanup_free_ char *question = admin_question(path, verbs);

	if (is_missing(path))
		cli_error("%s: %s", path, strerror(ENOENT));
	else
		cli_error("%s: %s; or the rule for it begins with a symbolic link; %s", path,
			  strerror(ENOENT), question);
}

static void
explain_mounted(const char *path, const char *verbs)
{
	_cleanup_free_ char *question = admin_question(path, verbs);

	cli_error("%s: %s; a file system is mounted on the way, which the rule does not take in "
		  "without '**', or a directory was moved just then; %s",
		  path, strerror(EXDEV), question);
}

static void
explain_no_broker(const char *what)
{
	const char *socket = cli_socket_path();

	if (strcmp(socket, BROKER_SOCKET_DEFAULT) == 0)
		cli_error("%sno broker at %s; start it: systemctl start fdbroker.socket "
			  "(--server-uid says whom to trust beside root and you)",
			  what, socket);
	else
		cli_error("%sno broker at %s; is fdbrokerd running with --socket %s, as root or "
			  "as you? (--server-uid says whom else to trust)",
			  what, socket, socket);
}

/* What is none of the file's; what: stands before each message. */
static void
explain_broker(const char *what, int error)
{
	_cleanup_free_ char *status = status_command();

	switch (error) {
	case ENOTCONN:
		explain_no_broker(what);
		break;
	case EBUSY:
		cli_error("%sa limit of the broker is reached; try again later, "
			  "an administrator can ask: %s",
			  what, status);
		break;
	case ETIMEDOUT:
		cli_error("%sno answer from the broker in %d seconds; "
			  "an administrator can ask: %s",
			  what, BROKER_TIMEOUT_DEFAULT / 1000, status);
		break;
	case EPROTO:
		cli_error("%sthe answer from %s was not understood; are broker and client "
			  "of one version? (%s, fdbroker --version)",
			  what, cli_socket_path(), status);
		break;
	default:
		cli_error("%s%s", what, strerror(error));
	}
}

void
cli_explain_whoami(int error)
{
	if (error == EACCES)
		cli_error("the broker at %s does not take this process for the one that connected",
			  cli_socket_path());
	else
		explain_broker("", error);
}

void
cli_explain_refusal(const char *path, const char *verbs, int error)
{
	_cleanup_free_ char *what = cli_format("%s: ", path);

	if (!policy_path_is_canonical(path, strlen(path))) {
		/* Whatever else is wrong: the broker will never take it. */
		(void)cli_not_canonical(path);
		return;
	}
	switch (error) {
	case EACCES:
		explain_denied(path, verbs);
		break;
	case ENOENT:
		explain_not_found(path, verbs);
		break;
	case EXDEV:
		explain_mounted(path, verbs);
		break;
	case EINVAL:
		cli_error("%s: the broker does not take these flags", path);
		break;
	case EISDIR:
		cli_error("%s: is a directory; the broker opens files only "
			  "(fdbroker ls lists it)",
			  path);
		break;
	case ENOTDIR:
		cli_error("%s: %s", path,
			  strcmp(verbs, "list") == 0 ? "is no directory, or is beneath a file "
						       "(fdbroker stat shows a file)"
						     : strerror(error));
		break;
	case ELOOP:
		cli_error("%s: a symbolic link is in the path, and no rule lets the broker follow "
			  "it, or it loops, or has '..' behind a name; "
			  "name the file that it leads to (realpath shows it)",
			  path);
		break;
	case ENXIO:
		cli_error("%s: %s; a socket, or a FIFO that nobody reads", path, strerror(error));
		break;
	case EMFILE:
		cli_error("%s: %s; raise the limit (ulimit -n)", path, strerror(error));
		break;
	default:
		explain_broker(what, error);
	}
}

void
cli_explain_open(const char *path, int flags, int error)
{
	int access = flags & O_ACCMODE;
	_cleanup_free_ char *verbs = cli_format("%s%s",
						access == O_RDONLY   ? "read"
						: access == O_WRONLY ? "write"
								     : "read,write",
						flags & O_CREAT ? ",create" : "");

	_cleanup_free_ char *status = status_command();

	if (error == ETIMEDOUT)
		cli_error(
			"%s: no answer from the broker in %d seconds, or somebody does not give up "
			"a lease on it (then the log has error=EAGAIN: journalctl -u fdbroker); an "
			"administrator can ask: %s",
			path, BROKER_TIMEOUT_DEFAULT / 1000, status);
	else if (error == EPROTO && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		cli_error("%s: the broker went away meanwhile, or was not understood; the file may "
			  "have been created",
			  path);
	else if (error == EAGAIN)
		cli_error("%s: somebody holds a lease on it; without nonblock the broker waits",
			  path);
	else
		cli_explain_refusal(path, verbs, error);
}
