#!/usr/bin/env bash
# Everything that needs a real GPU in one go, in under nine minutes:  spec/bench/gpu.sh [FOLDER]     (default: bench-out)
# Writes FOLDER/results.jsonl (all events of all parts), report.txt (the tables) and log.txt (what went wrong, and how).
# Needs node and node_modules, nothing else. Each part has a time limit of its own, so that one that hangs costs the others nothing.
#
#   DEVICE   webgpu, or webgpu:software to try the script without a GPU
#   QUICK=1  tiny sizes
#   GOLDEN   a folder of reference cases (default: spec/golden)
#   PYTHON   an interpreter with torch (default: python3); without one its rows say so
#   PEERS    a folder with the node_modules of spec/bench/peers/package.json (default: spec/bench/peers)
#   BUDGET   seconds for all parts together (default: 520)
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-bench-out}
device=${DEVICE:-webgpu}
golden=${GOLDEN:-spec/golden}
python=${PYTHON:-$(command -v python3 || echo python3)}
peers=${PEERS:-spec/bench/peers}
budget=${BUDGET:-520}
mkdir -p "$out"
results=$out/results.jsonl
log=$out/log.txt
: >"$results"
: >"$log"
export NO_COLOR=1

# part NAME SECONDS COMMAND...: its JSON lines go to the results after one that names the part, its errors to the log
part() {
  local name=$1 limit=$2 left=$((budget - SECONDS)) began=$SECONDS status
  shift 2
  if [ "$left" -lt 5 ]; then
    echo "{\"event\":\"part\",\"part\":\"$name\",\"status\":\"no time left\",\"seconds\":0}" >>"$results"
    echo "$name: no time left"
    return
  fi
  [ "$limit" -gt "$left" ] && limit=$left
  echo "{\"event\":\"begin\",\"part\":\"$name\"}" >>"$results"
  echo "== $name" >>"$log"
  timeout -s INT -k 10 "$limit" "$@" >>"$results" 2>>"$log"
  status=$?
  [ $status = 124 ] || [ $status = 137 ] && status="stopped after $limit s"
  [ "$status" = 0 ] && status=done
  # on a line of its own: a part that was stopped may have left half of one
  printf '\n{"event":"part","part":"%s","status":"%s","seconds":%d}\n' "$name" "$status" $((SECONDS - began)) >>"$results"
  echo "$name: $status, $((SECONDS - began)) s"
  [ "$status" = done ]
}
# step NAME ARGUMENTS...: with the kernels, or without them where the device cannot time them
step() {
  local name=$1
  shift
  part "$name" 45 "${millrace[@]}" bench step "$@" --device "$device" --kernels --json ||
    part "$name-whole" 45 "${millrace[@]}" bench step "$@" --device "$device" --json
}
millrace=(node --import tsx pipelines/bin.ts)
compare=(node --import tsx spec/bench/peers/run.ts --json --device "$device" --python "$python" --packages "$peers")
libraries=torch,torch-channels-last,tfjs-webgpu

if [ "${QUICK:-}" = 1 ]; then
  part golden-safe 60 env MILLRACE_WEBGPU_SAFE=1 "${millrace[@]}" golden "$golden" --device "$device" --json
  part golden 60 "${millrace[@]}" golden "$golden" --device "$device" --json
  step step-resnet8-2 --model resnet8 --size 28 --classes 10 --batch 2 --steps 2
  part peers-resnet8-2 90 "${compare[@]}" --model resnet8 --size 28 --classes 10 --batch 2 --peers $libraries --rounds 2 --turn 0.1
  part kernels 60 "${millrace[@]}" bench kernels --models resnet8:2 --size 28 --classes 10 --filter relu --device "$device" --seconds 0.02 --json
else
  part golden-safe 60 env MILLRACE_WEBGPU_SAFE=1 "${millrace[@]}" golden "$golden" --device "$device" --json
  part golden 45 "${millrace[@]}" golden "$golden" --device "$device" --json
  for batch in 64 256; do
    for model in resnet50 alexnet resnet18; do
      step "step-$model-$batch" --model $model --size 224 --batch $batch --steps 10
    done
  done
  part peers-resnet50-64 75 "${compare[@]}" --model resnet50 --batch 64 --peers $libraries --rounds 3 --turn 1 --patience 5
  part peers-resnet50-256 60 "${compare[@]}" --model resnet50 --batch 256 --peers $libraries --rounds 3 --turn 1 --patience 5
  part peers-alexnet-256 45 "${compare[@]}" --model alexnet --batch 256 --peers $libraries --rounds 3 --turn 1 --patience 5
  part peers-resnet18-256 45 "${compare[@]}" --model resnet18 --batch 256 --peers $libraries --rounds 3 --turn 1 --patience 5
  part kernels 120 "${millrace[@]}" bench kernels --device "$device" --seconds 0.02 --patience 1 --json
fi
node --import tsx spec/bench/gpuReport.ts "$results" | tee "$out/report.txt"
