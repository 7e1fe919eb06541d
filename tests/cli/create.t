#!/bin/bash
# SPDX-License-Identifier: MIT
# open --flags=create with a real broker.
. "$(dirname "$0")/../lib.sh"
needs_root
umask 027

D=$T/data
mkdir "$D" "$T/wide" "$T/write"
chmod 755 "$D" "$T/wide" "$T/write"
echo there >"$T/write/old"
chmod 600 "$T/write/old"
policy 10-test.policy <<EOF
policy 1
allow user:$A read,write,create $D/**
allow user:$A read,write,create $T/wide/** mode=0664
allow user:$A write $T/write/**
EOF
start_broker

# puts TEXT FLAGS PATH [OPTION...]: with what it says.
puts() {
	local text=$1 flags=$2 path=$3
	shift 3
	as $A "$BUILD/fdbroker" open --flags="$flags" "$@" "$path" -- echo "$text" 2>&1
}
what() { stat -c '%u %g %a %s' "$1" 2>&1; }

ok "the peer itself may not create there" test ! "$(as $A touch "$D/none" 2>/dev/null && echo created)"
is "create" '' "$(puts one write,create "$D/new")"
is "it has what was written, is the peer's, and of mode 0600" "$A $A 600 4" "$(what "$D/new")"
is "create of what is there opens it" '' "$(puts two write,create,append "$D/new")"
is "and appends" $'one\ntwo' "$(cat "$D/new")"
is "create and trunc" '' "$(puts three write,create,trunc "$D/new")"
is "cuts it" three "$(cat "$D/new")"
has "excl of what is there" "^fdbroker: $D/new: File exists\$" "$(puts four write,create,excl "$D/new")"
is "leaves it" three "$(cat "$D/new")"
is "excl of what is not" '' "$(puts five write,create,excl "$D/excl")"
is "creates it" five "$(cat "$D/excl")"
as $A "$BUILD/fdbroker" open --flags=create "$D/empty" -- cat >"$T/out" 2>&1
is "create for reading" "0 " "$? $(<"$T/out")"
is "creates it too" "$A $A 600 0" "$(what "$D/empty")"

is "--mode of more than the rule has" '' "$(puts x write,create "$D/mode" --mode=0777)"
is "is cut to that" "$A $A 600 2" "$(what "$D/mode")"
is "--mode" '' "$(puts x write,create "$T/wide/mode" --mode=664)"
is "is taken, whatever the umask" "$A $A 664 2" "$(what "$T/wide/mode")"
is "no --mode where the rule has more" '' "$(puts x write,create "$T/wide/none")"
is "is 0600" "$A $A 600 2" "$(what "$T/wide/none")"
is "--mode=0" '' "$(puts x write,create "$T/wide/zero" --mode=0)"
is "is taken" "$A $A 0 2" "$(what "$T/wide/zero")"

is "write without the verb create" '' "$(puts over write "$T/write/old")"
is "writes to what is there" over "$(head -n 1 "$T/write/old")"
has "create without the verb" "^fdbroker: $T/write/new: the broker's policy does not allow it.* explain .* write,create $T/write/new " \
	"$(puts x write,create "$T/write/new")"
ok "creates nothing" test ! -e "$T/write/new"
has "create of what is there needs it as well" "policy does not allow it" "$(puts x write,create "$T/write/old")"
has "without create" "^fdbroker: $D/missing: No such file or directory\$" "$(puts x write "$D/missing")"
has "beneath a directory that is not there" "^fdbroker: $D/no/new: No such file or directory\$" "$(puts x write,create "$D/no/new")"
has "a directory" "$D: is a directory; " "$(puts x write,create "$D")"
ln -s nowhere "$D/link"
has "a link to what is not there" "$D/link: a symbolic link is in the path" "$(puts x write,create "$D/link")"
ok "nothing is created behind it" test ! -e "$D/nowhere"
has "excl of a link" "^fdbroker: $D/link: File exists\$" "$(puts x write,create,excl "$D/link")"

finished
