#!/bin/bash
# SPDX-License-Identifier: MIT
# Trees that change under a worker: directories that come, go and are replaced, file systems that are
# mounted and unmounted; and who does so all the time. In a mount namespace of its own.
. "$(dirname "$0")/../mounts.sh"
. "$(dirname "$0")/../lib.sh"
needs_root

D=$T/d
U=61099 # who takes all that inotify has for a user, and is in no other test
mkdir -m 755 "$D" "$D/old" "$D/up" "$D/up/inner" "$D/tree" "$D/tree/sub" "$D/flat" "$D/flat/sub" "$D/fs" "$D/churn" "$D/busy" "$D/other"
echo old >"$D/old/file"
echo inner >"$D/up/inner/file"
echo below >"$D/tree/sub/file"
echo flat >"$D/flat/file"
echo hidden >"$D/flat/sub/file"
echo mine >"$D/other/file"
mount -t tmpfs -o size=1m,mode=755 fs "$D/fs"
mkdir "$D/fs/inner"
echo "on fs" >"$D/fs/inner/file"
policy 10-test.policy <<EOF
policy 1
allow user:$A read $D/later/deep/** $D/old/** $D/up/inner/** $D/tree/** $D/flat/*/file $D/fs/inner/** $D/churn/x/**
allow user:$B read $D/other/**
allow user:$U read $D/later/deep/** $D/other/**
EOF
start_broker

cat_as() { as "$1" "$BUILD/fdbroker" cat "$2" 2>&1; }
gives() { [ "$(cat_as "$1" "$2")" = "$3" ]; }
ms() { echo $(($(date +%s%N) / 1000000)); }
# comes WHAT UID PATH TEXT: within ten seconds; sets $took.
comes() {
	local start
	start=$(ms)
	ok "$1" until_ok gives "$2" "$3" "$4"
	took=$(($(ms) - start))
	echo "# after $took ms"
}
# number UID: of its newest worker; they are counted.
number() { fdbroker status --json | tr '{' '\n' | sed -n "s/.*\"id\":\([0-9]*\),.*\"kind\":\"identity\",\"uid\":$1,.*/\1/p" | sort -n | tail -n 1; }
# ticks PID: hundredths of a second of processor time.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
# reads PID: calls of read and the like.
reads() { sed -n 's/^syscr: //p' "/proc/$1/io"; }

# --- directories

ok "the worker is there" gives $A "$D/old/file" old
first=$(number $A)
has "a prefix that is not there: no such file" "No such file" "$(cat_as $A "$D/later/deep/file")"
mkdir -p "$D/later/deep"
echo later >"$D/later/deep/file"
comes "a prefix that appears later is served" $A "$D/later/deep/file" later
ok "within two seconds and a bit" test "$took" -lt 3000
ok "by another worker" test "$(number $A)" -gt "$first"

mv "$D/old" "$D/gone"
mkdir -m 755 "$D/old"
echo new >"$D/old/file"
comes "a prefix that is renamed away and replaced: the new one" $A "$D/old/file" new
is "and nobody sees the old one any more" new "$(cat_as $A "$D/old/file")"
mv "$D/up" "$D/down"
mkdir -p "$D/up/inner"
echo replaced >"$D/up/inner/file"
comes "the same of a directory above" $A "$D/up/inner/file" replaced
rm -r "$D/up"
comes "one that is removed is gone" $A "$D/up/inner/file" \
	"fdbroker: $D/up/inner/file: No such file or directory"
ln -s "$D/down" "$D/up"
sleep 2.5
has "a symbolic link in its place is not followed" "No such file" "$(cat_as $A "$D/up/inner/file")"
has "which is said" "symbolic link in $D/up" "$(cat "$T/log")"
rm "$D/up"
mv "$D/down" "$D/up"
comes "and when the directory is back, it is served" $A "$D/up/inner/file" inner

# --- file systems

mount -t tmpfs -o size=1m,mode=755 sub "$D/tree/sub"
echo mounted >"$D/tree/sub/file"
comes "a file system that is mounted beneath ** belongs to it" $A "$D/tree/sub/file" mounted
# shellcheck disable=SC2016
as $A "$BUILD/fdbroker" open "$D/tree/sub/file" -- sh -c 'echo "$$"; read -r x <"$0"; exec cat' "$T/fifo" >"$T/pid" &
holder=$!
mkfifo -m 644 "$T/fifo"
wait_for_holder() { [ -s "$T/pid" ]; }
until_ok wait_for_holder
has "umount says EBUSY while a descriptor is open" "busy" "$(umount "$D/tree/sub" 2>&1)"
echo go >"$T/fifo"
wait "$holder"
ok "and lets go at once when it is closed" umount "$D/tree/sub"
comes "then what lies beneath is served again" $A "$D/tree/sub/file" below

# holders DEVICE: descriptors of the broker's own children on that file system.
holders() {
	local fd
	for fd in $(tr ' ' '\n' <"/proc/$broker/task/$broker/children" | sed -n 's,.\+,/proc/&/fd/*,p'); do
		[ "$(stat -L -c %d "$fd" 2>/dev/null)" = "$1" ] && echo "$fd"
	done
}
device=$(stat -c %d "$D/fs")
ok "a prefix on a file system" gives $A "$D/fs/inner/file" "on fs"
# Its worker may just go, for what was unmounted before; the next one comes when it is asked.
held() { gives $A "$D/fs/inner/file" "on fs" && [ -n "$(holders "$device")" ]; }
ok "which its worker has open" until_ok held
ok "and does not keep from being unmounted" umount "$D/fs"
comes "is gone with it" $A "$D/fs/inner/file" "fdbroker: $D/fs/inner/file: No such file or directory"
is "no worker has it open any more" "" "$(holders "$device")"
mount -t tmpfs -o size=1m,mode=755 fs "$D/fs"
mkdir "$D/fs/inner"
echo "another fs" >"$D/fs/inner/file"
comes "and the next one that is mounted there is served" $A "$D/fs/inner/file" "another fs"

mount -t tmpfs -o size=1m,mode=755 sub "$D/flat/sub"
echo visible >"$D/flat/sub/file"
crosses() { cat_as $A "$D/flat/sub/file" | grep -q "^fdbroker: $D/flat/sub/file: Invalid cross-device link; "; }
ok "without ** it does not belong to the prefix, nor does what it hides" until_ok crosses
umount "$D/flat/sub"
comes "which is there again without it" $A "$D/flat/sub/file" hidden

# --- who does so all the time

ok "the worker of another user" gives $B "$D/other/file" mine
w=$(worker_of $B)
number=$(number $B)
before=$(ticks "$w")
reads=$(reads "$w")
start=$(ms)
# Not by commands: how long that takes is no matter of how fast they start.
perl -e '
	sub pause { select(undef, undef, undef, 0.001) }
	for (0 .. 999) { mkdir "$ARGV[0]/busy/$_" or die $!; pause }
	for (0 .. 499) {
		my ($name, $other) = ("$ARGV[0]/busy/$_", "$ARGV[0]/x" . $_ % 7);
		rename $name, $other or die $!; pause;
		rename $other, $name or die $!; pause;
	}' "$D"
echo "# 1,000 names and 1,000 renames in $(($(ms) - start)) ms: $(($(ticks "$w") - before)) ticks, $(($(reads "$w") - reads)) reads"
is "names of others beside its prefix replace nobody" "$number" "$(number $B)"
ok "and it looks at most once a second" test $((($(reads "$w") - reads))) -le $((3 * (($(ms) - start) / 1000 + 2)))

before=$(ticks "$w")
reads=$(reads "$w")
start=$(ms)
mounts=0
while (($(ms) - start < 3000)); do
	for ((i = 0; i < 20; i++)); do
		mount -t tmpfs -o size=4k storm "$D/busy" && umount "$D/busy"
	done
	mounts=$((mounts + 20))
done
took=$(($(ms) - start))
echo "# $mounts mounts and unmounts in $took ms: $(($(ticks "$w") - before)) ticks, $(($(reads "$w") - reads)) reads"
is "mounts of others replace nobody" "$number" "$(number $B)"
ok "and are looked at at most once a second" test $(($(reads "$w") - reads)) -le $((4 * (took / 1000 + 2)))
ok "with less than a hundredth of the processor" test $((100 * ($(ticks "$w") - before))) -le $((took / 10 + 100))

# After the last look.
reads=''
until [ "$reads" = "$(reads "$w")" ]; do
	reads=$(reads "$w")
	sleep 1.5
done
# In a user namespace, with mounts of its own.
as $C unshare -Urm --propagation private bash -c "for i in {1..100}; do mount -t tmpfs x /mnt && umount /mnt; done" || echo "# no user namespaces here"
is "mounts in a user's own namespace are not even noticed" "$reads" "$(reads "$w")"

# Between two of them there may be none.
has_worker() { gives $A "$D/old/file" new && newest=$(number $A) && [ -n "$newest" ]; }
until_ok has_worker
number=$newest
start=$(ms)
while (($(ms) - start < 4000)); do
	mkdir "$D/churn/x" && rmdir "$D/churn/x"
	gives $A "$D/old/file" new || echo "# not served"
done
until_ok has_worker
replaced=$((newest - number))
echo "# a prefix that comes and goes all the time, for 4 s: $replaced workers"
ok "costs at most one worker a second" test "$replaced" -le 5
ok "and at least one" test "$replaced" -ge 1

# --- a user without inotify

rm -rf "$D/later"
setpriv --reuid=$U --regid=$U --clear-groups -- "$BUILD/tests/system/tool-inotify" >"$T/instances" &
hoarder=$!
instances_taken() { [ -s "$T/instances" ]; }
until_ok instances_taken
echo "# it took $(cat "$T/instances") instances"
ok "a user who has used up inotify is served" gives $U "$D/other/file" mine
mkdir -p "$D/later/deep"
echo "at last" >"$D/later/deep/file"
comes "and gets a prefix that appears, too" $U "$D/later/deep/file" "at last"
ok "after five seconds, not at once: it was really blind" test "$took" -gt 2500
kill "$hoarder"
wait "$hoarder" 2>/dev/null

stop_broker
is "SIGTERM ends it with 0" 0 $?
has "nothing died" "^0$" "$(grep -c "died of signal\|is killed" "$T/log")"
grep "died of\|is killed\|fdbroker-worker:" "$T/log" | sed 's/^/# /'
umount "$D/fs"
finished
