#!/bin/bash
# SPDX-License-Identifier: MIT
# What 'explain' says of what is there, beside what a real broker makes of it: links that it follows, what it
# creates, what is mounted; and that what can be done about it, does.
. "$(dirname "$0")/../mounts.sh"
. "$(dirname "$0")/../lib.sh"
needs_root
umask 022

D=$T/d
mkdir "$D" "$D"/{in,in/wide,to,other,grp,mine,mine/moved,fine,flat,flat/{sub,bind,plain},deep,deep/sub,sticky,owned,set-id,made,roots,fifos}
mkdir -m 700 "$T/private" "$T/private/real"
for file in to/{f,secret} other/f flat/{bind,plain}/file flat/{sub,bind,plain}/fifo grp/old sticky/file owned/file set-id/{bits,caps}; do echo text >"$D/$file"; done
echo text | tee "$T/private/file" >"$T/private/real/file"
echo theirs >"$D/to/theirs"
chown $B "$D/to/theirs"
chmod 777 "$D/in/wide"
chmod 775 "$D/grp"
chmod 1777 "$D/sticky"
chmod 4755 "$D/set-id/bits"
# A struct vfs_cap_data with CAP_NET_RAW, capabilities(7).
/usr/bin/python3 -I -c 'import os, struct, sys
os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000000, 1 << 13, 0, 0, 0))' "$D/set-id/caps"
chown $A "$D/mine"
mkfifo "$D/to/fifo"
ln -s real "$T/private/linked"
mount -t tmpfs -o size=1m,mode=755 sub "$D/flat/sub"
mount --bind "$D/other" "$D/flat/bind"
mount -t tmpfs -o size=1m,mode=755 sub "$D/deep/sub"
echo text | tee "$D/flat/sub/file" >"$D/deep/sub/file"
mv "$D/other/f" "$D/other/file" && ln "$D/other/file" "$D/other/f"

ln -s ../to/f "$D/in/good"
ln -s ../to "$D/in/directory"
ln -s ../other/f "$D/in/elsewhere"
ln -s ../to/secret "$D/in/secret"
ln -s loop2 "$D/in/loop"
ln -s loop "$D/in/loop2"
ln -s x/../y "$D/in/up"
ln -s ../to/none "$D/in/dangling"
ln -s ../other/none "$D/in/dangling-elsewhere"
ln -s ../to/f/ "$D/in/slash"
ln -s ../to/link "$D/in/link"
ln -s f "$D/to/link"
ln -s ../to/fifo "$D/in/fifo"
ln -s ../../to/f "$D/in/wide/link"
ln -s ../to/f "$D/in/theirs"
ln -s ../to/theirs "$D/in/theirs-own"
ln -s theirs-own "$D/in/third"
chown -h $B "$D/in/"{theirs,theirs-own}
chown -h $C "$D/in/third"
for ((i = 1; i < 9; i++)); do ln -s "chain$((i + 1))" "$D/in/chain$i"; done
ln -s ../to/f "$D/in/chain9"
ln -s ../fine/linked "$D/made/link"
ln -s ../grp/linked "$D/made/grp"

policy 10-test.policy <<EOF
policy 1
allow user:$A read $D/in/** symlinks=beneath
allow user:$A read $D/to/*
deny  any     any  $D/to/secret
allow user:$A read $D/flat/*/file
allow user:$A read $D/deep/**
allow user:$A read $T/private/linked/* symlinks=beneath
allow user:$A read $T/private/*
allow user:$A read $D/sticky/*
allow user:$A read $D/owned/* owner=peer
allow user:$A write $D/set-id/*
allow user:$A write,create $D/grp/* $D/mine/** $D/fine/*
allow user:$A write,create $D/made/* symlinks=beneath
allow user:$A write,create $D/roots/* owner=root
allow user:$A write,create $D/fifos/* type=fifo
EOF
start_broker

explain() { fdbroker explain --policy "$T/policy" "user:$A" "$@" 2>/dev/null; }
opens() { as $A "$BUILD/fdbroker" open --flags="$1" "$2" -- true 2>&1; }
# logged PATH: what the broker says of it at last, whichever way it went.
logged() { grep -E " (path|asked)=\"$1\"( |\$)" "$T/log" | tail -n 1; }
# agrees NAME VERBS PATH STATUS ERROR SAYS: the broker's error, and what 'explain' makes of the same.
agrees() {
	local name=$1 verbs=$2 path=$D/$3 text=$6 line
	opens "$verbs" "$path" >/dev/null
	until_ok has_line "$path"
	line=$(logged "$path")
	has "$name: the broker" " error=$5 " "$line"
	explain "$verbs" "$path" >"$T/out"
	is "$name: 'explain' exits with" "$4" $?
	is "$name: and says" "${text:+file   $text}" "$(grep '^file' "$T/out")"
}
has_line() { [ -n "$(logged "$1")" ]; }
# What it says to do about it.
remedy() { grep -A1 '^file' "$T/out" | sed -n 's/^       //p'; }

# --- links that are followed

leads="is a symbolic link and leads to"
agrees "a link" read in/good 0 0 "$D/in/good $leads $D/to/f"
agrees "a link to a directory, on the way" read in/directory/f 0 0 "$D/in/directory $leads $D/to/f"
agrees "eight links" read in/chain2 0 0 "$D/in/chain2 $leads $D/to/f"
agrees "nine" read in/chain1 1 ELOOP "$D/in/chain1 $leads $D/in/chain9; $D/in/chain9 is one more symbolic link, and they lead in a circle or are more than 8: the broker will not follow it (error=ELOOP in its log)"
agrees "a circle" read in/loop 1 ELOOP "$D/in/loop $leads $D/in/loop; $D/in/loop is one more symbolic link, and they lead in a circle or are more than 8: the broker will not follow it (error=ELOOP in its log)"
agrees "'..' behind a name" read in/up 1 ELOOP "$D/in/up is a symbolic link that has '..' behind a name, or leads to no path: the broker will not follow it (error=ELOOP in its log)"
agrees "to where no rule is" read in/elsewhere 1 EACCES "$D/in/elsewhere $leads $D/other/f, where no rule allows read"
command=$(remedy)
is "it names the question to ask" "ask about that: fdbroker explain --policy $T/policy user:$A read $D/other/f" "$command"
is "whose answer is the same" "deny   no rule allows it" "$(eval "${command#*: }" 2>/dev/null | head -n 1)"
has "the rule that is for the link is shown" "^allow .*10-test.policy:2 " "$(cat "$T/out")"
agrees "to where a rule denies" read in/secret 1 EACCES "$D/in/secret $leads $D/to/secret, where $T/policy/10-test.policy:4 denies read"
agrees "to nothing" read in/dangling 0 ENOENT "$D/in/dangling $leads $D/to/none; $D/to/none does not exist"
agrees "to nothing where no rule is" read in/dangling-elsewhere 1 EACCES "$D/in/dangling-elsewhere $leads $D/other/none, where no rule allows read"
agrees "to a file as a directory" read in/slash 1 ENOTDIR "$D/in/slash $leads $D/to/f; $D/to/f is no directory, as the link to it says that it is: the broker will not give it (error=ENOTDIR in its log)"
agrees "to a link that is not followed" read in/link 1 ELOOP "$D/in/link $leads $D/to/link; $D/to/link is a symbolic link: the broker will not give it"
is "the real path is shown" "the real path to ask for is $D/to/f" "$(remedy)"
agrees "to a FIFO" read in/fifo 1 EACCES "$D/in/fifo $leads $D/to/fifo; $D/to/fifo is a FIFO: the broker will not give it"
is "what the rule needs" "to give it, a rule needs 'type=fifo'" "$(remedy)"
agrees "in a directory that others write" read in/wide/link 1 EACCES "$D/in/wide/link: the broker will not follow it, as its log would say: condition=strictmodes directory=\"$D/in/wide\" mode=0777 owner=0"
has "as its log does" " condition=strictmodes directory=\"$D/in/wide\" mode=0777 owner=0\$" "$(logged "$D/in/wide/link")"
has "what to do" "^the real path to ask for is $D/to/f; chmod go-w $D/in/wide; or 'strictmodes=no' in the rule: then whoever " "$(remedy)"
agrees "somebody else's, to a file of root's" read in/theirs 1 EACCES "$D/in/theirs $leads $D/to/f; $D/to/f: the broker will not give it, as its log would say: condition=symlink mode=0777 owner=$B"
has "as its log does, with the link's mode and owner" " mode=0777 owner=$B " "$(logged "$D/in/theirs")"
has "what to do" "let root make it .*then $B chooses which" "$(remedy)"
agrees "somebody else's, to a file of their own" read in/theirs-own 0 0 "$D/in/theirs-own $leads $D/to/theirs"
agrees "a third user's, to that link" read in/third 1 EACCES "$D/in/third $leads $D/in/theirs-own; $D/in/theirs-own: the broker will not follow it, as its log would say: condition=symlink mode=0777 owner=$B"
fdbroker explain --json --policy "$T/policy" user:$A read "$D/in/elsewhere" >"$T/out" 2>/dev/null
is "as JSON: the verdict, where it leads, and that it is not given" "deny $D/other/f true" \
	"$(perl -MJSON::PP -e '$v = decode_json(join "", <STDIN>); print "$v->{verdict} $v->{object}{leads} ", $v->{object}{refused} ? "true" : "false"' <"$T/out")"
has "'can', which judges the name, says it too" "$D/in/elsewhere $leads $D/other/f, where no rule allows read" \
	"$(fdbroker can --policy "$T/policy" user:$A read "$D/in/elsewhere" 2>&1)"

# --- what is to be created

created="the broker will not create it, as its log would say: condition="
agrees "in a directory that others write" write,create grp/new 0 EACCES "$D/grp/new: ${created}strictmodes directory=\"$D/grp\" mode=0775 owner=0"
has "as its log does" " condition=strictmodes directory=\"$D/grp\" mode=0775 owner=0\$" "$(logged "$D/grp/new")"
agrees "in one of root's that the peer can have moved" write,create mine/moved/new 0 EACCES "$D/mine/moved/new: ${created}strictmodes directory=\"$D/mine\" mode=0755 owner=$A"
has "as its log does" " condition=strictmodes directory=\"$D/mine\" mode=0755 owner=$A\$" "$(logged "$D/mine/moved/new")"
agrees "behind a link" write,create made/grp 1 EACCES "$D/made/grp $leads $D/grp/linked; $D/grp/linked: ${created}strictmodes directory=\"$D/grp\" mode=0775 owner=0"
agrees "where files are root's" write,create roots/new 0 EACCES "$D/roots/new: ${created}owner mode=00 owner=$A"
has "as its log does" " condition=owner mode=00 owner=$A\$" "$(logged "$D/roots/new")"
is "what to do" "a new file belongs to the peer: the rule needs 'owner=peer', or none" "$(remedy)"
agrees "where only FIFOs are given" write,create fifos/new 0 EACCES "$D/fifos/new: ${created}type is=reg mode=00 owner=$A"
has "as its log does" " condition=type is=reg mode=00 owner=$A\$" "$(logged "$D/fifos/new")"
agrees "where the peer may" write,create fine/new 0 0 ""
agrees "where a link leads" write,create made/link 0 0 "$D/made/link $leads $D/fine/linked"
agrees "in a directory of the peer's own" write,create mine/new 0 0 ""

# --- what is mounted

other="is on another file system than that with which $T/policy/10-test.policy:5 begins: the broker will not go there (error=EXDEV in its log)"
agrees "below a rule without **" read flat/sub/file 0 EXDEV "$D/flat/sub $other"
has "what to do" "write '\\*\\*' in the pattern, .* or a rule that begins with $D/flat/sub" "$(remedy)"
agrees "a bind mount of the same file system" read flat/bind/file 0 EXDEV "$D/flat/bind $other"
agrees "beside it" read flat/plain/file 0 0 ""
agrees "below a rule with **" read deep/sub/file 0 0 ""
has "'cat' says what that is" "^fdbroker: $D/flat/sub/file: Invalid cross-device link; a file system is mounted on the way, which the rule does not take in without '\\*\\*', .*; an administrator can ask: fdbroker explain --policy DIR user:$A\\+group:$A read $D/flat/sub/file " \
	"$(as $A "$BUILD/fdbroker" cat "$D/flat/sub/file" 2>&1)"

# --- a link in the rule's beginning

path=$T/private/linked/file
text=$(as $A "$BUILD/fdbroker" cat "$path" 2>&1)
has "'cat' says whom to ask" "^fdbroker: $path: No such file or directory; or the rule for it begins with a symbolic link; an administrator can ask: fdbroker explain --policy DIR user:$A\\+group:$A read $path " "$text"
ok "and not what the client may not see" test "$(grep -c real <<<"$text")" -eq 0
asked=$(sed -n "s/.*can ask: \(fdbroker explain .*\) (the policy.*/\1/p" <<<"$text")
answer=$(eval "${asked/DIR/$T/policy}" 2>/dev/null)
has "the answer tells it" "^file   $T/private/linked is a symbolic link, with which $T/policy/10-test.policy:7 begins: the broker follows none there \\(error=ENOENT in its log\\)\$" "$answer"
has "with the path to write" "the real path to ask for is $T/private/real/file; write the real path in the rule: fdbroker check shows it" "$answer"
has "and 'check' does" "write '$T/private/real'" "$(fdbroker check "$T/policy" 2>&1)"
text=$(as $A "$BUILD/fdbroker" cat "$T/private/none" 2>&1)
has "the same of what is not there, where the client may not look" "^fdbroker: $T/private/none: No such file or directory; or the rule " "$text"
is "where it may, it is told no more" "fdbroker: $D/to/none: No such file or directory" "$(as $A "$BUILD/fdbroker" cat "$D/to/none" 2>&1)"

# --- what can be done about it

# mends NAME VERBS PATH: what it says to do, done, makes the broker give the file.
mends() {
	explain "$2" "$D/$3" >"$T/out"
	has "$1: refused" "^file   $D/$3: the broker will not .* condition=" "$(cat "$T/out")"
	command=$(remedy)
	ok "$1: the command" bash -c "${command%%[,;]*}"
	ok "$1: the broker gives it" until_ok as $A "$BUILD/fdbroker" open --flags="$2" "$D/$3" -- true
}
explain read "$D/sticky/file" >"$T/out"
has "a sticky one: the rule may say that" "; or 'strictmodes=sticky' in the rule: then what others put into $D/sticky is given too\$" "$(remedy)"
mends "a sticky one" read sticky/file
explain read "$D/owned/file" >"$T/out"
has "another owner: the rule may say that" "; or another 'owner=' in the rule\$" "$(remedy)"
mends "another owner" read owned/file
explain write "$D/set-id/caps" >"$T/out"
has "capabilities: no rule can" "^setcap -r $D/set-id/caps, if it needs no privileges; no rule gives it out for writing\$" "$(remedy)"
explain write "$D/set-id/bits" >"$T/out"
has "set-id: no rule can" "^chmod ug-s $D/set-id/bits, if it needs no privileges; no rule " "$(remedy)"
mends "a set-id file" write set-id/bits
mends "a directory that others write" write,create grp/newer
mends "one of the peer's above" write,create mine/moved/newer
stop_broker
ok "nothing stays mounted" umount "$D/flat/sub" "$D/flat/bind" "$D/deep/sub"
finished
