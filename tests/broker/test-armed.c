/* SPDX-License-Identifier: MIT */
/* A close that lingers ends early in a process that is armed, and only there. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/armed.h"
#include "tests/harness.h"
#include "tests/linger.h"

enum {
	SOON_MS = 100,
	LONG_MS = 400,
};

/* Milliseconds that a process waits in close(2) of a TCP socket that lingers; LONG_MS: or more. */
static unsigned
close_takes(bool armed)
{
	struct arms arms;
	double begin;
	int go[2], done[2];
	char byte;
	pid_t pid;

	arms_tcp(&arms, 1);
	assert_true(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		close(done[0]);
		if (armed_prepare() < 0 || read(go[0], &byte, 1) != 1)
			_exit(1);
		if (armed)
			armed_begin();
		close(arms.arm[0]);
		if (armed)
			armed_end();
		(void)!write(done[1], "", 1);
		_exit(0);
	}
	close(done[1]);
	/* Ours first, so that the child's is the last. */
	arms_disown(&arms);
	begin = seconds_now();
	assert_int_equal(write(go[1], "", 1), 1);
	while (seconds_now() - begin < LONG_MS / 1000.0) {
		struct pollfd wait = {.fd = done[0], .events = POLLIN};

		if (poll(&wait, 1, 10) == 1)
			break;
	}
	begin = seconds_now() - begin;
	arms_release(&arms);
	assert_int_equal(read(done[0], &byte, 1), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(done[0]);
	close(go[0]);
	close(go[1]);
	return (unsigned)(begin * 1000);
}

static void
test_close(void **state)
{
	unsigned armed, unarmed;

	(void)state;
	armed = close_takes(true);
	unarmed = close_takes(false);
	printf("# armed: %u ms, not armed: at least %u ms\n", armed, unarmed);
	assert_true(armed < SOON_MS);
	assert_true(unarmed >= LONG_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests_name("broker/armed", tests, NULL, NULL);
}
