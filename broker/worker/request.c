/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker, second phase. Trusts: the kernel, the policy image. Distrusts: the client's
 * bytes.
 */
#include "broker/worker/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "broker/worker/access.h"
#include "broker/worker/whoami.h"

bool
server_is_current(const struct server *server, const struct client *client)
{
	return atomic_load_explicit(&server->setup->page->generation, memory_order_acquire) ==
	       client->generation;
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
	answer->length =
		wire_encode_reply(answer->message, answer->id, (uint16_t)status, NULL, 0, 0);
}

/* Bytes of a result behind a struct wire_result. */
static size_t
more_of(enum wire_operation operation)
{
	return operation == WIRE_STAT   ? WIRE_STATUS_SIZE
	       : operation == WIRE_LIST ? sizeof(uint64_t)
					: 0;
}

/* What became of one file. */
static struct wire_outcome
outcome_of(const struct access *a, size_t more_size)
{
	static const char nothing[WIRE_STATUS_SIZE];
	struct wire_outcome outcome = {
		.error = a->event.error, .more = nothing, .more_size = more_size};

	if (outcome.error != 0) {
		outcome.text = a->because;
		outcome.text_length = a->because ? strnlen(a->because, WIRE_REASON_MAX) : 0;
	} else if (a->operation == WIRE_LIST) {
		outcome.text = a->entries;
		outcome.text_length = a->length;
		outcome.more = &a->next;
	} else if (a->operation == WIRE_STAT) {
		outcome.more = a->status;
	}
	return outcome;
}

/* Do what is asked of the files of a request. */
static enum request_outcome
access_files(const struct server *server, struct client *client, const struct wire_request *request,
	     struct answer *answer)
{
	static struct access a;
	static struct statx statuses[WIRE_ITEMS_MAX];
	struct wire_outcome outcomes[WIRE_ITEMS_MAX];
	size_t more_size = more_of(request->operation);
	unsigned n_links = 0;

	a.n_links_of_all = &n_links;
	for (size_t i = 0; i < request->n; i++) {
		access_file(server, client, request->operation, &request->files[i], &statuses[i],
			    &a);
		/* Whoever asks for O_EXCL has to know that it may have been done. */
		answer->is_once |= a.created && request->files[i].flags & O_EXCL;
		if (a.retry) {
			answer_whole(answer, WIRE_STATUS_RETRY);
			return answer->is_once ? REQUEST_CLOSE : REQUEST_REPLACE;
		}
		outcomes[i] = outcome_of(&a, more_size);
		if (a.fd >= 0)
			answer->fds[answer->n_fds++] = a.fd;
	}
	answer->length =
		wire_encode_reply(answer->message, answer->id, 0, outcomes, request->n, more_size);
	/* A right that was withdrawn while the file system kept us waiting is not given. */
	return request_recheck(server, client, answer) ? REQUEST_ANSWER : REQUEST_CLOSE;
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
	answer->is_once = false;
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
	if (!server_is_current(server, client)) {
		answer_whole(answer, WIRE_STATUS_RETRY);
		return REQUEST_ANSWER;
	}
	if (request.operation != WIRE_WHOAMI)
		return access_files(server, client, &request, answer);
	tell_who(server, client, &request, answer);
	return REQUEST_ANSWER;
}

bool
request_recheck(const struct server *server, const struct client *client, struct answer *answer)
{
	if (server_is_current(server, client))
		return true;
	answer_whole(answer, WIRE_STATUS_RETRY);
	return !answer->is_once;
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

	(void)audit_write(server->setup->image, &event);
	answer_whole(answer, error);
}
