#!/bin/bash
# SPDX-License-Identifier: MIT
# strictmodes=yes against what is in this machine's /var/log, /etc, /srv and /home, file by file, and against
# what packages put there that are not installed here. In a mount namespace of its own.
. "$(dirname "$0")/../mounts.sh"
. "$(dirname "$0")/../lib.sh"
needs_root

S=61004 # as A, with strictmodes=sticky
# Who owns what there: systemd-journal, Debian-exim, postgres, a user; their groups have the same numbers.
JOURNAL=61005 EXIM=61006 POSTGRES=61007 U=61008
WWW=33 ADM=4 MAIL=8
M=$T/machine
mkdir -m 755 "$M"

# put MODE OWNER:GROUP DIRECTORY, or FILE MODE OWNER:GROUP of a regular file.
put() {
	mkdir -p "$M/$3" && chown "$2" "$M/$3" && chmod "$1" "$M/$3"
}
put_file() {
	echo "$3" >"$M/$3" && chown "$2" "$M/$3" && chmod "$1" "$M/$3"
}
put 755 0:0 log
put 2755 0:$JOURNAL log/journal
put 2755 0:$JOURNAL log/journal/machine
put_file 640 0:$JOURNAL log/journal/machine/system.journal
"$BUILD/tests/system/tool-strict" acl "$M/log/journal/machine" $ADM 5
put 755 0:0 log/apt
put_file 640 0:$ADM log/apt/term.log
put 2750 $EXIM:$ADM log/exim4
put_file 640 $EXIM:$ADM log/exim4/mainlog
put 755 0:$ADM log/nginx
put_file 640 $WWW:$ADM log/nginx/access.log
put 1775 0:$POSTGRES log/postgresql
put_file 640 $POSTGRES:$ADM log/postgresql/main.log
put 710 0:$ADM ssl/private
put_file 640 0:$ADM ssl/private/key
put 755 0:0 home
put 700 $U:$U home/closed
put 700 $U:$U home/closed/.ssh
put_file 600 $U:$U home/closed/.ssh/id
put_file 600 0:0 home/closed/roots
put 755 $U:$U home/open
put_file 664 $U:$U home/open/file
put 775 $U:$U home/open/umask-002
put_file 664 $U:$U home/open/umask-002/file
put 2775 0:$MAIL mail
put_file 660 $U:$MAIL mail/u
put 775 0:$ADM ubuntu-log
put_file 640 0:$ADM ubuntu-log/syslog
put 755 0:0 acl
put_file 640 0:0 acl/file
"$BUILD/tests/system/tool-strict" acl "$M/acl" $ADM 7

trees=(/var/log /etc /srv /home "$M")
policy 10-test.policy <<EOF
policy 1
allow user:$A|user:$POSTGRES read,stat ${trees[*]/%//**} hidden audit=deny
allow user:$S read,stat ${trees[*]/%//**} hidden audit=deny strictmodes=sticky
EOF
start_broker

# ask UID TREE...: of every regular file there, into $T/answers.
ask() {
	local uid=$1
	shift
	find "$@" -type f -print0 2>/dev/null | as "$uid" "$BUILD/tests/system/tool-strict" ask >"$T/answers"
}
# Compare with the definition, read anew: who could have put a file there, beside root and its owner?
judge() {
	perl -0 -ne '
		chomp;
		my ($open, $stat, $path) = /^(-?\d+) (-?\d+) (.*)$/s or die "not an answer: $_";
		my @file = lstat $path or next;
		my ($why, $next) = ("", $path);
		for (my $d = $path; $d =~ s,/[^/]*$,, ;) {
			my @s = lstat(length $d ? $d : "/") or last;
			my @n = lstat $next;
			my $name = sprintf "%s mode=0%o owner=%d", length $d ? $d : "/", $s[2] & 07777, $s[4];
			$why = "$name: neither root nor the owner of the file" if $s[4] != 0 && $s[4] != $file[4];
			$why = "$name: others write" if $s[2] & 022 && !($s[2] & 01000);
			$why = "$name: sticky, and it is no directory" if $s[2] & 022 && $s[2] & 01000 && $next eq $path;
			$why = "$name: sticky in sticky" if $s[2] & 022 && $s[2] & 01000 && $n[2] & 022 && -d _;
			$next = $d;
		}
		$n{all}++;
		$n{refused}++ if $open == 13;
		$path =~ s/[^ -~]/?/g;
		if ($open != $stat || $open != ($why ? 13 : 0)) {
			print "WRONG $open $stat $path: ", $why || "nobody else could", "\n";
		} elsif ($why) {
			print "refused $path: $why\n";
		}
		END { printf "%d files, %d refused\n", $n{all}, $n{refused}; }' "$T/answers"
}

# --- this machine

# Others change it meanwhile.
for _ in 1 2 3; do
	ask $A /var/log /etc /srv /home
	said=$(judge)
	grep -q ^WRONG <<<"$said" || break
done
printf '%s\n' "$said" | head -n 200 | sed 's/^/# /'
ok "every regular file of this machine: refused where others could have put it, and nowhere else" test "$(grep -c ^WRONG <<<"$said")" = 0
ok "there were some" test "$(sed -n 's/ files, .*//p' <<<"$said")" -gt 100
# logged N PATTERN: so many lines, or more, by now.
logged() { [ "$(grep -cE -- "$2" "$T/log")" -ge "$1" ]; }
ok "the log has each, twice" until_ok logged "$(($(grep -c ^refused <<<"$said") * 2))" ' condition=strictmodes '
# The log's reason for each of them, how often.
sed -n 's/.* condition=\(strictmodes .*\)$/# the log: \1/p' "$T/log" | sort | uniq -c | sed 's/^ *\([0-9]*\) \(.*\)$/\2: \1/'

# --- what packages put there

ask $A "$M"
said=$(judge)
ok "the same of what is not installed here" test "$(grep -c ^WRONG <<<"$said")" = 0
grep ^WRONG <<<"$said" | sed 's/^/# /'
is "and some of it is refused" "13 files, 6 refused" "$(tail -n 1 <<<"$said")"

# gets UID FILE: 0 or an errno value.
gets() { printf '%s\0' "$M/$2" | as "$1" "$BUILD/tests/system/tool-strict" ask | cut -d ' ' -f 1; }
# both WHAT FILE YES STICKY [DIRECTORY MODE OWNER]: what comes for each word, and what the log names.
both() {
	is "$1" "$3 $4" "$(gets $A "$2") $(gets $S "$2")"
	[ $# -lt 7 ] || ok "- the log says so" until_ok logged 1 "uid=$A .*path=\"$M/$2\" condition=strictmodes directory=\"$M/$5\" mode=0$6 owner=$7\$"
}
both "the journal, 2755 root:systemd-journal, its list gives adm r-x" log/journal/machine/system.journal 0 0
both "a list that lets a group write" acl/file 13 13 acl 775 0
both "/var/log/apt" log/apt/term.log 0 0
both "/var/log/exim4, 2750 Debian-exim:adm" log/exim4/mainlog 0 0
both "/var/log/nginx, of root, with files of www-data" log/nginx/access.log 0 0
both "/var/log/postgresql, 1775 root:postgres: with strictmodes=sticky alone" log/postgresql/main.log 13 0 log/postgresql 1775 0
is "or by postgres itself" 0 "$(gets $POSTGRES log/postgresql/main.log)"
both "/etc/ssl/private" ssl/private/key 0 0
both "a home of mode 0700" home/closed/.ssh/id 0 0
both "what is root's in it: its owner may have moved it there" home/closed/roots 13 13 home/closed 700 $U
both "a home of mode 0755" home/open/file 0 0
both "a directory that was made with umask 002: its group may write, be it the user's own" home/open/umask-002/file 13 13 home/open/umask-002 775 $U
both "/var/mail, 2775 root:mail: whoever has the group mail puts there what it likes" mail/u 13 13 mail 2775 0
both "/var/log of root:syslog that its group may write, as in Ubuntu" ubuntu-log/syslog 13 13 ubuntu-log 775 0

stop_broker
is "SIGTERM ends it with 0" 0 $?
finished
