#!/usr/bin/env bash
# Judges the run against the history, and leaves the report in $OUT; its exit code is the gate's.
set -euo pipefail
code=0
.venv/bin/dsbench gate --baseline last-green --results "$HISTORY/results" --format markdown -o "$OUT/gate.md" || code=$?
# Where nothing could be judged there is no report, and the code says so.
cat "$OUT/gate.md" >>"$GITHUB_STEP_SUMMARY" || true
exit "$code"
