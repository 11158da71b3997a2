#!/usr/bin/env bash
# Checks and measures the built-in suites on an accelerator, and leaves the run's files in a folder:
#   scripts/measure_accelerator.sh cuda OUT
# Bring a run home with `dsbench history --add OUT/full.jsonl --commit REV`.
set -uo pipefail
backend=${1:?a backend: cuda, rocm or mps}
out=${2:?a folder for the files}
mkdir -p "$out"
dsbench() { python3 -m dsbench "$@"; }

dsbench doctor | tee "$out/doctor.txt"
# One call of every case: does it run, and is it right?
dsbench verify --backend "$backend" --timeout 120 >"$out/verify.txt" 2>"$out/verify.log"
echo "verify: exit code $?"
tail -n 3 "$out/verify.txt"
# Causal attention at every length. Three rounds of short samplings fit a lease of minutes.
dsbench run attention --backend "$backend" -k causal=True --rounds 3 --min-time 0.04 --timeout 120 \
  --save full >"$out/table.txt" 2>"$out/run.log"
echo "run: exit code $?"
cp .dsbench/saved/full.jsonl "$out/full.jsonl"
gzip -kf "$out/full.jsonl"
tail -n 40 "$out/table.txt"
