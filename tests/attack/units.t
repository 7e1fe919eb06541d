#!/bin/bash
# SPDX-License-Identifier: MIT
# Who is in a system unit, with real control groups, and what a user does to be taken for one who is.
. "$(dirname "$0")/../lib.sh"
needs_root

U=fdbroker-test-$$.service      # the unit of the rules
S=fdbroker-test-$$.slice        # a slice of our own
M=user@$A.service               # what a user's own manager runs in
HOME_OF_A=user.slice/user-$A.slice/$M
KERNEL=$BUILD/tests/attack/tool-kernel

# Control groups name units in the unified hierarchy, in systemd's own, or in both. One root of each.
unified='' named=''
while read -r _ _ _ root where rest; do
	case "$root ${rest##* - }" in
	"/ cgroup2 "*) unified=${unified:-$where} ;;
	"/ cgroup "*name=systemd*) named=${named:-$where} ;;
	esac
done </proc/self/mountinfo
roots=(${unified:+"$unified"} ${named:+"$named"})
echo "# control groups: ${unified:+unified at $unified} ${named:+name=systemd at $named}"
[ ${#roots[@]} -gt 0 ] || echo "Bail out! No hierarchy of control groups is mounted."

# What was made, in that order. Whoever is still in it ends first.
made=()
finish_group() {
	local pid
	# Names may be too long for more than one step at a time.
	while read -r pid; do
		[ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
	done < <(find "$1" -name cgroup.procs -execdir cat {} \; 2>/dev/null)
	[ ! -d "$1" ] || find "$1" -depth -type d -delete
}
finish_groups() {
	local i
	for ((i = ${#made[@]} - 1; i >= 0; i--)); do until_ok finish_group "${made[i]}"; done
	made=()
}
# A second signal does not stop the clearing up.
trap 'trap "" INT TERM HUP; finish_groups; finish' EXIT
trap 'trap "" INT TERM HUP; exit 1' INT TERM HUP

# group PATH [ROOT...]: make this control group, and those above it that are not there.
group() {
	local path=$1 root part at
	shift
	[ $# -gt 0 ] || set -- "${roots[@]}"
	for root; do
		at=$root
		while read -r -d / part; do
			at=$at/$part
			if [ ! -d "$at" ]; then mkdir "$at" && made+=("$at"); fi
		done <<<"$path/"
	done
}

# inside PATH UID COMMAND...: there, in each hierarchy.
inside() (
	path=$1 uid=$2
	shift 2
	for root in "${roots[@]}"; do echo 0 >"$root/$path/cgroup.procs" || exit 99; done
	as "$uid" "$@"
)

for name in unit glob other manager any plain; do echo $name >"$T/$name"; done
chmod 600 "$T"/*
rules() {
	policy 10-test.policy <<-END
		policy 1
		allow user:$A+unit:$U read $T/unit
		allow user:$A+unit:fdbroker-test-$$*.service read $T/glob
		allow user:$A+unit:fdbroker-other-$$@*.service read $T/other
		allow user:$A+unit:$M read $T/manager
		allow user:$A+unit:* read $T/any
		allow user:$A read $T/plain
	END
}
# In a user namespace the server looks like nobody.
export FDBROKER_SERVER_UID=65534
# What a process gets: the names of the files.
cat >"$T/gets" <<END
#!/bin/sh
exec "$BUILD/fdbroker" cat "$T/unit" "$T/glob" "$T/other" "$T/manager" "$T/any" "$T/plain" 2>/dev/null
END
chmod 755 "$T/gets"
gets() { inside "$1" "$A" "$T/gets" | tr '\n' ' '; }

# under LACKS: a broker on a kernel that lacks this.
under() {
	: >"$T/log"
	mkdir -p "$T/policy"
	# shellcheck disable=SC2086
	"$KERNEL" $1 -- "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" >>"$T/log" 2>&1 &
	broker=$!
	brokers+=("$broker")
	export FDBROKER_SOCKET=$T/socket
	until_ok grep -q 'listening on' "$T/log" || sed 's/^/# /' "$T/log"
}
end_broker() {
	stop_broker
	is "$1: the broker ends with 0" 0 $?
	has "$1: nothing of it died" "^0$" "$(grep -cE 'died|killed|ERROR: ' "$T/log")"
}

group "system.slice/$U/payload/sub"
group "$S/$U"
group "$S/fdbroker-test-$$-in.slice/$U"
group "$S/fdbroker-other-$$@home.service/$U"
group "$S/fdbroker-test-$$@home.service"
group "$S/_$U"
for near in "x$U" "${U}x" "${U%e}" "$U (deleted)" "fdbroker-test-$$.Service" "__$U" "fdbroker-test-$$"; do group "$S/$near"; done

# --- whoever is in the unit, and whoever is not ---------------------------------------------------
honest() {
	is "$1: a process of the unit is served" "unit glob any plain " "$(gets "system.slice/$U")"
	is "$1: one that is in none is not" "plain " "$(gets "$S")"
	is "$1: nor one in the root of all groups" "plain " "$(gets "")"
	is "$1: nor one in another unit" "other any plain " "$(gets "$S/fdbroker-other-$$@home.service")"
	is "$1: a group within the unit is the unit" "unit glob any plain " "$(gets "system.slice/$U/payload/sub")"
	is "$1: the unit's name within another unit is the other" "other any plain " "$(gets "$S/fdbroker-other-$$@home.service/$U")"
	is "$1: the rule is for a user as well" "" "$(inside "system.slice/$U" $B "$T/gets")"
}
rules
for lacks in "" "peerpidfd" "peerpidfd pidfdinfo"; do
	if [ "$lacks" ]; then under "$lacks"; else start_broker; fi
	honest "${lacks:-this kernel}"
	end_broker "${lacks:-this kernel}"
done
under "peerpidfd pidfdinfo pidfd"
says() { inside "$1" $A "$BUILD/fdbroker" whoami 2>&1 | sed -n 's/^unit[^a-z]*//p'; }
is "without any pidfd nobody is in a unit" "plain " "$(gets "system.slice/$U")"
is "and is told so" "in no system unit" "$(says "system.slice/$U")"
is "and a client is served that needs none" "plain " "$(gets "$S")"
end_broker "without any pidfd"

# --- names ----------------------------------------------------------------------------------------
: >"$T/log"
start_broker
is "the slice does not matter" "unit glob any plain " "$(gets "$S/$U")"
is "nor how deep it is" "unit glob any plain " "$(gets "$S/fdbroker-test-$$-in.slice/$U")"
is "whoami says the unit" "$U" "$(says "system.slice/$U/payload/sub")"
is "and that there is none" "in no system unit" "$(says "$S")"
is "an instance of a template meets a pattern" "glob any plain " "$(gets "$S/fdbroker-test-$$@home.service")"
is "a name that had to be escaped is the name" "unit glob any plain " "$(gets "$S/_$U")"
for near in "x$U" "${U}x" "${U%e}" "$U (deleted)" "fdbroker-test-$$.Service" "__$U" "fdbroker-test-$$"; do
	has "'$near' is not the unit" "^(glob )?(any )?plain $" "$(gets "$S/$near")"
done
long=$(printf '%0*d' $((255 - ${#U})) 0)$U
group "$S/$long"
policy 20-long.policy <<EOF2
policy 1
allow user:$B+unit:$long read $T/unit
EOF2
ok "a rule for a unit with a name of 255 bytes" "$BUILD/fdbroker" reload
is "its process is served" "unit" "$(inside "$S/$long" $B "$BUILD/fdbroker" cat "$T/unit" 2>/dev/null)"
is "one in the unit whose name is its end is not" "" "$(inside "$S/$U" $B "$BUILD/fdbroker" cat "$T/unit" 2>/dev/null)"
rm "$T/policy/20-long.policy"
"$BUILD/fdbroker" reload >/dev/null

if [ ${#roots[@]} = 2 ]; then
	is "in two hierarchies the unified one decides: in the unit there" "unit glob any plain " \
		"$(echo 0 >"$named/cgroup.procs"; roots=("$unified"); gets "system.slice/$U")"
	is "and in the unit only by systemd's own" "plain " \
		"$(echo 0 >"$unified/cgroup.procs"; roots=("$named"); gets "system.slice/$U")"
fi

# --- a user to whom a part of the tree was given, as to a user's own manager ----------------------
group "$HOME_OF_A/home"
for root in "${roots[@]}"; do
	for at in "$root/$HOME_OF_A" "$root/$HOME_OF_A/home"; do
		for file in "$at" "$at/cgroup.procs" "$at/cgroup.subtree_control" "$at/tasks"; do
			if [ -e "$file" ]; then chown $A "$file"; fi
		done
	done
done
# enter PATH COMMAND...: as that user make PATH beneath what it was given, go there, and look where that is.
cat >"$T/enter" <<END
#!/bin/bash
path=\$1; shift
for root in $(printf '%q ' "${roots[@]}"); do
	mkdir -p "\$root/$HOME_OF_A/\$path" && echo 0 >"\$root/$HOME_OF_A/\$path/cgroup.procs" || exit 1
done
cat /proc/self/cgroup >&3
exec "\$@"
END
chmod 755 "$T/enter"
# moves PATH: it does, and is in its manager's unit and no other.
moves() {
	local got
	got=$(inside "$HOME_OF_A/home" $A "$T/enter" "$1" "$T/gets" 3>"$T/seen" | tr '\n' ' ')
	is "it is in $(printf %q "$1") of its own" ${#roots[@]} "$(grep -cF -- "/$HOME_OF_A/$1" "$T/seen")"
	# What the kernel writes behind a group that was removed: then there is no unit at all.
	case $1 in
	*" (deleted)") is "and that is in no unit" "plain " "$got" ;;
	*) is "and that is its manager's unit" "manager any plain " "$got" ;;
	esac
}
is "a user's manager is the unit user@UID" "manager any plain " "$(gets "$HOME_OF_A/home")"
for path in "$U" "system.slice/$U" "system.slice/nginx.service" "-.slice/system.slice/$U" ".slice/$U" "a b/system.slice/$U" \
	"0::/system.slice/$U" "0::" "1:name=systemd:/system.slice/$U" "name=systemd:" "::::" "$U (deleted)" "system.slice/$U (deleted)/x" "_$U" \
	"$(printf '%0255d' 0)/$U" $'\e[1m\r\t\x80\xff;uid=0/'"$U" "%s%n/$U" "\\012$U"; do
	moves "$path"
done
newline=$'\n0::'
is "no name has a line of its own" 1 "$(inside "$HOME_OF_A/home" $A "$T/enter" "$newline/system.slice/$U" "$T/gets" >/dev/null 2>&1 3>&1; echo $?)"
is "the real unit does not let it in" 1 "$(inside "$HOME_OF_A/home" $A "$T/enter" "../../../system.slice/$U" "$T/gets" >/dev/null 2>&1 3>&1; echo $?)"
is "nor what the real unit has below it" 1 "$(inside "$HOME_OF_A/home" $A "$T/enter" "../../../system.slice/$U/payload" "$T/gets" >/dev/null 2>&1 3>&1; echo $?)"
is "nor can it make a group beside it" 1 "$(inside "$HOME_OF_A/home" $A "$T/enter" "../../../system.slice/x$U" "$T/gets" >/dev/null 2>&1 3>&1; echo $?)"

# deep ROOT LEVELS: so many groups with long names, one in another, and there what comes.
cat >"$T/deep" <<'END'
my ($home, $levels, @command) = @ARGV;
chdir $home or die "$home: $!";
for (1 .. $levels) { my $name = 'd' x 240; mkdir $name; chdir $name or die "level $_: $!"; }
mkdir 'system.slice';
chdir 'system.slice' or die "last: $!";
open(my $procs, '>', 'cgroup.procs') or die "enter: $!";
syswrite($procs, '0') or die "enter: $!";
exec @command or die "exec: $!";
END
deep() { inside "$HOME_OF_A/home" $A perl "$T/deep" "$1/$HOME_OF_A" "$2" "$T/gets" | tr '\n' ' '; }
for root in "${roots[@]}"; do
	for levels in 15 16 17 40; do
		has "$levels deep below $root, over 4096 bytes with the rest: no unit but its manager's" "^(manager any )?plain $" "$(deep "$root" $levels)"
	done
done
if [ ${#roots[@]} = 2 ]; then
	is "a long line before the one that counts does not hide that" "manager any plain " "$(deep "$named" 15)"
fi

# --- namespaces -----------------------------------------------------------------------------------
mkdir "$T/mnt"
echo "0::/system.slice/$U" >"$T/fake"
chmod 644 "$T/fake"
# within OPTIONS COMMAND: as the user, in namespaces of its own.
within() { inside "$HOME_OF_A/home" $A unshare -r $1 sh -c "$2" sh "$T" "$U" 3>"$T/seen" | tr '\n' ' '; }
is "a user namespace changes nothing" "manager any plain " "$(within -U '"$1/gets"')"
is "nor a control group namespace" "manager any plain " "$(within -UC 'cat /proc/self/cgroup >&3; "$1/gets"')"
has "in which it sees itself at the root" "::?/$|=systemd:/$" "$(cat "$T/seen")"
mounted='mount -t cgroup2 none "$1/mnt" 2>/dev/null || mount -t cgroup -o none,name=systemd none "$1/mnt" || exit 1'
is "nor a mount of its own, with the unit's name in it" "manager any plain " \
	"$(within -UCm "$mounted"'; mkdir -p "$1/mnt/system.slice/$2" && echo 0 >"$1/mnt/system.slice/$2/cgroup.procs" && cat /proc/self/cgroup >&3 && "$1/gets"')"
has "where it is in the unit, as it sees it" ":/system.slice/$U$" "$(cat "$T/seen")"
is "nor a /proc of its own" "manager any plain " "$(within "-Um -pf --mount-proc" 'echo $$ >&3; "$1/gets"')"
is "where it is process 1" 1 "$(cat "$T/seen")"
is "nor a file over what /proc says" "manager any plain " \
	"$(within -Um 'mount -t tmpfs none /proc && mkdir /proc/self && cp "$1/fake" /proc/self/cgroup && cat /proc/self/cgroup >&3; "$1/gets"')"
is "though it reads there what it wrote" "0::/system.slice/$U" "$(cat "$T/seen")"
is "and all the time the unit's own process is served" "unit glob any plain " "$(gets "system.slice/$U")"
end_broker "a user's own groups"

# --- a broker in a control group namespace --------------------------------------------------------
group "$S/box/system.slice/$U"
group "$S/box/broker"
: >"$T/log"
(
	for root in "${roots[@]}"; do echo 0 >"$root/$S/box/cgroup.procs"; done
	exec unshare -C "$BUILD/fdbrokerd" --socket "$T/socket" --policy "$T/policy" >>"$T/log" 2>&1
) &
broker=$!
brokers+=("$broker")
until_ok grep -q 'listening on' "$T/log"
is "a broker in a control group namespace serves the units in it" "unit glob any plain " "$(gets "$S/box/system.slice/$U")"
is "what is outside of it has no unit" "plain " "$(gets "system.slice/$U")"
end_broker "in a namespace"

# --- the moment of connect ------------------------------------------------------------------------
# It asks once for each line that it reads, on one connection.
steps() {
	coproc ASKS { inside "$1" $A "$BUILD/tests/system/tool-client" steps "$T/unit"; }
	asks=$ASKS_PID
}
step() { local answer; echo >&"${ASKS[1]}"; read -r -t 10 answer <&"${ASKS[0]}"; echo "$answer"; }
# Whoever asks is one or more levels of shell below.
move() {
	local root pid
	for root in "${roots[@]}"; do
		while read -r pid; do echo "$pid" >"$root/$2/cgroup.procs"; done <"$root/$1/cgroup.procs"
	done
}
: >"$T/log"
start_broker
steps "$S/$U"
is "a process of the unit connects" ok "$(step)"
move "$S/$U" "$S"
is "it is moved out of it, and keeps its connection" ok "$(step)"
is "a new one from there is refused" "plain " "$(gets "$S")"
kill "$asks"
wait "$asks" 2>/dev/null
steps "$S"
is "a process of no unit connects" EACCES "$(step)"
move "$S" "$S/$U"
is "it is moved into one, and its connection stays what it was" EACCES "$(step)"
is "a new one from there is served" "unit glob any plain " "$(gets "$S/$U")"
kill "$asks"
wait "$asks" 2>/dev/null
end_broker "moved"

# --- the peer has died, and its pid is another's --------------------------------------------------
policy 10-test.policy <<EOF2
policy 1
allow user:$A+unit:$U read $T/unit
EOF2
procs=()
for root in "${roots[@]}"; do procs+=("$root/system.slice/$U/cgroup.procs"); done
# reuse FATE SENDER NEXT: what came, and of how many workers of the user the broker has heard.
reuse() {
	"$BUILD/tests/attack/tool-reuse" "$1" "$2" "$broker" "$T/unit" $A "$3" "${procs[@]}"
	[ -z "$(worker_of $A)" ] || echo served
}
# SO_PEERPIDFD, since Linux 6.5.
has_peerpidfd() {
	perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die; exit !defined getsockopt(A, SOL_SOCKET, 77)'
}
for lacks in "" "peerpidfd pidfdinfo"; do
	now=${lacks:-this kernel}
	if [ "$lacks" ]; then under "$lacks"; else : >"$T/log"; start_broker; fi
	is "$now: a peer that died is in no unit" EACCES "$(reuse dead user $A)"
	is "$now: nor is one whose pid is another user's by now, there" EACCES "$(reuse reused root $B)"
	is "$now: nor the same, asked for by a process of the first" EACCES "$(reuse reused user $B)"
	is "$now: nor one that is only really that user" EACCES "$(reuse reused root $A:$B:$A:$A)"
	is "$now: nor one that is only really of that group" EACCES "$(reuse reused root $A:$A:$A:$B)"
	if [ ! "$lacks" ] && has_peerpidfd; then
		is "$now: nor one whose pid a process of the same user has, there" EACCES "$(reuse reused root $A)"
	fi
	is "$now: a message with another pid than the connection's is refused" EACCES "$(reuse reused user $A | head -n 1)"
	end_broker "$now"
	: >"$T/log"
	if [ "$lacks" ]; then under "$lacks"; else start_broker; fi
	is "$now: one that lives outside of it is refused" EACCES "$(reuse outside root $A)"
	is "$now: one that lives in the unit is served" "granted served" "$(reuse alive root $A | tr '\n' ' ' | sed 's/ $//')"
	end_broker "$now"
done

# --- nobody asks ----------------------------------------------------------------------------------
# Whoever asks for a pidfd of a peer is killed.
policy 10-test.policy <<EOF2
policy 1
allow user:$A read $T/plain
EOF2
under looks
is "no rule asks for a unit: the broker does not look" "plain " "$(gets "system.slice/$U")"
has "and says that it did not" "^not looked at" "$(says "system.slice/$U")"
end_broker "nobody asks"
rules
under looks
many=$A:$(seq -s , 100001 101025)
is "a rule asks for one: too many groups are asked for before, and are enough" "" "$(inside "system.slice/$U" "$many" "$T/gets")"
end_broker "too many groups"
under looks
{ got=$(gets "system.slice/$U"); stop_broker; status=$?; } 2>/dev/null
is "a rule asks for one: it does" "" "$got"
is "and is killed for it here" 159 $status

# --- labels, which only a security module gives ---------------------------------------------------
policy 10-test.policy <<EOF2
policy 1
allow user:$A read $T/plain
allow user:$A+label:fdbroker-test read $T/any
EOF2
under looks
{ got=$(gets "$S"); stop_broker; status=$?; } 2>/dev/null
is "a rule asks for a label: the broker looks" "" "$got"
is "and is killed for that here" 159 $status
: >"$T/log"
start_broker
is "without a label a peer is in the other rules" "plain " "$(gets "$S")"
end_broker "no label"
under peersec
is "a peer whose label cannot be read is refused: a deny may name it" "" "$(gets "$S")"
end_broker "no answer"
finished
