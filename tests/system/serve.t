#!/bin/bash
# SPDX-License-Identifier: MIT
# Broker, library and command with three uids: who gets what, and what the descriptor is worth.
. "$(dirname "$0")/../lib.sh"
needs_root

mkdir -m 700 "$T/secret" "$T/data"
mkdir -m 755 "$T/public"
echo "the key" >"$T/secret/key"
echo "another" >"$T/secret/other"
echo "old" >"$T/data/site.log"
echo "for all" >"$T/public/page"
echo "not for B" >"$T/public/private"
chmod 600 "$T"/secret/* "$T"/data/* "$T"/public/*
ln -s key "$T/secret/link"
mkdir "$T/secret/directory"
mkfifo "$T/secret/fifo"
install -m 4755 /bin/true "$T/data/setuid.log"

policy 10-test.policy <<EOF
policy 1
set   @secret = $T/secret/**
allow user:$A read @secret except $T/secret/other
allow user:$B read,write $T/data/*.log
allow group:$G read $T/secret/other
allow any read $T/public/**
deny  user:$B read $T/public/private
EOF
start_broker

cat_as() { as "$1" "$BUILD/fdbroker" cat "$2"; }
says() { cat_as "$1" "$2" 2>&1; }

ok "check accepts the policy" "$BUILD/fdbroker" check "$T/policy"
has "A cannot read the key itself" "Permission denied" "$(as $A cat "$T/secret/key" 2>&1)"
is "A reads it through the broker" "the key" "$(cat_as $A "$T/secret/key")"
has "except: not the other file" "EACCES|policy" "$(says $A "$T/secret/other")"
has "B is refused the key" "policy" "$(says $B "$T/secret/key")"
has "C, whom no rule names, is refused the key" "policy" "$(says $C "$T/secret/key")"
is "a refusal is the same for a file that does not exist" "$(says $C "$T/secret/key" | sed 's/key/X/g')" \
	"$(says $C "$T/secret/nokey" | sed 's/nokey/X/g')"
is "a group that C brings opens what its rule says" "another" "$(cat_as $C:$G "$T/secret/other")"
has "the same uid without the group does not get it" "policy" "$(says $C "$T/secret/other")"
is "C reads what is for any" "for all" "$(cat_as $C "$T/public/page")"
is "B reads what is for any" "for all" "$(cat_as $B "$T/public/page")"
is "C reads what only B is denied" "not for B" "$(cat_as $C "$T/public/private")"
has "deny wins for B" "policy" "$(says $B "$T/public/private")"
has "a file that does not exist is ENOENT where the policy allows it" "No such file" "$(says $A "$T/secret/nothing")"
has "a symbolic link is not followed" "[Ss]ymbolic" "$(says $A "$T/secret/link")"
has "a directory is not opened" "[Dd]irectory" "$(says $A "$T/secret/directory")"
has "a FIFO is refused and nobody waits" "does not allow|regular" "$(timeout 5 setpriv --reuid=$A --regid=$A --clear-groups "$BUILD/fdbroker" cat "$T/secret/fifo" 2>&1)"
has "a path with .. is refused" "canonical" "$(says $A "$T/secret/../secret/key")"
has "a relative path is refused" "canonical|absolute" "$(says $A "secret/key")"

# shellcheck disable=SC2016
ok "B appends where it may write" as $B "$BUILD/fdbroker" open --flags=write,append "$T/data/site.log" -- sh -c 'echo new >&1'
is "and the file has it" "old new" "$(tr '\n' ' ' <"$T/data/site.log" | sed 's/ $//')"
ok "B truncates" as $B "$BUILD/fdbroker" open --flags=write,trunc "$T/data/site.log" -- true
is "and it is empty" "0" "$(stat -c %s "$T/data/site.log")"
is "A may not write what it may read" 1 "$(as $A "$BUILD/fdbroker" open --flags=write "$T/secret/key" -- true >/dev/null 2>&1; echo $?)"
is "a set-user-id file is not opened for writing" 1 "$(as $B "$BUILD/fdbroker" open --flags=write "$T/data/setuid.log" -- true >/dev/null 2>&1; echo $?)"
is "and keeps its bits" 4755 "$(stat -c %a "$T/data/setuid.log")"
is "though it may be read" 0 "$(cat_as $B "$T/data/setuid.log" >/dev/null 2>&1; echo $?)"

# A file that its client owns, but may not open for writing where it lies.
echo "mine" >"$T/secret/mine"
chown $A "$T/secret/mine"
has "a read descriptor cannot be reopened for writing, even by the file's owner" "Read-only file system" \
	"$(as $A "$BUILD/fdbroker" open "$T/secret/mine" -- sh -c 'echo x >/proc/self/fd/0' 2>&1)"
has "nor can its mode be changed" "Read-only file system" \
	"$(as $A "$BUILD/fdbroker" open "$T/secret/mine" -- chmod 666 /proc/self/fd/0 2>&1)"

ok "a file that is replaced is served anew" bash -c "echo newer >$T/secret/k2 && chmod 600 $T/secret/k2 && mv $T/secret/k2 $T/secret/key"
is "with its new content" "newer" "$(cat_as $A "$T/secret/key")"

log=$(cat "$T/log")
has "the log has the grant, stamped with the peer and the rule" \
	"granted uid=$A gid=$A pid=[1-9][0-9]* verbs=read flags=0[0-7]* error=0 .*rule=\".*10-test.policy:3\" path=\"$T/secret/key\"" "$log"
has "and the refusal with its errno" "denied uid=$C .*error=EACCES .*rule=\"none\" path=\"$T/secret/key\"" "$log"
has "and the deny rule that decided" "denied uid=$B .*rule=\".*10-test.policy:7\" .*private" "$log"

w=$(worker_of $A)
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$w/status"; }
fdbroker_uid=$(id -u fdbroker 2>/dev/null || id -u nobody)
is "the worker's ids are the helpers', its file system id the peer's" "$fdbroker_uid $fdbroker_uid $fdbroker_uid $A" \
	"$(field Uid | tr -s '\t' ' ')"
is "it holds CAP_DAC_READ_SEARCH and nothing else" "0000000000000004" "$(field CapPrm)"
is "its bounding set is empty" "0000000000000000" "$(field CapBnd)"
is "it can gain nothing" "1" "$(field NoNewPrivs)"
is "it is filtered" "2" "$(field Seccomp)"
is "the writer's worker also holds CAP_DAC_OVERRIDE" "0000000000000006" "$(w=$(worker_of $B); field CapPrm)"
is "no identity shares a worker" 3 "$(printf '%s\n' "$(worker_of $A)" "$(worker_of $B)" "$(worker_of $C)" | sort -u | grep -c .)"

is "can agrees: allow" 0 "$(fdbroker can user:$A read "$T/secret/key" --policy "$T/policy" >/dev/null 2>&1; echo $?)"
is "can agrees: deny" 1 "$(fdbroker can user:$B read "$T/public/private" --policy "$T/policy" >/dev/null 2>&1; echo $?)"
has "status says what is in force" "generation" "$(fdbroker status)"

stop_broker
is "SIGTERM ends it with 0" 0 $?
ok "its sockets are gone" test ! -e "$T/socket" -a ! -e "$T/socket.admin"
is "a client then has no broker" "1" "$(cat_as $A "$T/secret/key" >/dev/null 2>&1; echo $?)"
has "nothing died" "^0$" "$(grep -c "died of signal" "$T/log")"; grep "died of\|worker:" "$T/log" | sed "s,^,# ,"
finished
