#!/bin/bash
# SPDX-License-Identifier: MIT
# The compiler's process: it opens with the broker's privileges, gives them up, and only then reads.
. "$(dirname "$0")/../lib.sh"
needs_root
compiler=$BUILD/fdbroker-compile
# compile UID GID DIR...: with the descriptors that the broker gives it; sets $status.
compile() {
	rm -f "$T/image" "$T/messages"
	"$compiler" "$@" 3>"$T/image" 4>"$T/messages" 2>"$T/said" </dev/null
	status=$?
}
nobody=$(id -u nobody)
policy a.policy <<<$'policy 1\nallow any read @s'
policy b.policy <<<$'policy 1\nset @s = /etc/motd'
chmod 600 "$T"/policy/*

compile "$nobody" "$nobody" "$T/policy"
is "files that only root may read are compiled" 0 "$status"
ok "to an image" test -s "$T/image"
is "without a message" "" "$(cat "$T/messages")"
cp "$T/image" "$T/first"
compile "$nobody" "$nobody" "$T/policy"
ok "the same text, the same image" cmp "$T/image" "$T/first"
compile "$nobody" "$nobody" "$T/nothing"
is "no file is a policy too" 0 "$status"

rm "$T/policy/b.policy"
compile "$nobody" "$nobody" "$T/policy"
is "an error in the policy is 1" 1 "$status"
is "with no image" 0 "$(stat -c %s "$T/image")"
has "and a message" "a.policy:2:16: error\[P020\]: unknown set '@s'" "$(cat "$T/messages")"
is "which stderr says too" "$(cat "$T/messages")" "$(cat "$T/said")"

policy b.policy <<<$'policy 1\nset @s = /etc/motd'
chmod 666 "$T/policy/b.policy"
policy c.policy <<<$'policy 1\nallow any raed /etc/motd'
compile "$nobody" "$nobody" "$T/policy"
is "a file that everybody may write is refused" 1 "$status"
has "by name" "b.policy.*error\[P" "$(cat "$T/messages")"
has "and errors of other files are found in the same run" "c.policy:2:11: error\[P010\]" "$(cat "$T/messages")"
rm "$T/policy/c.policy"
chmod 600 "$T/policy/b.policy"

for id in 0 00 -1 4294967295 4294967296 x "" 1x; do
	compile "$id" "$nobody" "$T/policy"
	is "uid '$id' is no account to become" 2 "$status"
	compile "$nobody" "$id" "$T/policy"
	is "nor gid '$id'" 2 "$status"
done
has "and it says what it could not do" "cannot give up its privileges" "$(cat "$T/said")"
is "without arguments it says who starts it" 2 "$("$compiler" </dev/null >/dev/null 2>&1; echo $?)"
"$compiler" "$nobody" "$nobody" "$T/policy" 3>/dev/full 4>"$T/messages" 2>"$T/said" </dev/null
is "an image that cannot be written is 2" 2 $?

# What it is while it reads: strace(1) would tell, /proc does too. A pipe as stderr that nobody empties holds it.
mkfifo "$T/pipe"
exec 9<>"$T/pipe"
dd if=/dev/zero bs=4096 count=16 >&9 2>/dev/null
echo broken >"$T/policy/c.policy"
"$compiler" "$nobody" "$nobody" "$T/policy" 3>"$T/image" 4>"$T/messages" 2>&9 </dev/null &
pid=$!
until_ok grep -qE "^Uid:.*$nobody" "/proc/$pid/status"
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status" | tr -s '\t' ' '; }
is "its ids are the helpers'" "$nobody $nobody $nobody $nobody" "$(field Uid)"
is "it has no group" "" "$(field Groups | tr -d ' ')"
is "it holds no capability" "0000000000000000 0000000000000000" "$(field CapPrm) $(field CapEff)"
is "and can gain none" 1 "$(field NoNewPrivs)"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
exec 9>&-
finished
