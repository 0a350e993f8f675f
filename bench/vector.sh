#!/bin/sh
# Vector search beside hnswlib on the same vectors, in one run: bench/vector.sh BUILD [N [QUERIES]].
# The peer program comes from the folder beside this repository and is compiled for this machine;
# where it or hnswlib's headers are missing only our own figures are printed.
set -e
here=$(dirname "$0")
build=${1:?usage: bench/vector.sh BUILD [N [QUERIES]]}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$build/bench_vector" make "$dir" "${2:-100000}" "${3:-1000}"
"$build/bench_vector" run "$dir"
peer=$here/../../shared/bench/retrieval/ann_peers.cpp
if [ -f "$peer" ] && [ -f /usr/include/hnswlib/hnswlib.h ] && command -v g++ > /dev/null; then
    g++ -O3 -march=native "$peer" -o "$dir/ann_peers" -lpthread
    QUICK=1 "$dir/ann_peers" "$dir" 1 hnswlib-filter
else
    echo "# no peer: needs $peer, g++ and libhnswlib-dev"
fi
