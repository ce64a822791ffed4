#!/usr/bin/env bash
# Fuzzes what charging stations say, over OCPP 1.6, 2.0.1 and 2.1: a script of messages, answers,
# orders and time going by (src/ocpp/station/tests/script.rs says what must hold). libFuzzer with
# coverage, on the workspace's own toolchain (no nightly: there is no unsafe code, so no sanitizer is
# asked for).
#
#   tests/station_fuzz/run.sh [SECONDS]        (default 600; needs a C++ compiler)
#
# It begins with seeds/ and with the messages of tests/ocpp_cases. A crash leaves its input in
# tests/station_fuzz/artifacts and ends with a status other than 0.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-600}
command -v c++ >/dev/null || { echo "MISSING: a C++ compiler; libFuzzer cannot be built" >&2; exit 1; }
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  cargo build --release --quiet --target "$host" --target-dir ../../target/fuzz
rm -rf corpus/cases
mkdir -p artifacts corpus/station corpus/cases
# A case becomes a script: what the station says, what it answers, what the operator wants.
for cases in ../ocpp_cases/*.cases; do
  version=2.0.1
  [[ $cases == *_16.cases ]] && version=1.6
  awk -v version="$version" '
    /^== / { out = "corpus/cases/" $2 "_" version; print version > out; next }
    !out { next }
    { gsub(/\$now|\$later/, "2026-11-22T12:00:00Z"); end = match($0, / (->|!!) /) }
    /^(say|expects|operator) / && end {
      call = substr($0, 1, end - 1); answer = substr($0, end + 4)
      split(call, word, " "); payload = substr(call, length(word[1]) + length(word[2]) + 3)
    }
    /^say / && end { printf "[2,\"m%d\",\"%s\",%s]\n", ++id, word[2], payload > out }
    /^operator / && end { printf "!%s 0 %s\n=%s\n", word[2], payload, answer > out }
    /^expects / && end { printf "=%s\n", answer > out }
  ' "$cases"
done
echo "== station, $seconds s"
"../../target/fuzz/$host/release/station" corpus/station seeds/station corpus/cases \
  -dict=station.dict -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 \
  -artifact_prefix=artifacts/ -print_final_stats=1 2>&1 |
  grep -E "^#[0-9]+.*(DONE|INITED)|stat::|ERROR|panicked|SUMMARY" | tail -20
