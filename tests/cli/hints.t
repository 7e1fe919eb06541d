#!/bin/bash
# SPDX-License-Identifier: MIT
# What a refusal says, with a real broker: the reason that the policy gives, and a question that is one to
# that broker's policy.
. "$(dirname "$0")/../lib.sh"
needs_root
umask 022

mkdir -m 700 "$T/data"
echo text | tee "$T/data/file" "$T/data/secret" >"$T/data/plain"
mkfifo "$T/data/fifo"
mkdir "$T/data/theirs" "$T/data/shut"
echo moved | tee "$T/data/theirs/file" >"$T/data/theirs/loose"
chown $B "$T/data/theirs"
policy 10-test.policy <<EOF
policy 1
allow user:$A read,list $T/data/** except $T/data/{file,owned} because="not told"
allow user:$A write $T/data/{set-id,caps,plain-write}
allow user:$A read $T/data/owned owner=peer
allow user:$A read $T/data/theirs/loose strictmodes=no
deny any any $T/data/secret $T/data/shut because="credentials; stay 'with' root"
EOF
start_broker

says() { as $A "$BUILD/fdbroker" "$@" 2>&1; }
# question TEXT: what an administrator can ask.
question() { sed -n "s/.*can ask: \(fdbroker explain .*\) (the policy.*/\1/p" <<<"$1"; }

refusal=$(says cat "$T/data/file")
has "a refusal names both causes" "$T/data/file: the broker's policy does not allow it, or it is not what its rule asks for \\(then condition= in the log says which: journalctl -u fdbroker\\); " "$refusal"
has "the question names directories" "fdbroker explain --policy DIR user:$A\\+group:$A read $T/data/file " "$refusal"
command=$(sed -n "s/.*broker's: '\(.*\)' names each DIR).*/\1/p" <<<"$refusal")
is "where they are is shown by" "fdbroker --socket $T/socket status" "$command"
has "it names them" "^ +$T/policy$" "$(eval "$command")"
asked=$(question "$refusal")
has "the question gets the broker's answer" '^deny ' "$(eval "${asked/DIR/$T/policy}" 2>&1)"
has "a FIFO is refused with the same words" "or it is not what its rule asks for" "$(says cat "$T/data/fifo")"
has "and the question tells why" "fifo is a FIFO: the broker will not give it" "$(fdbroker can --policy "$T/policy" user:$A read "$T/data/fifo" 2>&1)"

# --- the reason of a deny ---
reason="the broker's policy does not allow it: credentials; stay 'with' root; an administrator can ask: "
# refused VERBS COMMAND ARGUMENT...: by the deny, in one line, with a question about these verbs.
refused() {
	local verbs=$1 text
	shift
	text=$(says "$@")
	is "$1 $verbs: the reason, in one line" 1 "$(grep -cF "$reason" <<<"$text")"
	is "$1 $verbs: no other line" 1 "$(wc -l <<<"$text")"
	has "$1 $verbs: the question" "fdbroker explain --policy DIR user:$A\\+group:$A $verbs $T/data/" "$text"
	asked=$(question "$text")
	has "$1 $verbs: its answer" "^deny .*10-test.policy:6 " "$(eval "${asked/DIR/$T/policy}" 2>&1)"
}
refused read cat "$T/data/secret"
refused stat stat "$T/data/secret"
refused list ls "$T/data/shut"
refused read open "$T/data/secret" -- true
refused write open --flags=write,append "$T/data/secret" -- true
refused read,write open --flags=read,write "$T/data/secret" -- true
refused write,create open --flags=write,create "$T/data/secret" -- true
refused read,create open --flags=create,excl "$T/data/secret" -- true
text=$(says cat "$T/data/secret" "$T/data/plain" "$T/data/file" "$T/data/secret")
is "cat: a reason each, and the others go on" 2 "$(grep -cF "$reason" <<<"$text")"
has "cat: the file between" '^text$' "$text"
is "the reason is that of this refusal, not of the last one" 1 "$(grep -c "$T/data/file: .*or it is not what" <<<"$text")"
ok "the reason of an allow is not told" test "$(grep -c 'not told' <<<"$text")" -eq 0

# --- strictmodes: whoever owns a directory could have put the file there ---
text=$(says cat "$T/data/theirs/file")
has "in a directory of somebody else: refused" "$T/data/theirs/file: .*not what its rule asks for" "$text"
until_ok grep -q "path=\"$T/data/theirs/file\"" "$T/log"
line=$(grep "path=\"$T/data/theirs/file\"" "$T/log")
has "the log names the condition" ' condition=strictmodes ' "$line"
has "and the directory" "$T/data/theirs\"" "$line"
has "its mode" ' mode=0755 ' "$line"
has "its owner" "owner=$B( |$)" "$line"
is "with strictmodes=no it is given" moved "$(says cat "$T/data/theirs/loose")"
has "the condition is among those of 'can'" '^ +strictmodes: each directory above it must belong to root or to its owner' \
	"$(fdbroker can --policy "$T/policy" user:$A read "$T/data/theirs/file" 2>&1)"
# as_logged NAME VERBS PATH: 'explain' by root says what the log says of the same; the object is refused for it.
as_logged() {
	local name=$1 verbs=$2 path=$3 flags=${2%,create} wanted
	says open --flags="$flags" "$path" -- true >/dev/null
	until_ok grep -q "path=\"$path\" condition=" "$T/log"
	wanted=$(sed -n "s|.*path=\"$path\" \(condition=.* owner=[0-9]*\).*|\1|p" "$T/log" | tail -n 1)
	is "$name: 'explain' has what the log has" "file   $path: the broker will not give it, as its log would say: $wanted" \
		"$(fdbroker explain --policy "$T/policy" user:$A "$verbs" "$path" 2>/dev/null | grep '^file')"
}
# not_held NAME VERBS PATH: what the broker gives, it does not speak against.
not_held() {
	ok "$1: the broker gives it" as $A "$BUILD/fdbroker" open --flags="$2" "$3" -- true
	is "$1: 'explain' has nothing against it" '' "$(fdbroker explain --policy "$T/policy" user:$A "$2" "$3" 2>/dev/null | grep '^file')"
}
mkdir "$T/data/open" "$T/data/sticky" "$T/data/sticky/inner" "$T/data/sticky/wide"
touch "$T/data/open/file" "$T/data/sticky/"{file,own,inner/file,wide/own} "$T/data/owned" "$T/data/set-id" "$T/data/caps" "$T/data/plain-write"
chmod 777 "$T/data/open"
chmod 1777 "$T/data/sticky" "$T/data/sticky/wide"
chown $A "$T/data/sticky/"{,wide/}own
chmod 4755 "$T/data/set-id"
# A struct vfs_cap_data with CAP_NET_RAW, capabilities(7).
/usr/bin/python3 -I -c 'import os, struct, sys
os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000000, 1 << 13, 0, 0, 0))' "$T/data/caps"
as_logged "a directory of somebody else" read "$T/data/theirs/file"
as_logged "one that others write" read "$T/data/open/file"
as_logged "a sticky one" read "$T/data/sticky/file"
as_logged "the peer's own in a sticky one in a sticky one" read "$T/data/sticky/wide/own"
as_logged "owner=" read "$T/data/owned"
as_logged "a set-id file" write "$T/data/set-id"
as_logged "a file with capabilities" write "$T/data/caps"
not_held "a directory in a sticky one" read "$T/data/sticky/inner/file"
not_held "the peer's own in a sticky one" read "$T/data/sticky/own"
not_held "a set-id file, to be read" read "$T/data/set-id"
not_held "a file" write "$T/data/plain-write"
is "as JSON" "condition=owner mode=0644 owner=0" "$(fdbroker can --json --policy "$T/policy" user:$A read "$T/data/owned" |
	perl -MJSON::PP -e 'print decode_json(<STDIN>)->{object}{condition}')"
chown root "$T/data/theirs"
is "in root's own directory it is given" moved "$(says cat "$T/data/theirs/file")"

# --- what is no refusal ---
has "a directory is listed" "$T/data/theirs: is a directory; .*fdbroker ls lists it" "$(says cat "$T/data/theirs")"
ln -s plain "$T/data/link"
has "a link" "$T/data/link: a symbolic link is in the path, and no rule lets the broker follow it, or it loops, or has '..' behind a name; " "$(says cat "$T/data/link")"

# A lease that its holder does not give up, fcntl(2): 1024 is F_SETLEASE, 1 is F_WRLCK.
perl -e '$SIG{IO} = "IGNORE"; open(my $file, "<", $ARGV[0]) or die; fcntl($file, 1024, 1) or die "$!";
	open(my $ready, ">", $ARGV[1]) or die; sleep 300' "$T/data/plain" "$T/leased" &
holder=$!
brokers+=("$holder") # which are ended with the test
ok "somebody takes a lease" until_ok test -e "$T/leased"
has "with nonblock" "$T/data/plain: somebody holds a lease on it; without nonblock the broker waits" \
	"$(says open --flags=read,nonblock "$T/data/plain" -- cat)"
has "without" "$T/data/plain: no answer from the broker in 5 seconds, or somebody does not give up a lease on it \\(then the log has error=EAGAIN" "$(says cat "$T/data/plain")"
kill $holder
wait $holder 2>/dev/null
unset "brokers[-1]"
is "without the lease it is given" text "$(says open --flags=read,nonblock "$T/data/plain" -- cat)"

finished
