/* SPDX-License-Identifier: MIT */
/* `expect` lines: tests that a policy brings along. */
#pragma once

#include "ast.h"

/* Report each expectation that the image does not meet. 0 also after reports; -ENOMEM. */
int policy_expect(const struct policy_ast *ast, const struct policy_image *image,
		  struct policy_report *report);
