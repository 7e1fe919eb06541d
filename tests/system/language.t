#!/bin/bash
# SPDX-License-Identifier: MIT
# What the policy's language says about peers, days and objects, held by a real broker.
. "$(dirname "$0")/../lib.sh"
needs_root

mkdir -m 711 "$T/home" "$T/uids" "$T/mail" "$T/vault"
for name in daemon bin $A; do
	mkdir -m 700 "$T/home/$name" "$T/uids/$name"
	echo "of $name" | tee "$T/home/$name/plan" >"$T/uids/$name/plan"
done
mkdir -m 700 "$T/uids/2" "$T/home/.hidden"
echo "of uid 2" >"$T/uids/2/plan"
for name in mine.log old.log ended.log .dot.log; do echo "$name" >"$T/mail/$name"; done
ln -s vault "$T/current"
echo "root's" >"$T/mail/root.log"
chown $A "$T/mail/mine.log"
chmod 600 "$T"/mail/*.log "$T"/mail/.dot.log
for name in passwd group shadow; do echo "$name" >"$T/vault/$name"; done
chmod 600 "$T"/vault/*

policy 10-test.policy <<EOF
policy 1
subject two = user:$B|user:$C+group:$G
allow any            read  $T/home/\${user}/**
allow any            read  $T/uids/\${uid}/**
allow user:$A        read  $T/mail/*.log               owner=peer
allow user:$A        read  $T/mail/root.log            owner=root audit=deny
allow two            read  $T/mail/ended.log           until=1999-12-31
allow two            read  $T/mail/old.log             until=9999-12-31 audit=all
allow two            read  $T/mail/.[d]*               hidden
allow two            read  $T/vault/{passwd,group}     id=vault
allow user:$A+label:nobody_has_it  read $T/mail/root.log.1
deny  label:nobody_has_it          any  $T/mail/old.log
allow user:$A        read  $T/current/**
deny  user:4|user:5  any   $T/home/\${user}/plan
allow user:$A+unit:none.service    read $T/mail/ended.log
expect allow user:2        read $T/home/bin/plan
expect deny  user:2        read $T/home/daemon/plan
expect allow user:$B       read $T/mail/ended.log
expect deny  group:$G      read $T/vault/passwd
EOF
unshare -m --propagation private "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" >>"$T/log" 2>&1 &
broker=$!
brokers+=("$broker")
export FDBROKER_SOCKET=$T/socket
until_ok grep -q 'in force' "$T/log" || sed 's/^/# /' "$T/log"

cat_as() { as "$1" "$BUILD/fdbroker" cat "$2" 2>&1; }

is "\${user} is the name of the peer's uid" "of bin" "$(cat_as 2 "$T/home/bin/plan")"
is "another's name is another" "of daemon" "$(cat_as 1 "$T/home/daemon/plan")"
has "and not this one's" "policy" "$(cat_as 1 "$T/home/bin/plan")"
has "nor what is beside it" "policy" "$(cat_as 2 "$T/home/.hidden/plan")"
has "a uid without an entry has no name" "policy" "$(cat_as $A "$T/home/$A/plan")"
is "\${uid} is the uid" "of uid 2" "$(cat_as 2 "$T/uids/2/plan")"
is "of whoever it is, with an entry or without" "of $A" "$(cat_as $A "$T/uids/$A/plan")"
has "a uid is no name" "policy" "$(cat_as 2 "$T/uids/bin/plan")"

# A worker of its own, although the rule is for any: what it can reach is the peer's alone.
trees=$(worker_of 2)
ok "the worker of uid 2 is another than that of uid 1" test -n "$trees" -a "$trees" != "$(worker_of 1)"

is "owner=peer: the peer's own" "mine.log" "$(cat_as $A "$T/mail/mine.log")"
has "and no other" "policy" "$(cat_as $A "$T/mail/old.log")"
is "another rule with another condition is enough" "root's" "$(cat_as $A "$T/mail/root.log")"
is "until: as long as the day is not over" "old.log" "$(cat_as $B "$T/mail/old.log")"
has "and then no more" "policy" "$(cat_as $B "$T/mail/ended.log")"
has "the compiler said so" "P062" "$(cat "$T/log")"
is "a subject with an alternative" "old.log" "$(cat_as $C:$G "$T/mail/old.log")"
has "which asks for both" "policy" "$(cat_as $C "$T/mail/old.log")"
is "a class, and a name that begins with a dot" ".dot.log" "$(cat_as $B "$T/mail/.dot.log")"
is "braces: the one" "passwd" "$(cat_as $B "$T/vault/passwd")"
is "and the other" "group" "$(cat_as $B "$T/vault/group")"
has "and nothing else" "policy" "$(cat_as $B "$T/vault/shadow")"
has "a rule for a unit does not hold for who is in another, or in none" "policy" "$(cat_as $A "$T/mail/ended.log")"
has "a label that nobody has, neither" "policy" "$(cat_as $A "$T/mail/root.log.1")"
is "and denies nobody" "old.log" "$(cat_as $B "$T/mail/old.log")"

has "nothing is found below a symbolic link" "No such file|link" "$(cat_as $A "$T/current/passwd")"
has "and the log says why" "symbolic link in $T/current" "$(cat "$T/log")"

# Audit: `deny` leaves out grants, `all` repeats them.
grants() { grep -c "granted.*$1" "$T/log"; }
is "audit=deny: no grant is on record" 0 "$(grants "$T/mail/root.log")"
before=$(grants "$T/mail/old.log")
as $B "$BUILD/fdbroker" cat "$T/mail/old.log" "$T/mail/old.log" >/dev/null
is "audit=all: each is" $((before + 2)) "$(until_ok test "$(grants "$T/mail/old.log")" -gt "$before"; sleep 0.2; grants "$T/mail/old.log")"
before=$(grants "$T/vault/group")
as $B "$BUILD/fdbroker" cat "$T/vault/group" "$T/vault/group" >/dev/null
is "the default: the first on a connection" $((before + 1)) "$(sleep 0.3; grants "$T/vault/group")"

# The system's database hangs: what needs the name is lost, the rest comes a little later.
mkdir -m 700 "$T/uids/3" "$T/uids/4" "$T/home/sys"
echo "of uid 4" >"$T/uids/4/plan"
echo "of uid 3" >"$T/uids/3/plan"
echo "of sys" >"$T/home/sys/plan"
mkfifo "$T/passwd"
nsenter -t "$broker" -m mount --bind "$T/passwd" /etc/passwd
is "a database that hangs: what needs no name is served" "of uid 3" "$(cat_as 3 "$T/uids/3/plan")"
has "a rule with \${user} holds for nobody" "policy" "$(cat_as 3 "$T/home/sys/plan")"
has "who is denied something by name is not served at all" "busy|EBUSY|limit" "$(cat_as 4 "$T/uids/4/plan")"
has "and that is said" "no name for uid 3" "$(cat "$T/log")"
is "nobody is left waiting for it" "" "$(for p in /proc/[0-9]*; do
	[ "$(readlink "$p/exe" 2>/dev/null)" = "$BUILD/fdbroker-worker" ] && grep -qs "wait_for_partner\|fifo_open" "$p/stack" && echo "$p"; done)"
nsenter -t "$broker" -m umount /etc/passwd
is "and is, once there is a name" "of uid 4" "$(sleep 1.1; cat_as 4 "$T/uids/4/plan")"
# It fails: that is not the same as a uid without an entry.
mkdir -m 700 "$T/uids/5"
echo "of uid 5" >"$T/uids/5/plan"
cp /etc/passwd "$T/unreadable"
chmod 600 "$T/unreadable"
echo "passwd: files" >"$T/nsswitch"
nsenter -t "$broker" -m mount --bind "$T/unreadable" /etc/passwd
nsenter -t "$broker" -m mount --bind "$T/nsswitch" /etc/nsswitch.conf
has "a database that cannot be read: who is denied by name is not served" "busy|EBUSY|limit" "$(cat_as 5 "$T/uids/5/plan")"
nsenter -t "$broker" -m umount /etc/passwd
is "and is, once it can" "of uid 5" "$(sleep 1.1; cat_as 5 "$T/uids/5/plan")"
stop_broker
is "it ends well" 0 $?
finished
