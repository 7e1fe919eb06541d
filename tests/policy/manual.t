#!/bin/bash
# SPDX-License-Identifier: MIT
# fdbroker.policy(5): what it shows as a policy is one and does what it expects, and nothing of the
# language is missing in it.
. tests/policy/shown.sh
manual=policy/fdbroker.policy.5

# What the manual shows as a policy, each into a file of its own.
awk -v dir="$dir" '
	/^\.Bd -literal -offset indent -compact$/ { file = sprintf("%s/shown-%02d", dir, ++n); next }
	/^\.Ed$/ { file = ""; next }
	file { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print >file }' "$manual"
shown=0
for file in "$dir"/shown-*; do
	[ "$(head -n 1 "$file")" = 'policy 1' ] || continue
	shown=$((shown + 1))
	shown "policy $shown of the manual" "$file"
done
check "the manual shows at least fifteen policies" test "$shown" -ge 15
check "and all that begin so" test "$shown" = "$(grep -c '^policy 1$' "$manual")"

# Each code of the table has its paragraph, and no other has one.
sed -n 's/^\tX(\([0-9]*\),.*/\1/p' policy/codes.h | while read -r code; do
	printf '.It Sy P%03d\n' "$code"
done >"$dir/codes"
check "the manual explains each code" diff "$dir/codes" <(grep '^\.It Sy P[0-9]' "$manual")
check "there are codes" test "$(wc -l <"$dir/codes")" -gt 70

# Options, statements, verbs and kinds of who, by the tables that the parser has of them.
entries() { # MACRO FILE TABLE: the names that begin the lines of a table
	sed -n "/$3/,/^\t*};/"'s/^\t{"\([a-z]*\)".*/\1/p' "$2" | while read -r name; do
		echo "$name"
		grep -qE "^\.It $1 $name( |\$)" "$manual" || echo "has no entry: $name"
	done
}
has_all() { # AT_LEAST MACRO FILE TABLE
	entries "$2" "$3" "$4" >"$dir/entries"
	cat "$dir/entries"
	! grep 'has no entry' "$dir/entries" && [ "$(wc -l <"$dir/entries")" -ge "$1" ]
}
check "each option has its entry" has_all 11 Cm policy/options.c '^} options\[\] = {'
check "each kind of who has its entry" has_all 4 Cm policy/words.c 'policy_atom_word atoms\[\] = {'
for name in policy subject set allow deny expect; do
	check "the statement $name has its entry" grep -qE "^\.It Ic $name " "$manual"
done
for name in read write create stat list; do
	check "the verb $name has its entry" grep -q "^\.It Cm $name\$" "$manual"
done

if command -v mandoc >/dev/null; then
	check "mandoc finds nothing" test -z "$(mandoc -Tlint -W warning "$manual" 2>&1)"
fi
finished
