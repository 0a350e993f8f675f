#!/bin/sh
# A debugger sees a fiber as what it is: a chain of calls that begins at switch_start. Checked at a
# breakpoint deep in a fiber and after each instruction of a switch, in both directions.
# usage: gdb_fiber.sh TEST_FIBER_PROGRAM; ends with 77 (skipped) when there is no gdb.
command -v gdb >/dev/null || exit 77
commands=$(mktemp) || exit 1
trap 'rm -f "$commands"' EXIT
cat >"$commands" <<'END'
set confirm off
break leg_main
run >/dev/null
echo == fiber\n
bt
delete
break switch_to
continue
set $i = 0
while $i < 34
    echo == step\n
    bt
    stepi
    set $i = $i + 1
end
kill
END
out=$(timeout 120 gdb -q -nx -batch -x "$commands" "$1" 2>&1)

fail() {
    echo "$out"
    echo "gdb_fiber: $1"
    exit 1
}
case $out in *'== fiber'*) ;; *) fail "the breakpoint was not reached" ;; esac
case $out in *'orrupt stack'* | *'inner to this frame'* | *'Cannot access memory'*)
    fail "a backtrace does not end cleanly" ;;
esac
# Each backtrace must end with the first function of a fiber or of the program.
echo "$out" | awk '
    function check() { if (n++ && last !~ / switch_start \(| main \(/) bad++ }
    /^== / { check() }
    /^#/ { last = $0 }
    END { check(); exit n < 30 || bad > 0 }' || fail "a backtrace ends in the wrong place"
echo "$out" | awk '/^== fiber/ { in_it = 1 } /^== step/ { exit } in_it' |
    grep -q 'fiber_main' || fail "fiber_main is not in the chain"
