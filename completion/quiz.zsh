# SPDX-License-Identifier: MPL-2.0
#
# The fixed half of the zsh completion: `quiz completion zsh` prints it behind what it makes from the parser's own tables:
#
#	_quiz_lists		a kind of words: what lists them, each at the beginning of a line
#	_quiz_commands		command:summary, as _describe takes them
#	_quiz_command_NAME	completes the options and words of a command

_quiz_list() { # [OPTION-OF-COMPADD...] KIND; the options are what _arguments puts in between
	local kind=$@[-1]
	local -a expl=("$@[1,-2]") found
	if [[ $kind == command ]]; then
		found=(${_quiz_commands%%:*})
	else
		found=(${(f)"$(${=_quiz_lists[$kind]} 2>/dev/null |
			awk 'NR == 1 && /^ *[A-Z]+ / { next } { sub(/^[* ]+/, ""); print $1 }')"})
	fi
	if [[ $kind == profile ]]; then # several, and each may have options behind a colon
		compset -P '*,'
		expl+=(-S '')
	fi
	compadd "$expl[@]" -- $found
}

_quiz() {
	if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
		_describe command _quiz_commands
		_command_names -e
	elif (( $+functions[_quiz_command_$words[2]] )); then
		local name=$words[2]
		shift words
		(( CURRENT-- ))
		_quiz_command_$name
	else
		_quiz_command_run
	fi
}

_quiz "$@"
