#!/bin/bash
# SPDX-License-Identifier: MIT
# broker_open(3), DIFFERENCES FROM OPEN, has the exceptions of test-differential, each in the same words, and no
# others. What triples do not reach is shown by the test that the program names.
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=$PWD/build}"
. tests/lib.sh

page=client-lib/broker_open.3

# entries PAGE: those of the section as plain text, a line each: what, a tab, why.
entries() {
	awk '
		# Words of a line that begins with a macro.
		function plain(line,    words, n, i, w, text, glue) {
			n = split(line, words, " ")
			for (i = 1; i <= n; i++) {
				w = words[i]
				if (w ~ /^(Er|Dv|Cm|Pa|No)$/) continue
				if (w == "Xr") { w = words[i + 1] "(" words[i + 2] ")"; i += 2 }
				text = text (text == "" || w ~ /^[.,:;]$/ ? "" : " ") w
			}
			return text
		}
		function end() { if (what != "") print what "\t" why; what = why = "" }
		/^\.Sh / { end(); inside = $0 == ".Sh DIFFERENCES FROM OPEN"; next }
		!inside { next }
		/^\.It / { end(); what = plain(substr($0, 5)); next }
		/^\.(Bl|El|Pp)/ { end(); next }
		what == "" { next }
		{ why = why (why == "" ? "" : " ") ($0 ~ /^\./ ? plain(substr($0, 2)) : $0) }
	' "$1" | sort
}

# rendered PAGE: the same, of what is shown: the reason is indented more than what differs.
rendered() {
	mandoc -T ascii -O width=900 "$1" | sed 's/.\x08//g' | awk '
		/^[^ ]/ { inside = $0 == "DIFFERENCES FROM OPEN" }
		!inside { next }
		/^      / { sub(/^ +/, ""); gsub(/  +/, " "); print what "\t" $0 }
		{ what = $0; sub(/^ +/, "", what) }
	' | sort
}

# same PAGE EXCEPTIONS: both have the same, and there are some.
same() {
	entries "$1" >"$T/entries"
	cut -f 1,2 "$2" | sort >"$T/expected"
	[ "$(wc -l <"$T/entries")" -gt 20 ] && diff "$T/entries" "$T/expected"
}
# shown EXCEPTIONS: the tests that are named have what is said of them.
shown() {
	local file words
	while IFS=$'\t' read -r _ _ where; do
		file=${where%%: *} words=${where#*: }
		grep -qF -- "$words" "$file" || { echo "$where"; return 1; }
	done < <(grep -P '\t[^\t]+$' "$1" | awk -F'\t' '$3 != ""')
}

"$BUILD/tests/attack/test-differential" --exceptions >"$T/now" || exit 1
ok "the page has the exceptions of the test, and no others" same "$page" "$T/now"
if command -v mandoc >/dev/null; then
	entries "$page" >"$T/entries"
	rendered "$page" >"$T/rendered"
	ok "and they are shown so" diff "$T/entries" "$T/rendered"
fi
ok "what it does not reach is shown by others" shown "$T/now"

# What shows that it could fail.
differs() { ! same "$@"; }
n=$(wc -l <"$T/now")
missed=0
for ((i = 1; i <= n; i++)); do
	sed "${i}d" "$T/now" >"$T/fewer"
	differs "$page" "$T/fewer" >/dev/null || missed=$((missed + 1))
done
is "each that is missing in the test is found" 0 "$missed"
missed=0
while IFS=: read -r line _; do
	# The entry up to the next one.
	awk -v from="$line" 'NR == from { gone = 1; next } gone && /^\.(It|El)/ { gone = 0 } !gone' "$page" >"$T/page"
	differs "$T/page" "$T/now" >/dev/null || missed=$((missed + 1))
done < <(awk '/^\.Sh /{ inside = /DIFFERENCES/ } inside && /^\.It /{ print NR ":" }' "$page")
is "each that is missing in the page as well" 0 "$missed"
sed 's/^Such a path is not canonical\.$/Such a path is odd./' "$page" >"$T/page"
ok "another reason is found" differs "$T/page" "$T/now"
ok "no page is none" differs /dev/null /dev/null
unshown() { ! shown "$@"; }
sed 's/test_terminal$/test_nothing_like_it/' "$T/now" >"$T/changed"
ok "a test that is not there is found" unshown "$T/changed"
finished
