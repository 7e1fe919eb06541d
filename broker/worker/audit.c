/* SPDX-License-Identifier: MIT */
/*
 * Runs in: worker. The path is the client's: it is passed on as bytes, the log process escapes it.
 */
#include "broker/worker/audit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/ipc.h"
#include "broker/worker/siphash.h"

static uint64_t key[2];
static uint32_t lost;

int
audit_start(void)
{
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -EIO;
	return 0;
}

/* Of the path and what was granted. Never 0. */
static uint64_t
hash(const struct audit_event *event)
{
	uint64_t h = siphash(key, ((uint64_t)event->error << 8 | event->verbs) << 32 | event->rule,
			     event->path, event->path_length);

	return h ? h : 1;
}

bool
audit_seen(struct audit_seen *seen, const struct audit_event *event)
{
	uint64_t h = hash(event), *slot = &seen->hashes[h % AUDIT_SEEN];

	if (*slot == h)
		return true;
	*slot = h;
	return false;
}

void
audit_forget(struct audit_seen *seen, const struct audit_event *event)
{
	uint64_t h = hash(event), *slot = &seen->hashes[h % AUDIT_SEEN];

	if (*slot == h)
		*slot = 0;
}

/* As much of it as there is room for. */
static uint16_t
add(char message[IPC_RECORD_MAX], size_t *length, const char *bytes, size_t n)
{
	size_t room = IPC_RECORD_MAX - *length;

	if (n > room)
		n = room;
	if (n > 0)
		memcpy(message + *length, bytes, n);
	*length += n;
	return (uint16_t)n;
}

/* The record is written whole or not at all, pipe(7). */
static bool
send_record(const void *message, size_t length)
{
	if (write(IPC_AUDIT, message, length) != (ssize_t)length)
		return false;
	lost = 0;
	return true;
}

bool
audit_is_behind(void)
{
	return lost > 0;
}

void
audit_catch_up(void)
{
	const struct ipc_record record = {
		.length = sizeof(record), .outcome = IPC_LOST, .lost = lost};

	if (lost > 0)
		(void)send_record(&record, sizeof(record));
}

bool
audit_write(const struct policy_image *image, const struct audit_event *event)
{
	char message[IPC_RECORD_MAX];
	struct ipc_record record = {
		.connection = event->connection,
		.outcome = event->outcome,
		.error = event->error,
		.flags = event->flags,
		.verbs = event->verbs,
		.lost = lost,
		.condition = (uint16_t)event->condition,
		.mode = event->object.mode,
		.owner = event->object.owner,
	};
	size_t length = sizeof(record);
	struct policy_rule rule;

	if (image && event->rule != POLICY_NO_RULE) {
		int n;

		policy_rule_describe(image, event->rule, &rule);
		n = snprintf(message + length, IPC_RULE_MAX, "%s:%u", rule.file, rule.line);
		if (n > 0)
			record.rule_length = (uint16_t)(n < IPC_RULE_MAX ? n : IPC_RULE_MAX - 1);
		length += record.rule_length;
		if (rule.because)
			record.because_length = add(message, &length, rule.because,
						    strnlen(rule.because, IPC_BECAUSE_MAX));
	}
	record.path_length = add(message, &length, event->path, event->path_length);
	record.directory_length =
		(uint16_t)(event->object.length < record.path_length ? event->object.length
								     : record.path_length);
	record.asked_length = add(message, &length, event->asked, event->asked_length);
	record.path_cut = record.path_length != event->path_length ||
			  record.asked_length != event->asked_length;
	record.length = (uint16_t)length;
	memcpy(message, &record, sizeof(record));
	if (send_record(message, length))
		return true;
	lost++;
	return false;
}
