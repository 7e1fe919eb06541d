/* SPDX-License-Identifier: MIT */
/*
 * Each turns what came of the direct open into what has to come of the broker: an errno value, or
 * what adjust makes of it. The first errno value ends it, as the first refusal ends a request.
 */
#include "tests/attack/differential.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* What is asked of a direct opener, instead. It has failed until now, and changed nothing. */
static enum opener asked_last;

static void
ask_again(const struct triple *t, enum opener opener, uint32_t flags, struct outcome *expected)
{
	shared->triple.flags = flags;
	ask_opener(opener);
	wait_for_opener(opener);
	*expected = shared->outcomes[opener];
	look_after(t->object, DIRECT, expected);
	shared->triple.flags = t->flags;
	asked_last = opener;
}

static bool
is_odd_path(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return t->object->traits & NOT_CANONICAL;
}

static bool
is_too_long(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return t->object->traits & TOO_LONG;
}

static bool
is_too_deep(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return t->object->traits & TOO_DEEP;
}

static bool
is_longest(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & LONGEST && direct->facts[ERROR] == ENAMETOOLONG;
}

static bool
has_no_access_mode(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return (t->flags & O_ACCMODE) == O_ACCMODE;
}

static bool
cuts_for_reading(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return (t->flags & (O_ACCMODE | O_TRUNC)) == (O_RDONLY | O_TRUNC);
}

static bool
has_excl_alone(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return (t->flags & (O_CREAT | O_EXCL)) == O_EXCL;
}

static bool
is_outside(const struct triple *t, const struct outcome *direct)
{
	/* The link itself is inside, and it can be what the answer is about. */
	return t->object->traits & OUTSIDE &&
	       !(t->object->traits & FINAL &&
		 (direct->facts[ERROR] == EEXIST || direct->facts[ERROR] == ELOOP));
}

static bool
goes_up_behind(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & BEHIND && direct->facts[ERROR] != EEXIST;
}

static bool
asks_for_a_directory(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & SLASHED && direct->facts[ERROR] != EEXIST;
}

static bool
has_many_links(const struct triple *t, const struct outcome *direct)
{
	return t->object->traits & HOPS && direct->facts[ERROR] != EEXIST;
}

static bool
lacks_permission(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == EACCES;
}

static void
with_permission(const struct triple *t, struct outcome *expected)
{
	ask_again(t, PRIVILEGED, t->flags, expected);
}

static bool
waits(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == EINTR;
}

/* The same as O_NONBLOCK, and then without it. */
static void
without_waiting(const struct triple *t, struct outcome *expected)
{
	ask_again(t, asked_last, t->flags | O_NONBLOCK, expected);
	if (expected->facts[ERROR] == 0)
		expected->facts[FLAGS] &= ~O_NONBLOCK;
}

static bool
is_directory(const struct triple *t, const struct outcome *direct)
{
	return S_ISDIR(before(t, AFTER_MODE)) && direct->facts[ERROR] != EEXIST &&
	       direct->facts[ERROR] != ELOOP && direct->facts[ERROR] != EISDIR;
}

static bool
is_socket(const struct triple *t, const struct outcome *direct)
{
	return S_ISSOCK(before(t, AFTER_MODE)) && direct->facts[ERROR] == ENXIO;
}

static bool
writes(const struct triple *t, const struct outcome *direct)
{
	return S_ISREG(before(t, AFTER_MODE)) && (t->flags & O_ACCMODE) != O_RDONLY &&
	       direct->facts[ERROR] == 0;
}

static bool
writes_set_id(const struct triple *t, const struct outcome *direct)
{
	return writes(t, direct) && before(t, AFTER_MODE) & (S_ISUID | S_ISGID);
}

static bool
writes_capable(const struct triple *t, const struct outcome *direct)
{
	return writes(t, direct) && t->object->traits & CAPABLE;
}

static bool
survives_exec(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == 0 && direct->facts[FD_FLAGS] == 0;
}

static void
close_on_exec(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[FD_FLAGS] = FD_CLOEXEC;
}

static bool
makes_special(const struct triple *t, const struct outcome *direct)
{
	return before(t, AFTER_ERROR) == ENOENT && direct->facts[ERROR] == 0 &&
	       direct->facts[MODE] & 07000;
}

static void
mask_mode(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[MODE] &= 0777;
	expected->facts[AFTER_MODE] &= S_IFMT | 0777;
}

struct exception exceptions[] = {
	{"a path that is not canonical: EINVAL", .holds = is_odd_path, .error = EINVAL,
	 .why = "it is never repaired, so that the policy and the kernel mean the same file"},
	{"a component of more than 255 bytes, a path of more than 4096: EINVAL",
	 .holds = is_too_long, .error = EINVAL, .why = "it is not canonical; not ENAMETOOLONG"},
	{"more than 64 components: EINVAL", .holds = is_too_deep, .error = EINVAL,
	 .why = "what a decision can cost has a bound"},
	{"access mode 3: EINVAL", .holds = has_no_access_mode, .error = EINVAL,
	 .why = "no verb stands for it"},
	{"O_TMPFILE: EINVAL", .flags = O_TMPFILE & ~O_DIRECTORY, .error = EINVAL,
	 .why = "a file without a name is beneath no rule"},
	{"O_PATH: EINVAL", .flags = O_PATH, .error = EINVAL,
	 .why = "it gives more than it says: a place to walk on from"},
	{"O_DIRECTORY: EINVAL", .flags = O_DIRECTORY, .error = EINVAL,
	 .why = "directories are listed, not opened"},
	{"O_ASYNC: EINVAL", .flags = O_ASYNC, .error = EINVAL,
	 .why = "open(2) takes it and sends no signal; F_SETFL sets it"},
	{"O_NOATIME: EINVAL", .flags = O_NOATIME, .error = EINVAL,
	 .why = "only the owner may, and the worker is not"},
	{"an unknown bit in flags: EINVAL", .flags = ~NAMED, .error = EINVAL,
	 .why = "open(2) ignores it, and so it can never get a meaning"},
	{"O_RDONLY|O_TRUNC: EINVAL", .holds = cuts_for_reading, .error = EINVAL,
	 .why = "unspecified by POSIX; who only reads does not change the file"},
	{"O_EXCL without O_CREAT: EINVAL", .holds = has_excl_alone, .error = EINVAL,
	 .why = "undefined but for block devices, which it would keep from others"},
	{"a link that leads to where no rule is: EACCES", .holds = is_outside, .error = EACCES,
	 .why = "what it names is decided anew"},
	{"a link with '..' behind a name: ELOOP", .holds = goes_up_behind, .error = ELOOP,
	 .why = "what is behind a name may be a link, and '..' is in no canonical path"},
	{"a link with '/' at its end, as the last component: ELOOP", .holds = asks_for_a_directory,
	 .error = ELOOP, .why = "it asks for a directory, which is not opened"},
	{"more than 8 links: ELOOP", .holds = has_many_links, .error = ELOOP,
	 .why = "what a request can cost has a bound; the kernel follows 40"},
	{"a path of 4096 bytes is looked up", .holds = is_longest, .error = ENOENT,
	 .why = "the limit of the kernel counts a NUL"},
	{"mode bits do not count", .holds = lacks_permission, .adjust = with_permission,
	 .why = "the policy decides"},
	{"a FIFO does not wait for its other end", .holds = waits, .adjust = without_waiting,
	 .why = "nobody may keep a worker waiting: as with O_NONBLOCK, which is not set then"},
	{"a directory: EISDIR", .holds = is_directory, .error = EISDIR,
	 .why = "directories are listed, not opened"},
	{"a socket: EACCES", .holds = is_socket, .error = EACCES,
	 .why = "no rule has the type; not ENXIO"},
	{"a set-id file for writing: EACCES", .holds = writes_set_id, .error = EACCES,
	 .why = "a shared mapping changes it and leaves the bits"},
	{"a file with capabilities for writing: EACCES", .holds = writes_capable, .error = EACCES,
	 .why = "as for the set-id file"},
	{"close-on-exec is always set", .holds = survives_exec, .adjust = close_on_exec,
	 .why = "between the open and an fcntl(2) another thread may exec"},
	{"a created file has no more than the mode of the rule", .holds = makes_special,
	 .adjust = mask_mode, .why = "0777 is the most that a rule can say"},
};
const size_t n_exceptions = ELEMENTS(exceptions);

static void
refuse(const struct triple *t, int error, struct outcome *expected)
{
	*expected = place_of(t->object)->before[DIRECT];
	expected->facts[ERROR] = error;
}

void
apply_exceptions(const struct triple *t, struct outcome *expected)
{
	asked_last = PLAINLY;
	for (size_t i = 0; i < n_exceptions; i++) {
		struct exception *e = &exceptions[i];
		struct outcome direct = *expected;

		if (e->holds ? !e->holds(t, expected) : !(t->flags & e->flags))
			continue;
		if (e->adjust)
			e->adjust(t, expected);
		else
			refuse(t, e->error, expected);
		e->seen += memcmp(direct.facts, expected->facts, sizeof(direct.facts)) != 0;
		if (!e->adjust)
			return;
	}
}
