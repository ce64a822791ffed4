#!/usr/bin/env bash
# The long hunt: 10,000 site-days by default; SITE_DAYS=1000000 for the whole. Ends with 5 and the
# failing seed if anything is found.
set -euo pipefail
cd "$(dirname "$0")/.."
site_days=${SITE_DAYS:-10000}
days=10
cargo build --release --quiet
exec target/release/evenload simulate examples/simulate/hunt.toml \
  --seed "${SEED:-1}" --sites $((site_days / days)) --days "$days" --json
