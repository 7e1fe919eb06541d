/* SPDX-License-Identifier: MIT */
/*
 * A peer to whom no rule applies is told the same, and as fast, as one whose rules do not reach the
 * path: against a real broker, all on one processor.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <unistd.h>

#include "tests/people.h"

enum {
	SOME = 61001, /* has rules, and so a worker */
	NONE = 61002, /* has none, and so the refuser */
	NOBODY = 61003,
	PAIRS = 10000,
	ROUNDS = 3, /* the machine is not ours alone */
	PER_CENT = 5,
};

static const char rules[] = "allow user:61001 read @/who/granted\n"
			    "allow user:61001 read @/who/*.log @/who/**/x @/who/a*/b*/c*\n"
			    "allow user:61001 read,write @/rw/**/*.txt\n"
			    "allow user:61001 read @/who/sec*  except @/who/secure\n"
			    "deny any read @/who/secret*\n"
			    "allow user:0 read @/who/*\n"
			    "allow group:61010 read @/who/**\n";
static const char *const files[] = {"granted", "plain", "secret", "secure", NULL};

/* One of the two who are compared. */
struct side {
	struct ucred credentials;
	int socket;
	double us[PAIRS];
};
static struct side none, nobody, some; /* nobody: another one without rules */

static int
connect_side(const struct side *side)
{
	return connect_as(
		&broker, &(struct ids){.uid = side->credentials.uid, .gid = side->credentials.gid});
}

static void
begin(struct side *side, uid_t uid)
{
	side->credentials = (struct ucred){.pid = getpid(), .uid = uid, .gid = uid};
	side->socket = connect_side(side);
}

/* --- the same bytes ------------------------------------------------------------------------- */

static void
exchange(struct side *side, const struct raw *asked, struct reply *reply)
{
	struct raw raw = *asked;

	if (!raw.credentials)
		raw.credentials = &side->credentials;
	assert_int_equal(raw_send(side->socket, &raw), 0);
	raw_receive(side->socket, 0, reply);
	reply_drop(reply);
	/* The connection ended: the next one. */
	if (reply->size <= 0) {
		close(side->socket);
		side->socket = connect_side(side);
	}
}

static bool
answers_alike(const struct raw *asked, struct reply *ret_reply)
{
	static struct reply other;

	exchange(&none, asked, ret_reply);
	exchange(&some, asked, &other);
	return ret_reply->size == other.size && ret_reply->n_fds == other.n_fds &&
	       ret_reply->truncated == other.truncated &&
	       memcmp(&ret_reply->head, &other.head, sizeof(other.head)) == 0 &&
	       memcmp(ret_reply->results, other.results, sizeof(other.results)) == 0;
}

static void
assert_alike(const void *bytes, size_t size)
{
	static struct reply reply;

	assert_true(answers_alike(&(struct raw){.bytes = bytes, .size = size}, &reply));
}

static size_t
make_request(char *message, uint32_t flags, const char *name)
{
	char path[WIRE_PATH_MAX + 1];
	int length = snprintf(path, sizeof(path), "%s/%s", broker.directory, name);

	return raw_request(message, 77, flags, path, (size_t)length);
}

static void
test_paths(void **state)
{
	static const char *const names[] = {"who/plain",   "who/missing", "who/secret",
					    "who/secrets", "who/secure",  "who/",
					    "who/../who",  "who//plain",  "./plain",
					    "who/.",       "who",         "",
					    "rw/file",     "data/file",   "who/a/b/d",
					    "who/\n",      "who/*",       "who/plain/below"};
	static char message[WIRE_MESSAGE_MAX], path[WIRE_PATH_MAX + 2];
	static const char odd[][12] = {"x", "/", "../../etc", "/..", "/a/../b", "/\0a"};
	static struct reply reply;

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < ELEMENTS(names); i++)
		assert_alike(message, make_request(message, O_RDONLY, names[i]));
	for (size_t i = 0; i < ELEMENTS(odd); i++)
		for (size_t n = 1; n < sizeof(odd[i]); n++)
			assert_alike(message, raw_request(message, 78, O_RDONLY, odd[i], n));
	memset(path, 'p', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 200)
		path[i] = '/';
	for (size_t n = WIRE_PATH_MAX - 2; n <= WIRE_PATH_MAX + 1; n++)
		assert_alike(message, raw_request(message, 79, O_RDONLY, path, n));
	/* Where they differ, this sees it. */
	assert_false(
		answers_alike(&(struct raw){.bytes = message,
					    .size = make_request(message, O_RDONLY, "who/granted")},
			      &reply));
	assert_int_equal(reply.results[0].error, EACCES);
	assert_undisturbed(&broker);
}

static void
test_flags(void **state)
{
	static char message[WIRE_MESSAGE_MAX];
	const size_t mode_at = sizeof(struct wire_header) + offsetof(struct wire_item, mode);

	(void)state;
	if (needs_root())
		return;
	for (uint32_t access = 0; access <= O_ACCMODE; access++) {
		assert_alike(message, make_request(message, access, "who/plain"));
		for (unsigned bit = 2; bit < 32; bit++) {
			uint32_t flags = access | 1u << bit;
			size_t size = make_request(message, flags, "who/plain");

			assert_alike(message, size);
			message[mode_at] = 0x7f;
			assert_alike(message, size);
		}
	}
	assert_alike(message, make_request(message, O_TMPFILE | O_RDWR, "who"));
	assert_alike(message, make_request(message, UINT32_MAX, "who/plain"));
	assert_undisturbed(&broker);
}

/* Four names of a batch. */
static const char *const odd_names[] = {"who/plain", "who//plain", "who/missing", "who/secret"};
static const char *const granted[] = {"who/granted", "who/granted", "who/granted", "who/granted"};

/* A batch of n files. Returns its size. */
static size_t
make_batch(char *message, const char *const names[4], size_t n)
{
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = WIRE_OPEN,
				     .id = 80,
				     .item_size = sizeof(struct wire_item),
				     .items = (uint16_t)n};
	size_t used = sizeof(header) + n * sizeof(struct wire_item);

	for (size_t i = 0; i < n; i++) {
		struct wire_item item = {.flags = i % 7 == 6 && names == odd_names ? O_CREAT
										   : O_RDONLY};

		item.path_length =
			(uint32_t)sprintf(message + used, "%s/%s", broker.directory, names[i % 4]);
		memcpy(message + sizeof(header) + i * sizeof(item), &item, sizeof(item));
		used += item.path_length;
	}
	header.length = (uint32_t)used;
	memcpy(message, &header, sizeof(header));
	return used;
}

static void
test_batches_and_frames(void **state)
{
	static char message[WIRE_MESSAGE_MAX + 1];
	static struct reply reply;
	struct wire_header header;
	struct ucred forged = {.pid = getpid(), .uid = 61003, .gid = 61003};
	size_t size;

	(void)state;
	if (needs_root())
		return;
	for (size_t n = 1; n <= WIRE_ITEMS_MAX; n++) {
		memset(message, 0, sizeof(message));
		assert_alike(message, make_batch(message, odd_names, n));
	}
	size = make_batch(message, odd_names, 3);
	memcpy(&header, message, sizeof(header));
	for (size_t at = 4; at < sizeof(header) + sizeof(struct wire_item); at++) {
		/* Each byte of header and first item, changed; operation 2 tells who one is. */
		char was = message[at];

		for (int value = 0; value < 256; value += 5) {
			message[at] = (char)value;
			if (at / 2 != offsetof(struct wire_header, operation) / 2)
				assert_alike(message, size);
		}
		message[at] = was;
	}
	for (uint16_t operation = 0; operation < 300; operation++) {
		if (operation == 2)
			continue;
		header.operation = operation;
		memcpy(message, &header, sizeof(header));
		assert_alike(message, size);
	}
	header.operation = WIRE_OPEN;
	memcpy(message, &header, sizeof(header));
	for (size_t n = 0; n <= size + 40; n++)
		assert_alike(message, n);
	assert_alike(message, WIRE_MESSAGE_MAX);
	assert_alike(message, sizeof(message));
	/* Nor does a message of somebody else tell anything. */
	assert_true(answers_alike(
		&(struct raw){.bytes = message, .size = size, .credentials = &forged}, &reply));
	assert_int_equal(reply.head.status, EACCES);
	assert_undisturbed(&broker);
}

/* --- the same time -------------------------------------------------------------------------- */

static int
compare(const void *one, const void *other)
{
	double x = *(const double *)one, y = *(const double *)other;

	return (x > y) - (x < y);
}

static double
median(double us[PAIRS])
{
	qsort(us, PAIRS, sizeof(us[0]), compare);
	return us[PAIRS / 2];
}

static double
time_request(struct side *side, const struct raw *asked)
{
	static struct reply reply;
	struct raw raw = *asked;
	double before, after;

	raw.credentials = &side->credentials;
	before = seconds_now();
	(void)raw_send(side->socket, &raw);
	raw_receive(side->socket, 0, &reply);
	after = seconds_now();
	assert_true(reply.size > 0);
	reply_drop(&reply);
	return (after - before) * 1e6;
}

static double
time_connection(struct side *side, const struct raw *asked)
{
	const int before = side->socket;
	double begin;

	assert_return_code(setegid(side->credentials.gid), errno);
	assert_return_code(seteuid(side->credentials.uid), errno);
	begin = seconds_now();
	side->socket = raw_try_connect(&broker);
	(void)time_request(side, asked);
	begin = seconds_now() - begin;
	close(side->socket);
	side->socket = before;
	assert_return_code(seteuid(0), errno);
	assert_return_code(setegid(0), errno);
	return begin * 1e6;
}

typedef double time_fn(struct side *side, const struct raw *asked);

/* Of the medians of interleaved pairs, in per cent: how much longer the one with rules takes. */
static double
difference(const char *what, time_fn *time, struct side *other, const struct raw *asked)
{
	double m[2];

	for (int i = 0; i < PAIRS; i++) {
		/* Who comes first changes: the second finds the processor as the first left it. */
		if (i % 2)
			none.us[i] = time(&none, asked);
		other->us[i] = time(other, asked);
		if (i % 2 == 0)
			none.us[i] = time(&none, asked);
	}
	m[0] = median(none.us);
	m[1] = median(other->us);
	printf("# %s: no rule %.2f us, the other %.2f us, ratio %.3f\n", what, m[0], m[1],
	       m[1] / m[0]);
	return (m[1] / m[0] - 1) * 100;
}

static bool
is_close(double per_cent)
{
#ifdef __SANITIZE_ADDRESS__
	/* What an instrumented program takes says nothing of the other one. */
	(void)per_cent;
	return true;
#else
	return per_cent > -PER_CENT && per_cent < PER_CENT;
#endif
}

static bool
is_as_fast(const char *what, time_fn *time, struct side *other, const struct raw *asked)
{
	for (int round = 0; round < ROUNDS; round++)
		if (is_close(difference(what, time, other, asked)))
			return true;
	return false;
}

static void
assert_told_apart(const char *what, time_fn *time, const struct raw *asked)
{
#ifndef __SANITIZE_ADDRESS__
	assert_false(is_close(difference(what, time, &some, asked)));
#else
	(void)what, (void)time, (void)asked;
#endif
}

static const char *const denied[] = {
	"who/plain",                   /* is there, and no rule is near */
	"who/missing",                 /* is not */
	"who/secret",                  /* one rule allows it, another denies it */
	"who/secure",                  /* excepted */
	"who/a1/b2/d3/e4/f5/g6/h7/i8", /* several patterns have a look at it */
};

static void
test_time_of_a_request(void **state)
{
	static char message[512], batch[WIRE_MESSAGE_MAX];
	struct raw raw = {.bytes = message};
	bool as_fast = true;

	(void)state;
	if (needs_root())
		return;
	raw.size = make_request(message, O_RDONLY, denied[0]);
	/* Two of the same kind: what the measurement itself makes of it. */
	assert_true(is_as_fast("neither has a rule", time_request, &nobody, &raw));
	for (size_t i = 0; i < ELEMENTS(denied); i++) {
		raw.size = make_request(message, O_RDONLY, denied[i]);
		as_fast &= is_as_fast(denied[i], time_request, &some, &raw);
	}
	raw.size = make_request(message, O_RDWR, "who//plain");
	as_fast &= is_as_fast("not canonical", time_request, &some, &raw);
	as_fast &=
		is_as_fast("a batch of 8", time_request, &some,
			   &(struct raw){.bytes = batch, .size = make_batch(batch, odd_names, 8)});
	/* Eight: to open a file takes hardly longer than to write the record of a refusal. */
	assert_told_apart("counter-check, 8 granted to the other", time_request,
			  &(struct raw){.bytes = batch, .size = make_batch(batch, granted, 8)});
	assert_true(as_fast);
	assert_undisturbed(&broker);
}

static void
test_time_of_a_connection(void **state)
{
	static char message[512];
	struct raw raw = {.bytes = message};

	(void)state;
	if (needs_root())
		return;
	for (size_t i = 0; i < 2; i++) {
		raw.size = make_request(message, O_RDONLY, denied[i]);
		assert_true(is_as_fast(i ? "connect, who/missing" : "connect, who/plain",
				       time_connection, &some, &raw));
	}
	raw.size = make_request(message, O_RDONLY, "who/granted");
	assert_told_apart("counter-check, connect, granted to the other", time_connection, &raw);
	assert_undisturbed(&broker);
}

static int
setup(void **state)
{
	cpu_set_t one;

	(void)state;
	/* Inherited by the broker and its workers: nobody waits for another processor to wake. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	harness_start_how(&broker, &(struct harness_how){.rules = rules, .files = files});
	if (geteuid() != 0)
		return 0;
	assert_return_code(setgroups(0, NULL), errno);
	assert_int_equal(ask_as(&broker, &(struct ids){.uid = SOME, .gid = SOME}, "granted"),
			 ASK_GRANTED);
	begin(&some, SOME);
	begin(&none, NONE);
	begin(&nobody, NOBODY);
	assert_int_equal(ask(&broker, some.socket, &some.credentials, "granted"), ASK_GRANTED);
	assert_int_equal(ask(&broker, none.socket, &none.credentials, "granted"), EACCES);
	/* With these two connections. */
	harness_know(&broker);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_batches_and_frames),
		cmocka_unit_test(test_time_of_a_request),
		cmocka_unit_test(test_time_of_a_connection),
		cmocka_unit_test(harness_test_end),
	};

	return cmocka_run_group_tests_name("attack/refusal", tests, setup, harness_teardown);
}
