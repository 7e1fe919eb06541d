#!/bin/bash
# SPDX-License-Identifier: MIT
# explain: the deciding rule, what else matched, what nearly did and which clause failed.
# shellcheck disable=SC2154,SC2016
. "$(dirname "$0")/tap.sh"

f=$scratch/a.policy
cat >"$f" <<'END'
policy 1
subject web = user:4242+unit:nginx.service
subject ops = group:777|user:4243+unit:ops.service|label:ops_t+group:778
set @private = /e/private/** /e/k*y
set @private2 = /e/other
allow user:4242 read  /v/both
allow user:4242 write /v/both
allow user:4242 read,stat /v/one
allow user:4242 read  /d/**
allow user:4242 read  /d/.ok/** hidden
allow user:4242 read  /e/**  except /e/plain /e/q="z /e/zz @private @private2 # why: "except /e/no"
allow user:4242 read  /u/**  until=2024-02-29
allow web       read  /w/**
allow ops       read  /o/**
allow user:0|user:4242 read,write /home/${user}/** /n/x${uid}y/*
allow user:4242 read,write /m/**
deny  any       write /m/**/locked   id=locked because="nobody changes it"
allow any       read  /m/**
deny  user:4243 read  /m/**
allow user:4242+group:777 list /o/**  except /o/x
allow user:4242 read /long/er/than/others/a
allow user:4242 read /long/other /long/q1 /long/q2 /long/q3 /long/q4 /long/q5 /long/q6 /long/q7 /long/q8
END

# explains NAME STATUS OUTPUT ARGUMENT...: all of standard output.
explains() {
	local name=$1 wanted=$2 text=$3
	shift 3
	exits "$name" "$wanted" explain --policy "$f" "$@"
	ok "$name: the output" is "$out" "$text"
}
# rule N: as it is shown.
rule() { printf '%s:%d  %s' "$f" "$1" "$(sed -n "$1p" "$f")"; }
missing() { echo "file   $1 does not exist"; }
write() { printf 'write  a policy file needs this rule, or a wider one:\n       %s' "$1"; }
named='       strictmodes: each directory above it must belong to root or to its owner, and nobody else may write it (a sticky one is fine with such a directory, or the peer'\''s own file, in it)
       no symbolic link may be in the path'
regular="       it must be a regular file
$named"

explains 'an allow' 0 "allow  $(rule 10)
$regular
$(missing /d)
near   $(rule 9)
       dot: a wildcard does not take names that begin with a dot: write the dot in the pattern, or add 'hidden'" user:4242 read /d/.ok/x
explains 'verbs, and two rules together' 1 "deny   no rule allows it
$(missing /v)
near   $(rule 6)
       verbs: the rule lists read; the request also needs write
near   $(rule 7)
       verbs: the rule lists write; the request also needs read
note   $f:6 and $f:7 list all verbs together, but one rule must
$(write 'allow user:4242 read,write /v/both')" user:4242 read,write /v/both
explains 'verbs, three' 1 "deny   no rule allows it
$(missing /v)
near   $(rule 6)
       verbs: the rule lists read; the request also needs write,create
near   $(rule 7)
       verbs: the rule lists write; the request also needs read,create
$(write 'allow user:4242 read,write,create /v/both')" user:4242 read,write,create /v/both
explains 'read covers stat' 0 "allow  $(rule 6)
$named
$(missing /v)
near   $(rule 7)
       verbs: the rule lists write; the request needs stat" user:4242 stat /v/both
explains 'a dot name' 1 "deny   no rule allows it
$(missing /d)
near   $(rule 9)
       dot: a wildcard does not take names that begin with a dot: write the dot in the pattern, or add 'hidden'
$(write 'allow user:4242 read /d/a/.no')" user:4242 read /d/a/.no
explains 'without the dot' 0 "allow  $(rule 9)
$regular
$(missing /d)" user:4242 read /d/a/no
for excepted in '/e/plain /e/plain' '/e/private/a/b /e/private/** of @private at '"$f:4" '/e/key /e/k*y of @private at '"$f:4" \
	'/e/other /e/other of @private2 at '"$f:5" '/e/zz /e/zz'; do
	explains "except: $excepted" 1 "deny   no rule allows it
$(missing /e)
near   $(rule 11)
       except: its own 'except' takes this path away: ${excepted#* }
$(write "allow user:4242 read ${excepted%% *}")
       this goes round the except of $f:11" user:4242 read "${excepted%% *}"
done
exits 'not excepted: what stands in a comment' 0 explain --policy "$f" user:4242 read /e/no
exits 'both: a dot name that is excepted' 1 explain --policy "$f" user:4242 read /e/private/.x
ok 'both are named' is "$(grep -c '^       \(dot\|except\): ' <<<"$out")" 2
printf 'policy 1\nset @s = /q/no /q/.h*\n\nset @t = /q/*\nallow user:4242 read /q @t /r except @s\ndeny user:4243 any @s /z\n' >"$scratch/set.policy"
exits 'an allow through a set' 0 explain --policy "$scratch/set.policy" user:4242 read /q/yes
ok 'the pattern and its place' has "$out" "       pattern: /q/* of @t at $scratch/set.policy:4"
exits 'a deny through a set' 1 can --policy "$scratch/set.policy" user:4243 read /q/.hid
ok 'the pattern and its place' has "$out" "       pattern: /q/.h* of @s at $scratch/set.policy:2"
exits 'as JSON' 1 can --json --policy "$scratch/set.policy" user:4243 read /q/.hid
member 'the pattern' "/q/.h* of @s at $scratch/set.policy:2" rule pattern
exits 'not through a set' 1 can --policy "$scratch/set.policy" user:4243 read /z
ok 'no pattern is shown' lacks "$out" 'pattern:'
explains 'until' 1 "deny   no rule allows it
$(missing /u)
near   $(rule 12)
       until: over since the end of 2024-02-29 (UTC): give 'until' a later day
$(write 'allow user:4242 read /u/x')" user:4242 read /u/x
explains 'on its last day' 0 "allow  $(rule 12)
$regular
       the rule ends after 2024-02-29 (UTC)
$(missing /u)" --on 2024-02-29 user:4242 read /u/x
explains 'who: a part is missing' 1 "deny   no rule allows it
$(missing /w)
near   $(rule 13)
       who: this peer is not unit:nginx.service
$(write 'allow user:4242 read /w/x')" user:4242 read /w/x
explains 'who: another user' 1 "deny   no rule allows it
$(missing /w)
near   $(rule 13)
       who: this peer is not user:4242
$(write 'allow user:4243+unit:nginx.service read /w/x')" user:4243+unit:nginx.service read /w/x
exits 'who: all is there' 0 explain --policy "$f" user:4242+unit:nginx.service read /w/x
explains 'who: the nearest alternative' 1 "deny   no rule allows it
$(missing /o)
near   $(rule 14)
       who: this peer is not unit:ops.service or group:777 or label:ops_t
near   $(rule 20)
       who: this peer is not user:4242+group:777
       verbs: the rule lists list; the request needs read
       except: its own 'except' takes this path away: /o/x
$(write 'allow user:4243+group:778 read /o/x')" user:4243+group:778 read /o/x
exits 'who: an alternative that holds' 0 explain --policy "$f" label:ops_t+group:778 read /o/x
explains 'user: no name' 1 "deny   no rule allows it
$(missing /home/alice)
near   $(rule 15)
       user: the path is not this peer's: \${uid} is 4242, and \${user} matches nothing: the uid has no name in the system's database
$(write 'allow user:4242 read /home/alice/x')" user:4242 read /home/alice/x
explains 'user: another name' 1 "deny   no rule allows it
$(missing /home/alice)
near   $(rule 15)
       user: the path is not this peer's: \${user} is root, \${uid} is 0
$(write 'allow user:0 read /home/alice/x')" user:0 read /home/alice/x
explains 'user: no user' 1 "deny   no rule allows it
$(missing /n)
near   $(rule 15)
       who: this peer is not $(getent passwd 0 | sed 's/\([^:]*\):.*/user:\1/') or user:4242
       user: \${user} and \${uid} match nothing: WHO names no user
$(write 'allow any read /n/x17y/z')" any read /n/x17y/z
exits 'user: the name' 0 explain --policy "$f" user:0 read /home/root/x
exits 'user: the number' 0 explain --policy "$f" user:4242 read /n/x4242y/z
explains 'a deny, and what it took it from' 1 "deny   $(rule 17)
       id: locked
       because: nobody changes it
$(missing /m)
match  $(rule 16)
near   $(rule 18)
       verbs: the rule lists read; the request also needs write
near   $(rule 19)
       who: this peer is not user:4243" user:4242 read,write /m/a/locked
explains 'an allow, and others' 0 "allow  $(rule 16)
$regular
$(missing /m)
match  $(rule 18)
near   $(rule 17)
       verbs: the rule denies write; the request is read
near   $(rule 19)
       who: this peer is not user:4243" user:4242 read /m/a/locked
explains 'no pattern, but a beginning' 1 "deny   no rule allows it
$(missing /long)
near   no pattern matches this path; patterns that begin with /long/er:
       $(rule 21)
$(write 'allow user:4242 read /long/er/x')" user:4242 read /long/er/x
explains 'half a component is no beginning' 1 "deny   no rule allows it
$(missing /longer)
near   no pattern matches this path, and none begins as it does
$(write 'allow user:4242 read /longer/x')" user:4242 read /longer/x
explains 'any verb' 1 "read    allow  $(rule 8)
write   deny   no rule allows it
create  deny   no rule allows it
stat    allow  $(rule 8)
list    deny   no rule allows it
$(missing /v)

read:
allow  $(rule 8)
$regular

write:
deny   no rule allows it
near   $(rule 8)
       verbs: the rule lists read,stat; the request needs write
$(write 'allow user:4242 write /v/one')

create:
deny   no rule allows it
near   $(rule 8)
       verbs: the rule lists read,stat; the request needs create
$(write 'allow user:4242 create /v/one')

stat:
allow  $(rule 8)
$named

list:
deny   no rule allows it
near   $(rule 8)
       verbs: the rule lists read,stat; the request needs list
$(write 'allow user:4242 list /v/one')" user:4242 any /v/one

# Many near misses: the best come first, the rest is counted.
many=$scratch/many.policy
{
	echo 'policy 1'
	for i in {1..30}; do echo "allow user:$((5000 + i)) write /x/**"; done
	echo 'allow user:6000 read /x/*'
} >"$many"
exits 'many near misses' 1 explain --policy "$many" user:4242 read /x/y
ok 'twenty are shown' test "$(grep -c '^near' <<<"$out")" -eq 20
ok 'the best first' is "$(grep -m1 '^near' <<<"$out")" "near   $many:32  allow user:6000 read /x/*"
ok 'the rest is counted' has "$out" '       11 more near misses; --all shows them'
exits 'all of them' 1 explain --all --policy "$many" user:4242 read /x/y
ok 'all are shown' test "$(grep -c '^near' <<<"$out")" -eq 31
ok 'none is left' lacks "$out" 'more near misses'
exits 'as JSON' 1 explain --json --policy "$many" user:4242 read /x/y
member 'twenty' 20 near '[]'
member 'the rest' 11 near_more
exits 'all as JSON' 1 explain --json --all --policy "$many" user:4242 read /x/y
member 'all' 31 near '[]'
member 'none is left' 0 near_more

# Who comes first, then what is missing of it; denies only with all.
order=$scratch/order.policy
cat >"$order" <<'END'
policy 1
deny  user:13 read /x/**
allow user:5+group:5+label:five read /x/**
allow user:6 read /x/**
allow user:4242 write /x/** except /x/.y until=2024-02-29
allow user:7+group:7 read /x/**
allow user:4242+group:8881|group:9+user:10|group:11+label:eleven+user:12 read /x/.y
END
exits 'order' 1 explain --policy "$order" user:4242 read /x/.y
ok 'the order of near misses' is "$(sed -n 's/^near .*:\([0-9]*\)  .*/\1/p' <<<"$out" | tr '\n' ' ')" '5 7 4 6 3 '
ok 'the nearest of the alternatives' has "$out" "who: this peer is not group:8881, the nearest of the rule's 3 alternatives"
ok 'a deny is only counted' has "$out" '       1 more near miss; --all shows them'
exits 'order, all' 1 explain --all --policy "$order" user:4242 read /x/.y
ok 'denies come last' is "$(sed -n 's/^near .*:\([0-9]*\)  .*/\1/p' <<<"$out" | tail -n 1)" 2

# What is there.
there=$(cd "$scratch" && pwd -P)/there
mkdir -p "$there/dir"
touch "$there/file"
mkfifo "$there/fifo"
ln -s dir "$there/link"
printf 'policy 1\nallow any read %s/f*\n' "$there" >"$scratch/there.policy"
there() {
	exits "there: $1" "$3" explain --policy "$scratch/there.policy" any "$4" "$there/$1"
	ok "there: $1: $2" is "$(grep -A1 '^file' <<<"$out" | grep -v '^[a-z]* *[a-z/].*policy:\|^near\|^write')" "${2:+file   $2}"
}
there file '' 0 read
there fifo "$there/fifo is a FIFO: the broker will not give it
       to give it, a rule needs 'type=fifo'" 0 read
there dir "$there/dir is a directory: directories are listed, not opened
       the verb for it is list: fdbroker explain --policy $scratch/there.policy any list $there/dir" 1 read
ok 'no rule that cannot open it is proposed' lacks "$out" write
mkfifo "$there/other"
exits 'no rule for a FIFO' 1 explain --policy "$scratch/there.policy" user:4242 read "$there/other"
ok 'the rule that is proposed has its type' has "$out" "       allow user:4242 read $there/other type=fifo"
/usr/bin/python3 -I -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$there/socket"
exits 'no rule for a socket' 1 explain --policy "$scratch/there.policy" user:4242 read "$there/socket"
ok 'there is none to propose' lacks "$out" write
ok 'which is said' has "$out" 'no rule can give one'
exits 'a directory, to be listed' 1 explain --policy "$scratch/there.policy" user:4242 list "$there/dir"
ok 'has one' has "$out" "       allow user:4242 list $there/dir"
there dir '' 1 list
touch "$there/dir/x"
there link/x "$there/link is a symbolic link: the broker will not give it
       the real path to ask for is $there/dir/x" 1 read
ok 'no rule that would do nothing is proposed' lacks "$out" write
rm "$there/dir/x"
there link/x "$there/link is a symbolic link: the broker will not give it
       the real path to ask for is $there/dir/x" 1 read
ok 'nor for what is not there yet' lacks "$out" write
ln -s "$there/dir" "$there/dir/again"
there link/again/new/x "$there/link is a symbolic link: the broker will not give it
       the real path to ask for is $there/dir/new/x" 1 read
ln -s / "$there/root"
there root "$there/root is a symbolic link: the broker will not give it
       the real path to ask for is /" 1 read
ln -s nowhere "$there/dangling"
there dangling "$there/dangling is a symbolic link: the broker will not give it" 1 read
ok 'nor for one that leads nowhere' lacks "$out" write
rm "$there/dir/again" "$there/dangling"
there dangling "$there/dangling does not exist" 1 read
ok 'without the link there is one' has "$out" write
there new "$there/new does not exist" 1 read
there new '' 1 read,create

# JSON.
exits 'JSON: near misses' 1 explain --json --policy "$f" user:4243+group:778 read /o/x
ok 'nothing on standard error' test -z "$err"
member 'verdict' deny verdict
member 'no rule' null rule
member 'nothing matched' 0 matched '[]'
member 'two nearly did' 2 near '[]'
member 'the first' 14 near 0 line
member 'its text' "$(sed -n 14p "$f")" near 0 text
member 'what failed' '["who"]' near 0 failed
member 'of the second' '["who","verbs","except"]' near 1 failed
member 'in words' "its own 'except' takes this path away: /o/x" near 1 reasons 2
member 'what to write' 'allow user:4243+group:778 read /o/x' suggestion
member 'it goes round nothing of this peer' 0 around '[]'
member 'and it can be written' null refused
exits 'JSON: round an except' 1 explain --json --policy "$f" user:4242 read /e/plain
member 'which' 11 around 0 line
exits 'a unit alone' 1 explain --policy "$f" unit:a.service read /none/x
ok 'what WHO lacks' has "$out" "write  no rule can allow it to this WHO:
       'unit:a.service' does not say whose processes it means; jobs of every user may run in a unit: add '+user:NAME' or '+group:NAME'"
exits 'anybody may not write' 1 can --policy "$f" any write /none/x
err_has 'what WHO lacks' "    'any' is allowed to read, stat and list only, not to write; name the users or groups that may"
ok 'nothing is to be written' lacks "$err" 'needs this rule'
exits 'somebody may' 1 can --policy "$f" user:4242+unit:a.service write /none/x
err_has 'a rule for that' '    allow user:4242+unit:a.service write /none/x'
for miss in 'dot /d/.x' 'until /u/x' 'user /home/alice/x'; do
	exits "JSON: $miss" 1 explain --json --policy "$f" user:4242 read "${miss#* }"
	member "JSON: $miss" "[\"${miss% *}\"]" near 0 failed
done
exits 'JSON: together' 1 explain --json --policy "$f" user:4242 read,write /v/both
member 'one' 6 together 0 line
member 'and another' 7 together 1 line
exits 'JSON: not together' 1 explain --json --policy "$f" user:4242 read,write,create /v/both
member 'none' 0 together '[]'
exits 'JSON: a deny' 1 explain --json --policy "$f" user:4242 read,write /m/a/locked
member 'it' locked rule id
member 'it matched' locked matched 0 id
member 'and an allow' 16 matched 1 line
exits 'JSON: a beginning' 1 explain --json --policy "$f" user:4242 read /long/er/x
member 'how long' /long/er begin
member 'which' 21 beginnings 0 line
exits 'JSON: a link' 1 explain --json --policy "$scratch/there.policy" any read "$there/link/x"
member 'its kind' 'symbolic link' object kind
member 'the real path' "$there/dir/x" object real
exits 'JSON: any' 1 explain --json --policy "$f" user:4242 any /v/one
member 'all verdicts' deny verdict
member 'of read' allow each 0 verdict
member 'of write' '["verbs"]' each 1 near 0 failed
exits 'JSON: allowed' 0 explain --json --policy "$f" user:4242 read /v/one
member 'verdict' allow verdict

# explain and can agree, always; and so does what explain proposes.
for question in 'user:4242 read /v/both' 'user:4242 read,write /v/both' 'user:4242 read /d/.x' 'any read /m/x' 'user:4243 read /m/x' \
	'label:ops_t+group:778 read /o/x' 'user:0 read /home/root/.x' 'user:4242 any /m/x'; do
	read -ra words <<<"$question"
	run can --policy "$f" "${words[@]}"
	verdict=${out%%$'\n'*} wanted=$status
	exits "as can: $question" "$wanted" explain --policy "$f" "${words[@]}"
	ok 'the same first line' is "${out%%$'\n'*}" "$verdict"
done
run explain --policy "$f" user:4242 read,write /v/both
{ echo 'policy 1' && sed -n 's/^       \(allow .*\)/\1/p' <<<"$out"; } >"$scratch/proposed.policy"
exits 'the rule that is proposed' 0 explain --policy "$f" --policy "$scratch/proposed.policy" user:4242 read,write /v/both

# Wrong questions.
printf 'policy 1\nallow any read x\n' >"$scratch/bad.policy"
exits 'a policy with an error' 2 explain --policy "$scratch/bad.policy" any read /x
ok 'no verdict then' test -z "$out"
exits 'bad WHO' 2 explain --policy "$f" root read /x
exits 'an unknown user' 2 explain --policy "$f" user:no-such-user-here read /x
exits 'bad verbs' 2 explain --policy "$f" any raed /x
exits 'a path that is not canonical' 2 explain --policy "$f" any read /x/
printf 'policy 1\nallow any read /\\x1b*\n' >"$scratch/escape.policy"
exits 'an escape sequence in the path' 0 explain --policy "$scratch/escape.policy" any read $'/\e[1m'
ok 'it does not get out' lacks "$out$err" $'\e'

done_testing
