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
enter_empty_root(const struct confinement *c)
{
	int context, root, r;

	if (!c->trees->is_private)
		return 0;
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
	r = fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 1;
	close(root);
	return r;
}

static bool
is_root(const struct confinement *c)
{
	return c->own_uid != (uid_t)-1;
}

/* What exec would give back, taken away for good. */
static int
empty_bounding_set(const struct confinement *c)
{
	int r = is_root(c) ? caps_bound(NULL, 0) : 0;

	return r < 0 ? r : 1;
}

/* uid 0 means nothing any more, and changing ids changes no capability behind our back. */
static int
lock_securebits(const struct confinement *c)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	return is_root(c) && prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 1;
}

/*
 * Our own ids where processes are concerned, so that the peer can neither signal nor limit nor
 * trace us; the peer's where files are, so that we create nothing that is not its own.
 */
static int
take_ids(const struct confinement *c)
{
	if (!is_root(c))
		return 0;
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
	return 1;
}

/* Exactly those that opening needs. */
static int
keep_capabilities(const struct confinement *c)
{
	const cap_value_t keep[] = {CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE};
	int r = caps_hold(keep, !is_root(c) ? 0 : c->trees->writes ? 2 : 1);

	return r < 0 ? r : 1;
}

/* The proof that nothing else came along. */
static int
try_to_return(const struct confinement *c)
{
	return is_root(c) && (setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0) ? -EPERM
											   : 1;
}

int
confine_begin(void)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	/* The broker may have died before it was asked for the signal. */
	return parent == getppid() ? 0 : -ESRCH;
}

/* Setting ids and capabilities clears both of these (credentials(7), prctl(2)): they come after. */
static int
close_doors(const struct confinement *c)
{
	int r = confine_begin();

	(void)c;
	return r < 0 ? r : 1;
}

static int
gain_nothing(const struct confinement *c)
{
	(void)c;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 1;
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
	return r < 0 ? r : 1;
}

const struct confine_step confine_steps[] = {
	{"empty root", LAYER_TREES, enter_empty_root},
	{"bounding set", LAYER_CAPS, empty_bounding_set},
	{"securebits", LAYER_CAPS, lock_securebits},
	{"ids", LAYER_USER, take_ids},
	{"capabilities", LAYER_CAPS, keep_capabilities},
	{"no way back", LAYER_USER | LAYER_CAPS, try_to_return},
	{"not dumpable", 0, close_doors},
	{"no_new_privs", 0, gain_nothing},
	{"limits", 0, set_limits},
	{"landlock", LAYER_LANDLOCK, confine_landlock},
	/* Last: beyond it nobody could be told any more that something is missing. */
	{"seccomp", LAYER_SECCOMP, confine_seccomp},
};
const size_t n_confine_steps = sizeof(confine_steps) / sizeof(confine_steps[0]);

int
confine(const struct confinement *c, uint32_t *ret_layers, const char **ret_step)
{
	uint32_t absent = 0;

	for (size_t i = 0; i < n_confine_steps; i++) {
		const struct confine_step *step = &confine_steps[i];
		int r;

		if (step->layers == LAYER_SECCOMP && c->required & absent)
			break;
		*ret_step = step->name;
		r = step->enter(c);
		if (r < 0)
			return r;
		absent |= r > 0 ? 0 : step->layers;
	}
	*ret_layers = LAYERS_ALL & ~absent;
	return c->required & absent ? -ENOTSUP : 0;
}
