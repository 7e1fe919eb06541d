# SPDX-License-Identifier: MIT
# Completion of fdbroker(1) for bash; works without the bash-completion package.

_fdbroker_words() {
	local word
	while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@")
}

_fdbroker_files() {
	_fdbroker_words "$@"
	compopt -o filenames 2>/dev/null
}

# The last element of a comma list, out of the words that are not in it yet.
_fdbroker_list() {
	local current=$1 before='' word
	shift
	[[ $current == *,* ]] && before=${current%,*},
	for word; do
		[[ ,$before == *,"$word",* ]] || [[ $word != "${current##*,}"* ]] || COMPREPLY+=("$before$word")
	done
	compopt -o nospace 2>/dev/null
}

# WHO of can and explain: user:NAME+group:NAME+unit:NAME+... A colon breaks words of readline; what stands before it is not repeated.
_fdbroker_who() {
	local current=$1 before='' atom
	[[ $current == *+* ]] && before=${current%+*}+
	atom=${current##*+}
	case $atom in
	user:*) _fdbroker_words -u -P "${before}user:" -- "${atom#user:}" ;;
	group:*) _fdbroker_words -g -P "${before}group:" -- "${atom#group:}" ;;
	unit:* | label:*) ;;
	*)
		_fdbroker_words -W 'user: group: unit: label:' -P "$before" -- "$atom"
		[[ $before ]] || _fdbroker_words -W any -- "$atom"
		;;
	esac
	compopt -o nospace 2>/dev/null
	if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${current%:*}:"}")
	fi
}

_fdbroker_option_value() {
	local option=$1 current=$2
	case $option in
	--server-uid) _fdbroker_words -W '0 65534' -- "$current" ;;
	--socket | --admin) _fdbroker_files -f -- "$current" ;;
	--policy) _fdbroker_files -f -- "$current" ;;
	--mode) _fdbroker_words -W '0600 0640 0644' -- "$current" ;;
	--flags) _fdbroker_list "$current" read write append trunc create excl nonblock sync dsync direct nofollow ;;
	--on) _fdbroker_words -W "$(date -u +%F)" -- "$current" ;;
	--fd) _fdbroker_words -W '0 1 2 3' -- "$current" ;;
	*) return 1 ;;
	esac
}

_fdbroker_operand() {
	local command=$1 n=$2 current=$3
	case $command in
	cat | stat) _fdbroker_files -f -- "$current" ;;
	ls) _fdbroker_files -d -- "$current" ;;
	open)
		if ((n == 0)); then _fdbroker_files -f -- "$current"; else _fdbroker_words -W -- -- "$current"; fi
		;;
	check) _fdbroker_files -f -- "$current" ;;
	can | explain)
		case $n in
		0) _fdbroker_who "$current" ;;
		1)
			_fdbroker_list "$current" read write create stat list
			[[ $current == *,* ]] || _fdbroker_words -W any -- "$current"
			;;
		2) _fdbroker_files -f -- "$current" ;;
		esac
		;;
	help) ((n > 0)) || _fdbroker_words -W 'cat open ls stat check can explain whoami status reload help' -- "$current" ;;
	esac
}

_fdbroker() {
	# The line by blanks: COMP_WORDS is cut at "=" and ":" as well.
	local line=${COMP_LINE:0:COMP_POINT} words=() i=1 command='' n=0 previous='' current options
	read -ra words <<<"$line"
	[[ $line == *[[:blank:]] ]] && words+=('')
	current=${words[-1]}
	COMPREPLY=()

	for (( ; i < ${#words[@]} - 1; i++)); do
		case ${words[i]} in
		--)
			if [[ $command == open ]]; then
				if ((i == ${#words[@]} - 2)); then
					_fdbroker_words -c -- "$current"
				else
					_fdbroker_files -f -- "$current"
				fi
				return
			fi
			;;
		--socket | --server-uid | --admin | --policy | --flags | --mode | --fd | --on)
			previous=${words[i]}
			((i++))
			((i < ${#words[@]} - 1)) && previous=''
			;;
		-*) ;;
		*) if [[ $command ]]; then ((n++)); else command=${words[i]}; fi ;;
		esac
	done

	if [[ $previous ]]; then
		_fdbroker_option_value "$previous" "$current"
		return
	fi
	if [[ $current == --*=* ]]; then
		_fdbroker_option_value "${current%%=*}" "${current#*=}"
		return
	fi
	if [[ $current == -* ]]; then
		case $command in
		'') options='--socket --server-uid --admin --help --version' ;;
		cat) options='--socket --server-uid --help' ;;
		open) options='--socket --server-uid --flags --mode --fd --help --' ;;
		ls) options='--socket --server-uid --long --null --help' ;;
		stat) options='--socket --server-uid --no-follow --json --help' ;;
		check) options='--policy --json --help' ;;
		can) options='--policy --json --on --help' ;;
		explain) options='--policy --json --on --all --help' ;;
		whoami) options='--socket --server-uid --json --help' ;;
		status) options='--socket --server-uid --admin --json --help' ;;
		reload) options='--socket --server-uid --admin --help' ;;
		*) options='--help' ;;
		esac
		_fdbroker_words -W "$options" -- "$current"
	elif [[ ! $command ]]; then
		_fdbroker_words -W 'cat open ls stat check can explain whoami status reload help' -- "$current"
	else
		_fdbroker_operand "$command" "$n" "$current"
	fi
}

complete -F _fdbroker fdbroker
