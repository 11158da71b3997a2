#!/usr/bin/env bash
# Records pairs of processes for scripts/experiments/replay.py, a stream a physical core, first without and
# then with a noisy neighbour on each of them, and on CUDA beside them where it is there:
#   scripts/record_ab.sh OUT [SECONDS]
# Leaves at most four files in OUT (quiet and noisy, of the cores and of the device) and what was printed.
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

for neighbour in off on; do
  name=$([ $neighbour = on ] && echo noisy || echo quiet)
  common=(--neighbour $neighbour --pairs 1000 --limit $((seconds / 2 - 15)))
  # The last core starts the processes, and is CUDA's; with one or two cores there is none to spare.
  last=$((${#cores[@]} > 2 ? ${#cores[@]} - 1 : ${#cores[@]}))
  for core in "${cores[@]:0:last}"; do
    "$python" scripts/experiments/record.py "$streams/cpu-$name-$core.jsonl.gz" --core "$core" "${common[@]}" &
  done
  if [ "$cuda" = 1 ]; then
    "$python" scripts/experiments/record.py "$streams/cuda-$name.jsonl.gz" --backend cuda \
      --core "${cores[-1]}" --kernels matmul softmax "${common[@]}" &
  fi
  wait
  for device in cpu cuda; do
    # Compressed files set behind each other are one.
    cat "$streams/$device-$name"*.gz >"$out/$device-$name.jsonl.gz" 2>/dev/null || rm "$out/$device-$name.jsonl.gz"
  done
done 2>&1 | tee "$out/record_ab.txt"
ls -l "$out"
