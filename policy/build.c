/* SPDX-License-Identifier: MIT */
#include "build.h"

#include <string.h>

#include "order.h"
#include "subjectset.h"
#include "trie.h"

/* What a list of a set is for: the same patterns mean different things in different rules. */
enum use {
	USE_DENY,   /* wildcards take a leading dot */
	USE_HIDDEN, /* an allow: likewise */
	USE_ALLOW,
	USE_EXCEPT,
	USES,
};

struct set {
	uint32_t lists[USE_EXCEPT]; /* where there is such a use */
	uint32_t root;              /* with USE_EXCEPT, or IMAGE_NONE */
	unsigned variables;         /* enum image_subject_flags */
};

struct builder {
	const struct policy_ast *ast;
	const struct policy_source *sources;
	struct policy_pattern *pattern; /* scratch */
	uint32_t file;                  /* the name of file_source */
	uint32_t file_source;
	struct rule_order order;
	struct set *sets;
	struct policy_intern strings;
	struct policy_intern except_keys;
	struct subjects subjects;
	struct trie trie;
	struct trie_ends ends;
	struct trie_ends list_ends;
	struct trie_image tree;
	POLICY_VECTOR(struct image_rule) rules;
	POLICY_VECTOR(struct image_note) notes;
	POLICY_VECTOR(uint32_t) roots;                    /* nodes of the trie */
	POLICY_VECTOR(uint32_t) excepts;                  /* roots */
	POLICY_VECTOR(struct policy_range) except_ranges; /* of each key */
	POLICY_VECTOR(unsigned) except_variables;
};

/* --- patterns ---------------------------------------------------------------------------- */

static const struct policy_ast_target *
target_at(const struct builder *b, struct policy_range targets, uint32_t i)
{
	return &b->ast->targets.items[targets.first + i];
}

static unsigned
variables_in(const struct policy_pattern *p)
{
	unsigned variables = 0;

	for (uint32_t i = 0; i < p->n_pieces; i++) {
		if (p->pieces[i].kind == POLICY_PIECE_USER)
			variables |= IMAGE_SUBJECT_USER;
		if (p->pieces[i].kind == POLICY_PIECE_UID)
			variables |= IMAGE_SUBJECT_UID;
	}
	return variables;
}

/* Where a pattern ends: note it. end: NULL for excepts. */
struct insertion {
	struct builder *builder;
	const struct trie_end *end;
};

static int
add_end(void *context, uint32_t node)
{
	const struct insertion *insertion = context;
	struct trie_end end;

	if (!insertion->end)
		return 0;
	end = *insertion->end;
	end.node = node;
	return policy_vector_push(&insertion->builder->ends.all, end);
}

/* The patterns among these targets, sets aside. */
static int
add_patterns(struct builder *b, const struct policy_place *place, struct policy_range targets,
	     uint32_t root, bool dots, const struct trie_end *end, unsigned *variables)
{
	struct insertion insertion = {b, end};

	for (uint32_t i = 0; i < targets.n; i++) {
		const struct policy_ast_target *t = target_at(b, targets, i);
		struct policy_pattern_error error;
		int r;

		if (t->is_set)
			continue;
		if (!policy_pattern_parse(place->text + t->span.at, t->span.length, b->pattern,
					  &error))
			return -EINVAL;
		*variables |= variables_in(b->pattern);
		r = policy_trie_add(&b->trie, root, b->pattern, dots, add_end, &insertion);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
add_root(struct builder *b, uint32_t *ret_number)
{
	uint32_t root;
	int r = policy_trie_root(&b->trie, &root);

	*ret_number = (uint32_t)b->roots.n;
	return r < 0 ? r : policy_vector_push(&b->roots, root);
}

/* --- sets -------------------------------------------------------------------------------- */

static enum use
use_of(const struct policy_ast_rule *rule)
{
	if (rule->verdict == POLICY_DENY)
		return USE_DENY;
	return rule->options.hidden ? USE_HIDDEN : USE_ALLOW;
}

static void
note_uses(const struct builder *b, struct policy_range targets, enum use use, bool (*uses)[USES])
{
	for (uint32_t i = 0; i < targets.n; i++)
		if (target_at(b, targets, i)->is_set)
			uses[target_at(b, targets, i)->set][use] = true;
}

static int
add_list(struct builder *b, const struct policy_ast_set *ast, struct set *set, enum use use)
{
	uint32_t list = (uint32_t)b->tree.lists.n;
	const struct trie_end end = {
		.allows = use != USE_DENY,
		.entry = {.subject = IMAGE_NONE, .rule = list & (IMAGE_RULES_MAX - 1)},
	};
	int r = policy_vector_push(&b->tree.lists,
				   ((struct image_list){.denies = use == USE_DENY}));

	set->lists[use] = list;
	if (r < 0)
		return r;
	return add_patterns(b, &ast->place, ast->targets, b->roots.items[0], use != USE_ALLOW, &end,
			    &set->variables);
}

static int
add_sets(struct builder *b)
{
	size_t n = b->ast->sets.n;
	_cleanup_free_ bool(*uses)[USES] = calloc(n + 1, sizeof(*uses));
	int r = 0;

	b->sets = calloc(n + 1, sizeof(*b->sets));
	if (!uses || !b->sets)
		return -ENOMEM;
	for (size_t i = 0; i < b->ast->rules.n; i++) {
		const struct policy_ast_rule *rule = &b->ast->rules.items[i];

		note_uses(b, rule->targets, use_of(rule), uses);
		note_uses(b, rule->excepts, USE_EXCEPT, uses);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct policy_ast_set *ast = &b->ast->sets.items[i];
		struct set *set = &b->sets[i];

		set->root = IMAGE_NONE;
		for (enum use use = 0; r == 0 && use < USE_EXCEPT; use++)
			if (uses[i][use])
				r = add_list(b, ast, set, use);
		if (r == 0 && uses[i][USE_EXCEPT])
			r = add_root(b, &set->root);
		if (r == 0 && uses[i][USE_EXCEPT])
			r = add_patterns(b, &ast->place, ast->targets, b->roots.items[set->root],
					 true, NULL, &set->variables);
	}
	return r;
}

/* --- rules ------------------------------------------------------------------------------- */

/* One root for the patterns of the rule itself, and those of the sets. */
static int
add_excepts(struct builder *b, const struct policy_ast_rule *rule, struct policy_range *ret_range,
	    unsigned *variables)
{
	struct policy_range range = {.first = (uint32_t)b->excepts.n};
	uint32_t sets = 0, root;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < rule->excepts.n; i++) {
		const struct policy_ast_target *t = target_at(b, rule->excepts, i);

		if (!t->is_set)
			continue;
		sets++;
		*variables |= b->sets[t->set].variables;
		r = policy_vector_push(&b->excepts, b->sets[t->set].root);
	}
	if (r == 0 && sets < rule->excepts.n) {
		r = add_root(b, &root);
		if (r == 0)
			r = policy_vector_push(&b->excepts, root);
		if (r == 0)
			r = add_patterns(b, &rule->place, rule->excepts, b->roots.items[root], true,
					 NULL, variables);
	}
	range.n = (uint32_t)b->excepts.n - range.first;
	*ret_range = range;
	return r;
}

/* The same words after `except` in many rules are one tree. */
static int
find_excepts(struct builder *b, const struct policy_ast_rule *rule, struct policy_range *ret_range,
	     unsigned *variables)
{
	const struct policy_ast_target *first, *last;
	struct policy_range range;
	unsigned found = 0;
	uint32_t id;
	int r;

	if (rule->excepts.n == 0)
		return 0;
	first = target_at(b, rule->excepts, 0);
	last = target_at(b, rule->excepts, rule->excepts.n - 1);
	r = policy_intern(&b->except_keys, rule->place.text + first->span.at,
			  last->span.at + last->span.length - first->span.at, &id);
	if (r < 0)
		return r;
	if (id == b->except_ranges.n) {
		r = add_excepts(b, rule, &range, &found);
		if (r == 0)
			r = policy_vector_push(&b->except_ranges, range);
		if (r == 0)
			r = policy_vector_push(&b->except_variables, found);
		if (r < 0)
			return r;
	}
	*ret_range = b->except_ranges.items[id];
	*variables |= b->except_variables.items[id];
	return 0;
}

static int
add_targets(struct builder *b, const struct policy_ast_rule *rule,
	    const struct image_rule *image_rule, uint32_t subject, unsigned *variables)
{
	const struct trie_end end = {
		.allows = rule->verdict == POLICY_ALLOW,
		.entry = {.subject = subject,
			  .rule = (uint32_t)b->rules.n & (IMAGE_RULES_MAX - 1),
			  .covers = image_rule->covers & 0x1fu,
			  .more = image_rule->excepts.n > 0 || image_rule->expires},
	};
	int r = add_patterns(b, &rule->place, rule->targets, b->roots.items[0],
			     use_of(rule) != USE_ALLOW, &end, variables);

	for (uint32_t i = 0; r == 0 && i < rule->targets.n; i++) {
		const struct policy_ast_target *t = target_at(b, rule->targets, i);
		struct trie_end list_end = end;

		if (!t->is_set)
			continue;
		*variables |= b->sets[t->set].variables;
		list_end.node = b->sets[t->set].lists[use_of(rule)];
		r = policy_vector_push(&b->list_ends.all, list_end);
	}
	return r;
}

static int
add_note(struct builder *b, const struct policy_ast_rule *rule, uint32_t *ret_note)
{
	struct image_note note = {IMAGE_NONE, IMAGE_NONE};
	int r = 0;

	*ret_note = IMAGE_NONE;
	if (rule->id.length == 0 && rule->because.length == 0)
		return 0;
	if (rule->id.length > 0)
		r = policy_intern_escaped(&b->strings, rule->place.text + rule->id.at,
					  rule->id.length, &note.id);
	if (r == 0 && rule->because.length > 0)
		r = policy_intern_escaped(&b->strings, rule->place.text + rule->because.at,
					  rule->because.length, &note.because);
	*ret_note = (uint32_t)b->notes.n;
	return r < 0 ? r : policy_vector_push(&b->notes, note);
}

static int
add_rule(struct builder *b, const struct policy_ast_rule *rule)
{
	const char *name = b->sources[rule->place.source].name;
	uint32_t subject = IMAGE_NONE;
	struct image_rule add = {
		.line = rule->place.line,
		.verbs = (uint8_t)rule->verbs,
		.covers = (uint8_t)policy_verbs_covered(rule->verdict, rule->verbs),
		.expires = rule->options.until != POLICY_FOREVER,
		.options = b->order.rank[rule - b->ast->rules.items],
	};
	unsigned flags = rule->verdict == POLICY_ALLOW ? IMAGE_SUBJECT_ALLOWS : 0;
	int r = 0;

	if (b->file_source != rule->place.source)
		r = policy_intern_escaped(&b->strings, name, strlen(name), &b->file);
	b->file_source = rule->place.source;
	add.file = b->file;
	if (r == 0)
		r = add_note(b, rule, &add.note);
	if (r == 0)
		r = policy_subjectset_add(&b->subjects, b->ast, rule->who, &subject);
	if (r == 0 && subject != IMAGE_NONE) {
		r = find_excepts(b, rule, &add.excepts, &flags);
		if (flags & IMAGE_SUBJECT_USER)
			flags |= IMAGE_SUBJECT_TAKES_USER;
		if (r == 0)
			r = add_targets(b, rule, &add, subject, &flags);
		if (rule->verdict == POLICY_DENY && flags & IMAGE_SUBJECT_USER)
			flags |= IMAGE_SUBJECT_TAKES_USER;
		b->subjects.subjects.items[subject].flags |= flags;
	}
	add.subject = subject;
	return r < 0 ? r : policy_vector_push(&b->rules, add);
}

/* --- all of it --------------------------------------------------------------------------- */

static int
write_image(struct builder *b, void **ret_bytes, size_t *ret_size)
{
#define ITEMS(vector)                                                                              \
	{                                                                                          \
		(vector).items, (vector).n                                                         \
	}
	const struct {
		const void *items;
		size_t n;
	} sections[SECTIONS] = {
		[SECTION_CLASSES] = ITEMS(b->trie.classes),
		[SECTION_SUBJECTS] = ITEMS(b->subjects.subjects),
		[SECTION_CONJUNCTIONS] = ITEMS(b->subjects.conjunctions),
		[SECTION_ATOMS] = ITEMS(b->subjects.atoms),
		[SECTION_RULES] = ITEMS(b->rules),
		[SECTION_OPTIONS] = ITEMS(b->order.options),
		[SECTION_NOTES] = ITEMS(b->notes),
		[SECTION_EXCEPTS] = ITEMS(b->excepts),
		[SECTION_TREE] = ITEMS(b->tree.tree),
		[SECTION_LISTS] = ITEMS(b->tree.lists),
		[SECTION_ENTRIES] = ITEMS(b->tree.entries),
		[SECTION_COMPONENTS] = ITEMS(b->trie.components),
		[SECTION_PIECES] = ITEMS(b->trie.pieces),
		[SECTION_SUBUIDS] = ITEMS(b->ast->accounts),
		[SECTION_STRINGS] = ITEMS(b->strings.bytes),
	};
#undef ITEMS
	struct image_header header = {
		.version = IMAGE_VERSION,
		.denies = b->order.denies,
	};
	uint64_t at[SECTIONS], size;
	char *bytes;

	memcpy(header.magic, IMAGE_MAGIC, sizeof(header.magic));
	for (size_t i = 0; i < SECTIONS; i++) {
		if (sections[i].n > IMAGE_BYTES_MAX)
			return -EFBIG;
		header.counts[i] = (uint32_t)sections[i].n;
	}
	size = policy_image_layout(header.counts, at);
	if (size > IMAGE_BYTES_MAX)
		return -EFBIG;
	header.size = (uint32_t)size;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, &header, sizeof(header));
	for (size_t i = 0; i < SECTIONS; i++)
		if (sections[i].n > 0)
			memcpy(bytes + at[i], sections[i].items,
			       sections[i].n * policy_section_item[i]);
	*ret_bytes = bytes;
	*ret_size = size;
	return 0;
}

static void
builder_free(struct builder *b)
{
	free(b->pattern);
	policy_rule_order_free(&b->order);
	free(b->sets);
	policy_intern_free(&b->strings);
	policy_intern_free(&b->except_keys);
	policy_subjectset_free(&b->subjects);
	policy_trie_free(&b->trie);
	policy_vector_free(&b->ends.all);
	policy_vector_free(&b->list_ends.all);
	policy_trie_image_free(&b->tree);
	policy_vector_free(&b->rules);
	policy_vector_free(&b->notes);
	policy_vector_free(&b->roots);
	policy_vector_free(&b->excepts);
	policy_vector_free(&b->except_ranges);
	policy_vector_free(&b->except_variables);
}

int
policy_build(const struct policy_ast *ast, const struct policy_source *sources, void **ret_bytes,
	     size_t *ret_size, uint32_t **ret_order)
{
	_cleanup_(builder_free) struct builder b = {
		.ast = ast,
		.sources = sources,
		.file_source = UINT32_MAX,
		.pattern = malloc(sizeof(*b.pattern)),
	};
	uint32_t id;
	int r;

	if (!b.pattern)
		return -ENOMEM;
	if (ast->rules.n >= IMAGE_RULES_MAX || ast->sets.n >= IMAGE_RULES_MAX / USES)
		return -EFBIG;
	b.trie.strings = b.subjects.strings = &b.strings;
	/* The section of strings is never empty, and the first root is that of the targets. */
	r = policy_intern(&b.strings, "", 0, &id);
	if (r == 0)
		r = add_root(&b, &id);
	if (r == 0)
		r = policy_rule_order(ast, &b.order);
	if (r == 0)
		r = add_sets(&b);
	for (size_t i = 0; r == 0 && i < ast->rules.n; i++)
		r = add_rule(&b, &ast->rules.items[b.order.order[i]]);
	if (r == 0)
		r = policy_trie_emit(&b.trie, b.roots.items, b.roots.n, &b.ends, &b.list_ends,
				     &b.tree);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b.excepts.n; i++)
		b.excepts.items[i] = b.roots.items[b.excepts.items[i]];
	r = policy_subjectset_sort(&b.subjects);
	if (r == 0)
		r = write_image(&b, ret_bytes, ret_size);
	if (r < 0)
		return r;
	*ret_order = b.order.order;
	b.order.order = NULL;
	return 0;
}
