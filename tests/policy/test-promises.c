/* SPDX-License-Identifier: MIT */
/* What noise seldom finds: for each promise that format.h makes of an image, one that breaks it. */
#include "image-test.h"

/* --- promises of format.h: edits that each break one of them, and nothing else ------------ */

struct edit {
	struct image_header *header;
	struct policy_class *classes;
	struct image_subject *subjects;
	struct image_conjunction *conjunctions;
	struct image_atom *atoms;
	struct image_rule *rules;
	struct image_options *options;
	struct image_note *notes;
	uint32_t *excepts;
	uint32_t *tree;
	struct image_list *lists;
	struct image_entry *entries;
	struct image_component *components;
	struct image_piece *pieces;
	struct policy_subuids *subuids;
	char *strings;
	const uint32_t *n; /* items of each section */
};

/* The first node from *at on that has this; there has to be one. */
static struct image_node *
find_node(const struct edit *e, uint32_t *at, bool (*has)(const struct image_node *node))
{
	while (*at < e->n[SECTION_TREE]) {
		struct image_node *node = (void *)(e->tree + *at);

		if (has(node))
			return node;
		*at += (uint32_t)image_node_size(node);
	}
	fail_msg("no such node");
	return NULL;
}

static bool
has_slots(const struct image_node *node)
{
	return image_n_slots(node) > 0;
}

static bool
has_two_wilds(const struct image_node *node)
{
	return node->n_wilds > 1;
}

static bool
has_long_run(const struct image_node *node)
{
	return node->run_components > 2;
}

static bool
has_padding(const struct image_node *node)
{
	return node->run_length % 4 == 1;
}

static bool
has_denies(const struct image_node *node)
{
	return node->n_denies > 0 && image_denies(node)->subject != IMAGE_NONE;
}

static bool
has_allow(const struct image_node *node)
{
	return node->n_allows > 0 && image_allows(node)->subject != IMAGE_NONE;
}

static bool
has_allows(const struct image_node *node)
{
	return has_allow(node) && node->n_allows > 1 &&
	       image_allows(node)[1].subject > image_allows(node)->subject;
}

static bool
has_deny_list(const struct image_node *node)
{
	return node->n_denies > 0 && image_denies(node)->subject == IMAGE_NONE;
}

static bool
has_allow_list(const struct image_node *node)
{
	return node->n_allows > 0 && image_allows(node)->subject == IMAGE_NONE;
}

#define NODE(name, has)                                                                            \
	uint32_t at_##name = 0;                                                                    \
	struct image_node *name = find_node(e, &at_##name, has)
#define SLOTS(node)  ((uint32_t *)(uintptr_t)image_slots(node))
#define WILDS(node)  ((struct image_wild *)(uintptr_t)image_wilds(node))
#define DENIES(node) ((struct image_entry *)(uintptr_t)image_denies(node))
#define ALLOWS(node) ((struct image_entry *)(uintptr_t)image_allows(node))
#define RUN(node)    ((char *)(uintptr_t)image_run(node))

static uint32_t *
used_slot(struct image_node *node)
{
	uint32_t *slot = SLOTS(node);

	while (*slot == IMAGE_NONE)
		slot++;
	return slot;
}

static uint32_t
slot_node(struct image_node *node)
{
	return *used_slot(node) & IMAGE_SLOT_NODE;
}

static void
set_slot_node(struct image_node *node, uint32_t child)
{
	*used_slot(node) = image_slot(*used_slot(node), child);
}

static struct image_component *
component_of(const struct edit *e, uint32_t kind)
{
	for (uint32_t i = 0; i < e->n[SECTION_COMPONENTS]; i++)
		if (e->components[i].kind == kind)
			return &e->components[i];
	fail_msg("no such component");
	return NULL;
}

static struct image_piece *
piece_of(const struct edit *e, uint16_t kind)
{
	for (uint32_t i = 0; i < e->n[SECTION_PIECES]; i++)
		if (e->pieces[i].kind == kind)
			return &e->pieces[i];
	fail_msg("no such piece");
	return NULL;
}

static struct image_atom *
atom_of(const struct edit *e, uint32_t kind)
{
	for (uint32_t i = 0; i < e->n[SECTION_ATOMS]; i++)
		if (e->atoms[i].kind == kind)
			return &e->atoms[i];
	fail_msg("no such atom");
	return NULL;
}

static uint32_t
allow(const struct edit *e)
{
	return e->header->denies;
}

static struct image_rule *
rule_with_note(const struct edit *e)
{
	struct image_rule *rule = e->rules;

	while (rule->note == IMAGE_NONE)
		rule++;
	return rule;
}

static struct image_rule *
rule_with_excepts(const struct edit *e)
{
	struct image_rule *rule = e->rules;

	while (rule->excepts.n == 0)
		rule++;
	return rule;
}

#define EDITS(X)                                                                                   \
	/* header */                                                                               \
	X(magic, e->header->magic[7] ^= 1)                                                         \
	X(version, e->header->version--)                                                           \
	X(size, e->header->size--)                                                                 \
	X(zero, e->header->zero[0] = 1)                                                            \
	X(zero_too, e->header->zero[1] = 1)                                                        \
	X(counts_that_overflow, e->header->counts[SECTION_ATOMS] += 1u << 29)                      \
	X(denies_too_many, e->header->denies = e->n[SECTION_RULES] + 1)                            \
	X(denies_one_more, e->header->denies++)                                                    \
	X(denies_one_less, e->header->denies--)                                                    \
	X(strings_without_end, e->strings[e->n[SECTION_STRINGS] - 1] = 'x')                        \
	/* who */                                                                                  \
	X(flags_of_subject, e->subjects[1].flags |= 1 << 5)                                        \
	X(conjunction_of_nobody, e->conjunctions[0].subject = e->n[SECTION_SUBJECTS])              \
	X(atoms_out_of_range, e->conjunctions[1].atoms.first = e->n[SECTION_ATOMS] + 1)            \
	X(atoms_too_many, e->conjunctions[1].atoms.n = e->n[SECTION_ATOMS] + 1)                    \
	X(atoms_that_overflow, e->conjunctions[1].atoms.n = UINT32_MAX)                            \
	X(anchor_is_a_unit, e->conjunctions[e->n[SECTION_CONJUNCTIONS] - 1].kind = 3)              \
	X(anchor_is_unknown, e->conjunctions[e->n[SECTION_CONJUNCTIONS] - 1].kind = 5)             \
	X(anchors_unsorted_by_kind, e->conjunctions[0].kind = POLICY_ATOM_LABEL)                   \
	X(anchors_unsorted_by_key, unsort_keys(e))                                                 \
	X(kind_of_atom, e->atoms[0].kind = POLICY_ATOM_SUBJECT)                                    \
	X(atom_any, e->atoms[0].kind = POLICY_ATOM_ANY)                                            \
	X(unit_out_of_range, atom_of(e, POLICY_ATOM_UNIT)->value = e->n[SECTION_STRINGS])          \
	X(label_out_of_range, atom_of(e, POLICY_ATOM_LABEL)->value = UINT32_MAX)                   \
	/* options */                                                                              \
	X(no_type, e->options[0].options.types = 0)                                                \
	X(unknown_type, e->options[0].options.types |= 1 << 4)                                     \
	X(unknown_owner, e->options[0].options.owner = POLICY_OWNER_UID + 1)                       \
	X(unknown_strict, e->options[0].options.strict = POLICY_STRICT_NO + 1)                     \
	X(unknown_audit, e->options[0].options.audit = POLICY_AUDIT_ALL + 1)                       \
	X(exec_2, e->options[0].options.exec = 2)                                                  \
	X(hidden_2, e->options[0].options.hidden = 2)                                              \
	X(symlinks_2, e->options[0].options.symlinks_beneath = 2)                                  \
	X(options_reserved, e->options[0].options.reserved = 1)                                    \
	X(set_user_id_mode, e->options[0].options.mode |= 04000)                                   \
	X(end_before_allows, e->options[0].end = e->header->denies - 1)                            \
	X(end_behind_rules, e->options[0].end = e->n[SECTION_RULES] + 1)                           \
	X(from_in_circles, e->options[e->rules[allow(e) + 1].options].end = allow(e) + 1)          \
	/* rules */                                                                                \
	X(no_verb, e->rules[0].verbs = 0)                                                          \
	X(unknown_verb, e->rules[0].verbs |= 1 << POLICY_VERBS_N)                                  \
	X(covers_less_than_it_says, e->rules[0].covers = 0)                                        \
	X(says_more_than_it_covers, e->rules[e->n[SECTION_RULES] - 1].verbs = POLICY_VERBS_ALL)    \
	X(covers_what_is_no_verb, e->rules[0].covers |= 1 << POLICY_VERBS_N)                       \
	X(expires_2, rule_with_excepts(e)->expires = 2)                                            \
	X(rule_of_no_subject, e->rules[0].subject = e->n[SECTION_SUBJECTS])                        \
	X(rule_of_nobody_with_entries, e->rules[0].subject = IMAGE_NONE)                           \
	X(rule_of_another_subject, e->rules[0].subject ^= 1)                                       \
	X(rule_zero, e->rules[0].zero = 1)                                                         \
	X(excepts_out_of_range, e->rules[0].excepts.first = e->n[SECTION_EXCEPTS] + 1)             \
	X(excepts_too_many, rule_with_excepts(e)->excepts.n = e->n[SECTION_EXCEPTS] + 1)           \
	X(options_out_of_range, e->rules[0].options = e->n[SECTION_OPTIONS])                       \
	X(note_out_of_range, e->rules[0].note = e->n[SECTION_NOTES])                               \
	X(file_out_of_range, e->rules[1].file = e->n[SECTION_STRINGS])                             \
	X(file_unprintable, e->strings[e->rules[0].file] = '\x1b')                                 \
	X(file_not_ascii, e->strings[e->rules[0].file] = '\x80')                                   \
	X(file_with_del, e->strings[e->rules[0].file + 1] = '\x7f')                                \
	X(file_with_newline, e->strings[e->rules[0].file + 1] = '\n')                              \
	X(id_out_of_range, e->notes[rule_with_note(e)->note].id = e->n[SECTION_STRINGS])           \
	X(because_out_of_range, e->notes[0].because = e->n[SECTION_STRINGS])                       \
	X(id_unprintable, e->strings[e->notes[0].id] = '\x01')                                     \
	X(because_unprintable, e->strings[e->notes[0].because] = '\xff')                           \
	/* excepts and roots */                                                                    \
	X(except_is_the_root_of_targets, e->excepts[0] = 0)                                        \
	X(except_out_of_range, e->excepts[0] = e->n[SECTION_TREE])                                 \
	X(except_far_out_of_range, e->excepts[0] = IMAGE_NONE)                                     \
	X(except_is_no_node, e->excepts[0]++)                                                      \
	X(except_is_a_child_behind_a_literal, except_is_literal(e))                                \
	X(except_with_a_run, except_with_run(e))                                                   \
	X(except_is_a_child_behind_a_wild, except_is_wild(e))                                      \
	/* nodes */                                                                                \
	X(unknown_shape, ((struct image_node *)e->tree)->shape |= 0x80)                            \
	X(too_many_slots, too_many_slots(e, IMAGE_SLOT_BITS_MAX + 1))                              \
	X(slots_beyond_the_end, too_many_slots(e, IMAGE_SLOT_BITS_MAX))                            \
	X(wilds_beyond_the_end, ((struct image_node *)e->tree)->n_wilds = UINT32_MAX)              \
	X(denies_beyond_the_end, ((struct image_node *)e->tree)->n_denies = UINT32_MAX)            \
	X(allows_beyond_the_end, ((struct image_node *)e->tree)->n_allows = UINT32_MAX)            \
	X(root_with_a_run, root_with_run(e))                                                       \
	X(own_child, own_child(e))                                                                 \
	X(own_child_behind_a_wild, own_wild_child(e))                                              \
	X(two_parents, two_parents(e))                                                             \
	X(child_before_its_parent, child_before(e))                                                \
	X(child_out_of_range, child_is(e, e->n[SECTION_TREE]))                                     \
	X(child_is_no_node, child_is(e, 1))                                                        \
	X(wild_child_in_a_slot, swap_children(e))                                                  \
	X(component_out_of_range, wild_component(e, e->n[SECTION_COMPONENTS]))                     \
	X(component_with_dots_out_of_range, wild_component(e, UINT32_MAX))                         \
	X(run_with_nul, run_byte(e, 1, '\0'))                                                      \
	X(run_with_slash_at_its_end, run_byte(e, -1, '/'))                                         \
	X(run_with_slash_at_its_beginning, run_byte(e, 0, '/'))                                    \
	X(run_with_two_slashes, two_slashes(e))                                                    \
	X(run_with_one_component_more, more_components(e, 1))                                      \
	X(run_with_one_component_less, more_components(e, -1))                                     \
	X(run_with_dot, *run_of(e, "p/p") = '.')                                                   \
	X(run_with_dot_dot, memset(run_of(e, "qq/rr"), '.', 2))                                    \
	X(run_with_long_name, long_name(e))                                                        \
	X(run_of_65_components, run_of_65(e))                                                      \
	X(run_with_rubbish_behind_it, rubbish(e))                                                  \
	X(components_without_run, components_without_run(e))                                       \
	/* entries and lists */                                                                    \
	X(entry_zero, first_allow(e)->zero = 1)                                                    \
	X(entry_of_no_subject, first_allow(e)->subject = e->n[SECTION_SUBJECTS])                   \
	X(entry_of_another_subject, first_allow(e)->subject = last_subject(e))                     \
	X(entry_of_another_subject_in_a_list, list_of_another(e))                                  \
	X(entry_of_no_rule, first_allow(e)->rule = e->n[SECTION_RULES] & 0xffffff)                 \
	X(entry_far_out_of_range, first_allow(e)->rule = 0xffffff)                                 \
	X(entry_is_no_list, first_allow(e)->subject = IMAGE_NONE)                                  \
	X(entry_covers_more, first_allow(e)->covers ^= POLICY_CREATE)                              \
	X(entry_has_more, first_allow(e)->more ^= 1)                                               \
	X(deny_among_allows, first_allow(e)->rule = 0)                                             \
	X(allow_among_denies, allow_among_denies(e))                                               \
	X(entries_unsorted, entries_unsorted(e))                                                   \
	X(list_out_of_range, list_entry(e, has_deny_list)->rule = e->n[SECTION_LISTS] & 0xffffff)  \
	X(allow_list_among_denies, list_entry(e, has_deny_list)->rule = list_of(e, 0) & 0xffffff)  \
	X(deny_list_among_allows, list_entry(e, has_allow_list)->rule = list_of(e, 1) & 0xffffff)  \
	X(list_denies_2, e->lists[0].denies = 2)                                                   \
	X(list_begins_later, e->lists[0].entries = 1)                                              \
	X(list_ends_before_it_begins, e->lists[1].entries = UINT32_MAX)                            \
	X(list_in_a_list, list_in_a_list(e))                                                       \
	X(list_of_the_other_verdict,                                                               \
	  e->entries[e->lists[list_of(e, 1)].entries].rule = allow(e) & 0xffffff)                  \
	/* components */                                                                           \
	X(kind_of_component, e->components[0].kind = 5)                                            \
	X(kind_0_of_component, e->components[0].kind = 0)                                          \
	X(globstar_with_pieces, component_of(e, IMAGE_COMPONENT_AFFIX)->kind = 1)                  \
	X(affix_with_more_pieces, component_of(e, IMAGE_COMPONENT_PIECES)->kind = 2)               \
	X(affix_without_pieces, component_of(e, IMAGE_COMPONENT_GLOBSTAR)->kind = 2)               \
	X(name_with_a_star, component_of(e, IMAGE_COMPONENT_PIECES)->kind = 4)                     \
	X(name_that_is_none, component_of(e, IMAGE_COMPONENT_NAME)->kind = 3)                      \
	X(pieces_out_of_range, e->components[0].pieces.first = UINT32_MAX)                         \
	X(pieces_with_a_gap, component_of(e, IMAGE_COMPONENT_PIECES)->pieces.first++)              \
	X(pieces_left_over, e->components[e->n[SECTION_COMPONENTS] - 1].pieces.n--)                \
	X(affix_with_a_star, star_in_affix(e))                                                     \
	X(kind_of_piece, piece_of(e, POLICY_PIECE_STAR)->kind = 7)                                 \
	X(kind_0_of_piece, piece_of(e, POLICY_PIECE_STAR)->kind = 0)                               \
	X(star_with_something, piece_of(e, POLICY_PIECE_STAR)->at = 1)                             \
	X(choice_with_something, piece_of(e, POLICY_PIECE_CHOICE)->at = 1)                         \
	X(user_with_something, piece_of(e, POLICY_PIECE_USER)->at = 1)                             \
	X(uid_with_something, piece_of(e, POLICY_PIECE_UID)->at = 1)                               \
	X(choice_of_none, piece_of(e, POLICY_PIECE_CHOICE)->length = 0)                            \
	X(choice_cut_off, choice_cut_off(e))                                                       \
	X(choice_of_very_many, piece_of(e, POLICY_PIECE_CHOICE)->length = UINT16_MAX)              \
	X(choice_of_a_star, piece_of(e, POLICY_PIECE_CHOICE)[1] = *piece_of(e, 2))                 \
	X(class_out_of_range, piece_of(e, POLICY_PIECE_CLASS)->at = e->n[SECTION_CLASSES])         \
	X(literal_out_of_range, piece_of(e, POLICY_PIECE_LITERAL)->at = e->n[SECTION_STRINGS])     \
	X(literal_beyond_the_end, piece_of(e, POLICY_PIECE_LITERAL)->length = UINT16_MAX)          \
	X(literal_longer_than_its_string, long_literal(e)->length++)                               \
	X(literal_shorter_than_its_string, long_literal(e)->length--)                              \
	X(literal_with_a_slash, e->strings[long_literal(e)->at] = '/')                             \
	/* accounts */                                                                             \
	X(no_ids, e->subuids[2].n = 0)                                                             \
	X(ids_of_two, e->subuids[0].n++)                                                           \
	X(ids_unsorted, e->subuids[1].first = 99999)                                               \
	X(ids_twice, e->subuids[1] = e->subuids[0])                                                \
	X(ids_beyond_the_last, e->subuids[2].n = UINT32_MAX - 1000000 + 1)                         \
	X(ids_that_overflow, e->subuids[2].n = UINT32_MAX)                                         \
	X(ids_of_nobody, e->subuids[0].owner = UINT32_MAX)

static void
unsort_keys(struct edit *e)
{
	uint32_t i = 1;

	while (e->conjunctions[i].kind != e->conjunctions[i - 1].kind ||
	       e->conjunctions[i].key == e->conjunctions[i - 1].key)
		i++;
	e->conjunctions[i - 1].key = e->conjunctions[i].key + 1;
}

static void
except_is_literal(struct edit *e)
{
	NODE(node, has_slots);

	e->excepts[0] = slot_node(node);
}

static void
except_with_run(struct edit *e)
{
	NODE(node, has_slots);

	e->excepts[0] = slot_node(node);
	*used_slot(node) = IMAGE_NONE;
}

static void
except_is_wild(struct edit *e)
{
	NODE(node, has_two_wilds);

	e->excepts[0] = WILDS(node)->node;
}

static void
too_many_slots(struct edit *e, unsigned bits)
{
	NODE(node, has_slots);

	node->shape = (uint8_t)((node->shape & ~IMAGE_SLOT_BITS) | bits);
}

static void
root_with_run(struct edit *e)
{
	struct image_node *root = (void *)e->tree;

	/* The last entry becomes the run. */
	assert_true(root->n_allows > 0);
	root->n_allows--;
	root->run_length = 8;
	root->run_components = 1;
	memcpy(RUN(root), "abcdefgh", 8);
}

/* A ring of one, which nothing else leads to. */
static void
own_child(struct edit *e)
{
	NODE(parent, has_slots);
	uint32_t number = slot_node(parent);

	while (!has_slots((void *)(e->tree + number))) {
		at_parent += (uint32_t)image_node_size(parent);
		parent = find_node(e, &at_parent, has_slots);
		number = slot_node(parent);
	}
	*used_slot(parent) = IMAGE_NONE;
	set_slot_node((void *)(e->tree + number), number);
}

static void
own_wild_child(struct edit *e)
{
	NODE(node, has_two_wilds);

	WILDS(node)[0].node = at_node;
}

static void
two_parents(struct edit *e)
{
	NODE(node, has_two_wilds);

	WILDS(node)[0].node = WILDS(node)[1].node;
}

/* Its parent takes its child, and it takes its parent's place: a ring, and each has one parent. */
static void
child_before(struct edit *e)
{
	uint32_t first = 0, second;
	struct image_node *parent = find_node(e, &first, has_slots), *child;

	second = first + (uint32_t)image_node_size(parent);
	child = find_node(e, &second, has_slots);
	while (child->run_length == 0 || parent->run_length == 0) {
		first = second;
		parent = child;
		second += (uint32_t)image_node_size(child);
		child = find_node(e, &second, has_slots);
	}
	set_slot_node(child, first);
}

static void
child_is(struct edit *e, uint32_t number)
{
	NODE(node, has_slots);

	set_slot_node(node, number == 1 ? slot_node(node) + 1 : number);
}

static void
swap_children(struct edit *e)
{
	NODE(node, has_two_wilds);
	NODE(other, has_slots);
	uint32_t number = WILDS(node)->node;

	WILDS(node)->node = slot_node(other);
	set_slot_node(other, number);
}

static void
wild_component(struct edit *e, uint32_t component)
{
	NODE(node, has_two_wilds);

	WILDS(node)->component = component;
}

static void
run_byte(struct edit *e, int at, char byte)
{
	NODE(node, has_long_run);

	RUN(node)[at < 0 ? node->run_length + at : at] = byte;
	/* The count is right, where a slash makes one more. */
	if (byte == '/')
		node->run_components++;
}

static void
two_slashes(struct edit *e)
{
	NODE(node, has_long_run);
	char *slash = memchr(RUN(node), '/', node->run_length);

	slash[1] = '/';
	node->run_components++;
}

static void
more_components(struct edit *e, int more)
{
	NODE(node, has_long_run);

	node->run_components = (uint8_t)(node->run_components + more);
}

static struct image_node *
node_with_run(const struct edit *e, const char *begins)
{
	for (uint32_t at = 0; at < e->n[SECTION_TREE];) {
		struct image_node *node = (void *)(e->tree + at);

		if (node->run_length > strlen(begins) &&
		    memcmp(RUN(node), begins, strlen(begins)) == 0)
			return node;
		at += (uint32_t)image_node_size(node);
	}
	fail_msg("no run %s", begins);
	return NULL;
}

static char *
run_of(const struct edit *e, const char *begins)
{
	return RUN(node_with_run(e, begins));
}

static void
long_name(struct edit *e)
{
	struct image_node *node = node_with_run(e, "nnn");

	RUN(node)[255] = 'n';
	node->run_components--;
}

static void
run_of_65(struct edit *e)
{
	struct image_node *node = node_with_run(e, "p/p");

	assert_int_equal(node->run_components, 64);
	RUN(node)[node->run_length - 2] = '/';
	node->run_components++;
}

static void
rubbish(struct edit *e)
{
	NODE(node, has_padding);

	RUN(node)[node->run_length + 2] = 'x';
}

static void
components_without_run(struct edit *e)
{
	((struct image_node *)e->tree)->run_components = 1;
}

static struct image_entry *
first_allow(struct edit *e)
{
	NODE(node, has_allow);

	return ALLOWS(node);
}

static uint32_t
last_subject(struct edit *e)
{
	NODE(node, has_allow);

	assert_int_not_equal(ALLOWS(node)->subject, e->n[SECTION_SUBJECTS] - 1);
	/* The order stays as it has to be. */
	ALLOWS(node)[node->n_allows - 1].subject = e->n[SECTION_SUBJECTS] - 1;
	return ALLOWS(node)->subject;
}

/* A list of one keeps its order. */
static void
list_of_another(struct edit *e)
{
	uint32_t last = e->n[SECTION_ENTRIES] - 1;

	e->entries[last].subject = e->rules[e->entries[last].rule].subject + 1;
	assert_true(e->entries[last].subject < e->n[SECTION_SUBJECTS]);
}

static void
allow_among_denies(struct edit *e)
{
	NODE(node, has_denies);

	DENIES(node)->rule = allow(e) & 0xffffff;
	DENIES(node)->covers = e->rules[allow(e)].covers & 0x1fu;
	DENIES(node)->more = e->rules[allow(e)].excepts.n > 0 || e->rules[allow(e)].expires;
}

static void
entries_unsorted(struct edit *e)
{
	NODE(node, has_allows);
	struct image_entry first = ALLOWS(node)[0];

	ALLOWS(node)[0] = ALLOWS(node)[1];
	ALLOWS(node)[1] = first;
}

static struct image_entry *
list_entry(struct edit *e, bool (*has)(const struct image_node *node))
{
	NODE(node, has);

	return has == has_deny_list ? DENIES(node) : ALLOWS(node);
}

static uint32_t
list_of(struct edit *e, uint32_t denies)
{
	uint32_t i = 0;

	while (e->lists[i].denies != denies || e->lists[i].entries == e->n[SECTION_ENTRIES])
		i++;
	return i;
}

static void
list_in_a_list(struct edit *e)
{
	uint32_t last = e->n[SECTION_ENTRIES] - 1, list = e->n[SECTION_LISTS] - 1;

	assert_true(e->lists[list].entries <= last);
	e->entries[last].subject = IMAGE_NONE;
	e->entries[last].rule = list & 0xffffff;
}

static void
star_in_affix(struct edit *e)
{
	struct image_piece *pieces =
		&e->pieces[component_of(e, IMAGE_COMPONENT_AFFIX)->pieces.first];

	pieces[0] = (struct image_piece){POLICY_PIECE_STAR, 0, 0};
}

/* Its last alternative would be a piece of the next component. */
static void
choice_cut_off(struct edit *e)
{
	for (uint32_t i = 0; i + 1 < e->n[SECTION_COMPONENTS]; i++) {
		struct policy_range range = e->components[i].pieces;
		struct image_piece *end = e->pieces + range.first + range.n;

		for (struct image_piece *piece = e->pieces + range.first; piece < end; piece++)
			if (piece->kind == POLICY_PIECE_CHOICE &&
			    piece + 1 + piece->length == end && end->kind == POLICY_PIECE_LITERAL) {
				piece->length++;
				return;
			}
	}
	fail_msg("no choice at the end of a component");
}

static struct image_piece *
long_literal(struct edit *e)
{
	struct image_piece *piece = e->pieces;

	while (piece->kind != POLICY_PIECE_LITERAL || piece->length < 2)
		piece++;
	return piece;
}

#define X(name, ...)                                                                               \
	static void edit_##name(struct edit *e)                                                    \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}
EDITS(X)
#undef X

static const struct {
	const char *name;
	void (*edit)(struct edit *e);
} edits[] = {
#define X(name, ...) {#name, edit_##name},
	EDITS(X)
#undef X
};

static struct edit
edit_of(unsigned char *copy)
{
	static uint32_t counts[SECTIONS];
	struct edit e = {.header = (void *)copy, .n = counts};
	uint64_t at[SECTIONS];

	memcpy(counts, e.header->counts, sizeof(counts));
	assert_int_equal(policy_image_layout(counts, at), compiled.size);
	e.classes = (void *)(copy + at[SECTION_CLASSES]);
	e.subjects = (void *)(copy + at[SECTION_SUBJECTS]);
	e.conjunctions = (void *)(copy + at[SECTION_CONJUNCTIONS]);
	e.atoms = (void *)(copy + at[SECTION_ATOMS]);
	e.rules = (void *)(copy + at[SECTION_RULES]);
	e.options = (void *)(copy + at[SECTION_OPTIONS]);
	e.notes = (void *)(copy + at[SECTION_NOTES]);
	e.excepts = (void *)(copy + at[SECTION_EXCEPTS]);
	e.tree = (void *)(copy + at[SECTION_TREE]);
	e.lists = (void *)(copy + at[SECTION_LISTS]);
	e.entries = (void *)(copy + at[SECTION_ENTRIES]);
	e.components = (void *)(copy + at[SECTION_COMPONENTS]);
	e.pieces = (void *)(copy + at[SECTION_PIECES]);
	e.subuids = (void *)(copy + at[SECTION_SUBUIDS]);
	e.strings = (char *)(copy + at[SECTION_STRINGS]);
	return e;
}

static void
test_promises(void **state)
{
	_cleanup_free_ unsigned char *copy = malloc(compiled.size);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(edits); i++) {
		struct edit e;

		memcpy(copy, bytes, compiled.size);
		e = edit_of(copy);
		edits[i].edit(&e);
		if (memcmp(copy, bytes, compiled.size) == 0)
			fail_msg("%s changes nothing", edits[i].name);
		if (try_image(copy, compiled.size))
			fail_msg("%s is accepted", edits[i].name);
	}
}

/* Limits that the image above is too small for; one less is accepted. */
static void
test_limits(void **state)
{
	char name[300] = "", *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct policy_source source = {.name = name};
	struct image_atom *unit;
	uint64_t at[SECTIONS];
	struct compiled c;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	fputs("policy 1\nallow user:0+unit:a.service read /a\n", out);
	for (int i = 1; i < POLICY_SUBJECTS_MAX + 1; i++)
		fprintf(out, "allow user:%d read /a\n", i);
	fclose(out);
	source.text = text;
	source.size = size;
	c = compile_sources(&source, 1);
	assert_int_equal(c.result, 0);
	policy_image_layout(c.image->header->counts, at);
	unit = (void *)((char *)c.bytes + at[SECTION_ATOMS]);
	while (unit->kind != POLICY_ATOM_UNIT)
		unit++;
	for (uint32_t length = 255; length <= 256; length++) {
		unit->value = c.image->rules[0].file + (uint32_t)strlen(name) - length;
		assert_int_equal(try_image(c.bytes, c.size), length == 255);
	}
	compiled_free(&c);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promises),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("promises", tests, set_up, drop);
}
