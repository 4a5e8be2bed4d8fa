
_clap_complete_npcheck() {
    local IFS=$'\013'
    local _CLAP_COMPLETE_COMP_TYPE=${COMP_TYPE}
    if compopt +o nospace 2> /dev/null; then
        local _CLAP_COMPLETE_SPACE=false
    else
        local _CLAP_COMPLETE_SPACE=true
    fi
    # bash cuts words at : and =, and npcheck does not: `git:main`, `app=web`.
    local words=() word last rest=$COMP_LINE
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        last=$((${#words[@]} - 1))
        if ((last >= 0)) && [[ $rest != [[:space:]]* && ( $word == [:=]* || ${words[last]} == *[:=] ) ]]; then
            words[last]+=$word
        else
            words+=("$word")
        fi
        rest=${rest#*"$word"}
    done
    local _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1))
    local cut=${words[_CLAP_COMPLETE_INDEX]%"$2"}
    COMPREPLY=( $( \
        _CLAP_IFS="$IFS" \
        _CLAP_COMPLETE_INDEX="$_CLAP_COMPLETE_INDEX" \
        _CLAP_COMPLETE_COMP_TYPE="$_CLAP_COMPLETE_COMP_TYPE" \
        _CLAP_COMPLETE_SPACE="$_CLAP_COMPLETE_SPACE" \
        NPCHECK_COMPLETE="bash" \
        "npcheck" -- "${words[@]}" \
    ) ) || { unset COMPREPLY; return; }
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    if [[ $_CLAP_COMPLETE_SPACE == false ]] && [[ "${COMPREPLY-}" =~ [=/:]$ ]]; then
        compopt -o nospace
    fi
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_npcheck npcheck
else
    complete -o nospace -o bashdefault -F _clap_complete_npcheck npcheck
fi

