#!/usr/bin/env bash
# Checks dsbench itself on an accelerator, and leaves the files in a folder:
#   scripts/check_accelerator.sh cuda OUT [tests|experiments|coverage|leaks ...]
set -uo pipefail
backend=${1:?a backend: cuda, rocm or mps}
out=${2:?a folder for the files}
shift 2
mkdir -p "$out"
[ $# -gt 0 ] || set -- tests experiments
for what in "$@"; do
  case $what in
    tests)
      # Without the project's options, some of which belong to plugins that may not be here.
      python3 -m pytest -c /dev/null --rootdir . -q -p no:cacheprovider tests/test_backends.py tests/test_probes.py \
        tests/test_profile.py tests/test_energy.py tests/test_sensors.py tests/test_condition.py \
        >"$out/tests.txt" 2>&1
      tail -n 6 "$out/tests.txt"
      python3 -m dsbench doctor --backend "$backend" | tee "$out/doctor.txt"
      python3 -m dsbench profile 'sdpa[N=4096,D=64,dtype=bfloat16,causal=True]' --backend "$backend" 2>&1 | tail -n 15
      ;;
    experiments)
      python3 scripts/experiments/truth.py --backend "$backend" --out "$out"
      python3 scripts/experiments/agreement.py --backend "$backend" --out "$out"
      ;;
    leaks)
      # Leaks and caches on the device, the lines they come from, what looking at a device tells and costs.
      python3 -m pytest -c /dev/null --rootdir . -q -p no:cacheprovider tests/test_growth.py tests/test_leak.py \
        tests/test_utilisation.py >"$out/leak-tests.txt" 2>&1
      tail -n 3 "$out/leak-tests.txt"
      for experiment in "leaks.py --detectors dsbench --repeats 1 --clean 2 --jobs 12" leak_lines.py leak_advice.py watching.py; do
        python3 scripts/experiments/$experiment --backend "$backend" --out "$out" 2>>"$out/leak-errors.txt"
      done
      python3 -m dsbench run busy --suites scripts/experiments/suites --backend "$backend" --rounds 1 \
        --min-time 0.2 2>"$out/busy.log" | tee "$out/busy.txt" | tail -n 20
      cp .dsbench/runs/*.jsonl "$out/"
      python3 -m dsbench run memory --quick --backend "$backend" --rounds 1 2>&1 | tee "$out/memory.txt" | tail -n 34
      ;;
    coverage)
      for neighbour in off on; do
        python3 scripts/experiments/coverage.py --backend "$backend" --out "$out" --neighbour $neighbour
      done
      ;;
  esac
done
