"""`keyturn completion SHELL`: the script that makes a shell ask keyturn what may come next."""

from __future__ import annotations

from argparse import Namespace

from app.cli import output

_BASH = r"""# keyturn completion for bash. In ~/.bashrc:  source <(keyturn completion bash)
_keyturn() {
    local program=${COMP_WORDS[0]} word line i directive='' IFS=$'\n'
    local -a words=()
    [[ $program == "~/"* ]] && program=$HOME/${program#"~/"}
    # bash cuts --flag=value into three words.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $word == '=' && ${words[${#words[@]} - 1]} == --* ]]; then
            words[${#words[@]} - 1]+='='
        elif ((i > 1)) && [[ ${words[${#words[@]} - 1]} == --*= ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    local current=${COMP_WORDS[COMP_CWORD]}
    [[ $current == '=' ]] && current=''
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $directive ]]; then
            directive=$line
        else
            COMPREPLY+=("$(printf '%q' "${line%%$'\t'*}")")
        fi
    done < <("$program" __complete bash "${words[@]}" 2>/dev/null)
    case $directive in
        files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
        directories) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
        commands) COMPREPLY=($(compgen -c -- "$current")) ;;
    esac
}
complete -F _keyturn keyturn
"""
_ZSH = r"""#compdef keyturn
# keyturn completion for zsh. As a file _keyturn in a folder of $fpath, or in ~/.zshrc:
#   source <(keyturn completion zsh)
_keyturn() {
    local -a lines values shown
    local line directive program=${(Q)words[1]}
    program=${program/#\~\//$HOME/}
    lines=("${(@f)$($program __complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    directive=$lines[1]
    for line in "${(@)lines[2,-1]}"; do
        values+=("${line%%$'\t'*}")
        if [[ $line == *$'\t'* ]]; then
            shown+=("${line%%$'\t'*}  -- ${line#*$'\t'}")
        else
            shown+=("$line")
        fi
    done
    case $directive in
        files) compset -P '--*='; _files ;;
        directories) compset -P '--*='; _files -/ ;;
        commands) _command_names -e ;;
        *) (( $#values )) && compadd -l -d shown -a values ;;
    esac
}
if [[ $funcstack[1] == _keyturn ]]; then
    _keyturn "$@"
elif (( $+functions[compdef] )); then
    compdef _keyturn keyturn
else
    autoload -Uz compinit && compinit && compdef _keyturn keyturn
fi
"""
_FISH = r"""# keyturn completion for fish. In ~/.config/fish/config.fish:  keyturn completion fish | source
function __keyturn_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] __complete fish $words[2..-1] "$current" 2>/dev/null)
    switch "$lines[1]"
        case files directories
            set -l begun (string match -r '^--[^=]+=' -- "$current")
            set -l rest (string replace -r '^--[^=]+=' '' -- "$current")
            if test "$lines[1]" = files
                string join \n -- "$begun"(__fish_complete_path "$rest")
            else
                string join \n -- "$begun"(__fish_complete_directories "$rest")
            end
        case commands
            complete -C "$current"
        case '*'
            string join \n -- $lines[2..-1]
    end
end
complete -c keyturn -f -a '(__keyturn_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def show(args: Namespace) -> int:
    output.out(SCRIPTS[args.shell])
    return 0
