#!/usr/bin/env bash
# Measures and checks the attention suite on an accelerator, and leaves the files in a folder:
#   scripts/measure_accelerator.sh cuda OUT [measure|verify|both]
# Bring a run home with `dsbench history --add OUT/run.jsonl --commit REV`.
set -uo pipefail
backend=${1:?a backend: cuda, rocm or mps}
out=${2:?a folder for the files}
what=${3:-both}
mkdir -p "$out"

if [ "$what" != verify ]; then
  # What the device can do at best, for the roofline of the run.
  python3 -m dsbench doctor --backend "$backend" --ceilings | tee "$out/ceilings.txt" | tail -n 8
  cp results/*/ceilings-"$backend".jsonl "$out/"
  # Causal attention in bfloat16 at every length, in three rounds of short sampling.
  timeout -s INT ${LIMIT:-560} python3 -m dsbench run attention --backend "$backend" \
    -k dtype=bfloat16,causal=True --rounds 3 --min-time 0.02 --timeout 120 >"$out/table.txt" 2>"$out/run.log"
  echo "run: exit code $?"
  cp .dsbench/runs/*.jsonl "$out/run.jsonl"
  tail -n 4 "$out/table.txt" "$out/run.log"
fi
if [ "$what" != measure ]; then
  # One call of every case: does it run, and is it right?
  timeout -s INT ${LIMIT:-560} python3 -m dsbench verify --backend "$backend" --timeout 120 \
    >"$out/verify.txt" 2>"$out/verify.log"
  echo "verify: exit code $?"
  tail -n 4 "$out/verify.txt" "$out/verify.log"
fi
