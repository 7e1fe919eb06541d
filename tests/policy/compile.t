#!/bin/bash
# SPDX-License-Identifier: MIT
# fdbroker-compile as the broker runs it, the examples, and the manual.
compile=${BUILD:-build}/fdbroker-compile
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

check() { # NAME COMMAND...: one test, passed if the command succeeds
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; fi
}

run() { # FILE... with the descriptors in place; status in $status
	local file fd=5 redirections=
	for file in "$@"; do
		redirections+=" $fd<$dir/$file"
		fd=$((fd + 1))
	done
	eval '"$compile" "${options[@]}" "$@" 3>"$dir/image" 4>"$dir/messages" 2>"$dir/stderr"' "$redirections"
	status=$?
}

status_is() { [ "$status" = "$1" ]; }
same() { cmp -s "$dir/$1" "$dir/$2"; }
empty() { [ ! -s "$dir/$1" ]; }
holds() { grep -qF -- "$2" "$dir/$1"; }

printf 'policy 1\nallow any read @s\n' >"$dir/a.policy"
printf 'policy 1\nset @s = /etc/motd\n' >"$dir/b.policy"
printf 'policy 1\nallow any reed /a\n' >"$dir/bad.policy"
options=()

run a.policy b.policy
check "a good set" status_is 0
check "an image is written" holds image fdbroker
check "no message" empty messages
cp "$dir/image" "$dir/first"
run a.policy b.policy
check "the same text, the same image" same image first

run
check "no file is a policy too" status_is 0
check "it has an image" holds image fdbroker

run a.policy
check "a set that is not there" status_is 1
check "no image" empty image
check "the message" holds messages "a.policy:2:16: error[P020]: unknown set '@s'"
check "stderr says the same" same messages stderr

options=(--errors 1)
run a.policy b.policy
check "errors before this make it a failure" status_is 1
check "no image then" empty image
run a.policy b.policy bad.policy
check "more errors are found all the same" holds messages "bad.policy:2:11: error[P010]"
options=(--errors 0)
run a.policy b.policy
check "none before is none" status_is 0
options=(--errors x)
run a.policy
check "a wrong number" status_is 2
options=(--wrong)
run a.policy
check "a wrong option" status_is 2
options=()

"$compile" a.policy 3>"$dir/image" 4>"$dir/messages" 5<&- 2>"$dir/stderr"
status=$?
check "a descriptor that is missing" status_is 2
check "which one" holds stderr "descriptor 5 is not open"
"$compile" a.policy 3>"$dir/image" 4>"$dir/messages" 5<"$dir" 2>"$dir/stderr"
status=$?
check "a descriptor that cannot be read" status_is 2
"$compile" a.policy b.policy 3>/dev/full 4>"$dir/messages" 5<"$dir/a.policy" 6<"$dir/b.policy" 2>"$dir/stderr"
status=$?
check "an image that cannot be written" status_is 2
"$compile" --help >"$dir/out" && check "--help" holds out "usage: fdbroker-compile"
"$compile" --version >"$dir/out" && check "--version" holds out "fdbroker-compile "

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
