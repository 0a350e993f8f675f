#!/bin/sh
# A file includes its own folder and folders of a lower row, never sideways and never up, and no two
# files have one name. Rows are those of DESIGN.md. Prints what breaks this and ends with 1.
cd "${1:-src}" || exit 2
set -- */*.[ch] */*.S
exec awk '
BEGIN {
    n = split("base|run text math|net guard reader|store|obs tenant index|model|ingest answer agent eval learn|gateway|cmd", rows, "|")
    for (i = 1; i <= n; i++) {
        m = split(rows[i], folders, " ")
        for (k = 1; k <= m; k++) row[folders[k]] = i - 1
    }
}
FNR == 1 {
    split(FILENAME, path, "/")
    from = path[1]
    if (!(from in row)) say("unknown folder src/" from)
    if (path[2] != "main.c" && named[path[2]]++) say("two files are called " path[2])
}
/^#include "[^\/"]*"/ { say("src/" FILENAME ": an include names its folder") }
/^#include "[a-z]*\// {
    to = $2
    sub(/^"/, "", to)
    sub(/\/.*/, "", to)
    if (!(to in row)) say("src/" FILENAME " includes " to "/, which is in no row")
    else if (to != from && row[to] >= row[from])
        say("src/" FILENAME " includes " to "/: row " row[from] " must not include row " row[to])
}
function say(what) { print what; bad = 1 }
END { exit bad }' "$@"
