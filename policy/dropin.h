/* SPDX-License-Identifier: MIT */
/*
 * Which files make up the policy: `*.policy` in a list of directories where a later directory
 * replaces a file of the same name and a link to /dev/null masks it.
 */
#pragma once

#include <stddef.h>

#include "diag.h"

/* Where the policy is, unless somebody says otherwise; a later one wins. */
#define POLICY_DIRECTORIES                                                                         \
	"/usr/lib/fdbroker/policy.d", "/run/fdbroker/policy.d", "/etc/fdbroker/policy.d"

struct policy_file {
	char *path; /* as messages show it, not escaped */
	int fd;     /* open for reading */
};

struct policy_files {
	struct policy_file *files; /* sorted by file name; what was added comes last */
	size_t n;
};

enum {
	POLICY_FILES_MAX = 512,
	POLICY_FILE_BYTES_MAX = 128 << 20, /* of one file, and of a set */
};

/* How strictly owners are taken: the daemon refuses what others could have written, tools warn. */
enum policy_trust {
	POLICY_TRUST_STRICT,
	POLICY_TRUST_WARN,
};

/*
 * Open the set. A directory that does not exist is no error. Files of other names, and those that
 * a later directory replaces or masks, are noted in diag. The directories themselves are held to the same owner and mode as the files: who may write
 * in one could take a deny away.
 *
 * -EBADMSG after errors that were reported to diag: then too *ret_files holds the files that could
 * be opened, so that what is wrong in them is found in the same run, and is for the caller to
 * close. -ENOMEM and others: *ret_files is untouched.
 */
int policy_files_open(const char *const *directories, size_t n, enum policy_trust trust,
		      struct policy_diag *diag, struct policy_files *ret_files);

/*
 * Add one file by its path (for `check FILE`), after those that are there; one that is there is
 * not added again. POLICY_TRUST_WARN follows links and takes pipes. -EBADMSG after an error that was reported; -ENOMEM.
 */
int policy_files_add(struct policy_files *files, const char *path, enum policy_trust trust,
		     struct policy_diag *diag);

/* Closes and frees all; files may be used again. */
void policy_files_close(struct policy_files *files);

/*
 * The whole text of a descriptor, from its beginning if it has one (malloc'ed, a NUL after it).
 * -EFBIG when there is more than max.
 */
int policy_file_read(int fd, size_t max, char **ret_text, size_t *ret_size);
