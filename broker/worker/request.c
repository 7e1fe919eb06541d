/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the kernel, the policy image. Distrusts: the client's
 * bytes, and the file system beneath the trees.
 */
#include "broker/worker/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "broker/worker/whoami.h"

/* O_LARGEFILE is 0 to a 64-bit program, but a client need not be one. */
#define LARGEFILE 0100000

enum {
	/* Flags that need no verb of their own. */
	FLAGS_PASSED = O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | LARGEFILE | O_SYNC |
		       O_DSYNC | O_DIRECT,
	FLAGS_WRITING = O_APPEND | O_TRUNC,
	/* Those that fcntl(F_SETFL) can set, so that it would clear them. */
	FLAGS_STATUS = O_APPEND | O_DIRECT,
};

/* Which verbs an open with these flags needs. 0: not an open for the broker. */
static unsigned
verbs_of(uint32_t flags)
{
	unsigned verbs = flags & FLAGS_WRITING ? POLICY_WRITE : 0;

	if (flags & ~(uint32_t)(O_ACCMODE | FLAGS_PASSED | FLAGS_WRITING))
		return 0;
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

/* A shared mapping of such a file can be written without clearing its privileges (Linux 6.18). */
static bool
carries_privileges(int fd, const struct stat *status)
{
	if (status->st_mode & (S_ISUID | S_ISGID))
		return true;
	return fgetxattr(fd, "security.capability", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != ENOTSUP);
}

static unsigned
type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return POLICY_TYPE_REG;
	case S_IFIFO:
		return POLICY_TYPE_FIFO;
	case S_IFCHR:
		return POLICY_TYPE_CHR;
	case S_IFBLK:
		return POLICY_TYPE_BLK;
	default:
		return 0;
	}
}

static bool
owner_holds(const struct policy_options *options, uid_t owner, uid_t peer)
{
	switch (options->owner) {
	case POLICY_OWNER_ANY:
		return true;
	case POLICY_OWNER_PEER:
		return owner == peer;
	case POLICY_OWNER_ROOT:
		return owner == 0;
	case POLICY_OWNER_UID:
		return owner == options->owner_uid;
	default:
		return false;
	}
}

/*
 * What came of the open is looked at before the client can have it. 0 or an errno value.
 * *ret_unmet: it is a condition of the rule that does not hold; another rule's may.
 */
static int
check_opened(int fd, uint32_t flags, const struct policy_options *options, uid_t peer,
	     bool *ret_unmet)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return errno;
	if (S_ISDIR(status.st_mode))
		return EISDIR;
	if (!(type_of(status.st_mode) & options->types) ||
	    !owner_holds(options, status.st_uid, peer)) {
		*ret_unmet = true;
		return EACCES;
	}
	if (writes && carries_privileges(fd, &status))
		return EACCES;
	/* O_NONBLOCK was ours, so that no FIFO or lease could make us wait: take it off. */
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags & FLAGS_STATUS) < 0)
		return errno;
	return 0;
}

/* The limits that we run into ourselves are none of the client's. */
static int
error_for_client(int r)
{
	return r == -EMFILE || r == -ENFILE ? EBUSY : -r;
}

/* Is the policy by which this client came here, and was given to us, still the one in force? */
static bool
is_current(const struct server *server, const struct client *client)
{
	return atomic_load_explicit(&server->setup->page->generation, memory_order_acquire) ==
	       client->generation;
}

/* What becomes of one file of a request. */
struct opening {
	int fd;     /* with error 0 */
	int error;  /* an errno value, for the client */
	bool retry; /* only another worker can tell, or has the right to */
	bool unmet; /* a condition of the rule does not hold */
};

/* Open one file that a rule with these options permits. */
static void
open_permitted(const struct server *server, const struct client *client,
	       const struct wire_file *file, const struct reach *reach,
	       const struct policy_options *options, struct opening *o)
{
	int flags = (int)(file->flags & ~(uint32_t)(O_TRUNC | O_CLOEXEC)) | O_NONBLOCK | O_NOCTTY |
		    O_CLOEXEC;
	int r = trees_open(server->trees, reach, options, file->path, file->path_length, flags,
			   &o->fd);

	o->unmet = r == TREES_UNMET;
	o->retry = r == TREES_STALE;
	o->error = o->unmet ? EACCES : r < 0 ? error_for_client(r) : 0;
	if (r != 0)
		return;
	o->error = check_opened(o->fd, file->flags, options, client->peer.uid, &o->unmet);
	if (o->error == 0 && file->flags & O_TRUNC) {
		/* The one thing that could not be taken back. */
		o->retry = !is_current(server, client);
		if (!o->retry && ftruncate(o->fd, 0) < 0)
			o->error = errno;
	}
	if (o->error == 0 && !o->retry)
		return;
	close(o->fd);
	o->fd = -1;
}

/* Days since 1970-01-01, UTC. From the vdso(7): no system call. */
static int32_t
today(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
		return INT32_MAX;
	return (int32_t)(now.tv_sec / (24 * 60 * 60));
}

/*
 * Ask the policy, and open what it permits. Where several rules do, one whose conditions hold is
 * enough.
 */
static void
try_rules(const struct server *server, const struct client *client, const struct wire_file *file,
	  struct audit_event *event, struct opening *o)
{
	const struct setup *setup = server->setup;
	struct policy_request request = {
		.path = file->path,
		.length = file->path_length,
		.verbs = event->verbs,
		.day = today(),
	};

	o->error = EACCES;
	do {
		struct policy_decision decision;
		const struct reach *reach;

		policy_decide(setup->image, &setup->identity, &request, &decision);
		if (decision.verdict == POLICY_DENY) {
			if (!o->unmet)
				event->rule = decision.rule;
			return;
		}
		event->rule = decision.rule;
		request.from = decision.next;
		reach = trees_find(server->trees, &decision, file->path, file->path_length);
		if (!reach)
			return;
		o->unmet = false;
		event->outcome = IPC_FAILED;
		open_permitted(server, client, file, reach,
			       policy_rule_options(setup->image, decision.rule), o);
	} while (o->unmet);
	if (o->error == 0)
		event->outcome = IPC_GRANTED;
}

/* Is this decision to be on record? */
static bool
is_recorded(const struct setup *setup, struct client *client, const struct audit_event *event)
{
	if (event->outcome != IPC_GRANTED)
		return true;
	switch (policy_rule_options(setup->image, event->rule)->audit) {
	case POLICY_AUDIT_DENY:
		return false;
	case POLICY_AUDIT_ALL:
		return true;
	case POLICY_AUDIT_FIRST:
	default:
		return !audit_seen(&client->seen, event);
	}
}

/*
 * Whoever is refused in any case is decided on as nobody, so that the time that it takes is that of
 * any other refusal.
 */
static int
refuse(const struct setup *setup, const struct client *client, const struct wire_file *file,
       unsigned verbs)
{
	static const struct policy_identity nobody = {};
	const struct policy_request request = {
		.path = file->path, .length = file->path_length, .verbs = verbs, .day = today()};
	struct policy_decision decision;

	if (setup->image)
		policy_decide(setup->image, &nobody, &request, &decision);
	return (int)client->refusal;
}

/* Decide on one file, open it, put it on record. */
static void
open_file(const struct server *server, struct client *client, const struct wire_file *file,
	  struct opening *o)
{
	const struct setup *setup = server->setup;
	struct audit_event event = {
		.connection = client->number,
		.flags = file->flags,
		.verbs = verbs_of(file->flags),
		.path = file->path,
		.path_length = file->path_length,
		.rule = POLICY_NO_RULE,
	};

	*o = (struct opening){.fd = -1, .error = EACCES};
	if (event.verbs == 0 || !policy_path_is_canonical(file->path, file->path_length))
		o->error = EINVAL;
	else if (client->refusal)
		o->error = refuse(setup, client, file, event.verbs);
	else if (setup->image)
		try_rules(server, client, file, &event, o);
	if (o->retry)
		return;
	if (o->error == EACCES)
		event.outcome = IPC_DENIED;
	event.error = (uint32_t)o->error;
	if (is_recorded(setup, client, &event))
		audit_write(setup->image, &event);
}

static bool
is_peer(const struct channel_extra *extra, const struct ucred *peer)
{
	return extra->has_credentials && extra->credentials.pid == peer->pid &&
	       extra->credentials.uid == peer->uid && extra->credentials.gid == peer->gid;
}

void
answer_drop(struct answer *answer)
{
	for (size_t i = 0; i < answer->n_fds; i++)
		close(answer->fds[i]);
	answer->n_fds = 0;
}

static void
answer_whole(struct answer *answer, unsigned status)
{
	answer_drop(answer);
	answer->length = wire_encode_reply(answer->message, answer->id, (uint16_t)status, NULL, 0);
}

/* Open the files of a request. */
static enum request_outcome
open_files(const struct server *server, struct client *client, const struct wire_request *request,
	   struct answer *answer)
{
	uint32_t errors[WIRE_ITEMS_MAX];

	for (size_t i = 0; i < request->n; i++) {
		struct opening o;

		open_file(server, client, &request->files[i], &o);
		if (o.retry) {
			answer_whole(answer, WIRE_STATUS_RETRY);
			return REQUEST_REPLACE;
		}
		errors[i] = (uint32_t)o.error;
		if (o.error == 0)
			answer->fds[answer->n_fds++] = o.fd;
	}
	answer->length = wire_encode_reply(answer->message, answer->id, 0, errors, request->n);
	/* A right that was withdrawn while the file system kept us waiting is not given. */
	request_recheck(server, client, answer);
	return REQUEST_ANSWER;
}

/* Nothing is given, so nothing goes on record. */
static void
tell_who(const struct server *server, const struct client *client,
	 const struct wire_request *request, struct answer *answer)
{
	if (client->refusal == EBUSY)
		answer_whole(answer, EBUSY);
	else
		answer->length =
			whoami_answer(server, client, answer->id, request->from, answer->message);
}

enum request_outcome
request_execute(const struct server *server, struct client *client, const void *message,
		ssize_t size, const struct channel_extra *extra, struct answer *answer)
{
	static struct wire_request request;
	int r;

	answer->n_fds = 0;
	if (size == -EMSGSIZE) {
		struct wire_header header;

		memcpy(&header, message, sizeof(header));
		answer->id = header.id;
		answer_whole(answer, EMSGSIZE);
		return REQUEST_ANSWER;
	}
	r = wire_decode_request(message, (size_t)size, &request);
	if (r < 0)
		return REQUEST_CLOSE;
	answer->id = request.id;
	if (!is_peer(extra, &client->peer)) {
		/* Whoever sends on a connection that another process made gets nothing. */
		request_not_given(server, client, answer, EACCES);
		return REQUEST_ANSWER;
	}
	if (r > 0) {
		answer_whole(answer, (unsigned)r);
		return REQUEST_ANSWER;
	}
	if (!is_current(server, client)) {
		answer_whole(answer, WIRE_STATUS_RETRY);
		return REQUEST_ANSWER;
	}
	if (request.operation == WIRE_OPEN)
		return open_files(server, client, &request, answer);
	tell_who(server, client, &request, answer);
	return REQUEST_ANSWER;
}

void
request_recheck(const struct server *server, const struct client *client, struct answer *answer)
{
	if (!is_current(server, client))
		answer_whole(answer, WIRE_STATUS_RETRY);
}

void
request_not_given(const struct server *server, const struct client *client, struct answer *answer,
		  unsigned error)
{
	const struct audit_event event = {
		.connection = client->number,
		.error = error,
		.path = "",
		.rule = POLICY_NO_RULE,
	};

	audit_write(server->setup->image, &event);
	answer_whole(answer, error);
}
