#!/bin/bash
# SPDX-License-Identifier: MIT
# A broker that an ordinary user runs: that user's own files, with what privilege there is.
. "$(dirname "$0")/../lib.sh"

# As root the broker runs under a throw-away uid; as anybody else under our own.
bin=$T/bin
mkdir "$bin" && cp "$BUILD"/fdbroker* "$bin"
BUILD=$bin # a clone in the home of root is out of reach for others
if [ "$(id -u)" = 0 ]; then
	me=$A
	chown $A "$T"
	become=(setpriv "--reuid=$A" "--regid=$A" --clear-groups --)
else
	me=$(id -u)
	become=()
fi
run() { "${become[@]}" "$@"; }
run sh -c "umask 077; echo mine >$T/file; echo other >$T/other; mkdir $T/policy $T/dir; echo deep >$T/dir/deep"
run sh -c "cat >$T/policy/10-test.policy" <<EOF
policy 1
allow user:$me read $T/file $T/dir/**
allow user:$me write $T/dir/*
allow any read $T/other
EOF
chmod 644 "$T/policy/10-test.policy"
"${become[@]}" "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" >"$T/log" 2>&1 &
broker=$!
brokers+=("$broker")
export FDBROKER_SOCKET=$T/socket
until_ok grep -q 'listening on' "$T/log" || sed 's/^/# /' "$T/log"

has "it says which layers are off" "layer 'trees' is off" "$(cat "$T/log")"
has "and why that matters" "layer 'user' is off: " "$(cat "$T/log")"
is "but not those that need no privilege" "" "$(grep -E "layer '(seccomp|landlock|caps)' is off" "$T/log")"
is "it serves its user's file" mine "$(run "$BUILD/fdbroker" cat "$T/file")"
is "and what lies deeper" deep "$(run "$BUILD/fdbroker" cat "$T/dir/deep")"
ok "and writes where a rule says so" run "$BUILD/fdbroker" open --flags=write,append "$T/dir/deep" -- sh -c 'echo more >&1'
is "which is there" "deep more" "$(run cat "$T/dir/deep" | tr '\n' ' ' | sed 's/ $//')"
is "and nothing else" 1 "$(run "$BUILD/fdbroker" open --flags=write "$T/file" -- true >/dev/null 2>&1; echo $?)"
said=$(run timeout 10 "$BUILD/fdbrokerd" --socket "$T/socket2" --policy "$T/policy" --require=trees 2>&1)
is "--require=trees refuses to run so" 1 $?
has "and names the layer" "'trees' is required and cannot be had" "$said"
if [ "$(id -u)" = 0 ]; then
	is "another user gets nothing from it, whatever the policy says" 1 \
		"$(as $B "$BUILD/fdbroker" cat "$T/other" >/dev/null 2>&1; echo $?)"
	has "because a client does not trust a server of another user" "ENOTCONN|no broker|trust" "$(as $B "$BUILD/fdbroker" cat "$T/other" 2>&1)"
	export FDBROKER_SERVER_UID=$A
	is "its own user is served by a server that is expected to be that user" other "$(run "$BUILD/fdbroker" cat "$T/other")"
	has "another is refused by the broker" "policy does not allow it" "$(as $B "$BUILD/fdbroker" cat "$T/other" 2>&1)"
	unset FDBROKER_SERVER_UID
fi
stop_broker
is "SIGTERM ends it with 0" 0 $?
finished
