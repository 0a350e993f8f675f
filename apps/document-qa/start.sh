#!/bin/sh
# Starts the application: a service of its own, a key for this session, and the address to open.
#   apps/document-qa/start.sh [PENSTOCK [DATA]]
set -e
penstock=${1:-penstock}
data=${2:-${XDG_STATE_HOME:-$HOME/.local/state}/penstock-document-qa}
mkdir -p "$data"
"$penstock" serve --data "$data" --listen "${LISTEN:-127.0.0.1:0}" > "$data/started" 2> "$data/log" &
service=$!
trap 'kill $service 2> /dev/null; wait $service 2> /dev/null || true' EXIT INT TERM
while ! grep -q '^listening on' "$data/started"; do
  kill -0 $service 2> /dev/null || { cat "$data/log" >&2; exit 1; }
  sleep 0.1
done
address=$(sed -n 's|^listening on \(.*\)/v1 .*|\1|p' "$data/started" | head -1)
key=$("$penstock" keys create document-qa --role developer --data "$data")
rm -f "$data/started"
echo "Open $address/apps/document-qa#key=$key"
wait $service
