/* SPDX-License-Identifier: MIT */
#include "dropin.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "util.h"

enum {
	ATTEMPTS = 5,
};

static const char suffix[] = ".policy";

/* A file name of the set: the last directory that has it, and what opening it gave. */
struct name {
	char *name;
	size_t directory;
	int fd; /* or negative errno */
	bool masked;
};

struct scan {
	const char *const *directories;
	size_t n_directories;
	enum policy_trust trust;
	struct policy_diag *diag;
	bool again; /* what is said once was said */
	int *fds;   /* of the directories, -1: not there */
	POLICY_VECTOR(struct name) names;
};

static enum policy_severity
trust_severity(enum policy_trust trust)
{
	return trust == POLICY_TRUST_STRICT ? POLICY_ERROR : POLICY_WARNING;
}

static void
cannot_open(struct policy_diag *diag, const char *path, int error)
{
	policy_diag_file(diag, POLICY_CODE_CANNOT_OPEN, POLICY_ERROR, path, strerror(error), NULL);
}

static void
scan_reset(struct scan *s)
{
	for (size_t i = 0; i < s->n_directories; i++) {
		if (s->fds[i] >= 0)
			close(s->fds[i]);
		s->fds[i] = -1;
	}
	for (size_t i = 0; i < s->names.n; i++) {
		if (s->names.items[i].fd >= 0)
			close(s->names.items[i].fd);
		free(s->names.items[i].name);
	}
	s->names.n = 0;
}

static void
scan_free(struct scan *s)
{
	if (s->fds)
		scan_reset(s);
	free(s->fds);
	policy_vector_free(&s->names);
}

/* Who may write this? It was opened: nobody can exchange it after this look. */
static bool
check_owner(int fd, const char *path, enum policy_trust trust, struct policy_diag *diag,
	    struct stat *ret_st)
{
	bool good = true;
	char text[16];

	if (fstat(fd, ret_st) < 0) {
		cannot_open(diag, path, errno);
		return false;
	}
	if (ret_st->st_uid != 0 && ret_st->st_uid != geteuid()) {
		snprintf(text, sizeof(text), "%u", ret_st->st_uid);
		policy_diag_file(diag, POLICY_CODE_OWNER, trust_severity(trust), path, text,
				 "chown root");
		good = false;
	}
	if (ret_st->st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(text, sizeof(text), "%04o", ret_st->st_mode & 07777);
		policy_diag_file(diag, POLICY_CODE_WRITABLE, trust_severity(trust), path, text,
				 "chmod go-w");
		good = false;
	}
	return good || trust == POLICY_TRUST_WARN;
}

static void
note_other_name(struct scan *s, size_t directory, const char *name, const char *why)
{
	_cleanup_free_ char *path = NULL;

	if (s->again)
		return;
	if (asprintf(&path, "%s/%s", s->directories[directory], name) < 0)
		path = NULL;
	policy_diag_file(s->diag, POLICY_CODE_OTHER_NAME, POLICY_NOTE, path ? path : name, why,
			 NULL);
}

static int
add_name(struct scan *s, size_t directory, const char *name)
{
	size_t length = strlen(name);
	char *copy;
	int r;

	if (length < sizeof(suffix) || strcmp(name + length - (sizeof(suffix) - 1), suffix) != 0) {
		note_other_name(s, directory, name, "the name does not end in '.policy'");
		return 0;
	}
	if (name[0] == '.') {
		note_other_name(s, directory, name, "the name begins with a dot");
		return 0;
	}
	for (size_t i = 0; i < s->names.n; i++) {
		if (strcmp(s->names.items[i].name, name) != 0)
			continue;
		s->names.items[i].directory = directory;
		return 0;
	}
	if (s->names.n == POLICY_FILES_MAX)
		return -E2BIG;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	r = policy_vector_push(&s->names, (struct name){copy, directory, -ENOENT, false});
	if (r < 0)
		free(copy);
	return r;
}

static int
list_directory(struct scan *s, size_t directory)
{
	const char *path = s->directories[directory];
	struct dirent *entry;
	DIR *stream;
	int copy, r = 0;

	s->fds[directory] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fds[directory] < 0)
		return errno == ENOENT ? 0 : -errno;
	copy = fcntl(s->fds[directory], F_DUPFD_CLOEXEC, 3);
	stream = copy < 0 ? NULL : fdopendir(copy);
	if (!stream) {
		r = -errno;
		if (copy >= 0)
			close(copy);
		return r;
	}
	for (;;) {
		errno = 0;
		entry = readdir(stream);
		if (!entry) {
			r = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = add_name(s, directory, entry->d_name);
		if (r < 0)
			break;
	}
	closedir(stream);
	return r;
}

static int
compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
too_many_files(struct policy_diag *diag, const char *path)
{
	char limit[16];

	snprintf(limit, sizeof(limit), "%d", POLICY_FILES_MAX);
	policy_diag_file(diag, POLICY_CODE_TOO_MANY_FILES, POLICY_ERROR, path, limit, NULL);
}

/* What there is, by name. -EBADMSG: reported. */
static int
list_all(struct scan *s)
{
	int r;

	for (size_t d = 0; d < s->n_directories; d++) {
		r = list_directory(s, d);
		if (r == -ENOMEM)
			return r;
		if (r == -E2BIG) {
			too_many_files(s->diag, s->directories[d]);
			return -EBADMSG;
		}
		if (r < 0) {
			cannot_open(s->diag, s->directories[d], -r);
			return -EBADMSG;
		}
	}
	if (s->names.n > 0)
		qsort(s->names.items, s->names.n, sizeof(struct name), compare_names);
	return 0;
}

/* False: a file that was listed is gone. Without it the rest may mean more than it should. */
static bool
open_all(struct scan *s)
{
	for (size_t i = 0; i < s->names.n; i++) {
		struct name *name = &s->names.items[i];
		int directory = s->fds[name->directory];
		char link[16];
		ssize_t length;

		/* Non-blocking: a FIFO must not stop this. */
		name->fd = openat(directory, name->name,
				  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (name->fd < 0)
			name->fd = -errno;
		if (name->fd == -ELOOP) {
			length = readlinkat(directory, name->name, link, sizeof(link));
			name->masked = length == 9 && memcmp(link, "/dev/null", 9) == 0;
		}
		if (name->fd == -ENOENT)
			return false;
	}
	return true;
}

/* A file that a later directory replaces is there to be seen, and not read: that is said. */
static void
note_replaced(struct scan *s, const struct name *name, size_t directory, const char *by)
{
	_cleanup_free_ char *path = NULL, *why = NULL;
	struct stat here, there;

	if (s->fds[directory] < 0 ||
	    fstatat(s->fds[directory], name->name, &here, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	/* A directory that is named twice replaces nothing. */
	if (fstatat(s->fds[name->directory], name->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return;
	if (asprintf(&path, "%s/%s", s->directories[directory], name->name) < 0)
		path = NULL;
	if (asprintf(&why, "%s %s it", by, name->masked ? "masks" : "replaces") < 0)
		why = NULL;
	policy_diag_file(s->diag, POLICY_CODE_REPLACED, POLICY_NOTE, path ? path : name->name,
			 why ? why : by, NULL);
}

/* One file of the set: into files if it is good. False: reported, or -ENOMEM in *r. */
static bool
take_file(struct scan *s, struct name *name, struct policy_files *files, int *r)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s", s->directories[name->directory], name->name) < 0) {
		path = NULL;
		*r = -ENOMEM;
		return false;
	}
	for (size_t d = 0; d < name->directory; d++)
		note_replaced(s, name, d, path);
	if (name->masked)
		return true;
	if (name->fd == -ELOOP) {
		policy_diag_file(s->diag, POLICY_CODE_LINK, POLICY_ERROR, path, NULL,
				 "copy the file here; a link to /dev/null masks a file");
		return false;
	}
	if (name->fd < 0) {
		cannot_open(s->diag, path, -name->fd);
		return false;
	}
	if (!check_owner(name->fd, path, s->trust, s->diag, &st))
		return false;
	if (!S_ISREG(st.st_mode)) {
		policy_diag_file(s->diag, POLICY_CODE_NOT_REGULAR, POLICY_ERROR, path, NULL, NULL);
		return false;
	}
	files->files[files->n++] = (struct policy_file){path, name->fd};
	path = NULL;
	name->fd = -EBADF;
	return true;
}

static int
take_all(struct scan *s, struct policy_files *ret_files)
{
	struct policy_files files = {.files = calloc(s->names.n + 1, sizeof(*files.files))};
	struct stat st;
	bool good = true;
	int r = 0;

	if (!files.files)
		return -ENOMEM;
	for (size_t d = 0; d < s->n_directories; d++)
		if (s->fds[d] >= 0 &&
		    !check_owner(s->fds[d], s->directories[d], s->trust, s->diag, &st))
			good = false;
	for (size_t i = 0; i < s->names.n && r == 0; i++)
		if (!take_file(s, &s->names.items[i], &files, &r))
			good = false;
	if (r < 0) {
		policy_files_close(&files);
		return r;
	}
	*ret_files = files;
	return good ? 0 : -EBADMSG;
}

int
policy_files_open(const char *const *directories, size_t n, enum policy_trust trust,
		  struct policy_diag *diag, struct policy_files *ret_files)
{
	_cleanup_(scan_free) struct scan s = {
		.directories = directories,
		.n_directories = n,
		.trust = trust,
		.diag = diag,
		.fds = malloc((n + 1) * sizeof(int)),
	};
	int r, listed = -EBADMSG;

	if (!s.fds)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		s.fds[i] = -1;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		listed = list_all(&s);
		if (listed == -ENOMEM)
			return listed;
		/* After an error what was listed is opened too, for its own errors. */
		if (open_all(&s) || listed < 0)
			break;
		scan_reset(&s);
		s.again = true;
		listed = -EAGAIN;
	}
	if (listed == -EAGAIN) {
		policy_diag_file(diag, POLICY_CODE_UNSTABLE, POLICY_ERROR,
				 n > 0 ? directories[n - 1] : "", NULL, "try again");
		listed = -EBADMSG;
	}
	r = take_all(&s, ret_files);
	return r < 0 ? r : listed;
}

/* By another path, perhaps. */
static bool
is_there(const struct policy_files *files, const struct stat *st)
{
	struct stat other;

	for (size_t i = 0; i < files->n; i++)
		if (fstat(files->files[i].fd, &other) == 0 && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return true;
	return false;
}

/* Into the set, or closed. */
static int
add_file(struct policy_files *files, const char *path, int fd)
{
	struct policy_file *grown = reallocarray(files->files, files->n + 1, sizeof(*grown));

	if (grown)
		files->files = grown;
	if (!grown || !(grown[files->n].path = strdup(path))) {
		close(fd);
		return -ENOMEM;
	}
	grown[files->n++].fd = fd;
	return 0;
}

int
policy_files_add(struct policy_files *files, const char *path, enum policy_trust trust,
		 struct policy_diag *diag)
{
	bool strict = trust == POLICY_TRUST_STRICT;
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC | (strict ? O_NOFOLLOW | O_NONBLOCK : 0));
	if (fd < 0) {
		if (strict && errno == ELOOP)
			policy_diag_file(diag, POLICY_CODE_LINK, POLICY_ERROR, path, NULL, NULL);
		else
			cannot_open(diag, path, errno);
		return -EBADMSG;
	}
	if (!check_owner(fd, path, trust, diag, &st)) {
		close(fd);
		return -EBADMSG;
	}
	if (strict ? !S_ISREG(st.st_mode) : S_ISDIR(st.st_mode)) {
		policy_diag_file(diag, POLICY_CODE_NOT_REGULAR, POLICY_ERROR, path, NULL, NULL);
		close(fd);
		return -EBADMSG;
	}
	if (is_there(files, &st)) {
		close(fd);
		return 0;
	}
	if (files->n >= POLICY_FILES_MAX) {
		too_many_files(diag, path);
		close(fd);
		return -EBADMSG;
	}
	return add_file(files, path, fd);
}

void
policy_files_close(struct policy_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->files[i].path);
		if (files->files[i].fd >= 0)
			close(files->files[i].fd);
	}
	free(files->files);
	*files = (struct policy_files){0};
}

int
policy_file_read(int fd, size_t max, char **ret_text, size_t *ret_size)
{
	POLICY_VECTOR(char) text = {0};
	struct stat status;
	int r = 0;

	/* What is too long by its own word is not read up to there first. */
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size > max)
		return -EFBIG;
	/* A pipe has no beginning to go back to. */
	(void)lseek(fd, 0, SEEK_SET);
	for (;;) {
		ssize_t got;

		r = policy_vector_reserve(&text, 65536);
		if (r < 0)
			break;
		got = read(fd, text.items + text.n, text.room - text.n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			r = -errno;
		if (got <= 0)
			break;
		text.n += (size_t)got;
		if (text.n > max) {
			r = -EFBIG;
			break;
		}
	}
	if (r < 0) {
		policy_vector_free(&text);
		return r;
	}
	text.items[text.n] = '\0';
	*ret_text = text.items;
	*ret_size = text.n;
	return 0;
}
