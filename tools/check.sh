#!/bin/bash
# Everything that is tested: unit tests, fuzz corpora and the API tests in a plain build, under the
# address and undefined-behaviour sanitizers and under the thread sanitizer, with gcc and clang;
# format, static analysis and the direction of includes. Ends with "N passed, N failed".
cd "$(dirname "$0")/.." || exit 2
passed=0 failed=0
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

section() { printf '\n== %s ==\n' "$*"; }

# One thing that is good or not.
one() {
    local name=$1
    shift
    if "$@" >"$log/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        tail -n 60 "$log/out"
        echo "FAIL $name"
    fi
}

# Configures (when new) and builds. CC and meson options as given.
build() {
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" || return 1
    ninja -C "$dir"
}

# A meson run of the suites named; counts its programs.
tests() {
    local dir=$1
    shift
    local suites=()
    for suite in "$@"; do suites+=(--suite "$suite"); done
    meson test -C "$dir" --no-rebuild --print-errorlogs "${suites[@]}" >"$log/out" 2>&1
    grep -E '^ *[0-9]+/[0-9]+ .*(FAIL|ERROR|TIMEOUT|SKIP)' "$log/out"
    local good bad
    good=$(sed -n 's/^Ok: *//p' "$log/out")
    bad=$(($(sed -n 's/^Fail: *//p' "$log/out") + $(sed -n 's/^Timeout: *//p' "$log/out")))
    [ "$bad" = 0 ] || tail -n 80 "$log/out"
    passed=$((passed + ${good:-0}))
    failed=$((failed + bad))
    [ -n "$good" ] || failed=$((failed + 1))
    echo "$dir: ${good:-0} passed, $bad failed"
}

# The tests in front of the binary, by node's runner.
api() {
    local dir=$1
    PENSTOCK_BUILD=$PWD/$dir node --test --test-force-exit --test-timeout=180000 --test-reporter=tap --test-concurrency=2 test/api/*.test.mjs >"$log/out" 2>&1
    local good bad
    good=$(sed -n 's/^# pass //p; s/^ℹ pass //p' "$log/out" | tail -n 1)
    bad=$(sed -n 's/^# fail //p; s/^ℹ fail //p' "$log/out" | tail -n 1)
    [ "${bad:-1}" = 0 ] || grep -E '^ *not ok' -A 30 "$log/out" | head -n 200
    passed=$((passed + ${good:-0}))
    failed=$((failed + ${bad:-1}))
    echo "$dir: ${good:-0} API tests passed, ${bad:-?} failed"
}

section "gcc"
one "build" build build
tests build unit lint fuzz tools
one "configuration reference is up to date" \
    sh -c 'build/penstock config reference | diff -u doc/configuration.md -'

section "API tests with the official client"
one "npm ci" npm ci --prefix test/api --no-audit --no-fund --silent
api build

section "address and undefined-behaviour sanitizers"
one "build" build build-asan -Db_sanitize=address,undefined -Db_lundef=false
tests build-asan unit fuzz
# A large quarantine would look like memory that grows.
ASAN_OPTIONS=quarantine_size_mb=8 api build-asan

section "thread sanitizer"
one "build" build build-tsan -Db_sanitize=thread -Db_lundef=false
tests build-tsan unit

section "clang and static analysis"
CC=clang one "build without a warning" build build-clang
one "clang-tidy" tools/tidy.sh build-clang
one "clang-format" sh -c 'clang-format --dry-run --Werror src/*/*.[ch] test/unit/*.[ch] fuzz/*.c bench/*.c'

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
