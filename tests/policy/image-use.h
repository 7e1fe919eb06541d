/* SPDX-License-Identifier: MIT */
/* All that a program does with an image that was accepted: for tests and fuzzers. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/util.h"

/* Ends the process, which a test and a fuzzer both notice. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct image_use {
	const struct policy_image *image;
	unsigned long allowed, denied, exhausted, told, reached, applied,
		counted; /* so that a test sees what was done */
};

static inline void
image_use_printable(const char *text)
{
	for (; text && *text; text++)
		MUST((*text >= 0x20 && *text < 0x7f) || *text == '\t');
}

static inline int
image_use_reach(void *context, const struct policy_reach *reach)
{
	struct image_use *use = context;

	MUST(policy_path_is_canonical(reach->directory, strlen(reach->directory)));
	MUST(!reach->name || (*reach->name && !strchr(reach->name, '/')));
	MUST(reach->verbs > 0 && reach->verbs <= POLICY_VERBS_ALL);
	use->reached++;
	return 0;
}

static inline void
image_use_told(void *context, uint32_t rule, unsigned failed)
{
	struct image_use *use = context;

	MUST(rule < policy_image_rules(use->image));
	MUST(failed < 2 * POLICY_CLAUSE_UNTIL);
	use->told++;
}

static inline void
image_use_decide(struct image_use *use, const struct policy_identity *identity,
		 struct policy_request request)
{
	uint32_t rules = policy_image_rules(use->image), tries = 0;
	struct policy_decision d;

	do {
		policy_decide(use->image, identity, &request, &d);
		MUST(d.verdict == POLICY_DENY || d.verdict == POLICY_ALLOW);
		MUST(d.rule == POLICY_NO_RULE || d.rule < rules);
		MUST(d.verdict == POLICY_DENY || d.rule != POLICY_NO_RULE);
		MUST(d.prefix <= request.length);
		use->exhausted += d.exhausted;
		use->denied += d.verdict == POLICY_DENY;
		use->allowed += d.verdict == POLICY_ALLOW;
		/* Each try goes on further down, so there are no more tries than rules. */
		MUST(tries++ <= rules);
		request.from = d.next;
	} while (d.verdict == POLICY_ALLOW);
}

static inline void
image_use_identity(struct image_use *use, const struct policy_identity *identity, int32_t day)
{
	static const char *const paths[] = {
		"/",
		"/etc/motd",
		"/srv/a/b.key",
		"/home/u/.ssh/id_rsa",
		"/a/b/c/d",
		"/axbxc",
		"/x/y/secret",
		"/srv/one/two/three",
		"/srv/.a",
		"/var/a/zz22q/alice/7",
		"/q/m/r/n/s/t",
		"/m/m/n/m/n/n",
		"not a path",
		"/a//b",
		"/srv/alice/x",
		"",
	};

	for (size_t i = 0; i < ELEMENTS(paths); i++) {
		struct policy_request request = {
			.path = paths[i], .length = strlen(paths[i]), .day = day};

		for (unsigned verb = 1; verb < POLICY_VERBS_ALL; verb <<= 1) {
			request.verbs = verb;
			image_use_decide(use, identity, request);
		}
		request.verbs = POLICY_READ | POLICY_WRITE;
		policy_explain(use->image, identity, &request, image_use_told, use);
	}
	policy_reach(use->image, identity, image_use_reach, use);
	for (uint32_t i = 0; i < policy_image_rules(use->image); i++)
		use->applied += policy_rule_applies(use->image, identity, i);
}

/* Each range is somebody's from its beginning to its end. */
static inline void
image_use_accounts(struct image_use *use)
{
	static const uid_t uids[] = {0, 1, 99999, 100000, 165535, 165536, 1000000, UINT32_MAX};

	for (size_t i = 0; i < ELEMENTS(uids); i++) {
		uid_t account = policy_account(use->image, uids[i]);

		MUST(account != UINT32_MAX || uids[i] == UINT32_MAX);
		use->counted += account != uids[i];
	}
}

static inline struct image_use
image_use(const struct policy_image *image)
{
	static const gid_t groups[] = {2, 3, 0};
	static const struct {
		struct policy_peer peer;
		const char *user;
	} peers[] = {
		{{.has_uid = true, .uid = 1, .has_gid = true, .gid = 2, .unit = "ab.service"},
		 "bob"},
		{{.has_uid = true, .uid = 7, .groups = groups, .n_groups = 3, .label = "l1"},
		 "alice"},
		{{.has_uid = true, .uid = 5}, ".x"},
		{{.has_uid = false}, NULL},
	};
	struct image_use use = {.image = image};

	for (size_t i = 0; i < ELEMENTS(peers); i++) {
		const struct policy_peer *peer = &peers[i].peer;
		struct policy_identity identity;
		uint32_t ids[64];
		size_t n;

		if (policy_subjects(image, peer, ids, ELEMENTS(ids), &n) < 0)
			continue;
		MUST(n <= ELEMENTS(ids) && policy_scope(image, ids, n) <= POLICY_SCOPE_OWN);
		policy_needs_name(image, ids, n);
		policy_identity_init(&identity, ids, n, peer->has_uid ? &peer->uid : NULL,
				     peers[i].user);
		image_use_identity(&use, &identity, i % 2 ? 30000 : POLICY_NO_DAY);
	}
	image_use_accounts(&use);
	for (uint32_t i = 0; i < policy_image_rules(image); i++) {
		struct policy_rule rule;

		policy_rule_describe(image, i, &rule);
		image_use_printable(rule.file);
		image_use_printable(rule.id);
		image_use_printable(rule.because);
		MUST(rule.verbs > 0 && rule.verbs <= POLICY_VERBS_ALL);
		MUST(policy_rule_options(image, i)->types != 0);
	}
	return use;
}
