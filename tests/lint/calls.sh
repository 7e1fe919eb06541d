#!/bin/bash
# SPDX-License-Identifier: MIT
# calls.sh BUILD: each object refers to a dangerous function only where tests/lint/calls says so, and each
# permission there is in use.
set -eu
build=$1
table=$(dirname "$0")/calls
failed=0
used=$(mktemp)
trap 'rm -f "$used"' EXIT

functions=$(sed -e 's/#.*//' "$table" | awk 'NF { print $1 }')
dangerous=" $(echo "$functions" | tr '\n' ' ') "
while read -r object; do
	name=${object#"$build"/}
	name=${name%.o}
	[ -e "$name.c" ] || continue # of a file that is no more
	for symbol in $(nm -u "$object" | awk '{ print $2 }' | sed -e 's/@.*//' -e 's/^__\(.*\)_chk$/\1/' -e 's/64\(_2\)\{0,1\}$//' -e 's/^__\(open\|openat\)_2$/\1/' | sort -u); do
		[[ $dangerous == *" $symbol "* ]] || continue
		if grep -qE "^${symbol}[[:space:]](.*[[:space:]])?${name}([[:space:]]|$)" "$table"; then
			echo "$symbol $name" >>"$used"
		else
			echo "$name refers to $symbol(), which tests/lint/calls does not permit it" >&2
			failed=1
		fi
	done
done < <(find "$build/broker" "$build/policy" "$build/client-lib" "$build/cli" -name '*.o')

while read -r symbol names; do
	for name in $names; do
		grep -qx "$symbol $name" "$used" ||
			{ echo "tests/lint/calls permits $name to refer to $symbol(), which it does not" >&2; failed=1; }
	done
done < <(sed -e 's/#.*//' "$table" | grep .)
[ $failed = 0 ] && echo "dangerous functions are referred to only where tests/lint/calls says so"
exit $failed
