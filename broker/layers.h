/* SPDX-License-Identifier: MIT */
/* The layers that confine a worker, as `--require` and `status` name them. */
#pragma once

#include <stdint.h>

enum layer {
	LAYER_TREES = 1 << 0,    /* private mounts of the policy's trees, an empty root */
	LAYER_LANDLOCK = 1 << 1, /* Landlock on those trees */
	LAYER_SECCOMP = 1 << 2,  /* an allow-list of system calls */
	LAYER_CAPS = 1 << 3,     /* no capability beyond the one or two that opening needs */
	LAYER_USER = 1 << 4,     /* a uid that no client has */
	LAYERS_ALL = (1 << 5) - 1,
};

struct layer_name {
	uint32_t layer;
	const char *name;
	const char *absent; /* what its absence means, for people */
	const char *takes;  /* what it takes to have it */
};

extern const struct layer_name layer_names[];
extern const unsigned n_layer_names;

/* "trees,seccomp" to a set. 0 or -EINVAL. */
int layers_parse(const char *text, uint32_t *ret_layers);
