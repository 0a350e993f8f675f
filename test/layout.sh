#!/bin/sh
# A file includes its own folder and folders of a lower row, never sideways and never up. Rows are
# those of DESIGN.md. Prints each include that breaks this and ends with 1.
cd "${1:-src}" || exit 2
row() {
    case $1 in
    base) echo 0 ;;
    run | text | math) echo 1 ;;
    net | guard | reader) echo 2 ;;
    store) echo 3 ;;
    obs | tenant | index) echo 4 ;;
    model) echo 5 ;;
    ingest | answer | agent | eval | learn) echo 6 ;;
    gateway) echo 7 ;;
    cmd) echo 8 ;;
    *) echo "unknown folder src/$1" >&2; echo 99 ;;
    esac
}
bad=0
for file in */*.[ch] */*.S; do
    [ -f "$file" ] || continue
    from=${file%%/*}
    for to in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u); do
        if [ "$to" != "$from" ] && [ "$(row "$to")" -ge "$(row "$from")" ]; then
            echo "src/$file includes $to/: row $(row "$from") must not include row $(row "$to")"
            bad=1
        fi
    done
    if grep -Hn '^#include "[^/"]*"' "$file"; then
        echo "src/$file: an include names its folder"
        bad=1
    fi
done
for name in $(find . -name '*.[ch]' | sed 's|.*/||' | sort | uniq -d); do
    case $name in main.c) ;; *) echo "two files are called $name"; bad=1 ;; esac
done
exit $bad
