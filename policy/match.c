/* SPDX-License-Identifier: MIT */
#include "match.h"

#include "words.h"

/* 0x80 in each byte of the word that is zero, and nothing in others. */
static uint64_t
zero_bytes(uint64_t word)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);

	return ~(((word & low) + low) | word | low);
}

/* Up to eight bytes from `at` on, the first of them lowest, and zeroes behind. */
static uint64_t
next_bytes(const char *path, size_t length, size_t at)
{
	uint64_t word;

	if (length - at >= 8)
		word = policy_load(path + at, 8);
	else if (length >= 8)
		word = policy_load(path + length - 8, 8) >> 8 * (8 - (length - at));
	else
		word = policy_load(path + at, length - at);
	return word;
}

static bool
add_name(struct policy_split *split, size_t start, size_t end)
{
	size_t length = end - start;
	const char *name = split->path + start;
	bool dot = length > 0 && name[0] == '.';
	uint32_t n = split->n;

	if (length == 0 || length > POLICY_NAME_MAX_BYTES || n == POLICY_COMPONENTS_MAX)
		return false;
	if (dot && (length == 1 || (length == 2 && name[1] == '.')))
		return false;
	split->names[n].at = (uint16_t)start;
	split->names[n].length = (uint16_t)length;
	split->names[n].hash = policy_hash(name, length);
	split->dots[n + 1] = (uint8_t)(split->dots[n] + dot);
	split->n = n + 1;
	return true;
}

/*
 * While the rest of the path is still taken apart: ask for the memory of the node that its literal
 * beginning leads to. Nothing is decided here.
 */
struct scout {
	const struct policy_image *image;
	const struct image_node *node; /* NULL: it has found nothing more */
	uint32_t next;                 /* the component that leads on */
};

static void
scout_ahead(struct scout *scout, const struct policy_split *split)
{
	uint32_t hash, slot;

	if (!scout->node || split->n <= scout->next)
		return;
	if ((scout->node->shape & IMAGE_SLOT_BITS) == IMAGE_NO_SLOTS) {
		scout->node = NULL;
		return;
	}
	hash = split->names[scout->next].hash;
	slot = image_slots(scout->node)[hash & (image_n_slots(scout->node) - 1)];
	if (slot == IMAGE_NONE) {
		scout->node = NULL;
		return;
	}
	scout->node = image_node(scout->image, slot & IMAGE_SLOT_NODE);
	__builtin_prefetch(scout->node);
	__builtin_prefetch((const char *)scout->node + 64);
	/* Its own children are further away than it pays to look. */
	if (scout->next >= 1)
		scout->node = NULL;
	else
		scout->next += scout->node->run_components;
}

bool
policy_split(const char *path, size_t length, struct policy_split *ret_split)
{
	return policy_split_for(NULL, path, length, ret_split);
}

bool
policy_split_for(const struct policy_image *image, const char *path, size_t length,
		 struct policy_split *ret_split)
{
	struct scout scout = {image, image ? image_node(image, 0) : NULL, 0};
	size_t start = 1;

	if (length == 0 || length > POLICY_PATH_MAX || path[0] != '/')
		return false;
	ret_split->path = path;
	ret_split->length = (uint32_t)length;
	ret_split->n = 0;
	ret_split->dots[0] = 0;
	if (length == 1)
		return true;
	/* Names are short: eight bytes at a time find their ends sooner than a call for each. */
	for (size_t at = 1; at < length; at += 8) {
		uint64_t word = next_bytes(path, length, at);
		uint64_t all =
			length - at >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * (length - at)) - 1;
		uint64_t slashes = zero_bytes(word ^ UINT64_C(0x2f2f2f2f2f2f2f2f));

		if (zero_bytes(word) & all)
			return false;
		for (; slashes != 0; slashes &= slashes - 1) {
			size_t end = at + (size_t)__builtin_ctzll(slashes) / 8;

			if (!add_name(ret_split, start, end))
				return false;
			scout_ahead(&scout, ret_split);
			start = end + 1;
		}
	}
	return add_name(ret_split, start, length);
}

bool
policy_path_is_canonical(const char *path, size_t length)
{
	struct policy_split split;

	return policy_split(path, length, &split);
}

bool
policy_glob_matches(const char *glob, const char *text)
{
	size_t left = strlen(text), n = (size_t)(strchrnul(glob, '*') - glob);

	if (!glob[n])
		return n == left && memcmp(glob, text, n) == 0;
	if (n > left || memcmp(glob, text, n) != 0)
		return false;
	/* What stands between two stars is best found as early as possible. */
	for (;;) {
		const char *at;

		text += n;
		left -= n;
		glob += n + 1;
		n = (size_t)(strchrnul(glob, '*') - glob);
		if (!glob[n])
			return n <= left && memcmp(text + left - n, glob, n) == 0;
		at = memmem(text, left, glob, n);
		if (!at)
			return false;
		left -= (size_t)(at - text);
		text = at;
	}
}

/* Places between the bytes of a name, which has at most 255. */
struct places {
	uint64_t bits[4];
};

static void
add_place(struct places *places, uint32_t at)
{
	places->bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static bool
has_place(const struct places *places, uint32_t at)
{
	return places->bits[at / 64] >> (at % 64) & 1;
}

struct name {
	const char *bytes;
	uint32_t length;
	bool no_dot; /* it begins with a dot: nothing but a literal may stand at its beginning */
};

/* Where `text` ends, if it begins at one of these places. */
static void
after_text(const struct places *from, const struct name *name, const char *text, uint32_t length,
	   struct places *to, int64_t *steps)
{
	for (uint32_t word = 0; word < 4; word++) {
		for (uint64_t left = from->bits[word]; left != 0; left &= left - 1) {
			uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(left);

			(*steps)--;
			if (length > name->length - at)
				return;
			if (memcmp(name->bytes + at, text, length) == 0)
				add_place(to, at + length);
		}
	}
}

static void
after_class(const struct places *from, const struct name *name, const struct policy_class *class,
	    struct places *to, int64_t *steps)
{
	for (uint32_t at = name->no_dot; at < name->length; at++)
		if (has_place(from, at) &&
		    policy_class_holds(class, (unsigned char)name->bytes[at]))
			add_place(to, at + 1);
	*steps -= 1 + name->length / 4;
}

static void
after_star(const struct places *from, const struct name *name, struct places *to, int64_t *steps)
{
	uint32_t at = name->no_dot;

	while (at <= name->length && !has_place(from, at))
		at++;
	for (; at <= name->length; at++)
		add_place(to, at);
	*steps -= 1 + name->length / 4;
}

static void
after_variable(const struct places *from, const struct name *name, const char *text,
	       uint32_t length, struct places *to, int64_t *steps)
{
	struct places can = *from;

	if (!text || length == 0)
		return;
	if (name->no_dot)
		can.bits[0] &= ~UINT64_C(1);
	after_text(&can, name, text, length, to, steps);
}

/* All ways at once: the places that the pieces so far can end at. */
static bool
pieces_match(const struct policy_image *image, const struct policy_identity *identity,
	     struct policy_range pieces, const struct name *name, int64_t *steps)
{
	struct places at = {{1}};

	for (uint32_t i = 0; i < pieces.n; i++) {
		const struct image_piece *piece = &image->pieces[pieces.first + i];
		struct places next = {{0}};

		switch (piece->kind) {
		case POLICY_PIECE_LITERAL:
			after_text(&at, name, image->strings + piece->at, piece->length, &next,
				   steps);
			break;
		case POLICY_PIECE_STAR:
			after_star(&at, name, &next, steps);
			break;
		case POLICY_PIECE_CLASS:
			after_class(&at, name, &image->classes[piece->at], &next, steps);
			break;
		case POLICY_PIECE_CHOICE:
			for (uint32_t n = piece->length; n > 0; n--) {
				piece = &image->pieces[pieces.first + ++i];
				after_text(&at, name, image->strings + piece->at, piece->length,
					   &next, steps);
			}
			break;
		case POLICY_PIECE_USER:
			after_variable(&at, name, identity->user, identity->user_length, &next,
				       steps);
			break;
		case POLICY_PIECE_UID:
		default:
			after_variable(&at, name, identity->uid, identity->uid_length, &next,
				       steps);
			break;
		}
		if (!(next.bits[0] | next.bits[1] | next.bits[2] | next.bits[3]) || *steps < 0)
			return false;
		at = next;
	}
	return has_place(&at, name->length);
}

bool
policy_component_matches(const struct policy_image *image, const struct policy_identity *identity,
			 const struct image_component *component, const char *name, uint32_t length,
			 bool dots, int64_t *steps)
{
	const struct image_piece *head = &image->pieces[component->pieces.first], *tail = head + 1;
	const struct name whole = {name, length, name[0] == '.' && !dots};

	if (component->kind != IMAGE_COMPONENT_AFFIX)
		return pieces_match(image, identity, component->pieces, &whole, steps);
	return (!whole.no_dot || head->length > 0) && head->length + tail->length <= length &&
	       memcmp(name, image->strings + head->at, head->length) == 0 &&
	       memcmp(name + length - tail->length, image->strings + tail->at, tail->length) == 0;
}
