#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh check|install [check] [lint]: what the build needs, and the tests, and the linters, as Debian packages.
set -eu
action=$1
shift
packages="gcc libc6-dev make binutils libcap-dev libseccomp-dev libjansson-dev util-linux"
for what; do
	case $what in
	check) packages="$packages libcmocka-dev perl python3 systemd" ;;
	lint) packages="$packages libcmocka-dev clang clang-format shellcheck mandoc libclang-rt-14-dev" ;;
	esac
done
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
if [ "$action" = install ] && [ "$(id -u)" = 0 ]; then
	echo "installing:$missing"
	apt-get update -qq
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi
echo "Some packages are missing. Install them with" >&2
if [ "$(id -u)" = 0 ]; then
	echo "    apt-get install --no-install-recommends$missing" >&2
	echo "or with 'make deps', and run make again." >&2
else
	echo "    sudo apt-get install --no-install-recommends$missing" >&2
	echo "and run make again." >&2
fi
exit 1
