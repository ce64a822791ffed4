#!/bin/sh
# The dashboard in a real browser against the running demo.
#
#   apt-get install -y chromium nodejs npm
#   tests/browser/run.sh [FOLDER_FOR_SCREENSHOTS]
#
# EVENLOAD names the binary (default: a debug build made here), CHROMIUM the browser.
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
log=$(mktemp)
"$EVENLOAD" demo --speed 240 >"$log" 2>&1 &
demo=$!
trap 'kill "$demo" 2>/dev/null || true; rm -f "$log"' EXIT INT TERM
tries=0
until grep -q '#code=' "$log"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ] || ! kill -0 "$demo" 2>/dev/null; then
    cat "$log" >&2
    exit 1
  fi
  sleep 0.2
done
LINK=$(grep -o 'http://[^ ]*#code=[^ ]*' "$log" | head -n 1) \
  TOOLS="$tools" CHROMIUM="$chromium" SHOTS="$shots" node "$root/tests/browser/run.mjs"
