/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "rules.h"
#include "text.h"

static const char *const system_directories[] = {
	POLICY_DIRECTORIES,
};

struct sources {
	struct policy_files files;
	struct policy_source *list;
	size_t n; /* as many of list as were read */
};

static void
sources_clear(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		char *text = (char *)(uintptr_t)s->list[i].text;

		free(text);
	}
	free(s->list);
	policy_files_close(&s->files);
}

/* Errors that the policy's own code did not count. */
static void
add_error(struct policy_diag *diag, const char *path, int error)
{
	cli_error("%s: %s", path, strerror(error));
	diag->errors++;
}

/* Directories first, in their order, as the daemon takes them; then single files. */
static void
open_files(const char *const *paths, size_t n, struct policy_diag *diag, struct policy_files *files)
{
	_cleanup_free_ const char **directories = cli_resize(NULL, n, sizeof(char *));
	_cleanup_free_ const char **singles = cli_resize(NULL, n, sizeof(char *));
	size_t n_directories = 0, n_singles = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct stat st;

		if (stat(paths[i], &st) < 0)
			add_error(diag, paths[i], errno);
		else if (S_ISDIR(st.st_mode))
			directories[n_directories++] = paths[i];
		else
			singles[n_singles++] = paths[i];
	}
	if (n == 0)
		r = policy_files_open(system_directories,
				      sizeof(system_directories) / sizeof(char *),
				      POLICY_TRUST_WARN, diag, files);
	else
		r = policy_files_open(directories, n_directories, POLICY_TRUST_WARN, diag, files);
	if (r < 0 && r != -EBADMSG)
		add_error(diag, "policy", -r);
	for (size_t i = 0; i < n_singles; i++) {
		r = policy_files_add(files, singles[i], POLICY_TRUST_WARN, diag);
		if (r < 0 && r != -EBADMSG)
			add_error(diag, singles[i], -r);
	}
}

static void
read_files(struct sources *s, struct policy_diag *diag)
{
	s->list = cli_resize(NULL, s->files.n, sizeof(*s->list));
	for (size_t i = 0; i < s->files.n; i++) {
		const struct policy_file *file = &s->files.files[i];
		char *text = NULL;
		size_t size = 0;
		int r = policy_file_read(file->fd, POLICY_FILE_BYTES_MAX, &text, &size);

		if (r < 0)
			add_error(diag, file->path, -r);
		else
			s->list[s->n++] = (struct policy_source){file->path, text, size};
	}
}

static void
compile(struct sources *s, struct rules *rules)
{
	size_t size = 0;
	int r = policy_compile(s->list, s->n, 0, &rules->diag, &rules->bytes, &size);

	if (r < 0) {
		if (r != -EBADMSG)
			add_error(&rules->diag, "policy", -r);
		return;
	}
	r = policy_image_from_memory(rules->bytes, size, &rules->image);
	if (r < 0)
		add_error(&rules->diag, "compiled policy", -r);
}

bool
rules_would_compile(const char *rule)
{
	struct policy_diag diag = {0};
	_cleanup_free_ char *text = cli_format("policy 1\n%s\n", rule);
	struct policy_source source = {"", text, strlen(text)};
	_cleanup_free_ void *bytes = NULL;
	size_t size = 0;

	return policy_compile(&source, 1, 0, &diag, &bytes, &size) == 0;
}

int
rules_load(const char *const *paths, size_t n, struct rules *ret_rules)
{
	struct sources s = {0};

	*ret_rules = (struct rules){.diag.out = stderr};
	open_files(paths, n, &ret_rules->diag, &s.files);
	read_files(&s, &ret_rules->diag);
	ret_rules->n_files = s.files.n;
	compile(&s, ret_rules);
	sources_clear(&s);
	return ret_rules->image && ret_rules->diag.errors == 0 ? 0 : -EBADMSG;
}

void
rules_clear(struct rules *rules)
{
	rules->image = policy_image_free(rules->image);
	free(rules->bytes);
	rules->bytes = NULL;
}
