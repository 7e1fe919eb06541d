/* SPDX-License-Identifier: MIT */
/*
 * The review against brute force: random policies, and each path of a small world. A world has one
 * name for each way in which names can match the components of the policy, and all paths of these
 * names up to a depth beyond that of the patterns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/review.h"

/* --- a matcher as plain as it can be ------------------------------------------------------- */

struct values {
	const char *user, *uid;
};

/* p: a component without escapes. start: of the name; dots: wildcards take a leading dot. */
static bool
naive_name(const char *p, size_t pn, const char *s, const char *start, size_t sn, bool dots,
	   const struct values *values)
{
	bool wild = sn > 0 && (dots || s != start || *s != '.');
	const char *close;
	bool in = false;

	if (pn == 0)
		return sn == 0;
	switch (*p) {
	case '*':
		return naive_name(p + 1, pn - 1, s, start, sn, dots, values) ||
		       (wild && naive_name(p, pn, s + 1, start, sn - 1, dots, values));
	case '[':
		close = memchr(p, ']', pn);
		for (const char *c = p + 1; wild && c < close; c++) {
			if (c[1] == '-' && c + 2 < close) {
				in |= *c <= *s && *s <= c[2];
				c += 2;
			} else {
				in |= *c == *s;
			}
		}
		return in && naive_name(close + 1, pn - (size_t)(close + 1 - p), s + 1, start,
					sn - 1, dots, values);
	case '{':
		close = memchr(p, '}', pn);
		for (const char *a = p + 1; a <= close; a++) {
			size_t n = strcspn(a, ",}");

			if (n <= sn && memcmp(a, s, n) == 0 &&
			    naive_name(close + 1, pn - (size_t)(close + 1 - p), s + n, start,
				       sn - n, dots, values))
				return true;
			a += n;
		}
		return false;
	case '$': {
		const char *value = p[3] == 's' ? values->user : values->uid;
		size_t n = strlen(value);

		close = memchr(p, '}', pn);
		return wild && n <= sn && memcmp(value, s, n) == 0 &&
		       naive_name(close + 1, pn - (size_t)(close + 1 - p), s + n, start, sn - n,
				  dots, values);
	}
	default:
		return sn > 0 && *p == *s &&
		       naive_name(p + 1, pn - 1, s + 1, start, sn - 1, dots, values);
	}
}

/* p, s: from a slash to the end, or empty. */
static bool
naive_path(const char *p, const char *p_end, const char *s, const char *s_end, bool dots,
	   const struct values *values)
{
	const char *pn, *sn;

	if (p == p_end)
		return s == s_end;
	pn = memchr(p + 1, '/', (size_t)(p_end - p - 1));
	pn = pn ? pn : p_end;
	sn = s < s_end ? memchr(s + 1, '/', (size_t)(s_end - s - 1)) : NULL;
	sn = sn ? sn : s_end;
	if (pn - p == 3 && p[1] == '*' && p[2] == '*')
		return naive_path(pn, p_end, s, s_end, dots, values) ||
		       (s < s_end && (dots || s[1] != '.') &&
			naive_path(p, p_end, sn, s_end, dots, values));
	return s < s_end &&
	       naive_name(p + 1, (size_t)(pn - p - 1), s + 1, s + 1, (size_t)(sn - s - 1), dots,
			  values) &&
	       naive_path(pn, p_end, sn, s_end, dots, values);
}

static bool
naive_pattern(const char *p, size_t pn, const char *s, size_t sn, bool dots,
	      const struct values *values)
{
	return naive_path(p, pn == 1 ? p : p + pn, s, sn == 1 ? s : s + sn, dots, values);
}

/* --- text to messages ---------------------------------------------------------------------- */

/* Reads what is right, and only as much of the language as is used here. */
struct reader {
	struct policy_ast ast;
	struct policy_source source;
	struct policy_place place;
	char word[256];
	struct policy_span span;
	unsigned long finds;
};

static bool
next_word(struct reader *r)
{
	uint32_t at = r->span.at + r->span.length;

	while (at < r->place.length && r->place.text[at] == ' ')
		at++;
	r->span = (struct policy_span){at, 0};
	while (at < r->place.length && r->place.text[at] != ' ')
		at++;
	r->span.length = at - r->span.at;
	assert_true(r->span.length < sizeof(r->word));
	memcpy(r->word, r->place.text + r->span.at, r->span.length);
	r->word[r->span.length] = '\0';
	return r->span.length > 0;
}

static struct policy_range
read_who(struct reader *r)
{
	struct policy_range who = {(uint32_t)r->ast.conjunctions.n, 0};
	const char *text = r->place.text + r->span.at;
	uint32_t at = 0;

	while (at < r->span.length) {
		struct policy_ast_conjunction c = {{(uint32_t)r->ast.atoms.n, 0}, false};

		for (bool more = true; more;) {
			uint32_t n = (uint32_t)strcspn(text + at, "+| ");
			const char *colon = memchr(text + at, ':', n);
			struct policy_ast_atom atom = {.kind = POLICY_ATOM_ANY};

			if (colon) {
				atom.kind = text[at] == 'g'       ? POLICY_ATOM_GROUP
					    : text[at] == 'l'     ? POLICY_ATOM_LABEL
					    : text[at + 1] == 'n' ? POLICY_ATOM_UNIT
								  : POLICY_ATOM_USER;
				atom.text = colon + 1;
				atom.length = n - (uint32_t)(colon + 1 - (text + at));
				if (atom.kind == POLICY_ATOM_USER ||
				    atom.kind == POLICY_ATOM_GROUP) {
					c.inert |= *atom.text < '0' || *atom.text > '9';
					atom.is_id = true;
					atom.id = (uint32_t)atoi(atom.text);
				}
			}
			assert_int_equal(policy_vector_push(&r->ast.atoms, atom), 0);
			c.atoms.n++;
			at += n;
			more = at < r->span.length && text[at++] == '+';
		}
		assert_int_equal(policy_vector_push(&r->ast.conjunctions, c), 0);
		who.n++;
	}
	return who;
}

static void
read_target(struct reader *r, struct policy_range *range)
{
	struct policy_ast_target target = {.span = r->span, .is_set = *r->word == '@'};

	for (; target.is_set; target.set++) {
		const struct policy_ast_set *set = &r->ast.sets.items[target.set];

		assert_true(target.set < r->ast.sets.n);
		if (set->name.length == r->span.length &&
		    memcmp(set->place.text + set->name.at, r->word, r->span.length) == 0)
			break;
	}
	if (range->n++ == 0)
		range->first = (uint32_t)r->ast.targets.n;
	assert_int_equal(policy_vector_push(&r->ast.targets, target), 0);
}

static void
read_option(const char *word, struct policy_options *options)
{
	int year, month, day;

	if (strcmp(word, "hidden") == 0)
		options->hidden = 1;
	else if (strcmp(word, "audit=all") == 0)
		options->audit = POLICY_AUDIT_ALL;
	else if (strcmp(word, "type=fifo") == 0)
		options->types = POLICY_TYPE_FIFO;
	else if (strcmp(word, "exec") == 0)
		options->exec = 1;
	else if (sscanf(word, "until=%d-%d-%d", &year, &month, &day) == 3)
		options->until = (year * 12 + month) * 31 + day; /* only to be compared */
	else
		fail_msg("unknown option '%s'", word);
}

static void
read_rule(struct reader *r)
{
	struct policy_ast_rule rule = {.place = r->place, .options = POLICY_OPTIONS_DEFAULT};
	struct policy_range *range = &rule.targets;

	rule.verdict = *r->word == 'a' ? POLICY_ALLOW : POLICY_DENY;
	assert_true(next_word(r));
	rule.who_span = r->span;
	rule.who = read_who(r);
	assert_true(next_word(r));
	if (strcmp(r->word, "any") == 0)
		rule.verbs = POLICY_VERBS_ALL;
	else
		assert_int_equal(policy_verbs_parse(r->word, &rule.verbs), 0);
	while (next_word(r)) {
		if (strcmp(r->word, "except") == 0)
			range = &rule.excepts;
		else if (*r->word == '/' || *r->word == '@')
			read_target(r, range);
		else
			read_option(r->word, &rule.options);
	}
	assert_int_equal(policy_vector_push(&r->ast.rules, rule), 0);
}

static void
read_set(struct reader *r)
{
	struct policy_ast_set set = {.place = r->place};

	assert_true(next_word(r));
	set.name = r->span;
	assert_true(next_word(r));
	while (next_word(r))
		read_target(r, &set.targets);
	assert_int_equal(policy_vector_push(&r->ast.sets, set), 0);
}

/* Sets stand above the rules that use them. */
static void
read_policy(struct reader *r, const char *text)
{
	*r = (struct reader){.source = {"t.policy", text, strlen(text)}};
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');

		r->place.line++;
		r->place.text = line;
		r->place.length = (uint32_t)(end - line);
		r->span = (struct policy_span){0};
		line = end + 1;
		if (!next_word(r) || strcmp(r->word, "policy") == 0)
			continue;
		if (strcmp(r->word, "set") == 0)
			read_set(r);
		else
			read_rule(r);
	}
}

static bool
target_matches(const struct reader *r, const struct policy_place *place,
	       const struct policy_ast_target *target, const char *path, size_t length, bool dots)
{
	static const struct values themselves = {"${user}", "${uid}"};

	if (!target->is_set)
		return naive_pattern(place->text + target->span.at, target->span.length, path,
				     length, dots, &themselves);
	for (uint32_t i = 0; i < r->ast.sets.items[target->set].targets.n; i++) {
		const struct policy_ast_set *set = &r->ast.sets.items[target->set];

		if (target_matches(r, &set->place, &r->ast.targets.items[set->targets.first + i],
				   path, length, dots))
			return true;
	}
	return false;
}

static bool
find_linear(const void *index, enum policy_verdict verdict, const char *path, size_t length,
	    policy_candidate_fn *fn, void *context)
{
	struct reader *r = (struct reader *)index;

	r->finds++;
	for (uint32_t i = 0; i < r->ast.rules.n; i++) {
		const struct policy_ast_rule *rule = &r->ast.rules.items[i];

		for (uint32_t k = 0; rule->verdict == verdict && k < rule->targets.n; k++)
			if (target_matches(
				    r, &rule->place, &r->ast.targets.items[rule->targets.first + k],
				    path, length, verdict == POLICY_DENY || rule->options.hidden) &&
			    !fn(context, i))
				return false;
	}
	return true;
}

/* What is said of a policy that is otherwise good; the caller frees it. */
static char *
review_text_by(const char *text, unsigned flags, policy_candidates *find, unsigned long *ret_finds)
{
	struct policy_report *report = calloc(1, sizeof(*report));
	struct policy_diag diag = {0};
	struct reader r;
	char *messages;
	size_t size;

	read_policy(&r, text);
	report->sources = &r.source;
	assert_int_equal(policy_review(&r.ast, report, flags, find, &r), 0);
	diag.out = open_memstream(&messages, &size);
	policy_report_flush(report, &diag);
	fclose(diag.out);
	free(report);
	policy_vector_free(&r.ast.rules);
	policy_vector_free(&r.ast.sets);
	policy_vector_free(&r.ast.conjunctions);
	policy_vector_free(&r.ast.atoms);
	policy_vector_free(&r.ast.targets);
	if (ret_finds)
		*ret_finds = r.finds;
	return messages;
}

static char *
review_text(const char *text, unsigned flags)
{
	return review_text_by(text, flags, find_linear, NULL);
}
