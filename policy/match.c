/* SPDX-License-Identifier: MIT */
#include "match.h"

#include <string.h>

#include "words.h"

bool
policy_split(const char *path, size_t length, struct policy_split *ret_split)
{
	size_t at = 1;

	if (length == 0 || length > POLICY_PATH_MAX || path[0] != '/' || memchr(path, 0, length))
		return false;
	ret_split->path = path;
	ret_split->n = 0;
	if (length == 1)
		return true;
	for (;;) {
		const char *slash = memchr(path + at, '/', length - at);
		size_t name = (slash ? (size_t)(slash - path) : length) - at;

		if (name == 0 || name > POLICY_NAME_MAX_BYTES ||
		    ret_split->n == POLICY_COMPONENTS_MAX || policy_word_is(path + at, name, ".") ||
		    policy_word_is(path + at, name, ".."))
			return false;
		ret_split->names[ret_split->n].at = (uint16_t)at;
		ret_split->names[ret_split->n].length = (uint16_t)name;
		ret_split->n++;
		if (!slash)
			return true;
		at += name + 1;
	}
}

bool
policy_path_is_canonical(const char *path, size_t length)
{
	struct policy_split split;

	return policy_split(path, length, &split);
}

/*
 * Each literal after a star is taken where it first fits; what fails later is tried again one byte
 * further, from the last star only: an earlier star could take nothing that the last cannot.
 */
static bool
wild_matches(const struct policy_image *image, const struct image_component *component,
	     const char *name, uint32_t length)
{
	const struct image_piece *pieces = image->pieces + component->pieces.first;
	uint32_t n = component->pieces.n, piece = 0, at = 0, star = n, mark = 0;

	for (;;) {
		if (piece < n && pieces[piece].kind == POLICY_PIECE_STAR) {
			star = piece++;
			mark = at;
		} else if (piece < n && pieces[piece].length <= length - at &&
			   memcmp(image->strings + pieces[piece].string, name + at,
				  pieces[piece].length) == 0) {
			at += pieces[piece++].length;
		} else if (piece == n && at == length) {
			return true;
		} else if (star == n || mark == length) {
			return false;
		} else {
			at = ++mark;
			piece = star + 1;
		}
	}
}

static bool
component_matches(const struct policy_image *image, const struct image_component *component,
		  const char *name, uint32_t length, bool dots)
{
	const struct image_piece *first = image->pieces + component->pieces.first;

	if (component->kind == POLICY_COMPONENT_LITERAL)
		return first->length == length &&
		       memcmp(image->strings + first->string, name, length) == 0;
	if (name[0] == '.' && !dots && first->kind != POLICY_PIECE_LITERAL)
		return false;
	return wild_matches(image, component, name, length);
}

/* How far the pattern can be: bit i, component i is next; done, nothing is left. */
struct front {
	uint64_t next;
	bool done;
};

static void
advance(struct front *front, uint32_t to, uint32_t n)
{
	if (to == n)
		front->done = true;
	else
		front->next |= UINT64_C(1) << to;
}

bool
policy_pattern_matches(const struct policy_image *image, const struct image_pattern *pattern,
		       const struct policy_split *split, bool dots)
{
	const uint32_t *refs = image->component_refs + pattern->components.first;
	uint32_t n = pattern->components.n;
	struct front front = {0};

	advance(&front, 0, n);
	for (uint32_t at = 0;; at++) {
		struct front after = {0};
		const char *name;
		uint32_t length;

		/* `**` may be nothing: ascending, so that what this adds is seen too. */
		for (uint32_t i = 0; i < n; i++)
			if ((front.next >> i & 1) &&
			    image->components[refs[i]].kind == POLICY_COMPONENT_GLOBSTAR)
				advance(&front, i + 1, n);
		if (at == split->n)
			return front.done;
		if (front.next == 0)
			return false;
		name = split->path + split->names[at].at;
		length = split->names[at].length;
		for (uint64_t left = front.next; left != 0; left &= left - 1) {
			uint32_t i = (uint32_t)__builtin_ctzll(left);
			const struct image_component *component = &image->components[refs[i]];

			if (component->kind == POLICY_COMPONENT_GLOBSTAR) {
				if (dots || name[0] != '.')
					advance(&after, i, n);
			} else if (component_matches(image, component, name, length, dots)) {
				advance(&after, i + 1, n);
			}
		}
		front = after;
	}
}
