#!/usr/bin/env bash
# The durability tests at length, on the release build: 220 kills and the restart with 1,000 sessions,
# 500 flipped bits and 500 cuts.
# usage: tests/durability/long.sh [KILLS] [SEED] [TRIALS OF EACH DAMAGE]
set -euo pipefail
cd "$(dirname "$0")/../.."
export EVENLOAD_KILL_ROUNDS=${1:-220} EVENLOAD_KILL_SEED=${2:-7} EVENLOAD_DAMAGE_TRIALS=${3:-500}
exec cargo test --release --test durability -- --nocapture --test-threads 1 kill thousand damage
