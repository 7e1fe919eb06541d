#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh check|install [lint]: what the build, the tests (and the linters) need, as Debian packages.
set -eu
packages="gcc libc6-dev make libcap-dev libseccomp-dev libjansson-dev libcmocka-dev perl util-linux"
if [ "${2:-}" = lint ]; then
	packages="$packages clang clang-format shellcheck mandoc libclang-rt-14-dev binutils"
fi
if ! command -v dpkg-query >/dev/null; then
	echo "not a Debian system: make sure that what these Debian packages hold is there: $packages"
	exit 0
fi
missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$1" = install ] && [ "$(id -u)" = 0 ]; then
	echo "installing:$missing"
	apt-get update -qq
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi
echo "Some packages are missing. Install them with" >&2
echo "    sudo apt-get install --no-install-recommends$missing" >&2
echo "and run make again." >&2
exit 1
