#!/bin/bash
# SPDX-License-Identifier: MIT
# check and can.
# shellcheck disable=SC2154
. "$(dirname "$0")/tap.sh"

p=$scratch/policy.d
mkdir -p "$p" "$scratch/empty" "$scratch/later"
cat >"$p/10-a.policy" <<'END'
policy 1
allow user:4242 read /data/**
allow user:4242+group:777 write /data/log
allow user:0 read /data/root
allow group:777 read,list /srv/**
END
cat >"$p/20-b.policy" <<'END'
policy 1
deny any any /data/secret
END

exits 'check of a directory' 0 check "$p"
ok 'the summary' has "$out" '2 files, 5 rules, no errors'
exits 'check of one file' 0 check "$p/20-b.policy"
ok 'its summary' has "$out" '1 file, 1 rule, no errors'
exits 'check of files' 0 check "$p/10-a.policy" "$p/20-b.policy"
ok 'they are one set' has "$out" '2 files, 5 rules, no errors'
exits 'check --policy' 0 check --policy "$p"
ok 'it is the same' has "$out" '2 files, 5 rules, no errors'
exits 'check --policy and a file' 0 check --policy="$scratch/empty" "$p/10-a.policy"
ok 'they are one set' has "$out" '1 file, 4 rules'
exits 'check of an empty directory' 0 check "$scratch/empty"
ok 'nothing in it' has "$out" 'no files, no rules, no errors'
err_has 'what that means' 'everything is denied'
printf 'policy 1\n' >"$scratch/later/10-a.policy"
exits 'a later directory' 0 check "$p" "$scratch/later"
ok 'replaces a file of the same name' has "$out" '2 files, 1 rule, no errors'
exits 'the other order' 0 check "$scratch/later" "$p"
ok 'the last one wins' has "$out" '2 files, 5 rules, no errors'

printf 'policy 1\nalow any read /x\nallow any read x\n' >"$scratch/bad.policy"
exits 'a file with errors' 2 check "$scratch/bad.policy"
ok 'they are counted' has "$out" '1 file, 2 errors'
err_has 'the first line is shown' 'bad.policy:2:'
err_has 'and the second' 'bad.policy:3:'
exits 'a good and a bad one' 2 check "$p" "$scratch/bad.policy"
exits 'a file that does not exist' 2 check "$scratch/missing.policy"
err_has 'it says so' "$scratch/missing.policy: error[P001]: cannot be read: No such file"
exits 'a directory that does not exist' 2 check --policy "$scratch/missing"
printf 'policy 1\n\033]0;x\007 any\n' >"$scratch/escape.policy"
exits 'an escape sequence in a policy' 2 check "$scratch/escape.policy"
ok 'it does not get out' lacks "$err$out" $'\e'

# decides NAME STATUS OUTPUT ARGUMENT...
decides() {
	local name=$1 wanted=$2 text=$3
	shift 3
	exits "$name" "$wanted" can --policy "$p" "$@"
	ok "$name: the first line" is "${out%%$'\n'*}" "$text"
}
regular='       it must be a regular file'
strict='       strictmodes: each directory above it must belong to root or to its owner, and nobody else may write it (a sticky one is fine with such a directory, or the peer'\''s own file, in it)'
no_links='       no symbolic link may be in the path'
allow_data="allow  $p/10-a.policy:2  allow user:4242 read /data/**"
decides 'an allow' 0 "$allow_data" user:4242 read /data/a/b
ok 'what the file must be' is "$out" "$allow_data"$'\n'"$regular"$'\n'"$strict"$'\n'"$no_links"
decides 'a deny' 1 "deny   $p/20-b.policy:2  deny any any /data/secret" user:4242 read /data/secret
decides 'the default' 1 'deny   no rule allows it' user:4242 read,write /other
err_has 'how to allow it' 'to let user:4242 read,write /other'
err_has 'the rule for that' '    allow user:4242 read,write /other'
decides 'all verbs are needed' 1 'deny   no rule allows it' user:4242 read,list /data/x
decides 'another user' 1 'deny   no rule allows it' user:4243 read /data/x
decides 'a group that is missing' 1 'deny   no rule allows it' user:4242 write /data/log
decides 'a group that is named' 0 "allow  $p/10-a.policy:3  allow user:4242+group:777 write /data/log" \
	user:4242+group:777 write /data/log
decides 'two verbs of one rule' 0 "allow  $p/10-a.policy:5  allow group:777 read,list /srv/**" group:777 list,read /srv/x
decides 'a group alone' 1 'deny   no rule allows it' group:777 read /data/x
exits 'a user without an entry' 0 can --policy "$p" user:4242 read /data/a
err_has 'that is said' 'uid 4242 has no entry'
exits 'root' 0 can --policy "$p" user:0 read /data/root
err_has 'nothing special' 'nothing special applies'
err_has 'groups of the database' "groups of the system's database: $(id -gn root)(0)"
exits 'root by name' 0 can --policy "$p" user:root read /data/root
exits 'root with a group that is named' 0 can --policy "$p" user:root+group:777 read /data/root
ok 'the database is not asked' lacks "$err" 'database'
exits 'an id that stands for any' 1 can --policy "$p" user:65534 read /data/a
err_has 'is known to match nothing' "uid 65534: no rule matches it, not even one for 'any'"
err_has 'and no rule is proposed' 'no rule can match 65534'
ok 'really not' lacks "$err" 'allow user:65534'
printf 'policy 1\nallow any read /any\n' >"$scratch/any.policy"
exits 'nor is it among any' 1 can --policy "$scratch/any.policy" user:65534 read /any
exits 'as others are' 0 can --policy "$scratch/any.policy" user:65533 read /any
exits 'explain' 1 explain --policy "$scratch/any.policy" user:65534 read /any
ok 'says why' has "$out" 'who: no rule can match 65534'
exits 'root is nobody special' 1 can --policy "$p" user:0 read /data/a
exits 'no policy' 1 can --policy "$scratch/empty" user:0 read /x
ok 'denies' is "$out" 'deny   no rule allows it'
err_has 'that there is none is said' 'no policy file: everything is denied'
exits 'a policy' 1 can --policy "$p" user:0 read /x
ok 'then that is not said' lacks "$err" 'no policy file'

# shellcheck disable=SC2016 # nothing is to be expanded
# The rule that is proposed does what it says, whatever is in the name.
for path in /plain '/with space' '/a*b' '/[x]{y}' '/#c' $'/\e[1m' '/a\x41' '/${user}' '/**' '/?' '/é' "/'q\"" '/@set' '/a,b=c'; do
	run can --policy "$scratch/empty" user:4242 read,stat "$path"
	mkdir -p "$scratch/proposed"
	{ echo 'policy 1' && sed -n 's/^    \(allow .*\)/\1/p' <<<"$err"; } >"$scratch/proposed/x.policy"
	exits "the proposed rule allows $(printf %q "$path")" 0 can --policy "$scratch/proposed" user:4242 read,stat "$path"
	exits 'it allows no other' 1 can --policy "$scratch/proposed" user:4242 read,stat "${path}b"
	ok 'no raw escape' lacks "$out$err" $'\e'
done

for who in '' any+user:0 root user: user:no-such-user-here group:no-such-group-here user:0+ user:0+user:1 \
	user:4294967295 user:-1 uid:0 'user:0|user:1' group:0++user:0 \
	unit:nginx 'unit:*.service' unit:a.service+unit:b.service label:a+label:b user:0+any nobody read; do
	exits "WHO '$who'" 2 can --policy "$p" "$who" read /x
	ok 'it says why' test -n "$err"
done
# The policy allows these names; what is there the broker does not give.
mkdir -p "$scratch/kinds/directory" "$scratch/kind"
mkfifo "$scratch/kinds/fifo"
touch "$scratch/kinds/file" "$scratch/kinds/directory/x"
ln -s file "$scratch/kinds/link"
ln -s directory "$scratch/kinds/dirlink"
kinds=$(cd "$scratch/kinds" && pwd -P)
printf 'policy 1\nallow any read %s/**\n' "$kinds" >"$scratch/kind/x.policy"
note() {
	exits "can read $2" 0 can --policy "$scratch/kind" user:4242 read "$kinds/$2"
	ok "$2: ${1:-nothing is noted}" is "$(grep 'will not give' <<<"$err")" "${1:+fdbroker: $kinds/$1: the broker will not give it}"
}
note 'fifo is a FIFO' fifo
note 'link is a symbolic link' link
note 'dirlink is a symbolic link' dirlink/x
err_has 'the real path is shown' "fdbroker: the real path to ask for is $kinds/directory/x"
note '' file
note '' directory/x
note '' missing/x
err_has 'that it is missing is said' "fdbroker: $kinds/missing does not exist"
note '' directory
err_has 'a directory is only listed' "fdbroker: $kinds/directory is a directory: directories are listed, not opened"
exits 'to ask for the status of a directory' 0 can --policy "$scratch/kind" user:4242 stat "$kinds/directory"
ok 'then nothing is said of it' lacks "$err" 'is a directory'
printf 'policy 1\nallow any read %s/** type=fifo symlinks=beneath\n' "$kinds" >"$scratch/kind/x.policy"
note '' fifo
ln -s fifo "$kinds/to-fifo"
note '' to-fifo
err_has 'where it leads is said' "fdbroker: $kinds/to-fifo is a symbolic link and leads to $kinds/fifo"
note "link is a symbolic link and leads to $kinds/file; $kinds/file is a regular file" link
note 'file is a regular file' file
err_has 'what the rule needs is said' "fdbroker: to give it, a rule needs 'type=reg'"
printf 'policy 1\ndeny user:4242 any %s/**\n' "$kinds" >"$scratch/kind/y.policy"
exits 'a deny says nothing of the kind' 1 can --policy "$scratch/kind" user:4242 read "$kinds/fifo"
ok 'nothing is noted' lacks "$err" 'will not give'
exits 'no rule for a FIFO' 1 can --policy "$p" user:4242 read "$kinds/fifo"
err_has 'no rule would help' "$kinds/fifo is a FIFO: the broker will not give it"
exits 'no rule for a file behind a link' 1 can --policy "$p" user:4242 read "$kinds/dirlink/x"
err_has 'the real path is shown' "fdbroker: the real path to ask for is $kinds/directory/x"
ok 'no rule that would do nothing is proposed' lacks "$err" 'a policy file needs'

# A rule that is over.
printf 'policy 1\nallow user:7 read /over/** until=2024-02-29\ndeny user:7 read /over/no until=2024-02-28\nallow user:7 write /over/** until=2024-02-27\n' >"$scratch/over.policy"
exits 'a rule that is over' 1 can --policy "$scratch/over.policy" user:7 read /over/no
err_has 'which, and since when' "fdbroker: $scratch/over.policy:2 would allow it, but is over since the end of 2024-02-29 (UTC): give 'until' a later day"
ok 'no other one' is "$(grep -c 'is over' <<<"$err")" 1
err_has 'a rule is proposed as well' '    allow user:7 read /over/no'
exits 'on its last day' 0 can --on 2024-02-29 --policy "$scratch/over.policy" user:7 read /over/no
ok 'it is not over' lacks "$err" 'is over'
exits 'for another it is none' 1 can --policy "$scratch/over.policy" user:4242 read /over/no
ok 'so nothing is said of it' lacks "$err" 'is over'
exits 'as JSON' 1 can --json --policy "$scratch/over.policy" user:7 read /over/no
member 'one' 1 over '[]'
member 'which' 2 over 0 line

for verbs in '' any,read reed 'read,' ,read 'read write' READ; do
	exits "VERBS '$verbs'" 2 can --policy "$p" user:4242 "$verbs" /x
done
exits 'a mistyped verb' 2 can --policy "$p" user:4242 raed /x
err_has 'did you mean' "did you mean 'read'?"
exits 'any verb, one is missing' 1 can --policy "$p" group:777 any /srv/x
ok 'a line each' is "$out" "read    allow  $p/10-a.policy:5  allow group:777 read,list /srv/**
write   deny   no rule allows it
create  deny   no rule allows it
stat    allow  $p/10-a.policy:5  allow group:777 read,list /srv/**
list    allow  $p/10-a.policy:5  allow group:777 read,list /srv/**"
printf 'policy 1\nallow user:7 read,write,create,stat,list /all\n' >"$scratch/all.policy"
exits 'any verb, all are allowed' 0 can --policy "$scratch/all.policy" user:7 any /all
ok 'nothing else is said' is "$(grep -v 'has no entry' <<<"$err" | grep -v 'groups of the system')" ''
exits 'a path that is not canonical' 2 can --policy "$p" user:4242 read //data/./x/
err_has 'the canonical form' '; write /data/x'
exits 'a path with ..' 2 can --policy "$p" user:4242 read /data/../x
exits 'a policy with an error' 2 can --policy "$scratch/bad.policy" user:4242 read /x
ok 'no verdict then' test -z "$out"
err_has 'the errors are shown' 'bad.policy:2:'
err_has 'where they are' 'which stand above'
exits 'a policy directory that does not exist' 2 can --policy "$scratch/missing" user:4242 read /x

# Conditions, in words; what is tried after what.
cat >"$scratch/conditions.policy" <<'END'
policy 1
allow user:7 read,write,create,stat /c/*  type=fifo,chr owner=peer strictmodes=sticky symlinks=beneath mode=0640 exec until=2099-12-31 id=first because="the reason"  # text
allow user:7 read /c/x  owner=user:12345 strictmodes=no
allow user:7 read /c/x  owner=root
deny  user:7 read /c/no  id=never because=secret
END
exits 'all conditions' 0 can --policy "$scratch/conditions.policy" user:7 read,write,create /c/y
ok 'all conditions: in words' is "$out" "allow  $scratch/conditions.policy:2  allow user:7 read,write,create,stat /c/*  type=fifo,chr owner=peer strictmodes=sticky symlinks=beneath mode=0640 exec until=2099-12-31 id=first because=\"the reason\"  # text
       id: first
       because: the reason
       it must be a FIFO or a character device
       it must belong to $(getent passwd 7 | sed 's/\([^:]*\):.*/user:\1/' | grep . || echo user:7)
       strictmodes=sticky: each directory above it must belong to root or to its owner, and nobody else may write it unless it is sticky
       where a symbolic link in the path leads has to be allowed as well
       it must not be set-user-id or set-group-id, nor have capabilities
       a new file belongs to the peer, with at most mode 0640
       the rule ends after 2099-12-31 (UTC)"
exits 'stat asks for less' 0 can --policy "$scratch/conditions.policy" user:7 stat /c/y
ok 'the type does not matter' lacks "$out" 'FIFO'
exits 'several allows' 0 can --policy "$scratch/conditions.policy" user:7 read /c/x
ok 'the first decides' has "$out" "allow  $scratch/conditions.policy:"
ok 'the others may' test "$(grep -c "^or     $scratch/conditions.policy:" <<<"$out")" -eq 2
ok 'each with its own conditions' has "$out" '       it must belong to user:12345'
ok 'directories of anybody' has "$out" '       the directories above it may belong to anybody (strictmodes=no)'
exits 'a deny with a reason' 1 can --policy "$scratch/conditions.policy" user:7 read /c/no
ok 'it is shown' is "$out" "deny   $scratch/conditions.policy:5  deny  user:7 read /c/no  id=never because=secret
       id: never
       because: secret"

# Days.
printf 'policy 1\nallow user:7 read /u until=2024-02-29\n' >"$scratch/until.policy"
for day in 2024-02-29:0 2024-02-28:0 2024-03-01:1 1970-01-01:0 9999-12-31:1; do
	exits "on ${day%:*}" "${day#*:}" can --policy "$scratch/until.policy" --on="${day%:*}" user:7 read /u
done
exits 'today' 1 can --policy "$scratch/until.policy" user:7 read /u
for day in '' 2023-02-29 2024-2-29 20240229 tomorrow 2024-02-29x 1969-12-31 '2024-02-29 '; do
	exits "no day: '$day'" 2 can --policy "$scratch/until.policy" "--on=$day" user:7 read /u
done

# What a peer can be. Each has a counter-check.
cat >"$scratch/peer.policy" <<'END'
policy 1
allow user:7+unit:borg@*.service read /unit
allow label:backup_t read /label
allow any read /any
allow user:0|user:4242 read /home/${user}/x
END
peer() {
	exits "$2 $3: $1" "$1" can --policy "$scratch/peer.policy" "$2" read "$3"
}
peer 0 user:7+unit:borg@home.service /unit
peer 1 user:7+unit:cron.service /unit
peer 1 user:7 /unit
peer 0 label:backup_t /label
peer 1 label:backup /label
peer 0 any /any
peer 1 any /label
peer 0 user:0 /home/root/x
peer 1 user:0 /home/other/x
peer 1 user:4242 /home/4242/x
# shellcheck disable=SC2016
err_has 'why' '${user} matches nothing'

# Too many steps: the answer says so, and what to do.
{
	echo 'policy 1'
	for i in {1..400}; do echo "allow user:7 read /**/a*/**/*b$i*/**/c*/**/x$i"; done
} >"$scratch/slow.policy"
slow=/$(printf 'ab%.0sc/ab/' {1..20})x
slow=${slow%/}
exits 'a path that takes too many steps' 1 can --policy "$scratch/slow.policy" user:7 read "$slow"
ok 'that is said' has "$out" 'deny   the patterns take too many steps for this path
       write fewer'

# A peer that the broker cannot serve: each half of it is one that it can.
{
	echo 'policy 1'
	for i in {1..200}; do printf 'allow user:4242 read /srv/u%d/**\nallow group:777 read /srv/g%d/**\n' "$i" "$i"; done
} >"$scratch/wide.policy"
for who in user:4242 user:4242+group:777; do
	wanted=$([[ $who == *+* ]] && echo 1 || echo 0)
	exits "reach of $who" "$wanted" can --policy "$scratch/wide.policy" "$who" read /srv/u7/x
	run can --json --policy "$scratch/wide.policy" "$who" read /srv/u7/x
	member "reach of $who: JSON" "$([[ $wanted == 0 ]] && echo allow || echo deny)" verdict
done
exits 'a peer that reaches too much' 1 can --policy "$scratch/wide.policy" user:4242+group:777 read /srv/u7/x
unserved='the rules for this peer begin in more than 256 places: the broker serves it nothing'
ok 'that is said' is "$out" "deny   $unserved"
ok 'no rule is proposed' lacks "$err" 'needs this rule'
run can --json --policy "$scratch/wide.policy" user:4242+group:777 read /srv/u7/x
member 'and in JSON' "$unserved" unserved
member 'no rule decides' null rule
exits 'nor does explain allow it' 1 explain --policy "$scratch/wide.policy" user:4242+group:777 read /srv/u7/x
ok 'it says the same' is "${out%%$'\n'*}" "deny   $unserved"

# Links and missing directories where patterns begin.
mkdir -p "$scratch/real/sub"
ln -s real "$scratch/linked"
ln -s missing "$scratch/broken"
touch "$scratch/real/file"
ln -s file "$scratch/real/name"
chmod 755 "$scratch"
tree=$(cd "$scratch" && pwd -P)
cat >"$scratch/links.policy" <<END
policy 1
set @links = $tree/linked/in/*
allow user:7 read  $tree/real/**  $tree/linked/sub/**
	deny any any @links
allow user:8 read $tree/real/name
allow user:9 read $tree/real/name symlinks=beneath
allow user:7 read $tree/broken/x $tree/linked/\${user}/*
allow user:6 read $tree/real/\${user}/x $tree/real/later
allow user:7 read $tree/nowhere/*
END
exits 'links' "$((EUID == 0 ? 2 : 0))" check "$scratch/links.policy"
if [[ $EUID -eq 0 ]]; then
	ok 'for root they are errors' is "$out" '1 file, 7 rules, 5 errors'
	link='error[P077]: there is a symbolic link in the path of this rule:'
else
	ok 'for others they are warnings' is "$out" '1 file, 7 rules, no errors, 5 warnings'
	link='warning[P078]: there is a symbolic link in the path of this rule, here:'
fi
ok 'all messages' is "$err" "$scratch/links.policy:3:$((${#tree} + 30)): $link $tree/linked
    3 | allow user:7 read  $tree/real/**  $tree/linked/sub/**
      | $(printf '%*s' $((${#tree} + 29)) '')^$(printf '%*s' $((${#tree} + 6)) '' | tr ' ' '~')
      = help: the broker follows no link there: write '$tree/real/sub'
$scratch/links.policy:4:15: $link $tree/linked
    4 | 	deny any any @links
      | 	             ^~~~~~
      = help: the broker follows no link there: write '$tree/real/in'
$scratch/links.policy:5:19: $link $tree/real/name
    5 | allow user:8 read $tree/real/name
      |                   ^$(printf '%*s' $((${#tree} + 9)) '' | tr ' ' '~')
      = help: the broker follows no link there: write '$tree/real/file'
$scratch/links.policy:7:19: $link $tree/broken
    7 | allow user:7 read $tree/broken/x $tree/linked/\${user}/*
      |                   ^$(printf '%*s' $((${#tree} + 6)) '' | tr ' ' '~')
      = help: the broker follows no link there, and this one leads nowhere
$scratch/links.policy:7:$((${#tree} + 29)): $link $tree/linked
    7 | allow user:7 read $tree/broken/x $tree/linked/\${user}/*
      | $(printf '%*s' $((${#tree} + 28)) '')^$(printf '%*s' $((${#tree} + 6)) '' | tr ' ' '~')
      = help: the broker follows no link there: write '$tree/real'
$scratch/links.policy:9:19: note[P079]: this rule begins with what does not exist: $tree/nowhere
    9 | allow user:7 read $tree/nowhere/*
      |                   ^$(printf '%*s' $((${#tree} + 7)) '' | tr ' ' '~')
      = help: nothing to do if it is created or mounted later"
printf 'policy 1\nallow user:7 read %s/linked/x symlinks=beneath\n' "$tree" >"$scratch/beneath.policy"
exits 'a link in the directory, with symlinks=beneath' "$((EUID == 0 ? 2 : 0))" check "$scratch/beneath.policy"
err_has 'it is one all the same' "${link#* } $tree/linked"
if [[ $EUID -eq 0 ]] && command -v setpriv >/dev/null; then
	out=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$fdbroker" check "$scratch/links.policy" 2>"$scratch/.err")
	status=$?
	ok 'for others than root they are warnings: exit 0' test "$status" -eq 0
	ok 'they are counted' is "$out" '1 file, 7 rules, no errors, 5 warnings'
	ok 'the message' has "$(<"$scratch/.err")" 'warning[P078]: there is a symbolic link in the path of this rule, here:'
else
	skip 'only root can be another user'
fi

# As JSON.
exits 'check --json' "$((EUID == 0 ? 2 : 0))" check --json "$scratch/links.policy"
ok 'nothing on standard error' test -z "$err"
member 'files' 1 files
member 'rules' "$( ((EUID == 0)) && echo null || echo 7)" rules
member 'errors' "$((EUID == 0 ? 5 : 0))" errors
member 'warnings' "$((EUID == 0 ? 0 : 5))" warnings
member 'notes' 1 notes
member 'messages' 6 messages '[]'
member 'a message' P079 messages 5 code
member 'its line' 9 messages 5 line
member 'its column' 19 messages 5 column
printf 'policy 1\nallow any read /x\nallow any read x\xe9\n' >"$scratch/bad8.policy"
exits 'check --json with an error' 2 check --json "$scratch/bad8.policy" "$scratch/missing.policy"
member 'no rules' null rules
member 'a file that is not there' 'cannot be read: No such file or directory' messages 0 message
member 'bytes are escaped' 'allow any read x\xe9' messages 1 source
exits 'can --json with a broken policy' 2 can --json --policy "$scratch/bad8.policy" user:7 read /x
member 'no verdict' 'the policy has errors' error
member 'but why' 'P012' messages 0 code
exits 'can --json, an unknown user' 2 can --json --policy "$p" user:no-such-user-here read /x
member 'that is an error' "no user 'no-such-user-here' in the system's database; a number needs no entry" error
ok 'standard error is empty' test -z "$err"
{
	echo 'policy 1'
	for i in {1..1030}; do echo "allow user:4242|group:$((20000 + i)) read /w/$i"; done
} >"$scratch/whos.policy"
exits 'can --json, too many whos' 2 can --json --policy "$scratch/whos.policy" user:4242 read /w/1
ok 'that is an error, too' has "$(json error)" 'more than 1024 different whos'
exits 'can --json, none of them' 1 can --json --policy "$scratch/whos.policy" user:4243 read /w/1
# Warnings are counted, errors are shown.
printf 'policy 1\nallow user:7 read /u until=2024-02-29\nallow user:7 read /v until=2024-02-29\nalow any\n' >"$scratch/mixed.policy"
exits 'an error among warnings' 2 can --policy "$scratch/mixed.policy" user:7 read /x
err_has 'the error' 'mixed.policy:4:'
err_has 'its line' '    4 | alow any'
ok 'no warning' lacks "$err" 'warning['
ok 'nor what it quotes' lacks "$err" '    2 |'
exits 'the same as JSON' 2 can --json --policy "$scratch/mixed.policy" user:7 read /x
member 'one message' 1 messages '[]'
member 'warnings' 2 warnings
sed -i '$d' "$scratch/mixed.policy"
exits 'warnings alone' 1 can --policy "$scratch/mixed.policy" user:7 read /x
err_has 'they are counted' 'fdbroker: 2 warnings: fdbroker check shows them'
ok 'they are not shown' lacks "$err" 'warning['
exits 'check' 0 check "$scratch/mixed.policy"
err_has 'check shows them' 'warning[P062]'
exits 'warnings alone, as JSON' 1 can --json --policy "$scratch/mixed.policy" user:7 read /x
member 'no messages' 0 messages '[]'
member 'but their number' 2 warnings
exits 'can --json with a wrong command line' 2 can --json --policy "$scratch/bad8.policy" user:7 raed /x
ok 'no object then' test -z "$out"

exits 'can --json' 0 can --json --policy "$scratch/conditions.policy" --on 2026-11-21 user:0 read /any --policy "$scratch/peer.policy"
ok 'nothing on standard error' test -z "$err"
member 'verdict' allow verdict
member 'the rule' "$scratch/peer.policy" rule file
member 'its line' 4 rule line
member 'its text' 'allow any read /any' rule text
member 'its verbs' '["read"]' rule verbs
member 'no id' null rule id
member 'its options' '{"audit":"first","exec":false,"hidden":false,"mode":"0600","owner":"any","strictmodes":"yes","symlinks":"no","type":["reg"],"until":null}' rule options
member 'its conditions' "${regular:7}" rule conditions 0
member 'strictmodes' "${strict:7}" rule conditions 1
member 'no alternatives' 0 alternatives '[]'
member 'the uid' 0 who uid
member 'its name' root who user
member 'groups' 1 who groups_system
member 'there is one' 0 who groups 0
member 'the day' 2026-11-21 day
member 'nothing is there' missing object kind
member 'no suggestion' null suggestion
exits 'can --json, alternatives' 0 can --json --policy "$scratch/conditions.policy" user:7+group:0 read /c/x
member 'there are two' 2 alternatives '[]'
member 'groups were named' 0 who groups_system
exits 'can --json, a deny' 1 can --json --policy "$scratch/conditions.policy" user:7 read /c/no
member 'verdict' deny verdict
member 'because' secret rule because
exits 'can --json, no rule' 1 can --json --policy "$scratch/conditions.policy" user:7 read $'/\xe9'
member 'none' null rule
member 'the path is escaped' '/\xe9' path
member 'the suggestion' 'allow user:7 read /\x5cxe9' suggestion
exits 'can --json, a backslash' 1 can --json --policy "$scratch/conditions.policy" user:7 read '/\xe9'
member 'it is another path' '/\x5cxe9' path
exits 'can --json, any' 1 can --json --policy "$p" group:777 any /srv/x
member 'verdict of all' deny verdict
member 'of each' 5 each '[]'
member 'of the last' allow each 4 verdict
member 'it is list' '["list"]' each 4 verbs

done_testing
