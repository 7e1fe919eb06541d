/* SPDX-License-Identifier: MIT */
/* Which of the policy's subjects a peer is. */
#include <errno.h>
#include <string.h>

#include "match.h"
#include "words.h"

/* The kernel gives groups in ascending order, setgroups(2); then they are found by halves. */
static bool
are_sorted(const struct policy_peer *peer)
{
	for (size_t i = 1; i < peer->n_groups; i++)
		if (peer->groups[i] < peer->groups[i - 1])
			return false;
	return true;
}

static bool
in_group(const struct policy_peer *peer, bool sorted, gid_t gid)
{
	size_t low = 0, high = peer->n_groups;

	if (gid == POLICY_OVERFLOW_ID)
		return false;
	if (peer->has_gid && peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->n_groups && !sorted; i++)
		if (peer->groups[i] == gid)
			return true;
	while (sorted && low < high) {
		size_t middle = (low + high) / 2;

		if (peer->groups[middle] < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return sorted && low < peer->n_groups && peer->groups[low] == gid;
}

/* AppArmor says how it enforces a profile behind its name, "NAME (MODE)"; no label has a blank. */
static size_t
label_length(const char *label)
{
	return strcspn(label, " ");
}

static bool
atom_holds(const struct policy_image *image, const struct image_atom *atom,
	   const struct policy_peer *peer, bool sorted)
{
	const char *text = image->strings + atom->value;

	switch (atom->kind) {
	case POLICY_ATOM_USER:
		return peer->has_uid && peer->uid == atom->value && peer->uid != POLICY_OVERFLOW_ID;
	case POLICY_ATOM_GROUP:
		return in_group(peer, sorted, atom->value);
	case POLICY_ATOM_UNIT:
		return peer->unit && policy_glob_matches(text, peer->unit);
	case POLICY_ATOM_LABEL:
		return peer->label && policy_word_is(peer->label, label_length(peer->label), text);
	default:
		return false;
	}
}

bool
policy_atom_holds(const struct policy_image *image, const struct image_atom *atom,
		  const struct policy_peer *peer)
{
	return atom_holds(image, atom, peer, are_sorted(peer));
}

static bool
conjunction_holds(const struct policy_image *image, const struct image_conjunction *c,
		  const struct policy_peer *peer, bool sorted)
{
	for (uint32_t i = 0; i < c->atoms.n; i++)
		if (!atom_holds(image, &image->atoms[c->atoms.first + i], peer, sorted))
			return false;
	return true;
}

/* The subjects found so far: ascending, each once. */
struct found {
	uint32_t *ids;
	size_t n;
	size_t max;
	bool sorted; /* the peer's groups are */
};

static int
add_subject(struct found *found, uint32_t subject)
{
	size_t low = 0, high = found->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (found->ids[middle] < subject)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < found->n && found->ids[low] == subject)
		return 0;
	if (found->n == found->max)
		return -E2BIG;
	memmove(found->ids + low + 1, found->ids + low, (found->n - low) * sizeof(*found->ids));
	found->ids[low] = subject;
	found->n++;
	return 0;
}

static bool
is_before(const struct image_conjunction *c, uint32_t kind, uint32_t key)
{
	return c->kind != kind ? c->kind < kind : c->key < key;
}

/* All conjunctions that are found by this anchor and hold. */
static int
add_anchored(const struct policy_image *image, const struct policy_peer *peer, uint32_t kind,
	     uint32_t key, struct found *found)
{
	uint32_t low = 0, n = image_count(image, SECTION_CONJUNCTIONS), high = n;
	const struct image_conjunction *c;
	int r;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (is_before(&image->conjunctions[middle], kind, key))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n; low++) {
		c = &image->conjunctions[low];
		if (c->kind != kind || c->key != key)
			break;
		if (!conjunction_holds(image, c, peer, found->sorted))
			continue;
		r = add_subject(found, c->subject);
		if (r < 0)
			return r;
	}
	return 0;
}

int
policy_subjects(const struct policy_image *image, const struct policy_peer *peer, uint32_t *ids,
		size_t max, size_t *ret_n)
{
	struct found found = {ids, 0, max, are_sorted(peer)};
	int r;

	if (peer->has_uid && peer->uid == POLICY_OVERFLOW_ID) {
		*ret_n = 0;
		return 0;
	}
	r = add_anchored(image, peer, POLICY_ATOM_ANY, 0, &found);
	if (r == 0 && peer->has_uid)
		r = add_anchored(image, peer, POLICY_ATOM_USER, peer->uid, &found);
	if (r == 0 && peer->has_gid)
		r = add_anchored(image, peer, POLICY_ATOM_GROUP, peer->gid, &found);
	for (size_t i = 0; r == 0 && i < peer->n_groups; i++)
		/* The same group may come a thousand times. */
		if (i == 0 || peer->groups[i] != peer->groups[i - 1])
			r = add_anchored(image, peer, POLICY_ATOM_GROUP, peer->groups[i], &found);
	if (r == 0 && peer->label)
		r = add_anchored(image, peer, POLICY_ATOM_LABEL,
				 policy_hash(peer->label, label_length(peer->label)), &found);
	if (r < 0)
		return r;
	*ret_n = found.n;
	return 0;
}

unsigned
policy_asks(const struct policy_image *image)
{
	return image->asks;
}

static unsigned
flags_of(const struct policy_image *image, const uint32_t *ids, size_t n)
{
	unsigned flags = 0;

	for (size_t i = 0; i < n; i++)
		if (ids[i] < image_count(image, SECTION_SUBJECTS))
			flags |= image->subjects[ids[i]].flags;
	return flags;
}

enum policy_scope
policy_scope(const struct policy_image *image, const uint32_t *ids, size_t n)
{
	unsigned flags = flags_of(image, ids, n);

	if (!(flags & IMAGE_SUBJECT_ALLOWS))
		return POLICY_SCOPE_NONE;
	return flags & ~(unsigned)IMAGE_SUBJECT_ALLOWS ? POLICY_SCOPE_OWN : POLICY_SCOPE_ANY;
}

enum policy_name
policy_needs_name(const struct policy_image *image, const uint32_t *ids, size_t n)
{
	unsigned flags = flags_of(image, ids, n);

	if (flags & IMAGE_SUBJECT_TAKES_USER)
		return POLICY_NAME_TAKES;
	return flags & IMAGE_SUBJECT_USER ? POLICY_NAME_GRANTS : POLICY_NAME_UNUSED;
}

uid_t
policy_account(const struct policy_image *image, uid_t uid)
{
	uint32_t low = 0, high = image ? image_count(image, SECTION_SUBUIDS) : 0;

	/* The first range that begins behind it. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->subuids[middle].first <= uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || uid - image->subuids[low - 1].first >= image->subuids[low - 1].n)
		return uid;
	return image->subuids[low - 1].owner;
}

uid_t
policy_own_id(const struct policy_image *image, uid_t owner, uint32_t n, uint32_t i)
{
	uint32_t ranges = image ? image_count(image, SECTION_SUBUIDS) : 0;

	for (uint32_t at = 0; at < ranges; at++) {
		const struct policy_subuids *ids = &image->subuids[at];

		if (ids->owner == owner && !ids->shared && ids->first >= POLICY_OWN_ID_MIN &&
		    ids->n >= n)
			return ids->first + i;
	}
	return owner;
}

void
policy_identity_init(struct policy_identity *identity, const uint32_t *subjects, size_t n,
		     const uid_t *uid, const char *user)
{
	size_t length = user ? strnlen(user, POLICY_NAME_MAX_BYTES + 1) : 0;

	*identity = (struct policy_identity){.subjects = subjects, .n_subjects = n};
	for (size_t i = 0; i < n; i++)
		identity->filter |= UINT64_C(1) << (subjects[i] % 64);
	if (uid)
		identity->uid_length =
			(uint32_t)snprintf(identity->uid, sizeof(identity->uid), "%u", *uid);
	if (length == 0 || length > POLICY_NAME_MAX_BYTES || memchr(user, '/', length) ||
	    policy_word_is(user, length, ".") || policy_word_is(user, length, ".."))
		return;
	identity->user = user;
	identity->user_length = (uint32_t)length;
}

bool
policy_rule_applies(const struct policy_image *image, const struct policy_identity *identity,
		    uint32_t rule)
{
	return policy_identity_is(identity, image->rules[rule].subject);
}

bool
policy_identity_is(const struct policy_identity *identity, uint32_t subject)
{
	size_t low = 0, high = identity->n_subjects;

	if (!(identity->filter >> (subject % 64) & 1))
		return false;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (identity->subjects[middle] < subject)
			low = middle + 1;
		else
			high = middle;
	}
	return low < identity->n_subjects && identity->subjects[low] == subject;
}
