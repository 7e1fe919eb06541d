/* SPDX-License-Identifier: MIT */
/*
 * What the policy costs: compiling, the image, a decision. Random policies of mixed shape; a peer
 * has eight subjects; half of the queries find no rule. Figures are medians of rounds.
 *
 *     bench-policy [RULES]...     default: 1000 10000 100000 1000000
 */
#include <err.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/policy.h"
#include "policy/util.h"

enum {
	QUERIES = 1 << 16,
	ROUNDS = 9,
	SUBJECTS = 8,
};

static uint64_t seed = 42;

static uint32_t
draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* --- policies ---------------------------------------------------------------------------- */

struct text {
	char *bytes;
	size_t size;
	FILE *out;
};

static void
text_start(struct text *text)
{
	text->out = open_memstream(&text->bytes, &text->size);
	if (!text->out)
		err(1, "open_memstream");
	fputs("policy 1\n", text->out);
}

struct image {
	void *bytes;
	size_t size;
	double ms; /* to compile, validated */
	struct policy_image *image;
};

static struct image
compile(struct text *text)
{
	struct policy_source source = {"bench.policy", NULL, 0};
	struct policy_diag diag = {0};
	struct image image = {0};
	double start;

	fclose(text->out);
	source.text = text->bytes;
	source.size = text->size;
	start = now();
	if (policy_compile(&source, 1, 0, &diag, &image.bytes, &image.size) < 0 ||
	    policy_image_from_memory(image.bytes, image.size, &image.image) < 0)
		errx(1, "the policy does not compile (%lu errors)", diag.errors);
	image.ms = (now() - start) / 1e6;
	return image;
}

static void
release(struct text *text, struct image *image)
{
	policy_image_free(image->image);
	free(image->bytes);
	free(text->bytes);
}

static const char *const tops[] = {"srv", "var/log", "etc", "home", "opt", "usr/share", "data"};
static const char *const middles[] = {"www", "app", "site", "proj", "team", "db", "cache", "mail"};
static const char *const leaves[] = {"access", "error", "current", "config", "index", "report"};
static const char *const ends[] = {"log", "conf", "json", "pem", "txt", "html"};

#define WORD(words) ((words)[draw(ELEMENTS(words))])

/* A pattern, and a path that it matches. */
static void
draw_pattern(uint32_t rules, char *pattern, char *path)
{
	char base[128], *p = pattern, *q = path;
	const char *leaf = WORD(leaves), *end = WORD(ends);
	uint32_t number = draw(1000);

	snprintf(base, sizeof(base), "/%s/%s%u/%s%u", WORD(tops), WORD(middles),
		 draw(rules / 50 + 4), WORD(middles), draw(40));
	switch (draw(10)) {
	case 0:
	case 1:
	case 2:
		sprintf(p, "%s/%s%u.%s", base, leaf, number, end);
		strcpy(q, p);
		break;
	case 3:
	case 4:
		sprintf(p, "%s/%s/**", base, leaf);
		sprintf(q, "%s/%s/a%u/b.%s", base, leaf, number, end);
		break;
	case 5:
	case 6:
		sprintf(p, "%s/%s*.%s", base, leaf, end);
		sprintf(q, "%s/%s-%u.%s", base, leaf, number, end);
		break;
	case 7:
		sprintf(p, "%s/*/%s.%s", base, leaf, end);
		sprintf(q, "%s/x%u/%s.%s", base, number, leaf, end);
		break;
	case 8:
		sprintf(p, "%s/**/%s.%s", base, leaf, end);
		sprintf(q, "%s/d/x%u/%s.%s", base, number, leaf, end);
		break;
	default:
		sprintf(p, "%s/%s[0-9]*.{%s,gz}", base, leaf, end);
		sprintf(q, "%s/%s%u.%s", base, leaf, number, end);
		break;
	}
}

struct query {
	struct policy_identity identity;
	uint32_t ids[SUBJECTS];
	uint32_t user; /* whose rule it is about */
	char path[160];
	uint32_t length;
};

static void
write_policy(struct text *text, uint32_t rules, struct query *queries)
{
	uint32_t users = rules / 20 + 8;

	text_start(text);
	for (uint32_t i = 0; i < rules; i++) {
		char pattern[256], path[256];
		uint32_t user = draw(users);
		struct query *q = &queries[(uint64_t)i * QUERIES / rules];

		draw_pattern(rules, pattern, path);
		if (draw(20) == 0) {
			fprintf(text->out, "deny user:%u any %s\n", user, pattern);
			continue;
		}
		if (draw(4) == 0)
			fprintf(text->out, "allow user:%u+group:%u read,list %s", user, user,
				pattern);
		else
			fprintf(text->out, "allow user:%u read,list %s", user, pattern);
		if (draw(10) == 0)
			fprintf(text->out, " except %s/private/**", path);
		if (draw(20) == 0)
			fprintf(text->out, " strictmodes=no");
		fputc('\n', text->out);
		q->user = user;
		strcpy(q->path, path);
	}
}

/* Eight subjects: those of the peer, and others at random. */
static void
prepare(const struct policy_image *image, uint32_t rules, struct query *queries)
{
	uint32_t users = rules / 20 + 8;

	for (uint32_t i = 0; i < QUERIES; i++) {
		struct query *q = &queries[i];
		gid_t group;
		struct policy_peer peer = {.has_uid = true, .groups = &group, .n_groups = 1};
		size_t n = 0;

		/* Fewer rules than queries. */
		while (!*q->path)
			*q = queries[(uint64_t)draw(rules) * QUERIES / rules & ~UINT64_C(1)];
		group = peer.uid = (uid_t)q->user;
		if (i % 2 == 1) {
			/* Another directory, another name at its end, or another peer. */
			if (draw(3) == 0)
				q->path[draw((uint32_t)strlen(q->path) - 2) + 1] = 'q';
			else if (draw(2) == 0)
				strcat(q->path, "x");
			else
				group = peer.uid = draw(users);
		}
		q->length = (uint32_t)strlen(q->path);
		(void)policy_subjects(image, &peer, q->ids, SUBJECTS, &n);
		while (n < SUBJECTS) {
			uint32_t id = draw(users), at = (uint32_t)n;

			while (at > 0 && q->ids[at - 1] > id)
				at--;
			if (at > 0 && q->ids[at - 1] == id)
				continue;
			memmove(q->ids + at + 1, q->ids + at, (n++ - at) * sizeof(id));
			q->ids[at] = id;
		}
	}
	for (uint32_t i = 0; i < QUERIES; i++)
		policy_identity_init(&queries[i].identity, queries[i].ids, SUBJECTS, NULL, NULL);
}

static double
ask_all(const struct policy_image *image, const struct query *queries, unsigned long *ret_granted)
{
	unsigned long granted = 0;
	double start = now();

	for (size_t i = 0; i < QUERIES; i++) {
		const struct policy_request request = {queries[i].path, queries[i].length,
						       POLICY_READ, 20000, 0};
		struct policy_decision decision;

		/* A worker has both at hand: itself, and the message that it has just read. */
		for (size_t at = 0; at < sizeof(queries[0]); at += 64)
			__builtin_prefetch((const char *)&queries[(i + 4) % QUERIES] + at);
		policy_decide(image, &queries[i].identity, &request, &decision);
		granted += decision.verdict;
	}
	*ret_granted = granted;
	return (now() - start) / QUERIES;
}

/* What one look at memory costs that is as large as the image: a chain through all its lines. */
static double
memory_latency(size_t size)
{
	enum {
		LINE = 16,
		LOADS = 1 << 20,
	};
	uint32_t n = (uint32_t)(size / 64), *lines, *order, at = 0;
	double start;

	lines = calloc((size_t)n * LINE, sizeof(*lines));
	order = calloc(n, sizeof(*order));
	if (!lines || !order)
		err(1, "memory");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t other = draw(i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	for (uint32_t i = 0; i < n; i++)
		lines[(size_t)order[i] * LINE] = order[(i + 1) % n];
	start = now();
	for (uint32_t i = 0; i < LOADS; i++)
		at = lines[(size_t)at * LINE];
	start = (now() - start) / LOADS;
	free(order);
	free(lines);
	return at == UINT32_MAX ? 0 : start;
}

static double
bench_mixed(uint32_t rules)
{
	static struct query queries[QUERIES];
	double rounds[ROUNDS];
	unsigned long granted;
	struct text text;
	struct image image;

	memset(queries, 0, sizeof(queries));
	write_policy(&text, rules, queries);
	image = compile(&text);
	prepare(image.image, rules, queries);
	(void)ask_all(image.image, queries, &granted);
	for (size_t i = 0; i < ROUNDS; i++)
		rounds[i] = ask_all(image.image, queries, &granted);
	printf("%8u  %8.1f  %10.0f  %8.0f  %12.3f  %7.0f %%  %9.3f\n", rules,
	       (double)text.size / 1e6, image.ms, (double)image.size / rules,
	       median(rounds, ROUNDS) / 1000, 100.0 * (double)granted / QUERIES,
	       memory_latency(image.size) / 1000);
	fflush(stdout);
	release(&text, &image);
	return median(rounds, ROUNDS);
}

/* --- the worst --------------------------------------------------------------------------- */

static void
write_devices(struct text *text)
{
	for (int i = 0; i < 100000; i++)
		fprintf(text->out, "allow user:1 read /sys/devices/**/x%d/**/y%d\n", i, i);
}

static void
path_devices(char *path)
{
	strcpy(path, "/sys/devices");
	for (int i = 0; i < 61; i++)
		sprintf(path + strlen(path), "/x%d", i);
	strcat(path, "/y0");
}

/* Each way through two names, at any depth. */
static void
write_subsequences(struct text *text)
{
	for (int i = 0; i < 1 << 14; i++) {
		fprintf(text->out, "allow user:1 read ");
		for (int bit = 0; bit < 14; bit++)
			fprintf(text->out, "/**/%c", i >> bit & 1 ? 'a' : 'b');
		fputc('\n', text->out);
	}
}

static void
path_subsequences(char *path)
{
	*path = '\0';
	for (int i = 0; i < 32; i++)
		strcat(path, "/a/b");
}

static void
write_siblings(struct text *text)
{
	for (int i = 0; i < 100000; i++)
		fprintf(text->out, "allow user:1 read /d/*%d*%d*\n", i % 317, i);
}

static void
path_siblings(char *path)
{
	strcpy(path, "/d/");
	for (int i = 0; strlen(path) < 250; i++)
		sprintf(path + strlen(path), "%d", i * 7919 % 1000);
}

static void
write_stars(struct text *text)
{
	for (int i = 0; i < 1000; i++)
		fprintf(text->out, "allow user:1 read /**/*a*a*a*a*a*{a,aa,aaa}*a*[a-b]*x%d\n", i);
}

static void
path_long_names(char *path)
{
	char *at = path;

	for (int i = 0; i < 16; i++) {
		*at++ = '/';
		at = (char *)memset(at, 'a', 254) + 254;
	}
	*at = '\0';
}

static void
write_crowd(struct text *text)
{
	for (int i = 0; i < 100000; i++)
		fprintf(text->out, "allow group:%d read /srv/** except /srv/**/%d/**\n", i, i);
}

static void
path_crowd(char *path)
{
	*path = '\0';
	for (int i = 0; i < 20; i++)
		strcat(path, "/srv");
}

static void
write_excepts(struct text *text)
{
	for (int i = 0; i < 20000; i++)
		fprintf(text->out, "allow user:1 read /** except /**/a/**/b/**/c%d /**/[a-z]*\n",
			i);
}

static const struct {
	const char *name;
	void (*write)(struct text *text);
	void (*path)(char *path);
} worst[] = {
	{"/sys/devices/**/xN/**/yN", write_devices, path_devices},
	{"all of /**/a|b/**/a|b/...", write_subsequences, path_subsequences},
	{"/d/*N*M*, 100000 of them", write_siblings, path_siblings},
	{"/**/*a*a*a*{a,aa}*xN", write_stars, path_long_names},
	{"one tree for 100000 groups", write_crowd, path_crowd},
	{"20000 different excepts", write_excepts, path_subsequences},
};

static double
bench_worst(size_t which)
{
	enum {
		TIMES = 200,
	};
	static uint32_t ids[POLICY_SUBJECTS_MAX];
	static gid_t groups[POLICY_SUBJECTS_MAX - 2];
	const uid_t uid = 1;
	struct policy_peer peer = {.has_uid = true, .uid = uid, .groups = groups};
	struct policy_identity identity;
	struct policy_request request = {.verbs = POLICY_READ, .day = 20000};
	struct policy_decision decision;
	char path[POLICY_PATH_MAX + 1];
	double rounds[ROUNDS], start;
	struct text text;
	struct image image;
	size_t n;

	text_start(&text);
	worst[which].write(&text);
	image = compile(&text);
	worst[which].path(path);
	request.path = path;
	request.length = strlen(path);
	peer.n_groups = ELEMENTS(groups);
	for (size_t i = 0; i < ELEMENTS(groups); i++)
		groups[i] = (gid_t)(i * 97);
	if (policy_subjects(image.image, &peer, ids, ELEMENTS(ids), &n) < 0)
		errx(1, "too many subjects");
	policy_identity_init(&identity, ids, n, &uid, "user");
	for (size_t r = 0; r < ROUNDS; r++) {
		start = now();
		for (size_t i = 0; i < TIMES; i++)
			policy_decide(image.image, &identity, &request, &decision);
		rounds[r] = (now() - start) / TIMES;
	}
	printf("%-28s  %8.0f ms to compile  %8.1f us  %s\n", worst[which].name, image.ms,
	       median(rounds, ROUNDS) / 1000,
	       decision.exhausted                 ? "given up: denied"
	       : decision.verdict == POLICY_ALLOW ? "allowed"
						  : "denied");
	fflush(stdout);
	release(&text, &image);
	return median(rounds, ROUNDS);
}

int
main(int argc, char **argv)
{
	static const char *const defaults[] = {"1000", "10000", "100000", "1000000"};
	double first = 0, last = 0;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu() < 0 ? 0 : sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	printf("at most:           250 at 1e5        150    0.3 at 1e5\n"
	       "                  3000 at 1e6               0.7 at 1e6\n"
	       "   rules   text MB  compile ms  B a rule  us a decision   granted  us a miss\n");
	for (int i = 0; i < (argc > 1 ? argc - 1 : (int)ELEMENTS(defaults)); i++) {
		last = bench_mixed(
			(uint32_t)strtoul(argc > 1 ? argv[i + 1] : defaults[i], NULL, 0));
		if (i == 0)
			first = last;
	}
	printf("largest to smallest: %.1f times (at most 5)\n\n"
	       "worst policies and paths; at most 1000 ms to compile the first, 50 us a decision\n",
	       last / first);
	for (size_t i = 0; i < ELEMENTS(worst); i++)
		(void)bench_worst(i);
	return 0;
}
