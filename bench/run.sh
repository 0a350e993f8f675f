#!/bin/sh
# Runs the programs that measure what penstock promises: `[IR=DIR] bench/run.sh [BUILD]`, where DIR
# has test collections for retrieval (see bench/bench_ir.c). The figures of the gateway are ratios to
# nginx in the same run; those of single parts are times of this machine.
cd "$(dirname "$0")/.." || exit 2
build=${1:-build}
failed=0
one() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed=1
}
one 'JSON: ns per KB' "$build/bench_json"
one 'HTTP heads: ns' "$build/bench_http"
one 'counting: ns' "$build/bench_metric"
one 'access log: ns per line' "$build/bench_log"
one 'BM25 beside FTS5, 300,000 passages' "$build/bench_bm25"
one 'vectors beside hnswlib, 100,000 of 384 numbers' bench/vector.sh "$build"
one 'recall as asked for, vectors of many kinds' "$build/bench_recall" 10000 200
one 'start with 100,000 chunks' "$build/bench_start"
one 'a whole question over 300,000 passages' "$build/bench_question"
if [ -n "$IR" ]; then
    one 'judged collections: keywords, vectors, both' "$build/bench_ir" "$IR"
    one 'judged collections: ranked again' "$build/bench_rerank" "$IR"
    one 'answers and refusals' "$build/bench_answer" "$IR"
fi
one 'gateway beside nginx' node bench/gateway.mjs --build "$build"
exit $failed
