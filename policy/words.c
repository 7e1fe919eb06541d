/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <errno.h>
#include <string.h>

#include "util.h"

static const struct {
	const char *name;
	unsigned verb;
} verbs_table[] = {
	{"read", POLICY_READ}, {"write", POLICY_WRITE}, {"create", POLICY_CREATE},
	{"stat", POLICY_STAT}, {"list", POLICY_LIST},
};

static const struct policy_atom_word atoms[] = {
	{"user", POLICY_ATOM_USER, .known = true, .in_deny = true},
	{"group", POLICY_ATOM_GROUP, .known = true},
	{"unit", POLICY_ATOM_UNIT},
	{"label", POLICY_ATOM_LABEL, .in_deny = true},
};

static const char *const options[] = {
	"type", "owner", "strictmodes", "symlinks", "mode",    "exec",
	"id",   "audit", "until",       "hidden",   "because",
};

bool
policy_word_is(const char *word, size_t length, const char *text)
{
	return length == strlen(text) && memcmp(word, text, length) == 0;
}

const struct policy_atom_word *
policy_atom_find(const char *name, size_t length)
{
	for (size_t i = 0; i < ELEMENTS(atoms); i++)
		if (policy_word_is(name, length, atoms[i].name))
			return &atoms[i];
	return NULL;
}

unsigned
policy_verb_find(const char *name, size_t length)
{
	for (size_t i = 0; i < ELEMENTS(verbs_table); i++)
		if (policy_word_is(name, length, verbs_table[i].name))
			return verbs_table[i].verb;
	return 0;
}

bool
policy_option_find(const char *name, size_t length)
{
	for (size_t i = 0; i < ELEMENTS(options); i++)
		if (policy_word_is(name, length, options[i]))
			return true;
	return false;
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
	for (size_t i = 0; i < ELEMENTS(verbs_table); i++) {
		if (!(verbs & verbs_table[i].verb))
			continue;
		if (end != buffer)
			*end++ = ',';
		end = stpcpy(end, verbs_table[i].name);
	}
	return buffer;
}
