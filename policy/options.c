/* SPDX-License-Identifier: MIT */
/* What stands at the end of a rule: KEY or KEY=VALUE. */
#include <stddef.h>

#include "value.h"

static const struct policy_choice stricts[] = {{"yes", POLICY_STRICT_YES},
					       {"sticky", POLICY_STRICT_STICKY},
					       {"no", POLICY_STRICT_NO},
					       {0}};
static const struct policy_choice links[] = {{"no", 0}, {"beneath", 1}, {0}};
static const struct policy_choice audits[] = {
	{"first", POLICY_AUDIT_FIRST}, {"deny", POLICY_AUDIT_DENY}, {"all", POLICY_AUDIT_ALL}, {0}};

static const struct option {
	const char *name;
	bool flag; /* no value */
	bool in_deny;
	void (*parse)(const struct policy_value *v);
	const struct policy_choice *choices; /* else: one of these, or the flag, goes to */
	size_t field;                        /* of struct policy_options */
	const char *help;
} options[] = {
	{"type", .parse = policy_value_type,
	 .help = "type is reg, fifo, chr, blk, or some joined by ','"},
	{"owner", .parse = policy_value_owner, .help = "owner is any, peer, root or user:NAME"},
	{"strictmodes", .choices = stricts, .field = offsetof(struct policy_options, strict),
	 .help = "strictmodes is yes, sticky or no"},
	{"symlinks", .choices = links, .field = offsetof(struct policy_options, symlinks_beneath),
	 .help = "symlinks is no or beneath"},
	{"mode", .parse = policy_value_mode, .help = "mode is up to four octal digits: mode=0640"},
	{"exec", .flag = true, .field = offsetof(struct policy_options, exec),
	 .help = "write the word alone: exec"},
	{"hidden", .flag = true, .field = offsetof(struct policy_options, hidden),
	 .help = "write the word alone: hidden"},
	{"audit", .in_deny = true, .choices = audits,
	 .field = offsetof(struct policy_options, audit), .help = "audit is first, deny or all"},
	{"until", .in_deny = true, .parse = policy_value_until,
	 .help = "write a day of UTC, which is included: until=2027-01-31"},
	{"because", .in_deny = true, .parse = policy_value_because,
	 .help = "write the text between two '\"': because=\"why this is so\""},
	{"id", .in_deny = true, .parse = policy_value_id,
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
parse_option(const struct policy_value *v, const struct option *option)
{
	uint8_t *field = (uint8_t *)&v->rule->options + option->field;
	const struct policy_choice *choice;

	if (option->parse) {
		option->parse(v);
	} else if (option->choices) {
		choice = policy_value_choice(v, option->choices, v->span);
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

/* `because=they need it`: one message, which policy_value_because() has given if it found a quote. */
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
		struct policy_value v = {p, rule, word, {word.at + key + 1, word.length - key - 1}};

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
			if (options[o].parse == policy_value_because && v.text[0] != '"')
				unquoted = i;
		}
		seen |= 1u << o;
	}
}
