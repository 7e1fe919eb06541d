/* SPDX-License-Identifier: MIT */
/* Runs in: broker and workers. */
#include "broker/armed.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

static void
interrupt(int signal)
{
	(void)signal;
}

int
armed_prepare(void)
{
	/* Calls that can be begun anew are; one that lingers is not one of them. */
	const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};

	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	return sigaction(SIGALRM, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) < 0
		       ? -errno
		       : 0;
}

static void
set_interval(int us)
{
	const struct timeval interval = {.tv_usec = us};
	const struct itimerval timer = {interval, interval};

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void
armed_begin(void)
{
	set_interval(ARMED_US);
}

void
armed_end(void)
{
	set_interval(0);
}
