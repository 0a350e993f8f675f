#!/bin/sh
# Builds what is installed and measured, in DIR (build-release): optimized over all files, and by
# what a load has executed how often (gcc; with clang over all files only). The load is chats, in
# both protocols in front and behind, whole and streamed; code that it does not reach is compiled
# as always. Takes some three minutes.
set -eu
cd "$(dirname "$0")/.."
dir=${1:-build-release}
programs="penstock penstock-reader"
work=
started=
finish() {
    # shellcheck disable=SC2086
    [ -z "$started" ] || kill $started 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

build() { # $1: the profile is made (generate), used (use), or there is none (off)
    meson configure "$dir" "-Db_pgo=$1"
    shift
    ninja -C "$dir" "$@"
}

body() { # of a chat with model $1; $2: more members
    prose='Summarise the report on the bridge in three points, and say who has to decide, and by when. '
    printf '{"model": "%s", "max_tokens": 200, "messages": [{"role": "user", "content": "' "$1"
    for _ in 1 2 3 4 5 6 7 8; do printf '%s' "$prose"; done
    printf '"}]%s}' "$2"
}

whole() { # path, model: 2,000 requests over one connection
    body "$2" '' >"$work/body"
    curl -sSf --fail-early -o "$work/answer" -H "Authorization: Bearer $key" \
        -H 'Content-Type: application/json' -d "@$work/body" "$url/$1?[1-2000]"
}

await() { # pid, file: the line in it that says where the program listens
    for _ in $(seq 100); do
        sed -n 's/^listening on \([^ ]*\).*/\1/p' "$2" | grep -m 1 . && return
        kill -0 "$1" || break
        sleep 0.1
    done
    echo "$0: a program did not start" >&2
    return 1
}

load() {
    work=$(mktemp -d)
    "$dir/mock_provider" --port 0 --delay-ms 1 >"$work/provider" &
    started=$!
    port=$(await $started "$work/provider")
    cat >"$work/config.yaml" <<YAML
providers:
  - {name: fast, url: "http://127.0.0.1:$port/v1", key: none}
  - {name: other, type: anthropic, url: "http://127.0.0.1:$port", key: none}
models:
  - {name: mock, provider: fast}
  - {name: claude, provider: other, upstream: mock}
YAML
    "$dir/penstock" serve --config "$work/config.yaml" --data "$work/state" --listen 127.0.0.1:0 \
        >"$work/out" 2>"$work/log" &
    server=$!
    started="$started $server"
    url=$(await $server "$work/out" || { cat "$work/log" >&2; exit 1; })
    key=$(sed -n 's|^admin key.*: ||p' "$work/out")
    for model in mock claude; do
        whole chat/completions $model
        whole messages $model
        "$dir/sse_load" --port "$(expr "$url" : '.*:\([0-9]*\)')" --conns 8 --seconds 3 --key "$key" \
            --model $model
    done
    kill "$server" # the profile is written at its end
    wait "$server"
}

[ -f "$dir/build.ninja" ] || meson setup "$dir" -Db_lto=true -Dwerror=false
if "${CC:-cc}" --version | grep -q clang; then
    # shellcheck disable=SC2086
    build off $programs
    exit
fi
# shellcheck disable=SC2086
if [ -f "$dir/profiled" ] && ninja -C "$dir" -n $programs | grep -q 'no work to do'; then
    exit
fi
rm -f "$dir/profiled"
find "$dir" -name '*.gcda' -delete
# shellcheck disable=SC2086
build generate $programs mock_provider sse_load
load
# shellcheck disable=SC2086
build use $programs
touch "$dir/profiled"
