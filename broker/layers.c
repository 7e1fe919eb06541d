/* SPDX-License-Identifier: MIT */
#include "broker/layers.h"

#include <errno.h>
#include <string.h>

const struct layer_name layer_names[] = {
	{LAYER_TREES, "trees", "workers see the whole file system, not private read-only mounts",
	 "root with CAP_SYS_ADMIN over its mounts, open_tree(2) and mount_setattr(2)"},
	{LAYER_LANDLOCK, "landlock", "the kernel does not hold workers to the policy's trees",
	 "a kernel with Landlock, named in lsm= of its command line"},
	{LAYER_SECCOMP, "seccomp", "workers may make any system call",
	 "a kernel with CONFIG_SECCOMP_FILTER"},
	{LAYER_CAPS, "caps", "workers keep capabilities that they do not need",
	 "root with CAP_SETPCAP"},
	{LAYER_USER, "user", "workers run under the uid of the broker's own user", "root"},
};
const unsigned n_layer_names = sizeof(layer_names) / sizeof(layer_names[0]);

int
layers_parse(const char *text, uint32_t *ret_layers)
{
	uint32_t layers = 0;

	while (*text) {
		size_t length = strcspn(text, ",");
		unsigned i;

		for (i = 0; i < n_layer_names; i++)
			if (strlen(layer_names[i].name) == length &&
			    strncmp(layer_names[i].name, text, length) == 0)
				break;
		if (i == n_layer_names)
			return -EINVAL;
		layers |= layer_names[i].layer;
		text += length;
		if (*text == ',' && *++text == '\0')
			return -EINVAL;
	}
	*ret_layers = layers;
	return 0;
}
