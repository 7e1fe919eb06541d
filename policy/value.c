/* SPDX-License-Identifier: MIT */
#include "value.h"

static const struct policy_choice types[] = {{"reg", POLICY_TYPE_REG},
					     {"fifo", POLICY_TYPE_FIFO},
					     {"chr", POLICY_TYPE_CHR},
					     {"blk", POLICY_TYPE_BLK},
					     {0}};
static const struct policy_choice owners[] = {
	{"any", POLICY_OWNER_ANY}, {"peer", POLICY_OWNER_PEER}, {"root", POLICY_OWNER_ROOT}, {0}};

/* span: what is wrong of the value. */
static void
report_value(const struct policy_value *v, struct policy_span span, const char *help)
{
	char word[80];
	uint32_t shown = v->word.length < 64 ? v->word.length : 64;

	snprintf(word, sizeof(word), "%.*s%s", (int)shown, v->p->place.text + v->word.at,
		 shown < v->word.length ? "..." : "");
	policy_report_add(v->p->report, POLICY_CODE_OPTION_VALUE, &v->p->place, span, word, "%s",
			  help);
}

static const struct policy_choice *
find_choice(const struct policy_choice *choices, const char *text, uint32_t length)
{
	for (; choices->name; choices++)
		if (policy_word_is(text, length, choices->name))
			return choices;
	return NULL;
}

/* What a word of other systems, or one with a mistake, is here. NULL: no idea. */
static const char *
nearest_choice(const struct policy_choice *choices, const char *text, uint32_t length)
{
	static const char *const elsewhere[][2] = {
		{"file", "reg"},   {"regular", "reg"}, {"pipe", "fifo"}, {"character", "chr"},
		{"block", "blk"},  {"self", "peer"},   {"true", "yes"},  {"on", "yes"},
		{"false", "no"},   {"off", "no"},      {"none", "no"},   {"never", "no"},
		{"always", "all"},
	};
	const char *names[8];
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
		if (policy_word_is(text, length, elsewhere[i][0]) &&
		    find_choice(choices, elsewhere[i][1], (uint32_t)strlen(elsewhere[i][1])))
			return elsewhere[i][1];
	while (choices[n].name && n < ELEMENTS(names)) {
		names[n] = choices[n].name;
		n++;
	}
	return policy_nearest(text, length, names, n);
}

/* NULL: reported. */
const struct policy_choice *
policy_value_choice(const struct policy_value *v, const struct policy_choice *choices,
		    struct policy_span span)
{
	const char *text = v->p->place.text + span.at;
	const struct policy_choice *choice = find_choice(choices, text, span.length);
	const char *nearest;
	char help[160];

	if (choice)
		return choice;
	nearest = nearest_choice(choices, text, span.length);
	snprintf(help, sizeof(help), "%s%s%s%s", nearest ? "did you mean '" : "",
		 nearest ? nearest : "", nearest ? "'? " : "", v->help);
	report_value(v, span, help);
	return NULL;
}

void
policy_value_type(const struct policy_value *v)
{
	uint32_t at = v->span.at, end = at + v->span.length;
	unsigned set = 0;

	for (;;) {
		const char *comma = memchr(v->p->place.text + at, ',', end - at);
		uint32_t stop = comma ? (uint32_t)(comma - v->p->place.text) : end;
		struct policy_span span = {at, stop - at};
		const char *text = v->p->place.text + at;
		const struct policy_choice *choice;

		if (policy_word_is(text, span.length, "dir") ||
		    policy_word_is(text, span.length, "directory")) {
			report_value(v, span, "directories are listed, not opened: leave it out");
			return;
		}
		choice = policy_value_choice(v, types, span);
		if (!choice)
			return;
		set |= choice->value;
		if (stop == end)
			break;
		at = stop + 1;
	}
	v->rule->options.types = (uint8_t)set;
}

/* The name of a user is looked up by policy_resolve(). */
void
policy_value_owner(const struct policy_value *v)
{
	static const char prefix[] = "user:";
	const uint32_t skip = sizeof(prefix) - 1;
	const struct policy_choice *choice;
	struct policy_span name = {v->span.at + skip, v->span.length - skip};
	struct policy_options *options = &v->rule->options;

	if (v->span.length < skip || memcmp(v->text, prefix, skip) != 0) {
		choice = policy_value_choice(v, owners, v->span);
		if (choice)
			options->owner = choice->value;
		return;
	}
	options->owner = POLICY_OWNER_UID;
	if (name.length == 0) {
		report_value(v, v->span, "write owner=user:NAME, without a blank");
		return;
	}
	switch (policy_account_parse(v->text + skip, name.length, &options->owner_uid)) {
	case POLICY_ACCOUNT_NAME:
		v->rule->owner = name;
		return;
	case POLICY_ACCOUNT_ID:
		return;
	case POLICY_ACCOUNT_BAD_ID:
		report_value(v, name, POLICY_ID_HELP);
		return;
	case POLICY_ACCOUNT_BAD:
	default:
		report_value(v, name, "name one user, or an id: owner=user:NAME");
		return;
	}
}

void
policy_value_mode(const struct policy_value *v)
{
	unsigned mode = 0;
	bool octal = v->span.length <= 5;

	for (uint32_t i = 0; octal && i < v->span.length; i++) {
		octal = v->text[i] >= '0' && v->text[i] <= '7';
		mode = mode * 8 + (unsigned)(v->text[i] - '0');
	}
	if (octal && mode > 0777 && mode <= 07777) {
		char help[96];

		snprintf(help, sizeof(help),
			 "set-user-id, set-group-id and sticky bits are never given: write "
			 "mode=%04o",
			 mode & 0777u);
		report_value(v, v->span, help);
		return;
	}
	if (!octal || mode > 0777 || v->span.length > 4) {
		report_value(v, v->span, v->help);
		return;
	}
	v->rule->options.mode = mode;
	if (v->rule->verbs & POLICY_CREATE)
		return;
	policy_report_add(v->p->report, POLICY_CODE_OPTION_VERBS, &v->p->place, v->word, NULL,
			  "a mode is for files that the rule creates: add 'create' to the verbs, "
			  "or leave the option out");
}

/* Two or four digits, or -1. */
static int
digits(const char *text, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

void
policy_value_until(const struct policy_value *v)
{
	static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day, days, before;

	if (v->span.length != 10 || v->text[4] != '-' || v->text[7] != '-' ||
	    (year = digits(v->text, 4)) < 0 || (month = digits(v->text + 5, 2)) < 0 ||
	    (day = digits(v->text + 8, 2)) < 0) {
		report_value(v, v->span, v->help);
		return;
	}
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > length[month - 1] + (month == 2 && is_leap(year))) {
		report_value(v, v->span,
			     year < 1970 ? "years are from 1970 to 9999" : "there is no such day");
		return;
	}
	before = year - 1;
	days = before * 365 + before / 4 - before / 100 + before / 400 - 719162;
	for (int i = 0; i < month - 1; i++)
		days += length[i] + (i == 1 && is_leap(year));
	v->rule->options.until = days + day - 1;
	if (v->rule->options.until < v->p->today)
		policy_report_add(v->p->report, POLICY_CODE_UNTIL_PAST, &v->p->place, v->span, NULL,
				  "give it a later day, or remove the rule");
}

void
policy_value_because(const struct policy_value *v)
{
	struct policy_span span = v->span;

	if (v->text[0] == '"') {
		const char *close = memchr(v->text + 1, '"', span.length - 1);

		if (close != v->text + span.length - 1) {
			report_value(v, span, "nothing comes after the second quotation mark");
			return;
		}
		span.at++;
		span.length -= 2;
	} else if (memchr(v->text, '"', span.length) || v->text[0] == '\'') {
		report_value(v, span, v->help);
		return;
	}
	if (span.length == 0 || span.length > 255)
		report_value(v, v->span, "the text has 1 to 255 bytes");
	else
		v->rule->because = span;
}

void
policy_value_id(const struct policy_value *v)
{
	if (policy_is_name(v->text, v->span.length))
		v->rule->id = v->span;
	else
		report_value(v, v->span, v->help);
}
