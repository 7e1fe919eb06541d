/* SPDX-License-Identifier: MIT */
/* Which files are the policy. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy-test.h"
#include "policy/dropin.h"

static char base[64], usr[80], run[80], etc[80], missing[80];
static const char *const directories[] = {usr, run, missing, etc};

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
	(void)st;
	(void)flag;
	(void)walk;
	return remove(path);
}

static int
setup(void **state)
{
	(void)state;
	umask(022);
	strcpy(base, "/tmp/fdbroker-dropin-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(usr, sizeof(usr), "%s/usr", base);
	snprintf(run, sizeof(run), "%s/run", base);
	snprintf(etc, sizeof(etc), "%s/etc", base);
	snprintf(missing, sizeof(missing), "%s/missing", base);
	return mkdir(usr, 0755) || mkdir(run, 0755) || mkdir(etc, 0755);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *
in(const char *directory, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void
put(const char *directory, const char *name)
{
	const char *path = in(directory, name);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	fputs(path, out);
	fclose(out);
}

static struct policy_files files;
static struct policy_diag diag;
static char *messages;

static int
open_set(enum policy_trust trust)
{
	size_t size;
	int r;

	free(messages);
	policy_files_close(&files);
	diag = (struct policy_diag){.out = open_memstream(&messages, &size)};
	r = policy_files_open(directories, ELEMENTS(directories), trust, &diag, &files);
	fclose(diag.out);
	diag.out = NULL;
	return r;
}

/* The files, without the base directory: "/usr/a.policy /etc/b.policy". Each holds its own path. */
static void
assert_set(const char *expected)
{
	char all[2048] = "";

	for (size_t i = 0; i < files.n; i++) {
		char *text;
		size_t size;

		assert_int_equal(policy_file_read(files.files[i].fd, 4096, &text, &size), 0);
		assert_string_equal(text, files.files[i].path);
		assert_true(fcntl(files.files[i].fd, F_GETFD) & FD_CLOEXEC);
		free(text);
		strcat(all, *all ? " " : "");
		strcat(all, files.files[i].path + strlen(base));
	}
	assert_string_equal(all, expected);
}

/* The messages, with the base directory cut out. */
static void
assert_messages(const char *expected)
{
	char all[4096], *at;

	snprintf(all, sizeof(all), "%s", messages);
	while ((at = strstr(all, base)) != NULL)
		memmove(at, at + strlen(base), strlen(at + strlen(base)) + 1);
	assert_string_equal(all, expected);
}

static void
test_nothing(void **state)
{
	(void)state;
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_set("");
	assert_messages("");
}

static void
test_sorted_and_replaced(void **state)
{
	(void)state;
	put(usr, "50-b.policy");
	put(usr, "10-a.policy");
	put(usr, "90-c.policy");
	put(etc, "50-b.policy");
	put(run, "50-b.policy");
	put(run, "90-c.policy");
	put(etc, "20-z.policy");
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_set("/usr/10-a.policy /etc/20-z.policy /etc/50-b.policy /run/90-c.policy");
	assert_int_equal(diag.notes, 3);
	assert_messages("/usr/50-b.policy: note[P082]: not read: /etc/50-b.policy replaces it\n"
			"/run/50-b.policy: note[P082]: not read: /etc/50-b.policy replaces it\n"
			"/usr/90-c.policy: note[P082]: not read: /run/90-c.policy replaces it\n");
}

static void
test_masked(void **state)
{
	(void)state;
	put(usr, "a.policy");
	put(usr, "b.policy");
	put(usr, "c.policy");
	assert_int_equal(symlink("/dev/null", in(etc, "a.policy")), 0);
	assert_int_equal(symlink("/dev/null", in(run, "b.policy")), 0);
	put(etc, "b.policy");
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_set("/etc/b.policy /usr/c.policy");
	assert_messages("/usr/a.policy: note[P082]: not read: /etc/a.policy masks it\n"
			"/usr/b.policy: note[P082]: not read: /etc/b.policy replaces it\n"
			"/run/b.policy: note[P082]: not read: /etc/b.policy replaces it\n");
}

/* A directory that is named twice replaces nothing. */
static void
test_directory_twice(void **state)
{
	const char *const twice[] = {usr, usr};
	size_t size;

	(void)state;
	put(usr, "a.policy");
	free(messages);
	policy_files_close(&files);
	diag = (struct policy_diag){.out = open_memstream(&messages, &size)};
	assert_int_equal(policy_files_open(twice, 2, POLICY_TRUST_STRICT, &diag, &files), 0);
	fclose(diag.out);
	assert_set("/usr/a.policy");
	assert_messages("");
}

static void
test_links(void **state)
{
	(void)state;
	put(usr, "a.policy");
	put(usr, "good.policy");
	assert_int_equal(symlink("good.policy", in(usr, "b.policy")), 0);
	assert_int_equal(symlink("/nowhere", in(etc, "a.policy")), 0);
	assert_int_equal(symlink("/dev/nullx", in(etc, "c.policy")), 0);
	assert_int_equal(symlink("/dev/nul", in(etc, "d.policy")), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_set("/usr/good.policy");
	assert_int_equal(diag.errors, 4);
	assert_messages("/usr/a.policy: note[P082]: not read: /etc/a.policy replaces it\n"
			"/etc/a.policy: error[P043]: a symbolic link, and not to /dev/null\n"
			"      = help: copy the file here; a link to /dev/null masks a file\n"
			"/usr/b.policy: error[P043]: a symbolic link, and not to /dev/null\n"
			"      = help: copy the file here; a link to /dev/null masks a file\n"
			"/etc/c.policy: error[P043]: a symbolic link, and not to /dev/null\n"
			"      = help: copy the file here; a link to /dev/null masks a file\n"
			"/etc/d.policy: error[P043]: a symbolic link, and not to /dev/null\n"
			"      = help: copy the file here; a link to /dev/null masks a file\n");
	/* A tool is not told otherwise. */
	assert_int_equal(open_set(POLICY_TRUST_WARN), -EBADMSG);
}

static void
test_other_names(void **state)
{
	(void)state;
	put(usr, "a.policy");
	put(usr, "b.policy~");
	put(etc, ".b.policy");
	put(etc, ".policy");
	put(run, "x\x1b[2J\n.conf");
	assert_int_equal(mkdir(in(etc, "directory"), 0755), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_set("/usr/a.policy");
	assert_int_equal(diag.notes, 5);
	assert_int_equal(diag.errors, 0);
	assert_non_null(strstr(messages, "/usr/b.policy~: note[P045]: not read: the name does not "
					 "end in '.policy'\n"));
	assert_non_null(strstr(messages, "/etc/.b.policy: note[P045]: not read: "
					 "the name begins with a dot\n"));
	assert_non_null(strstr(messages, "/etc/.policy: note[P045]: not read: "));
	assert_non_null(strstr(messages, "/etc/directory: note[P045]: not read: "));
	assert_non_null(strstr(messages, "/run/x\\x1b[2J\\x0a.conf: note[P045]: not read: "));
	assert_null(strchr(messages, '\x1b'));
}

static void
test_odd_good_names(void **state)
{
	(void)state;
	put(usr, "a b.policy");
	put(usr, "-.policy");
	put(usr, "\xff\n.policy");
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_set("/usr/-.policy /usr/a b.policy /usr/\xff\n.policy");
}

static void
test_owner_and_mode(void **state)
{
	(void)state;
	put(usr, "a.policy");
	put(usr, "b.policy");
	put(usr, "c.policy");
	put(usr, "d.policy");
	assert_int_equal(chmod(in(usr, "b.policy"), 0664), 0);
	assert_int_equal(chmod(in(usr, "c.policy"), 0602), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_set("/usr/a.policy /usr/d.policy");
	assert_messages("/usr/b.policy: error[P042]: group or others may write to it (mode 0664)\n"
			"      = help: chmod go-w\n"
			"/usr/c.policy: error[P042]: group or others may write to it (mode 0602)\n"
			"      = help: chmod go-w\n");
	assert_int_equal(open_set(POLICY_TRUST_WARN), 0);
	assert_set("/usr/a.policy /usr/b.policy /usr/c.policy /usr/d.policy");
	assert_int_equal(diag.warnings, 2);
	assert_int_equal(diag.errors, 0);
	/* Who may write in the directory may take a deny away. */
	assert_int_equal(chmod(run, 01777), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_int_equal(diag.errors, 3);
	assert_non_null(strstr(messages, "/run: error[P042]: "
					 "group or others may write to it (mode 1777)\n"));
}

static void
test_owner(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("# not root: nothing tested\n");
		return;
	}
	assert_int_equal(chmod(base, 0755), 0);
	put(usr, "a.policy");
	put(usr, "b.policy");
	assert_int_equal(chown(in(usr, "a.policy"), 4711, 0), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_set("/usr/b.policy");
	assert_messages(
		"/usr/a.policy: error[P041]: owned by uid 4711, who is neither root nor the "
		"user of this process\n"
		"      = help: chown root\n");
	assert_int_equal(open_set(POLICY_TRUST_WARN), 0);
	assert_set("/usr/a.policy /usr/b.policy");
	/* The user that the process runs as is trusted by it. */
	assert_int_equal(seteuid(4711), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_int_equal(seteuid(0), 0);
	assert_set("/usr/a.policy /usr/b.policy");
	assert_int_equal(chown(etc, 4711, 0), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_int_equal(diag.errors, 2);
}

static void
test_unreadable(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("# not root: nothing tested\n");
		return;
	}
	assert_int_equal(chmod(base, 0755), 0);
	put(usr, "a.policy");
	put(usr, "b.policy");
	assert_int_equal(chmod(in(usr, "a.policy"), 0000), 0);
	assert_int_equal(seteuid(4711), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_int_equal(seteuid(0), 0);
	assert_set("/usr/b.policy");
	assert_messages("/usr/a.policy: error[P001]: cannot be read: Permission denied\n");
}

static void
test_not_regular(void **state)
{
	(void)state;
	put(usr, "a.policy");
	assert_int_equal(mkfifo(in(usr, "fifo.policy"), 0600), 0);
	assert_int_equal(mkdir(in(usr, "dir.policy"), 0755), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_set("/usr/a.policy");
	assert_messages("/usr/dir.policy: error[P044]: not a regular file\n"
			"/usr/fifo.policy: error[P044]: not a regular file\n");
	assert_int_equal(unlink(in(usr, "fifo.policy")), 0);
	assert_int_equal(rmdir(in(usr, "dir.policy")), 0);
	/* A file where a directory should be. */
	assert_int_equal(rmdir(etc), 0);
	put(base, "etc");
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_messages("/etc: error[P001]: cannot be read: Not a directory\n");
}

static void
test_too_many(void **state)
{
	size_t size;

	(void)state;
	for (int i = 0; i < POLICY_FILES_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%03d.policy", i);
		put(usr, name);
	}
	put(etc, "000.policy");
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_int_equal(files.n, POLICY_FILES_MAX);
	/* It is found before or after the other: the order of a directory is anything. */
	assert_int_equal(unlink(in(etc, "000.policy")), 0);
	put(etc, "one-more.policy");
	assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	assert_messages("/etc: error[P046]: more than 512 policy files\n");
	/* Single files as well, but for those that are there. */
	assert_int_equal(unlink(in(etc, "one-more.policy")), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	put(run, "one-more");
	free(messages);
	diag = (struct policy_diag){.out = open_memstream(&messages, &size)};
	assert_int_equal(policy_files_add(&files, in(run, "one-more"), POLICY_TRUST_WARN, &diag),
			 -EBADMSG);
	assert_int_equal(policy_files_add(&files, in(usr, "001.policy"), POLICY_TRUST_WARN, &diag),
			 0);
	fclose(diag.out);
	assert_messages("/run/one-more: error[P046]: more than 512 policy files\n");
	assert_int_equal(files.n, POLICY_FILES_MAX);
}

/* A file that goes away while the set is opened never leaves a part of the set behind. */
static void
test_changing(void **state)
{
	pid_t child;
	int errors = 0;

	(void)state;
	put(usr, "a.policy");
	put(usr, "z.policy");
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char path[256];

		snprintf(path, sizeof(path), "%s", in(etc, "a.policy"));
		for (;;) {
			put(etc, "a.policy");
			unlink(path);
		}
	}
	for (int i = 0; i < 300; i++) {
		int r = open_set(POLICY_TRUST_STRICT);

		if (r == 0) {
			assert_int_equal(files.n, 2);
		} else {
			assert_int_equal(r, -EBADMSG);
			assert_messages("/etc: error[P047]: the files keep changing while they are "
					"read\n      = help: try again\n");
			errors++;
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_true(errors < 300);
}

static void
test_no_descriptor_left(void **state)
{
	int before, after;

	(void)state;
	put(usr, "a.policy");
	put(usr, "b.txt");
	assert_int_equal(symlink("x", in(usr, "c.policy")), 0);
	before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	for (int i = 0; i < 3; i++)
		assert_int_equal(open_set(POLICY_TRUST_STRICT), -EBADMSG);
	policy_files_close(&files);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
}

static void
test_add(void **state)
{
	(void)state;
	put(usr, "a.policy");
	put(run, "b.conf");
	assert_int_equal(symlink("b.conf", in(run, "link")), 0);
	assert_int_equal(open_set(POLICY_TRUST_STRICT), 0);
	assert_int_equal(policy_files_add(&files, in(run, "b.conf"), POLICY_TRUST_STRICT, &diag),
			 0);
	assert_set("/usr/a.policy /run/b.conf");
	assert_int_equal(policy_files_add(&files, in(run, "link"), POLICY_TRUST_STRICT, &diag),
			 -EBADMSG);
	assert_int_equal(policy_files_add(&files, in(run, "none"), POLICY_TRUST_STRICT, &diag),
			 -EBADMSG);
	assert_int_equal(policy_files_add(&files, run, POLICY_TRUST_WARN, &diag), -EBADMSG);
	assert_int_equal(diag.errors, 3);
	assert_int_equal(files.n, 2);
	/* What is there is not added again, by whatever path. */
	assert_int_equal(policy_files_add(&files, in(run, "b.conf"), POLICY_TRUST_WARN, &diag), 0);
	assert_int_equal(policy_files_add(&files, in(run, "link"), POLICY_TRUST_WARN, &diag), 0);
	assert_int_equal(policy_files_add(&files, in(usr, "a.policy"), POLICY_TRUST_WARN, &diag),
			 0);
	assert_set("/usr/a.policy /run/b.conf");
	put(run, "c.conf");
	assert_int_equal(symlink("c.conf", in(run, "other")), 0);
	assert_int_equal(policy_files_add(&files, in(run, "other"), POLICY_TRUST_WARN, &diag), 0);
	assert_int_equal(files.n, 3);
	assert_string_equal(files.files[2].path, in(run, "other"));
}

static void
test_read(void **state)
{
	char *text = NULL;
	size_t size;
	int ends[2], fd;

	(void)state;
	put(usr, "a");
	fd = open(in(usr, "a"), O_RDONLY | O_CLOEXEC);
	/* From the beginning, wherever the descriptor stands. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(policy_file_read(fd, 4096, &text, &size), 0);
		assert_string_equal(text, in(usr, "a"));
		assert_int_equal(size, strlen(text));
		free(text);
	}
	assert_int_equal(policy_file_read(fd, size, &text, &size), 0);
	free(text);
	assert_int_equal(policy_file_read(fd, size - 1, &text, &size), -EFBIG);
	close(fd);
	assert_int_equal(policy_file_read(fd, 10, &text, &size), -EBADF);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "hello", 5), 5);
	close(ends[1]);
	assert_int_equal(policy_file_read(ends[0], 10, &text, &size), 0);
	assert_string_equal(text, "hello");
	free(text);
	close(ends[0]);
}

static int
teardown_all(void **state)
{
	(void)state;
	policy_files_close(&files);
	free(messages);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),
		TEST(test_sorted_and_replaced),
		TEST(test_masked),
		TEST(test_directory_twice),
		TEST(test_links),
		TEST(test_other_names),
		TEST(test_odd_good_names),
		TEST(test_owner_and_mode),
		TEST(test_owner),
		TEST(test_unreadable),
		TEST(test_not_regular),
		TEST(test_too_many),
		TEST(test_changing),
		TEST(test_no_descriptor_left),
		TEST(test_add),
		TEST(test_read),
	};

	return cmocka_run_group_tests_name("dropin", tests, NULL, teardown_all);
}
