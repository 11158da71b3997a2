#!/usr/bin/env bash
# Measures on $DEVICE with the further $OPTIONS of `dsbench run`, and leaves the run for the artifact.
set -euo pipefail
out=$RUNNER_TEMP/nightly/$DEVICE
mkdir -p "$out"
code=0
# shellcheck disable=SC2086  # several options in one variable
.venv/bin/dsbench run --backend "$DEVICE" --results "$HISTORY/results" --no-record $OPTIONS || code=$?
# Also of a run that was cut off, what was measured is kept.
cp .dsbench/runs/*.jsonl "$out/run.jsonl"
# A benchmark that fails (3) is a measurement: the gate says whether it is a new one.
[ "$code" -eq 3 ] || exit "$code"
