#!/bin/bash
# SPDX-License-Identifier: MIT
# What a service manager does: it passes the listening socket, and is told of the start and the end.
. "$(dirname "$0")/../lib.sh"

echo "mine" >"$T/file"
policy 10-test.policy <<EOF
policy 1
allow user:$(id -u) read $T/file
EOF
# manager TYPE: make $T/socket, run the broker with it as descriptor 3; what it is told goes to $T/told.
cat >"$T/manager" <<'EOF'
use Socket;
use POSIX ();
my ($type, $dir, @command) = @ARGV;
my ($notify, $listener);
socket($notify, AF_UNIX, SOCK_DGRAM, 0) && bind($notify, sockaddr_un("$dir/notify")) or die "notify: $!";
socket($listener, AF_UNIX, $type eq 'seqpacket' ? SOCK_SEQPACKET : SOCK_STREAM, 0) or die "socket: $!";
bind($listener, sockaddr_un("$dir/socket")) && listen($listener, 128) or die "listen: $!";
my $pid = fork() // die "fork: $!";
if ($pid == 0) {
	POSIX::dup2(fileno($listener), 3);
	$ENV{LISTEN_FDS} = 1;
	$ENV{LISTEN_PID} = $$;
	$ENV{NOTIFY_SOCKET} = "$dir/notify";
	exec @command or die "exec: $!";
}
$SIG{TERM} = sub { kill 'TERM', $pid };
open(my $told, '>', "$dir/told") or die "told: $!";
$told->autoflush(1);
while (1) {
	my $set = '';
	vec($set, fileno($notify), 1) = 1;
	if (select($set, undef, undef, 0.05) > 0) { recv($notify, my $text, 4096, 0); print $told "$text\n"; }
	if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
		while (vec($set = '', fileno($notify), 1) = 1, select($set, undef, undef, 0) > 0) { recv($notify, my $text, 4096, 0); print $told "$text\n"; }
		exit($? >> 8);
	}
}
EOF
manage() {
	perl "$T/manager" "$1" "$T" "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" >"$T/log" 2>&1 &
	broker=$!
	brokers+=("$broker")
}
export FDBROKER_SOCKET=$T/socket
manage seqpacket
until_ok grep -q READY=1 "$T/told"
is "it says when it is ready" "READY=1" "$(cat "$T/told")"
is "it serves on the socket that it was given" "mine" "$(fdbroker cat "$T/file")"
ok "its own admin socket is there" test -S "$T/socket.admin"
ok "reload works" fdbroker reload
stop_broker
is "it ends with 0" 0 $?
is "and says that it does" "READY=1 STOPPING=1" "$(tr '\n' ' ' <"$T/told" | sed 's/ $//')"
ok "the socket is the manager's, and stays" test -S "$T/socket"
ok "the admin socket is not" test ! -e "$T/socket.admin"

rm -f "$T/socket" "$T/notify" "$T/told"
manage stream
wait "$broker"
is "a socket of another type is refused" 1 $?
has "with what to do" "ListenSequentialPacket" "$(cat "$T/log")"
finished
