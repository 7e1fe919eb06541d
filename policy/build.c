/* SPDX-License-Identifier: MIT */
#include "build.h"

#include <string.h>

#include "format.h"
#include "intern.h"

enum {
	IMAGE_BYTES_MAX = 1 << 30,
	NO_RULE_YET = UINT32_MAX,
};

struct pair {
	uint32_t subject;
	uint32_t rule;
};

struct builder {
	const struct policy_ast *ast;
	struct policy_pattern *pattern; /* scratch */
	char *key;                      /* scratch: a component, NUL for a star */
	uint32_t file;                  /* the name of file_source */
	uint32_t file_source;
	struct policy_intern strings;
	struct policy_intern component_keys;
	struct policy_intern subject_keys;
	struct policy_intern prefix_keys;
	POLICY_VECTOR(struct image_subject) subjects;
	POLICY_VECTOR(struct image_atom) atoms;
	POLICY_VECTOR(uint32_t) subject_rules;
	POLICY_VECTOR(struct image_rule) rules;
	POLICY_VECTOR(uint32_t) targets;
	POLICY_VECTOR(struct policy_range) lists;
	POLICY_VECTOR(struct image_pattern) patterns;
	POLICY_VECTOR(uint32_t) component_refs;
	POLICY_VECTOR(struct image_component) components;
	POLICY_VECTOR(struct image_piece) pieces;
	POLICY_VECTOR(struct image_prefix) prefixes;
	POLICY_VECTOR(uint32_t) last_rule; /* of each subject */
	POLICY_VECTOR(struct pair) pairs;  /* ascending by rule */
};

static int
add_string(struct builder *b, const char *text, size_t length, uint32_t *ret_string)
{
	uint32_t id;
	int r = policy_intern(&b->strings, text, length, &id);

	if (r < 0)
		return r;
	*ret_string = b->strings.keys.items[id].at;
	return 0;
}

/* As messages show it: the reader takes nothing else, and each only once. */
static int
add_escaped(struct builder *b, const char *text, size_t length, uint32_t *ret_string)
{
	_cleanup_free_ char *escaped = NULL;
	size_t size, plain = 0;
	FILE *out;

	while (plain < length && text[plain] >= 0x20 && text[plain] < 0x7f)
		plain++;
	if (plain == length)
		return policy_intern_append(&b->strings, text, length, ret_string);
	out = open_memstream(&escaped, &size);
	if (!out)
		return -ENOMEM;
	policy_escape(out, text, length, 1);
	if (fclose(out) != 0)
		return -ENOMEM;
	return policy_intern_append(&b->strings, escaped, size, ret_string);
}

static int
add_component(struct builder *b, const struct policy_component *c, uint32_t *ret_component)
{
	const struct policy_pattern *p = b->pattern;
	struct image_component component = {
		.kind = c->kind,
		.pieces = {(uint32_t)b->pieces.n, c->n},
	};
	size_t length = 0;
	int r;

	if (c->kind == POLICY_COMPONENT_GLOBSTAR) {
		memset(b->key, 0, 2);
		length = 2;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		const struct policy_piece *piece = &p->pieces[c->first + i];

		if (piece->kind == POLICY_PIECE_STAR) {
			b->key[length++] = '\0';
			continue;
		}
		memcpy(b->key + length, p->bytes + piece->at, piece->length);
		length += piece->length;
	}
	r = policy_intern(&b->component_keys, b->key, length, ret_component);
	if (r < 0 || *ret_component < b->components.n)
		return r;

	for (uint32_t i = 0; i < c->n; i++) {
		const struct policy_piece *piece = &p->pieces[c->first + i];
		struct image_piece add = {.kind = piece->kind, .length = piece->length};

		if (piece->kind == POLICY_PIECE_LITERAL) {
			r = add_string(b, p->bytes + piece->at, piece->length, &add.string);
			if (r < 0)
				return r;
		}
		r = policy_vector_push(&b->pieces, add);
		if (r < 0)
			return r;
	}
	return policy_vector_push(&b->components, component);
}

/* The literal components before the first wildcard; a literal pattern leaves its last one out. */
static int
add_prefix(struct builder *b, uint32_t *ret_prefix)
{
	const struct policy_pattern *p = b->pattern;
	struct image_prefix prefix = {.name = IMAGE_NO_STRING};
	char directory[POLICY_PATH_MAX + 1];
	const struct policy_piece *last;
	size_t length = 0;
	uint32_t n = 0;
	int r;

	while (n < p->n && p->components[n].kind == POLICY_COMPONENT_LITERAL)
		n++;
	if (n > 0 && n == p->n) {
		last = &p->pieces[p->components[--n].first];
		r = add_string(b, p->bytes + last->at, last->length, &prefix.name);
		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct policy_piece *piece = &p->pieces[p->components[i].first];

		directory[length++] = '/';
		memcpy(directory + length, p->bytes + piece->at, piece->length);
		length += piece->length;
	}
	if (length == 0)
		directory[length++] = '/';
	r = add_string(b, directory, length, &prefix.directory);
	if (r == 0)
		r = policy_intern(&b->prefix_keys, &prefix, sizeof(prefix), ret_prefix);
	if (r < 0 || *ret_prefix < b->prefixes.n)
		return r;
	return policy_vector_push(&b->prefixes, prefix);
}

static int
add_pattern(struct builder *b, const char *text, uint32_t length)
{
	struct image_pattern pattern = {.components.first = (uint32_t)b->component_refs.n};
	struct policy_pattern_error error;
	int r;

	if (!policy_pattern_parse(text, length, b->pattern, &error))
		return -EINVAL;
	for (uint32_t i = 0; i < b->pattern->n; i++) {
		uint32_t component;

		r = add_component(b, &b->pattern->components[i], &component);
		if (r == 0)
			r = policy_vector_push(&b->component_refs, component);
		if (r < 0)
			return r;
	}
	pattern.components.n = b->pattern->n;
	r = add_prefix(b, &pattern.prefix);
	if (r < 0)
		return r;
	return policy_vector_push(&b->patterns, pattern);
}

/* The patterns among these targets become one list. */
static int
add_list(struct builder *b, const struct policy_place *place, struct policy_range targets)
{
	struct policy_range list = {.first = (uint32_t)b->patterns.n};

	for (uint32_t i = 0; i < targets.n; i++) {
		const struct policy_ast_target *t = &b->ast->targets.items[targets.first + i];
		int r;

		if (t->is_set)
			continue;
		r = add_pattern(b, place->text + t->span.at, t->span.length);
		if (r < 0)
			return r;
	}
	list.n = (uint32_t)b->patterns.n - list.first;
	return policy_vector_push(&b->lists, list);
}

/* Lists of sets come first: list i is set i. */
static int
add_targets(struct builder *b, const struct policy_place *place, struct policy_range targets,
	    struct policy_range *ret_targets)
{
	struct policy_range range = {.first = (uint32_t)b->targets.n};
	uint32_t sets = 0;
	int r = 0;

	for (uint32_t i = 0; i < targets.n; i++)
		sets += b->ast->targets.items[targets.first + i].is_set;
	if (sets < targets.n) {
		r = policy_vector_push(&b->targets, (uint32_t)b->lists.n);
		if (r == 0)
			r = add_list(b, place, targets);
	}
	for (uint32_t i = 0; r == 0 && i < targets.n; i++)
		if (b->ast->targets.items[targets.first + i].is_set)
			r = policy_vector_push(&b->targets,
					       b->ast->targets.items[targets.first + i].set);
	range.n = (uint32_t)b->targets.n - range.first;
	*ret_targets = range;
	return r;
}

static int
compare_atoms(const void *a, const void *b)
{
	const struct image_atom *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Sorted, each once, without `any`: equal conjunctions are one subject. */
static int
add_subject(struct builder *b, const struct policy_ast_conjunction *c, uint32_t *ret_subject)
{
	struct image_subject subject = {.atoms.first = (uint32_t)b->atoms.n};
	struct image_atom *atoms;
	uint32_t n = 0, unique = 0;
	int r;

	/* One more: there is something to point at when all is `any`. */
	r = policy_vector_reserve(&b->atoms, (size_t)c->atoms.n + 1);
	if (r < 0)
		return r;
	atoms = b->atoms.items + b->atoms.n;
	for (uint32_t i = 0; i < c->atoms.n; i++) {
		const struct policy_ast_atom *atom = &b->ast->atoms.items[c->atoms.first + i];

		if (atom->kind != POLICY_ATOM_ANY)
			atoms[n++] = (struct image_atom){atom->kind, atom->id};
	}
	qsort(atoms, n, sizeof(atoms[0]), compare_atoms);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || compare_atoms(&atoms[i], &atoms[unique - 1]) != 0)
			atoms[unique++] = atoms[i];
	r = policy_intern(&b->subject_keys, atoms, unique * sizeof(atoms[0]), ret_subject);
	if (r < 0 || *ret_subject < b->subjects.n)
		return r;
	subject.atoms.n = unique;
	b->atoms.n += unique;
	r = policy_vector_push(&b->subjects, subject);
	if (r < 0)
		return r;
	return policy_vector_push(&b->last_rule, NO_RULE_YET);
}

static int
add_who(struct builder *b, const struct policy_ast_rule *rule, uint32_t number)
{
	for (uint32_t i = 0; i < rule->who.n; i++) {
		const struct policy_ast_conjunction *c =
			&b->ast->conjunctions.items[rule->who.first + i];
		uint32_t subject;
		int r;

		if (c->inert)
			continue;
		r = add_subject(b, c, &subject);
		if (r < 0)
			return r;
		if (b->last_rule.items[subject] == number)
			continue;
		b->last_rule.items[subject] = number;
		r = policy_vector_push(&b->pairs, (struct pair){subject, number});
		if (r < 0)
			return r;
	}
	return 0;
}

static int
add_rule(struct builder *b, const struct policy_ast_rule *rule, const struct policy_source *sources)
{
	const char *name = sources[rule->place.source].name, *text = rule->place.text;
	uint32_t length = rule->place.length;
	struct image_rule add = {
		.verdict = (uint8_t)rule->verdict,
		.verbs = (uint8_t)rule->verbs,
		.line = rule->place.line,
	};
	int r;

	while (length > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		length--;
	}
	r = b->file_source == rule->place.source ? 0 : add_escaped(b, name, strlen(name), &b->file);
	b->file_source = rule->place.source;
	add.file = b->file;
	if (r == 0)
		r = add_escaped(b, text, length, &add.text);
	if (r == 0)
		r = add_targets(b, &rule->place, rule->targets, &add.targets);
	if (r == 0)
		r = add_targets(b, &rule->place, rule->excepts, &add.excepts);
	if (r == 0)
		r = add_who(b, rule, (uint32_t)b->rules.n);
	if (r < 0)
		return r;
	return policy_vector_push(&b->rules, add);
}

/* Give each subject its denies and its allows: count, lay out, fill. */
static int
sort_rules(struct builder *b)
{
	uint32_t at = 0;
	int r = policy_vector_reserve(&b->subject_rules, b->pairs.n);

	if (r < 0)
		return r;
	b->subject_rules.n = b->pairs.n;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < b->pairs.n; i++) {
			const struct pair *pair = &b->pairs.items[i];
			struct image_subject *s = &b->subjects.items[pair->subject];
			bool deny = b->rules.items[pair->rule].verdict == POLICY_DENY;
			struct policy_range *range = deny ? &s->denies : &s->allows;

			if (pass == 1)
				b->subject_rules.items[range->first + range->n] = pair->rule;
			range->n++;
		}
		for (size_t i = 0; pass == 0 && i < b->subjects.n; i++) {
			struct image_subject *s = &b->subjects.items[i];

			s->denies.first = at;
			s->allows.first = at + s->denies.n;
			at = s->allows.first + s->allows.n;
			s->denies.n = s->allows.n = 0;
		}
	}
	return 0;
}

static int
write_image(struct builder *b, void **ret_bytes, size_t *ret_size)
{
	const struct {
		const void *items;
		size_t n;
	} sections[SECTIONS] = {
		[SECTION_SUBJECTS] = {b->subjects.items, b->subjects.n},
		[SECTION_ATOMS] = {b->atoms.items, b->atoms.n},
		[SECTION_SUBJECT_RULES] = {b->subject_rules.items, b->subject_rules.n},
		[SECTION_RULES] = {b->rules.items, b->rules.n},
		[SECTION_TARGETS] = {b->targets.items, b->targets.n},
		[SECTION_LISTS] = {b->lists.items, b->lists.n},
		[SECTION_PATTERNS] = {b->patterns.items, b->patterns.n},
		[SECTION_COMPONENT_REFS] = {b->component_refs.items, b->component_refs.n},
		[SECTION_COMPONENTS] = {b->components.items, b->components.n},
		[SECTION_PIECES] = {b->pieces.items, b->pieces.n},
		[SECTION_PREFIXES] = {b->prefixes.items, b->prefixes.n},
		[SECTION_STRINGS] = {b->strings.bytes.items, b->strings.bytes.n},
	};
	struct image_header header = {.magic = {0}, .version = IMAGE_VERSION};
	uint64_t at[SECTIONS], size;
	char *bytes;

	memcpy(header.magic, IMAGE_MAGIC, sizeof(header.magic));
	for (size_t i = 0; i < SECTIONS; i++)
		header.counts[i] = (uint32_t)sections[i].n;
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
	policy_intern_free(&b->strings);
	policy_intern_free(&b->component_keys);
	policy_intern_free(&b->subject_keys);
	policy_intern_free(&b->prefix_keys);
	policy_vector_free(&b->subjects);
	policy_vector_free(&b->atoms);
	policy_vector_free(&b->subject_rules);
	policy_vector_free(&b->rules);
	policy_vector_free(&b->targets);
	policy_vector_free(&b->lists);
	policy_vector_free(&b->patterns);
	policy_vector_free(&b->component_refs);
	policy_vector_free(&b->components);
	policy_vector_free(&b->pieces);
	policy_vector_free(&b->prefixes);
	policy_vector_free(&b->last_rule);
	policy_vector_free(&b->pairs);
	free(b->pattern);
	free(b->key);
}

int
policy_build(const struct policy_ast *ast, const struct policy_source *sources, void **ret_bytes,
	     size_t *ret_size)
{
	_cleanup_(builder_free) struct builder b = {
		.ast = ast,
		.file_source = UINT32_MAX,
		.pattern = malloc(sizeof(*b.pattern)),
		.key = malloc(POLICY_PIECES_MAX + POLICY_NAME_MAX_BYTES),
	};
	uint32_t empty;
	int r;

	if (!b.pattern || !b.key)
		return -ENOMEM;
	/* The section of strings is never empty. */
	r = add_string(&b, "", 0, &empty);
	for (size_t i = 0; r == 0 && i < ast->sets.n; i++)
		r = add_list(&b, &ast->sets.items[i].place, ast->sets.items[i].targets);
	for (size_t i = 0; r == 0 && i < ast->rules.n; i++)
		r = add_rule(&b, &ast->rules.items[i], sources);
	if (r == 0)
		r = sort_rules(&b);
	if (r < 0)
		return r;
	return write_image(&b, ret_bytes, ret_size);
}
