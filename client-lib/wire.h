/* SPDX-License-Identifier: MIT */
/*
 * The protocol between a client and its worker: SOCK_SEQPACKET, one message a request, one a reply,
 * integers in host order, sizes in bytes.
 *
 *     open, stat, list
 *              header | items x item (item_size each) | the items' paths, in order, without NUL
 *     reply    reply  | items x result (item_size each) | the results' texts, in order, without NUL
 *              open: with a descriptor for each result 0. Behind the error of a result stat has what
 *              statx(2) says, list where to go on. A text is why it was refused, as the policy says;
 *              of a list that was not it is entries: type, length, name.
 *
 *     whoami   header | one question (item_size)
 *     reply    reply  | page | text: whole lines "KEY VALUE\n", printable ASCII
 *
 * Sizes travel in the message as openat2(2) carries struct open_how: an item that is longer than
 * the receiver knows is fine while the rest of it is zero; a byte that is not is E2BIG. A client
 * passes over what it does not know of a result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WIRE_VERSION = 1,
	WIRE_ITEMS_MAX = 64,
	WIRE_ITEM_SIZE_MAX = 256,
	WIRE_PATH_MAX = 4096,
	WIRE_MESSAGE_MAX = 65536,
	WIRE_STATUS_SIZE = 144, /* of struct statx: up to stx_dev_minor */
	WIRE_REPLY_MAX = 16 + WIRE_ITEMS_MAX * (8 + WIRE_STATUS_SIZE),
	WIRE_REASON_MAX = 1020, /* bytes of a text that says why */
	WIRE_NAME_MAX = 255,
	WIRE_ENTRIES_MAX = WIRE_REPLY_MAX - 16 - 16, /* bytes of entries in a page */
};

enum wire_operation {
	WIRE_OPEN = 1,
	WIRE_WHOAMI = 2, /* who the broker says that the client is, a page at a time */
	WIRE_STAT = 3,
	WIRE_LIST = 4, /* the names in a directory, a page at a time */
};

struct wire_header {
	uint32_t length; /* of the whole message */
	uint16_t version;
	uint16_t operation;
	uint32_t id; /* chosen by the client, echoed in the reply */
	uint16_t item_size;
	uint16_t items; /* 1 to WIRE_ITEMS_MAX; WIRE_WHOAMI and WIRE_LIST: 1 */
};

struct wire_item {
	uint32_t
		flags; /* as open(2) takes them; WIRE_STAT: 0 or AT_SYMLINK_NOFOLLOW; WIRE_LIST: 0 */
	uint32_t mode;        /* WIRE_OPEN with O_CREAT; else not looked at */
	uint32_t path_length; /* 1 to 4096 */
	uint32_t reserved;    /* 0 */
};

/* WIRE_LIST: an item that may be longer. */
struct wire_list_item {
	struct wire_item item;
	uint64_t from; /* 0, or `next` of the page before */
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
	uint32_t error;       /* 0, WIRE_OPEN: a descriptor comes with it; else an errno value */
	uint32_t text_length; /* of its text, behind all results */
};

/* WIRE_LIST: a result. */
struct wire_list_result {
	struct wire_result result;
	uint64_t next; /* 0: this was the last page */
};

/* An entry of a page: followed by `length` bytes of name. */
struct wire_entry {
	uint8_t type;   /* d_type of readdir(3); DT_UNKNOWN where the file system does not say */
	uint8_t length; /* 1 to WIRE_NAME_MAX */
};

/* With status 0, what is behind the reply to WIRE_WHOAMI; the text follows, which may be empty. */
struct wire_page {
	uint32_t next; /* 0: this was the last one */
	uint32_t reserved;
};

enum {
	WIRE_TEXT_MAX = 504, /* bytes of text in a page */
};

_Static_assert(sizeof(struct wire_header) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_item) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_reply) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_result) == 8, "the layout is the protocol");
_Static_assert(sizeof(struct wire_question) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_page) == 8, "the layout is the protocol");
_Static_assert(sizeof(struct wire_list_item) == 24, "the layout is the protocol");
_Static_assert(sizeof(struct wire_list_result) == 16, "the layout is the protocol");
_Static_assert(sizeof(struct wire_entry) == 2, "the layout is the protocol");

/* One file of a decoded request; path points into the message and has no NUL behind it. */
struct wire_file {
	uint32_t flags;
	uint32_t mode;
	const char *path;
	uint32_t path_length;
	uint64_t from; /* WIRE_LIST */
};

/* A decoded request. */
struct wire_request {
	uint32_t id;
	enum wire_operation operation;
	size_t n; /* of files; WIRE_WHOAMI: 0 */
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

/* What became of one file, to be encoded or as it was decoded. */
struct wire_outcome {
	uint32_t error;
	size_t text_length; /* bytes */
	const void *text;   /* not read if there are none */
	size_t more_size;   /* bytes of a result behind a struct wire_result */
	const void *more;
};

/*
 * Write a reply of n results, with more_size bytes more in each, into buffer (WIRE_REPLY_MAX bytes).
 * Texts that there is no room for any more are left out. Returns its length.
 */
size_t wire_encode_reply(void *buffer, uint32_t id, uint16_t status,
			 const struct wire_outcome *outcomes, size_t n, size_t more_size);

/*
 * Write a reply with a page of text, of at most WIRE_TEXT_MAX bytes, into buffer (WIRE_REPLY_MAX
 * bytes). Returns its length.
 */
size_t wire_encode_page(void *buffer, uint32_t id, uint32_t next, const char *text, size_t length);

/*
 * Write a request for one file: header and item into buffer (at least WIRE_REQUEST_HEAD bytes); the
 * path follows as a second vector of the same message. from: for WIRE_LIST. Returns the length of what
 * it wrote.
 */
#define WIRE_REQUEST_HEAD (sizeof(struct wire_header) + sizeof(struct wire_list_item))
size_t wire_encode_request(void *buffer, uint32_t id, enum wire_operation operation,
			   const struct wire_file *file);

/* Write a question into buffer (WIRE_REQUEST_HEAD bytes). Returns its length. */
size_t wire_encode_whoami(void *buffer, uint32_t id, uint32_t from);

/*
 * Read a reply to the request id for n files. Returns 0 with *ret_status, and with status 0 the
 * outcomes, which point into the message; -EPROTO when it is anything but a well-formed answer to that
 * request. What is in the texts is not looked at.
 */
int wire_decode_reply(const void *message, size_t size, uint32_t id, size_t n, uint16_t *ret_status,
		      struct wire_outcome *ret_outcomes);

/*
 * The next entry of a text of entries at *text, of *length bytes, which go on behind it. False: there is
 * none, with *length 0; else the rest is not what a directory holds.
 */
bool wire_next_entry(const char **text, size_t *length, unsigned char *ret_type,
		     const char **ret_name, size_t *ret_name_length);

/*
 * Read a reply to the question id. Returns 0 with *ret_status, and with status 0 the rest; the text
 * points into the message and is whole printable lines. -EPROTO when it is anything else.
 */
int wire_decode_page(const void *message, size_t size, uint32_t id, uint16_t *ret_status,
		     uint32_t *ret_next, const char **ret_text, size_t *ret_length);
