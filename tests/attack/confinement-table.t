#!/bin/bash
# SPDX-License-Identifier: MIT
# The table of SECURITY.md, "What each layer stops", is what this kernel does. Where this kernel, or a build
# with sanitizers, cannot tell, there is a ? and nothing is compared. confinement-table.t --write: write it anew.
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=$PWD/build}"
. tests/lib.sh
needs_root

begin='<!-- what each layer stops: begin' end='<!-- what each layer stops: end'
"$BUILD/tests/attack/test-confinement" --table >"$T/now" || exit 1

# written FILE: the table in it.
written() { sed -n "/^$begin/,/^$end/{/^|/p}" "$1"; }

# with TABLE FILE: FILE, with this table in it.
with() {
	sed -e "/^$begin/,/^$end/{/^|/d}" -e "/^$begin/r $1" "$2"
}

# same WRITTEN NOW: all cells, but for those of NOW that are a ?.
same() {
	awk -F'|' '
		NR == FNR { line[FNR] = $0; n = FNR; next }
		{
			m = FNR
			cells = split(line[FNR], cell, "|")
			bad = cells != NF
			for (i = 1; i <= NF; i++)
				bad = bad || (cell[i] != $i && $i != " ? ")
			if (bad) { print "written: " line[FNR]; print "now:     " $0; failed = 1 }
		}
		END { exit failed || m == 0 || m != n }
	' "$1" "$2"
}

if [ "${1:-}" = --write ]; then
	grep -q '| ? |' "$T/now" && { echo "this kernel or this build cannot tell all of it" >&2; exit 1; }
	with "$T/now" SECURITY.md >"$T/new" && cat "$T/new" >SECURITY.md
	exit
fi

written SECURITY.md >"$T/written"
ok "the table of SECURITY.md is what happens" same "$T/written" "$T/now"

# What shows that it could fail.
differs() { ! same "$@"; }
sed 's/| mkdir | - |/| mkdir | EROFS |/' "$T/written" >"$T/changed"
ok "one cell that differs is found" differs "$T/changed" "$T/now"
sed '/^| rename |/d' "$T/written" >"$T/shorter"
ok "an act that is missing is found" differs "$T/shorter" "$T/now"
ok "one too many is found" differs "$T/written" "$T/shorter"
ok "no table is none" differs /dev/null /dev/null
sed 's/| EROFS |/| ? |/' "$T/now" >"$T/unknown"
ok "what this kernel cannot tell is not compared" same "$T/written" "$T/unknown"
finished
