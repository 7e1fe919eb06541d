/* SPDX-License-Identifier: MIT */
/*
 * A user exchanges what lies at a path while a client asks a real broker for it: the client gets the
 * file that the rule is for or an errno value, never what the attacker wants it to get, or to learn, or
 * to appear somewhere else. Who looks first and opens then loses each of these races.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "client-lib/fdbroker.h"
#include "tests/attack/race.h"

enum {
#if defined(__SANITIZE_ADDRESS__)
	TRIES = 10000,
#else
	TRIES = 100000,
#endif
	TRIES_SINGLY = 10000,
	EXCHANGES = 2000, /* at least */
	BATCH = 32,       /* files a request */
	ENDS = 2,         /* workers that are replaced, at most one a second */
	STARTS = 24,      /* workers that begin meanwhile */
};

/* --- who asks the broker ------------------------------------------------------------------------
 */

static size_t
make_request(const struct race_run *run, char *message)
{
	struct wire_header header = {.version = WIRE_VERSION,
				     .operation = WIRE_OPEN,
				     .id = 7,
				     .item_size = sizeof(struct wire_item),
				     .items = BATCH};
	size_t used = sizeof(header) + BATCH * sizeof(struct wire_item);
	const char *const *paths = run->race->paths;

	for (size_t i = 0; i < BATCH; i++) {
		struct wire_item item = {.flags = run->race->flags};
		char path[PATH_MAX];

		race_path(run, paths[paths[1] ? i % RACE_PATHS : 0], path);
		item.path_length = (uint32_t)strlen(path);
		memcpy(message + sizeof(header) + i * sizeof(item), &item, sizeof(item));
		memcpy(message + used, path, item.path_length);
		used += item.path_length;
	}
	header.length = (uint32_t)used;
	memcpy(message, &header, sizeof(header));
	return used;
}

/* False, with a complaint. */
static bool
is_given(struct race_run *run, int fd)
{
	static const char given[] = "given";
	bool writes = (run->race->flags & O_ACCMODE) != O_RDONLY;
	char text[sizeof(given)] = "";
	struct stat status;

	if (fstat(fd, &status) < 0 || !race_is_object(&run->given, &status)) {
		snprintf(run->complaint, sizeof(run->complaint),
			 "ESCAPE after %lu tries: inode %lu of mode %o", run->tries,
			 (unsigned long)status.st_ino, status.st_mode);
		return false;
	}
	if (writes ? write(fd, given, strlen(given)) == (ssize_t)strlen(given)
		   : pread(fd, text, sizeof(text), 0) == (ssize_t)strlen(given) &&
			     strcmp(text, given) == 0)
		return true;
	snprintf(run->complaint, sizeof(run->complaint), "what is in the file: %s", text);
	return false;
}

static bool
is_refusal(struct race_run *run, uint32_t error)
{
	/* It was another each time that it was looked at: the library asks again. */
	if (error == EAGAIN)
		return true;
	for (size_t i = 0; i < RACE_ERRORS; i++)
		if (error == (uint32_t)run->race->errors[i])
			return true;
	snprintf(run->complaint, sizeof(run->complaint), "refused with: %s", strerror((int)error));
	return false;
}

static bool
check_answer(struct race_run *run, const struct reply *reply)
{
	size_t fd = 0;

	if (reply->head.id != 7 || reply->head.status != 0 || reply->head.items != BATCH ||
	    reply->truncated) {
		snprintf(run->complaint, sizeof(run->complaint), "an answer of status %u",
			 reply->head.status);
		return false;
	}
	for (size_t i = 0; i < BATCH; i++) {
		uint32_t error = reply->results[i].error;

		run->tries++;
		run->grants += error == 0;
		run->refusals += error != 0;
		if (error != 0 ? !is_refusal(run, error)
			       : fd == reply->n_fds || !is_given(run, reply->fds[fd++]))
			return false;
	}
	return fd == reply->n_fds;
}

/* One request. 0; 1: the worker has gone, connect again; -1, with a complaint. */
static int
ask_batch(struct race_run *run, int socket, const char *message, size_t size)
{
	struct reply reply;
	bool is_good;
	int r = raw_send_bytes(socket, message, size);

	if (r == 0)
		raw_receive(socket, 0, &reply);
	if (r == -EPIPE || (r == 0 && (reply.size == 0 || reply.size == -ECONNRESET)))
		return 1;
	if (r < 0 || reply.size < (ssize_t)sizeof(reply.head)) {
		snprintf(run->complaint, sizeof(run->complaint), "no answer: %s",
			 strerror(r < 0            ? -r
				  : reply.size < 0 ? (int)-reply.size
						   : EPROTO));
		return -1;
	}
	if (reply.head.status == WIRE_STATUS_RETRY)
		return 1;
	is_good = check_answer(run, &reply);
	reply_drop(&reply);
	return is_good ? 0 : -1;
}

/* --- the same by the library, one file at a time ------------------------------------------------
 */

static int
complain(struct race_run *run, const char *about, const char *what)
{
	snprintf(run->complaint, sizeof(run->complaint), "ESCAPE after %lu tries: %s %s",
		 run->tries, about, what);
	return -1;
}

/* The one that was there, or one of our own. */
static int
create_once(struct race_run *run, const char *path)
{
	int fd = broker_open(path, (int)run->race->flags, 0600), r = 0;
	struct stat status;

	if (fd < 0)
		return errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    !(run->race->given ? race_is_object(&run->given, &status) : status.st_uid == geteuid()))
		r = complain(run, "opened", "another file");
	close(fd);
	return r;
}

static int
stat_once(struct race_run *run, const char *path)
{
	struct statx told;
	struct stat status;

	if (broker_stat(path, 0, &told) < 0)
		return errno;
	status = (struct stat){.st_dev = makedev(told.stx_dev_major, told.stx_dev_minor),
			       .st_ino = told.stx_ino};
	if (!race_is_object(&run->given, &status) || told.stx_size != strlen("given"))
		return complain(run, "told of", "another file");
	return 0;
}

struct listing {
	struct race_run *run;
	unsigned names;
};

/* Of the directory that may be listed there is one name. */
static int
take_name(void *context, const char *name, unsigned char type)
{
	struct listing *listing = context;

	(void)type;
	listing->names++;
	return strcmp(name, strrchr(listing->run->race->given, '/') + 1) == 0
		       ? 0
		       : complain(listing->run, "told of", name);
}

static int
list_once(struct race_run *run, const char *path)
{
	struct listing listing = {.run = run};

	if (broker_list(path, take_name, &listing) < 0)
		return run->complaint[0] ? -1 : errno;
	return listing.names == 1 ? 0 : complain(run, "told of", "another directory");
}

static int
ask_singly(struct race_run *run)
{
	static int (*const once[])(struct race_run *, const char *) = {
		[RACE_CREATE] = create_once, [RACE_STAT] = stat_once, [RACE_LIST] = list_once};
	double end = seconds_now() + SECONDS_MOST;
	char path[PATH_MAX];

	race_path(run, run->race->paths[0], path);
	if (setenv("FDBROKER_SOCKET", broker.socket, 1) < 0)
		return 1;
	while (run->tries < run->wanted_tries && seconds_now() < end) {
		int error = once[run->race->operation](run, path);

		if (error < 0 || (error > 0 && !is_refusal(run, (uint32_t)error)))
			return 1;
		run->tries++;
		run->grants += error == 0;
		run->refusals += error != 0;
	}
	return 0;
}

/* Until there is what is wanted. */
static int
ask_on_and_on(struct race_run *run)
{
	static char message[WIRE_MESSAGE_MAX];
	size_t size = make_request(run, message);
	double end = seconds_now() + SECONDS_MOST;
	int socket = -1, r = 0;

	while (r >= 0 && (run->tries < run->wanted_tries || run->ends < run->wanted_ends) &&
	       seconds_now() < end) {
		if (socket < 0)
			socket = raw_try_connect(&broker);
		if (socket < 0) {
			snprintf(run->complaint, sizeof(run->complaint), "no connection: %s",
				 strerror(-socket));
			return 1;
		}
		r = ask_batch(run, socket, message, size);
		if (r > 0) {
			run->ends++;
			close(socket);
			socket = -1;
		}
		if (run->tries >= run->wanted_tries)
			sleep_ms(10);
	}
	return r < 0;
}

static int
ask_either_way(void *context)
{
	struct race_run *run = context;

	return run->race->operation == RACE_OPEN ? ask_on_and_on(run) : ask_singly(run);
}

/* So many tries more, and ends of connections. False, with a complaint. */
static bool
ask_as_client(struct race_run *run, uid_t uid, unsigned long tries, unsigned long ends)
{
	const struct ids client = {.uid = uid, .gid = (gid_t)(CLIENT + (run->race - races))};

	run->wanted_tries = run->tries + tries;
	run->wanted_ends = run->ends + ends;
	return act_as(&client, ask_either_way, run) == 0 && run->tries >= run->wanted_tries &&
	       run->ends >= run->wanted_ends;
}

/* All that is asked while the attacker is at work. It asserts nothing: that comes after. */
static bool
ask_while_it_changes(struct race_run *run)
{
	const uid_t uid = (uid_t)(CLIENT + (run->race - races));
	double end = seconds_now() + SECONDS_MOST;
	unsigned long tries = TRIES;

	if (run->race->operation != RACE_OPEN)
		tries = TRIES_SINGLY;
	/* Where making the link is slow, many tries may meet the same one. */
	do {
		if (!ask_as_client(run, uid, tries, run->race->renews ? ENDS : 0))
			return false;
	} while (atomic_load(&run->exchanges) < EXCHANGES && seconds_now() < end);
	/* Each of these has a worker of its own, which looks for the tree now. */
	for (uid_t i = 0; run->race->renews && i < STARTS; i++)
		if (!ask_as_client(run, (uid_t)(STARTED + (run->race - races) * STARTS + i), BATCH,
				   0))
			return false;
	/* Where the attacker was not there for all of the time. */
	while ((run->grants == 0 || run->refusals == 0) && seconds_now() < end)
		if (!ask_as_client(run, uid, BATCH, run->race->renews))
			return false;
	return true;
}

/* --- who looks first and opens then -------------------------------------------------------------
 */

/* What the rules say, of what is there now. */
static bool
is_permitted(const struct race_run *run, const char *path)
{
	mode_t type = run->race->operation == RACE_LIST ? S_IFDIR : S_IFREG;
	char resolved[PATH_MAX], tree[PATH_MAX], parent[PATH_MAX];
	bool may_create = run->race->flags & O_CREAT, once = run->race->flags & O_EXCL;
	struct stat status;

	race_path(run, "tree", tree);
	/* Nothing is there: where it would be created. */
	if (may_create && lstat(path, &status) < 0 && errno == ENOENT) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
		path = parent;
		type = S_IFDIR;
		once = false;
	}
	return !once && realpath(path, resolved) && strncmp(resolved, tree, strlen(tree)) == 0 &&
	       lstat(resolved, &status) == 0 && (status.st_mode & S_IFMT) == type &&
	       !(status.st_mode & (S_ISUID | S_ISGID)) &&
	       (status.st_uid == ATTACKER || (type == S_IFREG && may_create && status.st_uid != 0));
}

static int
naive_flags(const struct race *race)
{
	switch (race->operation) {
	case RACE_STAT:
		return O_PATH | O_CLOEXEC;
	case RACE_LIST:
		return O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	case RACE_OPEN:
	case RACE_CREATE:
	default:
		/* That nothing is there it has seen. Without O_NONBLOCK it would wait at the FIFO. */
		return (int)(race->flags & ~(uint32_t)O_EXCL) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	}
}

/* Look at the path, and open it. -1 also where that was not permitted. */
static int
look_and_open(const struct race_run *run, const char *path, const char *held)
{
	int directory = held ? open(held, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD, fd = -1;

	if (directory == -1)
		return -1;
	if (is_permitted(run, path))
		fd = openat(directory, held ? path + strlen(held) + 1 : path,
			    naive_flags(run->race), 0600);
	if (held)
		close(directory);
	return fd;
}

/* Is this the secret, or, of RACE_CREATE, in the directory where nothing may be? That is put right. */
static bool
is_lost_to(const struct race_run *run, size_t i, int secret, const struct stat *status)
{
	const char *name = strrchr(run->race->paths[0], '/') + 1;
	struct stat made;

	if (run->race->operation != RACE_CREATE)
		return race_is_object(&run->secrets[i], status);
	return fstatat(secret, name, &made, AT_SYMLINK_NOFOLLOW) == 0 &&
	       made.st_dev == status->st_dev && made.st_ino == status->st_ino &&
	       unlinkat(secret, name, 0) == 0;
}

/*
 * As root, until it has opened each of the secrets, which the caller has open as well. Returns how many
 * of them it has.
 */
static size_t
open_naively(const struct race_run *run, const int *secrets, unsigned long *ret_tries)
{
	const struct race *race = run->race;
	double end = seconds_now() + SECONDS_MOST;
	bool is_lost[RACE_PAIRS] = {};
	char path[PATH_MAX], held[PATH_MAX];
	size_t lost = 0;

	*ret_tries = 0;
	race_path(run, race->paths[1] ? race->paths[1] : race->paths[0], path);
	race_path(run, race->held ? race->held : "", held);
	while (lost < run->n_pairs && seconds_now() < end) {
		int fd = look_and_open(run, path, race->held ? held : NULL);
		struct stat status;

		++*ret_tries;
		if (fd < 0)
			continue;
		for (size_t i = 0; i < run->n_pairs && fstat(fd, &status) == 0; i++)
			if (is_lost_to(run, i, secrets[i], &status) && !is_lost[i]) {
				is_lost[i] = true;
				lost++;
			}
		/* Else it would see its own file until the attacker's next turn. */
		if (race->made)
			unlink(path);
		close(fd);
	}
	return lost;
}

/* --- a race -------------------------------------------------------------------------------------
 */

/* Connections that ended take a moment to be noticed. */
static void
assert_settles(pid_t worker, int fds)
{
	double end = seconds_now() + WAIT_SECONDS;

	while (count_fds(worker) != fds && seconds_now() < end)
		sleep_ms(2);
	assert_int_equal(count_fds(worker), fds);
}

static void
test_the_broker(struct race_run *run)
{
	const uid_t uid = (uid_t)(CLIENT + (run->race - races));
	bool is_well, has_ended;
	pid_t attacker, worker = -1;
	double begin;
	int fds = -1;

	/* What the rule gives is given, while nobody moves it. */
	assert_true(ask_as_client(run, uid, BATCH, 0));
	assert_int_equal(run->grants, run->race->flags & O_EXCL ? 1
				      : run->race->paths[1]     ? BATCH / 2
								: BATCH);
	/* One that is replaced now and then is not counted on. */
	for (int i = 0; !run->race->renews && (worker = worker_of(&broker, uid)) <= 0; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
	sleep_ms(100);
	if (!run->race->renews)
		fds = count_fds(worker);
	run->tries = run->grants = run->refusals = 0;
	begin = seconds_now();
	attacker = race_begin(run);
	is_well = ask_while_it_changes(run);
	has_ended = race_end(run, attacker);
	printf("# %s: %lu tries, %lu grants, %lu refusals, %lu exchanges, %lu ends, %.1f s\n",
	       run->race->name, run->tries, run->grants, run->refusals,
	       atomic_load(&run->exchanges), run->ends, seconds_now() - begin);
	if (!is_well || !has_ended)
		fail_msg("%s: %s", run->race->name,
			 run->complaint[0] ? run->complaint : "it took too long");
	assert_true(run->grants > 0);
	assert_true(run->refusals > 0);
	assert_true(atomic_load(&run->exchanges) >= EXCHANGES);
	assert_true(race_is_intact(run));
	if (run->race->renews)
		return;
	assert_int_equal(run->ends, 0);
	assert_settles(worker, fds);
}

/* A worker that is replaced on a busy machine may be killed because it takes too long to finish. */
static void
test_end(void **state)
{
	(void)state;
	assert_undisturbed(&broker);
	assert_false(log_says(&broker, "died"));
	assert_false(log_says(&broker, "stopped serving"));
	assert_false(log_says(&broker, "ERROR: "));
	assert_int_equal(harness_stop(&broker), 0);
}

static void
test_naive_opener(struct race_run *run)
{
	int secrets[RACE_PAIRS];
	unsigned long tries;
	char path[PATH_MAX];
	pid_t attacker;
	bool has_ended;
	size_t lost;

	for (size_t i = 0; i < run->n_pairs; i++) {
		race_path(run, run->race->pairs[i].secret, path);
		secrets[i] = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		assert_return_code(secrets[i], errno);
	}
	attacker = race_begin(run);
	lost = open_naively(run, secrets, &tries);
	has_ended = race_end(run, attacker);
	for (size_t i = 0; i < run->n_pairs; i++)
		close(secrets[i]);
	printf("# %s: who looks first has lost %zu of %zu after %lu tries\n", run->race->name, lost,
	       run->n_pairs, tries);
	assert_true(has_ended);
	assert_int_equal(lost, run->n_pairs);
	/* And what it opened to truncate it is truncated. */
	assert_int_equal(race_is_intact(run), !(run->race->flags & O_TRUNC));
}

/* Our own connection: however long a race takes, our worker is not idle. */
static int kept = -1;

static int
end_race(void **state)
{
	(void)state;
	if (kept >= 0)
		close(kept);
	kept = -1;
	return 0;
}

static void
test_race(void **state)
{
	struct race_run *run;
	int own = count_fds(0);

	if (needs_root())
		return;
	kept = raw_connect(&broker);
	assert_served_on(&broker, kept);
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(run, MAP_FAILED);
	race_make(run, *state);
	test_the_broker(run);
	test_naive_opener(run);
	munmap(run, sizeof(*run));
	close(kept);
	kept = -1;
	assert_undisturbed(&broker);
	assert_int_equal(count_fds(0), own);
}

static int
setup(void **state)
{
	char *rules = races_rules();

	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	free(rules);
	return 0;
}

int
main(void)
{
	struct CMUnitTest tests[RACES + 1] = {[RACES] = cmocka_unit_test(test_end)};

	for (size_t i = 0; i < RACES; i++)
		tests[i] = (struct CMUnitTest){.name = races[i].name,
					       .test_func = test_race,
					       .teardown_func = end_race,
					       .initial_state = (void *)&races[i]};
	return cmocka_run_group_tests_name("attack/races", tests, setup, harness_teardown);
}
