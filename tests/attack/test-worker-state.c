/* SPDX-License-Identifier: MIT */
/*
 * What a confined worker is: ids, capabilities, limits, root, mounts, the exact list of calls that
 * its filter knows; and the same of a worker of the real daemon, seen from outside.
 */
#include "tests/attack/acts.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "broker/filter.h"
#include "broker/ipc.h"
#include "broker/layers.h"
#include "broker/worker/confine.h"
#include "tests/people.h"

enum {
	NOSYMFOLLOW = 0x2000, /* ST_NOSYMFOLLOW, Linux 5.10 */
	TREE_FLAGS = ST_NODEV | ST_NOSUID | ST_NOEXEC | NOSYMFOLLOW,
	ROOT_FLAGS = ST_RDONLY | ST_NODEV | ST_NOSUID | ST_NOEXEC,
	NAMED = 32,
};

/* --- inside ----------------------------------------------------------------------------------- */

/* Runs in a child. The line that does not hold, or 0. */
typedef int check_fn(void);
#define HOLDS(condition)                                                                           \
	if (!(condition))                                                                          \
	return __LINE__

static size_t inside_column, inside_steps;
static check_fn *inside;

/* In a process of its own, in a new scene. */
static void
assert_line_of(check_fn *check)
{
	int *line = mmap(NULL, sizeof(*line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	int status = -1;
	pid_t pid;

	assert_true(line != MAP_FAILED);
	*line = -1;
	scene_set(&here, VICTIM_NONE);
	fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		*line = check();
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	scene_strike(&here);
	if (*line != 0)
		fail_msg("line %d does not hold (status %x)", *line, status);
	assert_int_equal(status, 0);
	munmap(line, sizeof(*line));
}

static int
check_inside(void)
{
	HOLDS(become_worker(&columns[inside_column], inside_steps) == 0);
	return inside();
}

/* In a worker that has gone these first steps of the column. */
static void
assert_inside(check_fn *check, size_t column, size_t n)
{
	inside = check;
	inside_column = column;
	inside_steps = n;
	assert_line_of(check_inside);
}

/* So many steps: all before this one. */
static size_t
steps_before(const char *name)
{
	for (size_t i = 0; i < n_confine_steps; i++)
		if (strcmp(confine_steps[i].name, name) == 0)
			return i;
	fail_msg("there is no step %s", name);
	return 0;
}

static int
check_capabilities(uint64_t wanted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	HOLDS(syscall(SYS_capget, &header, data) == 0);
	HOLDS(data[0].effective == wanted && data[1].effective == 0);
	HOLDS(data[0].permitted == wanted && data[1].permitted == 0);
	HOLDS(data[0].inheritable == 0 && data[1].inheritable == 0);
	return 0;
}

static int
check_ids(void)
{
	uid_t real, effective, saved;
	gid_t group;

	HOLDS(getresuid(&real, &effective, &saved) == 0);
	HOLDS(real == HELPERS && effective == HELPERS && saved == HELPERS);
	HOLDS(getresgid(&real, &effective, &saved) == 0);
	HOLDS(real == HELPERS && effective == HELPERS && saved == HELPERS);
	HOLDS(setfsuid((uid_t)-1) == PEER);
	HOLDS(setfsgid((gid_t)-1) == PEER);
	HOLDS(getgroups(1, &group) == 1 && group == GROUP);
	return 0;
}

static int
check_process(void)
{
	int signal = 0;

	HOLDS(prctl(PR_GET_DUMPABLE) == 0);
	HOLDS(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL);
	HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	HOLDS(prctl(PR_GET_SECUREBITS) ==
	      (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
	       SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	       SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED));
	for (unsigned long cap = 0; cap < 64; cap++)
		HOLDS(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) <= 0);
	return check_capabilities(CAP_TO_MASK(CAP_DAC_READ_SEARCH) | CAP_TO_MASK(CAP_DAC_OVERRIDE));
}

static int
check_limits(void)
{
	struct rlimit limit;
	pid_t pid;

	HOLDS(getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
	HOLDS(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
	HOLDS(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == limit.rlim_max &&
	      limit.rlim_max <= CONFINE_FILES_MAX);
	HOLDS(getrlimit(RLIMIT_AS, &limit) == 0 &&
	      (FILTER_SANITIZED || (limit.rlim_cur == 64u << 20 && limit.rlim_max == 64u << 20)));
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		syscall(SYS_exit_group, 0);
	HOLDS(pid < 0 && errno == EAGAIN);
	return 0;
}

static int
check_root(void)
{
	const struct dirent *entry;
	char directory[16];
	struct statfs status;
	unsigned entries = 0;
	DIR *root;

	HOLDS(getcwd(directory, sizeof(directory)) && strcmp(directory, "/") == 0);
	HOLDS(statfs(".", &status) == 0 && status.f_type == TMPFS_MAGIC);
	HOLDS(statfs("/", &status) == 0 && status.f_type == TMPFS_MAGIC);
	HOLDS((status.f_flags & ROOT_FLAGS) == ROOT_FLAGS);
	HOLDS(mkdir("/x", 0700) < 0 && errno == EROFS);
	root = opendir("/");
	HOLDS(root != NULL);
	while ((entry = readdir(root)))
		entries++;
	closedir(root);
	HOLDS(entries == 2);
	root = opendir("/../..");
	HOLDS(root != NULL);
	closedir(root);
	HOLDS(access("/../../proc", F_OK) < 0 && errno == ENOENT);
	return 0;
}

static int
check_trees(void)
{
	struct statfs status;

	HOLDS(fstatfs(here.read, &status) == 0);
	HOLDS((status.f_flags & (TREE_FLAGS | ST_RDONLY)) == (TREE_FLAGS | ST_RDONLY));
	HOLDS(fstatfs(here.one, &status) == 0);
	HOLDS((status.f_flags & (TREE_FLAGS | ST_RDONLY)) == (TREE_FLAGS | ST_RDONLY));
	HOLDS(fstatfs(here.write, &status) == 0);
	HOLDS((status.f_flags & (TREE_FLAGS | ST_RDONLY)) == TREE_FLAGS);
	return 0;
}

/* No layer keeps these checks themselves from being made yet. */
static void
test_inside(void **state)
{
	static check_fn *const checks[] = {check_ids, check_process, check_limits, check_root,
					   check_trees};
	const size_t n = steps_before("landlock");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(checks); i++)
		assert_inside(checks[i], ALL, n);
}

/* The order counts: see the comments of the steps. */
static void
test_order(void **state)
{
	static const char *const names[] = {
		"empty root",   "bounding set", "securebits",   "ids",
		"capabilities", "no way back",  "not dumpable", "no_new_privs",
		"limits",       "landlock",     "seccomp",
	};

	(void)state;
	assert_int_equal(n_confine_steps, ELEMENTS(names));
	for (size_t i = 0; i < ELEMENTS(names); i++)
		assert_string_equal(confine_steps[i].name, names[i]);
}

static int
hold_only(uint32_t mask)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = mask, .permitted = mask}};

	return (int)syscall(SYS_capset, &header, data);
}

static const struct confinement worker = {
	.trees = &(const struct trees){.is_private = true},
	.own_uid = HELPERS,
	.own_gid = HELPERS,
	.peer_uid = PEER,
	.peer_gid = PEER,
};

static int
step(const char *name)
{
	return confine_steps[steps_before(name)].enter(&worker);
}

/* A call of the second phase, or one with these arguments. */
struct failing {
	const char *what;
	int call;
	unsigned n;
	struct scmp_arg_cmp arguments[2];
	int error; /* 0: EINVAL, which no step takes for a layer that is not there */
};
static const struct failing *failing;

static int
let_fail(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	if (r == 0)
		r = seccomp_rule_add_array(
			filter,
			SCMP_ACT_ERRNO((unsigned)(failing->error ? failing->error : EINVAL)),
			failing->call, failing->n, failing->arguments);
	return r < 0 ? r : seccomp_load(filter);
}

static int
check_return_as_root(void)
{
	HOLDS(step("no way back") == -EPERM);
	return 0;
}

/* Ids of a worker, one capability, and one of the calls that it gives does not work. */
static int
try_return_with(uint32_t capability, int call)
{
	const struct failing refused = {.call = call, .error = EPERM};

	failing = &refused;
	HOLDS(setgroups(0, NULL) == 0 && setresgid(HELPERS, HELPERS, HELPERS) == 0);
	HOLDS(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
	HOLDS(setresuid(HELPERS, HELPERS, HELPERS) == 0);
	/* The filter needs CAP_SYS_ADMIN. */
	HOLDS(let_fail() == 0);
	HOLDS(hold_only(capability) == 0);
	HOLDS(step("no way back") == -EPERM);
	return 0;
}

static int
check_return_of_uid(void)
{
	return try_return_with(CAP_TO_MASK(CAP_SETUID), SCMP_SYS(acct));
}

static int
check_return_of_gid(void)
{
	return try_return_with(CAP_TO_MASK(CAP_SETGID), SCMP_SYS(setgroups));
}

static int
check_return_of_groups(void)
{
	return try_return_with(CAP_TO_MASK(CAP_SETGID), SCMP_SYS(setgid));
}

/* Whatever fs.suid_dumpable makes of a process that changes its ids. */
static int
check_closed_doors(void)
{
	int signal = 0;

	HOLDS(prctl(PR_SET_DUMPABLE, 1) == 0 && prctl(PR_SET_PDEATHSIG, 0) == 0);
	HOLDS(step("not dumpable") == 1);
	HOLDS(prctl(PR_GET_DUMPABLE) == 0);
	HOLDS(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL);
	return 0;
}

static int
check_no_return(void)
{
	HOLDS(setgroups(0, NULL) == 0 && setresgid(HELPERS, HELPERS, HELPERS) == 0);
	HOLDS(setresuid(HELPERS, HELPERS, HELPERS) == 0);
	HOLDS(step("no way back") == 1);
	return 0;
}

/* Without "securebits" the capabilities go with the uid, and the file system ids stay. */
static int
check_file_ids(void)
{
	HOLDS(step("ids") == -EPERM);
	return 0;
}

static int
check_reader(void)
{
	HOLDS(step("capabilities") == 1);
	return check_capabilities(CAP_TO_MASK(CAP_DAC_READ_SEARCH));
}

static int
check_not_private(void)
{
	const struct confinement shared = {.trees = &(const struct trees){}, .own_uid = HELPERS};
	char before[64], after[64];

	HOLDS(getcwd(before, sizeof(before)));
	HOLDS(confine_steps[steps_before("empty root")].enter(&shared) == 0);
	HOLDS(getcwd(after, sizeof(after)) && strcmp(before, after) == 0);
	return 0;
}

/* An ordinary user's broker has no ids to give. */
static int
check_not_root(void)
{
	const struct confinement own = {
		.trees = &(const struct trees){.writes = true},
		.own_uid = (uid_t)-1,
		.own_gid = (gid_t)-1,
		.peer_uid = PEER,
		.peer_gid = PEER,
	};

	HOLDS(confine_steps[steps_before("bounding set")].enter(&own) == 1);
	HOLDS(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0) == 1);
	HOLDS(confine_steps[steps_before("securebits")].enter(&own) == 1);
	HOLDS(prctl(PR_GET_SECUREBITS) == 0);
	HOLDS(confine_steps[steps_before("ids")].enter(&own) == 0);
	HOLDS(geteuid() == 0 && setfsuid((uid_t)-1) == 0);
	HOLDS(confine_steps[steps_before("no way back")].enter(&own) == 1);
	HOLDS(confine_steps[steps_before("capabilities")].enter(&own) == 1);
	return check_capabilities(0);
}

/* Steps that look at what the ones before have done. */
static void
test_single_steps(void **state)
{
	static check_fn *const checks[] = {check_return_as_root, check_return_of_uid,
					   check_return_of_gid,  check_return_of_groups,
					   check_closed_doors,   check_no_return,
					   check_file_ids,       check_not_private,
					   check_not_root,       check_reader};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(checks); i++)
		assert_inside(checks[i], NONE, n_confine_steps);
}

/* --- what fails ------------------------------------------------------------------------------- */

/* Where any of them fails nobody is served: confine() returns what says so. */
static void
test_failing_calls(void **state)
{
#define OPTION(name)                                                                               \
	{                                                                                          \
#name, SCMP_SYS(prctl), 1,                                                         \
		{                                                                                  \
			SCMP_A0(SCMP_CMP_EQ, name)                                                 \
		}                                                                                  \
	}
#define LIMIT(name)                                                                                \
	{                                                                                          \
#name, SCMP_SYS(prlimit64), 2,                                                     \
		{                                                                                  \
			SCMP_A1(SCMP_CMP_EQ, name), SCMP_A2(SCMP_CMP_NE, 0)                        \
		}                                                                                  \
	}
	static const struct failing calls[] = {
		{"fsopen", SCMP_SYS(fsopen)},
		{"fsconfig", SCMP_SYS(fsconfig)},
		{"fsmount", SCMP_SYS(fsmount)},
		{"fchdir", SCMP_SYS(fchdir)},
		{"chroot", SCMP_SYS(chroot)},
		{"chdir", SCMP_SYS(chdir)},
		{"setgroups", SCMP_SYS(setgroups)},
		{"setresgid", SCMP_SYS(setresgid)},
		{"setresuid", SCMP_SYS(setresuid)},
		{"setfsgid", SCMP_SYS(setfsgid)},
		{"setfsuid", SCMP_SYS(setfsuid)},
		{"capset", SCMP_SYS(capset)},
		OPTION(PR_CAPBSET_DROP),
		OPTION(PR_SET_SECUREBITS),
		OPTION(PR_SET_DUMPABLE),
		OPTION(PR_SET_PDEATHSIG),
		OPTION(PR_SET_NO_NEW_PRIVS),
		{"getrlimit", SCMP_SYS(prlimit64), 1, {SCMP_A2(SCMP_CMP_EQ, 0)}},
		LIMIT(RLIMIT_NPROC),
		LIMIT(RLIMIT_CORE),
		LIMIT(RLIMIT_NOFILE),
#if !FILTER_SANITIZED
		LIMIT(RLIMIT_AS),
#endif
		{"the version of Landlock",
		 SCMP_SYS(landlock_create_ruleset),
		 1,
		 {SCMP_A2(SCMP_CMP_EQ, 1)}},
		{"landlock_create_ruleset",
		 SCMP_SYS(landlock_create_ruleset),
		 1,
		 {SCMP_A2(SCMP_CMP_EQ, 0)}},
		{"landlock_add_rule", SCMP_SYS(landlock_add_rule)},
		{"landlock_restrict_self", SCMP_SYS(landlock_restrict_self)},
		{"seccomp", SCMP_SYS(seccomp), 1, {SCMP_A0(SCMP_CMP_EQ, 1)}},
	};
	/* One that is not called: what shows that it is the failure that ends it. */
	static const struct failing other = {"acct", SCMP_SYS(acct)};

	(void)state;
	before_steps = let_fail;
	for (size_t i = 0; i <= ELEMENTS(calls); i++) {
		pid_t pid;
		int status = -1;

		failing = i < ELEMENTS(calls) ? &calls[i] : &other;
		scene_set(&here, VICTIM_NONE);
		fflush(NULL);
		pid = fork();
		assert_return_code(pid, errno);
		if (pid == 0) {
			int r = become_worker(&columns[ALL], n_confine_steps);

			syscall(SYS_exit_group, r == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		scene_strike(&here);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != (failing != &other))
			fail_msg("%s failing: status %x", failing->what, status);
	}
	before_steps = NULL;
#undef OPTION
#undef LIMIT
}

/* A kernel without Landlock. */
static const struct failing no_landlock = {
	"Landlock", SCMP_SYS(landlock_create_ruleset), 0, {}, ENOSYS};

/* What is required and not there ends it, while it can still say so: before the filter. */
static int
absent_and_required(void)
{
	HOLDS(become_worker(&columns[ALL], n_confine_steps) == -ENOTSUP);
	HOLDS(entered_layers == (LAYERS_ALL & ~(uint32_t)(LAYER_LANDLOCK | LAYER_SECCOMP)) ||
	      entered_layers == (LAYERS_ALL & ~(uint32_t)LAYER_LANDLOCK));
	HOLDS(syscall(SYS_getppid) > 0);
	return 0;
}

static int
absent_and_not_required(void)
{
	required_layers = LAYERS_ALL & ~(uint32_t)LAYER_LANDLOCK;
	HOLDS(become_worker(&columns[ALL], n_confine_steps) == 0);
	HOLDS(entered_layers == required_layers);
	return 0;
}

static void
test_absent_layer(void **state)
{
	static check_fn *const checks[] = {absent_and_required, absent_and_not_required};

	(void)state;
	failing = &no_landlock;
	before_steps = let_fail;
	for (size_t i = 0; i < ELEMENTS(checks); i++)
		assert_line_of(checks[i]);
	before_steps = NULL;
}

/* --- the filter ------------------------------------------------------------------------------- */

/* Does the worker that makes this call survive? */
static bool
permits(long call, unsigned long a, unsigned long b, unsigned long c)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (become_worker(&columns[ALL], n_confine_steps) == 0)
			syscall(call, a, b, c, 0UL, 0UL, 0UL);
		/* Killed in another way than by the filter, had it not been entered. */
		syscall(SYS_exit_group, 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS;
}

/* With arguments that are all 0. */
static bool
is_listed(const char *name)
{
	static const char *const names[] = {
		"recvmsg",       "openat2",    "fstat",       "newfstatat",   "fgetxattr",
		"ftruncate",     "sendmsg",    "setitimer",   "rt_sigreturn", "close",
		"shutdown",      "epoll_wait", "epoll_pwait", "epoll_ctl",    "restart_syscall",
		"brk",           "mmap",       "mprotect",    "munmap",       "exit_group",
		"clock_gettime", "statx",      "readlinkat",  "getdents64",   "lseek",
	};

	for (size_t i = 0; i < ELEMENTS(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static unsigned wrong;

static void
expect(const char *what, unsigned long value, bool wanted, bool permitted)
{
	if (wanted == permitted)
		return;
	printf("# %s %lu: %s\n", what, value, permitted ? "is permitted" : "is not permitted");
	wrong++;
}

static void
test_filter_calls(void **state)
{
	unsigned known = 0;

	(void)state;
	/* The sanitizers' runtime has calls of its own. */
	if (FILTER_SANITIZED)
		return;
	wrong = 0;
	watch_nothing = true;
	scene_set(&here, VICTIM_NONE);
	for (int call = 0; call < 1024; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

		if (!name)
			continue;
		known++;
		expect(name, (unsigned long)call, is_listed(name), permits(call, 0, 0, 0));
		free(name);
	}
	/* Numbers that nobody knows, and on x86-64 the same calls as x32. */
	expect("unknown", 0, false, permits(1023, 0, 0, 0));
#if defined(__x86_64__)
	expect("x32 close", 0, false, permits(0x40000000 | SYS_close, 0, 0, 0));
#endif
	scene_strike(&here);
	watch_nothing = false;
	assert_true(known > 300);
	assert_int_equal(wrong, 0);
}

static void
test_filter_arguments(void **state)
{
	(void)state;
	if (FILTER_SANITIZED)
		return;
	wrong = 0;
	watch_nothing = true;
	scene_set(&here, VICTIM_NONE);
	for (unsigned long fd = 0; fd < 16; fd++)
		expect("write to", fd, fd == IPC_NOTES || fd == IPC_AUDIT || fd == IPC_ENDED,
		       permits(SYS_write, fd, 0, 0));
	for (unsigned long fd = 0; fd < 16; fd++) {
		expect("read from", fd, fd == WATCH_NAMES, permits(SYS_read, fd, 0, 0));
		expect("pread64 from", fd, fd == WATCH_MOUNTS, permits(SYS_pread64, fd, 0, 0));
	}
	expect("write to -1", 0, false, permits(SYS_write, (unsigned long)-1, 0, 0));
	for (unsigned long command = 0; command < 48; command++)
		expect("fcntl", command, command >= F_GETFD && command <= F_SETFL,
		       permits(SYS_fcntl, 0, command, 0));
	for (unsigned long command = 1024; command < 1048; command++)
		expect("fcntl", command, false, permits(SYS_fcntl, 0, command, 0));
	/* The kernel reads no more than the lower half. */
	expect("fcntl, long", F_SETOWN, false, permits(SYS_fcntl, 0, 1UL << 32 | F_SETOWN, 0));
	for (unsigned long option = 0; option < 96; option++)
		expect("getsockopt", option,
		       option == SO_MEMINFO || option == SO_PEERGROUPS || option == SO_PEERSEC,
		       permits(SYS_getsockopt, 0, SOL_SOCKET, option));
	expect("getsockopt of IPPROTO_TCP", SO_MEMINFO, false,
	       permits(SYS_getsockopt, 0, 6, SO_MEMINFO));
	for (unsigned long timer = 0; timer < 4; timer++)
		expect("setitimer", timer, timer == ITIMER_REAL,
		       permits(SYS_setitimer, timer, 0, 0));
	for (unsigned long protection = 0; protection < 16; protection++) {
		expect("mmap", protection, !(protection & PROT_EXEC),
		       permits(SYS_mmap, 0, 4096, protection));
		expect("mprotect", protection, !(protection & PROT_EXEC),
		       permits(SYS_mprotect, 0, 0, protection));
	}
	scene_strike(&here);
	watch_nothing = false;
	assert_int_equal(wrong, 0);
}

/* --- a worker of the real daemon -------------------------------------------------------------- */

static pid_t
start_worker(struct harness *h)
{
	static const struct ids ids = {PEER, PEER, 1, {GROUP}};
	static const char *const files[] = {"file", NULL};
	pid_t pid = 0;

	harness_start_how(
		h, &(struct harness_how){.rules = "allow user:61001 read,write,create @/who/*\n"
						  "allow user:61001 read @/data2/**\n"
						  "allow user:61001 read @/rw/file\n",
					 .files = files});
	assert_int_equal(ask_as(h, &ids, "file"), ASK_GRANTED);
	pid = worker_of(h, PEER);
	assert_true(pid > 0);
	return pid;
}

/* All of a file of /proc/PID, its NULs as lines. */
static size_t
read_of(pid_t pid, const char *name, char *text, size_t room)
{
	char path[64];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	assert_non_null(file);
	n = fread(text, 1, room - 1, file);
	fclose(file);
	text[n] = '\0';
	return n;
}

static void
has_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no line %s in\n%s", line, text);
}

static void
check_status(pid_t pid, uid_t own)
{
	char text[8192], line[80];

	read_of(pid, "status", text, sizeof(text));
	snprintf(line, sizeof(line), "\nUid:\t%u\t%u\t%u\t%u\n", own, own, own, PEER);
	has_line(text, line);
	has_line(text, "\nGroups:\t61010 \n");
	has_line(text, "\nNoNewPrivs:\t1\n");
	has_line(text, "\nSeccomp:\t2\n");
	has_line(text, "\nThreads:\t1\n");
	has_line(text, "\nUmask:\t0000\n");
	has_line(text, "\nCapInh:\t0000000000000000\n");
	/* CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH */
	has_line(text, "\nCapPrm:\t0000000000000006\n");
	has_line(text, "\nCapEff:\t0000000000000006\n");
	has_line(text, "\nCapBnd:\t0000000000000000\n");
	has_line(text, "\nCapAmb:\t0000000000000000\n");
	read_of(pid, "limits", text, sizeof(text));
	has_line(text, "\nMax processes             0                    0  ");
	has_line(text, "\nMax core file size        0                    0  ");
	if (!FILTER_SANITIZED)
		assert_null(strstr(text, "\nMax address space         unlimited"));
}

static void
check_place(pid_t pid)
{
	char path[64], target[64];
	struct statfs status;
	struct stat root, cwd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	n = readlink(path, target, sizeof(target) - 1);
	assert_int_equal(n, 1);
	assert_return_code(stat(path, &cwd), errno);
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	n = readlink(path, target, sizeof(target) - 1);
	assert_int_equal(n, 1);
	assert_return_code(stat(path, &root), errno);
	assert_true(root.st_dev == cwd.st_dev && root.st_ino == cwd.st_ino);
	assert_int_equal(root.st_nlink, 2);
	assert_return_code(statfs(path, &status), errno);
	assert_int_equal(status.f_type, TMPFS_MAGIC);
	assert_int_equal(status.f_flags & ROOT_FLAGS, ROOT_FLAGS);
}

/* Not dumpable: what it has in /proc belongs to root, proc(5). */
static void
check_hidden(pid_t pid)
{
	struct stat status;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	assert_return_code(stat(path, &status), errno);
	assert_int_equal(status.st_uid, 0);
}

/* Which of these is it? In this order descriptors are listed and compared. */
static int
compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
check_descriptors(pid_t pid)
{
	/* Trees show as what they are in the mount: "/". Of single files none is left. */
	static const char *const wanted[] = {
		"/",
		"/",
		"/",
		"/",
		"/dev/null",
		"/dev/null",
		"/proc/PID/mountinfo",
		"anon_inode:[eventpoll]",
		"anon_inode:inotify",
		"pipe:",
		"pipe:",
		"pipe:",
		"socket:",
	};
	char path[64], names[NAMED][64] = {}, all[NAMED * 65] = "";
	const struct dirent *entry;
	DIR *directory;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		char *colon;

		if (entry->d_name[0] == '.')
			continue;
		assert_true(n < NAMED);
		assert_true(readlinkat(dirfd(directory), entry->d_name, names[n], 63) > 0);
		/* The number of a pipe or a socket, not the kind of an anonymous inode. */
		colon = strchr(names[n], ':');
		if (strncmp(names[n], "/proc/", 6) == 0 && strstr(names[n], "/mountinfo"))
			strcpy(names[n], "/proc/PID/mountinfo");
		if (colon && colon[1] == '[' && strncmp(names[n], "anon", 4) != 0)
			colon[1] = '\0';
		n++;
	}
	closedir(directory);
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++) {
		strcat(all, names[i]);
		strcat(all, " ");
	}
	if (n != ELEMENTS(wanted) + FILTER_SANITIZED)
		fail_msg("%zu descriptors: %s", n, all);
	for (size_t i = 0; i < n && !FILTER_SANITIZED; i++)
		if (strcmp(names[i], wanted[i]) != 0)
			fail_msg("%s: not %s", all, wanted[i]);
}

static uid_t
account_of_helpers(pid_t pid)
{
	char text[8192];
	unsigned uid = 0;

	/* Its real uid; whose it is, check_status() compares with the others. */
	read_of(pid, "status", text, sizeof(text));
	assert_int_equal(sscanf(strstr(text, "\nUid:"), "\nUid:\t%u", &uid), 1);
	assert_true(uid != 0 && uid != PEER);
	return uid;
}

static void
test_real_worker(void **state)
{
	static struct harness h;
	char text[256];
	pid_t pid = start_worker(&h);

	(void)state;
	check_status(pid, account_of_helpers(pid));
	check_place(pid);
	check_hidden(pid);
	/* Its only client has gone by now. */
	for (int i = 0; i < WAIT_SECONDS * 100 && count_fds(pid) > 13 + FILTER_SANITIZED; i++)
		sleep_ms(10);
	check_descriptors(pid);
	assert_int_equal(read_of(pid, "environ", text, sizeof(text)), 0);
	read_of(pid, "cmdline", text, sizeof(text));
	assert_string_equal(text, "fdbroker-worker: uid 61001");
	/* It ends with the broker, however that ends. */
	assert_return_code(kill(h.pid, SIGKILL), errno);
	for (int i = 0; kill(pid, 0) == 0; i++) {
		char state_of[512];

		/* Whoever takes over orphans here may not wait for them. */
		read_of(pid, "stat", state_of, sizeof(state_of));
		if (strstr(state_of, ") Z "))
			break;
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
	(void)harness_stop(&h);
}

static int
setup(void **state)
{
	(void)state;
	workers_begin();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	scenes_end(&here);
	return 0;
}

static void
test_without_root(void **state)
{
	(void)state;
	(void)needs_root();
}

int
main(void)
{
	const struct CMUnitTest without_root[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_without_root),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_single_steps),
		cmocka_unit_test(test_failing_calls),
		cmocka_unit_test(test_absent_layer),
		cmocka_unit_test(test_filter_calls),
		cmocka_unit_test(test_filter_arguments),
		cmocka_unit_test(test_real_worker),
	};

	if (geteuid() != 0)
		return cmocka_run_group_tests_name("attack/worker-state", without_root, NULL, NULL);
	return cmocka_run_group_tests_name("attack/worker-state", tests, setup, teardown);
}
