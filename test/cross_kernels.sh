#!/bin/sh
# Runs the tests of what has a variant for each kind of processor (vector kernels, the graph that
# they search, UTF-8, the JSON scanner, packed numbers, heads of HTTP) for aarch64 in an emulator.
# Only the C library is needed for that processor; xxHash is all in its header.
# usage: cross_kernels.sh SOURCE_DIR; ends with 77 (skipped) when compiler or emulator is missing.
src=$1
cc=aarch64-linux-gnu-gcc
command -v "$cc" >/dev/null && command -v qemu-aarch64 >/dev/null || exit 77
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
xxhash=$(echo '#include <xxhash.h>' | cc -M -E -xc - 2>/dev/null | tr ' ' '\n' | grep -m1 'xxhash\.h$') || exit 77
cp "${xxhash%/*}"/xx*.h "$dir"

rows=''
for name in arena buf clock err file hash json json_scan lock mem random str utf8; do
    rows="$rows $src/src/base/$name.c"
done
for name in dot dot8 dot_neon dot8_neon; do
    rows="$rows $src/src/math/$name.c"
done
for name in docset hnsw_build hnsw_repair hnsw_search pack top \
    vector vector_file vector_scale vector_search vector_view; do
    rows="$rows $src/src/index/$name.c"
done
for name in http http_skip; do
    rows="$rows $src/src/net/$name.c"
done
options="-std=c17 -D_GNU_SOURCE -Wall -Werror -O2 -fno-strict-aliasing -I$src/src -I$dir"
cd "$dir" || exit 1
$cc $options -include "$src/src/base/banned.h" -c $rows || exit 1
for test in dot dot8 utf8 json_scan http http_skip pack vector vector_search; do
    $cc $options -I"$src/test/unit" -static "$src/test/unit/test_$test.c" ./*.o -o "$test" -lm -pthread || exit 1
    timeout 300 qemu-aarch64 "./$test" >out 2>&1 || { cat out; exit 1; }
    echo "$test: $(grep -c '^ok' out) ok"
done
