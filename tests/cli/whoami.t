#!/bin/bash
# SPDX-License-Identifier: MIT
# whoami with a real broker: what it sees of several peers, which rules are for them, and whom the command trusts.
. "$(dirname "$0")/../lib.sh"
needs_root

whoami_as() {
	local ids=$1
	shift
	as "$ids" "$BUILD/fdbroker" whoami "$@" 2>&1
}
# member TEXT KEY...: of the JSON object, as in tap.sh.
member() {
	perl -MJSON::PP -e '
		my $v = JSON::PP->new->decode(shift);
		for my $key (@ARGV) {
			$v = $key eq "[]" ? scalar @$v : ref $v eq "ARRAY" ? $v->[$key]
				: exists $v->{$key} ? $v->{$key} : die "no $key\n";
		}
		print ref $v eq "ARRAY" ? "@$v" : $v // "null";' "$@" 2>&1
}
n_rules() { grep -cE '^(allow|deny) '; }

mkdir -m 755 "$T/public"
policy 10-test.policy <<EOF
policy 1
allow user:$A read,write $T/public/a*  id=for-a
allow group:$G read $T/public/g*
allow any read $T/public/page
deny  user:$B any $T/public/page because="so"
allow user:$B read $T/public/b
EOF
start_broker

text=$(whoami_as $A)
has "the uid" "^uid +$A$" "$text"
has "the gid" "^gid +$A$" "$text"
has "no groups" "^groups +none$" "$text"
has "the pid is that of the process" "^pid +[1-9][0-9]*$" "$text"
has "no rule asks for units, and it says so" "^unit +not looked at: no rule asks for a unit$" "$text"
has "nor for labels" "^label +not looked at: no rule asks for a label$" "$text"
has "the generation" "^policy +generation 1$" "$text"
has "who serves" "^served +by a worker of this user and its groups$" "$text"
has "how many rules" "^rules +2$" "$text"
has "a rule with its line" "^allow +$T/policy/10-test.policy:2  allow user:$A read,write .*id=for-a$" "$text"
has "and one for any" "^allow +$T/policy/10-test.policy:4  allow any read" "$text"
is "and no other" 2 "$(n_rules <<<"$text")"
has "how to ask for more" "^of a path: fdbroker explain user:$A\\+group:$A VERBS PATH$" "$text"
is "which is a question that can takes" allow \
	"$("$BUILD/fdbroker" can --policy "$T/policy" "user:$A+group:$A" read "$T/public/page" 2>/dev/null | grep -o '^allow')"
has "root has a name" '^uid +0 \(root\)$' "$("$BUILD/fdbroker" whoami)"

text=$(whoami_as $C:$G,4000000000)
has "groups" "^groups +$G 4000000000$" "$text"
has "a rule for a group" "10-test.policy:3" "$text"
has "by its own worker" "^served +by a worker of this user" "$text"
text=$(whoami_as $C)
has "without the group there is no rule but that for any" "^rules +1$" "$text"
has "served by the worker for any" "^served +by the worker for all whom only rules for 'any' reach$" "$text"
text=$(whoami_as $B)
has "a deny is shown" "^deny +$T/policy/10-test.policy:5  deny  user:$B any" "$text"
is "before the allows" deny "$(grep -oE '^(allow|deny)' <<<"$text" | head -n 1)"

json=$(whoami_as $A:$G --json)
is "JSON: uid" $A "$(member "$json" uid)"
is "JSON: gid" $A "$(member "$json" gid)"
is "JSON: groups" $G "$(member "$json" groups)"
is "JSON: served" own "$(member "$json" served)"
is "JSON: generation" 1 "$(member "$json" generation)"
is "JSON: unit" null "$(member "$json" unit)"
is "JSON: nobody asked for it" 0 "$(member "$json" unit_asked)"
is "JSON: rules" 3 "$(member "$json" rules '[]')"
for i in 0 1 2; do [ "$(member "$json" rules $i line)" = 2 ] && break; done
is "JSON: verdict" allow "$(member "$json" rules $i verdict)"
is "JSON: verbs" "read write" "$(member "$json" rules $i verbs)"
is "JSON: file" "$T/policy/10-test.policy" "$(member "$json" rules $i file)"
is "JSON: id" for-a "$(member "$json" rules $i id)"
is "JSON: text" "allow user:$A read,write $T/public/a*  id=for-a" "$(member "$json" rules $i text)"

chmod 700 "$T/policy"
text=$(whoami_as $A)
has "a file that the caller may not read: what the broker says of the rule" \
	"^allow +$T/policy/10-test.policy:2  read,write id=for-a$" "$text"
is "JSON: no text then" null "$(member "$(whoami_as $A --json)" rules 0 text)"
chmod 755 "$T/policy"
sed -i '2i# a line that the broker has not loaded' "$T/policy/10-test.policy"
has "a line that is no longer that rule is not shown as if it were" "10-test.policy:2  read,write id=for-a$" "$(whoami_as $A)"
sed -i '2d' "$T/policy/10-test.policy"

# More groups and rules than one answer holds.
groups=$(seq -s, 70001 70300)
json=$(whoami_as "$A:$groups" --json)
is "300 groups" "${groups//,/ }" "$(member "$json" groups)"
{
	echo "policy 1"
	for i in {1..9000}; do echo "allow user:$B read $T/public/b*x$((i % 20))"; done
	echo "allow user:$A read $T/public/last"
} | policy 20-many.policy
ok "a policy with 9000 rules for another" "$BUILD/fdbroker" reload
text=$(whoami_as $A)
has "is looked at to its end" "20-many.policy:9002" "$text"
is "and what is for another is not shown" 3 "$(n_rules <<<"$text")"
is "9000 of one's own are" 9003 "$(whoami_as $B | n_rules)"
rm "$T/policy/20-many.policy"

# Names of files that would mean something to a terminal.
policy $'30-\e]0;x\a y.policy' <<EOF
policy 1
allow user:$C read $T/public/c
EOF
ok "a file with an escape sequence and a blank in its name" "$BUILD/fdbroker" reload
text=$(whoami_as $C)
has "it is escaped, and its text is found" '30-\\x1b\]0;x\\x07 y.policy:2  allow user:'"$C read" "$text"
is "no control character is printed" 0 "$(grep -c $'[\e\a]' <<<"$text")"
is "JSON: its line" "2 4" "$(json=$(whoami_as $C --json); printf '%s\n' "$(member "$json" rules 0 line)" \
	"$(member "$json" rules 1 line)" | sort | xargs)"
rm "$T"/policy/30-*

# A rule that asks for what the kernel says of unit and label: the worker may look at both.
policy 40-facts.policy <<EOF
policy 1
allow user:$A+unit:x.service read $T/public/u
allow user:$A+label:x read $T/public/l
EOF
ok "a policy that asks for unit and label" "$BUILD/fdbroker" reload
text=$(whoami_as $A)
has "a unit is said" "^unit +[a-z]" "$text"
has "a label is said" "^label +[a-z]" "$text"
is "and the answer is whole" 2 "$(n_rules <<<"$text")"
rm "$T/policy/40-facts.policy"

# Nothing for this peer; nothing at all.
policy 10-test.policy <<EOF
policy 1
allow user:$B read $T/public/b
EOF
ok "a policy without a rule for any" "$BUILD/fdbroker" reload
text=$(whoami_as $A)
has "nobody serves it" "^served +not at all: every request is refused$" "$text"
has "no rule is for it" "^rules +none allows this peer anything$" "$text"
ok "it is identified all the same" as $A "$BUILD/fdbroker" whoami
has "uid 65534 is nobody's" "^uid +65534.*: whoever has no id here" "$(whoami_as 65534)"
is "whoami leaves no line in the log" 0 "$(grep -cE '(denied|failed|granted) uid=' "$T/log")"
as $A "$BUILD/fdbroker" cat /x 2>/dev/null
ok "which an open that is refused does" until_ok grep -q 'denied uid=' "$T/log"
stop_broker
has "no broker" "^fdbroker: no broker at $T/socket" "$(whoami_as $A)"
is "which is exit 1" 1 "$(whoami_as $A >/dev/null; echo $?)"

policy 10-test.policy <<<"nonsense"
: >"$T/log"
start_broker
until_ok grep -q 'error\[' "$T/log"
text=$(whoami_as $A)
has "no policy is in force, and it says so" "^policy +none in force: everything is denied; as root 'fdbroker status' shows why$" "$text"
has "and no rules" "^rules +none in force$" "$text"
is "JSON: generation 0" 0 "$(member "$(whoami_as $A --json)" generation)"
stop_broker

# A broker of another user is asked nothing, unless one is told to.
install -d -m 755 -o $A "$T/of-a"
: >"$T/log"
# Not by as(): its pid would be that of a subshell.
setpriv --reuid=$A --regid=$A --clear-groups -- "$BUILD/fdbrokerd" --socket "$T/of-a/socket" --policy "$T/of-a" >>"$T/log" 2>&1 &
broker=$!
brokers+=("$broker")
until_ok grep -q 'listening on' "$T/log"
unset FDBROKER_SOCKET
ask() { "$BUILD/fdbroker" --socket "$T/of-a/socket" "$@" 2>&1; }
has "a broker of another user is not taken for one" "no broker at $T/of-a/socket; is fdbrokerd running .*--server-uid" "$(ask whoami)"
has "told to trust it, the command asks it" "^served +not at all" "$(ask --server-uid=$A whoami)"
has "told behind the subcommand" "^served +not at all" "$(ask whoami --server-uid $A)"
has "told by the environment" "^served +not at all" "$(FDBROKER_SERVER_UID=$A ask whoami)"
has "the option goes before the environment" "no broker at" "$(FDBROKER_SERVER_UID=$A ask --server-uid=$B whoami)"
has "cat likewise" "no broker at" "$(ask cat /x)"
has "cat, told" "policy does not allow it" "$(ask --server-uid=$A cat /x)"
has "status likewise" "not trusted" "$(ask status)"
has "status, told" "^fdbrokerd .*, uid $A, " "$(ask --server-uid=$A status)"
has "its own user trusts it" "^served " "$(as $A "$BUILD/fdbroker" --socket "$T/of-a/socket" whoami 2>&1)"
echo hello >"$T/of-a/file"
chown $A "$T/of-a/file"
echo $'policy 1\nallow any read '"$T/of-a/file" >"$T/of-a/a.policy"
chown $A "$T/of-a/a.policy"
kill -HUP "$broker"
# shellcheck disable=SC2016
program() { setpriv --reuid=$A --regid=$A --clear-groups -- "$BUILD/fdbroker" --socket "$T/of-a/socket" --server-uid=7 open "$T/of-a/file" -- \
	sh -c 'echo ${FDBROKER_SERVER_UID-unset} ${FDBROKER_SOCKET-unset}' 2>&1; }
until_ok program
is "a program that is run does not see the options" "unset unset" "$(program)"
is "but what was there before them" "5 unset" "$(FDBROKER_SERVER_UID=5 program)"
kill -TERM "$broker"
wait "$broker"

finished
