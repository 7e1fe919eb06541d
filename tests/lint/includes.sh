#!/bin/bash
# SPDX-License-Identifier: MIT
# Which folder may include which: policy <- broker, client-lib <- broker, client-lib <- cli -> policy.
# Also what every file has: an SPDX line, at most 500 lines; and the daemon's sum.
set -eu
failed=0
complain() { echo "$*" >&2; failed=1; }

# may FOLDER PATTERN: files directly in FOLDER include, in quotes, only what matches.
may() {
	local file line
	for file in "$1"/*.[ch]; do
		while read -r line; do
			[[ $line =~ ^($2)$ ]] || complain "$file includes \"$line\", which $1/ may not (allowed: $2)"
		done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
	done
}
may policy '(policy/)?[a-z-]+\.h'
may client-lib '(client-lib/)?[a-z-]+\.h'
may broker 'broker/[a-z-]+\.h'
may broker/daemon 'broker/[a-z-]+\.h|broker/daemon/[a-z-]+\.h|policy/(policy|dropin)\.h|client-lib/(channel|fdbroker)\.h'
may broker/worker 'broker/[a-z-]+\.h|broker/worker/[a-z-]+\.h|policy/policy\.h|client-lib/(channel|wire)\.h'
may broker/compile 'broker/[a-z-]+\.h|policy/(policy|dropin|diag)\.h'
may broker/log 'broker/[a-z-]+\.h|broker/log/[a-z-]+\.h|client-lib/channel\.h'
may cli '(cli/)?[a-z-]+\.h|policy/[a-z-]+\.h|client-lib/(fdbroker|connection)\.h'
# A bare name is a header of the same folder.
for file in policy/*.[ch] client-lib/*.[ch] cli/*.[ch]; do
	sed -n 's/^#include "\([a-z-]*\.h\)"$/\1/p' "$file" | while read -r header; do
		[ -e "$(dirname "$file")/$header" ] || { echo "$file includes $header, which is not beside it" >&2; exit 1; }
	done || failed=1
done

# All that there is, so that a stray file is noticed; by name what has none.
without=' .clang-format .gitignore LICENSE README.md HACKING.md SECURITY.md client-lib/fdbroker.pc.in client-lib/libfdbroker.map '
while read -r -d '' file; do
	[[ $without == *" $file "* ]] && continue
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || complain "$file has no SPDX line at its top"
done < <(git ls-files -z --cached --others --exclude-standard)
for file in $(git ls-files --cached --others --exclude-standard '*.c' '*.h' | grep -v '^tests/'); do
	lines=$(wc -l <"$file")
	[ "$lines" -le 500 ] || complain "$file has $lines lines; 500 is the limit"
done
# Lines of code: neither blank nor only a comment.
daemon=$(cat broker/daemon/*.[ch] | grep -vcE '^[[:space:]]*(/?\*.*)?$')
[ "$daemon" -lt 1500 ] || complain "broker/daemon has $daemon lines of code; it has to be under 1,500"
[ $failed = 0 ] && echo "includes, SPDX lines and sizes are as they should be (broker/daemon: $daemon lines of code)"
exit $failed
