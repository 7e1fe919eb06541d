/* SPDX-License-Identifier: MIT */
/* What the tests of policy/ share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"
#include "policy/util.h"

/* What the compiler made of some text. */
struct compiled {
	unsigned flags;
	int result;
	struct policy_diag diag;
	char *messages;
	size_t messages_size;
	void *bytes;
	size_t size;
	struct policy_image *image; /* NULL when there were errors */
};

static inline struct compiled
compile_flags(const struct policy_source *sources, size_t n, unsigned flags)
{
	struct compiled c = {.flags = flags};

	c.diag.out = open_memstream(&c.messages, &c.messages_size);
	assert_non_null(c.diag.out);
	c.result = policy_compile(sources, n, c.flags, &c.diag, &c.bytes, &c.size);
	fclose(c.diag.out);
	c.diag.out = NULL;
	if (c.result == 0)
		assert_int_equal(policy_image_from_memory(c.bytes, c.size, &c.image), 0);
	return c;
}

static inline struct compiled
compile_sources(const struct policy_source *sources, size_t n)
{
	return compile_flags(sources, n, 0);
}

static inline struct compiled
compile_text(const char *text)
{
	const struct policy_source source = {"t.policy", text, strlen(text)};

	return compile_sources(&source, 1);
}

/* Text that must be good: the rules below `policy 1`. */
static inline struct compiled
compile_rules(const char *rules)
{
	char *text = NULL;
	struct compiled c;

	assert_true(asprintf(&text, "policy 1\n%s\n", rules) > 0);
	c = compile_text(text);
	if (c.result != 0)
		fail_msg("%s\n%s", text, c.messages);
	free(text);
	return c;
}

static inline void
compiled_free(struct compiled *c)
{
	policy_image_free(c->image);
	free(c->bytes);
	free(c->messages);
	*c = (struct compiled){0};
}

/* "7", "7:20", "7:20,21,22" is uid 7, gid 20, groups 21 and 22; "-" is a peer nothing is known of.
 */
struct who {
	struct policy_peer peer;
	gid_t groups[8];
};

static inline void
parse_who(const char *text, struct who *who)
{
	char *end;

	memset(who, 0, sizeof(*who));
	who->peer.groups = who->groups;
	if (*text == '-')
		return;
	who->peer.has_uid = true;
	who->peer.uid = (uid_t)strtoul(text, &end, 10);
	if (*end != ':')
		return;
	who->peer.has_gid = true;
	who->peer.gid = (gid_t)strtoul(end + 1, &end, 10);
	while (*end == ',')
		who->groups[who->peer.n_groups++] = (gid_t)strtoul(end + 1, &end, 10);
}

static inline struct policy_decision
decide_on(const struct policy_image *image, const struct policy_peer *peer, const char *user,
	  const struct policy_request *request)
{
	struct policy_identity identity;
	struct policy_decision decision;
	uint32_t ids[64];
	size_t n;

	assert_int_equal(policy_subjects(image, peer, ids, ELEMENTS(ids), &n), 0);
	policy_identity_init(&identity, ids, n, peer->has_uid ? &peer->uid : NULL, user);
	policy_decide(image, &identity, request, &decision);
	return decision;
}

static inline struct policy_decision
decide_for(const struct policy_image *image, const struct policy_peer *peer, const char *path,
	   unsigned verbs)
{
	const struct policy_request request = {
		.path = path,
		.length = strlen(path),
		.verbs = verbs,
		.day = POLICY_NO_DAY,
	};

	return decide_on(image, peer, NULL, &request);
}

static inline struct policy_decision
decide(const struct policy_image *image, const char *who_text, const char *path, const char *verbs)
{
	struct who who;
	unsigned set;

	parse_who(who_text, &who);
	assert_int_equal(policy_verbs_parse(verbs, &set), 0);
	return decide_for(image, &who.peer, path, set);
}
