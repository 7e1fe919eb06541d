#!/bin/bash
# SPDX-License-Identifier: MIT
# Help, usage errors, and that every place which lists subcommands and options lists all of them.
# shellcheck disable=SC2154
. "$(dirname "$0")/tap.sh"

exits 'no subcommand' 2
err_has 'it says so' 'no subcommand'
ok 'nothing on standard output' test -z "$out"
exits 'help' 0 help
help=$out
exits '--help' 0 --help
ok '--help is help' is "$out" "$help"
exits '-h' 0 -h
exits '--version' 0 --version
ok 'the version' has "$out" 'fdbroker '
exits '-V' 0 -V

mapfile -t commands < <(sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\{1,\}\) .*/\1/p' <<<"$help")
ok 'help lists the subcommands' is "${commands[*]}" 'cat open ls stat check can explain whoami status reload help'
for c in "${commands[@]}"; do
	exits "help $c" 0 help "$c"
	text=$out
	exits "$c --help" 0 "$c" --help
	ok "$c --help is help $c" is "$out" "$text"
	ok "$c: usage line" has "$out" "Usage: fdbroker $c"
	ok "$c: no line is too long" test -z "$(awk 'length > 100' <<<"$out")"
	ok "$c: exit codes" has "${out}Exit: help" 'Exit: '
	exits "$c: unknown option" 2 "$c" --no-such-option
	err_has "$c: says where help is" "Try 'fdbroker help $c'."
done

exits 'mistyped subcommand' 2 relaod
err_has 'did you mean' "did you mean 'reload'?"
exits 'help for a mistyped subcommand' 2 help chekc
err_has 'did you mean, in help' "did you mean 'check'?"
exits 'nothing like a subcommand' 2 frobnicate
ok 'no guess then' lacks "$err" 'did you mean'
exits 'a beginning of a subcommand' 2 whoa
err_has 'did you mean, by the beginning' "did you mean 'whoami'?"
exits 'mistyped option' 2 status --jsno
err_has 'did you mean, options' "did you mean '--json'?"
exits 'mistyped global option' 2 --sokcet=/x status
err_has 'did you mean, global options' "did you mean '--socket'?"
exits 'option without its value' 2 status --admin
err_has 'it needs one' "'--admin' needs a value"
exits 'option with an empty value' 2 status --admin=
exits 'value where none is taken' 2 status --json=1
err_has 'it takes none' 'takes no value'
exits 'an option of another subcommand' 2 check --all
exits 'and of can' 2 can --all user:0 read /x
exits 'unknown letter' 2 -x
exits 'a control character in a subcommand' 2 $'\e[31mcat'
ok 'it is escaped' has "$err" '\x1b[31mcat'

exits 'cat without a path' 2 cat
exits 'open without a path' 2 open
exits 'open without a program' 2 open /x
exits 'open with nothing behind --' 2 open /x --
exits 'open with the program before --' 2 open /x true
exits 'open with two paths' 2 open /x /y -- true
err_has 'the program stands behind --' "behind '--'"
for flags in reed '' 'read,' append trunc read,append excl write,excl; do
	exits "open --flags='$flags'" 2 open --flags "$flags" /x -- true
done
exits 'open --flags=wirte' 2 open --flags=wirte /x -- true
err_has 'did you mean, flags' "did you mean 'write'?"
exits 'open --flags=write,creat' 2 open --flags=write,creat /x -- true
err_has 'did you mean, flags' "did you mean 'create'?"
exits 'open --flags=write,excl' 2 open --flags=write,excl /x -- true
err_has 'what it needs' 'excl needs create: --flags=create,write,excl'
for mode in 8 0x1 -1 1000 4755 07777 00640 ' 640' 640x u=rw; do
	exits "open --mode='$mode'" 2 open --flags=write,create --mode="$mode" /x -- true
	err_has 'it is none' 'not an octal mode'
done
for mode in 0 7 640 0640 0777; do
	exits "open --mode=$mode" 1 --socket "$scratch/none" open --flags=write,create --mode=$mode /x -- true
	err_has 'it is one' 'no broker at'
done
exits 'open --mode of what is not created' 2 open --flags=write --mode=640 /x -- true
err_has 'it says so' '--mode needs --flags=create'
exits 'ls without a path' 2 ls
exits 'ls --long and --null' 2 ls --long --null /x
exits 'stat without a path' 2 stat
for fd in x -1 1x ' 1' 99999999999999999999 1000000000; do
	exits "open --fd='$fd'" 2 open --fd="$fd" /x -- true
done
exits 'can with two operands' 2 can user:0 read
exits 'can with four operands' 2 can user:0 read /x /y
exits 'explain with two operands' 2 explain user:0 read
exits 'status with an operand' 2 status x
exits 'reload with an operand' 2 reload x
exits 'help with two operands' 2 help cat open
exits 'whoami with an operand' 2 whoami x
for uid in x -1 1x +1 ' 1' '1 ' 0x1 4294967295 4294967296 99999999999999999999; do
	exits "--server-uid='$uid'" 2 --server-uid="$uid" cat /x
	exits "whoami --server-uid='$uid'" 2 whoami --server-uid "$uid"
done
for uid in 0 1 65534 4294967294; do
	exits "--server-uid=$uid" 1 --socket "$scratch/none" --server-uid="$uid" cat /x
	err_has 'it is one' 'no broker at'
done
exits '--server-uid where no broker is asked' 2 check --server-uid=0

if [[ -w /dev/full ]]; then
	"$fdbroker" help >/dev/full 2>"$scratch/.err"
	status=$? err=$(<"$scratch/.err") out=
	ok 'a full standard output is an error' test "$status" -eq 1
	err_has 'it says so' 'standard output'
fi

# Manual page and completion know what the program knows.
mapfile -t options < <(for c in '' "${commands[@]}"; do "$fdbroker" ${c:+"$c"} --help; done |
	sed -n 's/^  \(   \|-.,\) --\([a-z-]*\).*/\2/p' | sort -u)
ok 'there are options' test "${#options[@]}" -ge 8
page=$root/cli/fdbroker.1
for c in "${commands[@]}"; do
	ok "manual page: $c" grep -Eq "^(\.It )?\.?Cm $c( |$)|^\.It Cm $c( |$)" "$page"
done
# Words of --flags, in all places.
flags=$("$fdbroker" help open | sed -n 's/^LIST: \(.*\)\.$/\1/p')
ok 'there are flags' has "$flags" ',create,excl,'
for flag in ${flags//,/ }; do
	ok "manual page: flag $flag" grep -Eq "^\.Cm $flag( |$)" "$page"
done
for o in "${options[@]}"; do
	ok "manual page: --$o" grep -Eq "^\.It Fl (. , Fl )?-$o( |$)" "$page"
done
for code in 0 1 2 126 127; do
	ok "manual page: exit $code" grep -qx "\.It $code" "$page"
done
if command -v mandoc >/dev/null; then
	ok 'manual page: mandoc finds nothing' mandoc -Tlint -W warning "$page"
else
	skip 'no mandoc'
fi

. "$root/cli/completion.bash"
complete_line() {
	COMP_LINE="fdbroker $1" COMP_POINT=$((${#1} + 9)) COMPREPLY=()
	_fdbroker
	completed=$(printf '%s\n' "${COMPREPLY[@]}")
}
unset status
complete_line ''
ok 'completion: subcommands' is "$completed" "$(printf '%s\n' "${commands[@]}")"
complete_line 'help '
ok 'completion: subcommands of help' is "$completed" "$(printf '%s\n' "${commands[@]}")"
complete_line --
ok 'completion: global options' is "$(sort <<<"$completed")" $'--admin\n--help\n--server-uid\n--socket\n--version'
for c in "${commands[@]}"; do
	complete_line "$c --"
	wanted=$("$fdbroker" help "$c" | sed -n 's/^  \(   \|-.,\) \(--[a-z-]*\).*/\2/p' | sort)
	ok "completion: options of $c" is "$(grep -vx -- -- <<<"$completed" | sort)" "$wanted"
done
complete_line 'open --flags='
ok 'completion: all flags' is "$(paste -sd, <<<"$completed")" "$flags"
complete_line 'open --flags=write,app'
ok 'completion: flags' is "$completed" 'write,append'
complete_line 'open --flags=write,cr'
ok 'completion: flags of creation' is "$completed" 'write,create'
complete_line 'can user:root read,wr'
ok 'completion: verbs' is "$completed" 'read,write'
complete_line 'explain user:root a'
ok 'completion: any verb' is "$completed" 'any'
complete_line 'can user:root read,a'
ok 'completion: any verb stands alone' is "$completed" ''
for kind in group unit label; do
	COMP_WORDBREAKS=$' \t\n"\'><=;|&(' complete_line "explain user:root+${kind:0:2}"
	ok "completion: WHO, $kind" is "$completed" "user:root+$kind:"
done
complete_line 'explain an'
ok 'completion: WHO, any' is "$completed" any
complete_line 'explain --on '
ok 'completion: a day' is "$completed" "$(date -u +%F)"
complete_line 'can us'
ok 'completion: WHO' is "$completed" 'user:'
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:' complete_line 'can user:roo'
ok 'completion: users, with the colon between words' is "$completed" root
COMP_WORDBREAKS=$' \t\n"\'><=;|&(' complete_line 'can group:7+user:roo'
ok 'completion: users, behind another atom' is "$completed" group:7+user:root
mkdir "$scratch/policy.d"
complete_line "check --policy $scratch/pol"
ok 'completion: directories' is "$completed" "$scratch/policy.d"
complete_line "ls $scratch/pol"
ok 'completion: directories to list' is "$completed" "$scratch/policy.d"
complete_line "--socket=$scratch/pol"
ok 'completion: a path behind =' is "$completed" "$scratch/policy.d"

done_testing
