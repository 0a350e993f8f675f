#!/bin/sh
# Fibers under memcheck: no error reported, none invented by the change of stacks.
# usage: valgrind_fiber.sh PROGRAM...; ends with 77 (skipped) when there is no valgrind.
command -v valgrind >/dev/null || exit 77
for program; do
    timeout 300 valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
        "$program" || exit 1
done
