/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the kernel, the policy image. Distrusts: the client's
 * bytes, and the file system beneath the trees.
 */
#include "broker/worker/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* O_LARGEFILE is 0 to a 64-bit program, but a client need not be one. */
#define LARGEFILE 0100000

enum {
	/* Flags that need no verb of their own. */
	FLAGS_PASSED = O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | LARGEFILE | O_SYNC |
		       O_DSYNC | O_DIRECT,
	FLAGS_WRITING = O_APPEND | O_TRUNC,
	FLAGS_CREATING = O_CREAT | O_EXCL,
};

/* Which verbs an open with these flags needs. 0: not an open for the broker. */
static unsigned
verbs_of_open(uint32_t flags)
{
	unsigned verbs = flags & FLAGS_WRITING ? POLICY_WRITE : 0;

	if (flags & ~(uint32_t)(O_ACCMODE | FLAGS_PASSED | FLAGS_WRITING | FLAGS_CREATING) ||
	    (flags & FLAGS_CREATING) == O_EXCL)
		return 0;
	verbs |= flags & O_CREAT ? POLICY_CREATE : 0;
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return flags & O_TRUNC ? 0 : verbs | POLICY_READ;
	case O_WRONLY:
		return verbs | POLICY_WRITE;
	case O_RDWR:
		return verbs | POLICY_READ | POLICY_WRITE;
	default:
		return 0;
	}
}

static unsigned
verbs_of(enum wire_operation operation, uint32_t flags)
{
	switch (operation) {
	case WIRE_OPEN:
		return verbs_of_open(flags);
	case WIRE_STAT:
		return flags & ~(uint32_t)AT_SYMLINK_NOFOLLOW ? 0 : POLICY_STAT;
	case WIRE_LIST:
		return flags ? 0 : POLICY_LIST;
	case WIRE_WHOAMI:
	default:
		return 0;
	}
}

int32_t
access_today(void)
{
	struct timespec now;

	/* From the vdso(7): no system call. */
	if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
		return INT32_MAX;
	return (int32_t)(now.tv_sec / (24 * 60 * 60));
}

/* The limits that we run into ourselves are none of the client's. */
static int
error_for_client(int r)
{
	return r == -EMFILE || r == -ENFILE ? EBUSY : -r;
}

/*
 * Put into path, of which the first `end` bytes name a symbolic link, what that link says. Where it goes
 * up, it goes up from the directory that it is in, which was found without following any link; behind a
 * name ".." could mean anything, and is in no canonical path. 0 or -ELOOP.
 */
static int
join(char *path, size_t *length, size_t end, const char *target, size_t n)
{
	char joined[POLICY_PATH_MAX + 1];
	size_t base = end;
	int written;

	while (path[--base] != '/')
		;
	if (n > 0 && target[0] == '/') {
		base = 0;
		target++;
		n--;
	}
	/* Behind the last name it asks for a directory. */
	while (n > 0 && target[n - 1] == '/' && end < *length)
		n--;
	while (n > 0 && target[0] == '.') {
		size_t dots = n > 1 && target[1] == '.' ? 2 : 1, step = dots < n ? dots + 1 : dots;

		if (dots < n && target[dots] != '/')
			break;
		while (dots == 2 && base > 0 && path[--base] != '/')
			;
		target += step;
		n -= step;
	}
	written = snprintf(joined, sizeof(joined), "%.*s%s%.*s%.*s", (int)base, path,
			   n > 0 ? "/" : "", (int)n, target, (int)(*length - end), path + end);
	if (written < 0 || (size_t)written >= sizeof(joined))
		return -ELOOP;
	if (written == 0)
		written = snprintf(joined, sizeof(joined), "/");
	if (!policy_path_is_canonical(joined, (size_t)written))
		return -ELOOP;
	memcpy(path, joined, (size_t)written + 1);
	*length = (size_t)written;
	return 0;
}

/* The path that the link names, to be decided on anew. 0 or as access_open(). */
static int
follow(struct access *a)
{
	char target[POLICY_PATH_MAX];
	struct stat status;
	struct place link;
	ssize_t n = place_read_link(&a->place, target, sizeof(target), &link, &status);
	int r;

	if (n < 0)
		return (int)n;
	if (link.length == a->path_length && a->flags & O_EXCL)
		return -EEXIST;
	if (link.length == a->path_length && a->flags & O_NOFOLLOW)
		return -ELOOP;
	if ((size_t)n == sizeof(target))
		return -ELOOP;
	r = access_link_holds(a, &link, &status);
	/* Meanwhile there is one above it. */
	if (r == PLACE_LINK)
		return -EAGAIN;
	return r == 0 ? join(a->path, &a->path_length, link.length, target, (size_t)n) : r;
}

static int
act(struct access *a)
{
	switch (a->operation) {
	case WIRE_OPEN:
		return access_open(a);
	case WIRE_STAT:
		return access_stat(a);
	case WIRE_LIST:
		return access_list(a);
	case WIRE_WHOAMI:
	default:
		return -EINVAL;
	}
}

/* What came of one rule, for the client if it is the last. True: another rule, or path, may do. */
static bool
goes_on(struct access *a, int r, struct policy_request *request, unsigned *links)
{
	a->event.outcome = IPC_FAILED;
	switch (r) {
	case PLACE_STALE:
		a->retry = true;
		return false;
	case PLACE_UNMET:
		a->event.error = EACCES;
		return true;
	case PLACE_LINK:
		a->event.error = ELOOP;
		if (!a->options->symlinks_beneath)
			return true;
		if (++*links > ACCESS_LINKS_MAX)
			return false;
		r = follow(a);
		if (r == PLACE_UNMET) {
			a->event.error = EACCES;
			return true;
		}
		if (r != 0)
			break;
		request->length = a->path_length;
		request->from = 0;
		a->event.error = EACCES;
		a->event.outcome = IPC_DENIED;
		return true;
	case 0:
		a->event.outcome = IPC_GRANTED;
		break;
	default:
		break;
	}
	a->event.error = (uint32_t)error_for_client(r);
	return false;
}

/*
 * Ask the policy, and do what it permits. Where several rules do, one whose conditions hold is
 * enough.
 */
static void
try_rules(struct access *a)
{
	const struct setup *setup = a->server->setup;
	struct policy_request request = {
		.path = a->path,
		.length = a->path_length,
		.verbs = a->verbs,
		.day = access_today(),
	};
	unsigned links = 0;
	int r;

	do {
		struct policy_decision decision;
		struct policy_rule rule;

		policy_decide(setup->image, &setup->identity, &request, &decision);
		if (decision.verdict == POLICY_DENY) {
			/* Else it is a rule with a condition that did not hold. */
			if (request.from == 0)
				a->event.rule = decision.rule;
			if (request.from == 0 && decision.rule != POLICY_NO_RULE) {
				policy_rule_describe(setup->image, decision.rule, &rule);
				a->because = rule.because;
			}
			return;
		}
		a->event.rule = decision.rule;
		a->event.condition = IPC_CONDITION_NONE;
		a->options = policy_rule_options(setup->image, decision.rule);
		request.from = decision.next;
		r = place_find(a->server->trees, &decision, a->path, a->path_length, &a->place);
		if (r == -EACCES)
			return;
		if (r == 0)
			r = act(a);
	} while (goes_on(a, r, &request, &links));
}

/*
 * Whoever is refused in any case is decided on as nobody, so that the time that it takes is that of
 * any other refusal.
 */
static void
refuse(struct access *a)
{
	static const struct policy_identity nobody = {};
	const struct setup *setup = a->server->setup;
	const struct policy_request request = {.path = a->path,
					       .length = a->path_length,
					       .verbs = a->verbs,
					       .day = access_today()};
	struct policy_decision decision;

	if (setup->image)
		policy_decide(setup->image, &nobody, &request, &decision);
	a->event.error = a->client->refusal;
}

/* Is this decision to be on record? */
static bool
is_recorded(struct access *a)
{
	const struct audit_event *event = &a->event;

	/* A client that waits for a lease asks again and again. */
	if (event->error == EAGAIN)
		return !audit_seen(&a->client->seen, event);
	if (event->outcome != IPC_GRANTED)
		return true;
	switch (policy_rule_options(a->server->setup->image, event->rule)->audit) {
	case POLICY_AUDIT_DENY:
		return false;
	case POLICY_AUDIT_ALL:
		return true;
	case POLICY_AUDIT_FIRST:
	default:
		return !audit_seen(&a->client->seen, event);
	}
}

void
access_file(const struct server *server, struct client *client, enum wire_operation operation,
	    const struct wire_file *file, struct statx *status, struct access *ret_access)
{
	struct access *a = ret_access;

	a->server = server;
	a->client = client;
	a->operation = operation;
	a->flags = file->flags;
	a->mode = file->mode;
	a->from = file->from;
	a->verbs = verbs_of(operation, file->flags);
	a->fd = -1;
	a->retry = a->created = a->is_led = false;
	a->because = NULL;
	a->status = status;
	a->length = 0;
	a->next = 0;
	a->event = (struct audit_event){
		.connection = client->number,
		.error = EACCES,
		.flags = file->flags,
		.verbs = a->verbs,
		.path = file->path,
		.path_length = file->path_length,
		.rule = POLICY_NO_RULE,
	};
	if (a->verbs == 0 || !policy_path_is_canonical(file->path, file->path_length)) {
		a->event.error = EINVAL;
	} else {
		memcpy(a->path, file->path, file->path_length);
		a->path[file->path_length] = '\0';
		a->path_length = file->path_length;
		if (client->refusal)
			refuse(a);
		else if (server->setup->image)
			try_rules(a);
		/* The record has both. */
		if (a->path_length != file->path_length ||
		    memcmp(a->path, file->path, a->path_length) != 0) {
			a->event.asked = file->path;
			a->event.asked_length = file->path_length;
			a->event.path = a->path;
			a->event.path_length = a->path_length;
		}
	}
	if (a->retry)
		return;
	if (a->event.error == EACCES)
		a->event.outcome = IPC_DENIED;
	if (is_recorded(a))
		audit_write(server->setup->image, &a->event);
}
