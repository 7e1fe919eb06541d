/* SPDX-License-Identifier: MIT */
/*
 * The protocol between a client and its worker: SOCK_SEQPACKET, one message a request, one a reply,
 * integers in host order, sizes in bytes.
 *
 *     open     header | items x item (item_size each) | the items' paths, in order, without NUL
 *     reply    reply  | items x result (item_size each), and a descriptor for each result 0
 *
 *     whoami   header | one question (item_size)
 *     reply    reply  | page | text: whole lines "KEY VALUE\n", printable ASCII
 *
 * Sizes travel in the message as openat2(2) carries struct open_how: an item that is longer than
 * the receiver knows is fine while the rest of it is zero; a byte that is not is E2BIG. A client
 * passes over what it does not know of a result.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WIRE_VERSION = 1,
	WIRE_ITEMS_MAX = 64,
	WIRE_ITEM_SIZE_MAX = 256,
	WIRE_PATH_MAX = 4096,
	WIRE_MESSAGE_MAX = 65536,
	WIRE_REPLY_MAX = 16 + WIRE_ITEMS_MAX * 8,
};

enum wire_operation {
	WIRE_OPEN = 1,
	WIRE_WHOAMI = 2, /* who the broker says that the client is, a page at a time */
};

struct wire_header {
	uint32_t length; /* of the whole message */
	uint16_t version;
	uint16_t operation;
	uint32_t id; /* chosen by the client, echoed in the reply */
	uint16_t item_size;
	uint16_t items; /* 1 to WIRE_ITEMS_MAX; WIRE_WHOAMI: 1 */
};

struct wire_item {
	uint32_t flags; /* as open(2) takes them */
	uint32_t mode;
	uint32_t path_length; /* 1 to 4096 */
	uint32_t reserved;    /* 0 */
};

struct wire_question {
	uint32_t from;        /* 0, or `next` of the page before: nothing else has a meaning */
	uint32_t reserved[3]; /* 0 */
};

struct wire_reply {
	uint32_t length;
	uint16_t version;
	uint16_t status; /* 0: executed, results follow; WIRE_STATUS_RETRY; else an errno value for
			    the whole request */
	uint32_t id;
	uint16_t item_size; /* WIRE_WHOAMI: 0, and so are the items */
	uint16_t items;
};

/* No descriptor is given, because this worker is being replaced: connect and ask again. */
#define WIRE_STATUS_RETRY 0x8000u

struct wire_result {
	uint32_t error; /* 0: a descriptor comes with it; else an errno value */
	uint32_t reserved;
};

/* With status 0, what is behind the reply to WIRE_WHOAMI; the text follows, which may be empty. */
struct wire_page {
	uint32_t next; /* 0: this was the last one */
	uint32_t reserved;
};

enum {
	WIRE_TEXT_MAX = WIRE_REPLY_MAX - 24, /* bytes of text in a page */
};

_Static_assert(sizeof(struct wire_header) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_item) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_reply) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_result) == 8, "the layout is the protocol");
_Static_assert(sizeof(struct wire_question) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_page) == 8, "the layout is the protocol");

/* One file of a decoded request; path points into the message and has no NUL behind it. */
struct wire_file {
	uint32_t flags;
	uint32_t mode;
	const char *path;
	uint32_t path_length;
};

/* A decoded request. */
struct wire_request {
	uint32_t id;
	enum wire_operation operation;
	size_t n; /* WIRE_OPEN: of files */
	struct wire_file files[WIRE_ITEMS_MAX];
	uint32_t from; /* WIRE_WHOAMI */
};

/*
 * Read a request. message, size: as received. Returns
 *
 *   0         *ret_request is set
 *   > 0       an errno value for a reply to ret_request->id, which alone is set: EPROTO malformed,
 *             EPROTONOSUPPORT version, EOPNOTSUPP operation, E2BIG a byte that should be zero is not
 *   -EBADMSG  not even the header can be read: close the connection
 */
int wire_decode_request(const void *message, size_t size, struct wire_request *ret_request);

/* Write a reply of n results into buffer (WIRE_REPLY_MAX bytes). Returns its length. */
size_t wire_encode_reply(void *buffer, uint32_t id, uint16_t status, const uint32_t *errors,
			 size_t n);

/*
 * Write a reply with a page of text, of at most WIRE_TEXT_MAX bytes, into buffer (WIRE_REPLY_MAX
 * bytes). Returns its length.
 */
size_t wire_encode_page(void *buffer, uint32_t id, uint32_t next, const char *text, size_t length);

/*
 * Write a request for one file: header and item into buffer (at least WIRE_REQUEST_HEAD bytes); the
 * path follows as a second vector of the same message. Returns the length of what it wrote.
 */
#define WIRE_REQUEST_HEAD (sizeof(struct wire_header) + sizeof(struct wire_item))
size_t wire_encode_open(void *buffer, uint32_t id, uint32_t flags, uint32_t mode,
			uint32_t path_length);

/* Write a question into buffer (WIRE_REQUEST_HEAD bytes). Returns its length, which is that. */
size_t wire_encode_whoami(void *buffer, uint32_t id, uint32_t from);

/*
 * Read a reply to the request id for n files. Returns 0 with *ret_status, and with status 0 the
 * results in ret_errors; -EPROTO when it is anything but a well-formed answer to that request.
 */
int wire_decode_reply(const void *message, size_t size, uint32_t id, size_t n, uint16_t *ret_status,
		      uint32_t *ret_errors);

/*
 * Read a reply to the question id. Returns 0 with *ret_status, and with status 0 the rest; the text
 * points into the message and is whole printable lines. -EPROTO when it is anything else.
 */
int wire_decode_page(const void *message, size_t size, uint32_t id, uint16_t *ret_status,
		     uint32_t *ret_next, const char **ret_text, size_t *ret_length);
