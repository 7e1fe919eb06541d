/* SPDX-License-Identifier: MIT */
#include "format.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "words.h"

const size_t policy_section_item[SECTIONS] = {
	[SECTION_SUBJECTS] = sizeof(struct image_subject),
	[SECTION_ATOMS] = sizeof(struct image_atom),
	[SECTION_SUBJECT_RULES] = sizeof(uint32_t),
	[SECTION_RULES] = sizeof(struct image_rule),
	[SECTION_TARGETS] = sizeof(uint32_t),
	[SECTION_LISTS] = sizeof(struct policy_range),
	[SECTION_PATTERNS] = sizeof(struct image_pattern),
	[SECTION_COMPONENT_REFS] = sizeof(uint32_t),
	[SECTION_COMPONENTS] = sizeof(struct image_component),
	[SECTION_PIECES] = sizeof(struct image_piece),
	[SECTION_PREFIXES] = sizeof(struct image_prefix),
	[SECTION_STRINGS] = 1,
};

uint64_t
policy_image_layout(const uint32_t *counts, uint64_t *ret_offsets)
{
	uint64_t at = sizeof(struct image_header);

	for (size_t i = 0; i < SECTIONS; i++) {
		ret_offsets[i] = at;
		at += (uint64_t)counts[i] * policy_section_item[i];
	}
	return at;
}

/*
 * Ranges that follow each other without gap or overlap: so the whole of them is walked in the time
 * that the section is long, whoever wrote the image.
 */
static bool
follows(uint32_t *end, struct policy_range range, uint32_t count)
{
	if (range.first != *end || range.n > count - *end)
		return false;
	*end += range.n;
	return true;
}

static bool
string_fits(const struct policy_image *image, uint32_t string)
{
	/* The section ends with a NUL. */
	return string < image_count(image, SECTION_STRINGS);
}

/* Rules of one verdict, each number once, ascending. */
static bool
subject_rules_good(const struct policy_image *image, struct policy_range range,
		   enum policy_verdict verdict)
{
	for (uint32_t i = 0; i < range.n; i++) {
		uint32_t rule = image->subject_rules[range.first + i];

		if (rule >= image_count(image, SECTION_RULES) ||
		    image->rules[rule].verdict != verdict)
			return false;
		if (i > 0 && rule <= image->subject_rules[range.first + i - 1])
			return false;
	}
	return true;
}

static bool
subjects_good(const struct policy_image *image)
{
	uint32_t n_atoms = image_count(image, SECTION_ATOMS), atoms = 0;
	uint32_t n_rules = image_count(image, SECTION_SUBJECT_RULES), rules = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_SUBJECTS); i++) {
		const struct image_subject *s = &image->subjects[i];

		if (!follows(&atoms, s->atoms, n_atoms) || !follows(&rules, s->denies, n_rules) ||
		    !follows(&rules, s->allows, n_rules) ||
		    !subject_rules_good(image, s->denies, POLICY_DENY) ||
		    !subject_rules_good(image, s->allows, POLICY_ALLOW))
			return false;
	}
	for (uint32_t i = 0; i < n_atoms; i++)
		if (image->atoms[i].kind != POLICY_ATOM_USER &&
		    image->atoms[i].kind != POLICY_ATOM_GROUP)
			return false;
	return atoms == n_atoms && rules == n_rules;
}

/* Printable, and not yet looked at more often than its bytes are there. */
static bool
shown_good(const struct policy_image *image, uint32_t string, uint64_t *looked_at)
{
	if (!string_fits(image, string))
		return false;
	for (const char *c = image->strings + string; *c; c++)
		if ((*c < 0x20 || *c >= 0x7f) && *c != '\t')
			return false;
		else
			(*looked_at)++;
	(*looked_at)++;
	return *looked_at <= image_count(image, SECTION_STRINGS);
}

static bool
rules_good(const struct policy_image *image)
{
	uint32_t n_targets = image_count(image, SECTION_TARGETS), targets = 0;
	uint64_t files = 0, texts = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_RULES); i++) {
		const struct image_rule *rule = &image->rules[i];

		if (rule->verdict > POLICY_ALLOW || rule->verbs == 0 ||
		    (rule->verbs & ~POLICY_VERBS_ALL) || rule->zero != 0)
			return false;
		if (!follows(&targets, rule->targets, n_targets) ||
		    !follows(&targets, rule->excepts, n_targets) ||
		    !shown_good(image, rule->text, &texts))
			return false;
		/* The rules of a file stand together and share its name. */
		if ((i == 0 || rule->file != rule[-1].file) &&
		    !shown_good(image, rule->file, &files))
			return false;
	}
	return targets == n_targets;
}

static bool
lists_good(const struct policy_image *image)
{
	uint32_t n_lists = image_count(image, SECTION_LISTS);
	uint32_t n_patterns = image_count(image, SECTION_PATTERNS), patterns = 0;
	uint32_t n_refs = image_count(image, SECTION_COMPONENT_REFS), refs = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_TARGETS); i++)
		if (image->targets[i] >= n_lists)
			return false;
	for (uint32_t i = 0; i < n_lists; i++)
		if (!follows(&patterns, image->lists[i], n_patterns))
			return false;
	for (uint32_t i = 0; i < n_patterns; i++)
		if (!follows(&refs, image->patterns[i].components, n_refs) ||
		    image->patterns[i].components.n > POLICY_COMPONENTS_MAX ||
		    image->patterns[i].prefix >= image_count(image, SECTION_PREFIXES))
			return false;
	for (uint32_t i = 0; i < n_refs; i++)
		if (image->component_refs[i] >= image_count(image, SECTION_COMPONENTS))
			return false;
	return patterns == n_patterns && refs == n_refs;
}

static bool
piece_good(const struct policy_image *image, const struct image_piece *piece)
{
	const char *string;

	if (!string_fits(image, piece->string))
		return false;
	string = image->strings + piece->string;
	switch (piece->kind) {
	case POLICY_PIECE_STAR:
		return piece->string == 0 && piece->length == 0;
	case POLICY_PIECE_LITERAL:
		return piece->length > 0 && piece->length <= POLICY_NAME_MAX_BYTES &&
		       piece->length < image_count(image, SECTION_STRINGS) - piece->string &&
		       strnlen(string, (size_t)piece->length + 1) == piece->length &&
		       !memchr(string, '/', piece->length);
	default:
		return false;
	}
}

static bool
component_good(const struct policy_image *image, const struct image_component *component)
{
	const struct image_piece *first = image->pieces + component->pieces.first;

	switch (component->kind) {
	case POLICY_COMPONENT_GLOBSTAR:
		return component->pieces.n == 0;
	case POLICY_COMPONENT_LITERAL:
		return component->pieces.n == 1 && first->kind == POLICY_PIECE_LITERAL;
	case POLICY_COMPONENT_WILD:
		return component->pieces.n > 0 && component->pieces.n <= POLICY_PIECES_MAX;
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

static bool
prefixes_good(const struct policy_image *image)
{
	for (uint32_t i = 0; i < image_count(image, SECTION_PREFIXES); i++) {
		const struct image_prefix *prefix = &image->prefixes[i];
		const char *name;
		size_t length;

		if (!string_fits(image, prefix->directory))
			return false;
		length = strnlen(image->strings + prefix->directory, POLICY_PATH_MAX + 1);
		if (!policy_path_is_canonical(image->strings + prefix->directory, length))
			return false;
		if (prefix->name == IMAGE_NO_STRING)
			continue;
		if (!string_fits(image, prefix->name))
			return false;
		name = image->strings + prefix->name;
		length = strnlen(name, POLICY_NAME_MAX_BYTES + 1);
		if (length == 0 || length > POLICY_NAME_MAX_BYTES || memchr(name, '/', length) ||
		    policy_word_is(name, length, ".") || policy_word_is(name, length, ".."))
			return false;
	}
	return true;
}

int
policy_image_from_memory(const void *bytes, size_t size, struct policy_image **ret_image)
{
	const struct image_header *header = bytes;
	_cleanup_free_ struct policy_image *image = NULL;
	uint64_t at[SECTIONS];
	const char *base = bytes;

	if (size < sizeof(*header) || (uintptr_t)bytes % _Alignof(struct image_header) != 0)
		return -EBADMSG;
	if (memcmp(header->magic, IMAGE_MAGIC, sizeof(header->magic)) != 0 ||
	    header->version != IMAGE_VERSION || header->size != size ||
	    policy_image_layout(header->counts, at) != size)
		return -EBADMSG;
	if (header->counts[SECTION_STRINGS] == 0 || base[size - 1] != '\0')
		return -EBADMSG;

	image = calloc(1, sizeof(*image));
	if (!image)
		return -ENOMEM;
	image->header = header;
	image->subjects = (const void *)(base + at[SECTION_SUBJECTS]);
	image->atoms = (const void *)(base + at[SECTION_ATOMS]);
	image->subject_rules = (const void *)(base + at[SECTION_SUBJECT_RULES]);
	image->rules = (const void *)(base + at[SECTION_RULES]);
	image->targets = (const void *)(base + at[SECTION_TARGETS]);
	image->lists = (const void *)(base + at[SECTION_LISTS]);
	image->patterns = (const void *)(base + at[SECTION_PATTERNS]);
	image->component_refs = (const void *)(base + at[SECTION_COMPONENT_REFS]);
	image->components = (const void *)(base + at[SECTION_COMPONENTS]);
	image->pieces = (const void *)(base + at[SECTION_PIECES]);
	image->prefixes = (const void *)(base + at[SECTION_PREFIXES]);
	image->strings = base + at[SECTION_STRINGS];

	if (!subjects_good(image) || !rules_good(image) || !lists_good(image) ||
	    !components_good(image) || !prefixes_good(image))
		return -EBADMSG;
	*ret_image = image;
	image = NULL;
	return 0;
}

int
policy_image_map(int fd, struct policy_image **ret_image)
{
	const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *mapping;
	int r;

	if (seals < 0)
		return errno == EINVAL ? -EPERM : -errno;
	if ((seals & needed) != needed)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(struct image_header) || st.st_size > UINT32_MAX)
		return -EBADMSG;
	/* Private: older kernels refuse to share a write-sealed file, even for reading. */
	mapping = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	r = policy_image_from_memory(mapping, (size_t)st.st_size, ret_image);
	if (r < 0) {
		munmap(mapping, (size_t)st.st_size);
		return r;
	}
	(*ret_image)->mapping = mapping;
	return 0;
}

struct policy_image *
policy_image_free(struct policy_image *image)
{
	if (image && image->mapping)
		munmap(image->mapping, image->header->size);
	free(image);
	return NULL;
}

size_t
policy_image_size(const struct policy_image *image)
{
	return image->header->size;
}

uint32_t
policy_image_rules(const struct policy_image *image)
{
	return image_count(image, SECTION_RULES);
}

void
policy_rule_describe(const struct policy_image *image, uint32_t rule, struct policy_rule *ret_rule)
{
	const struct image_rule *r = &image->rules[rule];

	*ret_rule = (struct policy_rule){
		.verdict = (enum policy_verdict)r->verdict,
		.verbs = r->verbs,
		.file = image->strings + r->file,
		.line = r->line,
		.text = image->strings + r->text,
	};
}
