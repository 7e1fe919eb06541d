/* SPDX-License-Identifier: MIT */
/* Stands in for policy_rule_applies() until there is one: it looks at every entry. */
#include "match.h"

static bool
names(const struct policy_identity *identity, const struct image_entry *entries, uint32_t n,
      uint32_t rule)
{
	for (uint32_t i = 0; i < n; i++)
		if (entries[i].subject != IMAGE_NONE && entries[i].rule == rule &&
		    policy_identity_is(identity, entries[i].subject))
			return true;
	return false;
}

bool
policy_rule_applies(const struct policy_image *image, const struct policy_identity *identity,
		    uint32_t rule)
{
	for (uint64_t at = 0; at < image_count(image, SECTION_TREE);
	     at += image_node_size(image_node(image, (uint32_t)at))) {
		const struct image_node *node = image_node(image, (uint32_t)at);

		if (names(identity, image_denies(node), node->n_denies + node->n_allows, rule))
			return true;
	}
	return names(identity, image->entries, image_count(image, SECTION_ENTRIES), rule);
}
