/* SPDX-License-Identifier: MIT */
/*
 * Is an image what format.h says? Every number in it is looked at, in a time that grows with its
 * size, whoever wrote it. What is not looked at: whether it says what the policy said.
 */
#include <string.h>

#include "format.h"
#include "words.h"

/* Ranges that follow each other without gap or overlap. */
static bool
follows(uint32_t *end, struct policy_range range, uint32_t count)
{
	if (range.first != *end || range.n > count - *end)
		return false;
	*end += range.n;
	return true;
}

static bool
range_fits(struct policy_range range, uint32_t count)
{
	return range.first <= count && range.n <= count - range.first;
}

/* The section ends with a NUL. */
static bool
string_fits(const struct policy_image *image, uint32_t string)
{
	return string < image_count(image, SECTION_STRINGS);
}

/* Bytes of a string, with a NUL behind them and none in them. */
static bool
bytes_fit(const struct policy_image *image, uint32_t string, uint32_t length)
{
	return string_fits(image, string) &&
	       length < image_count(image, SECTION_STRINGS) - string &&
	       strnlen(image->strings + string, (size_t)length + 1) == length;
}

/* Strings that messages show, a bit for where each could begin: many rules share one. */
struct shown {
	uint64_t *bits;
};

/* Printable up to the NUL, and not longer than a string of the policy can become. */
static void
find_shown(const struct policy_image *image, struct shown *shown)
{
	enum {
		SHOWN_MAX = 4 * (POLICY_PATH_MAX + 1),
	};
	uint32_t length = 0;
	bool printable = false;

	for (uint32_t i = image_count(image, SECTION_STRINGS); i-- > 0; length++) {
		char c = image->strings[i];

		if (c == '\0') {
			printable = true;
			length = 0;
		} else if ((c < 0x20 || c >= 0x7f) && c != '\t') {
			printable = false;
		}
		if (printable && length <= SHOWN_MAX)
			shown->bits[i / 64] |= UINT64_C(1) << (i % 64);
	}
}

static bool
shown_good(const struct policy_image *image, const struct shown *shown, uint32_t string)
{
	return string_fits(image, string) && (shown->bits[string / 64] >> (string % 64) & 1);
}

static bool
subjects_good(const struct policy_image *image)
{
	uint32_t n_atoms = image_count(image, SECTION_ATOMS), atoms = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_SUBJECTS); i++)
		if (image->subjects[i].flags & ~(uint32_t)IMAGE_SUBJECT_FLAGS)
			return false;
	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];

		if (c->subject >= image_count(image, SECTION_SUBJECTS) ||
		    !follows(&atoms, c->atoms, n_atoms))
			return false;
		if (c->kind != POLICY_ATOM_ANY && c->kind != POLICY_ATOM_USER &&
		    c->kind != POLICY_ATOM_GROUP && c->kind != POLICY_ATOM_LABEL)
			return false;
		if (i > 0 &&
		    (c->kind < c[-1].kind || (c->kind == c[-1].kind && c->key < c[-1].key)))
			return false;
	}
	for (uint32_t i = 0; i < n_atoms; i++) {
		const struct image_atom *atom = &image->atoms[i];

		switch (atom->kind) {
		case POLICY_ATOM_USER:
		case POLICY_ATOM_GROUP:
			break;
		case POLICY_ATOM_UNIT:
		case POLICY_ATOM_LABEL:
			if (!string_fits(image, atom->value) ||
			    strnlen(image->strings + atom->value, 256) > 255)
				return false;
			break;
		default:
			return false;
		}
	}
	return atoms == n_atoms;
}

/* Few enough that the broker has time for all of them while a peer waits. */
static bool
units_good(const struct policy_image *image)
{
	uint32_t found = 0, all = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];
		uint32_t units = image_units(image, c);

		if (i > 0 && (c->kind != c[-1].kind || c->key != c[-1].key))
			found = 0;
		/* Looked at after each, so neither can overflow. */
		if (units > IMAGE_UNITS_MAX || found + units > IMAGE_UNITS_MAX ||
		    all + units > IMAGE_UNITS_ALL_MAX)
			return false;
		found += units;
		all += units;
	}
	return true;
}

static bool
options_good(const struct policy_image *image)
{
	uint32_t denies = image->header->denies;

	for (uint32_t i = 0; i < image_count(image, SECTION_OPTIONS); i++) {
		const struct policy_options *o = &image->options[i].options;
		uint32_t end = image->options[i].end;

		if (o->types == 0 || (o->types & ~POLICY_TYPES_ALL) ||
		    o->owner > POLICY_OWNER_UID || o->strict > POLICY_STRICT_NO ||
		    o->audit > POLICY_AUDIT_ALL || o->exec > 1 || o->hidden > 1 ||
		    o->symlinks_beneath > 1 || o->reserved != 0 || o->mode > 0777)
			return false;
		/* Or a search that goes on behind them would go on for ever. */
		if (end < denies || end > image_count(image, SECTION_RULES))
			return false;
	}
	return true;
}

static bool
rules_good(const struct policy_image *image, const struct shown *shown)
{
	uint32_t n = image_count(image, SECTION_RULES);

	if (image->header->denies > n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct image_rule *rule = &image->rules[i];

		if (rule->verbs == 0 || (rule->verbs & ~POLICY_VERBS_ALL) ||
		    (rule->verbs & ~rule->covers) || (rule->covers & ~POLICY_VERBS_ALL) ||
		    rule->expires > 1 || rule->zero != 0)
			return false;
		if (!range_fits(rule->excepts, image_count(image, SECTION_EXCEPTS)) ||
		    rule->options >= image_count(image, SECTION_OPTIONS) ||
		    (rule->note != IMAGE_NONE && rule->note >= image_count(image, SECTION_NOTES)))
			return false;
		if (i >= image->header->denies && image->options[rule->options].end <= i)
			return false;
		if (!shown_good(image, shown, rule->file))
			return false;
		if (rule->subject != IMAGE_NONE &&
		    rule->subject >= image_count(image, SECTION_SUBJECTS))
			return false;
	}
	for (uint32_t i = 0; i < image_count(image, SECTION_NOTES); i++) {
		const struct image_note *note = &image->notes[i];

		if ((note->id != IMAGE_NONE && !shown_good(image, shown, note->id)) ||
		    (note->because != IMAGE_NONE && !shown_good(image, shown, note->because)))
			return false;
	}
	return true;
}

/* --- the tree ---------------------------------------------------------------------------- */

/* One or more components of a path, with zeroes up to the next node. */
static bool
run_good(const struct image_node *node)
{
	const char *run = image_run(node);
	uint32_t components = 1, at = 0, length = node->run_length;

	if (length == 0)
		return node->run_components == 0;
	for (uint32_t i = 0; i <= length; i++) {
		if (i < length && run[i] != '/') {
			if (run[i] == '\0')
				return false;
			continue;
		}
		if (i == at || i - at > POLICY_NAME_MAX_BYTES ||
		    policy_word_is(run + at, i - at, ".") || policy_word_is(run + at, i - at, ".."))
			return false;
		at = i + 1;
		components += i < length;
	}
	for (; length % 4 != 0; length++)
		if (run[length] != '\0')
			return false;
	return components == node->run_components && components <= POLICY_COMPONENTS_MAX &&
	       node->run_length < POLICY_PATH_MAX;
}

static bool
entry_good(const struct policy_image *image, const struct image_entry *entry, bool denies)
{
	const struct image_rule *rule;

	if (entry->zero != 0)
		return false;
	if (entry->subject == IMAGE_NONE)
		return entry->rule < image_count(image, SECTION_LISTS) &&
		       image->lists[entry->rule].denies == denies;
	if (entry->subject >= image_count(image, SECTION_SUBJECTS) ||
	    entry->rule >= image_count(image, SECTION_RULES) ||
	    (image_verdict(image, entry->rule) == POLICY_DENY) != denies)
		return false;
	rule = &image->rules[entry->rule];
	return entry->subject == rule->subject && entry->covers == rule->covers &&
	       entry->more == (rule->excepts.n > 0 || rule->expires);
}

static bool
entries_good(const struct policy_image *image, const struct image_entry *entries, uint32_t n,
	     bool denies)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!entry_good(image, &entries[i], denies))
			return false;
		if (i > 0 && entries[i].subject < entries[i - 1].subject)
			return false;
	}
	return true;
}

/* Nodes that have been seen and that no other one has named as its child. */
struct orphans {
	uint64_t *bits;
	uint32_t n;
};

static bool
is_orphan(const struct orphans *orphans, uint32_t node)
{
	return orphans->bits[node / 64] >> (node % 64) & 1;
}

/* A child lies behind its parent, and has one: so there is no way round in circles. */
static bool
adopt(const struct policy_image *image, struct orphans *orphans, uint32_t parent, uint32_t child,
      bool behind_literal)
{
	if (child <= parent || child >= image_count(image, SECTION_TREE) ||
	    !is_orphan(orphans, child) ||
	    (image_node(image, child)->run_length > 0) != behind_literal)
		return false;
	orphans->bits[child / 64] &= ~(UINT64_C(1) << (child % 64));
	orphans->n--;
	return true;
}

static bool
children_good(const struct policy_image *image, struct orphans *orphans, uint32_t number)
{
	const struct image_node *node = image_node(image, number);
	const uint32_t *slots = image_slots(node);
	const struct image_wild *wilds = image_wilds(node);

	for (uint32_t i = 0; i < image_n_slots(node); i++)
		if (slots[i] != IMAGE_NONE &&
		    !adopt(image, orphans, number, slots[i] & IMAGE_SLOT_NODE, true))
			return false;
	for (uint32_t i = 0; i < node->n_wilds; i++)
		if ((wilds[i].component & ~IMAGE_WILD_DOTS) >=
			    image_count(image, SECTION_COMPONENTS) ||
		    !adopt(image, orphans, number, wilds[i].node, false))
			return false;
	return true;
}

/* Node after node fills the section. */
static bool
find_nodes(const struct policy_image *image, struct orphans *orphans)
{
	uint32_t n = image_count(image, SECTION_TREE), at = 0;

	while (at < n) {
		const struct image_node *node = image_node(image, at);
		uint32_t bits;

		if (sizeof(*node) / 4 > n - at || (node->shape & ~IMAGE_NODE_SHAPE))
			return false;
		bits = node->shape & IMAGE_SLOT_BITS;
		if ((bits > IMAGE_SLOT_BITS_MAX && bits != IMAGE_NO_SLOTS) ||
		    image_node_size(node) > n - at || !run_good(node))
			return false;
		orphans->bits[at / 64] |= UINT64_C(1) << (at % 64);
		orphans->n++;
		at += (uint32_t)image_node_size(node);
	}
	return n > 0;
}

static bool
tree_good(const struct policy_image *image, struct orphans *orphans)
{
	uint32_t n = image_count(image, SECTION_TREE);

	if (!find_nodes(image, orphans))
		return false;
	for (uint32_t at = 0; at < n; at += (uint32_t)image_node_size(image_node(image, at))) {
		const struct image_node *node = image_node(image, at);

		if (!children_good(image, orphans, at) ||
		    !entries_good(image, image_denies(node), node->n_denies, true) ||
		    !entries_good(image, image_allows(node), node->n_allows, false))
			return false;
	}
	/* What is left are roots: that of the targets, and what is excepted. */
	for (uint32_t i = 0; i < image_count(image, SECTION_EXCEPTS); i++)
		if (image->excepts[i] == 0 || image->excepts[i] >= n ||
		    !is_orphan(orphans, image->excepts[i]) ||
		    image_node(image, image->excepts[i])->run_length > 0)
			return false;
	return is_orphan(orphans, 0) && image_node(image, 0)->run_length == 0;
}

/* A list holds no lists. */
static bool
lists_good(const struct policy_image *image)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_LISTS); i++) {
		const struct image_list *list = &image->lists[i];
		uint32_t end = image_list_end(image, i);

		if (list->denies > 1 || list->entries != at || end < at ||
		    end > image_count(image, SECTION_ENTRIES) ||
		    !entries_good(image, image->entries + at, end - at, list->denies))
			return false;
		if (at < end && image->entries[end - 1].subject == IMAGE_NONE)
			return false;
		at = end;
	}
	return at == image_count(image, SECTION_ENTRIES);
}

/* --- components -------------------------------------------------------------------------- */

static bool
piece_good(const struct policy_image *image, const struct image_piece *piece)
{
	switch (piece->kind) {
	case POLICY_PIECE_LITERAL:
		return piece->length <= POLICY_NAME_MAX_BYTES &&
		       bytes_fit(image, piece->at, piece->length) &&
		       !memchr(image->strings + piece->at, '/', piece->length);
	case POLICY_PIECE_CLASS:
		return piece->at < image_count(image, SECTION_CLASSES);
	case POLICY_PIECE_STAR:
	case POLICY_PIECE_CHOICE:
	case POLICY_PIECE_USER:
	case POLICY_PIECE_UID:
		return piece->at == 0;
	default:
		return false;
	}
}

/* Alternatives are literals, and all there. A component that is a name has none. */
static bool
pieces_good(const struct policy_image *image, const struct image_component *c)
{
	const struct image_piece *pieces = image->pieces + c->pieces.first;
	bool name = true;

	for (uint32_t i = 0; i < c->pieces.n; i++) {
		uint32_t alternatives = pieces[i].length;

		name &= pieces[i].kind == POLICY_PIECE_LITERAL ||
			pieces[i].kind == POLICY_PIECE_USER || pieces[i].kind == POLICY_PIECE_UID;
		if (pieces[i].kind != POLICY_PIECE_CHOICE)
			continue;
		if (alternatives == 0 || alternatives > c->pieces.n - i - 1)
			return false;
		for (; alternatives > 0; alternatives--)
			if (pieces[++i].kind != POLICY_PIECE_LITERAL)
				return false;
	}
	return c->pieces.n > 0 && name == (c->kind == IMAGE_COMPONENT_NAME);
}

static bool
component_good(const struct policy_image *image, const struct image_component *c)
{
	const struct image_piece *pieces = image->pieces + c->pieces.first;

	switch (c->kind) {
	case IMAGE_COMPONENT_GLOBSTAR:
		return c->pieces.n == 0;
	case IMAGE_COMPONENT_AFFIX:
		return c->pieces.n == 2 && pieces[0].kind == POLICY_PIECE_LITERAL &&
		       pieces[1].kind == POLICY_PIECE_LITERAL;
	case IMAGE_COMPONENT_PIECES:
	case IMAGE_COMPONENT_NAME:
		return pieces_good(image, c);
	default:
		return false;
	}
}

static bool
components_good(const struct policy_image *image)
{
	uint32_t n_pieces = image_count(image, SECTION_PIECES), pieces = 0;

	for (uint32_t i = 0; i < n_pieces; i++)
		if (!piece_good(image, &image->pieces[i]))
			return false;
	for (uint32_t i = 0; i < image_count(image, SECTION_COMPONENTS); i++)
		if (!follows(&pieces, image->components[i].pieces, n_pieces) ||
		    !component_good(image, &image->components[i]))
			return false;
	return pieces == n_pieces;
}

/* --- accounts ---------------------------------------------------------------------------- */

static bool
subuids_good(const struct policy_image *image)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_SUBUIDS); i++) {
		const struct policy_subuids *ids = &image->subuids[i];

		if (ids->n == 0 || ids->owner == UINT32_MAX || ids->first < end)
			return false;
		end = (uint64_t)ids->first + ids->n;
		if (end > UINT32_MAX)
			return false;
	}
	return true;
}

int
policy_image_good(const struct policy_image *image)
{
	size_t words = (size_t)image_count(image, SECTION_TREE) / 64 + 1;
	_cleanup_free_ uint64_t *bits = calloc(words, sizeof(*bits));
	_cleanup_free_ uint64_t *shown_bits =
		calloc((size_t)image_count(image, SECTION_STRINGS) / 64 + 1, sizeof(*shown_bits));
	struct orphans orphans = {bits, 0};
	struct shown shown = {shown_bits};

	if (!bits || !shown_bits)
		return -ENOMEM;
	find_shown(image, &shown);
	return subjects_good(image) && units_good(image) && options_good(image) &&
			       rules_good(image, &shown) && components_good(image) &&
			       lists_good(image) && tree_good(image, &orphans) &&
			       subuids_good(image)
		       ? 0
		       : -EBADMSG;
}
