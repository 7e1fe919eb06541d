#!/bin/bash
# SPDX-License-Identifier: MIT
# ls and stat with a real broker, beside ls(1) and stat(1) run as root.
. "$(dirname "$0")/../lib.sh"
needs_root
export LC_ALL=C TZ=UTC-3
umask 022

D=$T/data
mkdir -m 700 "$D" "$D/sub" "$T/names" "$T/names/dir" "$T/many" "$T/other" "$T/followed"
echo text >"$D/b"
truncate -s 12345678 "$D/a"
chown $B:$G "$D/a"
chmod 4751 "$D/a"
touch -d '2001-02-03 04:05:06.007008009' "$D/a"
touch -d @-1 "$D/sub/later"
touch "$D/sp ace" "$D/"$'\e]0;x\a\n' "$D/.dot" "$D/secret" "$D/sub/inner" "$T/names/seen" "$T/names/.dot"
mkfifo "$D/fifo"
mknod "$D/device" c 1 3
ln -s b "$D/link"
chmod 1777 "$D/sub"
for ((i = 0; i < 3000; i++)); do printf '%s\n' "$T/many/a name that is long enough for several pages of an answer $i"; done | xargs -d '\n' touch

policy 10-test.policy <<END
policy 1
allow user:$A read,list $D/**
allow user:$A read,list $D/sub/** strictmodes=sticky
allow user:$A list $T/names $T/names/*
allow user:$A stat $T/names/seen
allow user:$A read,list $T/many/**
allow user:$A stat $T/followed/* symlinks=beneath
allow user:$A list $T/followed symlinks=beneath
deny any any $D/secret because="credentials stay with root"
END
ln -s ../data/b "$T/followed/good"
ln -s ../other "$T/followed/bad"
ln -s x/../y "$T/followed/up"
start_broker

# asks ARGUMENT...: sets status, out and err.
asks() {
	as $A "$BUILD/fdbroker" "$@" >"$T/out" 2>"$T/err"
	status=$?
	out=$(tr '\0' '\n' <"$T/out")
	err=$(<"$T/err")
}
# exits NAME STATUS ARGUMENT...
exits() {
	local name=$1 wanted=$2
	shift 2
	asks "$@"
	is "$name: exit status" "$wanted" "$status"
}
# directly NAME COMMAND...: what the peer itself may not do.
directly() {
	local name=$1
	shift
	ok "$name" test "$(as $A "$@" 2>&1 | grep -c 'ermission denied')" -ge 1
}

# --- ls ---
directly "the peer itself may not list it" ls "$D"
exits "ls" 0 ls "$D"
is "names in order, escaped, those that a rule grants" '\x1b]0;x\x07\x0a
a
b
device
fifo
link
sp ace
sub' "$out"
is "nothing on standard error" '' "$err"
exits "ls of a directory of many pages" 0 ls "$T/many"
is "as ls(1) has it" "$(ls "$T/many" | md5sum)" "$(md5sum <<<"$out")"
exits "ls of an empty directory" 0 ls "$T/names/dir"
is "nothing" '' "$out"
is "but a line that says why that may be" "fdbroker: $T/names/dir: empty, or no name in it is granted to you: those are shown that a rule grants list, stat or read" "$err"
touch "$T/names/dir/not-granted"
before=$err
exits "ls of one with nothing that is granted" 0 ls "$T/names/dir"
is "the same, so that it tells nothing" "$before" "$out$err"
exits "ls of names alone" 0 ls "$T/names"
is "they are there" $'dir\nseen' "$out"

exits "ls --null" 0 ls --null "$D"
is "whole paths as they are" "$(find "$D" -mindepth 1 -maxdepth 1 ! -name .dot ! -name secret -print0 | sort -z | md5sum)" "$(md5sum <"$T/out")"
exits "ls -0 of two" 0 ls -0 "$T/many" "$D/sub"
is "no line between" "$(find "$T/many" "$D/sub" -mindepth 1 -print0 | sort -z | md5sum)" "$(sort -z "$T/out" | md5sum)"
is "they can be asked for" text "$(as $A "$BUILD/fdbroker" ls -0 "$D" | grep -z '/b$' | as $A xargs -0 "$BUILD/fdbroker" cat)"

exits "ls of several, one is denied" 1 ls "$D/sub" "$T/other" "$T/names" "$D/b"
is "the others are there, each with its path" "$D/sub:
inner
later

$T/names:
dir
seen" "$out"
is "a line for each that is not" 2 "$(wc -l <"$T/err")"
has "denied" "^fdbroker: $T/other: the broker's policy does not allow it" "$err"
has "what is no directory" "^fdbroker: $D/b: is no directory, .*fdbroker stat" "$err"
exits "ls of what is not there" 1 ls "$D/missing"
has "it says so" "^fdbroker: $D/missing: No such file or directory; or the rule " "$err"
exits "ls with a slash at the end" 1 ls "$D/"
has "how to write it" "write $D\$" "$err"

exits "ls -l" 0 ls -l "$D"
# Columns by words: a device has two for its size.
shown() { awk -v name="$1" '$NF == name { $1 = $1; print }' <<<"$out"; }
for name in a b fifo link sub; do
	is "$name as ls(1) has it" "$(stat -c "%A %U %G %s $(stat -c %y "$D/$name" | cut -c 1-16) $name" "$D/$name" | sed "s/UNKNOWN/$B/; s/UNKNOWN/$G/")" "$(shown $name)"
done
has "a device has its numbers" "^crw-r--r-- root +root +1, 3 .* device\$" "$out"
is "columns stand below each other" 1 "$(sed 's/ [^ ]*$//; s/ sp$//' <<<"$out" | awk '{ print length }' | sort -u | wc -l)"
exits "ls -l of names alone" 0 ls --long "$T/names"
is "what may not be known" 'd????????? ? ? ? ? dir' "$(grep dir <<<"$out" | tr -s ' ')"
has "what may" '^-rw-r--r-- root +root +0 [0-9-]+ [0-9:]+ seen$' "$out"
is "nothing on standard error" '' "$err"
exits "ls -l of a time before 1970" 0 ls -l "$D/sub"
has "it is shown" " 1970-01-01 02:59 later\$" "$out"
exits "ls -l -0" 2 ls -l -0 "$D"

# --- stat ---
key() { sed -n "s/^$1: //p" <<<"$out"; }
# same NAME KEY=FORMAT...: of $file, as stat(1) has it.
same() {
	local name=$1 pair
	shift
	for pair; do is "$name: ${pair%%=*}" "$(stat -c "${pair#*=}" "$file")" "$(key "${pair%%=*}")"; done
}
directly "the peer itself may not ask for it" stat "$D/a"
file=$D/a
exits "stat" 0 stat "$file"
same "a file" path=%n 'mode=%04a (%A)' "uid=%u" "gid=%g" size=%s blocks=%b block_size=%o device=%Hd:%Ld inode=%i \
	links=%h accessed=%x modified=%y changed=%z born=%w
is "its type" 'regular file' "$(key type)"
for file in "$D" "$D/b" "$D/fifo" "$D/device"; do
	exits "stat $file" 0 stat "$file"
	same "$file" path=%n 'mode=%04a (%A)' 'uid=%u (%U)' 'gid=%g (%G)' size=%s modified=%y
done
is "a device: its numbers" 1:3 "$(key rdev)"
is "a device: its type" 'character device' "$(key type)"
exits "stat of several, one is denied, one is not there" 1 stat "$D/b" "$D/secret" "$D/missing" "$D/sub"
is "the others are there, with a line between" "path: $D/b,,path: $D/sub" "$(grep -e ^path: -e '^$' <<<"$out" | paste -sd,)"
is "a line for each that is not" 2 "$(wc -l <"$T/err")"
has "one with its reason" "^fdbroker: $D/secret: .*: credentials stay with root; " "$err"
has "and one that is missing" "^fdbroker: $D/missing: No such file or directory; " "$err"
exits "stat where list alone is granted" 1 stat "$T/names/dir"
exits "stat of a name with an escape sequence" 0 stat "$D/"$'\e]0;x\a\n'
is "it is escaped" "path: $D/"'\x1b]0;x\x07\x0a' "$(head -n 1 <<<"$out")"

exits "stat of a link" 1 stat "$D/link"
has "it is not followed" "^fdbroker: $D/link: a symbolic link is in the path, and no rule" "$err"
exits "stat --no-follow" 0 stat --no-follow "$D/link"
is "it is a link" 'symbolic link' "$(key type)"
exits "stat of a link that a rule follows" 0 stat "$T/followed/good"
is "it is the file" "$(stat -c %i "$D/b")" "$(key inode)"
exits "what it leads to has no rule" 1 stat "$T/followed/bad"
has "then it is denied" "policy does not allow it" "$err"
exits "a name before .." 1 stat "$T/followed/up"
has "that is a link which nobody follows" "a symbolic link is in the path" "$err"

exits "stat --json" 1 stat --json "$D/a" "$D/secret" "$D/device"
# json LINE KEY...
json() {
	perl -MJSON::PP -e 'my ($v, @keys) = (JSON::PP->new->decode(shift), @ARGV); $v = $v->{$_} // "null" for @keys; print $v' \
		"$(sed -n "$1p" <<<"$out")" "${@:2}"
}
is "an object a line" 2 "$(wc -l <"$T/out")"
for pair in path=%n size=%s uid=%u gid=%g mode=%04a inode=%i links=%h blocks=%b block_size=%o device=%Hd:%Ld; do
	is "JSON: ${pair%%=*}" "$(stat -c "${pair#*=}" "$D/a")" "$(json 1 "${pair%%=*}")"
done
is "JSON: type" 'regular file' "$(json 1 type)"
is "JSON: no name" null "$(json 1 user)"
is "JSON: a name" root "$(json 2 user)"
is "JSON: no device" null "$(json 1 rdev)"
is "JSON: a device" 1:3 "$(json 2 rdev)"
is "JSON: time" "$(date -d '2001-02-03 04:05:06' +%s).7008009" "$(json 1 modified seconds).$(json 1 modified nanoseconds)"
is "JSON: the same keys" "$(sed -n 's/^\([a-z_]*\): .*/\1/p' <<<"$(as $A "$BUILD/fdbroker" stat "$D/device")" | sort | paste -sd,)" \
	"$(perl -MJSON::PP -e 'print join ",", sort grep { !/^(user|group)$/ } keys %{JSON::PP->new->decode(shift)}' "$(sed -n 2p <<<"$out")")"

if [ -w /dev/full ]; then
	as $A "$BUILD/fdbroker" ls "$D" >/dev/full 2>"$T/err"
	is "a full standard output is an error" 1 $?
fi

# The question that a refusal shows asks the database, too: for a user that is in it.
mkdir -m 711 "$T/owners"
echo text | tee "$T/owners/a" "$T/owners/denied" >"$T/owners/b"
daemon=$(getent passwd 1 | cut -d: -f1)
cat >"$T/policy/20-owners.policy" <<END
policy 1
allow user:1 read,list $T/owners/** except $T/owners/denied
END
fdbroker reload >"$T/out" 2>&1 || sed 's/^/# /' "$T/out"
ok "uid 1 has a name that is not root's" test "${daemon:-root}" != root
one() { as 1 "$BUILD/fdbroker" "$@" 2>/dev/null; }
is "stat names the owner before and after a refusal" "0 (root) 0 (root)" \
	"$(one stat "$T/owners/a" "$T/owners/denied" "$T/owners/b" | sed -n 's/^uid: *//p' | xargs)"
is "and the group" "0 (root) 0 (root)" "$(one stat "$T/owners/a" "$T/owners/denied" "$T/owners/b" | sed -n 's/^gid: *//p' | xargs)"
is "so it does as JSON" "root root" \
	"$(one stat --json "$T/owners/a" "$T/owners/denied" "$T/owners/b" | perl -MJSON::PP -ne 'print decode_json($_)->{user}, "\n"' | xargs)"
is "and ls -l, beside a directory that is refused" "root root root root" \
	"$(one ls -l "$T/owners" "$T/owners/denied" "$T/owners" | awk '/ [ab]$/ { print $2 }' | xargs)"

finished
