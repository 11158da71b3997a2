#!/usr/bin/env bash
# Records pairs of processes for scripts/experiments/replay.py, a stream a physical core: every other core has
# a noisy neighbour. Where there is CUDA, it is recorded beside them, first without and then with one.
#   scripts/record_ab.sh OUT [SECONDS]
# Leaves at most four files in OUT (of the cores and of the device, quiet and noisy) and what was printed.
set -uo pipefail
out=${1:?a folder for the files}
seconds=${2:-500}
cd "$(dirname "$0")/.."
mkdir -p "$out"
out=$(cd "$out" && pwd)
streams=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$streams"' EXIT
export OMP_NUM_THREADS=1 PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
python=${PYTHON:-python3}

# The first thread of each core that we may run on: a second one would be a neighbour, too.
mapfile -t cores < <("$python" - <<'PYTHON'
import os
from pathlib import Path

seen = set()
for core in sorted(os.sched_getaffinity(0)):
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    siblings = path.read_text().strip() if path.exists() else str(core)
    if siblings not in seen:
        print(core)
    seen.add(siblings)
PYTHON
)
cuda=$("$python" -c 'from dsbench.backends import BACKENDS; print(int(BACKENDS["cuda"].availability().usable))')
echo "cores ${cores[*]}, CUDA $cuda"

record() { # NAME NEIGHBOUR CORE SECONDS [OPTION ...]
  "$python" scripts/experiments/record.py "$streams/$1-$3.jsonl.gz" --neighbour "$2" --core "$3" --limit "$4" \
    --pairs 1000 "${@:5}"
}

{
  # The last core starts the processes, and is CUDA's; with one or two cores there is none to spare.
  last=$((${#cores[@]} > 2 ? ${#cores[@]} - 1 : ${#cores[@]}))
  for place in $(seq 0 $((last - 1))); do
    if [ $((place % 2)) = 0 ]; then
      record cpu-quiet off "${cores[place]}" $((seconds - 20)) &
    else
      record cpu-noisy on "${cores[place]}" $((seconds - 20)) &
    fi
  done
  if [ "$cuda" = 1 ]; then
    record cuda-quiet off "${cores[-1]}" $((seconds / 2 - 20)) --backend cuda --kernels matmul softmax
    record cuda-noisy on "${cores[-1]}" $((seconds / 2 - 20)) --backend cuda --kernels matmul softmax
  fi
  wait
} 2>&1 | tee "$out/record_ab.txt"
for name in cpu-quiet cpu-noisy cuda-quiet cuda-noisy; do
  # Compressed files set behind each other are one.
  if compgen -G "$streams/$name-*" >/dev/null; then
    cat "$streams/$name"-* >"$out/$name.jsonl.gz"
  fi
done
ls -l "$out"
