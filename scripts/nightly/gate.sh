#!/usr/bin/env bash
# Judges the run against the history, measures again in turns what seems to be worse, and leaves the report for
# the artifact; its exit code is the gate's.
set -euo pipefail
report=$RUNNER_TEMP/nightly/$DEVICE/gate.md
code=0
.venv/bin/dsbench gate latest --measure --baseline last-green --results "$HISTORY/results" --format markdown -o "$report" || code=$?
# Where nothing could be judged there is no report, and the code says so.
cat "$report" >>"$GITHUB_STEP_SUMMARY" || true
exit "$code"
