#!/usr/bin/env bash
# Builds the CPO on the crate `ocpi-kit` (beside the workspace, see ocpi_kit/Cargo.toml) and runs the
# counterparty tests with it. The crate declares Rust 1.96; what is used of it builds with ours.
#
#   tests/counterparties/ocpi_kit.sh [--release]
set -euo pipefail
cd "$(dirname "$0")/../.."
target=target/counterparties-ocpi-kit
cargo build --quiet --ignore-rust-version --manifest-path tests/counterparties/ocpi_kit/Cargo.toml \
  --target-dir "$target"
EVENLOAD_OCPI_KIT_CPO="$PWD/$target/debug/ocpi-kit-cpo" EVENLOAD_REQUIRE_COUNTERPARTIES=extrawest-ocpi,ocpi-kit \
  cargo test "$@" --test counterparties
