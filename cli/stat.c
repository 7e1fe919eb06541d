/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "attributes.h"
#include "cli.h"
#include "client-lib/fdbroker.h"
#include "json.h"
#include "text.h"

static const struct {
	const char *name;
	unsigned mask; /* of stx_mask */
	size_t offset;
} times[] = {
	{"accessed", STATX_ATIME, offsetof(struct statx, stx_atime)},
	{"modified", STATX_MTIME, offsetof(struct statx, stx_mtime)},
	{"changed", STATX_CTIME, offsetof(struct statx, stx_ctime)},
	{"born", STATX_BTIME, offsetof(struct statx, stx_btime)},
};

enum {
	TIMES_N = sizeof(times) / sizeof(times[0]),
};

/* NULL: the file system does not know it. */
static const struct statx_timestamp *
time_of(const struct statx *status, int i)
{
	if (!(status->stx_mask & times[i].mask))
		return NULL;
	return (const void *)((const char *)status + times[i].offset);
}

static bool
is_device(const struct statx *status)
{
	return S_ISCHR(status->stx_mode) || S_ISBLK(status->stx_mode);
}

static void
print_id(const char *key, unsigned id, const char *name)
{
	if (name)
		cli_line(stdout, "%s: %u (%s)", key, id, name);
	else
		cli_line(stdout, "%s: %u", key, id);
}

static void
print_time(const char *key, const struct statx_timestamp *when)
{
	char date[64], zone[16];
	struct tm broken_down;
	time_t seconds;

	if (!when) {
		cli_line(stdout, "%s: -", key);
		return;
	}
	seconds = when->tv_sec;
	if (localtime_r(&seconds, &broken_down) &&
	    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &broken_down) > 0 &&
	    strftime(zone, sizeof(zone), "%z", &broken_down) > 0)
		cli_line(stdout, "%s: %s.%09u %s", key, date, when->tv_nsec, zone);
	else
		cli_line(stdout, "%s: @%lld.%09u", key, (long long)when->tv_sec, when->tv_nsec);
}

static void
print(const char *path, const struct statx *s)
{
	_cleanup_free_ char *mode = attributes_mode(s->stx_mode);

	cli_line(stdout, "path: %s", path);
	cli_line(stdout, "type: %s", attributes_kind(s->stx_mode));
	cli_line(stdout, "mode: %04o (%s)", s->stx_mode & ~S_IFMT, mode);
	print_id("uid", s->stx_uid, attributes_user(s->stx_uid));
	print_id("gid", s->stx_gid, attributes_group(s->stx_gid));
	cli_line(stdout, "size: %llu", (unsigned long long)s->stx_size);
	cli_line(stdout, "blocks: %llu", (unsigned long long)s->stx_blocks);
	cli_line(stdout, "block_size: %u", s->stx_blksize);
	cli_line(stdout, "device: %u:%u", s->stx_dev_major, s->stx_dev_minor);
	cli_line(stdout, "inode: %llu", (unsigned long long)s->stx_ino);
	cli_line(stdout, "links: %u", s->stx_nlink);
	if (is_device(s))
		cli_line(stdout, "rdev: %u:%u", s->stx_rdev_major, s->stx_rdev_minor);
	for (int i = 0; i < TIMES_N; i++)
		print_time(times[i].name, time_of(s, i));
}

/* --- JSON -------------------------------------------------------------------------------- */

static json_t *
device_json(unsigned major, unsigned minor)
{
	_cleanup_free_ char *text = cli_format("%u:%u", major, minor);

	return cli_json_text(text);
}

static json_t *
time_json(const struct statx_timestamp *when)
{
	json_t *object;

	if (!when)
		return cli_json_null();
	object = cli_json_object();
	cli_json_put(object, "seconds", cli_json_integer(when->tv_sec));
	cli_json_put(object, "nanoseconds", cli_json_integer(when->tv_nsec));
	return object;
}

static void
print_json(const char *path, const struct statx *s)
{
	_cleanup_free_ char *mode = cli_format("%04o", s->stx_mode & ~S_IFMT);
	/* Some file systems use all 64 bits, which is more than JSON programs take for a number. */
	_cleanup_free_ char *inode = cli_format("%llu", (unsigned long long)s->stx_ino);
	json_t *o = cli_json_object();

	cli_json_put(o, "path", cli_json_text(path));
	cli_json_put(o, "type", cli_json_text(attributes_kind(s->stx_mode)));
	cli_json_put(o, "mode", cli_json_text(mode));
	cli_json_put(o, "uid", cli_json_integer(s->stx_uid));
	cli_json_put(o, "user", cli_json_text(attributes_user(s->stx_uid)));
	cli_json_put(o, "gid", cli_json_integer(s->stx_gid));
	cli_json_put(o, "group", cli_json_text(attributes_group(s->stx_gid)));
	cli_json_put(o, "size", cli_json_integer((json_int_t)s->stx_size));
	cli_json_put(o, "blocks", cli_json_integer((json_int_t)s->stx_blocks));
	cli_json_put(o, "block_size", cli_json_integer(s->stx_blksize));
	cli_json_put(o, "device", device_json(s->stx_dev_major, s->stx_dev_minor));
	cli_json_put(o, "inode", cli_json_text(inode));
	cli_json_put(o, "links", cli_json_integer(s->stx_nlink));
	cli_json_put(o, "rdev",
		     is_device(s) ? device_json(s->stx_rdev_major, s->stx_rdev_minor)
				  : cli_json_null());
	for (int i = 0; i < TIMES_N; i++)
		cli_json_put(o, times[i].name, time_json(time_of(s, i)));
	cli_json_print(o);
}

int
cli_stat(const struct cli_args *args)
{
	int flags = args->value[CLI_NO_FOLLOW] ? AT_SYMLINK_NOFOLLOW : 0;
	bool is_first = true;
	int status = CLI_YES;

	for (int i = 0; i < args->n_operands; i++) {
		const char *path = args->operands[i];
		struct statx found;

		if (broker_stat(path, flags, &found) < 0) {
			cli_explain_refusal(path, "stat", errno);
			status = CLI_NO;
			continue;
		}
		if (args->value[CLI_JSON]) {
			print_json(path, &found);
			continue;
		}
		if (!is_first)
			putchar('\n');
		is_first = false;
		print(path, &found);
	}
	return status;
}
