/* SPDX-License-Identifier: MIT */
/*
 * Runs in: broker. Has the policy compiled by a process that owns nothing, validates what comes
 * back, puts it into force. Distrusts: the compiler, whose image cannot change any more when it is
 * looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/daemon/daemon.h"
#include "policy/dropin.h"

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * In a child, which a directory that hangs may keep: open the files with the broker's privileges,
 * then become the compiler without any.
 */
static void __attribute__((noreturn)) become_compiler(struct broker *b)
{
	static int fds[2 + POLICY_FILES_MAX];
	static char *argv[3 + POLICY_FILES_MAX + 1];
	static char errors[32];
	struct spawn spawn = {
		.helper = HELPER_COMPILE, .unprivileged = true, .fds = fds, .argv = argv};
	struct policy_diag diag = {.out = fdopen(dup(b->load.messages), "w")};
	struct policy_files files = {};
	size_t n = 0;
	int r;

	workers_abandon(b);
	if (!diag.out)
		_exit(2);
	r = policy_files_open(b->options.policy, b->options.n_policy, POLICY_TRUST_STRICT, &diag,
			      &files);
	if (r < 0 && r != -EBADMSG)
		_exit(2);
	fflush(diag.out);
	argv[n++] = (char *)"fdbroker-compile";
	if (diag.errors > 0) {
		snprintf(errors, sizeof(errors), "%lu", diag.errors);
		argv[n++] = (char *)"--errors";
		argv[n++] = errors;
	}
	fds[spawn.n_fds++] = b->load.image;
	fds[spawn.n_fds++] = b->load.messages;
	for (size_t i = 0; i < files.n; i++) {
		argv[n++] = files.files[i].path;
		fds[spawn.n_fds++] = files.files[i].fd;
	}
	spawn_exec(b, &spawn);
}

static void
ended(struct load *load, bool ok)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	load->time = now.tv_sec;
	load->serial++;
	load->ok = ok;
}

void
load_begin(struct broker *b)
{
	struct load *load = &b->load;

	if (load->pid > 0) {
		load->again = true;
		return;
	}
	load->again = false;
	load->image = memfd_create("fdbroker-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	load->messages = memfd_create("fdbroker-messages", MFD_CLOEXEC);
	load->pid = load->image < 0 || load->messages < 0 ? -1 : fork();
	if (load->pid == 0)
		become_compiler(b);
	if (load->pid < 0) {
		load->n_text = (size_t)snprintf(load->text, sizeof(load->text),
						"cannot compile the policy: %s\n", strerror(errno));
		say("cannot compile the policy: %s", strerror(errno));
		close_fd(&load->image);
		close_fd(&load->messages);
		load->pid = 0;
		ended(load, false);
		return;
	}
	load->deadline = now_ms() + COMPILE_MS;
	wake_at(b, load->deadline);
}

/* Put an image into force. It is sealed first, which fails while anybody could still write to it.
 */
static int
take_image(struct broker *b)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct policy_image *image = NULL;
	int r;

	if (fcntl(b->load.image, F_ADD_SEALS, seals) < 0)
		return -errno;
	r = policy_image_map(b->load.image, &image);
	if (r < 0)
		return r;
	policy_image_free(b->image);
	close_fd(&b->image_fd);
	b->image = image;
	b->image_fd = b->load.image;
	b->load.image = -1;
	b->generation++;
	/* From here on no worker of an older policy gives anything any more. */
	atomic_store_explicit(&b->page->generation, b->generation, memory_order_release);
	peer_find_any(b);
	workers_finish_all(b, false);
	return 0;
}

static void
read_messages(struct load *load)
{
	ssize_t n = pread(load->messages, load->text, sizeof(load->text), 0);

	load->n_text = n < 0 ? 0 : (size_t)n;
	close_fd(&load->messages);
}

bool
load_reap(struct broker *b, pid_t pid, int status)
{
	struct load *load = &b->load;
	const char *kept = b->image ? "the policy in force stays" : "everything is denied";
	int r;

	if (pid != load->pid)
		return false;
	load->pid = 0;
	ended(load, false);
	read_messages(load);
	if (WIFSIGNALED(status)) {
		say("the policy compiler died of signal %d; %s", WTERMSIG(status), kept);
	} else if (WEXITSTATUS(status) != 0) {
		say("the policy did not load; %s", kept);
	} else {
		r = take_image(b);
		load->ok = r == 0;
		if (r == 0)
			say("policy generation %llu is in force: %u rules",
			    (unsigned long long)b->generation, policy_image_rules(b->image));
		else
			say("the policy compiler's image is refused (%s); %s", strerror(-r), kept);
	}
	close_fd(&load->image);
	if (load->again)
		load_begin(b);
	return true;
}

void
load_tick(struct broker *b, int64_t now)
{
	if (b->load.pid <= 0)
		return;
	if (b->load.deadline > now) {
		wake_at(b, b->load.deadline);
		return;
	}
	say("compiling the policy takes more than %d s", COMPILE_MS / 1000);
	kill(b->load.pid, SIGKILL);
}
