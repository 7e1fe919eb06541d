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

static int
decode_files(const unsigned char *bytes, size_t size, const struct wire_header *header,
	     struct wire_file *files)
{
	/* At most 64 × 256 bytes, so this sum cannot wrap. */
	size_t path = sizeof(*header) + (size_t)header->items * header->item_size;

	if (path > size)
		return EPROTO;
	for (size_t i = 0; i < header->items; i++) {
		const unsigned char *at = bytes + sizeof(*header) + i * header->item_size;
		struct wire_item item;

		memcpy(&item, at, sizeof(item));
		if (item.reserved != 0 ||
		    !is_zero(at + sizeof(item), header->item_size - sizeof(item)))
			return E2BIG;
		if (item.path_length > size - path)
			return EPROTO;
		files[i] = (struct wire_file){
			.flags = item.flags,
			.mode = item.mode,
			.path = (const char *)bytes + path,
			.path_length = item.path_length,
		};
		path += item.path_length;
	}
	return path == size ? 0 : EPROTO;
}

static int
decode_question(const unsigned char *bytes, size_t size, const struct wire_header *header,
		uint32_t *ret_from)
{
	const size_t known = offsetof(struct wire_question, reserved);
	const unsigned char *at = bytes + sizeof(*header);

	if (header->items != 1 || sizeof(*header) + header->item_size != size)
		return EPROTO;
	if (!is_zero(at + known, header->item_size - known))
		return E2BIG;
	memcpy(ret_from, at, sizeof(*ret_from));
	return 0;
}

int
wire_decode_request(const void *message, size_t size, struct wire_request *ret_request)
{
	const unsigned char *bytes = message;
	struct wire_header header;
	int r;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	ret_request->id = header.id;
	if (header.version != WIRE_VERSION)
		return EPROTONOSUPPORT;
	if (header.length != size)
		return EPROTO;
	if (header.operation != WIRE_OPEN && header.operation != WIRE_WHOAMI)
		return EOPNOTSUPP;
	if (header.items == 0 || header.items > WIRE_ITEMS_MAX ||
	    header.item_size < sizeof(struct wire_item) || header.item_size > WIRE_ITEM_SIZE_MAX)
		return EPROTO;
	r = header.operation == WIRE_OPEN
		    ? decode_files(bytes, size, &header, ret_request->files)
		    : decode_question(bytes, size, &header, &ret_request->from);
	if (r != 0)
		return r;
	ret_request->operation = header.operation;
	ret_request->n = header.operation == WIRE_OPEN ? header.items : 0;
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
wire_encode_page(void *buffer, uint32_t id, uint32_t next, const char *text, size_t length)
{
	struct wire_reply reply = {
		.length = (uint32_t)(sizeof(reply) + sizeof(struct wire_page) + length),
		.version = WIRE_VERSION,
		.id = id,
	};
	struct wire_page page = {.next = next};
	char *at = buffer;

	memcpy(at, &reply, sizeof(reply));
	memcpy(at + sizeof(reply), &page, sizeof(page));
	memcpy(at + sizeof(reply) + sizeof(page), text, length);
	return reply.length;
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

size_t
wire_encode_whoami(void *buffer, uint32_t id, uint32_t from)
{
	struct wire_header header = {
		.length = WIRE_REQUEST_HEAD,
		.version = WIRE_VERSION,
		.operation = WIRE_WHOAMI,
		.id = id,
		.item_size = sizeof(struct wire_question),
		.items = 1,
	};
	struct wire_question question = {.from = from};

	memcpy(buffer, &header, sizeof(header));
	memcpy((char *)buffer + sizeof(header), &question, sizeof(question));
	return WIRE_REQUEST_HEAD;
}

/* What all replies to the request id have in common. */
static bool
is_reply(const void *message, size_t size, uint32_t id, struct wire_reply *ret_reply)
{
	if (size < sizeof(*ret_reply))
		return false;
	memcpy(ret_reply, message, sizeof(*ret_reply));
	return ret_reply->version == WIRE_VERSION && ret_reply->length == size &&
	       ret_reply->id == id;
}

int
wire_decode_reply(const void *message, size_t size, uint32_t id, size_t n, uint16_t *ret_status,
		  uint32_t *ret_errors)
{
	const unsigned char *bytes = message;
	struct wire_reply reply;

	if (!is_reply(message, size, id, &reply))
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

/* Nothing, or printable ASCII up to the end of a line. */
static bool
is_lines(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] != '\n' && (text[i] < 0x20 || text[i] > 0x7e))
			return false;
	return length == 0 || text[length - 1] == '\n';
}

int
wire_decode_page(const void *message, size_t size, uint32_t id, uint16_t *ret_status,
		 uint32_t *ret_next, const char **ret_text, size_t *ret_length)
{
	const char *bytes = message;
	struct wire_reply reply;
	struct wire_page page;

	if (!is_reply(message, size, id, &reply))
		return -EPROTO;
	if (reply.status != 0) {
		*ret_status = reply.status;
		return 0;
	}
	if (reply.items != 0 || reply.item_size != 0 || size < sizeof(reply) + sizeof(page))
		return -EPROTO;
	memcpy(&page, bytes + sizeof(reply), sizeof(page));
	bytes += sizeof(reply) + sizeof(page);
	size -= sizeof(reply) + sizeof(page);
	if (!is_lines(bytes, size))
		return -EPROTO;
	*ret_status = 0;
	*ret_next = page.next;
	*ret_text = bytes;
	*ret_length = size;
	return 0;
}
