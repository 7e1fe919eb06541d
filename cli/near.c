/* SPDX-License-Identifier: MIT */
#include "near.h"

#include <stdlib.h>
#include <string.h>

#include "policy/format.h"
#include "policy/reach.h"
#include "subject.h"
#include "text.h"

enum {
	UNSEEN = 0xff,
	NAMES_MAX = 2000, /* that are tried for ${user} */
};

const char *const near_clause_names[NEAR_CLAUSES_N] = {"who",    "verbs", "dot",
						       "except", "until", "user"};

struct search {
	const struct policy_image *image;
	const struct policy_decision *decision;
	uint8_t *failed; /* of each rule, UNSEEN: its pattern does not match */
	unsigned clause; /* that is given up for this search */
};

static int
count(unsigned failed)
{
	return __builtin_popcount(failed);
}

/* A rule may come more than once: what fails least counts. */
static void
note(void *context, uint32_t rule, unsigned failed)
{
	struct search *s = context;
	uint8_t *known = &s->failed[rule];

	failed |= s->clause;
	if (*known == UNSEEN || count(failed) < count(*known))
		*known = (uint8_t)failed;
}

/* --- ${user} ----------------------------------------------------------------------------- */

static bool
has_variables(const struct policy_image *image)
{
	for (uint32_t i = 0; i < image_count(image, SECTION_PIECES); i++)
		if (image->pieces[i].kind == POLICY_PIECE_USER ||
		    image->pieces[i].kind == POLICY_PIECE_UID)
			return true;
	return false;
}

/* What the rules would say if the peer had this name, or number. */
static void
try_name(const struct ask *ask, unsigned verbs, const char *name, size_t length, struct search *s)
{
	struct policy_request request = ask_request(ask, verbs, 0);
	struct policy_identity identity = ask->identity;

	identity.user = name;
	identity.user_length = (uint32_t)length;
	if (length < POLICY_NUMBER_MAX && strspn(name, "0123456789") >= length) {
		memcpy(identity.uid, name, length);
		identity.uid_length = (uint32_t)length;
	}
	policy_explain(ask->rules.image, &identity, &request, note, s);
}

/* Names are components of the path, or parts of one. */
static void
try_names(const struct ask *ask, unsigned verbs, struct search *s)
{
	size_t tried = 0;

	s->clause = NEAR_CLAUSE_USER;
	for (size_t at = 1; at < ask->length && tried < NAMES_MAX; tried++) {
		size_t n = strcspn(ask->path + at, "/");

		try_name(ask, verbs, ask->path + at, n, s);
		at += n + 1;
	}
	for (size_t at = 1; at < ask->length; at++) {
		size_t n = strcspn(ask->path + at, "/");

		for (size_t length = 1; length <= n && tried < NAMES_MAX; length++, tried++)
			try_name(ask, verbs, ask->path + at, length, s);
	}
}

/* --- finding ----------------------------------------------------------------------------- */

static bool
is_last(const struct search *s, uint32_t rule)
{
	return s->decision->rule == POLICY_NO_RULE && image_verdict(s->image, rule) == POLICY_DENY;
}

static int
compare(const void *a, const void *b, void *context)
{
	const struct near_rule *x = a, *y = b;
	const struct search *s = context;
	const enum policy_verdict verdict = s->decision->verdict;
	const size_t keys[][2] = {
		{x->failed != 0, y->failed != 0},
		{is_last(s, x->rule), is_last(s, y->rule)},
		{x->lacks, y->lacks},
		{x->failed != 0 && image_verdict(s->image, x->rule) == verdict,
		 y->failed != 0 && image_verdict(s->image, y->rule) == verdict},
		{(size_t)count(x->failed), (size_t)count(y->failed)},
		{x->rule, y->rule},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

void
near_find(struct ask *ask, unsigned verbs, const struct policy_decision *decision,
	  struct near_rules *ret_rules)
{
	const struct policy_image *image = ask->rules.image;
	uint32_t n = policy_image_rules(image);
	_cleanup_free_ uint8_t *failed = cli_resize(NULL, n, 1);
	struct search s = {.image = image, .decision = decision, .failed = failed};
	struct policy_request request = ask_request(ask, verbs, 0);
	struct near_rules rules = {0};

	memset(failed, UNSEEN, n);
	rules.incomplete = !policy_explain(image, &ask->identity, &request, note, &s);
	if (has_variables(image))
		try_names(ask, verbs, &s);
	rules.items = cli_resize(NULL, n, sizeof(*rules.items));
	for (uint32_t i = 0; i < n; i++) {
		bool who = failed[i] & POLICY_CLAUSE_WHO;

		if (failed[i] == UNSEEN)
			continue;
		rules.n_matched += failed[i] == 0;
		rules.n_shown += failed[i] == 0 || !is_last(&s, i);
		rules.items[rules.n++] =
			(struct near_rule){i, failed[i], who ? subject_lacks(ask, i) : 0};
	}
	qsort_r(rules.items, rules.n, sizeof(*rules.items), compare, &s);
	*ret_rules = rules;
}

void
near_clear(struct near_rules *rules)
{
	free(rules->items);
	*rules = (struct near_rules){0};
}

bool
near_together(const struct ask *ask, const struct near_rules *rules, unsigned verbs,
	      uint32_t ret_pair[2])
{
	const struct policy_image *image = ask->rules.image;
	uint32_t first[POLICY_VERBS_ALL + 1]; /* that lists these of the verbs */

	memset(first, 0xff, sizeof(first));
	for (size_t i = rules->n_matched; i < rules->n; i++) {
		uint32_t rule = rules->items[i].rule;
		unsigned listed = image->rules[rule].covers & verbs;

		if (rules->items[i].failed != POLICY_CLAUSE_VERBS ||
		    image_verdict(image, rule) == POLICY_DENY || first[listed] != POLICY_NO_RULE)
			continue;
		first[listed] = rule;
		for (unsigned other = 0; other <= POLICY_VERBS_ALL; other++) {
			if (first[other] == POLICY_NO_RULE || (other | listed) != verbs)
				continue;
			ret_pair[0] = first[other];
			ret_pair[1] = rule;
			return true;
		}
	}
	return false;
}

/* --- beginnings -------------------------------------------------------------------------- */

struct beginnings {
	const struct ask *ask;
	uint32_t *rules;
	size_t room;
	size_t n;
	size_t best; /* components */
};

/* How many components both begin with. */
static size_t
in_common(const char *path, const char *directory, const char *name)
{
	size_t components = 0, i = 0;

	if (directory[1] == '\0')
		return name && strncmp(path + 1, name, strlen(name)) == 0 &&
		       (path[1 + strlen(name)] == '/' || !path[1 + strlen(name)]);
	while (path[i] && path[i] == directory[i]) {
		i++;
		components +=
			(!path[i] || path[i] == '/') && (!directory[i] || directory[i] == '/');
	}
	return components;
}

static int
note_beginning(void *context, const struct policy_prefix *prefix, const struct image_entry *entry)
{
	struct beginnings *b = context;
	size_t common = in_common(b->ask->path, prefix->directory, prefix->name);

	if (common == 0 || common < b->best)
		return 0;
	if (common > b->best) {
		b->best = common;
		b->n = 0;
	}
	for (size_t i = 0; i < b->n; i++)
		if (b->rules[i] == entry->rule)
			return 0;
	if (b->n < b->room)
		b->rules[b->n++] = entry->rule;
	return 0;
}

size_t
near_begin(const struct ask *ask, uint32_t *rules, size_t *n)
{
	struct beginnings b = {.ask = ask, .rules = rules, .room = *n};

	if (policy_each_prefix(ask->rules.image, &ask->identity, note_beginning, &b) < 0)
		cli_out_of_memory();
	*n = b.n;
	return b.best;
}
