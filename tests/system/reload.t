#!/bin/bash
# SPDX-License-Identifier: MIT
# A changed policy, under load: no request is lost, a withdrawn right is gone, a broken policy changes nothing.
. "$(dirname "$0")/../lib.sh"
needs_root

mkdir -m 755 "$T/data"
for i in 1 2 3; do echo "$i" >"$T/data/$i"; done
chmod 600 "$T"/data/*
allow() {
	policy 10-test.policy <<EOF
policy 1
allow user:$A read $T/data/**
allow user:$B read $T/data/$1
EOF
}
client=$BUILD/tests/system/tool-client
generation() { fdbroker status --json | tr ',' '\n' | sed -n 's/^"generation":\([0-9]*\)$/\1/p' | head -n 1; }

allow 1
start_broker
is "the first policy is generation 1" 1 "$(generation)"

# One connection of B, kept over the reload.
coproc STEPS { as $B "$client" steps "$T/data/1"; }
step() { echo go >&"${STEPS[1]}"; read -r answer <&"${STEPS[0]}"; echo "$answer"; }
is "B opens what it may" ok "$(step)"
allow 2
ok "reload" "$BUILD/fdbroker" reload
is "it is another generation" 2 "$(generation)"
is "on the old connection the withdrawn right is gone" EACCES "$(step)"
is "and the new one is there" 2 "$(as $B "$BUILD/fdbroker" cat "$T/data/2")"

# One whom no rule names, on one connection too.
{ coproc STRANGER { as $C "$client" steps "$T/data/3"; }; } 2>/dev/null
stranger() { echo go >&"${STRANGER[1]}"; read -r answer <&"${STRANGER[0]}"; echo "$answer"; }
is "whom no rule names is refused" EACCES "$(stranger)"
policy 30-stranger.policy <<EOF
policy 1
allow user:$C read $T/data/3
EOF
"$BUILD/fdbroker" reload >/dev/null
is "a new rule for that one holds on the connection that was refused" ok "$(stranger)"
rm "$T/policy/30-stranger.policy"
"$BUILD/fdbroker" reload >/dev/null
is "and is gone with the rule" EACCES "$(stranger)"
eval "exec ${STRANGER[1]}>&-"

policy 20-broken.policy <<EOF
policy 1
allow user:$B read $T/data/1
allow user:$B raed $T/data/1
allow user:$B read data/1
EOF
said=$("$BUILD/fdbroker" reload 2>&1)
is "a policy that does not compile: reload says 2" 2 $?
has "with file, line and column of the first error" "20-broken.policy:3:[0-9]+: error\[P" "$said"
has "and of the second" "20-broken.policy:4:[0-9]+: error\[P" "$said"
is "the old policy stays in force" "4 2" "$(generation) $(as $B "$BUILD/fdbroker" cat "$T/data/2")"
is "and the old connection goes on as before" EACCES "$(step)"
rm "$T/policy/20-broken.policy"
allow 1
kill -HUP "$broker"
reads_one() { as $B "$BUILD/fdbroker" cat "$T/data/1"; }
ok "SIGHUP alone reloads" until_ok reads_one

# Under load.
pids=()
for i in 1 2 3; do
	as $A "$client" until "$T/stop" "$T/data/1" "$T/data/2" "$T/data/3" >"$T/load.$i" 2>&1 &
	pids+=($!)
done
before=$(generation)
for i in $(seq 20); do "$BUILD/fdbroker" reload >/dev/null || echo "# reload $i failed"; done
touch "$T/stop"
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
is "20 reloads under load: no open failed" 0 $failed
sed 's/^/# /' "$T"/load.*
is "each was a generation" $((before + 20)) "$(generation)"
is "and no old worker is left" "" "$(fdbroker status --json | grep -o draining)"

# A worker that does not finish is killed, and reload says so or waits for it.
w=$(worker_of $A)
as $A "$client" loop 1 "$T/data/1" >/dev/null
w=$(worker_of $A)
kill -STOP "$w"
ok "reload with a stopped worker comes to an end" timeout 20 "$BUILD/fdbroker" reload
ok "which is dead then" test ! -d "/proc/$w"
ok "(there was one)" test -n "$w"
is "and A is served by another" 1 "$(as $A "$BUILD/fdbroker" cat "$T/data/1")"

descriptors() { ls "/proc/$broker/fd" | wc -l; }
w=$(worker_of $A)
before=$(descriptors)
kill -KILL "$w"
is "a worker that is killed is replaced for the next client" 1 "$(as $A "$BUILD/fdbroker" cat "$T/data/1")"
is "and costs no descriptor" "$before" "$(descriptors)"
eval "exec ${STEPS[1]}>&-"
wait "$STEPS_PID" 2>/dev/null
grep -E "died|killed|worker:" "$T/log" | sed "s/^/# /"
stop_broker
is "it ends with 0" 0 $?
finished
