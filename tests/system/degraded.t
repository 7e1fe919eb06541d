#!/bin/bash
# SPDX-License-Identifier: MIT
# Layers that a kernel, or whoever starts the broker, does not give: said once, shown, refused when required.
. "$(dirname "$0")/../lib.sh"
needs_root

kernel=$BUILD/tests/attack/tool-kernel
all=trees,landlock,seccomp,caps,user
mkdir "$T/data" "$T/secret"
echo mine >"$T/data/file"
echo secret >"$T/secret/file"
chmod 600 "$T/data/file" "$T/secret/file"
policy 10-test.policy <<EOF
policy 1
allow user:$A|user:$B read $T/data/*
allow user:$B write $T/data/*
allow any read $T/data/public
deny user:$B read $T/data/denied
EOF
touch "$T/data/public" "$T/data/denied"

# start WRAPPER...: a broker behind that, with the options in $options.
options=()
start() {
	: >"$T/log"
	"$@" "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" "${options[@]}" >>"$T/log" 2>&1 &
	broker=$!
	brokers+=("$broker")
	export FDBROKER_SOCKET=$T/socket
	until_ok began || sed 's/^/# /' "$T/log"
}
began() { grep -q 'listening on' "$T/log" || ! kill -0 "$broker"; }
# ends: its exit status, of one that should have ended by itself.
ends() {
	grep -q 'listening on' "$T/log" && kill "$broker"
	wait "$broker"
}
said() { grep -c "layer '$1' is off: ." "$T/log"; }

# denied_to UID PATH [FLAGS]: says so to the client, as fdbroker prints it.
denied_to() {
	as "$1" "$BUILD/fdbroker" open --flags="${3:-read}" "$2" -- true 2>&1 | grep -q 'policy does not allow it'
}

# What the status says: of the broker itself, and of each worker that is ready. A line each, what is off.
off() {
	fdbroker status --json | perl -MJSON::PP -0e '
		my $s = JSON::PP->new->decode(scalar <>);
		for my $set ($s->{layers}, map { $_->{layers} } grep { $_->{state} eq "ready" } @{$s->{workers}}) {
			print join(",", grep { !$set->{$_} } qw(trees landlock seccomp caps user)) || "none", "\n" if keys %$set == 5;
		}'
}

# serves: what every broker does, whatever it lacks.
serves() {
	is "$1: the first user is served" mine "$(as $A "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	is "$1: and the second" mine "$(as $B "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	is "$1: who may only read that too" "" "$(as $C "$BUILD/fdbroker" cat "$T/data/public" 2>&1)"
	ok "$1: not what no rule names" denied_to $A "$T/secret/file"
	ok "$1: not by way of a link" bash -c "! setpriv --reuid=$A --regid=$A --clear-groups $BUILD/fdbroker cat $T/data/link"
	ok "$1: not what a rule denies" denied_to $B "$T/data/denied"
	ok "$1: not for writing where a rule reads" denied_to $A "$T/data/file" write
	ok "$1: a third user gets nothing" denied_to $C "$T/data/file"
}
ln -s "$T/secret/file" "$T/data/link"

# lacks WHAT LAYERS WRAPPER...: these layers, joined with commas, are off behind the wrapper.
lacks() {
	local what=$1 layers=$2 rest="" layer workers
	shift 2
	options=()
	start "$@"
	serves "$what"
	for layer in ${all//,/ }; do
		if [[ ,$layers, == *,$layer,* ]]; then
			is "$what: '$layer' is off, said once" 1 "$(said "$layer")"
		else
			is "$what: nothing of '$layer'" 0 "$(said "$layer")"
			rest+=,$layer
		fi
	done
	workers=$(fdbroker status --json | grep -c '"state":"ready"')
	ok "$what: there are several workers" test "$workers" -ge 4
	is "$what: status says the same of broker and workers" "$((workers + 1)) ${layers:-none}" "$(off | sort | uniq -c | sed 's/^ *//')"
	is "$what: and shows it to people" "$workers" \
		"$(fdbroker status | grep -cE "^ *[0-9]+ .* ready .* all${layers:+ but $layers}$")"
	for layer in ${layers//,/ }; do
		has "$what: and what it means that '$layer' is off" "^(off)? +$layer: .+" "$(fdbroker status)"
	done
	stop_broker
	is "$what: it ends with 0" 0 $?
	for layer in ${layers//,/ }; do
		options=("--require=$layer")
		start "$@"
		ends
		is "$what: --require=$layer does not start" 1 $?
		has "$what: names it and says what it takes" "layer '$layer' is required and cannot be had: it takes .*(root|kernel)" "$(cat "$T/log")"
		ok "$what: and leaves no socket" test ! -e "$T/socket" -a ! -e "$T/socket.admin"
	done
	options=("--require=${rest#,}")
	start "$@"
	is "$what: --require of all the others starts" mine "$(as $A "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	stop_broker
}


lacks "nothing is missing" "" env
lacks "no CAP_SYS_ADMIN" trees setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin --
lacks "no CAP_SYS_ADMIN and no CAP_SYS_CHROOT" trees \
	setpriv --bounding-set=-sys_admin,-sys_chroot --inh-caps=-sys_admin,-sys_chroot --
lacks "no open_tree(2)" trees "$kernel" open_tree --
lacks "no mount_setattr(2)" trees "$kernel" mount_setattr --
lacks "a kernel without Landlock" landlock "$kernel" landlock --
lacks "Landlock that is not in lsm=" landlock "$kernel" landlock-lsm --
lacks "a kernel without filters" seccomp "$kernel" seccomp --
lacks "seccomp without filters" seccomp "$kernel" seccomp-filter --
lacks "an old kernel" trees,landlock,seccomp "$kernel" landlock seccomp open_tree mount_setattr fsopen --
lacks "an old kernel, no capabilities" trees,landlock,seccomp \
	setpriv --bounding-set=-sys_admin,-sys_chroot --inh-caps=-sys_admin,-sys_chroot -- "$kernel" landlock seccomp --
# No later one than the kernel has: landlock_create_ruleset(2), asked for its version.
versions=$(perl -e 'print syscall(444, 0, 0, 1)')
ok "this kernel has Landlock" test "$versions" -ge 1
for abi in 1 2 3 4 5 6; do
	[ "$abi" -le "$versions" ] || continue
	options=("--require=$all")
	start "$kernel" "landlock-$abi" --
	serves "Landlock's version $abi"
	stop_broker
done

# What there is no way around: it does not start, and says what is missing. In two steps of the broker:
# those that it takes itself, and those of its first worker.
dies() {
	local what=$1 pattern=$2
	shift 2
	options=()
	start "$@"
	ends
	is "$what: it does not start" 1 $?
	# The last word is that of a process which may end after the broker.
	for _ in {1..50}; do
		grep -qE -- "$pattern" "$T/log" && break
		sleep 0.1
	done
	has "$what: and says why" "$pattern" "$(cat "$T/log")"
	ok "$what: and leaves no socket" test ! -e "$T/socket" -a ! -e "$T/socket.admin"
}
dies "no openat2(2)" "worker: openat2\(2\) is not there: it takes Linux 6.1" "$kernel" openat2 --
dies "no close_range(2)" "cannot start: descriptors: " "$kernel" close_range --
dies "no seals" "cannot start: generation page: " "$kernel" seals --
dies "no execveat(2)" "cannot start fdbroker-worker: Function not implemented" "$kernel" execveat --
for cap in sys_chroot setpcap setuid setgid; do
	dies "no CAP_${cap^^}" "fdbroker-worker: cannot confine itself: [a-z ]+: Operation not permitted" \
		setpriv "--bounding-set=-$cap" "--inh-caps=-$cap" --
done
options=()
start "$kernel" peergroups --
ok "no SO_PEERGROUPS: nobody is served" denied_to $A "$T/data/file"
stop_broker
start "$kernel" landlock-rules --
has "Landlock that fails: nobody is served without it" "a limit of the broker is reached" "$(as $A "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
has "Landlock that fails: which is said" "fdbroker-worker: cannot confine itself: landlock: Invalid argument" "$(cat "$T/log")"
stop_broker

# later WHAT LAYER LACKS...: the first worker has it, and those that come after the file $T/now have not.
later() {
	local what=$1 layer=$2
	shift 2
	rm -f "$T/now"
	options=()
	start "$kernel" --when "$T/now" "$@" --
	is "$what: until then it serves" mine "$(as $A "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	is "$what: and nothing is off" "none" "$(off | uniq)"
	touch "$T/now"
	has "$what: the next user is not served with less" "a limit of the broker is reached" "$(as $B "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	has "$what: which is said" "$layer" "$(cat "$T/log")"
	is "$what: who has a worker is served" mine "$(as $A "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	rm "$T/now"
	until_ok eval "! fdbroker status --json | grep -q '\"failed\"'"
	is "$what: when it is there again, all are served" mine "$(as $B "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
	is "$what: with every layer" "none" "$(off | uniq)"
	stop_broker
}
later "Landlock fails later" "'landlock' is required and cannot be had" landlock
later "private mounts fail later" "'trees' is required and cannot be had" open_tree
later "filters fail later" "'seccomp' is required and cannot be had" seccomp-filter
later "the system has no room for files" "cannot make the trees: Too many open files in system" full

# The counter-check of `later`: a broker that never had the layer does serve its next user without.
touch "$T/now"
options=()
start "$kernel" --when "$T/now" landlock --
is "without it from the start: served" mine "$(as $B "$BUILD/fdbroker" cat "$T/data/file" 2>&1)"
is "without it from the start: with less" "landlock" "$(off | uniq)"
stop_broker

# An ordinary user's: trees and user are off, and each thing that can be missing beside them.
cp "$BUILD"/fdbroker* "$T" # a clone in the home of root is out of reach for others
cp "$kernel" "$T/kernel"
mkdir "$T/own" "$T/own/policy" "$T/own/data"
echo mine >"$T/own/data/file"
cat >"$T/own/policy/10-test.policy" <<EOF
policy 1
allow user:$A read $T/own/data/*
EOF
chown -R $A "$T/own"
user() {
	local what=$1 layers=$2
	shift 2
	: >"$T/log"
	setpriv --reuid=$A --regid=$A --clear-groups -- "$@" "$T/fdbrokerd" \
		--socket "$T/own/socket" --policy "$T/own/policy" >>"$T/log" 2>&1 &
	broker=$!
	brokers+=("$broker")
	until_ok began || sed 's/^/# /' "$T/log"
	export FDBROKER_SOCKET=$T/own/socket FDBROKER_SERVER_UID=$A
	is "$what: served" mine "$(as $A "$T/fdbroker" cat "$T/own/data/file" 2>&1)"
	is "$what: not more" 1 "$(as $A "$T/fdbroker" cat "$T/own/policy/10-test.policy" >/dev/null 2>&1; echo $?)"
	is "$what: said once each" "$layers" "$(sed -n "s/.*layer '\(.*\)' is off: .*/\1/p" "$T/log" | paste -sd,)"
	is "$what: status says the same of all" "$layers" "$(off | sort -u)"
	unset FDBROKER_SERVER_UID
	stop_broker
	as $A timeout 10 "$@" "$T/fdbrokerd" --socket "$T/own/socket" --policy "$T/own/policy" --require="${layers##*,}" >"$T/log" 2>&1
	is "$what: --require=${layers##*,} does not start" 1 $?
	has "$what: and names it" "'${layers##*,}' is required and cannot be had: it takes " "$(cat "$T/log")"
}
user "an ordinary user" trees,user env
user "an ordinary user without Landlock" trees,landlock,user setpriv --no-new-privs -- "$T/kernel" landlock --
user "an ordinary user without anything" trees,landlock,seccomp,user setpriv --no-new-privs -- "$T/kernel" landlock seccomp --
finished
