#!/usr/bin/env bash
# Fuzzes what partners send: objects, headers, crawls. libFuzzer with coverage, on the workspace's own
# toolchain (no nightly: the crate has no unsafe code, so no sanitizer is asked for).
#
#   ocpi-client/fuzz/run.sh [SECONDS_PER_TARGET]        (default 600; needs a C++ compiler)
#
# A crash leaves its input in ocpi-client/fuzz/artifacts and ends with a status other than 0.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-600}
command -v c++ >/dev/null || { echo "MISSING: a C++ compiler; libFuzzer cannot be built" >&2; exit 1; }
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  cargo build --release --quiet --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir ../../target/fuzz
program=../../target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release
mkdir -p artifacts
for target in objects headers crawl; do
  mkdir -p "corpus/$target"
  echo "== $target, $seconds s"
  "$program/$target" "corpus/$target" "seeds/$target" -max_total_time="$seconds" -max_len=4096 \
    -timeout=10 -rss_limit_mb=1024 -artifact_prefix=artifacts/ -print_final_stats=1 2>&1 |
    grep -E "^#[0-9]+.*(DONE|INITED)|stat::|ERROR|panicked|SUMMARY" | tail -20
done
