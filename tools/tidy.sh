#!/bin/sh
# clang-tidy over what the build compiles of src/, four files at a time, with the checks of
# .clang-tidy. Files for other machines are not in the build and not looked at.
build=$1
jq -r '.[].file' "$build/compile_commands.json" | sed -n 's|^\.\./\(src/.*\.c\)$|\1|p' | sort -u |
    xargs -P 2 -n 4 clang-tidy --quiet -p "$build" 2>/dev/null >"$build/tidy.log"
if grep -E 'warning:|error:' "$build/tidy.log"; then exit 1; fi
