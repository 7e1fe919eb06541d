#!/bin/bash
# SPDX-License-Identifier: MIT
# broker_list() of a directory that takes many pages, while its worker is replaced or killed in between.
. "$(dirname "$0")/../lib.sh"
needs_root
tool=$BUILD/tests/client-lib/tool-list
names=3000

# One on the file system of the temporary directory, one on a tmpfs, which has another idea of a place.
mkdir -m 700 "$T/many" "$T/memory" "$T/hidden"
mount -t tmpfs -o size=16m,mode=700 tmpfs "$T/memory"
unmount() { umount "$T/memory"; finish; }
trap unmount EXIT
for directory in many memory; do
	(cd "$T/$directory" && seq -f "a-name-that-takes-some-room-in-a-page-%04.0f" $names | xargs touch && mkdir sub)
done
(cd "$T/hidden" && seq -f ".%04.0f" $names | xargs touch && touch shown)

policy 10-test.policy <<EOF2
policy 1
allow user:$A  list  $T/{many,hidden} $T/memory/**
allow user:$A  stat  $T/{many,memory,hidden}/*
EOF2
start_broker

expected() { (cd "$T/$1" && find . -mindepth 1 -name '[!.]*' -printf '%f %y\n' | sed -e 's/ f$/ 8/; s/ d$/ 4/' | LC_ALL=C sort); }
# lists DIRECTORY COMMAND...: the names, with the command run after the first one; into $T/told.
lists() {
	local directory=$1 client
	shift
	rm -f "$T/go"
	mkfifo "$T/go"
	as $A "$tool" "$T/$directory" >"$T/told" <"$T/go" &
	client=$!
	exec 8>"$T/go"
	until_ok test -s "$T/told"
	"$@" >/dev/null
	(trap '' PIPE && echo go >&8) 2>/dev/null # it may have failed
	exec 8>&-
	wait "$client"
}
new_worker() { [ "$(worker_of $A)" != "$was" ]; }
replace() {
	was=$(worker_of $A)
	fdbroker reload
	until_ok new_worker
}
kill_worker() {
	was=$(worker_of $A)
	kill -KILL "$was"
	until_ok new_worker
}

for directory in many memory; do
	is "$directory: there are many" $((names + 1)) "$(expected $directory | wc -l)"
	ok "$directory: listed" lists $directory true
	ok "each name once, with its type" diff <(expected $directory) <(LC_ALL=C sort "$T/told")
	ok "$directory: the policy is loaded anew between two pages" lists $directory replace
	ok "each name once" diff <(expected $directory) <(LC_ALL=C sort "$T/told")
	ok "$directory: the worker is killed between two pages" lists $directory kill_worker
	ok "each name once" diff <(expected $directory) <(LC_ALL=C sort "$T/told")
done
ok "pages of which nothing may be shown" lists hidden replace
is "are passed over" "shown 8" "$(cat "$T/told")"

# The policy of the next page is the one that is in force then.
revoke() {
	policy 10-test.policy <<<"policy 1"$'\n'"deny user:$A list $T/many because=\"not any more\""
	replace
}
is "the right to list it is withdrawn between two pages" 1 "$(lists many revoke; echo $?)"
is "there is no second page" "EACCES" "$(tail -n 1 "$T/told")"
ok "but there was a first one" test "$(wc -l <"$T/told")" -gt 100 -a "$(wc -l <"$T/told")" -lt $names
stop_broker
is "the broker ends with 0" 0 $?
finished
