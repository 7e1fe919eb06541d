#!/bin/bash
# SPDX-License-Identifier: MIT
# cat and open where there is no broker: reasons, hints, exit codes.
# shellcheck disable=SC2154
. "$(dirname "$0")/tap.sh"

socket=$scratch/socket
exits 'cat without a broker' 1 --socket "$socket" cat /etc/hostname
err_has 'it names path and socket' "/etc/hostname: no broker at $socket"
ok 'nothing on standard output' test -z "$out"
exits 'cat goes on with the next' 1 cat --socket="$socket" /etc/hostname /etc/hosts
ok 'two messages' test "$(grep -c 'no broker at' <<<"$err")" -eq 2
FDBROKER_SOCKET=$scratch/other exits 'FDBROKER_SOCKET' 1 cat /etc/hostname
err_has 'it is used' "no broker at $scratch/other"
FDBROKER_SOCKET=$scratch/other exits '--socket' 1 --socket "$socket" cat /etc/hostname
err_has 'it goes before FDBROKER_SOCKET' "no broker at $socket;"
exits 'status: admin socket of another socket' 1 --socket "$socket" status
err_has 'it is that with .admin' "no broker at $socket.admin"
FDBROKER_SOCKET=$scratch/other exits 'status with FDBROKER_SOCKET' 1 status
err_has 'it is that with .admin' "no broker at $scratch/other.admin"
exits 'status with --admin' 1 status --socket "$socket" --admin "$scratch/admin"
err_has 'it is that' "no broker at $scratch/admin"
exits 'reload without a broker' 1 reload --admin "$scratch/admin"
err_has 'it says so' "no broker at $scratch/admin"
exits 'a socket name that is too long' 1 status --admin "/$(printf '%0200d' 0)"
touch "$scratch/plain"
exits 'a file that is no socket' 1 status --admin "$scratch/plain"

# canonical SHOWN PATH: the message for PATH ends with SHOWN.
canonical() {
	(cd / && run cat --socket "$socket" "$2" && false)
	err=$(<"$scratch/.err")
	ok "'$2' is $1" is "$err" "fdbroker: $2: not an absolute and canonical path; write $1"
}
canonical /etc/hosts etc/hosts
canonical /etc/hosts ./etc/hosts
canonical /etc/hosts //etc/hosts
canonical /etc/hosts /etc/./hosts
canonical /etc/hosts /etc//hosts/
canonical /etc/hosts ../etc/hosts
canonical /..x /..x/
mkdir -p "$scratch/a/b"
physical=$(cd "$scratch/a/b" && pwd -P)
(cd "$scratch/a/b" && run cat --socket "$socket" ../file)
err=$(<"$scratch/.err")
ok '.. behind the working directory' has "$err" "; write ${physical%/b}/file"
for path in /etc/../hosts x/../y; do
	exits "no guess for $path" 1 cat --socket "$socket" "$path"
	ok 'none is shown' lacks "$err" '; write'
	err_has 'realpath is' 'realpath(1)'
done
exits 'an empty path' 1 cat --socket "$socket" ''
err_has 'it says so' 'an empty path'
exits 'a path of 5000 bytes' 1 cat --socket "$socket" "/$(printf '%05000d' 0)"
err_has 'it says so' 'longer than 4096 bytes'
exits 'a name with an escape sequence' 1 cat --socket "$socket" $'/x\e]0;title\a\ny'
err_has 'it is escaped' '/x\x1b]0;title\x07\x0ay: '

exits 'open without a broker' 1 open --socket "$socket" /etc/hostname -- sh -c 'exit 7'
err_has 'it says so' "/etc/hostname: no broker at $socket"
exits 'open --fd' 1 open --socket "$socket" --fd=5 --flags=read,write,nonblock,sync /etc/hostname -- true
exits 'options of the program are its own' 1 open --socket "$socket" /etc/hostname -- true --json --help
err_has 'they are not read' 'no broker at'

done_testing
