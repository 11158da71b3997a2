#!/usr/bin/env bash
# Opens the issue with the label `nightly`, or comments on the one that is open, with the reports of $DEVICES
# under a folder (DEVICE/gate.md):
#   scripts/nightly/tell.sh FOLDER
set -euo pipefail
folder=${1:?a folder with the reports}
report=$(mktemp)
trap 'rm "$report"' EXIT
{
  echo "[Nightly run]($GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID) of $GITHUB_SHA"
  for device in $DEVICES; do
    printf '\n## %s\n\n' "$device"
    cat "$folder/$device/gate.md" 2>/dev/null ||
      echo "No report: measuring failed, or no runner took the job."
  done
} | head -c 60000 >"$report" # GitHub takes 65,536 characters
open=$(gh issue list --label nightly --state open --limit 1 --json number --jq '.[].number')
if [ -n "$open" ]; then
  gh issue comment "$open" --body-file "$report"
else
  gh label create nightly --force --description "Opened by the nightly run"
  gh issue create --title "The nightly run found something worse" --label nightly --body-file "$report"
fi
