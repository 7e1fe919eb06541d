/* SPDX-License-Identifier: MIT */
/* Growing arrays and clean-up, for policy/ and cli/ only. */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
/* Not zeroed by -ftrivial-auto-var-init: for what is too large for that on a request's way. */
#define _uninitialized_ __attribute__((uninitialized))
#define ELEMENTS(a)     (sizeof(a) / sizeof((a)[0]))

static inline void
policy_free_pointer(void *pointer)
{
	free(*(void **)pointer);
}
#define _cleanup_free_ _cleanup_(policy_free_pointer)

#define POLICY_VECTOR(type)                                                                        \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t n;                                                                          \
		size_t room;                                                                       \
	}

/* Make room for `more` items: 0 or -ENOMEM. */
#define policy_vector_reserve(v, more)                                                             \
	({                                                                                         \
		size_t need_ = (v)->n + (more);                                                    \
		int r_ = 0;                                                                        \
		if (need_ > (v)->room) {                                                           \
			size_t room_ = need_ + need_ / 2 + 16;                                     \
			void *p_ = reallocarray((v)->items, room_, sizeof(*(v)->items));           \
			if (p_) {                                                                  \
				(v)->items = p_;                                                   \
				(v)->room = room_;                                                 \
			} else {                                                                   \
				r_ = -ENOMEM;                                                      \
			}                                                                          \
		}                                                                                  \
		r_;                                                                                \
	})

/* Append one item: 0 or -ENOMEM. */
#define policy_vector_push(v, ...)                                                                 \
	({                                                                                         \
		int pushed_ = policy_vector_reserve(v, 1);                                         \
		if (pushed_ == 0)                                                                  \
			(v)->items[(v)->n++] = (__VA_ARGS__);                                      \
		pushed_;                                                                           \
	})

#define policy_vector_free(v)                                                                      \
	do {                                                                                       \
		free((v)->items);                                                                  \
		(v)->items = NULL;                                                                 \
		(v)->n = (v)->room = 0;                                                            \
	} while (0)

/* User ids that are one user's to give out. Part of the image format. */
struct policy_subuids {
	uint32_t first;
	uint32_t n;
	uint32_t owner;
	uint32_t shared; /* not 0: more than one line gives them out */
};

/* A run of items in an array. */
struct policy_range {
	uint32_t first;
	uint32_t n;
};
