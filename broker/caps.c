/* SPDX-License-Identifier: MIT */
/* Runs in: broker at its start, helpers before they read what others wrote. */
#include "broker/caps.h"

#include <errno.h>
#include <stdbool.h>

static bool
is_kept(const cap_value_t *keep, size_t n, cap_value_t cap)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == cap)
			return true;
	return false;
}

int
caps_bound(const cap_value_t *keep, size_t n)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (!is_kept(keep, n, cap) && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

int
caps_hold(const cap_value_t *keep, size_t n)
{
	cap_t now = cap_get_proc(), then = cap_init();
	int r = now && then ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		cap_flag_value_t had = CAP_CLEAR;

		if (cap_get_flag(now, keep[i], CAP_PERMITTED, &had) < 0 ||
		    cap_set_flag(then, CAP_PERMITTED, 1, &keep[i], had) < 0 ||
		    cap_set_flag(then, CAP_EFFECTIVE, 1, &keep[i], had) < 0)
			r = -errno;
	}
	if (r == 0 && cap_set_proc(then) < 0)
		r = -errno;
	cap_free(now);
	cap_free(then);
	return r;
}

int
caps_rest(cap_value_t cap)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t permitted = CAP_CLEAR;
	int r = caps ? 0 : -ENOMEM;

	if (r == 0 &&
	    (cap_get_flag(caps, cap, CAP_PERMITTED, &permitted) < 0 ||
	     cap_clear_flag(caps, CAP_EFFECTIVE) < 0 ||
	     cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, permitted) < 0 || cap_set_proc(caps) < 0))
		r = -errno;
	cap_free(caps);
	return r;
}
