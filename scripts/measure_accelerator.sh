#!/usr/bin/env bash
# Measures and checks the attention suite on an accelerator, and leaves the files in a folder:
#   scripts/measure_accelerator.sh cuda OUT [measure|verify]
# Bring a run home with `dsbench history --add OUT/run.jsonl --commit REV`.
set -uo pipefail
backend=${1:?a backend: cuda, rocm or mps}
out=${2:?a folder for the files}
what=${3:-both}
mkdir -p "$out"
dsbench() { python3 -m dsbench "$@"; }

dsbench doctor | tee "$out/doctor.txt"
if [ "$what" != verify ]; then
  # Causal attention at every length, in three rounds of short sampling, which fits a lease of ten minutes.
  timeout -s INT 560 python3 -m dsbench run attention --backend "$backend" -k causal=True \
    --exclude D=128,dtype=float32 --rounds 3 --min-time 0.02 --timeout 120 \
    >"$out/table.txt" 2>"$out/run.log"
  echo "run: exit code $?"
  cp .dsbench/runs/*.jsonl "$out/run.jsonl"
  dsbench report --format markdown -o "$out/table.md"
  tail -n 3 "$out/table.txt" "$out/run.log"
fi
if [ "$what" != measure ]; then
  # One call of every case: does it run, and is it right?
  timeout -s INT 560 python3 -m dsbench verify --backend "$backend" --timeout 120 \
    >"$out/verify.txt" 2>"$out/verify.log"
  echo "verify: exit code $?"
  tail -n 3 "$out/verify.txt" "$out/verify.log"
fi
