/* SPDX-License-Identifier: MIT */
/* Who the broker says that we are. Distrusts: its words, as far as they reach a terminal. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"
#include "client-lib/connection.h"
#include "client-lib/fdbroker.h"
#include "json.h"
#include "rules.h"
#include "text.h"
#include "who.h"

enum {
	ANSWER_MAX = 1 << 20,
	RULE_BYTES = 300, /* of the text of a rule, in lines for people */
	GROUPS_ASKED = 32,
};

/* What the answer says. Strings point into it; NULL: it does not say. */
struct me {
	int64_t generation, uid, gid, pid; /* -1 */
	const char *served, *unit, *label;
	uint32_t *groups;
	size_t n_groups;
	bool too_many_groups;
	struct my_rule {
		bool allows;
		const char *verbs, *file, *id;
		uint32_t line;
	} * rules;
	size_t n_rules;
	struct rules files; /* the policy files that we may read */
};

/* --- the answer -------------------------------------------------------------------------- */

/* False: it is none that fits into max. */
static bool
parse_number(const char *text, int64_t max, int64_t *ret_number)
{
	char *end = NULL;
	long long n;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end || n > max)
		return false;
	*ret_number = n;
	return true;
}

/* "allow read,write /a file.policy:3 id": the id has no colon in it, and a file's name may have blanks. */
static bool
parse_rule(char *text, struct my_rule *ret_rule)
{
	char *verdict = strsep(&text, " "), *verbs = strsep(&text, " "), *id = NULL, *colon;
	int64_t line = 0;

	if (!text)
		return false;
	id = strrchr(text, ' ');
	if (id && !strchr(id, ':'))
		*id++ = '\0';
	else
		id = NULL;
	colon = strrchr(text, ':');
	if (!colon || !parse_number(colon + 1, UINT32_MAX, &line))
		return false;
	*colon = '\0';
	*ret_rule = (struct my_rule){
		.allows = strcmp(verdict, "allow") == 0,
		.verbs = verbs,
		.file = text,
		.line = (uint32_t)line,
		.id = id,
	};
	return ret_rule->allows || strcmp(verdict, "deny") == 0;
}

static bool
add_group(struct me *me, const char *text)
{
	int64_t gid = 0;

	if (strcmp(text, "?") == 0) {
		me->too_many_groups = true;
		return true;
	}
	if (!parse_number(text, UINT32_MAX, &gid))
		return false;
	me->groups = cli_resize(me->groups, me->n_groups + 1, sizeof(*me->groups));
	me->groups[me->n_groups++] = (uint32_t)gid;
	return true;
}

static bool
add_rule(struct me *me, char *text)
{
	struct my_rule rule;

	if (!parse_rule(text, &rule))
		return false;
	if ((me->n_rules & (me->n_rules - 1)) == 0)
		me->rules = cli_resize(me->rules, me->n_rules * 2, sizeof(*me->rules));
	me->rules[me->n_rules++] = rule;
	return true;
}

/* Keys that we do not know are those of a later broker. */
static bool
parse_line(struct me *me, const char *key, char *value)
{
	const struct {
		const char *key;
		int64_t *number;
		const char **text;
		int64_t max;
	} facts[] = {
		{"generation", .number = &me->generation, .max = INT64_MAX},
		{"served", .text = &me->served},
		{"uid", .number = &me->uid, .max = UINT32_MAX},
		{"gid", .number = &me->gid, .max = UINT32_MAX},
		{"pid", .number = &me->pid, .max = INT32_MAX},
		{"unit", .text = &me->unit},
		{"label", .text = &me->label},
	};

	if (strcmp(key, "group") == 0)
		return add_group(me, value);
	if (strcmp(key, "rule") == 0)
		return add_rule(me, value);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		if (strcmp(key, facts[i].key) != 0)
			continue;
		if (facts[i].number)
			return parse_number(value, facts[i].max, facts[i].number);
		*facts[i].text = value;
	}
	return true;
}

/* 0 or -EPROTO. text is cut into lines and words. */
static int
parse(char *text, struct me *me)
{
	*me = (struct me){.generation = -1, .uid = -1, .gid = -1, .pid = -1};
	for (char *line; (line = strsep(&text, "\n")) && text;) {
		const char *key = strsep(&line, " ");

		if (!line || !parse_line(me, key, line))
			return -EPROTO;
	}
	return me->generation < 0 || me->uid < 0 || me->gid < 0 || me->pid < 0 || !me->served ||
			       !me->unit || !me->label
		       ? -EPROTO
		       : 0;
}

static int
ask(char *text, size_t *ret_length)
{
	struct connection connection = {.fd = -1};
	struct timespec deadline;
	struct where where;
	int r;

	where_find(&where);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += BROKER_TIMEOUT_DEFAULT / 1000;
	r = connection_whoami(&connection, &where, &deadline, text, ANSWER_MAX, ret_length);
	connection_close(&connection);
	return r;
}

/* --- the text of rules ------------------------------------------------------------------- */

/* The bytes of a name that was escaped, malloc'ed. */
static char *
unescape(const char *shown)
{
	char *name = cli_format("%s", shown), *to = name;

	for (const char *at = name; *at; at++) {
		unsigned char byte;

		if (at[0] == '\\' && at[1] == 'x' && isxdigit((unsigned char)at[2]) &&
		    isxdigit((unsigned char)at[3])) {
			const char digits[] = {at[2], at[3], '\0'};

			byte = (unsigned char)strtoul(digits, NULL, 16);
			at += 3;
		} else {
			byte = (unsigned char)*at;
		}
		*to++ = (char)byte;
	}
	*to = '\0';
	return name;
}

/* Read the file, if we may; what cannot be read has no lines, and is not tried again. */
static void
add_file(struct rules *files, const char *shown)
{
	_cleanup_free_ char *path = unescape(shown);
	struct policy_diag quiet = {0};
	size_t before = files->files.n, n = files->n_sources, size = 0;
	struct stat status;
	char *text = NULL;

	/* A name that was cut is no path, and what is no file could make us wait. */
	if (path[0] == '/' && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
	    policy_files_add(&files->files, path, POLICY_TRUST_WARN, &quiet) == 0 &&
	    files->files.n > before)
		(void)policy_file_read(files->files.files[before].fd, POLICY_FILE_BYTES_MAX, &text,
				       &size);
	files->sources = cli_resize(files->sources, n + 1, sizeof(*files->sources));
	files->texts = cli_resize(files->texts, n + 1, sizeof(*files->texts));
	files->sources[n] = (struct policy_source){shown, text, size};
	files->texts[n] = (struct rules_text){.shown = cli_format("%s", shown)};
	files->n_sources++;
}

/*
 * The line as it stands there now, malloc'ed; NULL: the file may not be read, or has something else
 * there.
 */
static char *
rule_text(struct me *me, const struct my_rule *rule)
{
	struct rules_line line;
	const char *verdict = rule->allows ? "allow" : "deny";
	size_t at = 0, start = 0, i = 0;

	while (i < me->files.n_sources && strcmp(me->files.texts[i].shown, rule->file) != 0)
		i++;
	if (i == me->files.n_sources)
		add_file(&me->files, rule->file);
	line = rules_line(&me->files, rule->file, rule->line);
	if (!rules_next_word(line.text, line.length, &at, &start) ||
	    at - start != strlen(verdict) || memcmp(line.text + start, verdict, at - start) != 0)
		return NULL;
	return strndup(line.text, line.length) ?: (cli_out_of_memory(), NULL);
}

/* --- for people -------------------------------------------------------------------------- */

/* " (alice)", or nothing: the number has no name. malloc'ed. */
static char *
name_of(enum policy_atom_kind kind, uint32_t id)
{
	_cleanup_free_ char *atom = who_atom(kind, id, NULL);
	const char *name = strchr(atom, ':') + 1;
	_cleanup_free_ char *number = cli_format("%u", id);

	return strcmp(name, number) == 0 ? cli_format("%s", "") : cli_format(" (%s)", name);
}

static void
print_id(const char *key, enum policy_atom_kind kind, uint32_t id)
{
	_cleanup_free_ char *name = name_of(kind, id);

	cli_line(stdout, "%-8s %u%s%s", key, id, name,
		 id == CONNECTION_OVERFLOW_ID ? ": whoever has no id here; no rule is for it" : "");
}

static void
print_groups(const struct me *me)
{
	cli_text(stdout, "groups  ");
	for (size_t i = 0; i < me->n_groups; i++) {
		_cleanup_free_ char *name = name_of(POLICY_ATOM_GROUP, me->groups[i]);

		cli_text(stdout, " %u%s", me->groups[i], name);
	}
	if (me->too_many_groups)
		cli_text(stdout, " more than the broker takes: no rule is for this peer");
	cli_line(stdout, "%s", me->n_groups == 0 && !me->too_many_groups ? " none" : "");
}

static void
print_fact(const char *key, const char *value, const char *none)
{
	if (strcmp(value, "?") == 0)
		cli_line(stdout, "%-8s not looked at: no rule asks for a %s", key, key);
	else
		cli_line(stdout, "%-8s %s", key, strcmp(value, "-") == 0 ? none : value);
}

static void
print_served(const struct me *me)
{
	const char *how = me->served;

	if (me->generation == 0)
		cli_line(stdout, "policy   none in force: everything is denied; as root "
				 "'fdbroker status' shows why");
	else
		cli_line(stdout, "policy   generation %lld", (long long)me->generation);
	if (strcmp(how, "own") == 0)
		how = "by a worker of this user and its groups";
	else if (strcmp(how, "any") == 0)
		how = "by the worker for all whom only rules for 'any' reach";
	else if (strcmp(how, "refused") == 0)
		how = "not at all: every request is refused";
	cli_line(stdout, "served   %s", how);
}

static void
print_rules(struct me *me)
{
	if (me->n_rules == 0) {
		cli_line(stdout, "rules    none %s",
			 me->generation == 0 ? "in force" : "allows this peer anything");
		return;
	}
	cli_line(stdout, "rules    %zu", me->n_rules);
	for (size_t i = 0; i < me->n_rules; i++) {
		const struct my_rule *rule = &me->rules[i];
		_cleanup_free_ char *text = rule_text(me, rule);
		bool cut = text && strlen(text) > RULE_BYTES;

		/* A line that we may not see is shown as far as the broker says it. */
		if (text)
			cli_line(stdout, "%-6s %s:%u  %.*s%s", rule->allows ? "allow" : "deny",
				 rule->file, rule->line, RULE_BYTES, text, cut ? "..." : "");
		else
			cli_line(stdout, "%-6s %s:%u  %s%s%s", rule->allows ? "allow" : "deny",
				 rule->file, rule->line, rule->verbs, rule->id ? " id=" : "",
				 rule->id ?: "");
	}
}

static bool
is_fact(const char *value)
{
	return strcmp(value, "?") != 0 && strcmp(value, "-") != 0;
}

/* How to ask what the rules say of a path, when WHO can say all that the broker saw. */
static void
print_question(const struct me *me)
{
	_cleanup_free_ char *who =
		cli_format("user:%lld+group:%lld", (long long)me->uid, (long long)me->gid);
	_cleanup_free_ char *word = NULL;
	const struct {
		const char *key, *value;
	} facts[] = {{"unit", me->unit}, {"label", me->label}};

	if (me->n_groups > GROUPS_ASKED)
		return;
	for (size_t i = 0; i < me->n_groups; i++) {
		_cleanup_free_ char *before = who;

		who = cli_format("%s+group:%u", before, me->groups[i]);
	}
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		_cleanup_free_ char *before = NULL;

		if (!is_fact(facts[i].value))
			continue;
		if (strpbrk(facts[i].value, "\\+"))
			return;
		before = who;
		who = cli_format("%s+%s:%.*s", before, facts[i].key,
				 (int)strcspn(facts[i].value, " "), facts[i].value);
	}
	word = cli_shell_word(who);
	cli_line(stdout, "of a path: fdbroker explain %s VERBS PATH", word);
}

static void
print_text(struct me *me)
{
	print_id("uid", POLICY_ATOM_USER, (uint32_t)me->uid);
	print_id("gid", POLICY_ATOM_GROUP, (uint32_t)me->gid);
	print_groups(me);
	cli_line(stdout, "pid      %lld%s", (long long)me->pid,
		 me->pid == 0 ? ": not in the broker's PID namespace, so it is refused" : "");
	print_fact("unit", me->unit, "in no system unit");
	print_fact("label", me->label, "none");
	print_served(me);
	print_rules(me);
	print_question(me);
}

/* --- JSON -------------------------------------------------------------------------------- */

static json_t *
rule_json(struct me *me, const struct my_rule *rule)
{
	_cleanup_free_ char *text = rule_text(me, rule);
	json_t *object = cli_json_object();
	unsigned verbs = 0;

	/* A later broker may have verbs of which we know nothing. */
	(void)policy_verbs_parse(rule->verbs, &verbs);
	cli_json_put(object, "verdict", cli_json_text(rule->allows ? "allow" : "deny"));
	cli_json_put(object, "verbs", cli_json_verbs(verbs));
	cli_json_put(object, "file", cli_json_printable(rule->file));
	cli_json_put(object, "line", cli_json_integer(rule->line));
	cli_json_put(object, "id", cli_json_printable(rule->id));
	cli_json_put(object, "text", cli_json_text(text));
	return object;
}

static void
put_fact(json_t *object, const char *key, const char *value)
{
	_cleanup_free_ char *asked = cli_format("%s_asked", key);

	cli_json_put(object, key, cli_json_printable(is_fact(value) ? value : NULL));
	cli_json_put(object, asked, cli_json_bool(strcmp(value, "?") != 0));
}

static void
print_json(struct me *me)
{
	json_t *object = cli_json_object(), *groups = cli_json_array(), *rules = cli_json_array();

	for (size_t i = 0; i < me->n_groups; i++)
		cli_json_add(groups, cli_json_integer(me->groups[i]));
	for (size_t i = 0; i < me->n_rules; i++)
		cli_json_add(rules, rule_json(me, &me->rules[i]));
	cli_json_put(object, "uid", cli_json_integer(me->uid));
	cli_json_put(object, "gid", cli_json_integer(me->gid));
	if (me->too_many_groups) {
		json_decref(groups);
		groups = cli_json_null();
	}
	cli_json_put(object, "groups", groups);
	cli_json_put(object, "pid", cli_json_integer(me->pid));
	put_fact(object, "unit", me->unit);
	put_fact(object, "label", me->label);
	cli_json_put(object, "generation", cli_json_integer(me->generation));
	cli_json_put(object, "served", cli_json_printable(me->served));
	cli_json_put(object, "rules", rules);
	cli_json_print(object);
}

int
cli_whoami(const struct cli_args *args)
{
	_cleanup_free_ char *text = cli_resize(NULL, ANSWER_MAX + 1, 1);
	struct me me = {0};
	size_t length = 0;
	int r = ask(text, &length);

	if (r == 0) {
		text[length] = '\0';
		r = parse(text, &me);
	}
	if (r < 0)
		cli_explain_whoami(-r);
	else if (args->value[CLI_JSON])
		print_json(&me);
	else
		print_text(&me);
	rules_clear(&me.files);
	free(me.groups);
	free(me.rules);
	return r < 0 ? CLI_NO : CLI_YES;
}
