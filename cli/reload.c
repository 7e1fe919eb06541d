/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "cli.h"
#include "text.h"

enum {
	RELOAD_TIMEOUT_MS = 30000,
	RELOAD_EVERY_MS = 20,
};

static pid_t
broker_pid(const struct admin_status *status)
{
	int64_t pid = admin_integer(status->json, "pid", 0);

	return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static const json_t *
load_of(const struct admin_status *status)
{
	return json_object_get(status->json, "load");
}

static bool
is_busy(const struct admin_status *status)
{
	return json_is_true(json_object_get(load_of(status), "busy"));
}

static size_t
count_draining(const struct admin_status *status, bool say)
{
	const json_t *worker;
	size_t i, n = 0;

	json_array_foreach(json_object_get(status->json, "workers"), i, worker)
	{
		if (strcmp(admin_string(worker, "state", ""), "draining") != 0)
			continue;
		n++;
		if (say)
			cli_error("worker %" PRId64 " (uid %" PRId64 ", pid %" PRId64
				  ") has not finished",
				  admin_integer(worker, "id", -1), admin_integer(worker, "uid", -1),
				  admin_integer(worker, "pid", -1));
	}
	return n;
}

/*
 * A broker in a container says a pid of its own namespace, and that number is another process here.
 * The maker of the socket, whose pid the kernel translates, is the broker itself or the manager it
 * was started by.
 */
static bool
pid_is_ours(const struct admin_status *status)
{
	_cleanup_free_ char *path = cli_format("/proc/%d/ns/pid", status->server.pid);
	struct stat theirs, ours;

	if (status->server.pid == broker_pid(status))
		return true;
	if (status->server.pid == 0)
		return false;
	if (stat(path, &theirs) < 0 || stat("/proc/self/ns/pid", &ours) < 0)
		return errno == ENOENT; /* whoever made it has ended: nothing says otherwise */
	return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/*
 * Read the status until no load is under way, or until deadline: one that begins afterwards sees
 * every file that was changed before this command began, whoever asked for it.
 */
static int
read_idle(const char *path, int64_t deadline, struct admin_status *ret_status)
{
	for (;;) {
		int r = admin_read(path, admin_now() + ADMIN_TIMEOUT_MS, ret_status);

		if (r != ADMIN_READ || !is_busy(ret_status) || admin_now() >= deadline)
			return r;
		admin_clear(ret_status);
		(void)poll(NULL, 0, RELOAD_EVERY_MS);
	}
}

/* Signal the process that the status names, surely no other. CLI_YES, or CLI_NO after saying why. */
static int
send_hangup(const char *path, int64_t deadline, struct admin_status *status)
{
	pid_t pid = broker_pid(status);
	_cleanup_close_ int fd = -1;
	int r;

	if (pid == 0 || !pid_is_ours(status)) {
		cli_error(
			"%s: cannot tell which process here is the broker; signal it where it runs",
			path);
		return CLI_NO;
	}
	fd = pidfd_open(pid, 0);
	if (fd < 0) {
		cli_error("pid %d: %s", pid, strerror(errno));
		return CLI_NO;
	}

	/* Who answers as this pid now is the process of fd, or that one has ended. */
	admin_clear(status);
	r = read_idle(path, deadline, status);
	if (r != ADMIN_READ) {
		admin_explain(path, r);
		return CLI_NO;
	}
	if (broker_pid(status) != pid) {
		cli_error(
			"the broker was started anew just now, as pid %d, and has read its policy",
			broker_pid(status));
		return CLI_NO;
	}
	if (is_busy(status)) {
		cli_error("another load has been under way for %d seconds",
			  RELOAD_TIMEOUT_MS / 1000);
		return CLI_NO;
	}
	if (pidfd_send_signal(fd, SIGHUP, NULL, 0) < 0) {
		cli_error("pid %d: %s", pid, strerror(errno));
		return CLI_NO;
	}
	return CLI_YES;
}

/* Wait for the load that began after serial. */
static int
wait_for_load(const char *path, int64_t deadline, pid_t pid, int64_t serial,
	      struct admin_status *ret_status)
{
	for (;;) {
		int r;

		(void)poll(NULL, 0, RELOAD_EVERY_MS);
		r = admin_read(path, admin_now() + ADMIN_TIMEOUT_MS, ret_status);
		if (r != ADMIN_READ) {
			admin_explain(path, r);
			return CLI_NO;
		}
		if (broker_pid(ret_status) != pid) {
			cli_error(
				"the broker, pid %d, ended while it loaded; another runs as pid %d",
				pid, broker_pid(ret_status));
			return CLI_NO;
		}

		bool loaded = admin_integer(load_of(ret_status), "serial", 0) > serial &&
			      !is_busy(ret_status);

		if (loaded && count_draining(ret_status, false) == 0)
			return CLI_YES;
		if (admin_now() >= deadline) {
			cli_error("not finished after %d seconds%s", RELOAD_TIMEOUT_MS / 1000,
				  loaded ? "" : ": the policy is still being loaded");
			(void)count_draining(ret_status, true);
			return CLI_NO;
		}
		admin_clear(ret_status);
	}
}

static int
report(const struct admin_status *status)
{
	int64_t generation = admin_integer(status->json, "generation", 0);
	int64_t rules = admin_integer(status->json, "rules", 0);

	cli_block(stderr, "", admin_string(load_of(status), "messages", ""));
	if (json_is_true(json_object_get(load_of(status), "ok"))) {
		cli_line(stdout, "policy generation %" PRId64 " is in force, %" PRId64 " rule%s",
			 generation, rules, rules == 1 ? "" : "s");
		return CLI_YES;
	}
	if (generation > 0)
		cli_error("the policy did not load; the old one is kept (generation %" PRId64 ")",
			  generation);
	else
		cli_error("the policy did not load; none is in force, everything is denied");
	return CLI_USAGE;
}

int
cli_reload(const struct cli_args *args)
{
	const char *path = cli_admin_path(args);
	int64_t deadline = admin_now() + RELOAD_TIMEOUT_MS, serial;
	struct admin_status status = {0};
	pid_t pid;
	int r = admin_read(path, admin_now() + ADMIN_TIMEOUT_MS, &status);

	if (r != ADMIN_READ) {
		admin_explain(path, r);
		return CLI_NO;
	}
	r = send_hangup(path, deadline, &status);
	if (r == CLI_YES) {
		serial = admin_integer(load_of(&status), "serial", 0);
		pid = broker_pid(&status);
		admin_clear(&status);
		r = wait_for_load(path, deadline, pid, serial, &status);
	}
	if (r == CLI_YES)
		r = report(&status);
	admin_clear(&status);
	return r;
}
