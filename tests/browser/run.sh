#!/bin/sh
# The dashboard in a real browser: the running demo, page by page; then, each with an empty service, a
# CSMS vendor's and an aggregator's first minutes, a depot's with a charger that connects, and a site of
# 500 chargers.
#
#   apt-get install -y chromium nodejs npm
#   tests/browser/run.sh [FOLDER_FOR_SCREENSHOTS]
#
# EVENLOAD names the binary (default: a debug build made here), CHROMIUM the browser. ONLY=demo,
# csms, depot or many does one part. ASSETS names a folder whose files are shown instead of the
# binary's: to try changes of the pages without a build.
# playwright-core and axe-core are installed under target/browser, never into the repository.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
tools="$root/target/browser"
shots=${1:-$tools/screenshots}
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
if [ -z "${EVENLOAD:-}" ]; then
  (cd "$root" && cargo build --quiet)
  EVENLOAD="$root/target/debug/evenload"
fi
mkdir -p "$tools" "$shots"
if [ ! -d "$tools/node_modules/playwright-core" ] || [ ! -d "$tools/node_modules/axe-core" ]; then
  (cd "$tools" && npm init -y >/dev/null && npm install --silent --ignore-scripts playwright-core@1.65.1 axe-core@4.14.1)
fi
work=$(mktemp -d)
running=
stop() {
  [ -z "$running" ] || kill "$running" 2>/dev/null || true
  [ -z "$running" ] || wait "$running" 2>/dev/null || true
  running=
}
trap 'stop; rm -rf "$work"' EXIT INT TERM

# play PART COMMAND..: starts the service, waits for its one-time link, drives it.
play() {
  part=$1
  shift
  case ",${ONLY:-$part}," in *",$part,"*) ;; *) return 0 ;; esac
  log="$work/$part.log"
  "$@" >"$log" 2>&1 &
  running=$!
  tries=0
  until grep -q '#code=' "$log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$running" 2>/dev/null; then
      cat "$log" >&2
      exit 1
    fi
    sleep 0.2
  done
  echo "== $part"
  status=0
  LINK=$(grep -o 'http://[^ ]*#code=[^ ]*' "$log" | head -n 1) TOKEN=$token \
    TOOLS="$tools" CHROMIUM="$chromium" SHOTS="$shots" node "$root/tests/browser/$part.mjs" || status=$?
  stop
  [ "$status" = 0 ] || failed="${failed:-} $part"
}

failed=
token=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \n')
export EVENLOAD__API__ADMIN_TOKEN="$token"
play demo "$EVENLOAD" demo --speed 240
if [ -z "${SIMULATED_CPO:-}" ]; then
  (cd "$root" && cargo build --quiet --example simulated_cpo)
  SIMULATED_CPO="$root/target/debug/examples/simulated_cpo"
fi
export SIMULATED_CPO EVENLOAD__OCPI__ALLOW_INSECURE=true
play csms "$EVENLOAD" serve --listen 127.0.0.1:0 --data "$work/csms"
play depot "$EVENLOAD" serve --listen 127.0.0.1:0 --data "$work/depot"
play many "$EVENLOAD" serve --listen 127.0.0.1:0 --data "$work/many"
if [ -n "$failed" ]; then
  echo "failed:$failed" >&2
  exit 1
fi
