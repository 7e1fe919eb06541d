/* SPDX-License-Identifier: MIT */
/* What a real worker makes of a request as a whole: what an answer holds, and what is put on record. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "tests/attack/asks.h"

enum {
	CHAIN = 8,  /* links that are followed for one file */
	CHAINS = 8, /* and so many times for a request */
	ATTEMPTS = 5,
	COMPONENT = 200,
};

static const char rules[] = "allow user:61001 stat,list,read @/own/** owner=peer\n"
			    "allow user:61001 read @/links/** @/b/** @/c/** symlinks=beneath\n"
			    "allow user:61001 read @/of-b/** owner=user:61002\n"
			    "allow user:61001 read @/verbs/** except @/verbs/write\n"
			    "allow user:61001 write @/verbs/** except @/verbs/read\n"
			    "allow user:61001 read,write @/verbs/both\n";

static int
setup(void **state)
{
	(void)state;
	harness_start_how(&broker, &(struct harness_how){.rules = rules});
	make_dir(at("own"), 0, 0755);
	make_file(at("own/roots"), 0, 0644, "abc");
	make_file(at("own/peers"), A, 0644, "abc");
	make_dir(at("own/roots-dir"), 0, 0755);
	make_file(at("own/roots-dir/name"), A, 0644, "");
	make_dir(at("own/peers-dir"), A, 0755);
	make_file(at("own/peers-dir/name"), A, 0644, "");
	make_dir(at("links"), 0, 0755);
	make_file(at("links/%d", CHAIN), 0, 0644, "");
	for (int i = 0; i < CHAIN; i++) {
		char target[16];

		snprintf(target, sizeof(target), "%d", i + 1);
		assert_return_code(symlink(target, at("links/%d", i)), errno);
	}
	make_dir(at("b"), B, 0755);
	make_dir(at("c"), C, 0755);
	make_dir(at("verbs"), 0, 0755);
	make_file(at("verbs/read"), 0, 0600, "abc");
	make_file(at("verbs/write"), 0, 0600, "abc");
	make_file(at("verbs/both"), 0, 0600, "abc");
	make_dir(at("of-b"), 0, 0755);
	make_file(at("of-b/a"), A, 0644, "");
	make_file(at("of-b/b"), B, 0644, "");
	make_file(at("of-b/root"), 0, 0644, "");
	peer = peer_begin(A);
	return 0;
}

static int
ask_for(enum wire_operation operation, const char *path, struct told *ret_told)
{
	const struct wire_file file = {.path = path, .path_length = (uint32_t)strlen(path)};

	return peer_ask(&peer, operation, &file, ret_told);
}

/* With a refusal comes nothing of what was looked at for it, nor of what came of the one before. */
static void
test_nothing_with_a_refusal(void **state)
{
	const struct statx nothing = {};
	static struct told told;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask_for(WIRE_STAT, at("own/roots"), &told), EACCES);
		assert_memory_equal(&told.object, &nothing, sizeof(nothing));
		assert_int_equal(told.length, 0);
		assert_int_equal(ask_for(WIRE_LIST, at("own/roots-dir"), &told), EACCES);
		assert_true(told.length == 0 && told.next == 0);
		/* The counter-check: of what the peer may see, all of it comes. */
		assert_int_equal(ask_for(WIRE_STAT, at("own/peers"), &told), 0);
		assert_true(told.object.stx_size == 3 && told.object.stx_uid == A);
		assert_int_equal(ask_for(WIRE_LIST, at("own/peers-dir"), &told), 0);
		assert_true(told.length > 0);
	}
}

/* Who sends on a connection that is another's is told nothing, and the log says that somebody did. */
static void
test_another_sender(void **state)
{
	const struct ucred mine = peer.credentials, others = {getpid(), B, B};
	const char *path = at("own/peers");
	const struct wire_file file = {.path = path, .path_length = (uint32_t)strlen(path)};
	static struct told told;

	(void)state;
	assert_int_equal(log_count("denied uid=61001", "path=\"\""), 0);
	peer.credentials = others;
	peer_send(&peer, WIRE_OPEN, &file);
	peer.credentials = mine;
	peer_receive(&peer, &told);
	assert_int_equal(told.status, EACCES);
	assert_int_equal(told.fd, -1);
	log_wait(1, "denied uid=61001", "path=\"\"");
	/* The counter-check. */
	peer_send(&peer, WIRE_OPEN, &file);
	peer_receive(&peer, &told);
	assert_true(told.status == 0 && told.error == 0 && told.fd >= 0);
	close(told.fd);
	assert_int_equal(log_count("denied uid=61001", "path=\"\""), 1);
}

/* Beneath one prefix, where nothing but the policy's word on each file tells reading from writing. */
static void
test_verbs_of_an_open(void **state)
{
	static const struct {
		const char *path;
		int read, write, both;
	} cases[] = {
		{"verbs/read", 0, EACCES, EACCES},
		{"verbs/write", EACCES, 0, EACCES},
		{"verbs/both", 0, 0, 0}, /* the counter-check */
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		const char *path = at("%s", cases[i].path);
		struct stat status;

		assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), cases[i].read);
		assert_int_equal(peer_open(&peer, O_WRONLY, 0, path, NULL), cases[i].write);
		assert_int_equal(peer_open(&peer, O_RDWR, 0, path, NULL), cases[i].both);
		assert_int_equal(peer_open(&peer, O_RDONLY | O_APPEND, 0, path, NULL),
				 cases[i].both);
		assert_int_equal(peer_open(&peer, O_RDWR | O_TRUNC, 0, path, NULL), cases[i].both);
		assert_return_code(stat(path, &status), errno);
		assert_int_equal(status.st_size, cases[i].both == 0 ? 0 : 3);
	}
}

/* owner= with somebody: neither the peer nor root will do. */
static void
test_owner(void **state)
{
	(void)state;
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("of-b/a"), NULL), EACCES);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("of-b/root"), NULL), EACCES);
	/* The counter-check. */
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("of-b/b"), NULL), 0);
}

/* One file after the other through as many links as there may be: there is an end to that. */
static void
test_links_of_all(void **state)
{
	const char *path = at("links/0");
	struct wire_file files[WIRE_ITEMS_MAX];
	const int fds = count_fds(worker_of(&broker, A));
	static struct reply reply;

	(void)state;
	assert_true(fds > 0);
	/* The counter-check: each of them by itself. */
	for (int i = 0; i <= CHAINS; i++)
		assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), 0);
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++)
		files[i] = (struct wire_file){.path = path, .path_length = (uint32_t)strlen(path)};
	peer_send_batch(&peer, files);
	raw_receive(peer.socket, 0, &reply);
	assert_int_equal(reply.head.status, 0);
	assert_int_equal(reply.n_fds, CHAINS);
	for (size_t i = 0; i < WIRE_ITEMS_MAX; i++)
		assert_int_equal(reply.results[i].error, i < CHAINS ? 0 : ELOOP);
	reply_drop(&reply);
	/* Nothing that was held on the way is held any longer; what was sent is closed after that. */
	for (int i = 0; count_fds(worker_of(&broker, A)) > fds; i++) {
		assert_true(i < WAIT_SECONDS * 100);
		sleep_ms(10);
	}
}

/* Who is led by one user's link to another's ends at neither's objects. */
static void
test_links_of_two(void **state)
{
	(void)state;
	make_file(at("c/file"), C, 0644, "");
	assert_return_code(symlink("../c/own", at("b/to-link")), errno);
	assert_return_code(symlink("../c/roots", at("b/to-roots")), errno);
	assert_return_code(symlink("file", at("c/own")), errno);
	assert_return_code(symlink("file", at("c/roots")), errno);
	assert_return_code(lchown(at("b/to-link"), B, B), errno);
	assert_return_code(lchown(at("b/to-roots"), B, B), errno);
	assert_return_code(lchown(at("c/own"), C, C), errno);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("b/to-link"), NULL), EACCES);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("b/to-roots"), NULL), EACCES);
	log_wait(1, "condition=symlink mode=0777 owner=61003", "/b/to-link\"");
	/* The counter-check: by the second link alone. */
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("c/own"), NULL), 0);
}

/* So many bytes of a path, "d/d/d", the components as long as they may be. */
static void
put_long(char *path, size_t n)
{
	memset(path, 'd', n);
	for (size_t i = COMPONENT; i < n - 1; i += COMPONENT + 1)
		path[i] = '/';
	path[n] = '\0';
}

/* A path that becomes longer than any may be, by what a link says or by what stands behind it. */
static void
test_links_to_long_paths(void **state)
{
	static char path[8192], target[PATH_MAX];
	const size_t used = (size_t)snprintf(path, sizeof(path), "%s", at("links/half/"));
	const pid_t worker = worker_of(&broker, A);

	(void)state;
	put_long(target, PATH_MAX - 1);
	assert_return_code(symlink(target, at("links/long")), errno);
	put_long(target, PATH_MAX / 2);
	assert_return_code(symlink(target, at("links/half")), errno);
	/* The counter-check: shorter ones lead to what is not there. */
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("links/half"), NULL), ENOENT);
	put_long(path + used, 100);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), ENOENT);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("links/long"), NULL), ELOOP);
	put_long(path + used, PATH_MAX / 2);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), ELOOP);
	put_long(path + used, WIRE_PATH_MAX - used);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, path, NULL), ELOOP);
	/* And a component that is longer than any: to the policy that is no path at all. */
	memset(target, 'd', NAME_MAX + 1);
	target[NAME_MAX + 1] = '\0';
	assert_return_code(symlink(target, at("links/no-name")), errno);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("links/no-name"), NULL), ELOOP);
	target[NAME_MAX] = '\0';
	assert_return_code(symlink(target, at("links/longest-name")), errno);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("links/longest-name"), NULL), ENOENT);
	/* It was no new worker that said so. */
	assert_int_equal(worker_of(&broker, A), worker);
}

/* A question that the worker finds when the policy is another: its status, -1 if there was no answer. */
static int
ask_who_while_held(bool reload)
{
	const pid_t worker = worker_of(&broker, A);
	char message[WIRE_REQUEST_HEAD];
	size_t size = wire_encode_whoami(message, 5, 0);
	struct reply reply;

	assert_true(worker > 0);
	assert_return_code(kill(worker, SIGSTOP), errno);
	assert_int_equal(raw_send(peer.socket, &(struct raw){.bytes = message,
							     .size = size,
							     .credentials = &peer.credentials}),
			 0);
	if (reload) {
		const unsigned long generation = status_number(&broker, "generation");

		assert_return_code(kill(broker.pid, SIGHUP), errno);
		for (int i = 0; status_number(&broker, "generation") == generation; i++) {
			assert_true(i < WAIT_SECONDS * 100);
			sleep_ms(5);
		}
	}
	/* It may have been killed by now, for it did not end when it was told to. */
	(void)kill(worker, SIGCONT);
	raw_receive(peer.socket, 0, &reply);
	peer_end(&peer);
	peer = peer_begin(A);
	assert_int_equal(peer_open(&peer, O_RDONLY, 0, at("links/%d", CHAIN), NULL), 0);
	return reply.size <= 0 ? -1 : reply.head.status;
}

/* Who one is, and by which rules, is not told by a worker of another policy either. */
static void
test_who_by_an_old_policy(void **state)
{
	int status = -1;

	(void)state;
	for (int i = 0; status == -1; i++) {
		assert_true(i < ATTEMPTS);
		status = ask_who_while_held(true);
	}
	assert_int_equal(status, WIRE_STATUS_RETRY);
	/* The counter-check: it is not that it was stopped. */
	assert_int_equal(ask_who_while_held(false), 0);
}

static void
test_end(void **state)
{
	(void)state;
	peer_end(&peer);
	assert_int_equal(harness_stop(&broker), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_with_a_refusal),
		cmocka_unit_test(test_another_sender),
		cmocka_unit_test(test_verbs_of_an_open),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_links_of_all),
		cmocka_unit_test(test_links_of_two),
		cmocka_unit_test(test_links_to_long_paths),
		cmocka_unit_test(test_who_by_an_old_policy),
		cmocka_unit_test(test_end),
	};

	return asks_run("broker/request", tests, setup);
}
