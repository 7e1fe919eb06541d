# SPDX-License-Identifier: MIT
# For the TAP scripts: a real broker in a directory of its own. Source it, then: plan, start_broker, ok.
# shellcheck shell=bash
set -u
: "${BUILD:?set BUILD to the build directory, or run make check}"

# Throw-away ids: nobody on this machine, in no database.
# shellcheck disable=SC2034
A=61001 B=61002 C=61003 G=61010

T=$(mktemp -d "${TMPDIR:-/tmp}/fdbroker-test.XXXXXX") || exit 1
chmod 755 "$T"
tests_run=0 tests_failed=0 broker='' brokers=()

finish() {
	for pid in "${brokers[@]}"; do kill -TERM "$pid" 2>/dev/null; done
	for pid in "${brokers[@]}"; do wait "$pid" 2>/dev/null; done
	rm -rf "$T"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Tests that need root say so and are skipped without; with CI=true there is no skipping.
needs_root() {
	[ "$(id -u)" = 0 ] && return
	if [ "${CI:-}" = true ]; then
		echo "1..1"
		echo "not ok 1 - needs root, and with CI=true nothing is skipped"
		exit 1
	fi
	echo "1..0 # SKIP needs root"
	exit 0
}

# ok DESCRIPTION COMMAND...: the command succeeds.
ok() {
	local what=$1 output
	shift
	tests_run=$((tests_run + 1))
	if output=$("$@" 2>&1); then
		echo "ok $tests_run - $what"
	else
		echo "not ok $tests_run - $what"
		echo "#   $* failed and said:"
		printf '%s\n' "$output" | head -n 20 | sed 's/^/#   | /'
		tests_failed=$((tests_failed + 1))
	fi
}

# is DESCRIPTION EXPECTED ACTUAL
is() {
	tests_run=$((tests_run + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $tests_run - $1"
	else
		echo "not ok $tests_run - $1"
		printf 'expected: %s\nactual:   %s\n' "$2" "$3" | sed 's/^/#   /'
		tests_failed=$((tests_failed + 1))
	fi
}

# has DESCRIPTION PATTERN TEXT: an extended regular expression matches.
has() {
	tests_run=$((tests_run + 1))
	if grep -qE -- "$2" <<<"$3"; then
		echo "ok $tests_run - $1"
	else
		echo "not ok $tests_run - $1"
		printf 'no match for: %s\nin:\n%s\n' "$2" "$3" | head -n 30 | sed 's/^/#   /'
		tests_failed=$((tests_failed + 1))
	fi
}

finished() {
	echo "1..$tests_run"
	exit $((tests_failed > 0))
}

# until COMMAND...: it succeeds within ten seconds.
until_ok() {
	local i
	for ((i = 0; i < 1000; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.01
	done
	return 1
}

# running WORDS: pids of processes whose command line holds this. Needs no procps.
running() {
	local line
	for line in /proc/[0-9]*/cmdline; do
		{ tr '\0' ' ' <"$line"; } 2>/dev/null | grep -qF -- "$1" && echo "${line//[^0-9]/}"
	done
}

# policy FILE <<TEXT: a policy file of the broker's directory.
policy() {
	mkdir -p "$T/policy"
	cat >"$T/policy/$1"
	chmod 644 "$T/policy/$1"
}

# start_broker [OPTION...]: on $T/socket, with $T/policy, its messages in $T/log; sets $broker.
start_broker() {
	local before
	mkdir -p "$T/policy"
	before=$(grep -cs 'listening on' "$T/log")
	"$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" "$@" >>"$T/log" 2>&1 &
	broker=$!
	brokers+=("$broker")
	export FDBROKER_SOCKET=$T/socket
	until_ok listens_anew "${before:-0}" || sed 's/^/# /' "$T/log"
}
# listens_anew N: a broker has said so more than N times in this log.
listens_anew() { [ "$(grep -c 'listening on' "$T/log")" -gt "$1" ]; }

# stop_broker: and wait; its status is the result.
stop_broker() {
	kill -TERM "$broker"
	wait "$broker"
}

# as UID COMMAND...: with that uid, the same gid and no groups. as UID:GID,GID... with groups.
as() {
	local ids=${1%%:*} groups=()
	if [ "$1" = "$ids" ]; then groups=(--clear-groups); else groups=(--groups "${1#*:}"); fi
	shift
	setpriv --reuid="$ids" --regid="$ids" "${groups[@]}" -- "$@"
}

fdbroker() {
	"$BUILD/fdbroker" "$@"
}

# The pid of the worker of a uid, as status shows it.
worker_of() {
	"$BUILD/fdbroker" status --json | tr '{' '\n' | sed -n "s/.*\"pid\":\([0-9]*\),\"kind\":\"identity\",\"uid\":$1,.*/\1/p"
}
