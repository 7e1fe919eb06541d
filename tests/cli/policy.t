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
err_has 'it says so' "$scratch/missing.policy: No such file"
exits 'a directory that does not exist' 2 check --policy "$scratch/missing"
printf 'policy 1\n\033]0;x\007 any\n' >"$scratch/escape.policy"
exits 'an escape sequence in a policy' 2 check "$scratch/escape.policy"
ok 'it does not get out' lacks "$err$out" $'\e'

# decides NAME STATUS OUTPUT ARGUMENT...
decides() {
	local name=$1 wanted=$2 text=$3
	shift 3
	exits "$name" "$wanted" can --policy "$p" "$@"
	ok "$name: one line" is "$out" "$text"
}
allow_data="allow  $p/10-a.policy:2  allow user:4242 read /data/**"
decides 'an allow' 0 "$allow_data" user:4242 read /data/a/b
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

for who in '' any root user: user:no-such-user-here group:no-such-group-here user:0+ user:0+user:1 \
	user:4294967295 user:-1 uid:0 'user:0|user:1' group:0++user:0; do
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
note 'directory is a directory' directory
note 'dirlink is a symbolic link' dirlink/x
note '' file
note '' directory/x
note '' missing/x
exits 'a deny says nothing of the kind' 1 can --policy "$p" user:4242 read "$kinds/fifo"
ok 'nothing is noted' lacks "$err" 'will not give'

for verbs in '' any reed 'read,' ,read 'read write' READ; do
	exits "VERBS '$verbs'" 2 can --policy "$p" user:4242 "$verbs" /x
done
exits 'a mistyped verb' 2 can --policy "$p" user:4242 raed /x
err_has 'did you mean' "did you mean 'read'?"
exits 'a path that is not canonical' 2 can --policy "$p" user:4242 read //data/./x/
err_has 'the canonical form' '; write /data/x'
exits 'a path with ..' 2 can --policy "$p" user:4242 read /data/../x
exits 'a policy with an error' 2 can --policy "$scratch/bad.policy" user:4242 read /x
ok 'no verdict then' test -z "$out"
err_has 'the errors are shown' 'bad.policy:2:'
err_has 'where they are' 'which stand above'
exits 'a policy directory that does not exist' 2 can --policy "$scratch/missing" user:4242 read /x

done_testing
