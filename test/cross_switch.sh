#!/bin/sh
# Runs the test of the stack switch for a processor that this machine is not, in an emulator.
# usage: cross_switch.sh SOURCE_DIR CPU; ends with 77 (skipped) when compiler or emulator is missing.
src=$1 cpu=$2
cc=$cpu-linux-gnu-gcc
command -v "$cc" >/dev/null && command -v "qemu-$cpu" >/dev/null || exit 77
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for opt in -O0 -O2; do
    "$cc" -std=c17 -D_GNU_SOURCE -Wall -Werror $opt -static -I"$src/src" -I"$src/test/unit" \
        "$src/test/unit/test_switch.c" "$src/src/run/switch_$cpu.S" -o "$dir/test" || exit 1
    timeout 60 "qemu-$cpu" "$dir/test" || exit 1
done
