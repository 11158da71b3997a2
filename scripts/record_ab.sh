#!/usr/bin/env bash
# Records pairs of processes for scripts/experiments/replay.py, a stream a physical core: every other core has
# a noisy neighbour. Where there is CUDA, it is recorded beside them, first without and then with one.
#   scripts/record_ab.sh OUT [SECONDS]
# Leaves at most four files in OUT (of the cores and of the device, quiet and noisy) and what was printed.
set -uo pipefail
out=${1:?a folder for the files}
seconds=${2:-500}
cd "$(dirname "$0")/.." || exit
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

record() { # NAME NEIGHBOUR SECONDS "CORE ..." [OPTION ...]
  # shellcheck disable=SC2086  # several cores in one word
  "$python" scripts/experiments/record.py "$streams/$1-${4// /-}.jsonl.gz" --neighbour "$2" --limit "$3" \
    --cores $4 --pairs 1000 "${@:5}"
}

{
  # The last two cores start the processes, and are CUDA's; where there are few there is none to spare.
  last=$((${#cores[@]} > 3 ? ${#cores[@]} - 2 : ${#cores[@]}))
  for place in $(seq 0 $((last - 1))); do
    if [ $((place % 2)) = 0 ]; then
      record cpu-quiet off $((seconds - 20)) "${cores[place]}" &
    else
      record cpu-noisy on $((seconds - 20)) "${cores[place]}" &
    fi
  done
  if [ "$cuda" = 1 ]; then
    for neighbour in off on; do
      name=$([ $neighbour = on ] && echo cuda-noisy || echo cuda-quiet)
      record "$name" $neighbour $((seconds / 2 - 20)) "${cores[*]: -2}" --backend cuda --kernels matmul softmax
    done
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
