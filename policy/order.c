/* SPDX-License-Identifier: MIT */
#include "order.h"

#include <string.h>

#include "intern.h"

void
policy_rule_order_free(struct rule_order *order)
{
	policy_vector_free(&order->options);
	free(order->rank);
	free(order->order);
}

static unsigned
generosity(const struct policy_options *o)
{
	unsigned types = (unsigned)__builtin_popcount(o->types);

	return (unsigned)o->exec << 12 | (unsigned)o->symlinks_beneath << 11 |
	       (unsigned)o->strict << 9 | (unsigned)(o->owner == POLICY_OWNER_ANY) << 8 |
	       types << 4 | (unsigned)__builtin_popcount(o->mode);
}

/* What one rule grants is not to be lost because another one, which grants less, came first. */
static int
compare_options(const void *a, const void *b)
{
	const struct image_options *x = a, *y = b;
	unsigned more = generosity(&x->options), other = generosity(&y->options);

	if (more != other)
		return more > other ? -1 : 1;
	if (x->options.until != y->options.until)
		return x->options.until > y->options.until ? -1 : 1;
	return memcmp(&x->options, &y->options, sizeof(x->options));
}

/* Each once and sorted; keys numbers them as they came, ret_ranks[that number] as they are now. */
static int
sort_options(const struct policy_ast *ast, struct rule_order *order, struct policy_intern *keys,
	     uint32_t **ret_ranks)
{
	uint32_t id = 0, *ranks;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ast->rules.n; i++) {
		struct image_options add = {.options = ast->rules.items[i].options};

		r = policy_intern(keys, &add.options, sizeof(add.options), &id);
		order->rank[i] = id;
		if (r == 0 && id == order->options.n)
			r = policy_vector_push(&order->options, add);
	}
	if (r < 0)
		return r;
	if (order->options.n > 1)
		qsort(order->options.items, order->options.n, sizeof(order->options.items[0]),
		      compare_options);
	ranks = calloc(order->options.n + 1, sizeof(*ranks));
	if (!ranks)
		return -ENOMEM;
	for (uint32_t i = 0; i < order->options.n; i++)
		if (policy_intern_find(keys, &order->options.items[i].options,
				       sizeof(struct policy_options), &id) == 0)
			ranks[id] = i;
	*ret_ranks = ranks;
	return 0;
}

/* Two buckets for each of the options, those of denies first; count, lay out, fill. */
static int
sort_rules(const struct policy_ast *ast, struct rule_order *order)
{
	size_t n = ast->rules.n, n_options = order->options.n;
	_cleanup_free_ uint32_t *at = calloc(2 * n_options + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			bool allows = ast->rules.items[i].verdict == POLICY_ALLOW;
			size_t bucket = order->rank[i] + (allows ? n_options : 0);

			if (pass == 1)
				order->order[at[bucket]++] = (uint32_t)i;
			else
				at[bucket + 1]++;
			order->denies += pass == 0 && !allows;
		}
		for (size_t i = 0; pass == 0 && i < 2 * n_options; i++)
			at[i + 1] += at[i];
	}
	/* Now at[i] is the end of bucket i. */
	for (size_t i = 0; i < n_options; i++)
		order->options.items[i].end = at[n_options + i];
	return 0;
}

int
policy_rule_order(const struct policy_ast *ast, struct rule_order *ret_order)
{
	_cleanup_free_ uint32_t *ranks = NULL;
	struct policy_intern keys = {0};
	int r;

	*ret_order = (struct rule_order){
		.rank = calloc(ast->rules.n + 1, sizeof(uint32_t)),
		.order = calloc(ast->rules.n + 1, sizeof(uint32_t)),
	};
	r = ret_order->rank && ret_order->order ? 0 : -ENOMEM;
	if (r == 0)
		r = sort_options(ast, ret_order, &keys, &ranks);
	policy_intern_free(&keys);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ast->rules.n; i++)
		ret_order->rank[i] = ranks[ret_order->rank[i]];
	return sort_rules(ast, ret_order);
}
