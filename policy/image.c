/* SPDX-License-Identifier: MIT */
#include "format.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "words.h"

const size_t policy_section_item[SECTIONS] = {
	[SECTION_CLASSES] = sizeof(struct policy_class),
	[SECTION_SUBJECTS] = sizeof(struct image_subject),
	[SECTION_CONJUNCTIONS] = sizeof(struct image_conjunction),
	[SECTION_ATOMS] = sizeof(struct image_atom),
	[SECTION_RULES] = sizeof(struct image_rule),
	[SECTION_OPTIONS] = sizeof(struct image_options),
	[SECTION_NOTES] = sizeof(struct image_note),
	[SECTION_EXCEPTS] = sizeof(uint32_t),
	[SECTION_TREE] = sizeof(uint32_t),
	[SECTION_LISTS] = sizeof(struct image_list),
	[SECTION_ENTRIES] = sizeof(struct image_entry),
	[SECTION_COMPONENTS] = sizeof(struct image_component),
	[SECTION_PIECES] = sizeof(struct image_piece),
	[SECTION_SUBUIDS] = sizeof(struct policy_subuids),
	[SECTION_STRINGS] = 1,
};

/* The classes come first and need more than what follows. */
_Static_assert(sizeof(struct image_header) % _Alignof(struct policy_class) == 0,
	       "sections are aligned");

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

static unsigned
asked(const struct policy_image *image)
{
	unsigned asks = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_ATOMS); i++) {
		if (image->atoms[i].kind == POLICY_ATOM_UNIT)
			asks |= POLICY_ASKS_UNIT;
		if (image->atoms[i].kind == POLICY_ATOM_LABEL)
			asks |= POLICY_ASKS_LABEL;
	}
	return asks;
}

int
policy_image_attach(const void *bytes, size_t size, struct policy_image **ret_image)
{
	const struct image_header *header = bytes;
	_cleanup_free_ struct policy_image *image = NULL;
	uint64_t at[SECTIONS];
	const char *base = bytes;

	if (size < sizeof(*header) || (uintptr_t)bytes % _Alignof(struct policy_class) != 0)
		return -EBADMSG;
	if (memcmp(header->magic, IMAGE_MAGIC, sizeof(header->magic)) != 0 ||
	    header->version != IMAGE_VERSION || header->size != size || header->zero[0] != 0 ||
	    header->zero[1] != 0 || policy_image_layout(header->counts, at) != size)
		return -EBADMSG;
	if (header->counts[SECTION_STRINGS] == 0 || base[size - 1] != '\0')
		return -EBADMSG;

	image = calloc(1, sizeof(*image));
	if (!image)
		return -ENOMEM;
	image->header = header;
	image->classes = (const void *)(base + at[SECTION_CLASSES]);
	image->subjects = (const void *)(base + at[SECTION_SUBJECTS]);
	image->conjunctions = (const void *)(base + at[SECTION_CONJUNCTIONS]);
	image->atoms = (const void *)(base + at[SECTION_ATOMS]);
	image->rules = (const void *)(base + at[SECTION_RULES]);
	image->options = (const void *)(base + at[SECTION_OPTIONS]);
	image->notes = (const void *)(base + at[SECTION_NOTES]);
	image->excepts = (const void *)(base + at[SECTION_EXCEPTS]);
	image->tree = (const void *)(base + at[SECTION_TREE]);
	image->entries = (const void *)(base + at[SECTION_ENTRIES]);
	image->lists = (const void *)(base + at[SECTION_LISTS]);
	image->components = (const void *)(base + at[SECTION_COMPONENTS]);
	image->pieces = (const void *)(base + at[SECTION_PIECES]);
	image->subuids = (const void *)(base + at[SECTION_SUBUIDS]);
	image->strings = base + at[SECTION_STRINGS];

	image->asks = asked(image);
	*ret_image = image;
	image = NULL;
	return 0;
}

int
policy_image_from_memory(const void *bytes, size_t size, struct policy_image **ret_image)
{
	struct policy_image *image;
	int r = policy_image_attach(bytes, size, &image);

	if (r < 0)
		return r;
	r = policy_image_good(image);
	if (r < 0) {
		policy_image_free(image);
		return r;
	}
	*ret_image = image;
	return 0;
}

static int
map(int fd, bool validated, struct policy_image **ret_image)
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
	if (st.st_size < (off_t)sizeof(struct image_header) || st.st_size > IMAGE_BYTES_MAX)
		return -EBADMSG;
	/* Private: older kernels refuse to share a write-sealed file, even for reading. */
	mapping = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	r = validated ? policy_image_attach(mapping, (size_t)st.st_size, ret_image)
		      : policy_image_from_memory(mapping, (size_t)st.st_size, ret_image);
	if (r < 0) {
		munmap(mapping, (size_t)st.st_size);
		return r;
	}
	(*ret_image)->mapping = mapping;
	return 0;
}

int
policy_image_map(int fd, struct policy_image **ret_image)
{
	return map(fd, false, ret_image);
}

int
policy_image_map_validated(int fd, struct policy_image **ret_image)
{
	return map(fd, true, ret_image);
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
	const struct image_note none = {IMAGE_NONE, IMAGE_NONE};
	const struct image_note *note = r->note == IMAGE_NONE ? &none : &image->notes[r->note];

	*ret_rule = (struct policy_rule){
		.verdict = image_verdict(image, rule),
		.verbs = r->verbs,
		.file = image->strings + r->file,
		.line = r->line,
		.options = image->options[r->options].options,
		.id = note->id == IMAGE_NONE ? NULL : image->strings + note->id,
		.because = note->because == IMAGE_NONE ? NULL : image->strings + note->because,
	};
}

const struct policy_options *
policy_rule_options(const struct policy_image *image, uint32_t rule)
{
	return &image->options[image->rules[rule].options].options;
}
