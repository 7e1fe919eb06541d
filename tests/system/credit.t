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
for pid in "${brokers[@]:1}"; do kill "$pid"; wait "$pid" 2>/dev/null; done

# Of those who share a worker, whoever has waited longest is served first: also one who came before all others.
coproc STEPS { setpriv --reuid=$A --regid=$A --clear-groups "$BUILD/tests/system/tool-client" steps "$T/data/file"; }
step() { echo go >&"${STEPS[1]}"; read -r answer <&"${STEPS[0]}"; echo "$answer"; }
is "a client connects" ok "$(step)"
setpriv --reuid=$A --regid=$A --clear-groups "$BUILD/tests/system/tool-client" slow 16 "$T/data/file" >"$T/slow" &
brokers+=("$!")
until_ok grep -q full "$T/slow"
sleep 1.5
is "while sixteen connections are slow, it is served" "ok ok" "$(step) $(step)"
eval "exec ${STEPS[1]}>&-"
stop_broker
is "the broker ends with 0" 0 $?
for pid in "${brokers[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
is "and no client is left" "" "$(running "$T/data/file")"
finished
