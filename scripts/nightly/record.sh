#!/usr/bin/env bash
# Records the runs under a folder (DEVICE/run.jsonl) in the history on the branch `results`, and pushes it:
#   scripts/nightly/record.sh FOLDER
set -euo pipefail
folder=${1:?a folder with the runs}
if git fetch --quiet origin results; then
  git worktree add --quiet --force -B results "$HISTORY" FETCH_HEAD
else
  # The first night. (Had the fetch failed for another reason, the push would be refused.)
  git worktree add --quiet --detach "$HISTORY"
  git -C "$HISTORY" switch --quiet --orphan results
fi
shopt -s nullglob
for run in "$folder"/*/run.jsonl; do
  .venv/bin/dsbench history --add "$run" --results "$HISTORY/results"
done
cd "$HISTORY"
git add results
if git diff --cached --quiet; then
  echo "nothing was measured that is not recorded"
  exit
fi
git -c user.name=nightly -c user.email=nightly@users.noreply.github.com commit --quiet -m "Results of $(date -u +%F)"
git push --quiet origin results
