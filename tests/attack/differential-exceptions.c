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

/* Else it is the name alone that the answer is about. */
static bool
follows(const struct triple *t, const struct outcome *direct)
{
	return !(t->object->traits & FINAL) || direct->facts[ERROR] != EEXIST;
}

/* More than to say that there is such a name. */
static bool
opens(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] != EEXIST;
}

/* The link itself is inside, and it can be what the answer is about. */
static bool
is_outside(const struct triple *t, const struct outcome *direct)
{
	return !(t->object->traits & FINAL) ||
	       (direct->facts[ERROR] != EEXIST && direct->facts[ERROR] != ELOOP);
}

static void
with_permission(const struct triple *t, struct outcome *expected)
{
	ask_again(t, PRIVILEGED, t->flags, expected);
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
	       direct->facts[ERROR] != ELOOP;
}

static bool
is_socket(const struct triple *t, const struct outcome *direct)
{
	(void)direct;
	return S_ISSOCK(before(t, AFTER_MODE));
}

static bool
is_given(const struct triple *t, const struct outcome *direct)
{
	(void)t;
	return direct->facts[ERROR] == 0;
}

static bool
writes(const struct triple *t, const struct outcome *direct)
{
	return S_ISREG(before(t, AFTER_MODE)) && (t->flags & O_ACCMODE) != O_RDONLY &&
	       is_given(t, direct);
}

static bool
writes_set_id(const struct triple *t, const struct outcome *direct)
{
	return writes(t, direct) && before(t, AFTER_MODE) & (S_ISUID | S_ISGID);
}

static void
close_on_exec(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[FD_FLAGS] = FD_CLOEXEC;
}

static bool
is_created(const struct triple *t, const struct outcome *direct)
{
	return before(t, AFTER_ERROR) == ENOENT && is_given(t, direct);
}

static void
mask_mode(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[MODE] &= 0777;
	expected->facts[AFTER_MODE] &= S_IFMT | 0777;
}

static void
without_umask(const struct triple *t, struct outcome *expected)
{
	expected->facts[MODE] |= t->mode & UMASK;
	expected->facts[AFTER_MODE] |= t->mode & UMASK;
}

static void
from_another_root(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[NAME] = 0;
}

static void
from_another_mount(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[LINK] = EXDEV;
}

static void
without_exec(const struct triple *t, struct outcome *expected)
{
	(void)t;
	if (S_ISREG(expected->facts[TYPE]) && expected->facts[EXEC] == 0)
		expected->facts[EXEC] = EPERM;
}

static bool
reads_only(const struct triple *t, const struct outcome *direct)
{
	return (t->flags & O_ACCMODE) == O_RDONLY && S_ISREG(direct->facts[TYPE]) &&
	       is_given(t, direct);
}

static void
read_only(const struct triple *t, struct outcome *expected)
{
	(void)t;
	expected->facts[CHMOD] = EROFS;
}

/* In the order in which the broker looks. */
struct exception exceptions[] = {
	{"A path that is not canonical: EINVAL",
	 "The policy speaks of names, and a file has only one that is canonical.",
	 .traits = NOT_CANONICAL, .error = EINVAL},
	{"A component of more than 255 bytes, a path of more than 4096: EINVAL",
	 "Such a path is not canonical. open(2) says ENAMETOOLONG.", .traits = TOO_LONG,
	 .error = EINVAL},
	{"More than 64 components: EINVAL", "What a decision can cost has a bound.",
	 .traits = TOO_DEEP, .error = EINVAL},
	{"Access mode 3: EINVAL", "No verb of the policy stands for it.",
	 .holds = has_no_access_mode, .error = EINVAL},
	{"O_TMPFILE: EINVAL", "A file without a name is beneath no rule.",
	 .flags = O_TMPFILE & ~O_DIRECTORY, .error = EINVAL},
	{"O_PATH: EINVAL", "It gives more than it says: a place to walk on from.", .flags = O_PATH,
	 .error = EINVAL},
	{"O_DIRECTORY: EINVAL", "No directory is opened.", .flags = O_DIRECTORY, .error = EINVAL},
	{"O_ASYNC: EINVAL", "open(2) takes it and sends no signal. fcntl(2) sets it.",
	 .flags = O_ASYNC, .error = EINVAL},
	{"O_NOATIME: EINVAL", "Only the owner of the file may, and the worker is not.",
	 .flags = O_NOATIME, .error = EINVAL},
	{"A bit without a name: EINVAL", "open(2) ignores it, so that it can never get a meaning.",
	 .flags = ~NAMED, .error = EINVAL},
	{"O_TRUNC with O_RDONLY: EINVAL",
	 "Who only reads does not change the file. open(2) cuts it; POSIX leaves that open.",
	 .holds = cuts_for_reading, .error = EINVAL},
	{"O_EXCL without O_CREAT: EINVAL",
	 "It is undefined but for block devices, which it would keep from others.",
	 .holds = has_excl_alone, .error = EINVAL},
	{"A symbolic link to where no rule is: EACCES",
	 "The path that it leads to is decided on as if it had been asked for.", .traits = OUTSIDE,
	 .holds = is_outside, .error = EACCES},
	{"A symbolic link under a rule without symlinks=: ELOOP",
	 "It leads elsewhere, and somebody else may have put it there.", .traits = UNFOLLOWED,
	 .holds = follows, .error = ELOOP},
	{"A symbolic link that has .. behind a name: ELOOP", "That could mean any directory.",
	 .traits = BEHIND, .holds = follows, .error = ELOOP},
	{"More than 8 symbolic links: ELOOP",
	 "What a request can cost has a bound. open(2) follows 40.", .traits = HOPS,
	 .holds = follows, .error = ELOOP},
	{"A FIFO or a device under a rule without type=: EACCES",
	 "Opening one does things, and somebody else may have put it there.", .traits = UNTYPED,
	 .holds = opens, .error = EACCES},
	{"A path of 4096 bytes is looked up",
	 "open(2) counts the NUL at its end as well, and says ENAMETOOLONG.", .traits = LONGEST,
	 .instead_of = ENAMETOOLONG, .error = ENOENT},
	{"Permissions of the file and of the directories above it do not count",
	 "The policy decides, and access control lists do not count either: so a file of mode 0000 "
	 "can be opened, and one of one's own can be refused. A broker that root does not run can "
	 "open no more than its own user can.",
	 .instead_of = EACCES, .adjust = with_permission},
	{"Opening a FIFO or a terminal does not wait",
	 "A worker serves many. A FIFO is opened for reading at once, without a writer, and for "
	 "writing it is ENXIO without a reader. Reading and writing wait as usual: O_NONBLOCK is "
	 "set on the descriptor only if it was asked for.",
	 .instead_of = EINTR, .adjust = without_waiting},
	{"A directory: EISDIR",
	 "A descriptor of it would give all that is beneath. Use broker_list(3).",
	 .holds = is_directory, .error = EISDIR},
	{"A socket: EACCES", "It is of no type that a rule can name. open(2) says ENXIO.",
	 .instead_of = ENXIO, .holds = is_socket, .error = EACCES},
	{"A file with a set-user-ID or set-group-ID bit, for writing: EACCES",
	 "Whoever can write it can act as its owner: what is written through a shared mapping "
	 "leaves the bits.",
	 .holds = writes_set_id, .error = EACCES},
	{"A file with capabilities, for writing: EACCES", "Whoever can write it can have them.",
	 .traits = CAPABLE, .holds = writes, .error = EACCES},
	{"Close-on-exec is always set",
	 "It can be cleared, but what has been inherited cannot be taken back.", .holds = is_given,
	 .adjust = close_on_exec},
	{"A file that is created gets no more than the mode= of the rule",
	 "No set-user-ID, set-group-ID or sticky bit either: that would be a way around the "
	 "policy.",
	 .holds = is_created, .adjust = mask_mode},
	{"The umask is not applied", "The broker knows nothing of it.", .holds = is_created,
	 .adjust = without_umask},
	{"The name in /proc/self/fd begins at a directory of the policy, not at /",
	 "The descriptor comes from a private mount, which has nothing else in it.",
	 .holds = is_given, .adjust = from_another_root},
	{"The file cannot be linked from the descriptor: EXDEV",
	 "No other name is on that mount, so linkat(2) of /proc/self/fd/N with AT_SYMLINK_FOLLOW "
	 "fails.",
	 .holds = is_given, .adjust = from_another_mount},
	{"Without exec in the rule it cannot be mapped with PROT_EXEC: EPERM",
	 "Reading is not executing. To execute it is EACCES.", .holds = is_given,
	 .adjust = without_exec},
	{"Opened for reading only, it cannot be turned into more: EROFS",
	 "Its mount is read-only. Opening it for writing through /proc/self/fd, fchmod(2), "
	 "futimens(3) and fsetxattr(2) fail, also for the owner of the file. flock(2) with LOCK_EX "
	 "works.",
	 .holds = reads_only, .adjust = read_only},

	{"A lease is waited for no longer than BROKER_TIMEOUT_DEFAULT",
	 "Everything else has to be done by then, too.",
	 .shown_by = "tests/client-lib/test-open.c: leased_for_ever}, times_out_or_stays"},
	{"A terminal never becomes the controlling one", "It would be the worker's.",
	 .shown_by = "tests/attack/test-differential.c: test_terminal"},
	{"A file may be cut or opened twice, or created twice without O_EXCL",
	 "A worker may die in between, and the library asks again.",
	 .shown_by = "tests/client-lib/test-open.c: end_three_times}, creates_or_opens"},
};
const size_t n_exceptions = ELEMENTS(exceptions);

/* Does it speak of this, and of what has come of it until now? */
static bool
applies(const struct exception *e, const struct triple *t, const struct outcome *direct)
{
	return !e->shown_by && (!e->traits || t->object->traits & e->traits) &&
	       (!e->flags || t->flags & e->flags) &&
	       (!e->instead_of || direct->facts[ERROR] == e->instead_of) &&
	       (!e->holds || e->holds(t, direct));
}

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

		if (!applies(e, t, expected))
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
