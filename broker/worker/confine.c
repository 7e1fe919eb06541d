/* SPDX-License-Identifier: MIT */
/* Runs in: worker, first phase, as root and without a client. Its end is the second phase. */
#include "broker/worker/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/caps.h"
#include "broker/filter.h"
#include "broker/layers.h"
#include "broker/sys.h"

/* An empty directory that nobody can write, and no way up from it: a file system of our own. */
static int
enter_empty_root(void)
{
	int context, root, r;

	context = sys_fsopen("tmpfs");
	if (context < 0)
		return context;
	r = sys_fsconfig_create(context);
	root = r < 0 ? r
		     : sys_fsmount(context, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV |
						    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	close(context);
	if (root < 0)
		return root;
	r = fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
	close(root);
	return r;
}

/* uid 0 means nothing any more, and changing ids changes no capability behind our back. */
static int
lock_securebits(void)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

/*
 * Our own ids where processes are concerned, so that the peer can neither signal nor limit nor
 * trace us; the peer's where files are, so that we create nothing that is not its own.
 */
static int
take_ids(const struct confinement *c)
{
	if (setgroups(c->n_groups, c->groups) < 0)
		return -errno;
	if (setresgid(c->own_gid, c->own_gid, c->own_gid) < 0)
		return -errno;
	if (setresuid(c->own_uid, c->own_uid, c->own_uid) < 0)
		return -errno;
	/* These two say nothing when they fail: ask again with an id that cannot be. */
	setfsgid(c->peer_gid);
	setfsuid(c->peer_uid);
	if ((gid_t)setfsgid((gid_t)-1) != c->peer_gid || (uid_t)setfsuid((uid_t)-1) != c->peer_uid)
		return -EPERM;
	return 0;
}

/* Exactly the capabilities that opening needs, and a proof that nothing else came along. */
static int
keep_capabilities(bool root, bool writes)
{
	const cap_value_t keep[] = {CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE};
	int r = caps_hold(keep, !root ? 0 : writes ? 2 : 1);

	if (r == 0 && root && (setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0))
		r = -EPERM;
	return r;
}

/* Setting ids and capabilities clears both of these (credentials(7), prctl(2)): they come after. */
static int
close_doors(void)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* The broker may have died before it was asked for the signal. */
	return parent == getppid() ? 0 : -ESRCH;
}

static int
limit(int resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return -errno;
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < value)
		value = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max = value;
	return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

static int
set_limits(const struct confinement *c)
{
	int r = limit(RLIMIT_NPROC, 0);

	if (r == 0)
		r = limit(RLIMIT_CORE, 0);
	if (r == 0)
		r = limit(RLIMIT_NOFILE, CONFINE_FILES_MAX);
	if (r == 0 && !FILTER_SANITIZED)
		r = limit(RLIMIT_AS, c->memory);
	return r;
}

int
confine(const struct confinement *c, uint32_t *ret_layers)
{
	bool root = c->own_uid != (uid_t)-1;
	uint32_t layers = LAYER_CAPS;
	int r = 0;

	if (c->trees->is_private) {
		r = enter_empty_root();
		layers |= LAYER_TREES;
	}
	/* What exec would give back, taken away for good. */
	if (r == 0 && root)
		r = caps_bound(NULL, 0);
	if (r == 0 && root)
		r = lock_securebits();
	if (r == 0 && root) {
		r = take_ids(c);
		layers |= LAYER_USER;
	}
	if (r == 0)
		r = keep_capabilities(root, c->trees->writes);
	if (r == 0)
		r = close_doors();
	if (r == 0)
		r = set_limits(c);
	if (r < 0)
		return r;
	r = confine_landlock(c->trees);
	if (r < 0)
		return r;
	if (r > 0)
		layers |= LAYER_LANDLOCK;
	*ret_layers = layers;
	/* Before the last layer, beyond which nobody could be told any more. */
	if (c->required & ~(layers | LAYER_SECCOMP))
		return -ENOTSUP;
	r = confine_seccomp();
	if (r == 0 && c->required & LAYER_SECCOMP)
		return -ENOTSUP;
	if (r > 0)
		*ret_layers = layers | LAYER_SECCOMP;
	return r < 0 ? r : 0;
}
