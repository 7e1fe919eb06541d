/* SPDX-License-Identifier: MIT */
/* Runs in: broker, and all that it starts. */
#include "broker/filter.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__)
/* A confined process cannot look for leaks at its end: that takes a thread and ptrace(2). */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Calls of the sanitizers' runtime: reports, stacks, shadow memory. In no other build. */
static const int runtime_calls[] = {
	SCMP_SYS(read),         SCMP_SYS(write),          SCMP_SYS(getpid),      SCMP_SYS(gettid),
	SCMP_SYS(futex),        SCMP_SYS(madvise),        SCMP_SYS(sigaltstack), SCMP_SYS(mremap),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sched_yield), SCMP_SYS(readlink),
	SCMP_SYS(prctl),        SCMP_SYS(getrusage),      SCMP_SYS(openat),      SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
};
#endif

static int
add(scmp_filter_ctx filter, const struct filter_rule *rule)
{
	switch (rule->test) {
	case FILTER_EQUAL:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->call, 1,
					SCMP_CMP64(rule->argument, SCMP_CMP_EQ, rule->value));
	case FILTER_BITS_CLEAR:
		return seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, rule->call, 1,
			SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->value, 0));
	case FILTER_BITS_SET:
		return seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, rule->call, 1,
			SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->value, rule->value));
	case FILTER_ABSENT:
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), rule->call, 0);
	case FILTER_OPTION:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->call, 2,
					SCMP_CMP64(1, SCMP_CMP_EQ, SOL_SOCKET),
					SCMP_CMP64(2, SCMP_CMP_EQ, rule->value));
	case FILTER_ANY:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->call, 0);
	}
	return -EINVAL;
}

int
filter_enter(enum filter_answer answer, const struct filter_rule *rules, size_t n)
{
	uint32_t action = answer == FILTER_KILLS ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS);
	scmp_filter_ctx filter;
	int r;

	/* Level 3 of the library: what killing a process takes, Linux 4.14. It never says 0. */
	if (seccomp_api_get() < 3)
		return 0;
	filter = seccomp_init(action);
	if (!filter)
		return -ENOMEM;
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add(filter, &rules[i]);
#if defined(__SANITIZE_ADDRESS__)
	for (size_t i = 0; i < sizeof(runtime_calls) / sizeof(runtime_calls[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, runtime_calls[i], 0);
#endif
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? r : 1;
}
