#!/bin/bash
# SPDX-License-Identifier: MIT
# status and reload against answers that no broker gives: cut off, endless, of another user or process.
# shellcheck disable=SC2154
. "$(dirname "$0")/tap.sh"

# serve SOCKET MODE FILE...: answers each connection with the next file, the last one again and again.
serve() {
	perl -MIO::Socket::UNIX -e '
		my ($path, $mode, @files) = @ARGV;
		$SIG{PIPE} = "IGNORE";
		alarm 60;
		if ($mode eq "stranger") { $> = 65534; }
		my $s = IO::Socket::UNIX->new(Local => $path, Listen => 64) or die;
		syswrite STDOUT, "ready\n";
		while (my $c = $s->accept) {
			if ($mode eq "silent") { push @kept, $c; next; }
			if ($mode eq "endless") { 1 while syswrite $c, "[" x 65536; next; }
			my $file = @files > 1 ? shift @files : $files[0];
			open my $f, "<", $file or die;
			local $/;
			print $c scalar <$f>;
			close $c;
		}' "$@" >"$scratch/ready" &
	server=$!
	for _ in {1..200}; do
		[[ -s $scratch/ready ]] && return
		sleep 0.02
	done
}

finish() {
	kill "$server"
	wait "$server" 2>/dev/null
	rm -f "$scratch/admin" "$scratch/ready"
}
trap 'kill "${server:-}" "${victim:-}" 2>/dev/null; rm -rf "$scratch"' EXIT

# status_json PID SERIAL OK BUSY STATE
status_json() {
	cat <<END
{"version":"9.8.7","pid":$1,"uid":0,"socket":"/s","policy":["/p/a","/p/b"],"generation":3,
"load":{"serial":$2,"busy":$4,"ok":$3,"time":1790000000,"messages":"x.policy:1:1: error\\n    1 | \\u001b]0;x\\u0007\\n"},
"rules":12,"layers":{"trees":true,"landlock":false,"seccomp":true,"caps":true,"user":false},
"accepted":123,"refused":4,
"workers":[{"id":7,"pid":900,"kind":"identity","uid":1000,"gid":1000,"generation":3,"state":"$5","age":4000,"connections":5,
"layers":{"trees":false,"landlock":true,"user":false}},
{"id":8,"pid":12345,"kind":"any","generation":3,"state":"ready\\u001b[31m","age":12,"connections":50,"layers":{"x\\u001b":true,"trees":true}}]}
END
}

if ! perl -MIO::Socket::UNIX -e1 2>/dev/null; then
	skip 'no perl'
	done_testing
fi
admin=$scratch/admin

status_json 900 4 false false draining >"$scratch/a"
serve "$admin" plain "$scratch/a"
exits 'status' 0 status --admin "$admin"
for text in 9.8.7 'pid 900' 'generation 3, 12 rules' /p/a failed 'x.policy:1:1: error' '123 connections' \
	"landlock: the kernel does not hold workers to the policy's trees" "user: workers run under the uid" '1h06m' 'the policy before it stays'; do
	out_has "status shows $text" "$text"
done
ok 'layers that are on are not listed' lacks "$out" 'any system call'
ok 'no escape sequence' lacks "$out" $'\e'
ok 'columns are aligned' test "$(awk '/^ *(ID|7|8) / { print index($0, "CONN") ? index($0, "KIND") : match($0, /identity|any/) }' <<<"$out" | sort -u | wc -l)" -eq 1
ok 'connections are of clients' grep -q '^clients  *123 connections accepted, 4 refused$' <<<"$out"
ok 'a worker says which layers it lacks' grep -qE '^ +7 .* all but trees,user$' <<<"$out"
ok 'and one that lacks none says so' grep -qE '^ +8 .* all$' <<<"$out"
ok 'no failed worker is explained' lacks "$out" 'before it was ready'
exits 'status --json' 0 status --json --admin "$admin"
ok 'it is what was sent' is "$out" "$(<"$scratch/a")"
finish

status_json 900 4 true false failed | sed 's/true,"/false,"/g' >"$scratch/off"
serve "$admin" plain "$scratch/off"
exits 'status with everything off' 0 status --admin "$admin"
out_has 'a failed worker is explained' 'failed: the worker ended before it was ready; its identity waits a second'
ok 'and has no layers to speak of' grep -qE '^ +7 .* failed .* -$' <<<"$out"
ok 'names of layers are made safe' grep -qF 'all but x\x1b' <<<"$out"
layers=0
while IFS= read -r line; do
	out_has "in the words of the broker: ${line%%:*}" "$line"
	((++layers))
done < <(sed -n 's/^\t{LAYER_[A-Z]*, "\([a-z]*\)", "\([^"]*\)",.*$/\1: \2/p' "$root/broker/layers.c")
ok 'these are all layers' test "$layers" -eq "$(grep -c '{LAYER_' "$root/broker/layers.c")"
finish

head -c 200 "$scratch/a" >"$scratch/cut"
serve "$admin" plain "$scratch/cut"
exits 'status that is cut off' 1 status --json --admin "$admin"
ok 'nothing is shown' test -z "$out"
exits 'reload with a status that is cut off' 1 reload --admin "$admin"
finish

serve "$admin" endless
exits 'status without an end' 1 status --admin "$admin"
finish
serve "$admin" silent
exits 'status that does not come' 1 status --admin "$admin"
err_has 'it says so' 'no answer in time'
finish

printf '{}' >"$scratch/nothing"
serve "$admin" plain "$scratch/nothing"
exits 'a status without members' 0 status --admin "$admin"
exits 'reload with no pid' 1 reload --admin "$admin"
finish
printf '{"pid":-1,"load":7,"workers":{"a":1},"policy":[1,null],"layers":[]}' >"$scratch/odd"
serve "$admin" plain "$scratch/odd"
exits 'members of other kinds' 0 status --admin "$admin"
exits 'reload with a negative pid' 1 reload --admin "$admin"
finish

if [[ $EUID -eq 0 ]]; then
	chmod 0777 "$scratch"
	serve "$admin" stranger "$scratch/a"
	exits 'a server of another user' 1 status --admin "$admin"
	err_has 'it is not trusted' 'not trusted'
	finish
else
	skip 'only root can be another user'
fi

# A process that notes SIGHUP stands for the broker.
bash -c 'trap "echo >>\"$1\"" HUP; trap "echo >\"$1.now\"" USR1; echo >"$2"
	for _ in {1..600}; do sleep 0.1 & wait; done' \
	- "$scratch/hup" "$scratch/up" &
victim=$!
for _ in {1..200}; do [[ -s $scratch/up ]] || sleep 0.02; done
# A signal that was sent before this one is handled before it, or with it.
got_signal() {
	rm -f "$scratch/hup.now"
	kill -USR1 "$victim"
	for _ in {1..500}; do
		[[ -s $scratch/hup.now ]] && break
		sleep 0.02
	done
	[[ -s $scratch/hup.now && -s $scratch/hup ]]
}
got_none() { ! got_signal && [[ -s $scratch/hup.now ]]; }

status_json "$victim" 4 true false ready >"$scratch/a"
status_json 1 4 true false ready >"$scratch/other"
serve "$admin" plain "$scratch/a" "$scratch/other"
exits 'reload: another broker between the two looks' 1 reload --admin "$admin"
ok 'nobody is signalled' got_none
finish

status_json "$victim" 4 true true ready >"$scratch/busy"
status_json "$victim" 5 true false ready >"$scratch/idle"
status_json "$victim" 5 true true draining >"$scratch/loading"
status_json "$victim" 6 true false draining >"$scratch/draining"
status_json "$victim" 6 true false ready >"$scratch/done"
serve "$admin" plain "$scratch"/{busy,busy,idle,loading,draining,done}
exits 'reload: while another load is under way' 0 reload --admin "$admin"
ok 'the broker is signalled' got_signal
err_has 'messages are shown' 'x.policy:1:1: error'
ok 'without escape sequences' lacks "$err" $'\e'
finish

status_json "$victim" 7 false false ready >"$scratch/failed"
serve "$admin" plain "$scratch"/{done,done,failed}
exits 'reload: not loaded' 2 reload --admin "$admin"
err_has 'the old one is kept' 'the old one is kept'
finish

serve "$admin" plain "$scratch"/{done,done,other}
exits 'reload: the broker ends' 1 reload --admin "$admin"
finish

done_testing
