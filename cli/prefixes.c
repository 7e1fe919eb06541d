/* SPDX-License-Identifier: MIT */
#include "prefixes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/reach.h"
#include "policy/report.h"
#include "text.h"

enum state {
	GOOD,
	LINKED,
	ABSENT,
};

struct check {
	struct rules *rules;
	struct policy_report *report;
	uint32_t number; /* of the last prefix, and what was found */
	enum state state;
	bool is_name; /* the link is the file that a literal pattern names */
	char *path;   /* up to the link, or to what is not there */
	char *real;   /* where it leads, with the rest of the prefix; or NULL */
	/* Directories up to here are known to be there and no links. */
	char known[POLICY_PATH_MAX + 1];
};

/* How much of path need not be looked at again. */
static size_t
known_length(const struct check *c, const char *path)
{
	size_t known = 0;

	for (size_t i = 0; c->known[i] && c->known[i] == path[i]; i++)
		if ((path[i + 1] == '/' || !path[i + 1]) &&
		    (c->known[i + 1] == '/' || !c->known[i + 1]))
			known = i + 1;
	return known;
}

static void
found(struct check *c, enum state state, const char *prefix, size_t at)
{
	c->state = state;
	c->path = cli_format("%.*s", (int)at, prefix);
	if (state == LINKED) {
		_cleanup_free_ char *target = realpath(c->path, NULL);

		if (target)
			c->real = cli_format("%s%s", strcmp(target, "/") == 0 ? "" : target,
					     prefix + at);
	}
}

/* length: of prefix, that far it is a directory. */
static void
look(struct check *c, const char *prefix, size_t length)
{
	size_t at = known_length(c, prefix);

	while (prefix[at]) {
		_cleanup_free_ char *part = NULL;
		struct stat status;

		at += 1 + strcspn(prefix + at + 1, "/");
		part = cli_format("%.*s", (int)at, prefix);
		if (lstat(part, &status) < 0) {
			/* The file may come later; what may not be looked at is not judged. */
			if ((errno == ENOENT || errno == ENOTDIR) && at <= length)
				found(c, ABSENT, prefix, at);
			return;
		}
		c->is_name = at > length;
		if (S_ISLNK(status.st_mode)) {
			found(c, LINKED, prefix, at);
			return;
		}
		if (at <= length)
			memcpy(c->known, part, at + 1);
	}
}

static void
look_at_prefix(struct check *c, const struct policy_prefix *prefix)
{
	bool bare = prefix->directory[1] == '\0';
	_cleanup_free_ char *path = cli_format("%s%s%s", bare ? "" : prefix->directory,
					       prefix->name ? "/" : "", prefix->name ?: "");
	size_t length = bare ? 0 : strlen(prefix->directory);
	char *variable = strstr(path, "${u");

	free(c->path);
	free(c->real);
	c->path = c->real = NULL;
	c->state = GOOD;
	/* From a variable on it is another path for each peer. */
	if (variable) {
		while (*variable != '/')
			variable--;
		*variable = '\0';
		length = strlen(path);
	}
	look(c, path, length);
}

/* Where the pattern stands in the rule: where it begins so, else a set, else the first word. */
static struct policy_span
find_span(const struct rules_line *line, const char *path)
{
	_cleanup_free_ char *pattern = cli_literal_pattern(path);
	struct policy_span set = {0}, first = {0};
	size_t at = 0, start = 0, n = strlen(pattern);

	while (rules_next_word(line->whole, line->whole_length, &at, &start)) {
		const char *word = line->whole + start;
		size_t length = at - start;

		if (first.length == 0)
			first = (struct policy_span){(uint32_t)start, (uint32_t)length};
		if (set.length == 0 && *word == '@')
			set = (struct policy_span){(uint32_t)start, (uint32_t)length};
		if (length >= n && memcmp(word, pattern, n) == 0 && (length == n || word[n] == '/'))
			return (struct policy_span){(uint32_t)start, (uint32_t)n};
	}
	return set.length > 0 ? set : first;
}

static void
report(struct check *c, uint32_t number)
{
	struct policy_rule rule;
	struct rules_line line;
	struct policy_place place;
	struct policy_span span;
	bool root = geteuid() == 0;

	policy_rule_describe(c->rules->image, number, &rule);
	if (c->is_name && rule.verdict == POLICY_ALLOW && rule.options.symlinks_beneath)
		return;
	line = rules_line(c->rules, rule.file, rule.line);
	span = find_span(&line, c->path);
	place = (struct policy_place){
		.source = (uint32_t)line.source,
		.line = rule.line,
		.text = line.whole,
		.length = (uint32_t)line.whole_length,
	};
	if (c->state == ABSENT)
		policy_report_add(c->report, POLICY_CODE_ABSENT, &place, span, c->path,
				  "nothing to do if it is created or mounted later");
	else if (c->real)
		policy_report_add(c->report, root ? POLICY_CODE_LINKED : POLICY_CODE_LINKED_HERE,
				  &place, span, c->path,
				  "the broker follows no link there: write '%s'", c->real);
	else
		policy_report_add(c->report, root ? POLICY_CODE_LINKED : POLICY_CODE_LINKED_HERE,
				  &place, span, c->path,
				  "the broker follows no link there, and this one leads nowhere");
}

static int
check_prefix(void *context, const struct policy_prefix *prefix, const struct image_entry *entry)
{
	struct check *c = context;

	if (prefix->number != c->number) {
		c->number = prefix->number;
		look_at_prefix(c, prefix);
	}
	if (c->state != GOOD)
		report(c, entry->rule);
	return 0;
}

void
prefixes_check(struct rules *rules)
{
	_cleanup_free_ struct policy_report *report = cli_resize(NULL, 1, sizeof(*report));
	struct check c = {.rules = rules, .report = report, .number = IMAGE_NONE};

	*report = (struct policy_report){.sources = rules->sources};
	if (policy_each_prefix(rules->image, NULL, check_prefix, &c) < 0)
		cli_out_of_memory();
	free(c.path);
	free(c.real);
	policy_report_flush(report, &rules->diag);
}
