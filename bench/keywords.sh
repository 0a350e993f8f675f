#!/bin/sh
# Keyword search on real text beside FTS5 and, where its Python binding is, Xapian.
#
#     bench/keywords.sh TREE [PASSAGES]     TREE: a folder of documentation
#
# The corpus (80-word passages, queries out of them) and Xapian's part are made by the scripts that
# several programs are measured with; without ../shared there is nothing to run. All times are CPU
# time of one thread. BUILD names the folder of the build (default: build).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
peers="$here/../../shared/bench/retrieval"
[ -d "$peers" ] || peers="$here/../shared/bench/retrieval"
if [ ! -f "$peers/kw_corpus.py" ]; then
    echo "skipped: the scripts of ../shared/bench/retrieval are not here"
    exit 0
fi
[ $# -ge 1 ] || { echo "usage: bench/keywords.sh TREE [PASSAGES]" >&2; exit 2; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python=/usr/bin/python3
"$python" "$peers/kw_corpus.py" "$1" "$out" "${2:-300000}"
"${BUILD:-$here/build}/bench_bm25" "$out"
if "$python" -c 'import xapian' 2>/dev/null; then
    "$python" "$peers/kw_bench.py" "$out" xapian
else
    echo "Xapian skipped: no python3-xapian"
fi
