/* SPDX-License-Identifier: MIT */
/*
 * A second matcher, as plain as it can be: it reads the patterns as text, walks them recursively
 * and knows nothing of images. On random policies both must give one verdict by one rule.
 */
#include "policy-test.h"

enum {
	POLICIES = 500,
	QUERIES = 400,
	RULES_MAX = 10,
	PATTERNS_MAX = 4,
};

struct rule {
	bool deny;
	unsigned verbs;
	int user, group; /* -1: not named */
	char targets[PATTERNS_MAX][80], excepts[PATTERNS_MAX][80];
	int n_targets, n_excepts;
};

/* --- the naive matcher ------------------------------------------------------------------- */

static bool
naive_name(const char *p, size_t pn, const char *s, size_t sn)
{
	if (pn == 0)
		return sn == 0;
	if (*p == '*')
		return naive_name(p + 1, pn - 1, s, sn) ||
		       (sn > 0 && naive_name(p, pn, s + 1, sn - 1));
	return sn > 0 && *p == *s && naive_name(p + 1, pn - 1, s + 1, sn - 1);
}

/* p and s are empty or begin with a slash. */
static bool
naive_path(const char *p, const char *s, bool dots)
{
	size_t pn = *p ? strcspn(p + 1, "/") : 0, sn = *s ? strcspn(s + 1, "/") : 0;

	if (*p == '\0')
		return *s == '\0';
	if (pn == 2 && p[1] == '*' && p[2] == '*')
		return naive_path(p + 3, s, dots) ||
		       (*s && (dots || s[1] != '.') && naive_path(p, s + 1 + sn, dots));
	if (*s == '\0' || (s[1] == '.' && p[1] == '*' && !dots))
		return false;
	return naive_name(p + 1, pn, s + 1, sn) && naive_path(p + 1 + pn, s + 1 + sn, dots);
}

static bool
naive_any(char patterns[][80], int n, const char *path, bool dots)
{
	for (int i = 0; i < n; i++)
		if (naive_path(patterns[i], path, dots))
			return true;
	return false;
}

/* The number of the deciding rule, or -1. */
static int
naive_decide(struct rule *rules, int n, int user, int group, const char *path, unsigned verbs)
{
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < n; i++) {
			struct rule *r = &rules[i];
			unsigned v = r->verbs | (r->verbs & POLICY_READ ? POLICY_STAT : 0);

			if (r->deny && (v & POLICY_WRITE))
				v |= POLICY_CREATE;
			if (r->deny != (pass == 0) || (r->user >= 0 && r->user != user) ||
			    (r->group >= 0 && r->group != group) ||
			    (r->deny ? !(v & verbs) : (v & verbs) != verbs))
				continue;
			if (naive_any(r->targets, r->n_targets, path, r->deny) &&
			    !naive_any(r->excepts, r->n_excepts, path, true))
				return i;
		}
	}
	return -1;
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

static const char *const names[] = {"a", "b", "aa", "ab", "aab", ".a", ".ab", "a.b"};
static const char *const wild[] = {"*", "*", "a*", "*b", ".*", "*.*", "a*b", "*a*", "*a*b*", ".a*"};

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
	for (unsigned n = draw(6); n > 0; n--)
		strcat(strcat(text, "/"), DRAW_WORD(names));
}

static void
draw_rule(struct rule *rule)
{
	memset(rule, 0, sizeof(*rule));
	rule->deny = draw(4) == 0;
	rule->verbs = 1 + draw(POLICY_VERBS_ALL);
	rule->user = (int)draw(4) - 1;
	rule->group = rule->deny ? -1 : (int)draw(3) - 1;
	if (!rule->deny && rule->user < 0 && rule->group < 0)
		rule->verbs =
			(rule->verbs & ~(unsigned)(POLICY_WRITE | POLICY_CREATE)) | POLICY_READ;
	rule->n_targets = 1 + (int)draw(PATTERNS_MAX);
	rule->n_excepts = draw(3) ? 0 : 1 + (int)draw(PATTERNS_MAX);
	for (int i = 0; i < rule->n_targets; i++)
		draw_pattern(rule->targets[i]);
	for (int i = 0; i < rule->n_excepts; i++)
		draw_pattern(rule->excepts[i]);
}

static void
write_rule(FILE *out, const struct rule *rule)
{
	char verbs[POLICY_VERBS_TEXT_MAX];

	fprintf(out, "%s any", rule->deny ? "deny" : "allow");
	if (rule->user >= 0)
		fprintf(out, "+user:%d", rule->user);
	if (rule->group >= 0)
		fprintf(out, "+group:%d", rule->group);
	fprintf(out, " %s", policy_verbs_text(rule->verbs, verbs));
	for (int i = 0; i < rule->n_targets; i++)
		fprintf(out, " %s", rule->targets[i]);
	for (int i = 0; i < rule->n_excepts; i++)
		fprintf(out, "%s %s", i ? "" : " except", rule->excepts[i]);
	fprintf(out, "\n");
}

/* The path lies where the prefix of the decision says. */
struct place {
	uint32_t prefix;
	unsigned verbs;
	const char *path;
	bool seen;
};

static int
check_reach(void *context, const struct policy_reach *reach)
{
	struct place *place = context;
	size_t length = strcmp(reach->directory, "/") == 0 ? 0 : strlen(reach->directory);

	if (reach->prefix != place->prefix)
		return 0;
	place->seen = true;
	assert_int_equal(reach->verbs & place->verbs, place->verbs);
	assert_memory_equal(reach->directory, place->path, length);
	if (reach->name)
		assert_string_equal(place->path + length + 1, reach->name);
	else
		assert_true(place->path[length] == '/' || place->path[length] == '\0');
	return 0;
}

static void
test_same_answers(void **state)
{
	unsigned long allowed = 0, denied = 0, nothing = 0;

	(void)state;
	for (int p = 0; p < POLICIES; p++) {
		struct rule rules[RULES_MAX];
		int n = 1 + (int)draw(RULES_MAX);
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct compiled c;

		for (int i = 0; i < n; i++) {
			draw_rule(&rules[i]);
			write_rule(out, &rules[i]);
		}
		fclose(out);
		c = compile_rules(text);
		for (int q = 0; q < QUERIES; q++) {
			int user = (int)draw(3), group = (int)draw(2);
			unsigned verbs = draw(2) ? 1u << draw(5) : 1 + draw(POLICY_VERBS_ALL);
			const struct policy_peer peer = {.has_uid = true,
							 .uid = (uid_t)user,
							 .has_gid = true,
							 .gid = (gid_t)group};
			struct policy_decision d;
			struct place place;
			uint32_t ids[64];
			size_t n_ids;
			char path[80];
			int expected;

			draw_path(path);
			expected = naive_decide(rules, n, user, group, path, verbs);
			d = decide_for(c.image, &peer, *path ? path : "/", verbs);
			if ((int)d.rule != expected ||
			    d.verdict != (expected >= 0 && !rules[expected].deny))
				fail_msg("%suser %d group %d verbs %u %s: naive %d, image %d", text,
					 user, group, verbs, path, expected, (int)d.rule);
			allowed += d.verdict == POLICY_ALLOW;
			denied += d.verdict == POLICY_DENY && expected >= 0;
			nothing += expected < 0;
			if (d.verdict != POLICY_ALLOW)
				continue;
			place = (struct place){d.prefix, verbs, *path ? path : "/", false};
			assert_int_equal(policy_subjects(c.image, &peer, ids, 64, &n_ids), 0);
			assert_int_equal(policy_reach(c.image, ids, n_ids, check_reach, &place), 0);
			assert_true(place.seen);
		}
		compiled_free(&c);
		free(text);
	}
	/* Else the policies are such that nothing was compared. */
	print_message("# %lu allowed, %lu denied by a rule, %lu by none\n", allowed, denied,
		      nothing);
	assert_true(allowed > POLICIES * QUERIES / 20);
	assert_true(denied > POLICIES * QUERIES / 20);
	assert_true(nothing > POLICIES * QUERIES / 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_answers),
	};

	return cmocka_run_group_tests_name("naive", tests, NULL, NULL);
}
