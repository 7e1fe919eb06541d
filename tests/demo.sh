#!/bin/bash
# SPDX-License-Identifier: MIT
# What the broker is for, on a real one: in a directory of its own, which is gone afterwards.
set -u
: "${BUILD:?run make demo}"
D=$(mktemp -d /tmp/fdbroker-demo.XXXXXX) || exit 1
chmod 755 "$D"
broker=
failed=0
finish() {
	[ -z "$broker" ] || { kill "$broker" 2>/dev/null; wait "$broker" 2>/dev/null; }
	rm -rf "$D"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

mkdir -m 700 "$D/secrets" "$D/logs"
echo "-----BEGIN PRIVATE KEY----- (a demonstration)" >"$D/secrets/tls.key"
echo "only root needs this" >"$D/secrets/other"
echo "2026-01-01 started" >"$D/logs/app.log"
chmod 600 "$D"/*/*

if [ "$(id -u)" = 0 ]; then
	uid=61001
	client=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups --)
	who="uid $uid, who may not read them"
else
	uid=$(id -u)
	client=("$BUILD/tests/system/tool-confined" "$D/secrets" --)
	who="uid $uid too, but confined by Landlock so that it cannot reach $D/secrets"
fi
mkdir "$D/policy"
cat >"$D/policy/demo.policy" <<EOF
policy 1
allow user:$uid read  $D/secrets/tls.key
allow user:$uid write $D/logs/*.log
EOF
chmod 644 "$D/policy/demo.policy"

"$BUILD/fdbrokerd" --socket "$D/socket" --policy "$D/policy" >"$D/log" 2>&1 &
broker=$!
for _ in $(seq 500); do
	grep -q "listening on" "$D/log" && break
	sleep 0.01
done
grep -q "listening on" "$D/log" || { cat "$D/log"; exit 1; }
export FDBROKER_SOCKET=$D/socket PATH=$BUILD:$PATH

# step TITLE EXPECTED-STATUS COMMAND...: as the client.
step() {
	local title=$1 expected=$2 status
	shift 2
	printf '\n%s\n    $ %s\n' "$title" "${*@Q}" | sed "s/'\([A-Za-z0-9/._,=-]*\)'/\1/g"
	"${client[@]}" "$@" 2>&1 </dev/null | sed 's/^/    /'
	status=${PIPESTATUS[0]}
	if [ $((status != 0)) != "$expected" ]; then
		echo "    *** this should have $([ "$expected" = 0 ] && echo worked || echo failed), but it ended with $status"
		failed=1
	fi
}

echo "The files are $(id -un)'s, with mode 0600. The client is $who."
echo "The policy, $D/policy/demo.policy:"
sed 's/^/    /' "$D/policy/demo.policy"

step "1. The client opens the key itself:" 1 cat "$D/secrets/tls.key"
step "2. It asks the broker, which opens it and passes the descriptor:" 0 fdbroker cat "$D/secrets/tls.key"
step "3. No rule names the file beside it:" 1 fdbroker cat "$D/secrets/other"
echo "    The broker's log says who asked for what, and that no rule allowed it:"
for _ in $(seq 500); do grep -q "denied.*other" "$D/log" && break; sleep 0.01; done
sed -n "s/.*\(denied .*secrets\/other.*\)/    \1/p" "$D/log"
step "   and this answers the question why:" 1 fdbroker can "user:$uid" read "$D/secrets/other" --policy "$D/policy"
# shellcheck disable=SC2016
step "4. It appends to a log that a rule lets it write:" 0 fdbroker open --flags=write,append "$D/logs/app.log" -- sh -c 'echo "written through the broker"'
sed 's/^/    | /' "$D/logs/app.log"
grep -q "through the broker" "$D/logs/app.log" || failed=1
step "5. What it may read it may not write:" 1 fdbroker open --flags=write "$D/secrets/tls.key" -- true
echo
kill "$broker" && wait "$broker" || failed=1
broker=
[ $failed = 0 ] && echo "The broker has ended, and $D is gone."
exit $failed
