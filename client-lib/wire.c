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
	size_t known = sizeof(struct wire_item);

	if (path > size || (header->operation == WIRE_LIST && header->items != 1))
		return EPROTO;
	if (header->operation == WIRE_LIST && header->item_size >= sizeof(struct wire_list_item))
		known = sizeof(struct wire_list_item);
	for (size_t i = 0; i < header->items; i++) {
		const unsigned char *at = bytes + sizeof(*header) + i * header->item_size;
		struct wire_list_item list = {};
		const struct wire_item *item = &list.item;

		memcpy(&list, at, known);
		if (item->reserved != 0 || !is_zero(at + known, header->item_size - known))
			return E2BIG;
		if (item->path_length > size - path)
			return EPROTO;
		files[i] = (struct wire_file){
			.flags = item->flags,
			.mode = item->mode,
			.path = (const char *)bytes + path,
			.path_length = item->path_length,
			.from = list.from,
		};
		path += item->path_length;
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
	if (header.operation < WIRE_OPEN || header.operation > WIRE_LIST)
		return EOPNOTSUPP;
	if (header.items == 0 || header.items > WIRE_ITEMS_MAX ||
	    header.item_size < sizeof(struct wire_item) || header.item_size > WIRE_ITEM_SIZE_MAX)
		return EPROTO;
	r = header.operation == WIRE_WHOAMI
		    ? decode_question(bytes, size, &header, &ret_request->from)
		    : decode_files(bytes, size, &header, ret_request->files);
	if (r != 0)
		return r;
	ret_request->operation = header.operation;
	ret_request->n = header.operation == WIRE_WHOAMI ? 0 : header.items;
	return 0;
}

size_t
wire_encode_reply(void *buffer, uint32_t id, uint16_t status, const struct wire_outcome *outcomes,
		  size_t n, size_t more_size)
{
	size_t item_size = sizeof(struct wire_result) + more_size;
	struct wire_reply reply = {
		.version = WIRE_VERSION,
		.status = status,
		.id = id,
		.item_size = (uint16_t)item_size,
		.items = (uint16_t)n,
	};
	char *bytes = buffer, *at = bytes + sizeof(reply), *text = at + n * item_size;

	for (size_t i = 0; i < n; i++, at += item_size) {
		size_t room = (size_t)(bytes + WIRE_REPLY_MAX - text);
		size_t length = outcomes[i].text_length <= room ? outcomes[i].text_length : 0;
		struct wire_result result = {outcomes[i].error, (uint32_t)length};

		memcpy(at, &result, sizeof(result));
		if (more_size > 0)
			memcpy(at + sizeof(result), outcomes[i].more, more_size);
		if (length > 0)
			memcpy(text, outcomes[i].text, length);
		text += length;
	}
	reply.length = (uint32_t)(text - bytes);
	memcpy(bytes, &reply, sizeof(reply));
	return reply.length;
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
wire_encode_request(void *buffer, uint32_t id, enum wire_operation operation,
		    const struct wire_file *file)
{
	const struct wire_list_item list = {
		.item = {.flags = file->flags,
			 .mode = file->mode,
			 .path_length = file->path_length},
		.from = file->from,
	};
	size_t item_size = operation == WIRE_LIST ? sizeof(list) : sizeof(list.item);
	struct wire_header header = {
		.length = (uint32_t)(sizeof(header) + item_size) + file->path_length,
		.version = WIRE_VERSION,
		.operation = (uint16_t)operation,
		.id = id,
		.item_size = (uint16_t)item_size,
		.items = 1,
	};

	memcpy(buffer, &header, sizeof(header));
	memcpy((char *)buffer + sizeof(header), &list, item_size);
	return sizeof(header) + item_size;
}

size_t
wire_encode_whoami(void *buffer, uint32_t id, uint32_t from)
{
	struct wire_question question = {.from = from};
	struct wire_header header = {
		.length = sizeof(header) + sizeof(question),
		.version = WIRE_VERSION,
		.operation = WIRE_WHOAMI,
		.id = id,
		.item_size = sizeof(struct wire_question),
		.items = 1,
	};
	memcpy(buffer, &header, sizeof(header));
	memcpy((char *)buffer + sizeof(header), &question, sizeof(question));
	return header.length;
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
		  struct wire_outcome *ret_outcomes)
{
	const char *bytes = message;
	struct wire_reply reply;
	size_t text;

	if (!is_reply(message, size, id, &reply))
		return -EPROTO;
	if (reply.status != 0) {
		*ret_status = reply.status;
		return 0;
	}
	text = sizeof(reply) + (size_t)reply.items * reply.item_size;
	if (reply.items != n || reply.item_size < sizeof(struct wire_result) || text > size)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		const char *at = bytes + sizeof(reply) + i * reply.item_size;
		struct wire_result result;

		memcpy(&result, at, sizeof(result));
		if (result.text_length > size - text)
			return -EPROTO;
		ret_outcomes[i] = (struct wire_outcome){
			.error = result.error,
			.text = bytes + text,
			.text_length = result.text_length,
			.more = at + sizeof(result),
			.more_size = reply.item_size - sizeof(result),
		};
		text += result.text_length;
	}
	if (text != size)
		return -EPROTO;
	*ret_status = 0;
	return 0;
}

/* One component of a path. */
static bool
is_name(const char *name, size_t length)
{
	return length > 0 && !memchr(name, '/', length) && !memchr(name, '\0', length) &&
	       !(length <= 2 && memcmp(name, "..", length) == 0);
}

bool
wire_next_entry(const char **text, size_t *length, unsigned char *ret_type, const char **ret_name,
		size_t *ret_name_length)
{
	struct wire_entry entry;
	const char *name = *text + sizeof(entry);

	if (*length < sizeof(entry))
		return false;
	memcpy(&entry, *text, sizeof(entry));
	if (entry.length > *length - sizeof(entry) || !is_name(name, entry.length))
		return false;
	*ret_type = entry.type;
	*ret_name = name;
	*ret_name_length = entry.length;
	*text = name + entry.length;
	*length -= sizeof(entry) + entry.length;
	return true;
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
