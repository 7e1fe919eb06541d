/* SPDX-License-Identifier: MIT */
/*
 * A second matcher, as plain as it can be: it reads the patterns as text, walks them recursively
 * and knows nothing of images. On random policies both must give one verdict by equally good rules.
 *
 * FDBROKER_FUZZ_POLICIES and FDBROKER_FUZZ_SEED make it run longer and elsewhere.
 */
#include "policy-test.h"

enum {
	POLICIES = 2000,
	QUERIES = 400,
	RULES_MAX = 10,
	PATTERNS_MAX = 4,
	PATTERN_BYTES = 120,
	SETS = 2,
};

struct rule {
	bool deny, hidden, exec;
	unsigned verbs;
	int until;       /* 0: for ever */
	int user, group; /* -1: not named */
	int unit, label;
	char targets[PATTERNS_MAX][PATTERN_BYTES], excepts[PATTERNS_MAX][PATTERN_BYTES];
	int n_targets, n_excepts;
};

struct peer {
	int user, group, unit, label;
	const char *name; /* what ${user} is; NULL: the uid has no entry */
	int day;
};

/* --- the naive matcher ------------------------------------------------------------------- */

static const struct peer *naive_peer;
static bool naive_dots;

static bool naive_name(const char *p, const char *s, const char *name);

/* One alternative of braces after the other. */
static bool
naive_braces(const char *p, const char *s, const char *name)
{
	const char *rest = strchr(p, '}') + 1;

	for (const char *at = p + 1; at < rest; at += strcspn(at, ",}") + 1) {
		size_t n = strcspn(at, ",}");

		if (strncmp(s, at, n) == 0 && naive_name(rest, s + n, name))
			return true;
	}
	return false;
}

static bool
naive_class(const char *p, const char *end, char c)
{
	for (p++; p < end; p++) {
		if (p[1] == '-' && p + 2 < end) {
			if (c >= p[0] && c <= p[2])
				return true;
			p += 2;
		} else if (*p == c) {
			return true;
		}
	}
	return false;
}

/* p ends at a slash or a NUL. Nothing but a literal may stand where the name has a leading dot. */
static bool
naive_name(const char *p, const char *s, const char *name)
{
	bool dot = s == name && *s == '.' && !naive_dots;
	char text[32];

	if (*p == '/' || *p == '\0')
		return *s == '\0';
	if (*p == '*')
		return !dot && (naive_name(p + 1, s, name) || (*s && naive_name(p, s + 1, name)));
	if (*p == '{')
		return naive_braces(p, s, name);
	if (*p == '[')
		return *s && !dot && naive_class(p, strchr(p, ']'), *s) &&
		       naive_name(strchr(p, ']') + 1, s + 1, name);
	if (*p == '$') {
		snprintf(text, sizeof(text), "%d", naive_peer->user);
		if (p[3] == 's')
			snprintf(text, sizeof(text), "%s",
				 naive_peer->name ? naive_peer->name : "");
		return *text && !dot && strncmp(s, text, strlen(text)) == 0 &&
		       naive_name(strchr(p, '}') + 1, s + strlen(text), name);
	}
	return *s == *p && naive_name(p + 1, s + 1, name);
}

/* p and s are empty or begin with a slash. */
static bool
naive_path(const char *p, const char *s)
{
	size_t pn = *p ? strcspn(p + 1, "/") : 0, sn = *s ? strcspn(s + 1, "/") : 0;
	char name[64];

	if (*p == '\0')
		return *s == '\0';
	if (pn == 2 && p[1] == '*' && p[2] == '*')
		return naive_path(p + 3, s) ||
		       (*s && (naive_dots || s[1] != '.') && naive_path(p, s + 1 + sn));
	if (*s == '\0')
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)sn, s + 1);
	return naive_name(p + 1, name, name) && naive_path(p + 1 + pn, s + 1 + sn);
}

static bool
naive_any(char patterns[][PATTERN_BYTES], int n, const char *path, bool dots)
{
	naive_dots = dots;
	for (int i = 0; i < n; i++)
		if (naive_path(patterns[i], path))
			return true;
	return false;
}

static bool
naive_matches(struct rule *r, const struct peer *peer, const char *path, unsigned verbs)
{
	unsigned v = r->verbs | (r->verbs & POLICY_READ ? POLICY_STAT : 0);

	naive_peer = peer;
	if (r->deny && (v & POLICY_WRITE))
		v |= POLICY_CREATE;
	return (r->user < 0 || r->user == peer->user) &&
	       (r->group < 0 || r->group == peer->group) &&
	       (r->unit < 0 || r->unit == peer->unit) &&
	       (r->label < 0 || r->label == peer->label) &&
	       (r->deny ? (v & verbs) != 0 : (v & verbs) == verbs) &&
	       (r->until == 0 || r->until >= peer->day) &&
	       naive_any(r->targets, r->n_targets, path, r->deny || r->hidden) &&
	       !naive_any(r->excepts, r->n_excepts, path, true);
}

/* 0: denied by none; 1: by a rule; 2: allowed; 3: allowed, and the best rule says exec. */
static int
naive_decide(struct rule *rules, int n, const struct peer *peer, const char *path, unsigned verbs)
{
	int best = 0;

	for (int i = 0; i < n; i++) {
		if (!naive_matches(&rules[i], peer, path, verbs))
			continue;
		if (rules[i].deny)
			return 1;
		if (best < 2 + rules[i].exec)
			best = 2 + rules[i].exec;
	}
	return best;
}

/* --- random policies --------------------------------------------------------------------- */

static uint64_t seed = 0x1234567;

static unsigned
draw(unsigned below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

#define DRAW_WORD(words) ((words)[draw(ELEMENTS(words))])

static const char *const names[] = {"a", "b", "aa", "ab", "aab", ".a", ".ab", "a.b", "ba", "1"};
static const char *const wild[] = {
	"*",        "*",           "a*",         "*b",      ".*",        "*.*",
	"a*b",      "*a*",         "*a*b*",      ".a*",     "[ab]",      "[.a]*",
	"*[b-]",    "[a-c]b",      "{a,b}",      "{aa,.a}", "{,.}a",     "a{,b}",
	"*{a,ab}",  "{a,ab}{b,}*", "[a-b]{a,b}", "${user}", "${user}",   "${uid}",
	"${user}b", "*${user}",    "{.a,b}*",    "{,a}*",   "a{b,}{,b}", "[a]${uid}*",
};
static const char *const users[] = {"a", "ab", ".a", "b"};

static void
draw_pattern(char *text)
{
	bool after_globstar = false;

	*text = '\0';
	for (unsigned n = 1 + draw(5); n > 0; n--) {
		unsigned kind = draw(10);

		if (kind < 3 && !after_globstar) {
			strcat(text, "/**");
			after_globstar = true;
			continue;
		}
		strcat(strcat(text, "/"), kind < 6 ? DRAW_WORD(wild) : DRAW_WORD(names));
		after_globstar = false;
	}
}

static void
draw_path(char *text)
{
	*text = '\0';
	for (unsigned n = draw(7); n > 0; n--)
		strcat(strcat(text, "/"), DRAW_WORD(names));
}

static void
draw_rule(struct rule *rule)
{
	memset(rule, 0, sizeof(*rule));
	rule->deny = draw(4) == 0;
	rule->hidden = !rule->deny && draw(3) == 0;
	rule->verbs = 1 + draw(POLICY_VERBS_ALL);
	rule->user = (int)draw(4) - 1;
	rule->group = rule->deny ? -1 : (int)draw(3) - 1;
	rule->label = draw(6) ? -1 : (int)draw(2);
	rule->unit =
		rule->deny || draw(5) || (rule->user < 0 && rule->group < 0) ? -1 : (int)draw(2);
	rule->until = draw(6) ? 0 : 1 + (int)draw(2);
	if (!rule->deny && rule->user < 0 && rule->group < 0 && rule->label < 0)
		rule->verbs =
			(rule->verbs & ~(unsigned)(POLICY_WRITE | POLICY_CREATE)) | POLICY_READ;
	rule->exec = !rule->deny && (rule->verbs & POLICY_READ) && draw(4) == 0;
	rule->n_targets = 1 + (int)draw(PATTERNS_MAX);
	rule->n_excepts = draw(3) ? 0 : 1 + (int)draw(PATTERNS_MAX);
	for (int i = 0; i < rule->n_targets; i++)
		draw_pattern(rule->targets[i]);
	for (int i = 0; i < rule->n_excepts; i++)
		draw_pattern(rule->excepts[i]);
}

/* Two sets; a rule that uses one gets its patterns. */
struct set {
	char patterns[PATTERNS_MAX][PATTERN_BYTES];
	int n;
};

static void
write_patterns(FILE *out, char patterns[][PATTERN_BYTES], int n)
{
	for (int i = 0; i < n; i++)
		fprintf(out, " %s", patterns[i]);
}

static void
write_rule(FILE *out, struct rule *rule, struct set *sets)
{
	static const char *const units[] = {"a.service", "b@1.service"};
	static const char *const unit_patterns[] = {"a*.service", "*@*.service"};
	int targets_set = draw(4) ? -1 : (int)draw(SETS), excepts_set = -1;
	char verbs[POLICY_VERBS_TEXT_MAX];

	if (rule->n_excepts > 0 && draw(3) == 0)
		excepts_set = (int)draw(SETS);
	fprintf(out, "%s any", rule->deny ? "deny" : "allow");
	if (rule->user >= 0)
		fprintf(out, "+user:%d", rule->user);
	if (rule->group >= 0)
		fprintf(out, "+group:%d", rule->group);
	if (rule->unit >= 0)
		fprintf(out, "+unit:%s", draw(2) ? units[rule->unit] : unit_patterns[rule->unit]);
	if (rule->label >= 0)
		fprintf(out, "+label:l%d", rule->label);
	fprintf(out, " %s", policy_verbs_text(rule->verbs, verbs));
	/* One pattern of its own, and the rest by the set. */
	if (targets_set >= 0) {
		rule->n_targets = 1;
		for (int i = 0; i < sets[targets_set].n && rule->n_targets < PATTERNS_MAX; i++)
			strcpy(rule->targets[rule->n_targets++], sets[targets_set].patterns[i]);
		fprintf(out, " %s @s%d", rule->targets[0], targets_set);
	} else {
		write_patterns(out, rule->targets, rule->n_targets);
	}
	if (excepts_set >= 0) {
		rule->n_excepts = 0;
		for (int i = 0; i < sets[excepts_set].n; i++)
			strcpy(rule->excepts[rule->n_excepts++], sets[excepts_set].patterns[i]);
		fprintf(out, " except @s%d", excepts_set);
	} else if (rule->n_excepts > 0) {
		fprintf(out, " except");
		write_patterns(out, rule->excepts, rule->n_excepts);
	}
	if (rule->hidden)
		fprintf(out, " hidden");
	if (rule->exec)
		fprintf(out, " exec");
	if (rule->until > 0)
		fprintf(out, " until=1970-01-%02d", rule->until + 1);
	fprintf(out, "\n");
}

static char *
draw_policy(struct rule *rules, int n)
{
	struct set sets[SETS] = {0};
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int s = 0; s < SETS; s++) {
		sets[s].n = 1 + (int)draw(PATTERNS_MAX - 1);
		fprintf(out, "set @s%d =", s);
		for (int i = 0; i < sets[s].n; i++) {
			draw_pattern(sets[s].patterns[i]);
			fprintf(out, " %s", sets[s].patterns[i]);
		}
		fprintf(out, "\n");
	}
	for (int i = 0; i < n; i++) {
		draw_rule(&rules[i]);
		write_rule(out, &rules[i], sets);
	}
	fclose(out);
	return text;
}

/* --- what else has to be true of an answer ------------------------------------------------ */

/* The path lies where the decision says, and the worker's trees have a place for that. */
struct place {
	const char *path;
	size_t directory; /* bytes */
	bool literal;
	unsigned verbs;
	bool seen;
};

static int
check_reach(void *context, const struct policy_reach *reach)
{
	struct place *place = context;
	const char *directory = strcmp(reach->directory, "/") == 0 ? "" : reach->directory;

	if (strlen(directory) != place->directory || (reach->name != NULL) != place->literal ||
	    strncmp(directory, place->path, place->directory) != 0)
		return 0;
	if (place->literal && strcmp(place->path + place->directory + 1, reach->name) != 0)
		return 0;
	if ((reach->verbs & place->verbs) == place->verbs)
		place->seen = true;
	return 0;
}

struct told {
	struct rule *rules;
	const struct peer *peer;
	const char *path;
	const struct policy_image *image;
	unsigned verbs;
	bool deciding_seen;
	uint32_t deciding;
};

/* What `explain` says of a rule is what the naive matcher thinks of it. */
static void
check_told(void *context, uint32_t rule, unsigned failed)
{
	struct told *told = context;
	struct policy_rule described;

	policy_rule_describe(told->image, rule, &described);
	if (failed == 0) {
		struct rule *r = &told->rules[described.line - 2 - SETS];

		if (!naive_matches(r, told->peer, told->path, told->verbs))
			fail_msg("%s: line %u does not match", told->path, described.line);
		told->deciding_seen |= rule == told->deciding;
	}
}

static void
check_query(struct compiled *c, const char *text, struct rule *rules, int n, unsigned long *counts)
{
	static const char *const units[] = {NULL, "a.service", "b@1.service"};
	static const char *const labels[] = {NULL, "l0", "l1"};
	const struct peer peer = {(int)draw(3),
				  (int)draw(2),
				  (int)draw(3) - 1,
				  (int)draw(3) - 1,
				  draw(4) ? DRAW_WORD(users) : NULL,
				  (int)draw(4)};
	const struct policy_peer facts = {.has_uid = true,
					  .uid = (uid_t)peer.user,
					  .has_gid = true,
					  .gid = (gid_t)peer.group,
					  .unit = units[peer.unit + 1],
					  .label = labels[peer.label + 1]};
	char path[160];
	struct policy_request request = {
		.path = path,
		.verbs = draw(2) ? 1u << draw(5) : 1 + draw(POLICY_VERBS_ALL),
		.day = peer.day,
	};
	struct policy_identity identity;
	struct policy_decision d;
	struct policy_rule described = {0};
	struct place place;
	struct told told = {rules, &peer, path, c->image, request.verbs, false, 0};
	uint32_t ids[64];
	size_t n_ids;
	int expected, got;

	draw_path(path);
	expected = naive_decide(rules, n, &peer, path, request.verbs);
	counts[expected]++;
	told.path = strdup(path);
	if (!*path)
		strcpy(path, "/");
	request.length = strlen(path);
	assert_int_equal(policy_subjects(c->image, &facts, ids, ELEMENTS(ids), &n_ids), 0);
	policy_identity_init(&identity, ids, n_ids, &facts.uid, peer.name);
	policy_decide(c->image, &identity, &request, &d);
	if (d.rule != POLICY_NO_RULE)
		policy_rule_describe(c->image, d.rule, &described);
	got = d.verdict == POLICY_ALLOW ? 2 + described.options.exec : d.rule != POLICY_NO_RULE;
	if (got != expected || d.exhausted)
		fail_msg("%suser %d (%s) group %d unit %d label %d day %d verbs %u %s: naive %d, "
			 "image %d by line %u",
			 text, peer.user, peer.name ? peer.name : "-", peer.group, peer.unit,
			 peer.label, peer.day, request.verbs, path, expected, got, described.line);
	if (d.rule != POLICY_NO_RULE) {
		struct rule *r = &rules[described.line - 2 - SETS];

		assert_true(naive_matches(r, &peer, told.path, request.verbs));
	}
	if (d.verdict == POLICY_ALLOW && draw(8) == 0) {
		place = (struct place){path, d.prefix, d.literal, request.verbs, false};
		assert_int_equal(policy_reach(c->image, &identity, check_reach, &place), 0);
		if (!place.seen)
			fail_msg("%s%s: no tree for prefix %u %d", text, path, d.prefix, d.literal);
	}
	if (draw(8) == 0) {
		told.deciding = d.rule;
		assert_true(policy_explain(c->image, &identity, &request, check_told, &told));
		assert_true(told.deciding_seen || d.rule == POLICY_NO_RULE);
	}
	free((char *)(uintptr_t)told.path);
}

static unsigned long
setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* No image: the policy has a rule that can never take effect, and nothing else is wrong. */
static struct compiled
compile_alive(const char *rules)
{
	char *text = NULL;
	struct compiled c;

	assert_true(asprintf(&text, "policy 1\n%s", rules) > 0);
	c = compile_text(text);
	for (const char *m = c.messages; (m = strstr(m, "error[")) != NULL; m++)
		if (strncmp(m, "error[P069]", 11) != 0)
			fail_msg("%s%s", text, c.messages);
	free(text);
	return c;
}

static void
test_same_answers(void **state)
{
	unsigned long policies = setting("FDBROKER_FUZZ_POLICIES", POLICIES), counts[4] = {0};
	unsigned long dead = 0;

	(void)state;
	seed = setting("FDBROKER_FUZZ_SEED", seed);
	for (unsigned long p = 0; p < policies; p++) {
		struct rule rules[RULES_MAX];
		int n = 1 + (int)draw(RULES_MAX);
		char *text = draw_policy(rules, n);
		struct compiled c = compile_alive(text);

		if (!c.image) {
			dead++;
			compiled_free(&c);
			free(text);
			continue;
		}
		for (int q = 0; q < QUERIES; q++)
			check_query(&c, text, rules, n, counts);
		compiled_free(&c);
		free(text);
	}
	policies -= dead;
	print_message("# %lu queries: %lu allowed (%lu with exec), %lu denied by a rule, %lu by "
		      "none\n",
		      policies * QUERIES, counts[2] + counts[3], counts[3], counts[1], counts[0]);
	/* Else the policies are such that nothing was compared. */
	for (size_t i = 0; i < ELEMENTS(counts); i++)
		assert_true(counts[i] > policies * QUERIES / 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_answers),
	};

	return cmocka_run_group_tests_name("naive", tests, NULL, NULL);
}
