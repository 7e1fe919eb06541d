/* SPDX-License-Identifier: MIT */
/* From the tree of statements, without errors left in it, to an image. */
#pragma once

#include "ast.h"

/*
 * ret_order: for each rule of the image, its number in ast->rules (malloc'ed). -EFBIG when the
 * image would be too large; -ENOMEM.
 */
int policy_build(const struct policy_ast *ast, const struct policy_source *sources,
		 void **ret_bytes, size_t *ret_size, uint32_t **ret_order);
