#!/bin/bash
# SPDX-License-Identifier: MIT
# No function of the product has more than 80 lines, its opening and closing brace included.
set -eu
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.c' | grep -v '^tests/')
awk '
	/^[{]/ { start = FNR; name = previous }
	/^[}]/ && start { n = FNR - start + 1; if (n > 80) { printf "%s:%d: %s has %d lines\n", FILENAME, start, name, n; bad = 1 }; start = 0 }
	{ previous = $0 }
	END { exit bad }
' "${sources[@]}"
echo "no function is longer than 80 lines"
