#!/bin/sh
# The whole API under schemathesis: it makes requests out of the OpenAPI document, good ones and broken
# ones, with real tokens against a running service, and holds every answer against the document.
#
#   tests/schemathesis/run.sh [EXAMPLES_PER_OPERATION]
#
# EVENLOAD names the binary (default: a debug build made here). schemathesis comes from PyPI into
# target/schemathesis. Two runs: as administrator, and with a token that may only read.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
examples=${1:-30}
venv="$root/target/schemathesis"
if [ -z "${EVENLOAD:-}" ]; then
  (cd "$root" && cargo build --quiet)
  EVENLOAD="$root/target/debug/evenload"
fi
if [ ! -x "$venv/bin/schemathesis" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r "$root/tests/schemathesis/requirements.txt"
fi
work=$(mktemp -d)
service=
trap 'kill "$service" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
admin=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \n')
EVENLOAD__API__ADMIN_TOKEN=$admin "$EVENLOAD" serve --listen 127.0.0.1:0 --data "$work/data" >"$work/log" 2>&1 &
service=$!
tries=0
until grep -q 'is ready at' "$work/log"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 150 ] || ! kill -0 "$service" 2>/dev/null; then
    cat "$work/log" >&2
    exit 1
  fi
  sleep 0.2
done
url=$(sed -n 's/^evenload is ready at \(http[^ ]*\).*/\1/p' "$work/log" | head -n 1)
call() { curl -sf -X "$1" -H "Authorization: Bearer $admin" -H 'Content-Type: application/json' "$url/api/v1$2" -d "$3"; }
# Something to read and to change.
call PUT /sites/depot '{"name":"Depot","time_zone":"Europe/Berlin","currency":"EUR","circuits":[{"id":"site","import_limit_kw":60}],"evses":[{"id":"E1","max_kw":11.04,"source":{"ocpp":{"station":"CP-1","evse":1}}}],"price":{"flat_per_kwh":0.3}}' >/dev/null
call PUT /stations/CP-1 '{"site":"depot"}' >/dev/null
reader=$(call POST /tokens '{"name":"reader","scopes":["read"]}' | sed 's/.*"token":"\([^"]*\)".*/\1/')
# `/events` never ends; registering calls whatever address was made up.
run() {
  echo "== $1"
  "$venv/bin/schemathesis" run "$url/api/openapi.json" --url "$url" \
    --header "Authorization: Bearer $2" --max-examples "$examples" --workers 2 \
    --exclude-path-regex '/api/v1/events' --exclude-operation-id postPartners \
    --request-timeout 20 --suppress-health-check all \
    --checks "$3" --no-color
}
status=0
run "administrator" "$admin" not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection || status=1
run "reader" "$reader" not_a_server_error,status_code_conformance,content_type_conformance || status=1
kill -0 "$service" || { echo "the service is gone"; tail -n 20 "$work/log"; status=1; }
if grep -i -E 'panick|internal' "$work/log"; then status=1; fi
exit "$status"
