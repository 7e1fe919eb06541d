#!/bin/bash
# SPDX-License-Identifier: MIT
# The examples, and the manual: what it shows as a policy is one, and each code is explained.
fdbroker=${BUILD:-build}/fdbroker
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

check() { # NAME COMMAND...: one test, passed if the command succeeds
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; fi
}

# run FILE: as an admin would look at it; what it says is in $dir/messages.
run() {
	"$fdbroker" check "$dir/$1" >"$dir/out" 2>"$dir/messages"
	status=$?
}

status_is() { [ "$status" = "$1" ]; }

for example in policy/examples/*.policy; do
	cp "$example" "$dir/example.policy"
	run example.policy
	check "$example" status_is 0
	check "$example says only who is not here" \
		bash -c "! grep -E '(error|warning)\[' '$dir/messages' | grep -vF '[P028]'"
done

# Each code of the table has its paragraph.
for code in $(sed -n 's/^\tX(\([0-9]*\),.*/\1/p' policy/codes.h); do
	printf -v code 'P%03d' "$code"
	check "fdbroker.policy(5) explains $code" grep -q "^\.It Sy $code" policy/fdbroker.policy.5
done

# What the manual shows as a policy is one.
awk '/^\.Bd -literal.*-compact$/ { in_it = 1; next } /^\.Ed$/ { if (in_it) print "%"; in_it = 0; next }
	in_it { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print }' policy/fdbroker.policy.5 >"$dir/manual"
shown=0
: >"$dir/one.policy"
while IFS= read -r line; do
	if [ "$line" != % ]; then
		printf '%s\n' "$line" >>"$dir/one.policy"
		continue
	fi
	if head -n 1 "$dir/one.policy" | grep -q '^policy 1$'; then
		shown=$((shown + 1))
		run one.policy
		check "example $shown of the manual" status_is 0
	fi
	: >"$dir/one.policy"
done <"$dir/manual"
check "the manual has five examples" test "$shown" -ge 5
if command -v mandoc >/dev/null; then
	check "mandoc finds nothing" test -z "$(mandoc -Tlint -W warning policy/fdbroker.policy.5 2>&1)"
fi
echo "1..$n"
