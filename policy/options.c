/* SPDX-License-Identifier: MIT */
/* What stands at the end of a rule: KEY or KEY=VALUE. */
#include <stddef.h>

#include "parser.h"

struct value {
	struct policy_parser *p;
	struct policy_ast_rule *rule;
	struct policy_span word; /* KEY=VALUE */
	struct policy_span span; /* VALUE */
	const char *text;
	const char *help; /* what would be good */
};

struct choice {
	const char *name;
	uint8_t value;
};

static const struct choice types[] = {{"reg", POLICY_TYPE_REG},
				      {"fifo", POLICY_TYPE_FIFO},
				      {"chr", POLICY_TYPE_CHR},
				      {"blk", POLICY_TYPE_BLK},
				      {0}};
static const struct choice owners[] = {
	{"any", POLICY_OWNER_ANY}, {"peer", POLICY_OWNER_PEER}, {"root", POLICY_OWNER_ROOT}, {0}};
static const struct choice stricts[] = {{"yes", POLICY_STRICT_YES},
					{"sticky", POLICY_STRICT_STICKY},
					{"no", POLICY_STRICT_NO},
					{0}};
static const struct choice links[] = {{"no", 0}, {"beneath", 1}, {0}};
static const struct choice audits[] = {
	{"first", POLICY_AUDIT_FIRST}, {"deny", POLICY_AUDIT_DENY}, {"all", POLICY_AUDIT_ALL}, {0}};

/* span: what is wrong of the value. */
static void
report_value(const struct value *v, struct policy_span span, const char *help)
{
	char word[80];
	uint32_t shown = v->word.length < 64 ? v->word.length : 64;

	snprintf(word, sizeof(word), "%.*s%s", (int)shown, v->p->place.text + v->word.at,
		 shown < v->word.length ? "..." : "");
	policy_report_add(v->p->report, POLICY_CODE_OPTION_VALUE, &v->p->place, span, word, "%s",
			  help);
}

static const struct choice *
find_choice(const struct choice *choices, const char *text, uint32_t length)
{
	for (; choices->name; choices++)
		if (policy_word_is(text, length, choices->name))
			return choices;
	return NULL;
}

/* What a word of other systems, or one with a mistake, is here. NULL: no idea. */
static const char *
nearest_choice(const struct choice *choices, const char *text, uint32_t length)
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
static const struct choice *
parse_choice(const struct value *v, const struct choice *choices, struct policy_span span)
{
	const char *text = v->p->place.text + span.at;
	const struct choice *choice = find_choice(choices, text, span.length);
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

static void
parse_type(const struct value *v)
{
	uint32_t at = v->span.at, end = at + v->span.length;
	unsigned set = 0;

	for (;;) {
		const char *comma = memchr(v->p->place.text + at, ',', end - at);
		uint32_t stop = comma ? (uint32_t)(comma - v->p->place.text) : end;
		struct policy_span span = {at, stop - at};
		const char *text = v->p->place.text + at;
		const struct choice *choice;

		if (policy_word_is(text, span.length, "dir") ||
		    policy_word_is(text, span.length, "directory")) {
			report_value(v, span, "directories are listed, not opened: leave it out");
			return;
		}
		choice = parse_choice(v, types, span);
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
static void
parse_owner(const struct value *v)
{
	static const char prefix[] = "user:";
	const uint32_t skip = sizeof(prefix) - 1;
	const struct choice *choice;
	struct policy_span name = {v->span.at + skip, v->span.length - skip};
	struct policy_options *options = &v->rule->options;
	uint64_t id = 0;
	uint32_t digits = 0;

	if (v->span.length < skip || memcmp(v->text, prefix, skip) != 0) {
		choice = parse_choice(v, owners, v->span);
		if (choice)
			options->owner = choice->value;
		return;
	}
	options->owner = POLICY_OWNER_UID;
	for (uint32_t i = skip; i < v->span.length; i++) {
		char c = v->text[i];

		if (memchr(":,|+*/\\\"'", c, 9)) {
			report_value(v, name, "name one user, or an id: owner=user:NAME");
			return;
		}
		if (c < '0' || c > '9')
			continue;
		digits++;
		if (id < POLICY_NO_ID)
			id = id * 10 + (uint64_t)(c - '0');
	}
	if (name.length == 0)
		report_value(v, v->span, "write owner=user:NAME, without a blank");
	else if (digits < name.length)
		v->rule->owner = name;
	else if (id >= POLICY_NO_ID || (digits > 1 && v->text[skip] == '0'))
		report_value(v, name,
			     "an id is a number from 0 to 4294967294, without zeroes before");
	else
		options->owner_uid = (uint32_t)id;
}

static void
parse_mode(const struct value *v)
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

static void
parse_until(const struct value *v)
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

static void
parse_because(const struct value *v)
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

static void
parse_name(const struct value *v)
{
	if (policy_is_name(v->text, v->span.length))
		v->rule->id = v->span;
	else
		report_value(v, v->span, v->help);
}

static const struct option {
	const char *name;
	bool flag; /* no value */
	bool in_deny;
	void (*parse)(const struct value *v);
	const struct choice *choices; /* else: one of these, or the flag, goes to */
	size_t field;                 /* of struct policy_options */
	const char *help;
} options[] = {
	{"type", .parse = parse_type, .help = "type is reg, fifo, chr, blk, or some joined by ','"},
	{"owner", .parse = parse_owner, .help = "owner is any, peer, root or user:NAME"},
	{"strictmodes", .choices = stricts, .field = offsetof(struct policy_options, strict),
	 .help = "strictmodes is yes, sticky or no"},
	{"symlinks", .choices = links, .field = offsetof(struct policy_options, symlinks_beneath),
	 .help = "symlinks is no or beneath"},
	{"mode", .parse = parse_mode, .help = "mode is up to four octal digits: mode=0640"},
	{"exec", .flag = true, .field = offsetof(struct policy_options, exec),
	 .help = "write the word alone: exec"},
	{"hidden", .flag = true, .field = offsetof(struct policy_options, hidden),
	 .help = "write the word alone: hidden"},
	{"audit", .in_deny = true, .choices = audits,
	 .field = offsetof(struct policy_options, audit), .help = "audit is first, deny or all"},
	{"until", .in_deny = true, .parse = parse_until,
	 .help = "write a day of UTC, which is included: until=2027-01-31"},
	{"because", .in_deny = true, .parse = parse_because,
	 .help = "write the text between two '\"': because=\"why this is so\""},
	{"id", .in_deny = true, .parse = parse_name,
	 .help = "an id is a letter, then letters, digits, '_', '-', at most 64: id=web-logs"},
};

enum {
	NONE = ELEMENTS(options),
};

/* The bytes before '=', or all. */
static uint32_t
key_length(const char *text, uint32_t length)
{
	const char *equals = memchr(text, '=', length);

	return equals ? (uint32_t)(equals - text) : length;
}

static size_t
find_option(const char *text, uint32_t length)
{
	for (size_t i = 0; i < ELEMENTS(options); i++)
		if (length > 0 && text[0] == options[i].name[0] &&
		    policy_word_is(text, length, options[i].name))
			return i;
	return NONE;
}

bool
policy_is_option(const struct policy_parser *p, size_t i)
{
	const char *text = policy_word_text(p, i);
	uint32_t length = p->words.items[i].length, key = key_length(text, length);

	return text[0] != '"' && text[0] != '\'' &&
	       (key < length || find_option(text, key) != NONE);
}

/* Words of other systems. */
static const char *
elsewhere(const char *text, uint32_t length)
{
	static const char *const words[][2] = {
		{"ro", "a rule without the verbs write and create only reads"},
		{"rw", "reading and writing are verbs: read,write"},
		{"noexec", "leave it out: nothing may be run without 'exec'"},
		{"nofollow", "leave it out: symlinks=no is the default"},
		{"follow", "did you mean 'symlinks=beneath'?"},
		{"perm", "did you mean 'mode'?"},
		{"perms", "did you mean 'mode'?"},
		{"permissions", "did you mean 'mode'?"},
		{"umask", "write the bits that a created file may have: mode=0640"},
		{"expires", "did you mean 'until'?"},
		{"expiry", "did you mean 'until'?"},
		{"comment", "did you mean 'because'?"},
		{"reason", "did you mean 'because'?"},
		{"description", "did you mean 'because'?"},
		{"log", "did you mean 'audit'?"},
		{"name", "did you mean 'id'?"},
		{"user", "who comes first: allow user:NAME VERBS TARGET..."},
		{"group", "who comes first: allow group:NAME VERBS TARGET..."},
	};

	for (size_t i = 0; i < ELEMENTS(words); i++)
		if (policy_word_is(text, length, words[i][0]))
			return words[i][1];
	return NULL;
}

/* A word that is no option. A path without its '/' is more likely than an option without '='. */
static void
report_unknown(struct policy_parser *p, struct policy_span span)
{
	const char *text = p->place.text + span.at;
	uint32_t key = key_length(text, span.length);
	const char *help = elsewhere(text, key), *names[ELEMENTS(options)];
	size_t n = 0;

	for (size_t i = 0; i < ELEMENTS(options); i++)
		if (key < span.length || options[i].flag)
			names[n++] = options[i].name;
	if (help) {
		policy_report_add(p->report, POLICY_CODE_OPTION, &p->place,
				  (struct policy_span){span.at, key}, NULL, "%s", help);
		return;
	}
	help = policy_nearest(text, key, names, n);
	if (help)
		policy_report_add(p->report, POLICY_CODE_OPTION, &p->place,
				  (struct policy_span){span.at, key}, NULL, "did you mean '%s'?",
				  help);
	else if (key < span.length)
		policy_report_add(p->report, POLICY_CODE_OPTION, &p->place,
				  (struct policy_span){span.at, key}, NULL,
				  "options are type, owner, strictmodes, symlinks, mode, exec, "
				  "hidden, audit, until, because, id");
	else
		policy_report_word(p, span);
}

/* The option has the right form and place; look at its value. */
static void
parse_option(const struct value *v, const struct option *option)
{
	uint8_t *field = (uint8_t *)&v->rule->options + option->field;
	const struct choice *choice;

	if (option->parse) {
		option->parse(v);
	} else if (option->choices) {
		choice = parse_choice(v, option->choices, v->span);
		if (choice)
			*field = choice->value;
	} else {
		*field = 1;
		if (option->field != offsetof(struct policy_options, exec) ||
		    v->rule->verbs & POLICY_READ)
			return;
		policy_report_add(v->p->report, POLICY_CODE_OPTION_VERBS, &v->p->place, v->word,
				  NULL, "what is run is read: add 'read' to the verbs");
	}
}

/* `mode = 0640`, `mode =0640` or `mode= 0640` */
static bool
blanks_around(const struct policy_parser *p, size_t i)
{
	const struct policy_span *word = &p->words.items[i];

	return i + 1 < p->words.n &&
	       (policy_word_text(p, i + 1)[0] == '=' ||
		(p->place.text[word->at + word->length - 1] == '=' &&
		 !policy_word_is_target(p, i + 1) && !policy_is_option(p, i + 1)));
}

/* False: reported. */
static bool
check_option(struct policy_parser *p, size_t i, const struct option *option, bool twice,
	     enum policy_verdict verdict)
{
	struct policy_span word = p->words.items[i];
	uint32_t key = (uint32_t)strlen(option->name);
	enum policy_code code;
	const char *help = option->help;

	if (twice) {
		code = POLICY_CODE_OPTION_TWICE;
		help = "leave one of them out";
	} else if (verdict == POLICY_DENY && !option->in_deny) {
		code = POLICY_CODE_OPTION_DENY;
		help = option->field == offsetof(struct policy_options, hidden)
			       ? "leave it out: a deny covers names with a dot before them anyway"
			       : "a deny may have because, id, until and audit";
	} else if (option->flag && word.length > key) {
		code = POLICY_CODE_OPTION_FLAG;
	} else if (!option->flag && word.length <= key + 1) {
		code = POLICY_CODE_OPTION_EMPTY;
		if (blanks_around(p, i))
			help = "no blanks before and after '='";
	} else {
		return true;
	}
	policy_report_add(p->report, code, &p->place, word, option->name, "%s", help);
	return false;
}

/* `because=they need it`: one message, which parse_because() has given if it found a quote. */
static void
report_unquoted(struct policy_parser *p, const struct policy_ast_rule *rule, size_t i)
{
	struct policy_span word = p->words.items[i];

	if (rule->because.length > 0)
		policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place, word, NULL,
				  "write more than one word between two '\"': because=\"%.*s ...\"",
				  (int)rule->because.length, p->place.text + rule->because.at);
}

void
policy_parse_options(struct policy_parser *p, size_t i, struct policy_ast_rule *rule)
{
	unsigned seen = 0;
	size_t unquoted = 0; /* the word because=TEXT without quotation marks */
	bool behind = false; /* a target was reported */

	for (; i < p->words.n; i++) {
		struct policy_span word = p->words.items[i];
		const char *text = policy_word_text(p, i);
		uint32_t key = key_length(text, word.length);
		size_t o = find_option(text, key);
		struct value v = {p, rule, word, {word.at + key + 1, word.length - key - 1}};

		if (policy_word_is_target(p, i) || policy_word_at(p, i, "except")) {
			if (!behind)
				policy_report_add(p->report, POLICY_CODE_UNEXPECTED, &p->place,
						  word, NULL, "%s",
						  text[0] == 'e'
							  ? "'except' comes before the options"
							  : "targets come right after the verbs");
			behind = true;
			continue;
		}
		behind = false;
		if (o == NONE) {
			if (unquoted > 0 && i == unquoted + 1) {
				report_unquoted(p, rule, i);
				return;
			}
			report_unknown(p, word);
			continue;
		}
		if (!check_option(p, i, &options[o], seen & 1u << o, rule->verdict)) {
			if (blanks_around(p, i))
				return;
		} else {
			v.text = p->place.text + v.span.at;
			v.help = options[o].help;
			parse_option(&v, &options[o]);
			if (options[o].parse == parse_because && v.text[0] != '"')
				unquoted = i;
		}
		seen |= 1u << o;
	}
}
