#!/bin/sh
# From a folder of documents to cited answers: starts penstock on an empty data directory, ingests
# DOCS (default: the project's own manual), asks over the OpenAI API with curl. Ends what it started.
set -eu
cd "$(dirname "$0")/.."
docs=${DOCS:-doc}
penstock=build/penstock
data=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    rm -rf "$data"
}
trap finish EXIT
trap 'exit 130' INT TERM

$penstock serve --data "$data/state" --listen 127.0.0.1:0 >"$data/out" 2>"$data/log" &
server=$!
for _ in $(seq 100); do
    grep -q '^listening' "$data/out" && break
    kill -0 "$server" 2>/dev/null || { cat "$data/log" >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n 's|^listening on \([^ ]*\) .*|\1|p' "$data/out" | head -1)
key=$(sed -n 's|^admin key.*: ||p' "$data/out")
echo "penstock answers at $url"
echo
echo "\$ penstock ingest $docs"
$penstock ingest "$docs" --data "$data/state" || true

ask() {
    echo
    printf '\033[1mQ: %s\033[0m\n' "$1"
    jq -n --arg q "$1" '{model: "docs", messages: [{role: "user", content: $q}]}' |
        curl -sS "$url/chat/completions" -H "Authorization: Bearer $key" \
            -H 'Content-Type: application/json' -d @- -w '\n%{time_total}' >"$data/answer"
    sed '$d' "$data/answer" | jq -r '
        if .error then "error: " + .error.message else
        .choices[0].message |
        "A: " + .content,
        (.annotations[] |
            "   - " + .filename
            + (if .section then ", " + .section else "" end)
            + (if .page then ", page \(.page)" else "" end)
            + (if .line_start == null then "" elif .line_start == .line_end then ", line \(.line_start)"
               else ", lines \(.line_start)-\(.line_end)" end)) end'
    printf '   (%s ms)\n' "$(tail -n 1 "$data/answer" | awk '{ printf "%.1f", $1 * 1000 }')"
}

if [ $# -gt 0 ]; then
    for question in "$@"; do ask "$question"; done
elif [ -n "${QUESTION:-}" ]; then
    ask "$QUESTION"
elif [ "$docs" = doc ]; then
    ask "Where does penstock keep its data?"
    ask "How do I revoke an API key?"
    ask "What happens to a document that cannot be read?"
    ask "Which signal makes the service read its configuration again?"
    ask "What is the capital of France?"
else
    ask "What is this about?"
    echo
    echo "Ask your own: DOCS=$docs QUESTION='...' make demo"
fi
