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
		return (dots || s != start || sn == 0 || *s != '.') &&
		       (naive_name(p + 1, pn - 1, s, start, sn, dots, values) ||
			(wild && naive_name(p, pn, s + 1, start, sn - 1, dots, values)));
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

/* What the compiler says of it. */
static char *
review_text(const char *text, unsigned flags)
{
	const struct policy_source source = {"t.policy", text, strlen(text)};
	struct policy_diag diag = {0};
	char *messages;
	size_t size;
	void *bytes = NULL;

	diag.out = open_memstream(&messages, &size);
	(void)policy_compile(&source, 1, flags, &diag, &bytes, &size);
	fclose(diag.out);
	free(bytes);
	return messages;
}

/* --- random policies ----------------------------------------------------------------------- */

enum {
	RULES_MAX = 6,
	PATTERNS_MAX = 4,
	DEPTH_MAX = 3,
	GLOBSTAR = -1,
	USERS = 3, /* 1 to 3; no rule names 3 */
	GROUPS = 2,
	NAMES_MAX = 1024,
	PATHS_MAX = 60000,
	PATH_DEPTH_MAX = 6,
};

static uint64_t seed = 0x1234567;

static unsigned
draw(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static const char *const components[] = {
	"a",   "b",       "ab",    ".a",    "*",       "*",       "*",        "a*",       "*a",
	"*b*", ".*",      "[ab]",  "[a.]*", "[.]a",    "{a,b}",   "{a,.a}",   "{,.}a*",   "{,a}b",
	"*.b", "*{a,.b}", "[a-z]", "*[.b]", "${user}", "a${uid}", ".${user}", "${user}*",
};
enum {
	FIRST_VARIABLE = 22,
};

struct pattern {
	int components[DEPTH_MAX];
	int n;
};

struct patterns {
	struct pattern items[PATTERNS_MAX];
	int n;
	bool by_set; /* the last two are the set */
};

struct who {
	unsigned user; /* 0: any */
	unsigned groups;
};

struct rule {
	bool deny, hidden, audit, until;
	unsigned verbs;
	struct who who[2];
	int n_who;
	struct patterns targets, excepts;

	/* By brute force: */
	bool *target_paths[PATTERNS_MAX]; /* without what is excepted */
	bool *paths;
	bool empty, dead, nothing, dead_targets[PATTERNS_MAX];
	int n_targets; /* as written: a set is one */
};

struct world {
	struct values values;
	char names[NAMES_MAX][8];
	int n_names;
	bool matches[ELEMENTS(components)][NAMES_MAX][2]; /* [1]: dots */

	int chosen[NAMES_MAX]; /* one for each way to match */
	int n_chosen;
	int8_t path_length[PATHS_MAX];
	int16_t path_names[PATHS_MAX][PATH_DEPTH_MAX];
	int n_paths;
};

static void
add_name(struct world *world, const char *name)
{
	int n = world->n_names++;

	assert_true(n < NAMES_MAX);
	strcpy(world->names[n], name);
	for (size_t c = 0; c < ELEMENTS(components); c++)
		for (int dots = 0; dots < 2; dots++)
			world->matches[c][n][dots] =
				naive_name(components[c], strlen(components[c]), name, name,
					   strlen(name), dots, &world->values);
}

/* All names of up to four of these bytes, but `.` and `..`. */
static struct world *
new_world(const char *user)
{
	static const char bytes[] = "ab.z7";
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->values = (struct values){user, "7"};
	for (int length = 1, count = 5; length <= 4; length++, count *= 5) {
		for (int i = 0; i < count; i++) {
			char name[8] = {0};

			for (int k = 0, left = i; k < length; k++, left /= 5)
				name[k] = bytes[left % 5];
			if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
				add_name(world, name);
		}
	}
	return world;
}

static int palette[5], n_palette;

static void
draw_pattern(struct pattern *p)
{
	bool after_globstar = false;

	p->n = draw(12) == 0 ? 0 : 1 + (int)draw(DEPTH_MAX);
	for (int i = 0; i < p->n; i++) {
		after_globstar = !after_globstar && draw(4) == 0;
		p->components[i] = after_globstar ? GLOBSTAR : palette[draw((unsigned)n_palette)];
	}
}

static void
draw_patterns(struct patterns *patterns, int max, const struct patterns *set)
{
	patterns->n = 1 + (int)draw((unsigned)max);
	for (int i = 0; i < patterns->n; i++)
		draw_pattern(&patterns->items[i]);
	patterns->by_set = draw(6) == 0;
	if (!patterns->by_set)
		return;
	patterns->items[patterns->n++] = set->items[0];
	patterns->items[patterns->n++] = set->items[1];
}

/* What everybody may be allowed. */
static void
mind_any(struct rule *rule)
{
	for (int i = 0; i < rule->n_who && !rule->deny; i++) {
		if (rule->who[i].user || rule->who[i].groups)
			continue;
		rule->verbs &= ~(unsigned)(POLICY_WRITE | POLICY_CREATE);
		if (rule->verbs == 0)
			rule->verbs = POLICY_READ;
	}
}

static void
draw_rule(struct rule *rule, const struct patterns *set, const struct rule *before)
{
	*rule = (struct rule){.deny = draw(3) == 0};
	rule->verbs = draw(3) ? 1u << draw(4) : 1 + draw(POLICY_VERBS_ALL);
	if (draw(3) == 0)
		rule->verbs |= POLICY_READ | POLICY_WRITE;
	rule->n_who = 1 + (draw(3) == 0);
	for (int i = 0; i < rule->n_who; i++) {
		rule->who[i].user = draw(USERS);
		rule->who[i].groups = rule->deny || draw(2) ? 0 : draw(1 << GROUPS);
	}
	rule->hidden = !rule->deny && draw(4) == 0;
	rule->audit = draw(8) == 0;
	rule->until = draw(8) == 0;
	draw_patterns(&rule->targets, 2, set);
	if (draw(3) == 0)
		draw_patterns(&rule->excepts, 2, set);
	mind_any(rule);
	/* Much the same rule again, so that one covers the other. */
	if (!before || draw(4) != 0)
		return;
	rule->targets = before->targets;
	if (draw(2))
		rule->excepts = before->excepts;
	if (draw(2))
		memcpy(rule->who, before->who, sizeof(rule->who));
	if (draw(2))
		rule->deny = before->deny;
	rule->hidden = before->hidden && !rule->deny;
	if (rule->deny)
		rule->who[0].groups = rule->who[1].groups = 0;
	mind_any(rule);
}

static void
write_patterns(FILE *out, const struct patterns *patterns)
{
	int n = patterns->by_set ? patterns->n - 2 : patterns->n;

	for (int i = 0; i < n; i++) {
		const struct pattern *p = &patterns->items[i];

		fputs(p->n == 0 ? " /" : " ", out);
		for (int k = 0; k < p->n; k++)
			fprintf(out, "/%s",
				p->components[k] == GLOBSTAR ? "**" : components[p->components[k]]);
	}
	if (patterns->by_set)
		fputs(" @s", out);
}

static void
write_rule(FILE *out, const struct rule *rule)
{
	char verbs[POLICY_VERBS_TEXT_MAX];

	fprintf(out, "%s ", rule->deny ? "deny" : "allow");
	for (int i = 0; i < rule->n_who; i++) {
		fputs(i ? "|any" : "any", out);
		if (rule->who[i].user)
			fprintf(out, "+user:%u", rule->who[i].user);
		for (unsigned g = 0; g < GROUPS; g++)
			if (rule->who[i].groups >> g & 1)
				fprintf(out, "+group:%u", g + 1);
	}
	fprintf(out, " %s", policy_verbs_text(rule->verbs, verbs));
	write_patterns(out, &rule->targets);
	if (rule->excepts.n > 0)
		fputs(" except", out);
	write_patterns(out, &rule->excepts);
	fprintf(out, "%s%s%s\n", rule->hidden ? " hidden" : "", rule->audit ? " audit=all" : "",
		rule->until ? " until=9999-01-31" : "");
}

/* --- brute force --------------------------------------------------------------------------- */

static bool
path_matches(const struct world *world, const struct pattern *p, int i, const int16_t *names,
	     int n_names, bool dots)
{
	int c;

	if (i == p->n)
		return n_names == 0;
	c = p->components[i];
	if (c == GLOBSTAR)
		return path_matches(world, p, i + 1, names, n_names, dots) ||
		       (n_names > 0 && (dots || *world->names[*names] != '.') &&
			path_matches(world, p, i, names + 1, n_names - 1, dots));
	return n_names > 0 && world->matches[c][*names][dots] &&
	       path_matches(world, p, i + 1, names + 1, n_names - 1, dots);
}

static bool
patterns_match(const struct world *world, const struct patterns *patterns, const int16_t *names,
	       int n_names, bool dots)
{
	for (int i = 0; i < patterns->n; i++)
		if (path_matches(world, &patterns->items[i], 0, names, n_names, dots))
			return true;
	return false;
}

/* One name for each set of components that it matches. */
static void
choose_names(struct world *world)
{
	static struct {
		uint32_t bits;
		bool dot;
	} seen[NAMES_MAX];

	world->n_chosen = 0;
	for (int n = 0; n < world->n_names; n++) {
		uint32_t bits = 0;
		bool dot = *world->names[n] == '.', new = true;

		for (int i = 0; i < n_palette; i++)
			for (int dots = 0; dots < 2; dots++)
				bits = bits << 1 | world->matches[palette[i]][n][dots];
		for (int i = 0; i < world->n_chosen && new; i++)
			new = seen[i].bits != bits || seen[i].dot != dot;
		if (!new)
			continue;
		seen[world->n_chosen].bits = bits;
		seen[world->n_chosen].dot = dot;
		world->chosen[world->n_chosen++] = n;
	}
}

static void
choose_paths(struct world *world)
{
	int from = 0, to = 1;

	choose_names(world);
	world->path_length[0] = 0;
	for (int depth = 1; depth <= PATH_DEPTH_MAX; depth++) {
		int n = to;

		if ((to - from) * world->n_chosen + to > (depth <= 4 ? PATHS_MAX : 3000))
			break;
		for (int p = from; p < to; p++) {
			for (int i = 0; i < world->n_chosen; i++, n++) {
				memcpy(world->path_names[n], world->path_names[p],
				       sizeof(world->path_names[n]));
				world->path_names[n][depth - 1] = (int16_t)world->chosen[i];
				world->path_length[n] = (int8_t)depth;
			}
		}
		from = to;
		to = n;
	}
	world->n_paths = to;
}

static unsigned
covered_verbs(const struct rule *rule)
{
	return rule->verbs | (rule->verbs & POLICY_READ ? POLICY_STAT : 0) |
	       (rule->deny && (rule->verbs & POLICY_WRITE) ? POLICY_CREATE : 0);
}

static bool
who_follows(const struct rule *rule, const struct who *who)
{
	for (int i = 0; i < rule->n_who; i++)
		if ((rule->who[i].user == 0 || rule->who[i].user == who->user) &&
		    (rule->who[i].groups & ~who->groups) == 0)
			return true;
	return false;
}

static bool
includes(const struct world *world, const bool *all, const bool *some)
{
	for (int p = 0; p < world->n_paths; p++)
		if (some[p] && !all[p])
			return false;
	return true;
}

static void
fill_paths(const struct world *world, struct rule *rule)
{
	bool dots = rule->deny || rule->hidden;

	rule->n_targets = rule->targets.by_set ? rule->targets.n - 1 : rule->targets.n;
	rule->empty = true;
	rule->paths = calloc((size_t)world->n_paths, 1);
	for (int t = 0; t < rule->targets.n; t++)
		rule->target_paths[t] = calloc((size_t)world->n_paths, 1);
	for (int p = 0; p < world->n_paths; p++) {
		const int16_t *names = world->path_names[p];
		int n = world->path_length[p];
		bool excepted = patterns_match(world, &rule->excepts, names, n, true);

		for (int t = 0; t < rule->targets.n && !excepted; t++) {
			if (!path_matches(world, &rule->targets.items[t], 0, names, n, dots))
				continue;
			rule->target_paths[t][p] = rule->paths[p] = true;
			rule->empty = false;
		}
	}
}

/* Is this pattern denied: each verb to each alternative by one deny? */
static bool
is_dead_pattern(const struct world *world, const struct rule *rules, int n, const struct rule *rule,
		int target)
{
	const bool *paths = rule->target_paths[target];

	if (!memchr(paths, true, (size_t)world->n_paths))
		return true;
	for (int w = 0; w < rule->n_who; w++) {
		unsigned left = rule->verbs;

		for (int d = 0; d < n && left; d++)
			if (rules[d].deny && !rules[d].until && (covered_verbs(&rules[d]) & left) &&
			    who_follows(&rules[d], &rule->who[w]) &&
			    includes(world, rules[d].paths, paths))
				left &= ~covered_verbs(&rules[d]);
		if (left)
			return false;
	}
	return true;
}

static void
fill_dead(const struct world *world, struct rule *rules, int n)
{
	for (int i = 0; i < n; i++) {
		struct rule *rule = &rules[i];
		int by_set = rule->targets.by_set ? rule->n_targets - 1 : -1;

		rule->dead = !rule->deny;
		for (int t = 0; t < rule->n_targets; t++)
			rule->dead_targets[t] = rule->dead;
		for (int t = 0; t < rule->targets.n && !rule->deny; t++) {
			rule->nothing |=
				rule->excepts.n == 0 &&
				!memchr(rule->target_paths[t], true, (size_t)world->n_paths);
			if (is_dead_pattern(world, rules, n, rule, t))
				continue;
			rule->dead_targets[by_set >= 0 && t >= by_set ? by_set : t] = false;
			rule->dead = false;
		}
		rule->dead &= !rule->nothing;
	}
}

static bool
grants_all_of(const struct world *world, const struct rule *b, const struct rule *a)
{
	if (a->deny != b->deny || a->audit != b->audit || (b->until && !a->until) ||
	    (covered_verbs(a) & ~covered_verbs(b)))
		return false;
	for (int w = 0; w < a->n_who; w++)
		if (!who_follows(b, &a->who[w]))
			return false;
	return includes(world, b->paths, a->paths);
}

static bool
is_covered(const struct world *world, const struct rule *rules, int n, int i)
{
	if (rules[i].dead || rules[i].empty)
		return false;
	for (int b = 0; b < n; b++)
		if (b != i && !rules[b].dead && grants_all_of(world, &rules[b], &rules[i]) &&
		    (b < i || !grants_all_of(world, &rules[i], &rules[b])))
			return true;
	return false;
}

/* Does nothing but the two together grant this, on path number p? */
static bool
only_together(const struct rule *rules, int n, int a, int b, const struct who *peer, unsigned verbs,
	      int p)
{
	if (rules[a].deny || rules[b].deny || !rules[a].paths[p] || !rules[b].paths[p] ||
	    !who_follows(&rules[a], peer) || !who_follows(&rules[b], peer) ||
	    (verbs & ~(rules[a].verbs | rules[b].verbs)) || !(verbs & ~rules[a].verbs) ||
	    !(verbs & ~rules[b].verbs))
		return false;
	for (int i = 0; i < n; i++) {
		unsigned covered = covered_verbs(&rules[i]);

		if (rules[i].paths[p] && who_follows(&rules[i], peer) &&
		    (rules[i].deny ? (covered & verbs) != 0 : (verbs & ~covered) == 0))
			return false;
	}
	return true;
}

static const unsigned requests[] = {POLICY_READ | POLICY_WRITE, POLICY_READ | POLICY_CREATE,
				    POLICY_WRITE | POLICY_CREATE,
				    POLICY_READ | POLICY_WRITE | POLICY_CREATE};

/* verbs 0: any request; p < 0: any path. */
static bool
some_peer_together(const struct world *world, const struct rule *rules, int n, int a, int b,
		   unsigned verbs, int path)
{
	for (unsigned k = 0; k < USERS * (1 << GROUPS) * ELEMENTS(requests); k++) {
		const struct who peer = {1 + k % USERS, k / USERS % (1 << GROUPS)};
		unsigned request = requests[k / (USERS * (1 << GROUPS))];

		if (verbs && request != verbs)
			continue;
		for (int p = path < 0 ? 0 : path; p < (path < 0 ? world->n_paths : path + 1); p++)
			if (only_together(rules, n, a, b, &peer, request, p))
				return true;
	}
	return false;
}

/* --- the comparison ------------------------------------------------------------------------ */

/* What was said, by rule. */
struct said {
	bool dead[RULES_MAX], covered[RULES_MAX], dead_targets[RULES_MAX][PATTERNS_MAX];
	int covered_by[RULES_MAX];
	int together;
	bool incomplete;
};

static struct {
	unsigned long dead, dead_by_two, dead_target, covered, covered_deny, together, nothing;
	unsigned long alive, uncovered, apart, variables;
} counts;

/* The number of the path that the message names; it may be new. */
static int
path_number(struct world *world, const char *text, size_t length)
{
	int p = world->n_paths, n = 0;
	char path[512], *rest = path, *name;

	assert_true(length < sizeof(path) && p < PATHS_MAX);
	snprintf(path, sizeof(path), "%.*s", (int)length, text);
	while ((name = strsep(&rest, "/"))) {
		char filled[64] = "";
		int k = 0;

		if (*name == '\0')
			continue;
		for (const char *c = name; *c;) {
			bool variable = *c == '$';
			const char *value = c[3] == 's' ? world->values.user : world->values.uid;

			snprintf(filled + strlen(filled), sizeof(filled) - strlen(filled), "%.*s",
				 variable ? 8 : 1, variable ? value : c);
			c = variable ? strchr(c, '}') + 1 : c + 1;
		}
		assert_true(strlen(filled) < sizeof(world->names[0]) && n < PATH_DEPTH_MAX);
		while (k < world->n_names && strcmp(world->names[k], filled) != 0)
			k++;
		if (k == world->n_names)
			add_name(world, filled);
		world->path_names[p][n++] = (int16_t)k;
	}
	world->path_length[p] = (int8_t)n;
	return p;
}

static void
check_together(struct world *world, const struct rule *rules, int n, int later, int other,
	       const char *argument, const char *messages, const char *text)
{
	unsigned verbs;
	char list[32];
	const char *path = strstr(argument, "' on ") + 5;
	int p = path_number(world, path, strcspn(path, "\n")), saved = world->n_paths;
	struct rule *copy = calloc((size_t)n, sizeof(*copy));

	snprintf(list, sizeof(list), "%.*s", (int)strcspn(argument + 1, "'"), argument + 1);
	assert_int_equal(policy_verbs_parse(list, &verbs), 0);
	/* Only this path: it need not be one of the world. */
	memmove(world->path_names[0], world->path_names[p], sizeof(world->path_names[0]));
	world->path_length[0] = world->path_length[p];
	world->n_paths = 1;
	for (int i = 0; i < n; i++) {
		copy[i] = rules[i];
		fill_paths(world, &copy[i]);
	}
	if (!some_peer_together(world, copy, n, other, later, verbs, 0))
		fail_msg("%s%s", text, messages);
	for (int i = 0; i < n; i++) {
		free(copy[i].paths);
		for (int t = 0; t < copy[i].targets.n; t++)
			free(copy[i].target_paths[t]);
	}
	free(copy);
	world->path_length[0] = 0;
	world->n_paths = saved;
}

/* Line 1 is `policy 1`, line 2 the set. */
static void
read_messages(struct world *world, const struct rule *rules, int n, const char *text,
	      const char *messages, struct said *said)
{
	*said = (struct said){0};
	for (const char *m = messages; (m = strstr(m, "t.policy:")) != NULL; m++) {
		unsigned line, column, code, other;
		const char *argument;
		int i;

		if (sscanf(m, "t.policy:%u:%u: %*[a-z][P%u]", &line, &column, &code) != 3)
			continue;
		argument = strstr(m, "]: ") + 3;
		i = (int)line - 3;
		assert_in_range(i, 0, n - 1);
		switch (code) {
		case POLICY_CODE_DEAD:
			said->dead[i] = true;
			break;
		case POLICY_CODE_DEAD_TARGET: {
			const char *start = text;
			int t = -1;

			for (unsigned l = 1; l < line; l++)
				start = strchr(start, '\n') + 1;
			for (const char *c = start; c < start + column; c++)
				t += c[0] == ' ' && (c[1] == '/' || c[1] == '@');
			assert_in_range(t, 0, PATTERNS_MAX - 1);
			said->dead_targets[i][t] = true;
			break;
		}
		case POLICY_CODE_COVERED:
			said->covered[i] = true;
			argument = strstr(argument, "t.policy:");
			assert_int_equal(sscanf(argument, "t.policy:%u", &other), 1);
			said->covered_by[i] = (int)other - 3;
			break;
		case POLICY_CODE_TOGETHER:
			argument = strstr(argument, "grant ") + 6;
			assert_int_equal(
				sscanf(strstr(argument, "t.policy:"), "t.policy:%u", &other), 1);
			said->together++;
			if (strcmp(world->values.user, "zz") == 0)
				check_together(world, rules, n, i, (int)other - 3, argument,
					       messages, text);
			break;
		case POLICY_CODE_NOT_REVIEWED:
		default:
			said->incomplete = true;
			break;
		}
	}
}

/* Nothing that the rule says is ever granted, whoever asks: not only by the rules of the test. */
static bool
grants_something(const struct world *world, const struct rule *rules, int n,
		 const struct rule *rule, const bool *paths)
{
	for (unsigned k = 0; k < USERS * (1 << GROUPS); k++) {
		const struct who peer = {1 + k % USERS, k / USERS};

		for (int p = 0; p < world->n_paths && who_follows(rule, &peer); p++) {
			unsigned left = paths[p] ? rule->verbs : 0;

			for (int d = 0; d < n && left; d++)
				if (rules[d].deny && !rules[d].until && rules[d].paths[p] &&
				    who_follows(&rules[d], &peer))
					left &= ~covered_verbs(&rules[d]);
			if (left)
				return true;
		}
	}
	return false;
}

static void
compare_rule(const struct world *world, const struct rule *rules, int n, int i,
	     const struct said *said, bool exact)
{
	const struct rule *rule = &rules[i];
	bool covered = is_covered(world, rules, n, i), several = false;

	if (said->dead[i] && (rule->deny || grants_something(world, rules, n, rule, rule->paths)))
		fail_msg("rule %d is not dead", i + 1);
	for (int t = 0; t < rule->n_targets; t++)
		if (said->dead_targets[i][t] &&
		    grants_something(world, rules, n, rule, rule->target_paths[t]))
			fail_msg("rule %d: target %d is not dead", i + 1, t + 1);
	if (said->covered[i] && !grants_all_of(world, &rules[said->covered_by[i]], rule))
		fail_msg("rule %d is not covered", i + 1);
	if (!exact)
		return;
	if (said->dead[i] != rule->dead)
		fail_msg("rule %d: dead %d, said %d", i + 1, rule->dead, said->dead[i]);
	for (int t = 0; t < rule->n_targets; t++)
		if (said->dead_targets[i][t] != (rule->dead_targets[t] && !rule->dead))
			fail_msg("rule %d: target %d dead %d, said %d", i + 1, t + 1,
				 rule->dead_targets[t], said->dead_targets[i][t]);
	if (said->covered[i] != covered)
		fail_msg("rule %d: covered %d, said %d", i + 1, covered, said->covered[i]);
	several = !rule->deny && !rule->dead && !rule->empty &&
		  !grants_something(world, rules, n, rule, rule->paths);
	counts.dead += rule->dead;
	counts.dead_by_two += several;
	counts.alive += !rule->dead;
	for (int t = 0; t < rule->n_targets; t++)
		counts.dead_target += said->dead_targets[i][t];
	counts.covered += covered && !rule->deny;
	counts.covered_deny += covered && rule->deny;
	counts.uncovered += !covered;
}

static void
compare(struct world *world, struct rule *rules, int n, const char *text, const char *messages,
	bool exact)
{
	struct said said;
	bool exists = false;

	choose_paths(world);
	for (int i = 0; i < n; i++)
		fill_paths(world, &rules[i]);
	fill_dead(world, rules, n);
	read_messages(world, rules, n, text, messages, &said);
	if (said.incomplete)
		fail_msg("%s%s", text, messages);
	for (int i = 0; i < n; i++)
		compare_rule(world, rules, n, i, &said, exact);
	for (int a = 0; a < n && exact; a++)
		for (int b = a + 1; b < n && !exists; b++)
			exists = some_peer_together(world, rules, n, a, b, 0, -1);
	if (exact && exists != (said.together > 0))
		fail_msg("together %d, said %d", exists, said.together);
	counts.together += exact && exists;
	counts.apart += exact && !exists;
	counts.nothing += *messages == '\0';
	counts.variables += !exact;
	for (int i = 0; i < n; i++) {
		free(rules[i].paths);
		for (int t = 0; t < rules[i].targets.n; t++)
			free(rules[i].target_paths[t]);
	}
}

static unsigned long
setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* What the comparison complains of comes without the policy: it is printed first then. */
static void
test_brute_force(void **state)
{
	static const char *const users[] = {"zz", "a", "b", "ab", ".z", ".a"};
	unsigned long rounds = setting("FDBROKER_FUZZ_ROUNDS", 2000);
	struct world *worlds[ELEMENTS(users)];
	struct rule rules[RULES_MAX];

	(void)state;
	seed = setting("FDBROKER_FUZZ_SEED", seed);
	for (size_t i = 0; i < ELEMENTS(users); i++)
		worlds[i] = new_world(users[i]);
	for (unsigned long round = 0; round < rounds; round++) {
		uint64_t start = seed;
		int n = 3 + (int)draw(RULES_MAX - 2);
		struct patterns set = {.n = 2};
		bool variables = false;
		char *text, *messages;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		n_palette = 2 + (int)draw(2);
		for (int i = 0; i < n_palette; i++) {
			palette[i] = (int)draw(round % 5 ? FIRST_VARIABLE : ELEMENTS(components));
			variables |= palette[i] >= FIRST_VARIABLE;
		}
		draw_pattern(&set.items[0]);
		draw_pattern(&set.items[1]);
		fputs("policy 1\nset @s =", out);
		write_patterns(out, &set);
		fputs("\n", out);
		for (int i = 0; i < n; i++) {
			draw_rule(&rules[i], &set, i > 0 ? &rules[draw((unsigned)i)] : NULL);
			write_rule(out, &rules[i]);
		}
		fclose(out);
		messages = review_text(text, POLICY_COMPILE_REVIEW);
		if (getenv("FDBROKER_FUZZ_SHOW"))
			print_message("# seed %#llx\n%s%s", (unsigned long long)start, text,
				      messages);
		for (size_t i = 0; i < (variables ? ELEMENTS(users) : 1); i++)
			compare(worlds[i], rules, n, text, messages, !variables);
		free(text);
		free(messages);
	}
	for (size_t i = 0; i < ELEMENTS(users); i++)
		free(worlds[i]);
	print_message("# dead %lu, by two denies and not said %lu, alive %lu, targets %lu\n"
		      "# covered %lu, denies %lu, not %lu; together %lu, not %lu; "
		      "nothing said %lu, variables %lu\n",
		      counts.dead, counts.dead_by_two, counts.alive, counts.dead_target,
		      counts.covered, counts.covered_deny, counts.uncovered, counts.together,
		      counts.apart, counts.nothing, counts.variables);
	if (rounds < 1000)
		return;
	/* Else the policies are such that nothing was compared. */
	assert_true(counts.dead > rounds / 20 && counts.alive > rounds);
	assert_true(counts.dead_target > rounds / 50 && counts.dead_by_two > 0);
	assert_true(counts.covered > rounds / 20 && counts.covered_deny > rounds / 50);
	assert_true(counts.together > rounds / 20 && counts.apart > rounds / 20);
	assert_true(counts.nothing > rounds / 100 && counts.variables > rounds / 50);
}

/* --- to the letter ------------------------------------------------------------------------- */

struct saying {
	const char *rules; /* below `policy 1` */
	const char *load, *thorough;
};

static const struct saying sayings[] = {
	/* A deny takes all of it. */
	{"allow user:1 read /srv/a\n"
	 "deny any any /srv/**\n",
	 "t.policy:2:1: error[P069]: this rule can never take effect: t.policy:3 denies it\n"
	 "    2 | allow user:1 read /srv/a\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 NULL},
	/* One target of two; a load is silent about that. */
	{"allow user:1 read /srv/a /home/a\n"
	 "deny any any /srv/**\n",
	 "",
	 "t.policy:2:19: warning[P070]: this target can never take effect: t.policy:3 denies it\n"
	 "    2 | allow user:1 read /srv/a /home/a\n"
	 "      |                   ^~~~~~\n"
	 "      = help: a deny always wins: take the target out, or let the deny except it\n"},
	/* Both targets, by two denies; a verb each by its own. */
	{"deny user:1 read /srv/**\n"
	 "deny any write /srv/a\n"
	 "allow user:1 read,write /srv/a\n",
	 "t.policy:4:1: error[P069]: this rule can never take effect: t.policy:2 and other rules "
	 "deny it\n"
	 "    4 | allow user:1 read,write /srv/a\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 NULL},
	/* Two alternatives, one of them still has something. */
	{"deny user:1 read /srv/**\n"
	 "allow user:1|user:2 read /srv/a\n",
	 "", NULL},
	/* An alternative that is nobody does not count; a rule for nobody is not looked at. */
	{"deny user:1 read /srv/**\n"
	 "allow user:1|user:nobody-at-all read /srv/a\n"
	 "allow user:nobody-at-all read /srv/a\n",
	 "t.policy:3:1: error[P069]: this rule can never take effect: t.policy:2 denies it\n"
	 "    3 | allow user:1|user:nobody-at-all read /srv/a\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n"
	 "t.policy:3:19: warning[P028]: there is no user 'nobody-at-all': THIS PART OF THE RULE "
	 "MATCHES NOBODY\n"
	 "    3 | allow user:1|user:nobody-at-all read /srv/a\n"
	 "      |                   ^~~~~~~~~~~~~\n"
	 "      = help: create it, or write 'user:' and a number for an id without an entry\n"
	 "t.policy:4:12: warning[P028]: there is no user 'nobody-at-all': THIS PART OF THE RULE "
	 "MATCHES NOBODY\n"
	 "    4 | allow user:nobody-at-all read /srv/a\n"
	 "      |            ^~~~~~~~~~~~~\n"
	 "      = help: create it, or write 'user:' and a number for an id without an entry\n",
	 NULL},
	/* Its own except. */
	{"allow user:1 read /srv/*.log /srv/a except /srv/**\n",
	 "t.policy:2:1: error[P069]: this rule can never take effect: its own 'except' covers it\n"
	 "    2 | allow user:1 read /srv/*.log /srv/a except /srv/**\n"
	 "      | ^~~~~\n"
	 "      = help: take the rule out, or except less from it\n",
	 NULL},
	/* A deny that ends, or that does not reach all, kills nothing. */
	{"deny any any /srv/** until=9999-01-31\n"
	 "deny any any /srv/* except /srv/.*\n"
	 "allow user:1 read /srv/* hidden\n",
	 "", NULL},
	/* Two targets of one deny together. */
	{"deny any any /srv/[a-m]* /srv/[n-z]*\n"
	 "allow user:1 read /srv/[a-z]\n",
	 "t.policy:3:1: error[P069]: this rule can never take effect: t.policy:2 denies it\n"
	 "    3 | allow user:1 read /srv/[a-z]\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 NULL},
	/* read covers stat, write covers create, in a deny. */
	{"deny any read,write /srv/**\n"
	 "allow user:1 create,stat /srv/a\n",
	 "t.policy:3:1: error[P069]: this rule can never take effect: t.policy:2 denies it\n"
	 "    3 | allow user:1 create,stat /srv/a\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 NULL},
	/* A set in part. */
	{"set @s = /srv/a /home/a\n"
	 "deny any any /srv/**\n"
	 "allow user:1 read @s\n",
	 "", NULL},
	/* A set whole. */
	{"set @s = /srv/a /srv/b\n"
	 "deny any any /srv/**\n"
	 "allow user:1 read @s /home/a\n",
	 "",
	 "t.policy:4:19: warning[P070]: this target can never take effect: t.policy:3 denies it\n"
	 "    4 | allow user:1 read @s /home/a\n"
	 "      |                   ^~\n"
	 "      = help: a deny always wins: take the target out, or let the deny except it\n"},
	/* A name of the peer is not a name that is written. */
	{"deny any any /home/root/**\n"
	 "allow user:1 read /home/${user}/**\n",
	 "", NULL},
	/* ... but is one that a wildcard takes, and itself. */
	{"deny any any /home/${user}/**\n"
	 "allow user:1 read /home/${user}/x\n"
	 "allow user:1 read /home/a/x\n",
	 "t.policy:3:1: error[P069]: this rule can never take effect: t.policy:2 denies it\n"
	 "    3 | allow user:1 read /home/${user}/x\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 NULL},
	/* ... and may be one that a deny excepts. */
	{"deny any any /home/* except /home/${user}\n"
	 "allow user:1 read /home/a /home/[b]\n",
	 "", NULL},
	/* A class cannot take a leading dot. */
	{"allow user:1 read /srv/[.]a\n", "",
	 "t.policy:2:19: warning[P070]: this target can never take effect: it matches no path\n"
	 "    2 | allow user:1 read /srv/[.]a\n"
	 "      |                   ^~~~~~~~~\n"
	 "      = help: a wildcard takes a leading dot only where the rule is 'hidden'\n"},
	/* Covered: the who, the verbs and the paths of another. */
	{"allow group:1 read,stat /srv/**\n"
	 "allow group:1+user:1 read /srv/a/*\n",
	 "",
	 "t.policy:3:1: warning[P071]: another rule covers this one: t.policy:2\n"
	 "    3 | allow group:1+user:1 read /srv/a/*\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"},
	/* Of two equal ones the later. */
	{"allow user:1 read /srv/* /srv/a\n"
	 "allow user:1 read /srv/*\n",
	 "",
	 "t.policy:3:1: warning[P071]: another rule covers this one: t.policy:2\n"
	 "    3 | allow user:1 read /srv/*\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"},
	/* Units and labels. */
	{"allow group:1+unit:a@*.service|label:x read /srv/**\n"
	 "allow group:1+unit:a@b*.service read /srv/a\n"
	 "allow label:x+user:2 read /srv/b\n"
	 "allow label:y read /srv/c\n"
	 "allow group:1+unit:*.service read /srv/d\n",
	 "",
	 "t.policy:3:1: warning[P071]: another rule covers this one: t.policy:2\n"
	 "    3 | allow group:1+unit:a@b*.service read /srv/a\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"
	 "t.policy:4:1: warning[P071]: another rule covers this one: t.policy:2\n"
	 "    4 | allow label:x+user:2 read /srv/b\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"},
	/* Other options, an earlier end: not covered. */
	{"allow user:1 read /srv/** until=9999-01-31\n"
	 "allow user:1 read /srv/a\n"
	 "allow user:1 read /srv/b exec\n"
	 "allow user:1 read /srv/c audit=all\n"
	 "allow user:1 read /srv/d type=fifo\n"
	 "allow user:1 read /srv/e hidden until=2029-12-31\n",
	 "",
	 "t.policy:7:1: warning[P071]: another rule covers this one: t.policy:2\n"
	 "    7 | allow user:1 read /srv/e hidden until=2029-12-31\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"},
	/* A deny that another covers. */
	{"deny any any /srv/** except /srv/x\n"
	 "deny user:1 write /srv/a\n"
	 "deny user:1 write /srv/x\n",
	 "",
	 "t.policy:3:1: warning[P071]: another rule covers this one: t.policy:2\n"
	 "    3 | deny user:1 write /srv/a\n"
	 "      | ^~~~\n"
	 "      = help: take this rule out: it changes nothing\n"},
	/* Two that do not add up. */
	{"allow user:1 read /srv/**\n"
	 "allow user:1 write,create /srv/*.log\n",
	 "",
	 "t.policy:3:14: warning[P072]: two rules together do not grant 'read,write' on "
	 "/srv/a.log\n"
	 "    3 | allow user:1 write,create /srv/*.log\n"
	 "      |              ^~~~~~~~~~~~\n"
	 "      = help: the other is t.policy:2: one rule has to list every verb\n"},
	/* ... nor on the only path that is left. */
	{"allow group:1 read /srv/[ab] /srv/[cd] except /srv/a\n"
	 "allow group:2 write /srv/* except /srv/c\n"
	 "deny any write /srv/b\n",
	 "",
	 "t.policy:3:15: warning[P072]: two rules together do not grant 'read,write' on /srv/d\n"
	 "    3 | allow group:2 write /srv/* except /srv/c\n"
	 "      |               ^~~~~\n"
	 "      = help: the other is t.policy:2: one rule has to list every verb\n"},
	/* Two users are never one peer; a third rule grants it; a deny takes it. */
	{"allow user:1 read /a\n"
	 "allow user:2 write /a\n"
	 "allow user:1 read /b\n"
	 "allow user:1 write /b\n"
	 "allow user:1 read,write /b\n"
	 "allow user:1 read /c\n"
	 "allow user:1 write /c\n"
	 "deny any write /c\n",
	 "t.policy:8:1: error[P069]: this rule can never take effect: t.policy:9 denies it\n"
	 "    8 | allow user:1 write /c\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 "t.policy:4:1: warning[P071]: another rule covers this one: t.policy:6\n"
	 "    4 | allow user:1 read /b\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"
	 "t.policy:5:1: warning[P071]: another rule covers this one: t.policy:6\n"
	 "    5 | allow user:1 write /b\n"
	 "      | ^~~~~\n"
	 "      = help: take this rule out: it changes nothing\n"
	 "t.policy:8:1: error[P069]: this rule can never take effect: t.policy:9 denies it\n"
	 "    8 | allow user:1 write /c\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n"},
	/* Nor is one in two units, or has two labels: of the last two, one may be both. */
	{"allow group:1+unit:a.service read /a\n"
	 "allow group:1+unit:b.service write /a\n"
	 "allow group:1+label:a read /b\n"
	 "allow group:1+label:b write /b\n"
	 "allow group:1+unit:a.service read /c\n"
	 "allow group:1+unit:*.service write /c\n",
	 "",
	 "t.policy:7:30: warning[P072]: two rules together do not grant 'read,write' on /c\n"
	 "    7 | allow group:1+unit:*.service write /c\n"
	 "      |                              ^~~~~\n"
	 "      = help: the other is t.policy:6: one rule has to list every verb\n"},
	/* No object is of two types. */
	{"allow user:1 read /a\n"
	 "allow user:1 write /a type=fifo\n",
	 "", NULL},
	/* `.` and `..` are no names: one is left, and that is denied. */
	{"deny any any /srv/.a\n"
	 "allow user:1 read /srv/.{,.,a}\n",
	 "t.policy:3:1: error[P069]: this rule can never take effect: t.policy:2 denies it\n"
	 "    3 | allow user:1 read /srv/.{,.,a}\n"
	 "      | ^~~~~\n"
	 "      = help: a deny always wins: take the rule out, or let the deny except it\n",
	 NULL},
	/* Bytes that look like a variable. */
	{"deny any any /home/${user}\n"
	 "allow user:1 read /home/\\x24\\x7buser\\x7d\n",
	 "", NULL},
	/* In the peer's own place. */
	{"allow user:1 read /home/${user}/**\n"
	 "allow user:1 write /home/*/${uid}.log\n",
	 "",
	 "t.policy:3:14: warning[P072]: two rules together do not grant 'read,write' on "
	 "/home/${user}/${uid}.log\n"
	 "    3 | allow user:1 write /home/*/${uid}.log\n"
	 "      |              ^~~~~\n"
	 "      = help: the other is t.policy:2: one rule has to list every verb\n"},
};

static void
test_to_the_letter(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(sayings); i++) {
		for (unsigned flags = 0; flags <= POLICY_COMPILE_REVIEW; flags++) {
			const struct saying *s = &sayings[i];
			const char *expected = flags && s->thorough ? s->thorough : s->load;
			char *text, *messages;

			assert_true(asprintf(&text, "policy 1\n%s", s->rules) > 0);
			messages = review_text(text, flags);
			if (strcmp(messages, expected) != 0)
				fail_msg("%s%sand not\n%s", text, messages, expected);
			free(messages);
			free(text);
		}
	}
}

/* --- work ---------------------------------------------------------------------------------- */

static bool
find_nothing(const void *index, enum policy_verdict verdict, const char *path, size_t length,
	     policy_candidate_fn *fn, void *context)
{
	(void)verdict;
	(void)path;
	(void)length;
	(void)fn;
	(void)context;
	((struct reader *)index)->finds++;
	return true;
}

/* Rule 0 matches each path, and so does each other one. */
static bool
find_all(const void *index, enum policy_verdict verdict, const char *path, size_t length,
	 policy_candidate_fn *fn, void *context)
{
	struct reader *r = (struct reader *)index;

	(void)path;
	(void)length;
	for (uint32_t i = 0; i < r->ast.rules.n; i++) {
		if (r->ast.rules.items[i].verdict != verdict)
			continue;
		r->finds++;
		if (!fn(context, i))
			return false;
	}
	return true;
}

/* The line n times, its number in the place of each `#`. */
static char *
repeat(const char *first, const char *line, unsigned n)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs(first, out);
	for (unsigned i = 0; i < n; i++) {
		for (const char *c = line; *c; c++) {
			if (*c == '#')
				fprintf(out, "%u", i);
			else
				fputc(*c, out);
		}
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static void
test_work(void **state)
{
	static const struct {
		const char *first, *line;
		policy_candidates *find;
		unsigned flags;
		unsigned long finds_max;
		bool incomplete;
	} cases[] = {
		/* No deny takes anything from anybody for good: nothing is looked for. */
		{"policy 1\n", "allow user:1 read /srv/#/**", find_nothing, 0, 0, false},
		{"policy 1\ndeny any any /x until=9999-01-31\n", "allow user:1 read /srv/#",
		 find_nothing, 0, 0, false},
		{"policy 1\ndeny any write /x\n", "allow user:1 read,write /srv/#", find_nothing, 0,
		 0, false},
		/* Once for a rule: its first target is not dead. */
		{"policy 1\ndeny any any /x\n", "allow user:1 read /srv/# /home/#/*", find_nothing,
		 0, 3000, false},
		/* Once for a target and once for a rule. */
		{"policy 1\ndeny any any /x\n", "allow user:# read /srv/# /home/#/*", find_nothing,
		 POLICY_COMPILE_REVIEW, 3 * 3000 + 1, false},
		/* All are candidates of all: looking stops. */
		{"policy 1\n", "allow user:# read /srv/**", find_all, POLICY_COMPILE_REVIEW,
		 3000 * 1100, true},
		{"policy 1\n", "allow user:1 read /srv/** type=fifo", find_all,
		 POLICY_COMPILE_REVIEW, 3000 * 1100, true},
		/* Each with each: that ends, too. */
		{"policy 1\nallow user:1 write /srv/**\n", "allow group:# read /srv/**/#",
		 find_nothing, POLICY_COMPILE_REVIEW, 3000 * 5, false},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		char *text = repeat(cases[i].first, cases[i].line, 3000), *messages;
		unsigned long finds;

		messages = review_text_by(text, cases[i].flags, cases[i].find, &finds);
		if (finds > cases[i].finds_max)
			fail_msg("%s%lu", cases[i].line, finds);
		/* Of no line. */
		assert_int_equal(strstr(messages, "policy: note[P073]: not every pair of rules was "
						  "compared: there are too many of them\n"
						  "      = help: what was reported is true; there "
						  "may be more\n") == messages ||
					 strstr(messages, "\npolicy: note[P073]: ") != NULL,
				 cases[i].incomplete);
		assert_int_equal(strstr(messages, "P073") != NULL, cases[i].incomplete);
		free(messages);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_brute_force),
		cmocka_unit_test(test_to_the_letter),
		cmocka_unit_test(test_work),
	};

	return cmocka_run_group_tests_name("review", tests, NULL, NULL);
}
