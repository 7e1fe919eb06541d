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

/* Printable; not longer than a string of the policy can become. */
static bool
shown_good(const struct policy_image *image, uint32_t string)
{
	enum {
		SHOWN_MAX = 4 * (POLICY_PATH_MAX + 1),
	};
	size_t length;

	if (!string_fits(image, string))
		return false;
	length = strnlen(image->strings + string, SHOWN_MAX + 1);
	for (size_t i = 0; i < length; i++) {
		char c = image->strings[string + i];

		if ((c < 0x20 || c >= 0x7f) && c != '\t')
			return false;
	}
	return length <= SHOWN_MAX;
}

static bool
subjects_good(const struct policy_image *image)
{
	uint32_t n_atoms = image_count(image, SECTION_ATOMS);

	for (uint32_t i = 0; i < image_count(image, SECTION_SUBJECTS); i++)
		if (image->subjects[i].flags & ~(uint32_t)IMAGE_SUBJECT_FLAGS)
			return false;
	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];

		if (c->subject >= image_count(image, SECTION_SUBJECTS) ||
		    !range_fits(c->atoms, n_atoms) || c->atoms.n > POLICY_SUBJECTS_MAX)
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
rules_good(const struct policy_image *image)
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
		/* The rules of a file often stand together. */
		if ((i == 0 || rule->file != rule[-1].file) && !shown_good(image, rule->file))
			return false;
	}
	for (uint32_t i = 0; i < image_count(image, SECTION_NOTES); i++) {
		const struct image_note *note = &image->notes[i];

		if ((note->id != IMAGE_NONE && !shown_good(image, note->id)) ||
		    (note->because != IMAGE_NONE && !shown_good(image, note->because)))
			return false;
	}
	for (uint32_t i = 0; i < image_count(image, SECTION_EXCEPTS); i++)
		if (image->excepts[i] == 0 || image->excepts[i] >= image->header->roots)
			return false;
	return true;
}

/* --- the tree ---------------------------------------------------------------------------- */

/* One or more components of a path. */
static bool
run_good(const struct policy_image *image, const struct image_node *node)
{
	char path[POLICY_PATH_MAX + 1] = "/";
	uint32_t components = 1;

	if (node->run_length == 0)
		return node->run_components == 0;
	if (node->run_length >= POLICY_PATH_MAX || !bytes_fit(image, node->run, node->run_length))
		return false;
	memcpy(path + 1, image->strings + node->run, node->run_length);
	for (uint32_t i = 0; i < node->run_length; i++)
		components += path[1 + i] == '/';
	return components == node->run_components &&
	       policy_path_is_canonical(path, (size_t)node->run_length + 1);
}

/*
 * Children have the numbers that come next, first those in slots and then those behind wilds: so
 * each node has one parent, with a lower number, and the tree is one.
 */
static bool
children_good(const struct policy_image *image, uint32_t number, uint32_t *slots, uint32_t *next)
{
	const struct image_node *node = &image->nodes[number];
	uint32_t n_slots = image_count(image, SECTION_SLOTS), end = image_wilds_end(image, number);

	if (node->slots != *slots)
		return false;
	if (node->slot_bits != IMAGE_NO_SLOTS) {
		if (node->slot_bits > IMAGE_SLOT_BITS_MAX ||
		    UINT32_C(1) << node->slot_bits > n_slots - *slots)
			return false;
		*slots += UINT32_C(1) << node->slot_bits;
	}
	for (uint32_t i = node->slots; i < *slots; i++) {
		uint32_t child = image->slots[i];

		if (child == IMAGE_NONE)
			continue;
		if (child != *next || child >= image_count(image, SECTION_NODES) ||
		    image->nodes[child].run_length == 0)
			return false;
		(*next)++;
	}
	if (node->wilds > end || end > image_count(image, SECTION_WILDS))
		return false;
	for (uint32_t i = node->wilds; i < end; i++) {
		const struct image_wild *wild = &image->wilds[i];

		if (wild->node != *next || wild->node >= image_count(image, SECTION_NODES) ||
		    image->nodes[wild->node].run_length != 0 ||
		    (wild->component & ~IMAGE_WILD_DOTS) >= image_count(image, SECTION_COMPONENTS))
			return false;
		(*next)++;
	}
	return true;
}

static bool
entry_good(const struct policy_image *image, const struct image_entry *entry, bool denies)
{
	if (entry->subject == IMAGE_NONE)
		return entry->rule < image_count(image, SECTION_LISTS) &&
		       image->lists[entry->rule].denies == denies;
	return entry->subject < image_count(image, SECTION_SUBJECTS) &&
	       entry->rule < image_count(image, SECTION_RULES) &&
	       (image_verdict(image, entry->rule) == POLICY_DENY) == denies;
}

static bool
entries_good(const struct policy_image *image, uint32_t at, uint32_t end, bool denies)
{
	if (at > end || end > image_count(image, SECTION_ENTRIES))
		return false;
	for (uint32_t i = at; i < end; i++) {
		const struct image_entry *entry = &image->entries[i];

		if (!entry_good(image, entry, denies))
			return false;
		if (i > at && entry->subject < entry[-1].subject)
			return false;
	}
	return true;
}

static bool
nodes_good(const struct policy_image *image)
{
	uint32_t n = image_count(image, SECTION_NODES), roots = image->header->roots;
	uint32_t slots = 0, next = roots;

	if (roots == 0 || roots > n || image->nodes[0].wilds != 0 || image->nodes[0].entries != 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct image_node *node = &image->nodes[i];

		if ((node->flags & ~(uint32_t)IMAGE_NODE_FLAGS) ||
		    (i < roots && node->run_length) || i >= next || !run_good(image, node) ||
		    !children_good(image, i, &slots, &next))
			return false;
		if (!entries_good(image, node->entries, node->allows, true) ||
		    !entries_good(image, node->allows, image_entries_end(image, i), false))
			return false;
	}
	return next == n && slots == image_count(image, SECTION_SLOTS);
}

/* A list holds no lists. */
static bool
lists_good(const struct policy_image *image)
{
	for (uint32_t i = 0; i < image_count(image, SECTION_LISTS); i++) {
		const struct image_list *list = &image->lists[i];
		uint32_t end = image_list_end(image, i);

		if (list->denies > 1 || !entries_good(image, list->entries, end, list->denies))
			return false;
		if (list->entries < end && image->entries[end - 1].subject == IMAGE_NONE)
			return false;
	}
	return true;
}

/* --- components -------------------------------------------------------------------------- */

static bool
piece_good(const struct policy_image *image, const struct image_piece *piece)
{
	switch (piece->kind) {
	case POLICY_PIECE_LITERAL:
		return bytes_fit(image, piece->at, piece->length) &&
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

bool
policy_image_good(const struct policy_image *image)
{
	return subjects_good(image) && options_good(image) && rules_good(image) &&
	       components_good(image) && nodes_good(image) && lists_good(image);
}
