#!/bin/sh
# The demo, watched from outside: no call of it leaves this machine, and the time until a plan is there.
#
#   apt-get install -y strace curl
#   tests/offline.sh [HOURS_OF_THE_DEMO]
#
# EVENLOAD names the binary (default: a release build made here). Every address that the demo connects
# to, sends to or binds is written down by strace; anything but loopback and sockets of the kernel's own
# (netlink, unix) fails the run.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${EVENLOAD:-}" ]; then
  (cd "$root" && cargo build --release --quiet)
  EVENLOAD="$root/target/release/evenload"
fi
work=$(mktemp -d)
demo=
trap '[ -z "$demo" ] || kill "$demo" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

strace -f -qq -e trace=connect,sendto,sendmsg,bind -o "$work/calls" "$EVENLOAD" demo --exit --hours "${1:-2}" >"$work/out" 2>&1
tail -n 4 "$work/out"
inet=$(grep -c 'sa_family=AF_INET' "$work/calls" || true)
foreign=$(grep 'sa_family=AF_INET' "$work/calls" | grep -v -E 'inet_addr\("127\.0\.0\.1"\)|inet_pton\(AF_INET6, "::1"' || true)
echo "$inet calls with an address, $(printf '%s' "$foreign" | grep -c . || true) of them beyond loopback"
if [ "$inet" = 0 ] || [ -n "$foreign" ]; then
  printf '%s\n' "$foreign" | head -n 10 >&2
  exit 1
fi

begun=$(date +%s%N)
"$EVENLOAD" demo >"$work/log" 2>&1 &
demo=$!
code=
while [ -z "$code" ]; do
  code=$(sed -n 's/.*#code=\([A-Za-z0-9_-]*\).*/\1/p' "$work/log" | head -n 1)
  kill -0 "$demo" || { cat "$work/log" >&2; exit 1; }
  sleep 0.05
done
url=$(grep -o 'http://[^ ]*#code=' "$work/log" | head -n 1)
url=${url%/#code=}
curl -s -c "$work/jar" -H 'Content-Type: application/json' -d "{\"code\":\"$code\"}" "$url/api/v1/login" >/dev/null
until curl -s -b "$work/jar" "$url/api/v1/sites/depot/plan?compact=true" | grep -q '"plan_id":[0-9]'; do
  [ $(($(date +%s%N) - begun)) -lt 60000000000 ] || { echo "no plan within a minute" >&2; exit 1; }
  sleep 0.05
done
echo "a plan after $((($(date +%s%N) - begun) / 1000000)) ms"
[ $(($(date +%s%N) - begun)) -lt 10000000000 ]
