/* SPDX-License-Identifier: MIT */
/* Runs in: library and worker. Trusts: nothing that it decodes. */
#include "wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool
is_zero(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

int
wire_decode_request(const void *message, size_t size, uint32_t *ret_id,
		    struct wire_file ret_files[WIRE_ITEMS_MAX], size_t *ret_n)
{
	const unsigned char *bytes = message;
	struct wire_header header;
	size_t path;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	*ret_id = header.id;
	if (header.version != WIRE_VERSION)
		return EPROTONOSUPPORT;
	if (header.length != size)
		return EPROTO;
	if (header.operation != WIRE_OPEN)
		return EOPNOTSUPP;
	if (header.items == 0 || header.items > WIRE_ITEMS_MAX ||
	    header.item_size < sizeof(struct wire_item) || header.item_size > WIRE_ITEM_SIZE_MAX)
		return EPROTO;

	/* At most 64 × 256 bytes, so this sum cannot wrap. */
	path = sizeof(header) + (size_t)header.items * header.item_size;
	if (path > size)
		return EPROTO;
	for (size_t i = 0; i < header.items; i++) {
		const unsigned char *at = bytes + sizeof(header) + i * header.item_size;
		struct wire_item item;

		memcpy(&item, at, sizeof(item));
		if (item.reserved != 0 ||
		    !is_zero(at + sizeof(item), header.item_size - sizeof(item)))
			return E2BIG;
		if (item.path_length > size - path)
			return EPROTO;
		ret_files[i] = (struct wire_file){
			.flags = item.flags,
			.mode = item.mode,
			.path = (const char *)bytes + path,
			.path_length = item.path_length,
		};
		path += item.path_length;
	}
	if (path != size)
		return EPROTO;
	*ret_n = header.items;
	return 0;
}

size_t
wire_encode_reply(void *buffer, uint32_t id, uint16_t status, const uint32_t *errors, size_t n)
{
	size_t length = sizeof(struct wire_reply) + n * sizeof(struct wire_result);
	struct wire_reply reply = {
		.length = (uint32_t)length,
		.version = WIRE_VERSION,
		.status = status,
		.id = id,
		.item_size = sizeof(struct wire_result),
		.items = (uint16_t)n,
	};
	char *at = buffer;

	memcpy(at, &reply, sizeof(reply));
	at += sizeof(reply);
	for (size_t i = 0; i < n; i++) {
		struct wire_result result = {.error = errors[i]};

		memcpy(at, &result, sizeof(result));
		at += sizeof(result);
	}
	return length;
}

size_t
wire_encode_open(void *buffer, uint32_t id, uint32_t flags, uint32_t mode, uint32_t path_length)
{
	struct wire_header header = {
		.length = (uint32_t)WIRE_REQUEST_HEAD + path_length,
		.version = WIRE_VERSION,
		.operation = WIRE_OPEN,
		.id = id,
		.item_size = sizeof(struct wire_item),
		.items = 1,
	};
	struct wire_item item = {.flags = flags, .mode = mode, .path_length = path_length};

	memcpy(buffer, &header, sizeof(header));
	memcpy((char *)buffer + sizeof(header), &item, sizeof(item));
	return WIRE_REQUEST_HEAD;
}

int
wire_decode_reply(const void *message, size_t size, uint32_t id, size_t n, uint16_t *ret_status,
		  uint32_t *ret_errors)
{
	const unsigned char *bytes = message;
	struct wire_reply reply;

	if (size < sizeof(reply))
		return -EPROTO;
	memcpy(&reply, bytes, sizeof(reply));
	if (reply.version != WIRE_VERSION || reply.length != size || reply.id != id)
		return -EPROTO;
	if (reply.status != 0) {
		*ret_status = reply.status;
		return 0;
	}
	if (reply.items != n || reply.item_size < sizeof(struct wire_result) ||
	    size != sizeof(reply) + (size_t)reply.items * reply.item_size)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		const unsigned char *at = bytes + sizeof(reply) + i * reply.item_size;
		struct wire_result result;

		memcpy(&result, at, sizeof(result));
		ret_errors[i] = result.error;
	}
	*ret_status = 0;
	return 0;
}
