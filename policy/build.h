/* SPDX-License-Identifier: MIT */
/* From the tree, without errors left in it, to an image. */
#pragma once

#include "ast.h"

/* -EFBIG when the image would be too large; -ENOMEM. */
int policy_build(const struct policy_ast *ast, const struct policy_source *sources,
		 void **ret_bytes, size_t *ret_size);
