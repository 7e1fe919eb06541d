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
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "broker/daemon/daemon.h"

/* Put no more into it, whoever still has it, and take nothing out. */
static const int all_seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

/* Messages that somebody can still write are not shown. */
static void
ended(struct broker *b)
{
	struct load *load = &b->load;

	if (load->messages >= 0 && fcntl(load->messages, F_ADD_SEALS, all_seals) < 0)
		close_fd(&load->messages);
	b->status.load_time = time(NULL);
	b->status.loads++;
	b->status.load_ok = false; /* until an image is in force */
	close_fd(&load->shown_messages);
	load->shown_messages = load->messages;
	load->messages = -1;
	logger_tell_messages(b);
}

void
load_begin(struct broker *b)
{
	struct load *load = &b->load;
	int fds[2], r;

	load->again = load->pid > 0;
	if (load->again)
		return;
	fds[0] = load->image = memfd_create("fdbroker-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fds[1] = load->messages =
		memfd_create("fdbroker-messages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = fds[0] < 0 || fds[1] < 0 ? -errno : spawn_helper(b, HELPER_COMPILE, fds, 2, NULL);
	if (r < 0) {
		warnx("cannot compile the policy: %s", strerror(-r));
		dprintf(load->messages, "cannot compile the policy: %s\n", strerror(-r));
		close_fd(&load->image);
		ended(b);
		return;
	}
	load->pid = r;
	load->deadline = now_ms() + COMPILE_MS;
	wake_at(b, load->deadline);
}

/*
 * Put an image into force. It is sealed first, which fails while anybody could still write to it.
 */
static int
take_image(struct broker *b)
{
	struct policy_image *image = NULL;
	int r;

	if (fcntl(b->load.image, F_ADD_SEALS, all_seals) < 0)
		return -errno;
	r = policy_image_map(b->load.image, &image);
	if (r < 0)
		return r;
	policy_image_free(b->image);
	close_fd(&b->image_fd);
	b->image = image;
	b->status.rules = policy_image_rules(image);
	b->image_fd = b->load.image;
	b->load.image = -1;
	b->status.generation++;
	/* From here on no worker of an older policy gives anything any more. */
	atomic_store_explicit(&b->page->generation, b->status.generation, memory_order_release);
	peer_find_any(b);
	workers_finish_all(b);
	return 0;
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
	ended(b);
	if (status != 0) {
		warnx("the policy did not load%s; %s",
		      WIFSIGNALED(status) ? ": its compiler was killed" : "", kept);
	} else {
		r = take_image(b);
		b->status.load_ok = r == 0;
		if (r == 0)
			warnx("policy generation %llu is in force, number of rules: %u",
			      (unsigned long long)b->status.generation,
			      policy_image_rules(b->image));
		else
			warnx("the policy compiler's image is refused (%s); %s", strerror(-r),
			      kept);
	}
	close_fd(&load->image);
	if (load->again)
		load_begin(b);
	return true;
}

void
load_tick(struct broker *b, int64_t now)
{
	if (b->load.pid <= 0 || !is_due(b, b->load.deadline, now))
		return;
	warnx("compiling the policy takes more than %d s", COMPILE_MS / 1000);
	kill(b->load.pid, SIGKILL);
	b->load.deadline = INT64_MAX;
}
