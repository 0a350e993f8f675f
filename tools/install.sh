#!/bin/sh
# Installs the Debian packages that are missing for what is named: build, demo, check, bench.
# Silent when nothing is missing, so that it can run before every make target.
set -eu
here=$(dirname "$0")
missing=
for part in "$@"; do
    for name in $(awk -v part="$part" '$1 == part { print $2 }' "$here/packages"); do
        case $name in
        nodejs) command -v node >/dev/null && continue ;;
        npm) command -v npm >/dev/null && continue ;;
        esac
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $name"
    done
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
    echo "these packages are missing and there is no sudo; as root: apt-get install$missing" >&2
    exit 1
fi
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
