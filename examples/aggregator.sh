#!/bin/sh
# An aggregator against the running demo, offline: a token that may only send signals, the effect of a
# limit before it is set, the limit, what the site could do instead, a dispatch and its proof.
#
#   cargo build --release && examples/aggregator.sh
#
# EVENLOAD names the binary. Needs curl. It stops the demo when it is done.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
evenload=${EVENLOAD:-$root/target/release/evenload}
work=$(mktemp -d)
: >"$work/log"
# Four minutes of the demo's day in a second of ours.
"$evenload" demo --speed 240 >"$work/log" 2>&1 &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
until grep -q '#code=' "$work/log"; do sleep 0.1; kill -0 "$demo"; done
link=$(grep -o 'http://[^ ]*#code=[^ ]*' "$work/log" | head -n 1)
url=${link%%/#*}

# As the operator: sign in once, make a token for signals of this site that ends after a day.
csrf=$(curl -s -c "$work/jar" -H 'Content-Type: application/json' -d "{\"code\":\"${link##*code=}\"}" "$url/api/v1/login" |
  sed 's/.*"csrf_token":"\([^"]*\)".*/\1/')
token=$(curl -s -b "$work/jar" -H "X-CSRF-Token: $csrf" -H 'Content-Type: application/json' "$url/api/v1/tokens" \
  -d '{"name":"aggregator","scopes":["signals:write"],"sites":["depot"]}' | sed 's/.*"token":"\([^"]*\)".*/\1/')
plan() { curl -s -b "$work/jar" "$url/api/v1/sites/depot/plan?compact=true"; }
echo "-- waiting for some cars (half a minute)"
until [ "$(plan | grep -o '"confirmed_now_kw"' | wc -l)" -ge 15 ]; do sleep 0.5; kill -0 "$demo"; done
# The demo's day is years ago: everything is said in its time.
now=$(curl -s -b "$work/jar" "$url/api/v1/sites/depot/alerts" | sed 's/.*"at":"\([^"]*\)".*/\1/')
later() { date -u -d "$now + $1 minutes" +%Y-%m-%dT%H:%M:00Z; }
as_aggregator() { curl -s -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@"; echo; }

limit="{\"kind\":\"import_limit\",\"unit\":\"kW\",\"start\":\"$(later 15)\",\"resolution\":\"PT15M\",\"values\":[60,60,140]}"
echo "-- what a limit of 60 kW for half an hour would do"
as_aggregator -X PUT "$url/api/v1/sites/depot/signals/agg-limit?dry_run=true" -d "$limit"
echo "-- the same, set"
as_aggregator -X PUT "$url/api/v1/sites/depot/signals/agg-limit" -d "$limit"
echo "-- what the site could do instead"
as_aggregator "$url/api/v1/sites/depot/flexibility" | cut -c1-400
echo "-- a dispatch: 20 kW less for half an hour"
as_aggregator "$url/api/v1/dispatches" \
  -d "{\"id\":\"evening\",\"target\":{\"site\":\"depot\"},\"start\":\"$(later 60)\",\"end\":\"$(later 90)\",\"delta_kw\":20,\"direction\":\"up\"}" | cut -c1-700
echo "-- and what came of it, from the meters (about a minute)"
settlement() { as_aggregator "$url/api/v1/dispatches/evening/settlement" | grep -o '"totals":{[^}]*}'; }
tries=0
until settlement | grep -q '"slots":\([0-9]*\),"slots_measured":\1}' || [ "$tries" -gt 120 ]; do
  tries=$((tries + 1))
  sleep 1
done
settlement
echo "-- and that is all this token may do"
as_aggregator "$url/api/v1/sites/depot/sessions"
