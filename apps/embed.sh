#!/bin/sh
# Writes the files given as C arrays, for src/gateway/apps_api.c: app.js becomes app_js.
set -e
for file in "$@"; do
  name=$(basename "$file" | tr '.-' '__')
  printf 'static const unsigned char %s[] = {' "$name"
  od -An -v -tu1 "$file" | sed 's/\([0-9][0-9]*\)/\1,/g'
  printf '};\n'
done
