#!/bin/sh
# Searches for new inputs with libFuzzer: so many seconds for each target, starting from its corpus.
# What it finds that crashes stays beside the corpus as crash-*; add it there with its fix.
set -eu
cd "$(dirname "$0")/.."
build=$1 seconds=$2
ninja -C "$build"
for target in "$build"/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=${target##*/fuzz_}
    mkdir -p "$build/corpus/$name"
    echo "== $name"
    "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
        -artifact_prefix="fuzz/corpus/$name/crash-" "$build/corpus/$name" "fuzz/corpus/$name" 2>&1 |
        grep -E 'SUMMARY|Done|ERROR' || true
done
if ls fuzz/corpus/*/crash-* 2>/dev/null; then exit 1; fi
