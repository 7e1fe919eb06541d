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
allow user:$A read,list $T/data/** except $T/data/file because="not told"
allow user:$A read $T/data/theirs/loose strictmodes=no
deny any any $T/data/secret $T/data/shut because="credentials; stay 'with' root"
EOF
start_broker

says() { as $A "$BUILD/fdbroker" "$@" 2>&1; }
# question TEXT: what an administrator can ask.
question() { sed -n "s/.*can ask: \(fdbroker explain .*\) (the policy.*/\1/p" <<<"$1"; }

refusal=$(says cat "$T/data/file")
has "a refusal names both causes" "$T/data/file: the broker's policy does not allow it, or it is not what its rule asks for; " "$refusal"
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
	has "$1 $verbs: its answer" "^deny .*10-test.policy:4 " "$(eval "${asked/DIR/$T/policy}" 2>&1)"
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
has "its mode" '755' "$line"
has "its owner" "owner=$B( |$)" "$line"
is "with strictmodes=no it is given" moved "$(says cat "$T/data/theirs/loose")"
has "the condition is among those of 'can'" '^ +strictmodes: each directory above it must belong to root or to its owner' \
	"$(fdbroker can --policy "$T/policy" user:$A read "$T/data/theirs/file" 2>&1)"
chown root "$T/data/theirs"
is "in root's own directory it is given" moved "$(says cat "$T/data/theirs/file")"

# --- what is no refusal ---
has "a directory is listed" "$T/data/theirs: is a directory; .*fdbroker ls lists it" "$(says cat "$T/data/theirs")"
ln -s plain "$T/data/link"
has "a link" "$T/data/link: a symbolic link is in the path, and no rule lets the broker follow it" "$(says cat "$T/data/link")"

# A lease that its holder does not give up, fcntl(2): 1024 is F_SETLEASE, 1 is F_WRLCK.
perl -e '$SIG{IO} = "IGNORE"; open(my $file, "<", $ARGV[0]) or die; fcntl($file, 1024, 1) or die "$!";
	open(my $ready, ">", $ARGV[1]) or die; sleep 300' "$T/data/plain" "$T/leased" &
holder=$!
brokers+=("$holder") # which are ended with the test
ok "somebody takes a lease" until_ok test -e "$T/leased"
has "with nonblock" "$T/data/plain: somebody holds a lease on it; without nonblock the broker waits" \
	"$(says open --flags=read,nonblock "$T/data/plain" -- cat)"
has "without" "$T/data/plain: no answer from the broker in 5 seconds, or somebody does not give up a lease" "$(says cat "$T/data/plain")"
kill $holder
wait $holder 2>/dev/null
unset "brokers[-1]"
is "without the lease it is given" text "$(says open --flags=read,nonblock "$T/data/plain" -- cat)"

finished
