/* SPDX-License-Identifier: MIT */
/* One file of a request: the policy's word, what is done with the file, the record. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "broker/worker/audit.h"
#include "broker/worker/request.h"
#include "broker/worker/tree.h"
#include "client-lib/wire.h"
#include "policy/policy.h"

enum {
	ACCESS_LINKS_MAX = 8,         /* symbolic links that are followed for one file */
	ACCESS_LINKS_OF_ALL_MAX = 64, /* for all of a request */
	ACCESS_TRIES = 8,             /* while others exchange what is looked at */
};

struct access {
	const struct server *server;
	struct client *client;
	/* What is asked, and by the policy's word permitted. */
	enum wire_operation operation;
	uint32_t flags;
	mode_t mode;
	uint64_t from;
	unsigned verbs;
	int32_t day; /* as in struct policy_request */
	const struct policy_options *options;
	struct place place;
	/* What came of it. */
	int fd; /* of an open file, for the client; else -1 */
	unsigned n_links;
	unsigned *n_links_of_all; /* of the request */
	unsigned n_tries;
	bool asks_directory; /* a link says "name/" */
	struct policy_led led;
	bool retry;   /* only another worker can tell, or has the right to */
	bool created; /* what O_EXCL asks for once cannot be asked for again */
	struct audit_event event;
	const char *because;  /* of the rule that denied, or NULL */
	struct statx *status; /* of WIRE_STAT: where to write it */
	size_t length;        /* of WIRE_LIST: bytes of entries */
	uint64_t next;
	char entries[WIRE_ENTRIES_MAX];
	char path[POLICY_PATH_MAX + 1]; /* as asked, or where a link led */
	size_t path_length;
};

/* Decide on one file of a request, do what is asked, put it on record. event.error says how it went. */
void access_file(const struct server *server, struct client *client, enum wire_operation operation,
		 const struct wire_file *file, struct statx *status, struct access *ret_access);

/* Of a decision that permits it: 0, a negative errno value, or one of those of tree.h. */
int access_open(struct access *a); /* open.c */
int access_stat(struct access *a); /* look.c */
int access_list(struct access *a); /* look.c */

/* --- conditions.c: of the rule, on the object ------------------------------------------------ */

/* Those for which the type of an object is no reason to refuse. 0 or as above. */
int access_type_holds(struct access *a, const struct stat *object);

/* The directories above it, as place_chain(), if the rule asks for them. */
int access_chain(struct access *a, const struct stat *object, struct policy_chain *ret_chain);

/* Does it belong to whom it should, and are the directories above, of this chain, as they should be? */
int access_conditions_hold(struct access *a, const struct stat *object,
			   const struct policy_chain *chain);

/*
 * May this link lead the peer on? If it is somebody else's, it leads to what belongs to the same, and
 * that is held from then on: a->led.
 */
int access_link_holds(struct access *a, const struct place *link, const struct stat *status);

/* Are the directories above it, of this chain, as they should be? */
int access_strict_holds(struct access *a, const struct stat *object,
			const struct policy_chain *chain);

/*
 * A file that nobody is given for writing: that carries privileges of its own. fd: -1 before it is open:
 * only as far as its mode tells.
 */
int access_writable_holds(struct access *a, int fd, const struct stat *object);
