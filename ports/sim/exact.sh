#!/usr/bin/env bash
# Trains the same jobs on x86 and on emulated ARM cores and prints one row per run,
# each ending in the weights_sha256 of the trained weights. Exit 1 if two rows of a
# job differ: in one bit, or for SSE4 and 32-bit ARM by more than rounding.
#   exact.sh            the long form: every job, core, SVE width and library
#   exact.sh --short    jobs A and B and two optimizers on what ./test has built
#                       (Debian 12, 64 bits)
#   exact.sh --no-build use what is built; a missing program is an error
# Jobs (data: Debian's dataset-fashion-mnist, 28x28x1):
#   A  resnet8, batch 8, 4 steps
#   B  ports/sim/jobs/small.json: depthwise, pools, a residual sum, dropout, every
#      augmentation, a short last batch; Nesterov momentum, weight decay, warm-up,
#      cosine; 0.5 GFLOP
#   B-8, B-9  B with these seeds, where weights are only near the exact ones
#   O-NAME  the graph of B with every optimizer that temper lists, but SGD
#   L-NAME  the graph of B with that loss, class weights and balanced draws
#   C  resnet8 and mobilenet_v1 at width 0.25, batch 8, 100 steps (x86 and NEON)
# Programs: build/release, build/pi-aarch64 (Debian 12: Highway 1.0.3, GCC),
# build/x86-64-debian13, build/pi-aarch64-debian13 (Highway 1.2.0, Clang); for 32-bit
# ARM build/pi-armhf.
# Rows of target "simulate" are what `temper simulate` says that the board will do.
# SSE4 has no fused multiply-add and 32-bit ARM flushes subnormals: their weights are
# within $tolerance of the exact ones (jobs A and B; docs/numerics.md), with seeds under
# which the last bit decides no ReLU and no maximum.
set -euo pipefail
cd "$(dirname "$0")/../.."
form=long build=yes
tolerance=2e-5  # of a tensor's largest value
for argument in "$@"; do
  case "$argument" in
    --short) form=short ;;
    --no-build) build=no ;;
    -h|--help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) echo "exact.sh: unknown argument '$argument': try --help" >&2; exit 64 ;;
  esac
done
data=${TEMPER_FASHION:-/usr/share/datasets/fashion-mnist}
if [ ! -d "$data" ]; then
  echo "exact.sh: $data is missing: run ./setup, or name a folder in TEMPER_FASHION" >&2
  exit 66
fi

presets=(release pi-aarch64)
[ "$form" = short ] || presets+=(pi-armhf x86-64-debian13 pi-aarch64-debian13)
if [ "$build" = yes ]; then
  if [ "$form" = short ]; then ./setup >&2; else ./setup --arm >&2; fi
  for preset in "${presets[@]}"; do
    case "$preset" in
      pi-aarch64) ports/raspberry-pi/sysroot 12 arm64 >&2 ;;
      pi-aarch64-debian13) ports/raspberry-pi/sysroot 13 arm64 >&2 ;;
      x86-64-debian13) ports/raspberry-pi/sysroot 13 amd64 >&2 ;;
      pi-armhf) ports/raspberry-pi/sysroot 12 armhf >&2 ;;
    esac
    cmake --preset "$preset" >&2
    cmake --build --preset "$preset" -j "$(nproc)" --target temper >&2
  done
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# How a preset's program is run here: emulator and folder of libraries, a word a line.
prefix() {
  local root=$PWD/build/sysroot
  case "$1" in
    pi-aarch64) printf '%s\n' qemu-aarch64 -L "$root/debian-12-arm64" ;;
    pi-aarch64-debian13) printf '%s\n' qemu-aarch64 -L "$root/debian-13-arm64" ;;
    pi-armhf) printf '%s\n' qemu-arm -L "$root/debian-12-armhf" ;;
    x86-64-debian13)
      root=$root/debian-13-amd64
      printf '%s\n' "$root/lib64/ld-linux-x86-64.so.2" --library-path \
        "$root/usr/lib/x86_64-linux-gnu" ;;
  esac
}

# The arguments of a job, one a line.
job_arguments() {
  case "$1" in
    A) printf '%s\n' --model resnet8 --data "idx:$data?limit=32" --batch 8 --epochs 1 ;;
    B|B-*) printf '%s\n' --model ports/sim/jobs/small.json --data "idx:$data?limit=130" \
         --batch 32 --epochs 2 --lr 0.02 --nesterov --wd-all --warmup 3 \
         --augment hflip,vflip=0.1,crop=2,brightness=0.2,contrast=0.2,cutout=5 ;;
    O-*) printf '%s\n' --model ports/sim/jobs/small.json --data "idx:$data?limit=70" \
         --batch 32 --epochs 2 --lr 0.002 --optimizer "${1#O-}" ;;
    L-*) printf '%s\n' --model ports/sim/jobs/small.json --data "idx:$data?limit=70" \
         --batch 32 --epochs 2 --lr 0.02 --loss "${1#L-}" --sampler balanced \
         --class-weights 1,2,3,4,5,0.1,0.2,0.3,0.4,0.5 ;;
    C-resnet8) printf '%s\n' --model resnet8 --data "idx:$data?limit=800" --batch 8 \
         --epochs 1 ;;
    C-mobilenet_v1) printf '%s\n' --model 'mobilenet_v1?width=0.25' \
         --data "idx:$data?limit=800" --batch 8 --epochs 1 ;;
  esac
}

# Is this a run whose weights are only near the others'? PRESET TARGET
near() { [ "$1" = pi-armhf ] || [ "$2" = sse4 ]; }

# One run: JOB PRESET CPU TARGET THREADS. Prints its row and keeps it for the end.
run() {
  local job=$1 preset=$2 cpu=$3 target=$4 threads=$5
  local folder="$work/$1-$2-$3-$4-$5" program="build/$2/bin/temper" version hash ran
  local verb=(train --target "$target")
  if [ "$preset" = simulate ]; then
    program=build/release/bin/temper
    verb=(simulate --device "$cpu")
  fi
  local command=() arguments=() word seed=7
  case "$job" in B-*) seed=${job#B-} ;; esac
  while IFS= read -r word; do command+=("$word"); done < <(prefix "$preset")
  command+=("$program")
  while IFS= read -r word; do arguments+=("$word"); done < <(job_arguments "$job")
  if [ ! -x "$program" ]; then
    echo "exact.sh: $program is missing: leave out --no-build, or build preset $preset" >&2
    return 1
  fi
  local emulated=()
  [ "$cpu" = host ] || [ "$preset" = simulate ] || emulated=(env "QEMU_CPU=$cpu")
  version=$("${emulated[@]}" "${command[@]}" --version)
  if ! "${emulated[@]}" "${command[@]}" "${verb[@]}" "${arguments[@]}" \
      --seed "$seed" --threads "$threads" --out "$folder" --json --quiet \
      >"$folder.json" 2>"$folder.err"; then
    echo "exact.sh: job $job on $preset, $cpu, $target failed:" >&2
    cat "$folder.err" "$folder.json" >&2
    return 1
  fi
  hash=$(sed -n 's/.*"weights_sha256": "\([0-9a-f]\{64\}\)".*/\1/p' "$folder.json")
  ran=$(sed -n 's/.*"target": "\([a-z0-9]*\)".*/\1/p' "$folder.json")
  if [ -z "$hash" ] || { [ "$ran" != "$target" ] && [ "$preset" != simulate ]; }; then
    echo "exact.sh: asked for target $target, ran '$ran'; hash '$hash'" >&2
    return 1
  fi
  local kept=$folder.row
  if near "$preset" "$target"; then kept=$folder.near; fi
  [ "$preset" != simulate ] || target=simulate
  printf '%-14s  %-8s  %-17s  %-8s  %-20s  %s  %s\n' "$job" "$target" "$cpu" \
    "$(sed -n 's/.*Highway \([0-9.]*\).*/\1/p' <<<"$version")" \
    "$(sed -n 's/.*Highway [0-9.]*, \(.*\))$/\1/p' <<<"$version")" "$threads" "$hash" \
    | tee "$kept"
}
export -f run near prefix job_arguments
export work data

# The x86 rows that this CPU can run.
x86=()
for target in avx2 avx3; do
  if build/release/bin/temper doctor --target "$target" --json >/dev/null 2>&1; then
    x86+=("$target")
  else
    echo "exact.sh: this CPU has no $target: its rows are left out" >&2
  fi
done
if [ ${#x86[@]} -eq 0 ]; then
  echo "exact.sh: this CPU has neither AVX2 nor AVX-512: nothing to compare with" >&2
  exit 69
fi

# The long runs first, so that both cores stay busy to the end.
rows=()
emulated=(pi-aarch64)
native=(release)
if [ "$form" = long ]; then
  emulated+=(pi-aarch64-debian13)
  native+=(x86-64-debian13)
  for preset in "${emulated[@]}"; do
    for job in C-resnet8 C-mobilenet_v1; do
      for cpu in cortex-a53 cortex-a72 cortex-a76; do
        # The cores differ in what they announce, not in how qemu computes: the long
        # job runs on one core per library; A and B run on all.
        [ "$cpu" = cortex-a53 ] || [ "$preset" = pi-aarch64 ] || continue
        rows+=("$job $preset $cpu neon 1")
      done
    done
  done
fi
for preset in "${emulated[@]}"; do
  for job in A B; do
    for bits in 4 2 1; do
      [ "$form" = long ] || [ "$job" = B ] || [ "$bits" = 1 ] || continue
      rows+=("$job $preset max,sve-max-vq=$bits sve 1")
    done
    for cpu in cortex-a53 cortex-a72 cortex-a76; do
      rows+=("$job $preset $cpu neon 1")
    done
    rows+=("$job $preset cortex-a72 neon 4")
  done
done
for preset in "${native[@]}"; do
  for job in A B C-resnet8 C-mobilenet_v1; do
    [ "$form" = long ] || [ "${job:0:1}" != C ] || continue
    for target in "${x86[@]}"; do
      for threads in 1 3; do rows+=("$job $preset host $target $threads"); done
    done
  done
done
mapfile -t optimizers < <(build/release/bin/temper list optimizers --json | python3 -c '
import json, sys
for optimizer in json.load(sys.stdin)["optimizers"]:
    print(optimizer["name"])')
for optimizer in "${optimizers[@]}"; do
  [ "$optimizer" != sgd ] || continue  # jobs A to C
  # Of each kind of update one is enough for every change: by element, by model.
  [ "$form" != short ] || [[ " adam muon " = *" $optimizer "* ]] || continue
  for preset in "${emulated[@]}"; do
    rows+=("O-$optimizer $preset cortex-a53 neon 1")
    rows+=("O-$optimizer $preset max,sve-max-vq=2 sve 1")
  done
  for preset in "${native[@]}"; do
    for target in "${x86[@]}"; do rows+=("O-$optimizer $preset host $target 3"); done
  done
  rows+=("O-$optimizer simulate pi-4 best 4")
done
for job in L-focal L-bce; do
  for preset in "${emulated[@]}"; do
    [ "$form" != short ] || [ "$job" = L-focal ] || continue
    rows+=("$job $preset cortex-a53 neon 1")
    rows+=("$job $preset max,sve-max-vq=2 sve 1")
  done
  for preset in "${native[@]}"; do
    for target in "${x86[@]}"; do rows+=("$job $preset host $target 3"); done
  done
done
for job in A B B-8 B-9; do
  rows+=("$job release host sse4 1")
  # B's own seed meets a ReLU or maximum that the last bit decides there.
  [ "$form" = short ] || [ "$job" = B ] || rows+=("$job pi-armhf cortex-a7 neon 1")
done
for job in B-8 B-9; do rows+=("$job release host ${x86[0]} 1"); done
for job in A B; do
  for device in pi-zero-2w pi-3 pi-4 pi-5; do
    rows+=("$job simulate $device best 4")
  done
done

printf '%-14s  %-8s  %-17s  %-8s  %-20s  %s  %s\n' job target core Highway compiler T \
  weights_sha256
status=0
printf '%s\n' "${rows[@]}" |
  xargs -P "$(nproc)" -I{} bash -c 'set -euo pipefail; run $1' exact {} || status=1
if [ "$status" -ne 0 ]; then
  echo "exact.sh: some runs failed" >&2
  exit 1
fi
cat "$work"/*.row | awk '
  { rows[$1]++; if (!(($1, $NF) in seen)) { seen[$1, $NF] = 1; hashes[$1]++ } }
  END {
    for (job in rows) {
      printf "job %s: %d runs, %d different weights\n", job, rows[job], hashes[job]
      if (hashes[job] != 1) bad = 1
    }
    exit bad
  }' | sort || status=1
for row in "$work"/*.near; do
  run=${row%.near} job=$(awk '{ print $1 }' "$row")
  exact=$work/$job-release-host-${x86[0]}-1
  difference=$(ports/sim/weights_difference.py "$exact/weights/last.safetensors" \
    "$run/weights/last.safetensors" --below "$tolerance") || status=1
  awk -v difference="$difference" -v tolerance="$tolerance" '{
    printf "job %s: %s on %s, Highway %s: off by %s (allowed: %s)\n",
      $1, $2, $3, $4, difference, tolerance }' "$row"
done
exit "$status"
