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

# /etc/subuid, in an /etc that only the compiler sees.
mkdir "$T/etc"
cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache "$T/etc/"
with_subuid() { # UID
	rm -f "$T/image" "$T/messages"
	unshare --mount --propagation private sh -c 'mount --bind "$1" /etc && shift && exec "$@"' sh "$T/etc" \
		"$compiler" "$1" "$1" "$T/policy" 3>"$T/image" 4>"$T/messages" 2>"$T/said" </dev/null
	status=$?
}
with_subuid "$nobody"
is "no /etc/subuid" "0 " "$status $(cat "$T/messages")"
cp "$T/image" "$T/without"
echo "61001:900000000:65536" >"$T/etc/subuid"
with_subuid "$nobody"
is "one with a range" "0 " "$status $(cat "$T/messages")"
is "which takes sixteen bytes of the image" 16 $(($(stat -c %s "$T/image") - $(stat -c %s "$T/without")))
printf 'broken\nno-such-user-here:900000000:1\n\0\xff:::\n' >"$T/etc/subuid"
with_subuid "$nobody"
is "one that is broken keeps no policy from being loaded" 0 "$status"
has "but is noted" "^/etc/subuid:1:1: note\[P084\]" "$(cat "$T/messages")"
ok "and the image is as without" cmp "$T/image" "$T/without"
chmod 600 "$T/etc/subuid"
with_subuid "$nobody"
is "one that only root may read is not read: it is opened without privilege" 0 "$status"
has "which is noted" "^/etc/subuid: note: cannot be read: Permission denied" "$(cat "$T/messages")"
chmod 644 "$T/etc/subuid"
head -c 1048577 /dev/zero | tr '\0' '\n' >"$T/etc/subuid"
with_subuid "$nobody"
has "nor is one of more than 1 MiB" "^/etc/subuid: note: cannot be read: File too large" "$(cat "$T/messages")"
is "with which the policy is loaded" 0 "$status"

rm "$T/policy/b.policy"
compile "$nobody" "$nobody" "$T/policy"
is "an error in the policy is 1" 1 "$status"
is "with no image" 0 "$(stat -c %s "$T/image")"
has "and a message" "a.policy:2:16: error\[P020\]: unknown set '@s'" "$(cat "$T/messages")"
is "but nothing where the broker's messages go: the log process shows them" "" "$(cat "$T/said")"

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

# What it is while it reads: strace(1) would tell, /proc does too. A pipe for messages that nobody empties holds it.
mkfifo "$T/pipe"
exec 9<>"$T/pipe"
dd if=/dev/zero bs=4096 count=16 >&9 2>/dev/null
echo broken >"$T/policy/c.policy"
"$compiler" "$nobody" "$nobody" "$T/policy" 3>"$T/image" 4>&9 2>"$T/said" </dev/null &
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

# A compiler that could still write to its image after the broker has looked at it. The three times differ in
# nothing but what the compiler keeps: if nothing can write, the image is taken.
rm -rf "$T/policy" "$T/libexec"
mkdir -p "$T/policy" "$T/libexec"
cp "$BUILD/fdbroker-worker" "$BUILD/fdbroker-log" "$T/libexec/"
cp "$BUILD/tests/system/tool-compile" "$T/libexec/fdbroker-compile"
echo "mine" >"$T/policy/allowed"
chmod 644 "$T/policy/allowed"
reload() {
	echo "$1" >"$T/policy/mode"
	rm -f "$T"/policy/{kept,end,ended,could-not-write,failed}
	"$BUILD/fdbroker" reload >/dev/null 2>&1
	status=$?
}
generation() { "$BUILD/fdbroker" status --json | tr ',' '\n' | sed -n 's/^"generation":\([0-9]*\)$/\1/p' | head -n 1; }
reads() { as $A "$BUILD/fdbroker" cat "$T/policy/allowed" 2>&1; }
echo mapping >"$T/policy/mode"
: >"$T/log"
start_broker --libexec "$T/libexec"
ok "at the start: a compiler that keeps the image mapped for writing" test -e "$T/policy/kept"
has "is refused, and the log says so" "image is refused \(Device or resource busy\); everything is denied" "$(cat "$T/log")"
is "everything is denied" 1 "$(reads >/dev/null; echo $?)"
touch "$T/policy/end"
until_ok test -e "$T/policy/ended"

reload honest
is "the same compiler, keeping nothing, is accepted" 0 "$status"
is "its policy is in force" "1 mine" "$(generation) $(reads)"

reload mapping
ok "at a reload: a child of the compiler lives on" test -e "$T/policy/kept"
is "the reload fails" 2 "$status"
has "the log says why, and what is in force" "image is refused \(Device or resource busy\); the policy in force stays" "$(cat "$T/log")"
is "the old policy is in force" "1 mine" "$(generation) $(reads)"
touch "$T/policy/end"
ok "the child wrote to what it kept" until_ok test -e "$T/policy/ended"
is "which changes nothing" "1 mine" "$(generation) $(reads)"

# A descriptor alone is no way: the seal holds for it too.
reload descriptor
ok "a child that keeps a descriptor" test -e "$T/policy/kept"
is "does not matter" "0 2 mine" "$status $(generation) $(reads)"
touch "$T/policy/end"
ok "it ends" until_ok test -e "$T/policy/ended"
ok "and could not write" test -e "$T/policy/could-not-write" -a ! -e "$T/policy/failed"
is "so nothing has changed" "2 mine" "$(generation) $(reads)"
stop_broker
is "the broker ends with 0" 0 $?
finished
