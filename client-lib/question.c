/* SPDX-License-Identifier: MIT */
/* Runs in: the client. Distrusts: the server's bytes. */
#include "question.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"

_Static_assert((size_t)CONNECTION_LIST_MAX == WIRE_ENTRIES_MAX,
	       "of which connection.h knows nothing");
_Static_assert((size_t)CONNECTION_REASON_MAX == WIRE_REASON_MAX + 1, "with a NUL");

int
deadline_left(const struct timespec *deadline)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (int64_t)(deadline->tv_sec - now.tv_sec) * 1000000000 +
	     (deadline->tv_nsec - now.tv_nsec);
	return ns <= 0 ? 0 : (int)((ns + 999999) / 1000000);
}

/* What the open itself said, as it is; nothing that is no errno value. */
static int
result_error(uint32_t error)
{
	return error < 4096 ? -(int)error : -EPROTO;
}

/*
 * A refusal of the whole request. That we were not understood is one thing to a program, however it
 * came about.
 */
static int
status_error(uint16_t status)
{
	return status == EACCES || status == EBUSY ? -(int)status : -EPROTO;
}

/* A message of the server, and what came with it. */
struct answer {
	size_t size;
	int fd;
	struct channel_extra extra;
	char message[WIRE_REPLY_MAX];
};

/* OUTCOME_DONE: it is there. */
static enum outcome
receive_answer(const struct connection *connection, const struct timespec *deadline,
	       struct answer *answer, int *ret_error)
{
	int flags = 0;
	ssize_t n;

	/*
	 * One call in the usual case. A signal, or a limit set earlier, ends it before its time:
	 * wait for the rest.
	 */
	for (;;) {
		struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
		int left;

		n = channel_receive(connection->fd, answer->message, sizeof(answer->message),
				    &answer->fd, 1, false, flags, &answer->extra);
		if (n != -EINTR && n != -EAGAIN)
			break;
		left = deadline_left(deadline);
		if (left == 0) {
			*ret_error = -ETIMEDOUT;
			return OUTCOME_FAILED;
		}
		(void)poll(&wait, 1, left);
		flags = MSG_DONTWAIT;
	}
	/*
	 * A server that went away says ECONNRESET first when it left a request of ours unread; then
	 * 0.
	 */
	if (n == -ECONNRESET || n == -EPIPE || (n == 0 && answer->extra.n_fds == 0))
		return OUTCOME_UNKNOWN;
	if (n < 0) {
		*ret_error = n == -EMSGSIZE ? -EPROTO : (int)n;
		return OUTCOME_FAILED;
	}
	answer->size = (size_t)n;
	return OUTCOME_DONE;
}

/* Why the policy refuses, for broker_error_reason(). Not for a terminal: not kept. */
static void
keep_reason(struct connection *connection, const struct wire_outcome *outcome)
{
	const char *text = outcome->text;

	if (outcome->text_length > WIRE_REASON_MAX)
		return;
	for (size_t i = 0; i < outcome->text_length; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return;
	memcpy(connection->reason, text, outcome->text_length);
	connection->reason[outcome->text_length] = '\0';
}

/* Exactly one descriptor with a grant, none with anything else. */
static enum outcome
read_grant(const struct answer *answer, const struct wire_outcome *outcome,
	   struct question *question, int *ret_error)
{
	const struct channel_extra *extra = &answer->extra;

	if (extra->n_fds == 1 && !extra->truncated && outcome->text_length == 0) {
		question->fd = answer->fd;
		return OUTCOME_DONE;
	}
	/* The kernel had a descriptor for us and no place to put it: our own limit. */
	if (extra->n_fds == 0 && extra->truncated)
		*ret_error = -EMFILE;
	return OUTCOME_FAILED;
}

static enum outcome
read_status(const struct wire_outcome *outcome, struct question *question)
{
	if (outcome->more_size < WIRE_STATUS_SIZE || outcome->text_length > 0)
		return OUTCOME_FAILED;
	memset(question->status, 0, sizeof(*question->status));
	memcpy(question->status, outcome->more, WIRE_STATUS_SIZE);
	return OUTCOME_DONE;
}

static enum outcome
read_entries(const struct wire_outcome *outcome, struct question *question)
{
	size_t length = outcome->text_length, name_length;
	const char *text = outcome->text, *name;
	unsigned char type;
	uint64_t next;

	if (outcome->more_size < sizeof(next) || length > CONNECTION_LIST_MAX)
		return OUTCOME_FAILED;
	memcpy(&next, outcome->more, sizeof(next));
	/* A page that leads to itself would be asked for, for ever. */
	if (next != 0 && next == question->file.from)
		return OUTCOME_FAILED;
	while (wire_next_entry(&text, &length, &type, &name, &name_length))
		;
	if (length > 0)
		return OUTCOME_FAILED;
	question->next = next;
	memcpy(question->text, outcome->text, outcome->text_length);
	question->text_length = outcome->text_length;
	return OUTCOME_DONE;
}

static enum outcome
read_outcome(struct connection *connection, const struct answer *answer, uint32_t id,
	     struct question *question, int *ret_error)
{
	const struct channel_extra *extra = &answer->extra;
	struct wire_outcome outcome = {};
	uint16_t status = 0;

	*ret_error = -EPROTO;
	if (wire_decode_reply(answer->message, answer->size, id, 1, &status, &outcome) < 0)
		return OUTCOME_FAILED;
	if (status == 0 && outcome.error == 0 && question->operation == WIRE_OPEN)
		return read_grant(answer, &outcome, question, ret_error);
	if (extra->n_fds > 0 || extra->truncated)
		return OUTCOME_FAILED;
	if (status == WIRE_STATUS_RETRY)
		return OUTCOME_NOT_EXECUTED;
	if (status == 0 && outcome.error == 0)
		return question->operation == WIRE_STAT ? read_status(&outcome, question)
							: read_entries(&outcome, question);
	*ret_error = status == 0 ? result_error(outcome.error) : status_error(status);
	if (status == 0 && outcome.error == EACCES)
		keep_reason(connection, &outcome);
	return OUTCOME_FAILED;
}

static enum outcome
read_page(const struct answer *answer, uint32_t id, struct question *question, int *ret_error)
{
	const char *text = NULL;
	uint16_t status = 0;
	uint32_t next = 0;

	*ret_error = -EPROTO;
	if (answer->extra.n_fds > 0 || answer->extra.truncated ||
	    wire_decode_page(answer->message, answer->size, id, &status, &next, &text,
			     &question->text_length) < 0 ||
	    question->text_length > WIRE_TEXT_MAX)
		return OUTCOME_FAILED;
	if (status == WIRE_STATUS_RETRY)
		return OUTCOME_NOT_EXECUTED;
	if (status != 0) {
		*ret_error = status_error(status);
		return OUTCOME_FAILED;
	}
	question->next = next;
	memcpy(question->text, text, question->text_length);
	return OUTCOME_DONE;
}

enum outcome
question_ask(struct connection *connection, struct question *question,
	     const struct timespec *deadline, int *ret_error)
{
	/*
	 * Without this the kernel would attach the real ids, which are not those of the connection.
	 */
	struct ucred self = {
		.pid = connection->pid, .uid = connection->uid, .gid = connection->gid};
	const struct wire_file *file = &question->file;
	char head[WIRE_REQUEST_HEAD];
	struct iovec iov[2] = {
		{.iov_base = head},
		{.iov_base = (char *)file->path, .iov_len = file->path_length},
	};
	uint32_t id = connection->next_id++;
	bool is_page = question->operation == WIRE_WHOAMI;
	struct answer answer;
	enum outcome outcome;
	int r;

	iov[0].iov_len = is_page ? wire_encode_whoami(head, id, (uint32_t)file->from)
				 : wire_encode_request(head, id, question->operation, file);
	r = channel_send(connection->fd, iov, is_page ? 1 : 2, NULL, 0, &self, 0);
	if (r == -EPIPE || r == -ECONNRESET)
		return OUTCOME_NOT_EXECUTED;
	if (r < 0) {
		/* EINVAL: who has no id in its own user namespace cannot say who it is. */
		*ret_error = r == -EAGAIN ? -ETIMEDOUT : r == -EINVAL ? -ENOTCONN : r;
		return OUTCOME_FAILED;
	}
	answer.extra.n_fds = 0;
	outcome = receive_answer(connection, deadline, &answer, ret_error);
	if (outcome != OUTCOME_DONE)
		return outcome;
	outcome = is_page ? read_page(&answer, id, question, ret_error)
			  : read_outcome(connection, &answer, id, question, ret_error);
	if (outcome != OUTCOME_DONE && answer.extra.n_fds > 0)
		close(answer.fd);
	return outcome;
}
