/* SPDX-License-Identifier: MIT */
/*
 * A peer against its own worker and against that of another user, in both phases: it can neither
 * look into it nor stop, end, limit or slow it down. With each value of fs.suid_dumpable, from plain
 * processes and from a user namespace of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuse.h"
#include "tests/people.h"

#define ACCOUNT "news" /* of the helpers */

enum {
	STARTS = 200, /* of workers that are hammered meanwhile */

	/* Their workers stay in the first phase: a rule begins where nobody answers. */
	HELD = 61001,
	HELD_OTHER,
	/* Theirs serve. */
	READY,
	READY_OTHER,
};

/* --- what a peer can try: 0 or an errno value ---------------------------------------------------
 */

static int
result(long r)
{
	return r < 0 ? errno : 0;
}

static int
try_attach(pid_t pid)
{
	int r = result(ptrace(PTRACE_ATTACH, pid, NULL, NULL));

	if (r == 0) {
		waitpid(pid, NULL, __WALL);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
	return r;
}

static int
try_seize(pid_t pid)
{
	return result(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
}

/* An address that a child of the same program has too. */
static char known[16] = "known";

static int
try_vm_read(pid_t pid)
{
	char bytes[sizeof(known)];
	struct iovec to = {bytes, sizeof(bytes)}, from = {known, sizeof(known)};

	return result(process_vm_readv(pid, &to, 1, &from, 1, 0));
}

static int
try_vm_write(pid_t pid)
{
	char bytes[sizeof(known)] = "other";
	struct iovec from = {bytes, sizeof(bytes)}, to = {known, sizeof(known)};

	return result(process_vm_writev(pid, &from, 1, &to, 1, 0));
}

/* Open this of /proc/PID, read or write, and read or write something. */
static int
try_file(pid_t pid, const char *name, const char *text)
{
	char path[64], byte[64];
	ssize_t n;
	int fd, r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, (text ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (strcmp(name, "mem") == 0)
		n = pread(fd, byte, 1, (off_t)(uintptr_t)known);
	else if (text)
		n = write(fd, text, strlen(text));
	else
		n = read(fd, byte, sizeof(byte));
	/* Of one that has ended there is nothing to read. */
	r = n == 0 ? ESRCH : result(n);
	close(fd);
	return r;
}

static int
try_link(pid_t pid, const char *name)
{
	char path[64], to[256];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return result(readlink(path, to, sizeof(to)));
}

static int
try_fds(pid_t pid)
{
	char path[64];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	if (!directory)
		return errno;
	closedir(directory);
	return 0;
}

static int
with_pidfd(pid_t pid, int call, int argument)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), r;

	if (fd < 0)
		return errno;
	r = result(syscall(call, fd, argument, NULL, 0));
	close(fd);
	return r;
}

static int
try_limit(pid_t pid)
{
	struct rlimit limit = {1 << 20, 1 << 20};

	return result(prlimit(pid, RLIMIT_FSIZE, &limit, NULL));
}

static int
try_look_at_limit(pid_t pid)
{
	struct rlimit limit;

	return result(prlimit(pid, RLIMIT_FSIZE, NULL, &limit));
}

static int
try_nice(pid_t pid)
{
	return result(setpriority(PRIO_PROCESS, (id_t)pid, 7));
}

static int
try_affinity(pid_t pid)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	return result(sched_setaffinity(pid, sizeof(one), &one));
}

static int
try_scheduler(pid_t pid)
{
	return result(sched_setscheduler(pid, SCHED_BATCH, &(struct sched_param){}));
}

static int
try_ioprio(pid_t pid)
{
	return result(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid,
			      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)));
}

static int
try_migrate(pid_t pid)
{
	unsigned long node = 1;

	return result(syscall(SYS_migrate_pages, pid, 8 * sizeof(node), &node, &node));
}

static int
try_move(pid_t pid)
{
	void *page = known;
	int status;

	return result(syscall(SYS_move_pages, pid, 1, &page, NULL, &status, 0));
}

static int
try_kcmp(pid_t pid)
{
	return result(syscall(SYS_kcmp, pid, getpid(), KCMP_FILES, 0, 0));
}

static int
try_perf(pid_t pid)
{
	struct perf_event_attr attr = {.size = sizeof(attr),
				       .type = PERF_TYPE_SOFTWARE,
				       .config = PERF_COUNT_SW_TASK_CLOCK,
				       .exclude_kernel = 1,
				       .exclude_hv = 1};
	int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
try_robust_list(pid_t pid)
{
	void *head;
	size_t size;

	return result(syscall(SYS_get_robust_list, pid, &head, &size));
}

static int
try_queue(pid_t pid)
{
	siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};

	return result(syscall(SYS_rt_sigqueueinfo, pid, SIGTERM, &info));
}

/*
 * LOOKS: from a namespace of its own the kernel refuses it to anybody outside of it. OWNER: who may is
 * whom the file belongs to, proc_pid(5).
 */
enum { MAY_BE_ABSENT = 1, LOOKS = 2, OWNER = 4 };

#define ACTS(X)                                                                                    \
	X("ptrace attach", LOOKS, try_attach(pid))                                                 \
	X("ptrace seize", LOOKS, try_seize(pid))                                                   \
	X("process_vm_readv", LOOKS, try_vm_read(pid))                                             \
	X("process_vm_writev", LOOKS, try_vm_write(pid))                                           \
	X("read mem", LOOKS, try_file(pid, "mem", NULL))                                           \
	X("read maps", LOOKS, try_file(pid, "maps", NULL))                                         \
	X("read environ", LOOKS, try_file(pid, "environ", NULL))                                   \
	X("read auxv", LOOKS, try_file(pid, "auxv", NULL))                                         \
	X("list fd", LOOKS | OWNER, try_fds(pid))                                                  \
	X("readlink fd/0", LOOKS, try_link(pid, "fd/0"))                                           \
	X("readlink root", LOOKS, try_link(pid, "root"))                                           \
	X("readlink cwd", LOOKS, try_link(pid, "cwd"))                                             \
	X("readlink exe", LOOKS, try_link(pid, "exe"))                                             \
	X("readlink ns/mnt", LOOKS, try_link(pid, "ns/mnt"))                                       \
	X("kill 0", 0, result(kill(pid, 0)))                                                       \
	X("SIGSTOP", 0, result(kill(pid, SIGSTOP)))                                                \
	X("SIGCONT", 0, result(kill(pid, SIGCONT)))                                                \
	X("SIGTERM", 0, result(kill(pid, SIGTERM)))                                                \
	X("SIGKILL", 0, result(kill(pid, SIGKILL)))                                                \
	X("tgkill", 0, result(syscall(SYS_tgkill, pid, pid, SIGSTOP)))                             \
	X("rt_sigqueueinfo", 0, try_queue(pid))                                                    \
	X("pidfd SIGSTOP", 0, with_pidfd(pid, SYS_pidfd_send_signal, SIGSTOP))                     \
	X("pidfd SIGKILL", 0, with_pidfd(pid, SYS_pidfd_send_signal, SIGKILL))                     \
	X("pidfd_getfd", LOOKS, with_pidfd(pid, SYS_pidfd_getfd, 0))                               \
	X("prlimit64, to set", 0, try_limit(pid))                                                  \
	X("prlimit64, to get", 0, try_look_at_limit(pid))                                          \
	X("setpriority", 0, try_nice(pid))                                                         \
	X("sched_setaffinity", 0, try_affinity(pid))                                               \
	X("sched_setscheduler", 0, try_scheduler(pid))                                             \
	X("ioprio_set", 0, try_ioprio(pid))                                                        \
	X("migrate_pages", LOOKS | MAY_BE_ABSENT, try_migrate(pid))                                \
	X("move_pages", LOOKS | MAY_BE_ABSENT, try_move(pid))                                      \
	X("kcmp", LOOKS | MAY_BE_ABSENT, try_kcmp(pid))                                            \
	X("perf_event_open", LOOKS | MAY_BE_ABSENT, try_perf(pid))                                 \
	X("get_robust_list", LOOKS, try_robust_list(pid))                                          \
	X("write oom_score_adj", OWNER, try_file(pid, "oom_score_adj", "500"))                     \
	X("write coredump_filter", LOOKS | OWNER, try_file(pid, "coredump_filter", "0x7f"))        \
	X("write timerslack_ns", LOOKS | MAY_BE_ABSENT, try_file(pid, "timerslack_ns", "1000000"))

static const struct {
	const char *name;
	unsigned flags;
} acts[] = {
#define ACT(name, flags, call) {name, flags},
	ACTS(ACT)
#undef ACT
};

static int
act(size_t i, pid_t pid)
{
	size_t n = 0;

#define ACT(name, flags, call)                                                                     \
	if (i == n++)                                                                              \
		return call;
	ACTS(ACT)
#undef ACT
	return -1;
}

/* --- who tries it -------------------------------------------------------------------------------
 */

static int *results; /* of all acts, shared with whoever tries them; -1: not tried */

struct attack {
	pid_t pid;
	bool in_namespace;
	unsigned only; /* acts with this flag; 0: all */
	size_t first, last;
};

static int
attack(void *context)
{
	const struct attack *a = context;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];

	/* Whoever is in the same session may continue what is stopped, kill(2). */
	if (setsid() < 0)
		return 1;
	if (a->in_namespace) {
		if (unshare(CLONE_NEWUSER) < 0)
			return 2;
		snprintf(map, sizeof(map), "0 %u 1", uid);
		if (write_map(getpid(), "uid_map", map) < 0 ||
		    write_map(getpid(), "setgroups", "deny") < 0)
			return 3;
		snprintf(map, sizeof(map), "0 %u 1", gid);
		if (write_map(getpid(), "gid_map", map) < 0 || setresuid(0, 0, 0) < 0)
			return 4;
	}
	for (size_t i = a->first; i < a->last; i++)
		if (a->only == 0 || acts[i].flags & a->only)
			results[i] = act(i, a->pid);
	return 0;
}

static void
attack_as(uid_t uid, const struct attack *a)
{
	const struct ids ids = {.uid = uid, .gid = uid};

	for (size_t i = a->first; i < a->last; i++)
		results[i] = -1;
	assert_int_equal(act_as(&ids, attack, (void *)a), 0);
}

/* --- the counter-check: a process with the peer's own ids ---------------------------------------
 */

static int
be_victim(void *context)
{
	const int *ready = context;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	(void)!write(ready[1], "", 1);
	while (pause() < 0)
		;
	return 0;
}

static void
test_counter_check(void **state)
{
	const bool in_namespace = *(const bool *)*state;
	const struct ids ids = {.uid = HELD, .gid = HELD};
	size_t n = 0;

	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(acts); i++) {
		struct attack a = {.in_namespace = in_namespace, .first = i, .last = i + 1};
		int ready[2];
		char byte;

		if (in_namespace && acts[i].flags & LOOKS)
			continue;
		assert_return_code(pipe2(ready, O_CLOEXEC), errno);
		a.pid = act_begin(&ids, be_victim, ready);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		attack_as(HELD, &a);
		kill(a.pid, SIGKILL);
		(void)act_end(a.pid);
		close(ready[0]), close(ready[1]);
		if (results[i] != 0 && acts[i].flags & MAY_BE_ABSENT) {
			printf("# %s: %s here, for everybody\n", acts[i].name,
			       strerrorname_np(results[i]));
			continue;
		}
		if (results[i] != 0)
			fail_msg("%s: %s", acts[i].name, strerrorname_np(results[i]));
		n++;
	}
	printf("# %zu acts succeed against a process of the peer\n", n);
	assert_true(n >= (in_namespace ? 15 : 32));
}

/* --- the workers --------------------------------------------------------------------------------
 */

/* What can be seen of a process from outside, and what others must not change. */
struct condition {
	int nice, policy, ioprio;
	cpu_set_t affinity;
	char files[4][4096];
};

static void
read_condition(pid_t pid, struct condition *ret)
{
	static const char *const files[] = {"limits", "oom_score_adj", "coredump_filter",
					    "timerslack_ns"};

	memset(ret, 0, sizeof(*ret));
	errno = 0;
	ret->nice = getpriority(PRIO_PROCESS, (id_t)pid);
	assert_int_equal(errno, 0);
	ret->policy = sched_getscheduler(pid);
	ret->ioprio = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid);
	assert_return_code(sched_getaffinity(pid, sizeof(ret->affinity), &ret->affinity), errno);
	for (size_t i = 0; i < ELEMENTS(files); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, ret->files[i], sizeof(ret->files[i]) - 1) < 0)
			ret->files[i][0] = '?';
		if (fd >= 0)
			close(fd);
	}
}

/* proc_pid_stat(5) */
static char
state_of(pid_t pid)
{
	char path[64], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	if (file)
		fclose(file);
	return state;
}

/* Others of the helpers' account can end a worker that serves. They cannot look into it. */
static void
look_as_account(pid_t worker)
{
	const struct passwd *account = getpwnam(ACCOUNT);

	assert_non_null(account);
	attack_as(account->pw_uid,
		  &(struct attack){.pid = worker, .only = LOOKS, .last = ELEMENTS(acts)});
	for (size_t i = 0; i < ELEMENTS(acts); i++)
		if (results[i] == 0)
			fail_msg("%s, as the helpers' account: succeeds", acts[i].name);
}

static void
attack_worker(uid_t peer, pid_t worker, const char *which)
{
	struct condition before, after;

	read_condition(worker, &before);
	for (int in_namespace = 0; in_namespace < 2; in_namespace++) {
		attack_as(peer, &(struct attack){.pid = worker,
						 .in_namespace = in_namespace,
						 .last = ELEMENTS(acts)});
		for (size_t i = 0; i < ELEMENTS(acts); i++) {
			bool refused =
				results[i] == EPERM || results[i] == EACCES || results[i] == ESRCH;

			if (!refused && !(acts[i].flags & MAY_BE_ABSENT && results[i] > 0))
				fail_msg("%s, %s: %s", which, acts[i].name,
					 results[i] == 0 ? "succeeds"
							 : strerrorname_np(results[i]));
		}
	}
	assert_true(strchr("SRD", state_of(worker)) != NULL);
	read_condition(worker, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* --- fs.suid_dumpable, which somebody puts back whatever becomes of us --------------------------
 */

static const char dumpable_path[] = "/proc/sys/fs/suid_dumpable";
static int guard_pipe = -1;
static pid_t guard;

static void
set_dumpable(const char *value)
{
	int fd = open(dumpable_path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fail_msg("cannot set fs.suid_dumpable");
	close(fd);
}

static void
begin_dumpable(void)
{
	/* One test at a time: another one would take our value for the system's. */
	int fd = open(dumpable_path, O_RDONLY | O_CLOEXEC), ends[2];
	char value[8] = "", byte;

	assert_return_code(fd, errno);
	assert_return_code(flock(fd, LOCK_EX), errno);
	assert_true(pread(fd, value, sizeof(value) - 1, 0) > 0);
	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	fflush(NULL);
	guard = fork();
	assert_return_code(guard, errno);
	if (guard == 0) {
		setsid();
		close(ends[1]);
		while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
			;
		set_dumpable(value);
		_exit(0);
	}
	/* The lock is the guard's now, and ends with it. */
	close(fd);
	close(ends[0]);
	guard_pipe = ends[1];
}

static void
end_dumpable(void)
{
	if (guard <= 0)
		return;
	/* A process of a test that failed may hold the other end too. */
	(void)!write(guard_pipe, "", 1);
	close(guard_pipe);
	waitpid(guard, NULL, 0);
	guard = 0;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static struct fuse fuse;

/* A mount namespace of our own, and in it a directory whose names nobody looks up. */
static int
hang_names(void *context)
{
	char path[96];

	(void)context;
	snprintf(path, sizeof(path), "%s/hang", broker.directory);
	if (mkdir(path, 0755) < 0 ||
	    syscall(SYS_move_mount, fuse.mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	results = mmap(NULL, ELEMENTS(acts) * sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !fuse_start(&fuse))
		return -1;
	harness_start_how(&broker, &(struct harness_how){
					   .rules = "allow user:61001 read @/hang/1/*\n"
						    "allow user:61002 read @/hang/2/*\n"
						    "allow user:61003|user:61004 read @/data/*\n",
					   .user = ACCOUNT,
					   .prepare = hang_names});
	kill(fuse.server, SIGSTOP);
	return 0;
}

static int
teardown(void **state)
{
	char path[96];

	end_dumpable();
	fuse_stop(&fuse);
	snprintf(path, sizeof(path), "%s/hang", broker.directory);
	(void)umount2(path, MNT_DETACH);
	return harness_teardown(state);
}

static void
test_workers(void **state)
{
	static const uid_t uids[] = {HELD, HELD_OTHER, READY, READY_OTHER};
	struct maker makers[ELEMENTS(uids)];
	pid_t workers[ELEMENTS(uids)];
	int sockets[ELEMENTS(uids)];

	if (needs_root())
		return;
	if (guard <= 0)
		begin_dumpable();
	set_dumpable(*state);
	for (size_t i = 0; i < ELEMENTS(uids); i++) {
		sockets[i] = connection_of(&broker, &(struct ids){.uid = uids[i], .gid = uids[i]},
					   &makers[i]);
		do {
			sleep_ms(10);
			workers[i] = worker_of(&broker, uids[i]);
		} while (workers[i] <= 0);
	}
	sleep_ms(200);
	assert_int_equal(count_starting(&broker), 2);
	for (size_t i = 0; i < ELEMENTS(uids); i++) {
		attack_worker(uids[i], workers[i], i < 2 ? "first phase, own" : "own");
		attack_worker(uids[i], workers[i ^ 1], i < 2 ? "first phase, other" : "other");
	}
	for (size_t i = 0; i < ELEMENTS(uids); i++)
		look_as_account(workers[i]);
	assert_int_equal(count_starting(&broker), 2);
	assert_served(&broker);
	/* The last one first: each has the wires of those before it. */
	for (size_t i = ELEMENTS(uids); i-- > 0;) {
		assert_int_equal(worker_of(&broker, uids[i]), workers[i]);
		close(sockets[i]);
		maker_end(&makers[i]);
		kill(workers[i], SIGKILL);
	}
	/* Those that ended in their first phase have no successor for a second. */
	sleep_ms(1200);
}

/* --- while workers start ------------------------------------------------------------------------
 */

/*
 * For one call a worker has its peer as effective user. All the time, against whichever process of
 * the broker is the newest. Of each act how often it succeeded, in results.
 */
static int
hammer(void *context)
{
	static const char *const wanted[] = {
		"setpriority",  "sched_setaffinity", "sched_setscheduler",  "ioprio_set",
		"kill 0",       "pidfd_getfd",       "prlimit64, to get",   "list fd",
		"readlink exe", "read maps",         "write oom_score_adj", "write coredump_filter",
	};
	size_t which[ELEMENTS(wanted)] = {};
	char path[64], text[4096];
	int fd;

	(void)context;
	for (size_t w = 0; w < ELEMENTS(wanted); w++)
		while (strcmp(acts[which[w]].name, wanted[w]) != 0)
			which[w]++;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", broker.pid, broker.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setsid() < 0)
		return 1;
	for (unsigned turn = 0;; turn++) {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		pid_t pid = 0;
		char *at = text, *end;

		text[n > 0 ? n : 0] = '\0';
		for (long one; (one = strtol(at, &end, 10)) > 0; at = end)
			pid = (pid_t)one;
		for (int again = 0; again < 200 && pid > 0; again++) {
			size_t i = which[turn % ELEMENTS(wanted)];

			if (act(i, pid) == 0)
				__atomic_add_fetch(&results[i], 1, __ATOMIC_RELAXED);
		}
	}
	return 0;
}

/* A worker for this user with that group, which is ready, and its end. */
static void
start_and_end(uid_t uid, gid_t gid)
{
	int fd = connect_as(&broker, &(struct ids){.uid = uid, .gid = gid});
	struct worker_seen seen[4];
	size_t n;

	/* Not our connection: refused, by the worker. */
	assert_int_equal(ask(&broker, fd, NULL, "file"), EACCES);
	n = workers_of(&broker, uid, seen, ELEMENTS(seen));
	assert_in_range(n, 1, ELEMENTS(seen));
	for (size_t i = 0; i < n; i++)
		kill(seen[i].pid, SIGKILL);
	close(fd);
	while (workers_of(&broker, uid, seen, ELEMENTS(seen)) > 0)
		sleep_ms(1);
}

static void
test_while_they_start(void **state)
{
	const struct ids ids = {.uid = READY, .gid = READY};
	pid_t attackers[2];
	int others = 0;

	if (needs_root())
		return;
	set_dumpable(*state);
	memset(results, 0, ELEMENTS(acts) * sizeof(*results));
	for (size_t i = 0; i < ELEMENTS(attackers); i++)
		attackers[i] = act_begin(&ids, hammer, NULL);
	for (gid_t i = 0; i < STARTS; i++)
		start_and_end(READY, READY + 1000 + i);
	for (size_t i = 0; i < ELEMENTS(attackers); i++) {
		kill(attackers[i], SIGKILL);
		(void)act_end(attackers[i]);
	}
	for (size_t i = 0; i < ELEMENTS(acts); i++) {
		if (results[i] > 0)
			printf("# %s succeeds: %d times\n", acts[i].name, results[i]);
		/*
		 * Whoever changes its effective uid gets fs.suid_dumpable, and with 1 its files in
		 * proc_pid(5) belong to that uid. What else there is, the kernel refuses: the real and
		 * saved uids are root's, and the worker has more capabilities.
		 */
		if (strcmp(*state, "1") != 0 || !(acts[i].flags & OWNER))
			others += results[i];
	}
	assert_int_equal(others, 0);
}

int
main(void)
{
	static const bool plain = false, in_namespace = true;
	const struct CMUnitTest tests[] = {
		{"a process of the peer", test_counter_check, NULL, NULL, (void *)&plain},
		{"a process of the peer, from a namespace", test_counter_check, NULL, NULL,
		 (void *)&in_namespace},
		{"workers, fs.suid_dumpable 0", test_workers, NULL, NULL, (void *)"0"},
		{"workers, fs.suid_dumpable 1", test_workers, NULL, NULL, (void *)"1"},
		{"workers, fs.suid_dumpable 2", test_workers, NULL, NULL, (void *)"2"},
		{"workers that start, fs.suid_dumpable 0", test_while_they_start, NULL, NULL,
		 (void *)"0"},
		{"workers that start, fs.suid_dumpable 1", test_while_they_start, NULL, NULL,
		 (void *)"1"},
	};

	return cmocka_run_group_tests_name("attack/peer", tests, setup, teardown);
}
