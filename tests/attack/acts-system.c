/* SPDX-License-Identifier: MIT */
/* Acts on the process itself and on the kernel: sockets, mounts, ids, limits, code. */
#include "tests/attack/acts.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fanotify.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "broker/sys.h"
#include "tests/harness.h"

/* --- sockets --------------------------------------------------------------------------------- */

static int
make_socket(int family, int type)
{
	int fd = (int)syscall(SYS_socket, family, type, 0);

	return fd < 0 ? -errno : fd;
}

static int
socket_unix(struct scene *s)
{
	int fd = make_socket(AF_UNIX, SOCK_STREAM);

	(void)s;
	return fd < 0 ? fd : 0;
}

static int
socket_pair(struct scene *s)
{
	int pair[2];

	(void)s;
	return TRY(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
}

static int
socket_netlink(struct scene *s)
{
	int fd = make_socket(AF_NETLINK, SOCK_RAW);

	(void)s;
	return fd < 0 ? fd : 0;
}

static int
connect_unix(const struct scene *s, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = make_socket(AF_UNIX, SOCK_STREAM);

	snprintf(address.sun_path + abstract, sizeof(address.sun_path) - 1, "%s/socket%u",
		 s->directory, s->number);
	return fd < 0 ? fd : TRY(SYS_connect, fd, &address, sizeof(address));
}

static int
connect_path(struct scene *s)
{
	return connect_unix(s, false);
}

static int
connect_abstract(struct scene *s)
{
	return connect_unix(s, true);
}

static int
socket_inet(struct scene *s)
{
	int fd = make_socket(AF_INET, SOCK_STREAM);

	(void)s;
	return fd < 0 ? fd : 0;
}

static int
connect_tcp(struct scene *s)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					    .sin_port = s->port};
	int fd = make_socket(AF_INET, SOCK_STREAM);

	return fd < 0 ? fd : TRY(SYS_connect, fd, &address, sizeof(address));
}

static int
listen_tcp(struct scene *s)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = make_socket(AF_INET, SOCK_STREAM), r;

	(void)s;
	r = fd < 0 ? fd : TRY(SYS_bind, fd, &address, sizeof(address));
	return r < 0 ? r : TRY(SYS_listen, fd, 1);
}

static int
send_udp(struct scene *s)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					    .sin_port = htons(9)};
	int fd = make_socket(AF_INET, SOCK_DGRAM);

	(void)s;
	return fd < 0 ? fd : TRY(SYS_sendto, fd, "x", 1UL, MSG_NOSIGNAL, &address, sizeof(address));
}

static int
accept_one(struct scene *s)
{
	int r = TRY(SYS_fcntl, s->listener, F_SETFL, O_NONBLOCK);

	if (r == 0)
		r = TRY(SYS_accept4, s->listener, NULL, NULL, 0);
	/* Nobody is there, and nothing forbade to ask. */
	return r == -EAGAIN ? 0 : r;
}

static int
set_option(struct scene *s)
{
	const int size = 1 << 20;

	return TRY(SYS_setsockopt, s->client[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* --- mounts and namespaces ------------------------------------------------------------------- */

static int
file_system(struct scene *s)
{
	(void)s;
	return TRY(SYS_fsopen, "tmpfs", 0);
}

static int
clone_mount(struct scene *s)
{
	return TRY(SYS_open_tree, s->read, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
}

static int
attach_mount(struct scene *s)
{
	int tree = (int)syscall(SYS_open_tree, s->one, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);

	return tree < 0 ? -errno
			: TRY(SYS_move_mount, tree, "", s->write, "empty", MOVE_MOUNT_F_EMPTY_PATH);
}

static int
mount_it(struct scene *s)
{
	return TRY(SYS_mount, "none", scene_path(s, "write/empty"), "tmpfs", 0UL, NULL);
}

static int
unmount_it(struct scene *s)
{
	return TRY(SYS_umount2, scene_path(s, "read"), MNT_DETACH);
}

static int
unlock_tree(struct scene *s)
{
	const struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

	return TRY(SYS_mount_setattr, s->read, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

static int
change_root(struct scene *s)
{
	int r = TRY(SYS_fchdir, s->read);

	return r < 0 ? r : TRY(SYS_chroot, ".");
}

static int
pivot(struct scene *s)
{
	int r = TRY(SYS_unshare, CLONE_NEWNS);

	if (r == 0)
		r = TRY(SYS_chdir, s->directory);
	return r < 0 ? r : TRY(SYS_pivot_root, ".", ".");
}

static int
enter_namespace(struct scene *s)
{
	return TRY(SYS_setns, s->namespace, CLONE_NEWNS);
}

static int
leave_users(struct scene *s)
{
	(void)s;
	return TRY(SYS_unshare, CLONE_NEWUSER);
}

static int
clone_with(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	return pid < 0 ? -errno : 0;
}

static int
clone_users(struct scene *s)
{
	(void)s;
	return clone_with(CLONE_NEWUSER | SIGCHLD);
}

/* --- ids, capabilities, what else confines ---------------------------------------------------- */

static int
become_root(struct scene *s)
{
	(void)s;
	return TRY(SYS_setresuid, 0, 0, 0);
}

static int
become_peer(struct scene *s)
{
	(void)s;
	return TRY(SYS_setresuid, PEER, PEER, PEER);
}

static int
take_group(struct scene *s)
{
	(void)s;
	return TRY(SYS_setresgid, 42, 42, 42);
}

static int
take_groups(struct scene *s)
{
	const gid_t group = 42;

	(void)s;
	return TRY(SYS_setgroups, 1, &group);
}

static int
be_another(struct scene *s)
{
	(void)s;
	syscall(SYS_setfsuid, OTHER_PEER);
	return syscall(SYS_setfsuid, -1) == OTHER_PEER ? 0 : -EPERM;
}

static int
hold_capability(unsigned inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	data[0].permitted = data[0].effective = CAP_TO_MASK(CAP_CHOWN);
	data[0].inheritable = inheritable;
	return TRY(SYS_capset, &header, data);
}

static int
take_capability(struct scene *s)
{
	(void)s;
	return hold_capability(0);
}

static int
keep_for_exec(struct scene *s)
{
	int r = hold_capability(CAP_TO_MASK(CAP_CHOWN));

	(void)s;
	return r < 0 ? r : TRY(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
}

static int
allow_tracing(struct scene *s)
{
	(void)s;
	return TRY(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int
outlive_broker(struct scene *s)
{
	(void)s;
	return TRY(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

/* A filter that tells its process, or what that executes, that it is root. */
static int
filter_with(unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ELEMENTS(code), .filter = code};

	return TRY(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int
lying_filter(struct scene *s)
{
	(void)s;
	return filter_with(0);
}

static int
listening_filter(struct scene *s)
{
	(void)s;
	return filter_with(SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static int
raise_core(struct scene *s)
{
	const struct rlimit one = {1, 1};

	(void)s;
	return TRY(SYS_prlimit64, 0, RLIMIT_CORE, &one, NULL);
}

static int
use_memory(struct scene *s)
{
	(void)s;
	return TRY(SYS_mmap, NULL, 1UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0UL);
}

/* --- new processes and new code --------------------------------------------------------------- */

static int
fork_one(struct scene *s)
{
	(void)s;
	return clone_with(SIGCHLD);
}

static int
end_thread(void *none)
{
	(void)none;
	syscall(SYS_exit, 0);
	return 0;
}

static int
start_thread(struct scene *s)
{
	static _Alignas(64) char stack[1 << 16];
	int pid = clone(end_thread, stack + sizeof(stack),
			CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				CLONE_SYSVSEM,
			NULL);

	(void)s;
	return pid < 0 ? -errno : 0;
}

static int
map_code(struct scene *s)
{
	(void)s;
	return TRY(SYS_mmap, NULL, 4096UL, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0UL);
}

static int
make_code(struct scene *s)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s;
	return page == MAP_FAILED ? -ACT_BROKEN
				  : TRY(SYS_mprotect, page, 4096UL, PROT_READ | PROT_EXEC);
}

static int
make_code_by_key(struct scene *s)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s;
	return page == MAP_FAILED ? -ACT_BROKEN
				  : TRY(SYS_pkey_mprotect, page, 4096UL, PROT_READ | PROT_EXEC, -1);
}

static int
memory_file(struct scene *s)
{
	(void)s;
	return TRY(SYS_memfd_create, "code", 0);
}

static int
be_executable(struct scene *s)
{
	(void)s;
	return TRY(SYS_personality, READ_IMPLIES_EXEC);
}

/* --- other ways into the kernel --------------------------------------------------------------- */

static int
ring(struct scene *s)
{
	struct io_uring_params parameters = {};

	(void)s;
	return TRY(SYS_io_uring_setup, 1, &parameters);
}

static int
add_key(struct scene *s)
{
	(void)s;
	return TRY(SYS_add_key, "user", "fdbroker-test", "x", 1UL, KEY_SPEC_PROCESS_KEYRING);
}

static int
find_keys(struct scene *s)
{
	(void)s;
	return TRY(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}

static int
load_map(struct scene *s)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	(void)s;
	return TRY(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int
count_events(struct scene *s)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_CPU_CLOCK};

	(void)s;
	return TRY(SYS_perf_event_open, &attr, 0, -1, -1, 0UL);
}

static int
fault_pages(struct scene *s)
{
	(void)s;
	return TRY(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */ | O_CLOEXEC);
}

static int
watch_files(struct scene *s)
{
	(void)s;
	return TRY(SYS_inotify_init1, 0);
}

static int
watch_all_files(struct scene *s)
{
	(void)s;
	return TRY(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
}

static int
make_timer(struct scene *s)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	int timer;

	(void)s;
	return TRY(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer);
}

#if defined(__x86_64__)
static int
call_of_32_bits(struct scene *s)
{
	long r = 20; /* getpid(2) */

	(void)s;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	return r < 0 ? (int)r : 0;
}
#else
static int
call_of_32_bits(struct scene *s)
{
	(void)s;
	return -ENOSYS;
}
#endif

const struct act acts_system[] = {
	{.group = "Sockets"},
	{"socket of AF_UNIX", .act = socket_unix},
	{"socketpair", .act = socket_pair},
	{"connect to a path", .act = connect_path},
	{"connect to an abstract name", .act = connect_abstract, .landlock_abi = 6},
	{"socket of AF_INET", .act = socket_inet},
	{"connect by TCP", .act = connect_tcp, .landlock_abi = 4},
	{"bind and listen by TCP", .act = listen_tcp, .landlock_abi = 4},
	{"send by UDP", .act = send_udp},
	{"socket of AF_NETLINK", .act = socket_netlink},
	{"accept", .act = accept_one},
	{"setsockopt", .act = set_option},
	{.group = "Mounts and namespaces"},
	{"fsopen", .act = file_system},
	{"open_tree, a clone", .act = clone_mount, .clones = true},
	{"move_mount", .act = attach_mount, .clones = true},
	{"mount", .act = mount_it},
	{"umount2", .act = unmount_it},
	{"mount_setattr: its own tree writable", .act = unlock_tree},
	{"chroot to a tree", .act = change_root},
	{"pivot_root", .act = pivot},
	{"setns", .act = enter_namespace},
	{"unshare: a user namespace", .act = leave_users},
	{"clone: a user namespace", .act = clone_users},
	{.group = "Ids, capabilities, limits, filters"},
	{"setresuid to root", .act = become_root},
	{"setresuid to the peer", .act = become_peer},
	{"setresgid", .act = take_group},
	{"setgroups", .act = take_groups},
	{"setfsuid to another peer", .act = be_another},
	{"capset: CAP_CHOWN", .act = take_capability},
	{"... also for what it executes (ambient)", .act = keep_for_exec},
	{"prctl PR_SET_DUMPABLE", .act = allow_tracing, .runtime = true},
	{"prctl PR_SET_PDEATHSIG: none", .act = outlive_broker, .runtime = true},
	{"seccomp: a filter that lies", .act = lying_filter},
	{"seccomp: a filter with a listener", .act = listening_filter},
	{"prlimit64: a higher limit", .act = raise_core},
	{"more memory than it may have", .act = use_memory, .runtime = true},
	{.group = "Processes and code"},
	{"fork", .act = fork_one},
	{"clone: a thread", .act = start_thread},
	{"mmap with PROT_EXEC", .act = map_code, .runtime = true},
	{"mprotect with PROT_EXEC", .act = make_code, .runtime = true},
	{"pkey_mprotect with PROT_EXEC", .act = make_code_by_key},
	{"memfd_create", .act = memory_file},
	{"personality READ_IMPLIES_EXEC", .act = be_executable},
	{.group = "Other calls"},
	{"io_uring_setup", .act = ring, .may_lack = true},
	{"add_key", .act = add_key, .may_lack = true},
	{"keyctl", .act = find_keys, .may_lack = true},
	{"bpf", .act = load_map, .may_lack = true},
	{"perf_event_open", .act = count_events, .may_lack = true},
	{"userfaultfd", .act = fault_pages, .may_lack = true},
	{"inotify_init1", .act = watch_files},
	{"fanotify_init", .act = watch_all_files, .may_lack = true},
	{"timer_create", .act = make_timer},
	{"a call of 32 bits (x86-64: int 0x80)", .act = call_of_32_bits, .may_lack = true},
};
const size_t n_acts_system = ELEMENTS(acts_system);
