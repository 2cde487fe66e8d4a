# shellcheck shell=bash disable=SC2154 # the tables stand before it
# SPDX-License-Identifier: MPL-2.0
#
# The fixed half of the bash completion: `quiz completion bash` prints it behind tables made from the parser's own:
#
#	_quiz_commands	command: -
#	_quiz_subs	command: its subcommands
#	_quiz_options	command, or "command sub": its options
#	_quiz_takes	"command [sub] option": what the next word is
#	_quiz_may_take	"command [sub] option": what stands behind its =
#	_quiz_words	"command [sub]": what its words are
#	_quiz_lists	a kind of words: what lists them, each at the beginning of a line
#
# What a word is: file, dir, program, a kind, or "(one other)".

_quiz_values() { # KIND: the words that there are of it
	case $1 in
	command) echo "${!_quiz_commands[*]}" ;;
	'('*')') echo "${1:1:-1}" ;;
	*)
		[ -n "${_quiz_lists[$1]+x}" ] || return
		${_quiz_lists[$1]} 2>/dev/null |
			awk 'NR == 1 && /^ *[A-Z]+ / { next } { sub(/^[* ]+/, ""); print $1 }'
		;;
	esac
}

_quiz_offer() { # KIND VALUE HEAD: words of that kind that begin with VALUE, HEAD before each
	local kind=$1 value=$2 head=$3
	case $kind in
	dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$value") ;;
	file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$value") ;;
	program) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -c -f -- "$value") ;;
	*)
		if [ "$kind" = profile ] && [[ $value == *,* ]]; then
			head+=${value%,*},
			value=${value##*,}
		fi
		mapfile -t COMPREPLY < <(compgen -W "$(_quiz_values "$kind")" -- "$value")
		;;
	esac
	COMPREPLY=("${COMPREPLY[@]/#/"$head"}")
}

_quiz_complete() { # WORD...: what may stand in the place of the last one
	local words=("$@") n=$(($# - 1)) cur=${*: -1} key=run first=1 i word option=
	if [ "$n" -eq 1 ] && [[ $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${!_quiz_commands[*]}" -- "$cur"; compgen -c -- "$cur")
		return
	fi
	if [ "$n" -gt 1 ] && [ -n "${_quiz_commands[${words[1]}]+x}" ]; then
		key=${words[1]} first=2
		if [ "$n" -eq 2 ] && [ -n "${_quiz_subs[$key]+x}" ] && [[ $cur != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "${_quiz_subs[$key]}" -- "$cur")
			return
		fi
		case " ${_quiz_subs[$key]} " in
		*" ${words[2]} "*) key="$key ${words[2]}" first=3 ;;
		esac
	fi
	for ((i = first; i < n; i++)); do
		word=${words[i]}
		if [ -n "$option" ]; then option=
		elif [ -n "${_quiz_takes[$key $word]+x}" ]; then option=$word
		elif [ "$key" = run ] && { [ "$word" = -- ] || [[ $word != -* ]]; }; then # the program's own words follow
			_quiz_offer file "$cur" ''
			return
		fi
	done
	if [ -n "$option" ]; then
		_quiz_offer "${_quiz_takes[$key $option]}" "$cur" ''
	elif [[ $cur == --*=* ]]; then
		_quiz_offer "${_quiz_may_take[$key ${cur%%=*}]}" "${cur#*=}" "${cur%%=*}="
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${_quiz_options[$key]}" -- "$cur")
	elif [ "$key" = run ]; then
		_quiz_offer program "$cur" ''
	else
		_quiz_offer "${_quiz_words[$key]:-file}" "$cur" ''
	fi
}

_quiz() {
	local IFS=$' \t\n' i word part=${COMP_WORDS[COMP_CWORD]} words=()
	COMPREPLY=()
	# readline splits words at = and :, as in --kernel=6.1; only what stands behind the last of them is replaced.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [ "${#words[@]}" -gt 1 ] && { [[ $word == [=:]* ]] || [[ ${words[-1]} == *[=:] ]]; }; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
	done
	_quiz_complete "${words[@]}"
	[[ $part != [=:] ]] || part=
	word=${words[-1]}
	COMPREPLY=("${COMPREPLY[@]#"${word%"$part"}"}")
}
complete -F _quiz quiz
