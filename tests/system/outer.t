#!/bin/bash
# SPDX-License-Identifier: MIT
# Broker, compiler, log process and the look-up of a name: what each of the real ones holds and may call.
. "$(dirname "$0")/../lib.sh"
needs_root

# field PID NAME: of its /proc status.
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" 2>/dev/null | tr '\t' ' ' | sed 's/ *$//'; }
# mask CAPABILITY...: as /proc shows a set of them.
mask() {
	local sum=0 n
	for n in "$@"; do sum=$((sum | 1 << n)); done
	printf '%016x' "$sum"
}
# child_of PID WORDS: its child with these in its command line.
child_of() {
	local pid
	for pid in $(cat "/proc/$1/task/$1/children"); do
		[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == *"$2"* ]] && echo "$pid"
	done
} 2>/dev/null
has_child() { [ -n "$(child_of "$@")" ]; }
filters() { [ "$(field "$1" Seccomp_filters)" = "$2" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# DAC_OVERRIDE DAC_READ_SEARCH KILL SETGID SETUID SETPCAP SYS_CHROOT SYS_ADMIN
list=$(mask 1 2 5 6 7 8 18 21)
none=$(mask)
kills=$(mask 5)
games=$(id -u games) group=$(id -g games) daemon=$(id -u daemon)

mkdir -m 700 "$T/data" "$T/home" "$T/home/daemon"
echo "mine" >"$T/data/file"
echo "of daemon" >"$T/home/daemon/file"
policy 10-test.policy <<EOF
policy 1
allow user:$A read,write $T/data/*
allow user:$B read $T/data/*
allow user:daemon read $T/home/\${user}/*
EOF
gets() { as "$1" "$BUILD/fdbroker" cat "$T/data/file" 2>&1; }
writes() { as "$1" "$BUILD/fdbroker" open --flags=write "$T/data/file" -- true 2>&1 && echo written; }
named() { as "$daemon" "$BUILD/fdbroker" cat "$T/home/daemon/file" 2>&1; }

# --- the broker, the log process, a worker -----------------------------------------------------------

# In a mount namespace of its own, so that it can be shown other databases.
mkfifo "$T/passwd"
# With a group, which no helper is to keep.
unshare --mount --propagation private setpriv --groups "$G" -- "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" --user games >"$T/log" 2>&1 &
broker=$!
brokers+=("$broker")
export FDBROKER_SOCKET=$T/socket
until_ok grep -q 'listening on' "$T/log" || sed 's/^/# /' "$T/log"
shows() { nsenter -t "$broker" -m "$@"; }
is "a client is served" "mine" "$(gets $A)"
is "the broker may have what its list says, and only CAP_KILL in effect" "$list $kills $none $none $list" \
	"$(field "$broker" CapPrm) $(field "$broker" CapEff) $(field "$broker" CapInh) $(field "$broker" CapAmb) $(field "$broker" CapBnd)"
is "it gains nothing by an exec, and has a filter" "1 2 1" \
	"$(field "$broker" NoNewPrivs) $(field "$broker" Seccomp) $(field "$broker" Seccomp_filters)"
# owns_nothing WHAT PID: no capability, no group, the account's ids, a filter beside the broker's.
owns_nothing() {
	is "$1 owns nothing" "$none $none $games $games $games $games, $group $group $group $group, " \
		"$(field "$2" CapPrm) $(field "$2" CapEff) $(field "$2" Uid), $(field "$2" Gid), $(field "$2" Groups)"
	is "$1 gains nothing, and has a filter of its own" "1 2 2" \
		"$(field "$2" NoNewPrivs) $(field "$2" Seccomp) $(field "$2" Seccomp_filters)"
}
owns_nothing "the log process" "$(child_of "$broker" fdbroker-log)"
is "a worker has two filters too" 2 "$(field "$(worker_of $A)" Seccomp_filters)"
is "the counter-check: this shell has none" "0 0" "$(field $$ NoNewPrivs) $(field $$ Seccomp)"

# --- the look-up of a name, while the database does not answer ---------------------------------------

shows mount --bind "$T/passwd" /etc/passwd
named >/dev/null &
asking=$!
until_ok has_child "$broker" "fdbroker-worker: uid $daemon"
worker=$(child_of "$broker" "fdbroker-worker: uid $daemon")
ok "a name is looked up by a process of its own" until_ok has_child "$worker" "fdbroker-worker: uid $daemon"
# For two seconds; longer while its worker is stopped, and it when it has come to its end.
kill -STOP "$worker"
look_up=$(child_of "$worker" "fdbroker-worker: uid $daemon")
until_ok filters "$look_up" 2
kill -STOP "$look_up"
owns_nothing "the look-up" "$look_up"
is "its worker still has what it needs" "$list" "$(field "$worker" CapEff)"
kill -KILL "$look_up"
kill -CONT "$worker"
wait "$asking"

# --- the compiler: likewise ---------------------------------------------------------------------------

kill -HUP "$broker"
ok "the compiler waits for the database" until_ok has_child "$broker" fdbroker-compile
compiler=$(child_of "$broker" fdbroker-compile)
until_ok filters "$compiler" 2
owns_nothing "the compiler" "$compiler"
# After ten seconds.
until_ok gone "$compiler" || until_ok gone "$compiler"
has "and is ended when it takes too long" "compiler was killed; the policy in force stays" "$(cat "$T/log")"
shows umount /etc/passwd
is "the policy in force serves" "mine" "$(gets $A)"
is "and the broker has still CAP_KILL alone in effect" "$kills" "$(field "$broker" CapEff)"

# --- databases that are services ------------------------------------------------------------------------

echo "passwd: files systemd" >"$T/nsswitch"
shows mount --bind "$T/nsswitch" /etc/nsswitch.conf
ok "passwd: files systemd: a policy is loaded" fdbroker reload
is "and a name looked up" "of daemon" "$(named)"
shows sh -c 'mount -t tmpfs none /run && mkdir -p /run/nscd /run/systemd/userdb'
shows perl -MSocket -e 'for (@ARGV) { socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($_)) or die "$_: $!"; chmod 0666, $_ }' \
	/run/nscd/socket /run/systemd/userdb/io.systemd.DynamicUser /run/systemd/userdb/io.systemd.Multiplexer
ok "with sockets that nobody serves a policy is loaded" fdbroker reload
is "and a name looked up" "of daemon" "$(named)"
is "nothing was killed for what it called" "" "$(grep -E 'signal 31|Bad system call' "$T/log")"
stop_broker
is "it ends well" 0 $?

# --- each capability is of use -------------------------------------------------------------------------

# without CAPABILITY: a broker that cannot have it.
without() {
	: >"$T/log"
	setpriv --bounding-set "-$1" "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" --user games >"$T/log" 2>&1 &
	broker=$!
	brokers+=("$broker")
	until_ok grep -qE 'listening on|cannot start: ' "$T/log"
}
no="Permission denied|EACCES|No such file|policy"
for capability in setuid setgid setpcap sys_chroot; do
	without $capability
	if grep -q 'cannot start: ' "$T/log"; then wait "$broker"; else stop_broker; fi
	has "without $capability there is no worker" "cannot (give up its privileges|confine itself: [a-z ]+|make the trees): Operation not permitted" "$(cat "$T/log")"
done
without sys_admin
has "without sys_admin there are no private mounts" "layer 'trees' is off" "$(cat "$T/log")"
stop_broker
without dac_read_search
has "without dac_read_search nothing is read that the client may not" "$no" "$(gets $B)"
stop_broker
without dac_override
has "without dac_override nothing is written" "$no" "$(writes $A)"
is "but read" "mine" "$(gets $B)"
stop_broker
without kill
is "without kill all is served" "mine written" "$(gets $A) $(writes $A)"
worker=$(worker_of $A)
kill -STOP "$worker"
kill -HUP "$broker" # reload would wait for it
until_ok grep -q "did not finish in time" "$T/log"
ok "but a worker that hangs is not ended" kill -0 "$worker"
kill -KILL "$worker"
stop_broker
start_broker --user games
is "with all of them: read and written" "mine written" "$(gets $A) $(writes $A)"
worker=$(worker_of $A)
kill -STOP "$worker"
ok "a reload with one that hangs" fdbroker reload
ok "which is ended" until_ok gone "$worker"
is "with CAP_KILL alone in effect" "$kills $list" "$(field "$broker" CapEff) $(field "$broker" CapPrm)"
stop_broker
is "it ends well" 0 $?

# Nor does it outlive the broker: that signal too needs the capability.
start_broker --user games
gets $A >/dev/null
worker=$(worker_of $A)
kill -STOP "$worker"
kill -KILL "$broker"
wait "$broker" 2>/dev/null
ended() { ! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$worker/status"; }
ok "a stopped worker does not outlive a broker that is killed" until_ok ended
ended || kill -KILL "$worker"

# --- a broker that is not root's ------------------------------------------------------------------------

mkdir -m 755 "$T/bin" "$T/user"
cp "$BUILD"/fdbroker* "$T/bin" 2>/dev/null
chown -R $A "$T/user" "$T/policy"
: >"$T/log"
setpriv --reuid=$A --regid=$A --clear-groups -- "$T/bin/fdbrokerd" --socket "$T/user/socket" --policy "$T/policy" >"$T/log" 2>&1 &
broker=$!
brokers+=("$broker")
until_ok grep -q 'listening on' "$T/log" || sed 's/^/# /' "$T/log"
is "a user's broker has no capability, and the same filter" "$none $none 1 2 1" \
	"$(field "$broker" CapPrm) $(field "$broker" CapEff) $(field "$broker" NoNewPrivs) $(field "$broker" Seccomp) $(field "$broker" Seccomp_filters)"
log=$(child_of "$broker" fdbroker-log)
is "so has its log process" "$none 1 2 2" "$(field "$log" CapPrm) $(field "$log" NoNewPrivs) $(field "$log" Seccomp) $(field "$log" Seccomp_filters)"
stop_broker
is "it ends well" 0 $?
finished
