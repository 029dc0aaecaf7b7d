#!/usr/bin/env bash
# The rules of CONTRIBUTING.md that a machine can hold: tests/lint.sh
#
# Prints one line for each breach (FILE:LINE: what is wrong) and exits 1 when there was one.
set -u
cd "${LINT_ROOT:-$(dirname "$0")/..}" || exit 1

CC=${CC:-gcc}
breaches=0

# Every line on standard input is a breach.
#   ... | breach WHAT
breach() {
    local line
    while IFS= read -r line; do
        printf '%s: %s\n' "$line" "$1"
        breaches=$((breaches + 1))
    done
}
shopt -s lastpipe

mapfile -t sources < <(find core proto server deploy tests -name '*.[ch]' -not -path '*/corpus/*' | sort)

# --- what a layer may include --------------------------------------------------------------------

# ISO C11's headers without files, threads, clocks, signals or locales.
pure='assert|errno|fenv|float|inttypes|limits|math|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdlib|string'

# "FILE:LINE:#include ..." of every include in these folders.
includes() {
    find "$@" -name '*.[ch]' -exec grep -nHE '^[[:space:]]*#[[:space:]]*include' {} +
}

#   layer FOLDER PATTERN-OF-ALLOWED RULE
layer() {
    includes "$1" | grep -vE "include ($2)" | breach "$3"
}

layer core "<($pure)\.h>|\"core/|<immintrin\.h>" \
    'core/ includes ISO C without files, threads or clocks, and core/'
includes core proto server deploy | grep '<immintrin\.h>' | grep -vE '^[a-z/_]+_avx(2|512)\.c:' |
    breach 'intrinsics belong in files of their own, NAME_avx2.c or NAME_avx512.c, which are chosen at run time'
layer proto "<($pure|stdio)\.h>|\"core/|\"proto/|<cjson/cJSON\.h>|<immintrin\.h>" \
    'proto/ includes ISO C, cJSON, core/ and proto/'
includes proto | grep 'cJSON\.h' | grep -vE '^proto/(model_config|layer_config|activation_config|config_json)\.[ch]:' |
    breach 'cJSON is for configs: proto/*_config.c or proto/config_json.c'
layer deploy '<|"core/|"proto/|"deploy/' 'deploy/ includes core/, proto/ and deploy/'
layer server '<|"core/|"proto/|"server/' 'server/ includes core/, proto/ and server/'

includes core proto server deploy tests |
    grep '"' | grep -vE 'include "(core|proto|server|deploy|tests)/[A-Za-z0-9_/.-]+"' |
    breach 'an include is written from the top: "core/model.h"'

# Takes the comments out of what grep -nH found, in C and in make.
code_only() {
    grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//|# )'
}

#   only_in FILE PATTERN RULE: the pattern stands in no other file of server/
only_in() {
    grep -nHE "$2" server/*.[ch] 2>/dev/null | code_only | grep -v "^$1:" | breach "$3"
}

only_in 'server/http\(_head\|_library\|_refusals\)\?.c' 'microhttpd\.h' \
    'microhttpd.h is included by server/http.c, http_head.c, http_library.c and http_refusals.c alone'
only_in server/zeromq.c '<zmq\.h>' 'zmq.h is included by server/zeromq.c alone'
only_in server/compression.c '<zlib\.h' 'zlib.h is included by server/compression.c alone'
only_in server/tick.c '\<model_run(_member)?\(' 'model_run is called by server/tick.c alone'

# --- arithmetic and assertions -------------------------------------------------------------------

build_files() {
    find Makefile Dockerfile core proto server deploy tests -type f \
        \( -name '*.[chS]' -o -name Makefile -o -name Dockerfile -o -name '*.sh' \) \
        -not -path tests/lint.sh 2>/dev/null
}

build_files | xargs grep -nHE -e '[-"](march=native|mtune=native|Ofast|f?(fast|unsafe)-math)' |
    code_only | breach 'answers must be the same bits on every machine'
build_files | xargs grep -nHE -e '-DNDEBUG|#[[:space:]]*define[[:space:]]+NDEBUG' |
    code_only | breach 'assertions stay on'

# --- names and spelling --------------------------------------------------------------------------

printf '%s\n' "${sources[@]}" | grep -E '(^|[/_])(utils?|commons?|misc|helpers?)(_|\.)' |
    breach 'a file is named after the one thing it does'
grep -nHE $'\t| +$' "${sources[@]}" | cut -d: -f1,2 | breach 'tab, or space at the end of the line'

if command -v clang-format >/dev/null; then
    clang-format --dry-run "${sources[@]}" 2>&1 | grep -E '^[^ ]+:[0-9]+:' | cut -d: -f1 | uniq |
        breach 'not as clang-format writes it (make format)'
fi

# --- headers -------------------------------------------------------------------------------------

# A header that leans on what its users include first breaks for the next one.
printf '%s\n' "${sources[@]}" | grep '\.h$' | while IFS= read -r header; do
    case $header in
    core/* | proto/*) standard='-std=c11 -pedantic-errors' ;;
    *) standard='-std=c11 -D_GNU_SOURCE' ;;
    esac
    if ! errors=$(printf '#include "%s"\nextern int not_empty;\n' "$header" |
        $CC $standard -Wall -Wextra -Werror -I. -fsyntax-only -x c - 2>&1); then
        printf '%s\n' "$errors" | grep -m1 error: | breach "$header does not compile alone"
    fi
done

[ "$breaches" -eq 0 ]
