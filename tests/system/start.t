#!/bin/bash
# SPDX-License-Identifier: MIT
# What can be wrong at the start, and what is said then. Needs no privilege.
. "$(dirname "$0")/../lib.sh"

echo "mine" >"$T/file"
policy 10-test.policy <<EOF
policy 1
allow user:$(id -u) read $T/file
EOF
# refuses PATTERN OPTION...: fdbrokerd does not start, and says this. $under: what runs it.
under=
refuses() {
	local what=$1 pattern=$2 said
	shift 2
	# shellcheck disable=SC2086
	said=$(timeout 10 $under "$BUILD/fdbrokerd" "$@" 2>&1 </dev/null)
	is "$what: it does not start" 1 $?
	has "$what: and says why" "$pattern" "$said"
}

said=$("$BUILD/fdbrokerd" --nonsense 2>&1)
is "an unknown option is a usage error" 2 $?
has "which names it" "unrecognized option .--nonsense" "$said"
is "a layer that is not one is a usage error" 2 "$("$BUILD/fdbrokerd" --require=magic >/dev/null 2>&1; echo $?)"
has "a repeated --socket: the last one counts, as everywhere" "b/socket" "$("$BUILD/fdbrokerd" --socket "$T/a/socket" --socket "$T/b/socket" 2>&1)"
is "an option without its value is a usage error" 2 "$("$BUILD/fdbrokerd" --socket >/dev/null 2>&1; echo $?)"
for option in socket admin policy libexec user require version help; do
	has "--help names --$option" "--$option" "$("$BUILD/fdbrokerd" --help)"
done
has "--version" "^fdbrokerd [0-9]" "$("$BUILD/fdbrokerd" --version)"

mkdir "$T/directory" "$T/empty"
touch "$T/plain"
long=$T/$(printf 'x%.0s' $(seq 108))
refuses "a directory in place of the socket" "directory exists and is not a socket" --socket "$T/directory" --policy "$T/policy"
refuses "a file in place of the socket" "plain exists and is not a socket" --socket "$T/plain" --policy "$T/policy"
ok "and it is still there" test -f "$T/plain"
refuses "a socket path that is too long" "at most 107 bytes" --socket "$long" --policy "$T/policy"
refuses "a socket path of 108 bytes" "at most 107 bytes" --socket "$(printf '%s' "$long" | cut -c 1-108)" --policy "$T/policy"
refuses "a relative socket path" "begins with '/'" --socket "socket" --policy "$T/policy"
refuses "a directory that does not exist" "No such file" --socket "$T/none/socket" --policy "$T/policy"
mkdir "$T/odd" "$T/odd/fdbroker-worker"
refuses "a directory in place of a helper" "odd/fdbroker-worker cannot be used.*--libexec" --libexec "$T/odd" --socket "$T/socket"
refuses "missing helper programs" "empty/fdbroker-worker cannot be used.*--libexec" --libexec "$T/empty" --socket "$T/socket"
refuses "an account that does not exist, or is not ours to give" "nonesuch.*--user|--user out" --user nonesuch --socket "$T/socket"

under="$BUILD/tests/attack/tool-kernel passcred --"
refuses "a kernel that gives no credentials" "cannot listen on .*Input/output error" --socket "$T/bare" --policy "$T/policy"
ok "and was asked for them before there was a socket to connect to" test ! -e "$T/bare"
under=

start_broker
is "it serves" "mine" "$(fdbroker cat "$T/file")"
said=$("$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" 2>&1)
is "a second broker on the same socket does not start" 1 $?
has "and says who has it" "served by another process" "$said"
is "the first one goes on" "mine" "$(fdbroker cat "$T/file")"

kill -KILL "$broker"
wait "$broker" 2>/dev/null
ok "a killed broker leaves its socket" test -S "$T/socket"
said=$(fdbroker cat "$T/file" 2>&1)
is "to which nobody answers" 1 $?
has "and the client says so" "no broker|systemctl" "$said"
: >"$T/log"
start_broker
is "the next one takes its place" "mine" "$(fdbroker cat "$T/file")"
stop_broker
is "and ends with 0" 0 $?

: >"$T/log"
echo "allow nonsense" >"$T/policy/20-broken.policy"
start_broker
has "a policy that does not compile: it runs and says what is wrong" "20-broken.policy:1:[0-9]+: error\[P" "$(cat "$T/log")"
has "and that everything is denied" "everything is denied" "$(cat "$T/log")"
is "which is so" 1 "$(fdbroker cat "$T/file" >/dev/null 2>&1; echo $?)"
has "status shows the errors" "20-broken.policy" "$(fdbroker status)"
rm "$T/policy/20-broken.policy"
ok "mended and reloaded" "$BUILD/fdbroker" reload
is "it serves" "mine" "$(fdbroker cat "$T/file")"
stop_broker

start_broker
truncate -s 200M "$T/policy/30-huge.policy"
echo "allow nonsense" >"$T/policy/20-broken.policy"
said=$(fdbroker reload 2>&1)
is "a file that is too large: reload says 2" 2 $?
has "which one" "30-huge.policy: error: cannot be read: File too large" "$said"
has "and what is wrong in the others" "20-broken.policy:1:[0-9]+: error\[P" "$said"
rm "$T/policy/30-huge.policy" "$T/policy/20-broken.policy"
rm "$T/socket"
is "somebody else's socket in the place of ours" 0 "$(perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or exit 1' "$T/socket"; echo $?)"
stop_broker
ok "is left alone at the end" test -S "$T/socket"
rm "$T/socket"
: >"$T/log"
start_broker

: >"$T/log"
stop_broker
rm -r "$T/policy"
start_broker
is "no policy at all: everything is denied" 1 "$(fdbroker cat "$T/file" >/dev/null 2>&1; echo $?)"
stop_broker

said=$(ulimit -n 16; timeout 10 "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" 2>&1)
is "with 16 descriptors it does not start" 1 $?
has "and says what it lacks" "Too many open files" "$said"
ok "and leaves no socket" test ! -e "$T/socket" -a ! -e "$T/socket.admin"

# Few descriptors: connections wait, nothing spins, nothing ends.
: >"$T/log"
policy 10-test.policy <<EOF
policy 1
allow user:$(id -u) read $T/file
EOF
(
	ulimit -n 40
	# The worker's limit is also the kernel's for what an account has on its way: so an account of its own.
	account=()
	[ "$(id -u)" != 0 ] || account=(--user daemon)
	exec "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" "${account[@]}" >>"$T/log" 2>&1
) &
broker=$!
brokers+=("$broker")
until_ok grep -q 'listening on' "$T/log"
ok "with 40 descriptors it starts and serves" bash -c "for i in 1 2 3; do $BUILD/fdbroker cat $T/file; done"
stop_broker
is "and ends with 0" 0 $?
finished
