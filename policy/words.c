/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <errno.h>
#include <sys/stat.h>

#include "util.h"

const char *const policy_verb_names[POLICY_VERBS_N] = {"read", "write", "create", "stat", "list"};

unsigned
policy_type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return POLICY_TYPE_REG;
	case S_IFIFO:
		return POLICY_TYPE_FIFO;
	case S_IFCHR:
		return POLICY_TYPE_CHR;
	case S_IFBLK:
		return POLICY_TYPE_BLK;
	default:
		return 0;
	}
}

static const struct policy_atom_word atoms[] = {
	{"user", POLICY_ATOM_USER, .in_deny = true},
	{"group", POLICY_ATOM_GROUP},
	{"unit", POLICY_ATOM_UNIT},
	{"label", POLICY_ATOM_LABEL, .in_deny = true},
};

const struct policy_atom_word *
policy_atom_find(const char *name, size_t length)
{
	for (size_t i = 0; i < ELEMENTS(atoms); i++)
		if (policy_word_is(name, length, atoms[i].name))
			return &atoms[i];
	return NULL;
}

const char *
policy_atom_nearest(const char *name, size_t length)
{
	const char *names[ELEMENTS(atoms)];

	for (size_t i = 0; i < ELEMENTS(atoms); i++)
		names[i] = atoms[i].name;
	return policy_nearest(name, length, names, ELEMENTS(names));
}

/* The last id means "none" to the kernel. */
static bool
parse_id(const char *text, size_t length, uint32_t *ret_id)
{
	uint64_t id = 0;

	if (length == 0 || length > 10 || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++)
		id = id * 10 + (uint64_t)(text[i] - '0');
	if (id >= UINT32_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

enum policy_account
policy_account_parse(const char *text, size_t length, uint32_t *ret_id)
{
	static const char forbidden[] = "*?[]{}\"':\\/,|+";
	size_t digits = 0;

	for (size_t i = 0; i < length; i++) {
		if (memchr(forbidden, text[i], sizeof(forbidden) - 1))
			return POLICY_ACCOUNT_BAD;
		digits += text[i] >= '0' && text[i] <= '9';
	}
	if (digits < length)
		return POLICY_ACCOUNT_NAME;
	return parse_id(text, length, ret_id) ? POLICY_ACCOUNT_ID : POLICY_ACCOUNT_BAD_ID;
}

unsigned
policy_verb_find(const char *name, size_t length)
{
	for (size_t i = 0; i < POLICY_VERBS_N; i++)
		if (policy_word_is(name, length, policy_verb_names[i]))
			return 1u << i;
	return 0;
}

const char *
policy_atom_name(enum policy_atom_kind kind)
{
	for (size_t i = 0; i < ELEMENTS(atoms); i++)
		if (atoms[i].kind == kind)
			return atoms[i].name;
	return "any";
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
policy_is_name(const char *name, size_t length)
{
	if (length == 0 || length > 64 || !is_letter(name[0]))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!is_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9') && name[i] != '_' &&
		    name[i] != '-')
			return false;
	return true;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

enum {
	NEAREST_MAX = 24, /* bytes of a word */
};

static size_t
distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[NEAREST_MAX + 1][NEAREST_MAX + 1];

	if (n > NEAREST_MAX || m > NEAREST_MAX)
		return NEAREST_MAX;
	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				row[i][j] = i + j;
				continue;
			}
			row[i][j] = least(least(row[i - 1][j], row[i][j - 1]) + 1,
					  row[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[i][j] = least(row[i][j], row[i - 2][j - 2] + 1);
		}
	}
	return row[n][m];
}

const char *
policy_nearest(const char *word, size_t length, const char *const *names, size_t n)
{
	char small[NEAREST_MAX];
	const char *nearest = NULL;
	size_t best = length < 4 ? 2 : 3;

	if (length > sizeof(small))
		return NULL;
	for (size_t i = 0; i < length; i++)
		small[i] = lower(word[i]);
	for (size_t i = 0; i < n; i++) {
		size_t name_length = strlen(names[i]);
		size_t d = distance(small, length, names[i], name_length);

		if (length > 1 && length <= name_length && memcmp(small, names[i], length) == 0)
			d = least(d, 1);
		if (d < best && d < name_length) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}

unsigned
policy_verbs_covered(enum policy_verdict verdict, unsigned verbs)
{
	if (verbs & POLICY_READ)
		verbs |= POLICY_STAT;
	if (verdict == POLICY_DENY && (verbs & POLICY_WRITE))
		verbs |= POLICY_CREATE;
	return verbs;
}

int
policy_verbs_parse(const char *text, unsigned *ret_verbs)
{
	unsigned verbs = 0;

	for (;;) {
		size_t length = strcspn(text, ",");
		unsigned verb = policy_verb_find(text, length);

		if (verb == 0)
			return -EINVAL;
		verbs |= verb;
		if (text[length] == '\0')
			break;
		text += length + 1;
	}
	*ret_verbs = verbs;
	return 0;
}

const char *
policy_verbs_text(unsigned verbs, char *buffer)
{
	char *end = buffer;

	*end = '\0';
	for (size_t i = 0; i < POLICY_VERBS_N; i++) {
		if (!(verbs & 1u << i))
			continue;
		if (end != buffer)
			*end++ = ',';
		end = stpcpy(end, policy_verb_names[i]);
	}
	return buffer;
}

bool
policy_is_unit_byte(char c)
{
	switch (c) {
	case 'a' ... 'z':
	case 'A' ... 'Z':
	case '0' ... '9':
	case ':':
	case '-':
	case '_':
	case '.':
	case '\\':
	case '@':
		return true;
	default:
		return false;
	}
}
