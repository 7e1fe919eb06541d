# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# TAP for the scripts beside this file, which source it. Ends with done_testing.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${here%/tests/cli}
fdbroker=${BUILD:-$root/build}/fdbroker
tests=0 failed=0
unset FDBROKER_SOCKET

if [[ ! -x $fdbroker ]]; then
	if [[ ${CI:-} == true ]]; then
		printf '1..1\nnot ok 1 - %s is not built\n' "$fdbroker"
		exit 1
	fi
	echo "1..0 # SKIP $fdbroker is not built"
	exit 0
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/fdbroker-cli.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# ok NAME COMMAND...: the command succeeds.
ok() {
	local name=$1
	shift
	((++tests))
	if "$@"; then
		echo "ok $tests - $name"
	else
		((++failed))
		echo "not ok $tests - $name"
		[[ ! ${status:-} ]] || printf '# status %s\n# out: %s\n# err: %s\n' "$status" "${out//$'\n'/$'\n'# }" "${err//$'\n'/$'\n'# }"
	fi
}

# skip WHY: not in CI, where everything has to be there.
skip() {
	((++tests))
	if [[ ${CI:-} == true ]]; then
		((++failed))
		echo "not ok $tests - $1, and in CI nothing is skipped"
		return
	fi
	echo "ok $tests # SKIP $1"
}

# run ARGUMENT...: sets status, out and err.
run() {
	"$fdbroker" "$@" >"$scratch/.out" 2>"$scratch/.err" </dev/null
	status=$?
	out=$(<"$scratch/.out")
	err=$(<"$scratch/.err")
}

# exits NAME STATUS ARGUMENT...: run, and look at the exit status.
exits() {
	local name=$1 wanted=$2
	shift 2
	run "$@"
	ok "$name: exit $wanted" test "$status" -eq "$wanted"
}

has() { [[ $1 == *"$2"* ]]; }
lacks() { [[ $1 != *"$2"* ]]; }
is() { [[ $1 == "$2" ]]; }

out_has() { ok "$1" has "$out" "$2"; }
err_has() { ok "$1" has "$err" "$2"; }

# json KEY...: prints a member of the object in $out: of an array by number; "[]" how many there are.
json() {
	perl -MJSON::PP -e '
		my $v = JSON::PP->new->allow_nonref->decode(shift);
		for my $key (@ARGV) {
			$v = $key eq "[]" ? scalar @$v : ref $v eq "ARRAY" ? $v->[$key]
				: exists $v->{$key} ? $v->{$key} : die "no $key\n";
		}
		print ref $v eq "ARRAY" || ref $v eq "HASH" ? JSON::PP->new->canonical->encode($v) : $v // "null";
	' "$out" "$@"
}

# member NAME WANTED KEY...
member() {
	local name=$1 wanted=$2
	shift 2
	ok "$name" is "$(json "$@" 2>&1)" "$wanted"
}

done_testing() {
	echo "1..$tests"
	exit $((failed > 0))
}
