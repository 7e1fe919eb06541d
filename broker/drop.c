/* SPDX-License-Identifier: MIT */
/*
 * Runs in: compiler, log process, and the worker's look-up of a name, as root, before they read what
 * others wrote.
 */
#include "broker/drop.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "broker/caps.h"

static int
parse_id(const char *text, unsigned *ret_id)
{
	char *end;
	unsigned long id = strtoul(text, &end, 10);

	/* Whatever goes wrong on the way here, the answer is never root. */
	if (*text == '\0' || *end != '\0' || id == 0 || id >= (unsigned)-1)
		return -EINVAL;
	*ret_id = (unsigned)id;
	return 0;
}

static int
take_ids(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

int
drop_privileges(const char *uid_text, const char *gid_text, enum landlock_takes takes)
{
	pid_t parent = getppid();
	unsigned uid = 0, gid = 0;
	int r = 0;

	if (strcmp(uid_text, "-") != 0) {
		r = parse_id(uid_text, &uid);
		if (r == 0)
			r = parse_id(gid_text, &gid);
		if (r == 0)
			r = take_ids(uid, gid);
		if (r < 0)
			return r;
	}
	r = caps_hold(NULL, 0);
	if (r < 0)
		return r;
	/*
	 * Changing ids cleared the second (prctl(2)); the broker may have died before it was set
	 * again.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (parent != getppid())
		return -ESRCH;
	if (uid != 0 && (setuid(0) == 0 || setgid(0) == 0))
		return -EPERM;
	r = landlock_enter(takes, NULL, 0);
	return r < 0 ? r : 0;
}
