/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ast.h"
#include "build.h"
#include "dropin.h"
#include "expected.h"
#include "match.h"
#include "reach.h"
#include "review.h"

static void
too_large(struct policy_report *report, const char *what)
{
	const struct policy_place place = {.line = 1, .text = ""};

	policy_report_add(report, POLICY_CODE_TOO_LARGE, &place, (struct policy_span){0}, what,
			  "fewer rules with wider patterns");
}

static void
report_prefixes(const struct policy_ast_rule *rule, struct policy_report *report)
{
	policy_report_add(report, POLICY_CODE_PREFIXES, &rule->place, rule->who_span, NULL,
			  "name a directory and '*' or '**' instead of single files");
}

/* How many prefixes a subject has. */
struct count {
	uint32_t prefixes;
	uint32_t last; /* number of the last of them */
	uint32_t rule; /* that it came from, in the tree of statements */
};

struct counts {
	const struct policy_image *image;
	const struct policy_ast *ast;
	struct policy_report *report;
	uint32_t *order;
	struct count *subjects;
	uint32_t crowd; /* the last prefix that was reported to be crowded */
};

enum {
	/* More would leave too few steps for the rest of a decision. */
	CROWD_MAX = POLICY_STEPS_MAX / 4,
};

/* Each wildcard that stands where another one stands may have to be looked at. */
static void
check_crowd(struct counts *counts, const struct policy_prefix *prefix, uint32_t rule)
{
	const struct policy_ast_rule *r = &counts->ast->rules.items[rule];

	if (prefix->siblings <= CROWD_MAX || counts->crowd == prefix->number)
		return;
	counts->crowd = prefix->number;
	policy_report_add(counts->report, POLICY_CODE_CROWDED, &r->place, r->who_span,
			  prefix->directory,
			  "more than %d different wildcards stand in the same place below it: use "
			  "fewer, or put a directory without wildcards before them",
			  CROWD_MAX);
}

static int
count_prefix(void *context, const struct policy_prefix *prefix, const struct image_entry *entry)
{
	struct counts *counts = context;
	struct count *count = &counts->subjects[entry->subject];

	check_crowd(counts, prefix, counts->order[entry->rule]);
	if (image_verdict(counts->image, entry->rule) == POLICY_DENY)
		return 0;
	if (count->prefixes > 0 && count->last == prefix->number)
		return 0;
	count->prefixes++;
	count->last = prefix->number;
	if (count->prefixes == 1 || counts->order[entry->rule] < count->rule)
		count->rule = counts->order[entry->rule];
	return 0;
}

/* At the first rule that says this of who. */
static void
report_units(const struct policy_ast *ast, struct policy_report *report,
	     const struct policy_image *image, const uint32_t *order,
	     const struct image_conjunction *c, bool all)
{
	uint32_t first = UINT32_MAX;
	char what[64];

	for (uint32_t i = 0; i < image_count(image, SECTION_RULES); i++)
		if (image->rules[i].subject == c->subject && order[i] < first)
			first = order[i];
	if (first >= ast->rules.n)
		return;
	snprintf(what, sizeof(what), "%s:%u", policy_atom_name((enum policy_atom_kind)c->kind),
		 c->key);
	policy_report_add(report, POLICY_CODE_UNITS, &ast->rules.items[first].place,
			  ast->rules.items[first].who_span, all ? "all users and groups" : what,
			  "%d are possible: use '*' in their names, or leave units out",
			  all ? IMAGE_UNITS_ALL_MAX : IMAGE_UNITS_MAX);
}

/* What the broker looks at while a peer waits. */
static void
check_units(const struct policy_ast *ast, struct policy_report *report,
	    const struct policy_image *image, const uint32_t *order)
{
	uint64_t found = 0, all = 0;

	for (uint32_t i = 0; i < image_count(image, SECTION_CONJUNCTIONS); i++) {
		const struct image_conjunction *c = &image->conjunctions[i];
		uint32_t units = image_units(image, c);

		if (i > 0 && (c->kind != c[-1].kind || c->key != c[-1].key))
			found = 0;
		if (found <= IMAGE_UNITS_MAX && found + units > IMAGE_UNITS_MAX)
			report_units(ast, report, image, order, c, false);
		if (all <= IMAGE_UNITS_ALL_MAX && all + units > IMAGE_UNITS_ALL_MAX)
			report_units(ast, report, image, order, c, true);
		found += units;
		all += units;
	}
}

/* More places than a worker can hold are better found now than when the first peer connects. */
static int
check_reach(const struct policy_ast *ast, struct policy_report *report,
	    const struct policy_image *image, uint32_t *order)
{
	uint32_t n = image_count(image, SECTION_SUBJECTS);
	struct counts counts = {
		.image = image,
		.order = order,
		.subjects = calloc((size_t)n + 1, sizeof(struct count)),
		.crowd = IMAGE_NONE,
		.ast = ast,
		.report = report,
	};
	int r = -ENOMEM;

	if (counts.subjects)
		r = policy_each_prefix(image, NULL, count_prefix, &counts);
	for (uint32_t s = 0; r == 0 && s < n; s++)
		if (counts.subjects[s].prefixes > POLICY_PREFIXES_MAX)
			report_prefixes(&ast->rules.items[counts.subjects[s].rule], report);
	free(counts.subjects);
	return r;
}

/* What the review asks: which rules say something of a path? */
struct finder {
	const struct policy_image *image;
	const uint32_t *order;
	policy_candidate_fn *fn;
	void *context;
};

static bool
found(void *context, uint32_t rule)
{
	const struct finder *f = context;

	return f->fn(f->context, f->order[rule]);
}

static bool
find_rules(const void *index, enum policy_verdict verdict, const char *path, size_t length,
	   policy_candidate_fn *fn, void *context)
{
	struct finder f = *(const struct finder *)index;

	f.fn = fn;
	f.context = context;
	return policy_each_match(f.image, path, length, verdict, found, &f);
}

/* What can only be said of the policy as a whole, once there is an image of it. */
static int
check_image(const struct policy_ast *ast, struct policy_report *report, unsigned flags,
	    const void *bytes, size_t size, uint32_t *order)
{
	struct finder index = {.order = order};
	struct policy_image *image;
	int r = policy_image_attach(bytes, size, &image);

	if (r < 0)
		return r;
	index.image = image;
	check_units(ast, report, image, order);
	r = check_reach(ast, report, image, order);
	if (r == 0)
		r = policy_expect(ast, image, report);
	if (r == 0)
		r = policy_review(ast, report, flags, find_rules, &index);
	policy_image_free(image);
	return r;
}

static unsigned long
errors(const struct policy_report *report)
{
	return report->by_severity[POLICY_ERROR].count;
}

static int
compile(struct policy_ast *ast, struct policy_report *report, const struct policy_source *sources,
	size_t n, unsigned flags, void **ret_bytes, size_t *ret_size)
{
	_cleanup_free_ void *bytes = NULL;
	_cleanup_free_ uint32_t *order = NULL;
	size_t size = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (sources[i].kind == POLICY_SOURCE_SUBUIDS)
			continue;
		size += sources[i].size;
		if (sources[i].size > POLICY_FILE_BYTES_MAX || size > POLICY_FILE_BYTES_MAX) {
			too_large(report, "more than 128 MiB of text");
			return -EBADMSG;
		}
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = sources[i].kind == POLICY_SOURCE_SUBUIDS
			    ? policy_parse_subuids(ast, report, (uint32_t)i)
			    : policy_parse(ast, report, (uint32_t)i);
	if (r == 0)
		r = policy_resolve(ast, report);
	if (r == 0 && errors(report) > 0)
		return -EBADMSG;
	if (r == 0)
		r = policy_build(ast, sources, &bytes, &size, &order);
	if (r == -EFBIG) {
		too_large(report, "more than 512 MiB of image");
		return -EBADMSG;
	}
	if (r == 0)
		r = check_image(ast, report, flags, bytes, size, order);
	if (r < 0)
		return r;
	if (errors(report) > 0)
		return -EBADMSG;
	*ret_bytes = bytes;
	*ret_size = size;
	bytes = NULL;
	return 0;
}

int
policy_compile(const struct policy_source *sources, size_t n, unsigned flags,
	       struct policy_diag *diag, void **ret_bytes, size_t *ret_size)
{
	_cleanup_free_ struct policy_report *report = calloc(1, sizeof(*report));
	struct policy_ast ast = {0};
	int r;

	if (!report)
		return -ENOMEM;
	report->sources = sources;
	r = compile(&ast, report, sources, n, flags, ret_bytes, ret_size);
	policy_report_flush(report, diag);
	policy_ast_free(&ast);
	return r;
}
