/* SPDX-License-Identifier: MIT */
#include "except.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

/* A little policy: each pattern is a line of it, for everybody, for the matcher to judge. */
struct patterns {
	FILE *out;
	char *text;
	size_t size;
	struct pattern {
		const char *text;
		size_t length;
		const char *set; /* "@name", or NULL */
		size_t set_length;
		const char *file; /* of the line that says what is in the set */
		size_t line;
	} * items; /* the one with number i is in line i + 2 */
	size_t n;
	const char *rule; /* what a pattern is written into */
	const char *tail;
	uint32_t found; /* the first that matches, or UINT32_MAX */
};

static bool
word_is(const char *line, size_t start, size_t end, const char *text)
{
	return end - start == strlen(text) && memcmp(line + start, text, end - start) == 0;
}

static void
add_pattern(struct patterns *p, struct pattern pattern)
{
	p->items = cli_resize(p->items, p->n + 1, sizeof(*p->items));
	p->items[p->n++] = pattern;
	fprintf(p->out, "%s %.*s%s\n", p->rule, (int)pattern.length, pattern.text, p->tail);
}

/* A line `set @name = ...` of that name. */
static void
add_set_line(struct patterns *p, const char *line, size_t length, const struct pattern *set)
{
	size_t at = 0, start = 0;

	if (!rules_next_word(line, length, &at, &start) || !word_is(line, start, at, "set"))
		return;
	if (!rules_next_word(line, length, &at, &start) || at - start != set->set_length ||
	    memcmp(line + start, set->set, set->set_length) != 0)
		return;
	while (rules_next_word(line, length, &at, &start))
		if (line[start] == '/') {
			struct pattern pattern = *set;

			pattern.text = line + start;
			pattern.length = at - start;
			add_pattern(p, pattern);
		}
}

static void
add_set(struct patterns *p, const struct rules *rules, const char *name, size_t length)
{
	for (size_t i = 0; i < rules->n_sources; i++) {
		const struct policy_source *source = &rules->sources[i];

		size_t number = 0;

		for (size_t at = 0; at < source->size;) {
			const char *line = source->text + at;
			const char *newline = memchr(line, '\n', source->size - at);
			struct pattern set = {.set = name,
					      .set_length = length,
					      .file = rules->texts[i].shown,
					      .line = ++number};
			size_t n = newline ? (size_t)(newline - line) : source->size - at;

			add_set_line(p, line, n, &set);
			at += n + 1;
		}
	}
}

static void
add_line(struct patterns *p, const struct rules *rules, const struct rules_line *line, bool excepts)
{
	size_t at = 0, start = 0, words = 0;
	bool behind = false;

	while (rules_next_word(line->text, line->length, &at, &start)) {
		const char *word = line->text + start;

		if (!behind)
			behind = excepts ? word_is(line->text, start, at, "except")
					 : ++words == 3; /* verdict, who and verbs */
		else if (*word == '/')
			add_pattern(p, (struct pattern){.text = word, .length = at - start});
		else if (*word == '@')
			add_set(p, rules, word, at - start);
		else
			return;
	}
}

static void
note_match(void *context, uint32_t rule, unsigned failed)
{
	struct patterns *p = context;

	if (failed == 0 && rule < p->found)
		p->found = rule;
}

/* The number of the pattern that matches the path, or SIZE_MAX. */
static size_t
match(struct patterns *p, const struct ask *ask)
{
	const struct policy_peer anybody = {0};
	struct policy_request request = ask_request(ask, POLICY_READ, 0);
	struct policy_identity identity;
	_cleanup_free_ void *bytes = NULL;
	struct policy_image *image = rules_compile_text(p->text, p->size, &bytes);
	uint32_t everybody = 0;
	struct policy_rule rule = {0};
	size_t n = 0;

	if (!image)
		return SIZE_MAX;
	p->found = UINT32_MAX;
	if (policy_subjects(image, &anybody, &everybody, 1, &n) == 0) {
		policy_identity_init(&identity, &everybody, n,
				     ask->who.peer.has_uid ? &ask->who.peer.uid : NULL,
				     ask->who.user);
		policy_explain(image, &identity, &request, note_match, p);
	}
	if (p->found != UINT32_MAX)
		policy_rule_describe(image, p->found, &rule);
	policy_image_free(image);
	return rule.line >= 2 && rule.line - 2 < p->n ? rule.line - 2 : SIZE_MAX;
}

/* The pattern of the rule, or of its except, that matches; NULL: it is not found. */
static char *
find(struct ask *ask, uint32_t number, bool excepts, bool sets_only)
{
	struct patterns p = {.rule = "deny any any", .tail = ""};
	struct policy_rule rule;
	struct rules_line line;
	char *text = NULL;
	size_t i;

	p.out = open_memstream(&p.text, &p.size);
	if (!p.out)
		cli_out_of_memory();
	policy_rule_describe(ask->rules.image, number, &rule);
	if (!excepts && rule.verdict == POLICY_ALLOW) {
		p.rule = "allow any read";
		p.tail = rule.options.hidden ? " hidden" : "";
	}
	line = rules_line(&ask->rules, rule.file, rule.line);
	fputs("policy 1\n", p.out);
	add_line(&p, &ask->rules, &line, excepts);
	if (fclose(p.out) != 0)
		cli_out_of_memory();
	i = match(&p, ask);
	if (i != SIZE_MAX && p.items[i].set)
		text = cli_format("%.*s of %.*s at %s:%zu", (int)p.items[i].length, p.items[i].text,
				  (int)p.items[i].set_length, p.items[i].set, p.items[i].file,
				  p.items[i].line);
	else if (i != SIZE_MAX && !sets_only)
		text = cli_format("%.*s", (int)p.items[i].length, p.items[i].text);
	free(p.text);
	free(p.items);
	return text;
}

char *
except_find(struct ask *ask, uint32_t rule)
{
	return find(ask, rule, true, false);
}

char *
except_find_set(struct ask *ask, uint32_t rule)
{
	return find(ask, rule, false, true);
}
