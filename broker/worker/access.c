/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the kernel, the policy image. Distrusts: the client's
 * bytes, and the file system beneath the trees.
 */
#include "broker/worker/access.h"

#include <errno.h>
#include <fcntl.h>
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

/* Days since 1970-01-01, UTC. */
static int32_t
today(void)
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

/* Put into a->path, of which the first `end` bytes name a symbolic link, what that link says. 0 or -ELOOP. */
static int
join(struct access *a, size_t end, const char *target, size_t n)
{
	enum policy_link_end asks =
		end == a->path_length ? policy_link_end(target, n) : POLICY_LINK_ANY;

	if (!policy_link_join(a->path, &a->path_length, end, target, n))
		return -ELOOP;
	a->asks_directory |= asks != POLICY_LINK_ANY;
	if (asks == POLICY_LINK_INSIDE)
		a->flags &= ~(uint32_t)O_CREAT;
	return 0;
}

/* The path that the link names, to be decided on anew. 0 or as access_open(). */
static int
follow(struct access *a)
{
	char target[POLICY_PATH_MAX];
	struct stat status;
	struct place link;
	size_t n = 0;
	int r = place_read_link(&a->place, target, sizeof(target), &n, &link, &status);

	if (r != 0)
		return r;
	if (link.length == a->path_length && a->flags & O_EXCL)
		return -EEXIST;
	if (link.length == a->path_length && a->flags & O_NOFOLLOW)
		return -ELOOP;
	if (n == sizeof(target))
		return -ELOOP;
	r = access_link_holds(a, &link, &status);
	return r == 0 ? join(a, link.length, target, n) : r;
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

/* A link where the rule lets it be followed. True: there is something to decide on. */
static bool
follow_on(struct access *a, struct policy_request *request, int *r)
{
	if (!a->options->symlinks_beneath || ++a->n_links > ACCESS_LINKS_MAX ||
	    ++*a->n_links_of_all > ACCESS_LINKS_OF_ALL_MAX) {
		*r = -ELOOP;
		/* Another rule may let it. */
		return !a->options->symlinks_beneath;
	}
	*r = follow(a);
	if (*r == PLACE_LINK)
		*r = PLACE_AGAIN;
	if (*r != 0)
		return false;
	request->length = a->path_length;
	request->from = 0;
	return true;
}

/*
 * What came of one rule, for the client if it is the last. True: the policy is asked again, from
 * request->from on. from: what that was.
 */
static bool
goes_on(struct access *a, int r, struct policy_request *request, uint32_t from)
{
	bool more = r == PLACE_LINK && follow_on(a, request, &r);

	a->event.outcome = r == 0 && !more ? IPC_GRANTED : IPC_FAILED;
	switch (r) {
	case PLACE_STALE:
		a->retry = true;
		return false;
	case PLACE_UNMET:
		a->event.error = EACCES;
		return true;
	case PLACE_AGAIN:
		a->event.error = EAGAIN;
		request->from = from;
		return ++a->n_tries < ACCESS_TRIES;
	default:
		/* Where a link leads, nothing permits it so far. */
		a->event.error = r == 0 && more ? EACCES : (uint32_t)error_for_client(r);
		return more;
	}
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
		.day = a->day,
	};
	uint32_t from;
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
		a->event.object = (struct policy_directory){};
		a->options = policy_rule_options(setup->image, decision.rule);
		from = request.from;
		request.from = decision.next;
		r = place_find(a->server->trees, &decision, a->path, a->path_length, &a->place);
		if (r == -EACCES)
			return;
		if (r == 0)
			r = act(a);
	} while (goes_on(a, r, &request, from));
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
	const struct policy_request request = {
		.path = a->path, .length = a->path_length, .verbs = a->verbs, .day = a->day};
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

static void
decide(struct access *a, const struct wire_file *file)
{
	memcpy(a->path, file->path, file->path_length);
	a->path[file->path_length] = '\0';
	a->path_length = file->path_length;
	if (a->client->refusal)
		refuse(a);
	else if (a->server->setup->image)
		try_rules(a);
	if (a->path_length == file->path_length && memcmp(a->path, file->path, a->path_length) == 0)
		return;
	/* The record has both. */
	a->event.asked = file->path;
	a->event.asked_length = file->path_length;
	a->event.path = a->path;
	a->event.path_length = a->path_length;
}

/* All but who asks: nothing is left of the file before. */
static void
begin(struct access *a, const struct wire_file *file)
{
	a->flags = file->flags;
	a->mode = file->mode;
	a->from = file->from;
	a->verbs = verbs_of(a->operation, file->flags);
	a->day = today();
	a->fd = -1;
	a->n_links = a->n_tries = 0;
	a->retry = a->created = a->asks_directory = false;
	a->led = (struct policy_led){};
	a->because = NULL;
	a->length = 0;
	a->next = 0;
	a->event = (struct audit_event){
		.connection = a->client->number,
		.error = EACCES,
		.flags = file->flags,
		.verbs = a->verbs,
		.path = file->path,
		.path_length = file->path_length,
		.rule = POLICY_NO_RULE,
	};
}

void
access_file(const struct server *server, struct client *client, enum wire_operation operation,
	    const struct wire_file *file, struct statx *status, struct access *ret_access)
{
	struct access *a = ret_access;

	a->server = server;
	a->client = client;
	a->operation = operation;
	a->status = status;
	begin(a, file);
	if (a->verbs == 0 || !policy_path_is_canonical(file->path, file->path_length))
		a->event.error = EINVAL;
	else
		decide(a, file);
	if (a->retry)
		return;
	if (a->event.error == EACCES)
		a->event.outcome = IPC_DENIED;
	if (is_recorded(a) && !audit_write(server->setup->image, &a->event))
		audit_forget(&client->seen, &a->event);
}
