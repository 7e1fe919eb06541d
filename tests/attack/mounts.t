#!/bin/bash
# SPDX-License-Identifier: MIT
# Mounts of other users, made so that a worker misreads the list of mounts. In a mount namespace of its own.
. "$(dirname "$0")/../mounts.sh"
. "$(dirname "$0")/../lib.sh"
needs_root

D=$T/d O=$T/own
READ=16384 # what a worker reads of that list at a time
mkdir -m 755 "$D" "$D/flat" "$D/flat/sub" "$O"
echo flat >"$D/flat/sub/file"
policy 10-test.policy <<EOF
policy 1
allow user:$A read $D/flat/*/file
EOF

# wrap LENGTH: what is mounted beneath $O lies in one more directory, of a name of that length.
wrap() {
	mkdir "$O/next"
	mv "$O/m" "$O/next/$(printf "%0$1d" 0)"
	mv "$O/next" "$O/m"
}
# bytes: of its line up to the options.
bytes() {
	local line
	line=$(grep " - tmpfs $D/flat/sub " /proc/self/mountinfo)
	line=${line%% rw,relatime*}
	echo ${#line}
}
# bury LENGTH: there are so many directories that its line is that long up to the options. Its source is the
# path of another user's directory: fusermount3(1) lets anybody choose that.
bury() {
	local left
	while left=$(($1 - $(bytes))) && ((left > 1)); do
		wrap $((left > 300 ? 250 : left > 256 ? 40 : left - 1))
	done
	is "a mount with $1 bytes before its options" "$1" "$(bytes)"
}
serves() { [ "$(as $A "$BUILD/fdbroker" cat "$D/flat/sub/file" 2>&1)" = flat ]; }
hides() { as $A "$BUILD/fdbroker" cat "$D/flat/sub/file" 2>&1 | grep -q "cross-device"; }
number() { fdbroker status --json | tr '{' '\n' | sed -n "s/.*\"id\":\([0-9]*\),.*\"kind\":\"identity\",\"uid\":$A,.*/\1/p" | sort -n | tail -n 1; }

mkdir "$O/elsewhere"
mkdir -p "$O/m/point"
mount -t tmpfs -o size=4k "$D/flat/sub" "$O/m/point"
start_broker

# What is behind the first bytes that a worker reads is too short for a line, and different each time.
bury $((READ - 60))
ok "a file of another user is served" serves
before=$(number)
for ((i = 0; i < 4; i++)); do
	wrap 1
	mount -t tmpfs -o size=4k elsewhere "$O/elsewhere" && umount "$O/elsewhere"
	sleep 1.1
	serves
done
is "and a mount of others that changes replaces nobody" "$before" "$(number)"

# It looks like a mount on that other user's directory.
bury $((READ - 4))
fdbroker reload 2>/dev/null
ok "a file that somebody's mount only names is served" serves

before=$(number)
mount -t tmpfs -o size=1m,mode=755 sub "$D/flat/sub"
ok "a mount that is really there, behind it in the list, hides the file" until_ok hides
umount "$D/flat/sub"
ok "until it is gone" until_ok serves
ok "by another worker" test "$(number)" -gt "$before"

stop_broker
is "SIGTERM ends it with 0" 0 $?
# Its path is too long for umount(2).
cd / && umount -l /mnt
finished
