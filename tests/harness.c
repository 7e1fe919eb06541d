/* SPDX-License-Identifier: MIT */
#include "tests/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/sys.h"
#include "broker/worker/serve.h"

bool
needs_root(void)
{
	const char *ci = getenv("CI");

	if (geteuid() == 0)
		return false;
	if (ci && strcmp(ci, "true") == 0)
		fail_msg("needs root, and with CI=true nothing is left out");
	puts("# needs root: left out");
	return true;
}

int
count_fds(pid_t pid)
{
	char path[32] = "/proc/self/fd";
	struct dirent *entry;
	DIR *directory;
	int n = 0;

	if (pid != 0)
		snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	if (!directory)
		return -1;
	while ((entry = readdir(directory)))
		n += entry->d_name[0] != '.';
	closedir(directory);
	return pid == 0 ? n - 1 : n;
}

void
sleep_ms(unsigned ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool
kernel_can_refuse(void)
{
	const int off = 0;
	int pair[2];
	bool can;

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	can = setsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) == 0;
	close(pair[0]);
	close(pair[1]);
	return can;
}

static char made[128][64];
static size_t n_made;
static pid_t maker;

/* What a failed test leaves behind. */
static void
remove_all(void)
{
	for (size_t i = 0; i < n_made && getpid() == maker; i++)
		remove_directory(made[i]);
}

void
make_directory(char directory[64])
{
	const char *parent = getenv("TMPDIR");

	if (n_made == 0) {
		maker = getpid();
		atexit(remove_all);
	}
	snprintf(directory, 64, "%.30s/fdbroker-test.XXXXXX",
		 parent && strlen(parent) <= 30 ? parent : "/tmp");
	assert_non_null(mkdtemp(directory));
	assert_return_code(chmod(directory, 0755), errno);
	assert_true(n_made < ELEMENTS(made));
	memcpy(made[n_made++], directory, sizeof(made[0]));
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status, (void)type, (void)where;
	return remove(path);
}

void
make_own_tmpdir(void)
{
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	assert_return_code(mount("tests", "/mnt", "tmpfs", 0, "mode=0755"), errno);
	assert_return_code(setenv("TMPDIR", "/mnt", 1), errno);
}

void
remove_directory(const char *directory)
{
	if (directory[0] == '/')
		nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
write_file(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

/*
 * --- a broker -----------------------------------------------------------------------------------
 */

static struct harness *running;
static pid_t starter;

static void
stop_running(void)
{
	if (running && getpid() == starter)
		(void)harness_stop(running);
}

/* The rules of every broker, and more, in which @ stands for the directory. */
static void
write_policy(const struct harness *h, const char *more)
{
	unsigned uid = geteuid();
	char path[128], *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	fprintf(file,
		"policy 1\n"
		"allow user:%u read %s/data/** %s/data/..x\n"
		"allow user:%u read,write %s/rw/*\n",
		uid, h->directory, h->directory, uid, h->directory);
	for (const char *c = more; c && *c; c++) {
		if (*c == '@')
			fputs(h->directory, file);
		else
			fputc(*c, file);
	}
	assert_int_equal(fclose(file), 0);
	snprintf(path, sizeof(path), "%s/policy/test.policy", h->directory);
	write_file(path, text);
	free(text);
}

static void
make_files(struct harness *h, const struct harness_how *how)
{
	static const char *const directories[] = {"policy", "data", "data2", "rw", "who"};
	static const char *const files[] = {"data/file", "data/..x", "data2/file", "rw/file"};
	char path[128];

	make_directory(h->directory);
	snprintf(h->socket, sizeof(h->socket), "%s/socket", h->directory);
	snprintf(h->file, sizeof(h->file), "%s/data/file", h->directory);
	snprintf(h->log, sizeof(h->log), "%s/log", h->directory);
	for (size_t i = 0; i < ELEMENTS(directories); i++) {
		snprintf(path, sizeof(path), "%s/%s", h->directory, directories[i]);
		assert_return_code(mkdir(path, 0755), errno);
	}
	for (size_t i = 0; i < ELEMENTS(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", h->directory, files[i]);
		write_file(path, files[i]);
	}
	for (const char *const *name = how->files; name && *name; name++) {
		snprintf(path, sizeof(path), "%s/who/%s", h->directory, *name);
		write_file(path, *name);
	}
	write_policy(h, how->rules);
}

/* What setsockopt(2) says of an option that the kernel does not know. */
static int
hide_passrights(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(setsockopt),
					  2, SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
					  SCMP_A2(SCMP_CMP_EQ, SO_PASSRIGHTS))
		       : -ENOMEM;

	return r < 0 ? r : seccomp_load(filter);
}

static void __attribute__((noreturn))
become_broker(const struct harness *h, const struct harness_how *how)
{
	const char *build = getenv("BUILD");
	char self[PATH_MAX] = "", program[PATH_MAX + 16], policy[96];
	int log = open(h->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* The test is build/tests/attack/test-x. */
	if (!build && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		build = dirname(dirname(dirname(self)));
	snprintf(program, sizeof(program), "%s/fdbrokerd", build ? build : "build");
	snprintf(policy, sizeof(policy), "%s/policy", h->directory);
	if (log < 0 || dup2(log, STDERR_FILENO) < 0 || (how->old_kernel && hide_passrights() < 0) ||
	    (how->prepare && how->prepare(how->context) < 0))
		_exit(126);
	execl(program, "fdbrokerd", "--socket", h->socket, "--policy", policy,
	      how->user ? "--user" : NULL, how->user, NULL);
	dprintf(STDERR_FILENO, "cannot run %s\n", program);
	_exit(127);
}

bool
log_says(const struct harness *h, const char *words)
{
	FILE *log = fopen(h->log, "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (log && !found && getline(&line, &room, log) >= 0)
		found = strstr(line, words) != NULL;
	free(line);
	if (log)
		fclose(log);
	return found;
}

static void
show_log(const struct harness *h)
{
	FILE *log = fopen(h->log, "re");
	char line[256];

	while (log && fgets(line, sizeof(line), log))
		printf("# %s", line);
	if (log)
		fclose(log);
}

void
harness_start_how(struct harness *h, const struct harness_how *how)
{
	int alone;

	*h = (struct harness){};
	make_files(h, how);
	running = h;
	starter = getpid();
	atexit(stop_running);
	fflush(NULL);
	h->pid = fork();
	assert_return_code(h->pid, errno);
	if (h->pid == 0)
		become_broker(h, how);
	for (int i = 0; !log_says(h, "listening on"); i++) {
		if (i > WAIT_SECONDS * 100 || waitpid(h->pid, NULL, WNOHANG) != 0) {
			show_log(h);
			fail_msg("the broker does not start");
		}
		sleep_ms(10);
	}
	/* The refuser of the time before the policy ends first. */
	for (int i = 0; i < WAIT_SECONDS * 100 && has_draining(h); i++)
		sleep_ms(10);
	alone = count_fds(h->pid);
	assert_served(h);
	h->worker = worker_of(h, geteuid());
	h->found = seconds_now();
	assert_true(h->worker > 0);
	/* Until it has seen our connection end. */
	sleep_ms(100);
	h->broker_fds = count_fds(h->pid);
	h->worker_fds = geteuid() == 0 ? count_fds(h->worker) : -1;
	h->per_worker = h->broker_fds - alone;
	h->n_workers = count_workers(h);
}

void
harness_start(struct harness *h, bool old_kernel)
{
	harness_start_how(h, &(struct harness_how){.old_kernel = old_kernel});
}

int
harness_stop(struct harness *h)
{
	int status = -1, i = 0;

	if (h->pid > 0) {
		kill(h->pid, SIGTERM);
		while (waitpid(h->pid, &status, WNOHANG) == 0) {
			if (i++ > WAIT_SECONDS * 100)
				kill(h->pid, SIGKILL);
			sleep_ms(10);
		}
	}
	h->pid = 0;
	running = NULL;
	remove_directory(h->directory);
	h->directory[0] = '\0';
	return status;
}

void
assert_clean_end(struct harness *h)
{
	assert_undisturbed(h);
	if (log_says(h, "died") || log_says(h, "killed") || log_says(h, "stopped serving") ||
	    log_says(h, "ERROR: ")) {
		show_log(h);
		fail_msg("a part of the broker ended before its time");
	}
	assert_int_equal(harness_stop(h), 0);
}

void
assert_served_on(const struct harness *h, int socket)
{
	struct stat wanted, got;
	int fd = -1;

	assert_int_equal(raw_open(socket, O_RDONLY, h->file, strlen(h->file), &fd), 0);
	assert_return_code(stat(h->file, &wanted), errno);
	assert_return_code(fstat(fd, &got), errno);
	close(fd);
	assert_true(wanted.st_dev == got.st_dev && wanted.st_ino == got.st_ino);
}

void
assert_served(const struct harness *h)
{
	int socket = raw_connect(h);

	assert_served_on(h, socket);
	close(socket);
}

void
assert_renewed(struct harness *h)
{
	pid_t before = h->worker;

	/* The next one may have been sent some too, and makes way in its turn. */
	for (int i = 0; i < WAIT_SECONDS * 100; i++) {
		assert_served(h);
		h->worker = worker_of(h, geteuid());
		h->found = seconds_now();
		if (h->worker > 0 && h->worker != before &&
		    (geteuid() != 0 || count_fds(h->worker) == h->worker_fds))
			break;
		sleep_ms(10);
	}
	assert_int_not_equal(h->worker, before);
	assert_undisturbed(h);
}

void
assert_undisturbed(const struct harness *h)
{
	int in_broker = -1, worker = -1;

	/* Ends of connections take a moment to be noticed. */
	for (int i = 0; i < 1500; i++) {
		in_broker = count_fds(h->pid) -
			    h->per_worker * ((int)count_workers(h) - (int)h->n_workers);
		worker = geteuid() == 0 ? count_fds(h->worker) : -1;
		if (in_broker == h->broker_fds && worker == h->worker_fds)
			break;
		sleep_ms(2);
	}
	if (worker_of(h, geteuid()) != 0 || (seconds_now() - h->found) * 1000 < SERVE_IDLE_MS) {
		assert_int_equal(worker_of(h, geteuid()), h->worker);
		assert_int_equal(worker, h->worker_fds);
	}
	assert_int_equal(in_broker, h->broker_fds);
	assert_known_undisturbed(h);
}

pid_t
helper_of(const struct harness *h, const char *wanted)
{
	char path[64], line[64];
	pid_t pid, found = 0;
	FILE *children, *command;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", h->pid, h->pid);
	children = fopen(path, "re");
	assert_non_null(children);
	while (found == 0 && fscanf(children, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		command = fopen(path, "re");
		if (!command)
			continue;
		if (fgets(line, sizeof(line), command) && strcmp(line, wanted) == 0)
			found = pid;
		fclose(command);
	}
	fclose(children);
	return found;
}

struct harness broker;

int
harness_setup(void **state)
{
	(void)state;
	harness_start(&broker, false);
	return 0;
}

int
harness_teardown(void **state)
{
	(void)state;
	if (broker.pid > 0)
		(void)harness_stop(&broker);
	return 0;
}

void
harness_test_end(void **state)
{
	(void)state;
	assert_clean_end(&broker);
}
