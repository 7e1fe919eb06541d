/* SPDX-License-Identifier: MIT */
/* Do the literal beginnings of patterns name directories that are there? */
#pragma once

#include "rules.h"

/*
 * Report to rules->diag where a pattern begins with a path that holds a symbolic link, which the
 * broker does not follow, or with a directory that does not exist. A link is an error for root, who
 * sees all that the broker sees, and a warning for others.
 */
void prefixes_check(struct rules *rules);
