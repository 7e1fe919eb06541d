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

static uint64_t key[2];
static uint32_t lost;

int
audit_start(void)
{
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -EIO;
	return 0;
}

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of the path and what was granted. Never 0. */
static uint64_t
hash(const struct audit_event *event)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
			 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	uint64_t word = ((uint64_t)event->error << 8 | event->verbs) << 32 | event->rule;

	for (size_t i = 0;; i += 8) {
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		if (i > event->path_length)
			break;
		/* The last word carries the length, so that no two paths make the same words. */
		word = event->path_length - i >= 8 ? 0 : (uint64_t)event->path_length << 56;
		memcpy(&word, event->path + i,
		       event->path_length - i >= 8 ? 8 : event->path_length - i);
		if (event->path_length - i < 8)
			word |= (uint64_t)event->path_length << 56;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	word = v[0] ^ v[1] ^ v[2] ^ v[3];
	return word ? word : 1;
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

void
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
		.directory_length = (uint16_t)event->object.length,
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
	record.asked_length = add(message, &length, event->asked, event->asked_length);
	record.path_cut = record.path_length != event->path_length ||
			  record.asked_length != event->asked_length;
	record.length = (uint16_t)length;
	memcpy(message, &record, sizeof(record));
	if (write(IPC_AUDIT, message, length) == (ssize_t)length)
		lost = 0;
	else
		lost++;
}
