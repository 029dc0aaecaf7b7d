#!/usr/bin/env bash
# Runs test programs and counts:  BIN=build tests/run.sh PROGRAM...
#
# A program prints TAP: its "ok" and "not ok" lines are the tests. One that ends badly without a
# "not ok" (a crash, a sanitizer's report, a timeout), or with fewer tests than it announced, counts
# as one failure more. The lint is one of the tests. One line a program; V=1 shows what they print;
# what a failed program printed is always shown. Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1

: "${BIN:=build}" "${V:=0}" "${SECONDS_EACH:=300}"
export BIN CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=${ASAN_OPTIONS-detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS-halt_on_error=1:second_deadlock_stack=1}

output=$(mktemp) || exit 1
# What the wire tests are answered is held against the interface's description at the end.
WIRE_RECORD=$(mktemp -d) || exit 1
export WIRE_RECORD
trap 'rm -rf "$output" "$WIRE_RECORD"' EXIT
passed=0 failed=0

count() {
    grep -cE "$1" "$output"
}

# Numbers announced by the "1..N" lines of all groups of the program.
announced() {
    sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' "$output" | awk '{ n += $1 } END { print n + 0 }'
}

# What is wrong with the way the program ended, if anything.
#   verdict STATUS OK NOT_OK SKIPPED
verdict() {
    if [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; then
        echo "timed out or was killed (exit $1)"
    elif [ "$1" -ne 0 ] && [ "$3" -eq 0 ]; then
        echo "exit $1 without a failed test"
    elif [ $(($2 + $3 + $4)) -eq 0 ]; then
        echo "no test was run"
    elif [ "$(announced)" -gt $(($2 + $3 + $4)) ]; then
        echo "announced $(announced) tests, ran $(($2 + $3 + $4))"
    fi
}

#   run_one NAME COMMAND...
run_one() {
    local name=$1 status ok not_ok skipped problem
    shift
    # The outer redirection is for the shell's own word about a crash.
    { timeout -k 10 "$SECONDS_EACH" "$@" >"$output" 2>&1 </dev/null; } 2>/dev/null
    status=$?
    ok=$(count '^ok [0-9]+')
    skipped=$(count '^not ok [0-9]+ # SKIP')
    not_ok=$(($(count '^not ok [0-9]+') - skipped))
    problem=$(verdict "$status" "$ok" "$not_ok" "$skipped")
    [ -z "$problem" ] || not_ok=$((not_ok + 1))
    passed=$((passed + ok)) failed=$((failed + not_ok))

    printf '%-44s %4d passed' "$name" "$ok"
    [ "$not_ok" -eq 0 ] || printf ', %d failed%s' "$not_ok" "${problem:+: $problem}"
    printf '\n'
    if [ "$not_ok" -ne 0 ] || [ "$V" != 0 ]; then
        sed 's/^/    /' "$output"
    fi
}

lint() {
    tests/lint.sh || { echo "not ok 1 - lint" && return 1; }
    echo "ok 1 - lint"
}
export -f lint

run_one tests/lint.sh bash -c lint
for program in "$@"; do
    run_one "${program#"$BIN"/}" "$program"
done
run_one tests/deploy/papers_test.py /usr/bin/python3 -B tests/deploy/papers_test.py "$BIN/lstmd"
run_one tests/wire/openapi_test.py /usr/bin/python3 -B tests/wire/openapi_test.py "$WIRE_RECORD"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
