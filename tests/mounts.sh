# SPDX-License-Identifier: MIT
# For the TAP scripts that mount: the same script again, as root in a mount namespace of its own, whose mounts
# propagate as on an ordinary system, and not out of it; with its directories where nobody else makes files.
# Source it before lib.sh.
# shellcheck shell=bash
if [ "$(id -u)" = 0 ]; then
	[ "${MOUNTS_INSIDE:-}" = yes ] || exec env MOUNTS_INSIDE=yes unshare -m --propagation private "$0" "$@"
	mount -t tmpfs -o mode=755 tests /mnt && mount --make-rshared / || exit 1
	export TMPDIR=/mnt
fi
