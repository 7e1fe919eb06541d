#!/bin/bash
# SPDX-License-Identifier: MIT
# The library's manual pages: what they show as a program is one, and does with a real broker what they say.
. "$(dirname "$0")/../lib.sh"
needs_root

cc=${CC:-cc}
flags=(-Wall -Wextra -Werror -Iclient-lib)
nm "$BUILD/libfdbroker.a" | grep -q __asan_init && flags+=("-fsanitize=address,undefined")
mkdir -m 700 "$T/logs" "$T/site" "$T/locks" "$T/list" "$T/list/sub"
echo "one line" >"$T/logs/auth.log"
echo "a secret" >"$T/secret"
touch "$T/list/b" "$T/list/hidden-from-all" "$T"/list/$'a\nb'

policy 10-test.policy <<EOF2
policy 1
allow user:$A read         $T/logs/*.log
allow user:$A write,create $T/site/*.log mode=0640
allow user:$A write,create $T/locks/*
allow user:$A list         $T/list
allow user:$A stat         $T/list/{a\x0ab,b,sub}
deny  any     any          $T/secret because="credentials stay with root"
EOF2
start_broker

# shown PAGE: each of its examples into $T/PAGE-N, and how many, with the paths of this test.
shown() {
	awk -v to="$T/$1-" '
		/^\.Bd -literal -offset indent$/ { file = to (++n); printf "" >file; next }
		/^\.Ed$/ { file = ""; next }
		file { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print >file }
		END { print n + 0 }' "client-lib/$1"
	sed -i -e "s|/var/log/auth.log|$T/logs/auth.log|; s|/var/log/site|$T/site|; s|/etc/shadow|$T/secret|" "$T/$1"-*
}
# with_main NAME FILE BODY: the functions of FILE and a main() with that body.
with_main() {
	printf '#define _GNU_SOURCE\n#include <fcntl.h>\n#include <stdio.h>\n#include <string.h>\n#include <errno.h>\n#include <unistd.h>\n' >"$T/$1.c"
	cat "$2" - >>"$T/$1.c" <<<"int main(int argc, char **argv) { (void)argc; (void)argv; $3 }"
}
program() { "$cc" "${flags[@]}" -o "$T/$1" -x c "$T/$1.c" -x none "$BUILD/libfdbroker.a" -pthread; }

for page in broker_open.3 broker_stat.3 broker_list.3 broker_error_reason.3; do
	n=$(shown "$page")
	for ((i = 1; i <= n; i++)); do
		grep -q '#include' "$T/$page-$i" || continue
		cp "$T/$page-$i" "$T/example.c"
		ok "$page: example $i compiles" "$cc" "${flags[@]}" -c -o /dev/null "$T/example.c"
		# Which declares only what a program asks for, feature_test_macros(7).
		for standard in c11 c17; do
			ok "$page: with -std=$standard, too" "$cc" "${flags[@]}" -std=$standard -c -o /dev/null "$T/example.c"
		done
		grep -q '^main(' "$T/$page-$i" && cp "$T/$page-$i" "$T/${page%.3}.c"
	done
done
is "broker_open(3) shows as many as it should" 5 "$(grep -l '#include' "$T"/broker_open.3-* | wc -l)"
is "and the others" "2 1 1" "$(for p in stat list error_reason; do grep -l '#include' "$T"/broker_$p.3-* | wc -l; done | xargs)"

ok "broker_open(3): the first is a program" program broker_open
is "which reads" "one line" "$(as $A "$T/broker_open" 2>&1)"
is "and says what another user gets" "$T/logs/auth.log: Permission denied" "$(as $B "$T/broker_open" 2>&1)"

with_main stream "$T/broker_open.3-2" 'char line[80]; FILE *f = open_for_reading(argv[1]);
	return !f || !fgets(line, sizeof(line), f) || fputs(line, stdout) < 0;'
ok "the second, in a program" program stream
is "reads what only the broker may open" "one line" "$(as $A "$T/stream" "$T/logs/auth.log" 2>&1)"
is "and without the broker what anybody may" "policy 1" "$(FDBROKER_SOCKET=/nowhere as $B "$T/stream" "$T/policy/10-test.policy" 2>&1)"

with_main why "$T/broker_open.3-3" 'return broker_open(argv[1], O_RDONLY) < 0 ? complain(argv[1]), 1 : 0;'
ok "the third" program why
is "says that there is no broker" "/a: no broker runs" "$(FDBROKER_SOCKET=/nowhere as $A "$T/why" /a 2>&1)"
is "and what the policy says" "$T/secret: Permission denied: credentials stay with root" "$(as $A "$T/why" "$T/secret" 2>&1)"
is "if it does" "$T/other: Permission denied" "$(as $A "$T/why" "$T/other" 2>&1)"

with_main append "$T/broker_open.3-4" 'int fd = open_log(); return fd < 0 || dprintf(fd, "%s\n", argv[1]) < 0;'
ok "the fourth" program append
ok "creates a log" as $A bash -c 'umask 777; exec "$@"' - "$T/append" first
ok "and appends to it" as $A "$T/append" second
is "what was written is there" "first second" "$(xargs <"$T/site/access.log")"
is "it is the caller's, with the mode that was asked for and no umask" "640 $A $A" "$(stat -c '%a %u %g' "$T/site/access.log")"
with_main take "$T/broker_open.3-5" 'printf("%d\n", take_lock(argv[1])); return 0;'
ok "the fifth" program take
is "takes a lock" 1 "$(as $A "$T/take" "$T/locks/a" 2>&1)"
is "once" 0 "$(as $A "$T/take" "$T/locks/a" 2>&1)"
is "where it may" -1 "$(as $A "$T/take" "$T/elsewhere" 2>&1)"
is "the lock is the caller's" "600 $A $A" "$(stat -c '%a %u %g' "$T/locks/a")"

# Its DIFFERENCES FROM OPEN: a link to what is open.
printf '#include <fdbroker.h>\n#include <sys/stat.h>\n' >"$T/link.h"
with_main link "$T/link.h" 'char name[40]; int fd = broker_open(argv[1], O_RDONLY);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	linkat(fd, "", AT_FDCWD, argv[2], AT_EMPTY_PATH);
	printf("%s", strerrorname_np(errno));
	linkat(AT_FDCWD, name, AT_FDCWD, argv[2], AT_SYMLINK_FOLLOW);
	printf(" %s\n", strerrorname_np(errno)); return fd < 0;'
ok "a program that links" program link
is "what linkat(2) says" "ENOENT EXDEV" "$(as $A "$T/link" "$T/logs/auth.log" "$T/linked" 2>&1)"
is "and with the capability" "EXDEV EXDEV" "$(setpriv --reuid=$A --regid=$A --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search "$T/link" "$T/logs/auth.log" "$T/linked" 2>&1)"

ok "broker_stat(3): a program" program broker_stat
is "which says how long the file is" "9 bytes" "$(as $A "$T/broker_stat" 2>&1)"
with_main rotated "$T/broker_stat.3-2" 'int fd = broker_open(argv[1], O_RDONLY);
	for (int i = 2; fd >= 0 && i < argc; i++) printf("%d\n", is_rotated(argv[i], fd));
	return fd < 0;'
ok "the second" program rotated
echo other >"$T/logs/other.log"
is "tells the file that it has from another, one that is gone, and one that it may not know" "0 1 0 -1" \
	"$(as $A "$T/rotated" "$T/logs/auth.log" "$T/logs/auth.log" "$T/logs/other.log" "$T/logs/gone.log" "$T/elsewhere" 2>&1 | xargs)"
ok "broker_list(3): a program" program broker_list
is "which shows the files that a rule is for" "a?b b 2 files" "$(as $A "$T/broker_list" "$T/list" 2>&1 | sort -k 2 | xargs)"
is "of a directory" "$T/list/b: Permission denied" "$(as $A "$T/broker_list" "$T/list/b" 2>&1)"
ok "broker_error_reason(3): a program" program broker_error_reason

# The client in Python.
shown fdbroker-protocol.7 >/dev/null
python=$(grep -l '^import os, socket' "$T"/fdbroker-protocol.7-*)
chmod 644 "$python"
is "fdbroker-protocol(7): its client in Python reads" "one line" "$(as $A /usr/bin/python3 -I "$python" "$T/logs/auth.log" 2>&1)"
is "and says why not" "$T/secret: error 13 credentials stay with root" "$(as $A /usr/bin/python3 -I "$python" "$T/secret" 2>&1)"

# Every function has a page, and every page a function.
is "each function of the library has a page" \
	"$(sed -n 's/^\t\(broker_[a-z_]*\);$/\1.3/p' client-lib/libfdbroker.map | sort | xargs)" \
	"$(cd client-lib && echo broker_*.3)"
for page in client-lib/*.[37]; do
	for other in $(sed -n 's/^\.Xr \(broker_[a-z_]*\) 3.*/\1.3/p' "$page" | sort -u); do
		[ -e "client-lib/$other" ] || is "$page refers to a page that there is" "$other" ""
	done
done

# The policy of that page, and nothing else.
{ echo 'policy 1' && sed "s/user:www-data/user:$A/" "$T/broker_error_reason.3-2"; } >"$T/policy/10-test.policy"
ok "its policy is loaded" fdbroker reload
is "it says what the page says that it does" "$(cat "$T/broker_error_reason.3-3")" "$(as $A "$T/broker_error_reason" 2>&1)"

stop_broker
is "the broker ends with 0" 0 $?
finished
