#!/usr/bin/env bash
# Checks dsbench itself on an accelerator, and leaves the files in a folder:
#   scripts/check_accelerator.sh cuda OUT [tests|experiments|coverage ...]
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
    coverage)
      for neighbour in off on; do
        python3 scripts/experiments/coverage.py --backend "$backend" --out "$out" --neighbour $neighbour
      done
      ;;
  esac
done
