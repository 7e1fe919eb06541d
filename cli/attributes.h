/* SPDX-License-Identifier: MIT */
/* What struct stat and struct statx say of a file, in words. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

/* "regular file", by the type bits of mode. */
const char *attributes_kind(mode_t mode);

/* "-rw-r--r--"; malloc'ed. */
char *attributes_mode(mode_t mode);
char attributes_letter(mode_t mode);

/* The name in the system's database; NULL: it has none. Valid until the next call of the same one. */
const char *attributes_user(uid_t uid);
const char *attributes_group(gid_t gid);
