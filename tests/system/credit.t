#!/bin/bash
# SPDX-License-Identifier: MIT
# One client asks for descriptors and receives none of them; another identity does not notice.
. "$(dirname "$0")/../lib.sh"
needs_root

mkdir -m 755 "$T/data"
echo content >"$T/data/file"
chmod 600 "$T/data/file"
policy 10-test.policy <<EOF
policy 1
allow user:$A read $T/data/**
allow user:$B read $T/data/**
EOF
# An account of its own: the kernel counts by account, and other tests use the other one.
start_broker --user bin
# The kernel's limit is that of the broker's descriptors; a small one is used up in a moment.
prlimit --pid "$broker" --nofile=1024:1024
for i in 1 2 3 4 5 6 7 8; do
	# Not through as: $! has to be the client itself.
	setpriv --reuid=$A --regid=$A --clear-groups "$BUILD/tests/system/tool-client" hoard 200 "$T/data/file" >"$T/hoard.$i" &
	brokers+=("$!")
done
until_ok grep -q full "$T/hoard.8"
is "(eight clients hoard)" 8 "$(running "hoard 200 $T" | grep -c .)"
ok "while one hoards, another is served" as $B "$BUILD/tests/system/tool-client" loop 200 "$T/data/file"
ok "and so is a third connection of the hoarder's, in the end" as $A "$BUILD/tests/system/tool-client" loop 1 "$T/data/file"
stop_broker
is "the broker ends with 0" 0 $?
for pid in "${brokers[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
is "and no client is left" "" "$(running "hoard 200 $T")"
finished
