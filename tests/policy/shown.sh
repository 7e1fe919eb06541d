# SPDX-License-Identifier: MIT
# For tests of policies that people copy: that they say what they promise. Source it, from the top of
# the tree.
# shellcheck shell=bash
set -u
fdbroker=${BUILD:-build}/fdbroker

# Whoever a policy names has to exist, or its expectations are not checked: so the test brings a
# database of users, in a mount namespace of its own. The name of the outer one is how it knows.
mounts=$(readlink /proc/self/ns/mnt)
if [ "$(id -u)" = 0 ] && [ -z "${SHOWN_OUTSIDE:-}" ] && unshare -m true 2>/dev/null; then
	SHOWN_OUTSIDE=$mounts exec unshare -m --propagation private bash "$0"
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 failed=0

bring() { # DATABASE FIELDS NAME...
	local database=$1 fields=$2 id=61100 name
	shift 2
	cp "$database" "$dir/names" || return
	for name; do
		id=$((id + 1))
		grep -q "^$name:" "$dir/names" || printf '%s:x:%s%s\n' "$name" "$id" "$fields" >>"$dir/names"
	done
	mv "$dir/names" "$dir/$(basename "$database")" &&
		mount --bind "$dir/$(basename "$database")" "$database"
}

users=no
if [ -n "${SHOWN_OUTSIDE:-}" ] && [ "$SHOWN_OUTSIDE" != "$mounts" ]; then
	bring /etc/passwd ':100:::/bin/false' alice app backup bob build deploy meter news promtail \
		vault www-data || exit 1
	bring /etc/group ':' auditors dev dialout print release staff webadmin || exit 1
	users=yes
elif [ "${CI:-}" = true ]; then
	echo 1..1
	echo "not ok 1 - needs root and unshare, and with CI=true nothing is skipped"
	exit 1
fi

check() { # NAME COMMAND...: one test, passed if the command succeeds
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >"$dir/why" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		head -n 20 "$dir/why" | sed 's/^/#   /'
		failed=1
	fi
}

skip() { # NAME
	n=$((n + 1))
	echo "ok $n - $1 # SKIP its users do not exist"
}

finished() {
	echo "1..$n"
	exit "$failed"
}

# run: as an admin would look at $dir/one.policy. What it says is in $dir/messages.
run() {
	"$fdbroker" check "$dir/one.policy" >"$dir/out" 2>"$dir/messages"
	status=$?
}

# Compiles, and nothing is said of it but that a day has come and gone, which it will.
is_clean() {
	local may='P062'
	[ "$users" = yes ] || may='P062|P028|P066'
	run
	! grep -E '(error|warning)\[' "$dir/messages" | grep -vE "\[($may)\]" && [ "$status" = 0 ]
}

shows_both() {
	grep -q '^expect *allow ' "$1" && grep -q '^expect *deny ' "$1"
}

# With the opposite of all that it expects, each of these lines is an error, and nothing else is.
is_checked() {
	local want
	sed -E 's/^(expect +)allow /\1DENY /; s/^(expect +)deny /\1allow /; s/^(expect +)DENY /\1deny /' \
		"$1" >"$dir/one.policy"
	want=$(grep -n '^expect ' "$1" | cut -d: -f1)
	run
	[ "$status" = 2 ] &&
		diff <(echo "$want") <(sed -nE 's/^[^ ]*one\.policy:([0-9]+):[0-9]+: error\[P068\].*/\1/p' \
			"$dir/messages" | sort -n) &&
		! grep -E '(error|warning)\[' "$dir/messages" | grep -vE '\[P06[28]\]'
}

fails_without() { # FILE NUMBER WHAT: the line without `what`
	awk -v number="$2" -v what="$3" '
		NR != number { print; next }
		what == "all" { print ""; next }
		{
			behind = 0
			line = ""
			for (i = 1; i <= NF; i++) {
				if ($i == what) { behind = 1; continue }
				if (behind && what == "except" && $i ~ /^[\/@]/) continue
				behind = 0
				line = line " " $i
			}
			print line
		}' "$1" >"$dir/one.policy"
	run
	[ "$status" = 2 ] && grep -q 'error\[P068\]' "$dir/messages" && return
	echo "no expectation notices line $2 without its $3: $(sed -n "$2p" "$1")"
	return 1
}

# No rule, exception or `hidden` can be taken away without an expectation that notices.
is_needed() {
	local number what result=0
	while IFS=: read -r number what; do
		fails_without "$1" "$number" all || result=1
		for word in except hidden; do
			[[ " $what " != *" $word "* ]] || fails_without "$1" "$number" "$word" || result=1
		done
	done < <(grep -nE '^(allow|deny) ' "$1")
	return $result
}

# shown NAME FILE: all that a policy which people copy has to be.
shown() {
	cp "$2" "$dir/one.policy"
	check "$1 compiles without a warning" is_clean
	check "$1 shows what is allowed and what is denied" shows_both "$2"
	if [ "$users" = yes ]; then
		check "$1: each expectation is checked" is_checked "$2"
		check "$1: an expectation is there for each rule" is_needed "$2"
	else
		skip "$1: each expectation is checked"
		skip "$1: an expectation is there for each rule"
	fi
}
