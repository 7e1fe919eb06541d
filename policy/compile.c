/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ast.h"
#include "build.h"
#include "dropin.h"
#include "format.h"

static void
too_large(struct policy_report *report, const char *what)
{
	const struct policy_place place = {.line = 1, .text = ""};

	policy_report_add(report, POLICY_CODE_TOO_LARGE, &place, (struct policy_span){0}, what,
			  "fewer rules with wider patterns");
}

static int
count_reach(void *context, const struct policy_reach *reach)
{
	(void)context;
	(void)reach;
	return 0;
}

static void
report_prefixes(const struct policy_ast *ast, const struct policy_ast_rule *rule,
		struct policy_report *report)
{
	const struct policy_ast_conjunction *c = &ast->conjunctions.items[rule->who.first];
	struct policy_span who = ast->atoms.items[c->atoms.first].span;

	policy_report_add(report, POLICY_CODE_PREFIXES, &rule->place, who, NULL,
			  "name a directory and '*' or '**' instead of single files");
}

/* More places than a worker can hold are better found now than when the first peer connects. */
static int
check_reach(const struct policy_ast *ast, struct policy_report *report, const void *bytes,
	    size_t size)
{
	struct policy_image *image;
	int r = policy_image_from_memory(bytes, size, &image);

	if (r < 0)
		return r;
	for (uint32_t s = 0; s < image_count(image, SECTION_SUBJECTS); s++) {
		if (policy_reach(image, &s, 1, count_reach, NULL) != -E2BIG)
			continue;
		report_prefixes(
			ast,
			&ast->rules.items[image->subject_rules[image->subjects[s].allows.first]],
			report);
	}
	policy_image_free(image);
	return 0;
}

static unsigned long
errors(const struct policy_report *report)
{
	return report->by_severity[POLICY_ERROR].count;
}

static int
compile(struct policy_ast *ast, struct policy_report *report, const struct policy_source *sources,
	size_t n, void **ret_bytes, size_t *ret_size)
{
	_cleanup_free_ void *bytes = NULL;
	size_t size = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		size += sources[i].size;
		if (sources[i].size > POLICY_FILE_BYTES_MAX || size > POLICY_FILE_BYTES_MAX) {
			too_large(report, "more than 128 MiB of text");
			return -EBADMSG;
		}
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = policy_parse(ast, report, (uint32_t)i);
	if (r == 0)
		r = policy_resolve(ast, report);
	if (r == 0 && errors(report) > 0)
		return -EBADMSG;
	if (r == 0)
		r = policy_build(ast, sources, &bytes, &size);
	if (r == -EFBIG) {
		too_large(report, "more than 1 GiB of image");
		return -EBADMSG;
	}
	if (r == 0)
		r = check_reach(ast, report, bytes, size);
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
policy_compile(const struct policy_source *sources, size_t n, struct policy_diag *diag,
	       void **ret_bytes, size_t *ret_size)
{
	_cleanup_free_ struct policy_report *report = calloc(1, sizeof(*report));
	struct policy_ast ast = {0};
	int r;

	if (!report)
		return -ENOMEM;
	report->sources = sources;
	r = compile(&ast, report, sources, n, ret_bytes, ret_size);
	policy_report_flush(report, diag);
	policy_ast_free(&ast);
	return r;
}
