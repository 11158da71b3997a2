#!/usr/bin/env bash
# Measures on $DEVICE with the further $OPTIONS of `dsbench run`, and leaves the run in $OUT.
set -euo pipefail
mkdir -p "$OUT"
code=0
# shellcheck disable=SC2086  # several options in one variable
.venv/bin/dsbench run --backend "$DEVICE" --results "$HISTORY/results" --no-record $OPTIONS || code=$?
# Also of a run that was cut off, what was measured is kept.
cp .dsbench/runs/*.jsonl "$OUT/run.jsonl"
# A benchmark that fails (3) is a measurement: the gate says whether it is a new one.
[ "$code" -eq 3 ] || exit "$code"
