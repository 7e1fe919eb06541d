/* SPDX-License-Identifier: MIT */
/* An allow-list of system calls. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define FILTER_SANITIZED 1 /* the sanitizers' runtime writes reports, and needs memory of its own */
#else
#define FILTER_SANITIZED 0
#endif

enum filter_test {
	FILTER_ANY = 0,    /* whatever the arguments */
	FILTER_EQUAL,      /* one argument has this value */
	FILTER_BITS_CLEAR, /* one argument has none of these bits */
	FILTER_BITS_SET,   /* one argument has all of these bits */
	FILTER_ABSENT,     /* with FILTER_KILLS: answered ENOSYS all the same */
	FILTER_OPTION,     /* of getsockopt(2) and setsockopt(2): this one of SOL_SOCKET */
};

struct filter_rule {
	int call;
	enum filter_test test;
	unsigned argument; /* from 0 */
	uint64_t value;
};

enum filter_answer {
	FILTER_KILLS, /* the process */
	FILTER_ENOSYS, /* as a kernel would that is too old for the call: the C library knows a way */
};

/*
 * From now on any other system call is answered so, and one of another architecture kills the
 * process. Needs no_new_privs or CAP_SYS_ADMIN. Returns 1; 0 where the kernel has no filters; or a
 * negative errno value.
 */
int filter_enter(enum filter_answer answer, const struct filter_rule *rules, size_t n);
