#!/usr/bin/env bash
# Compiles simd/ and runtime/ for 64-bit ARM: the Armv8-A baseline (NEON), and with
# SVE. Objects are kept, so a second run compiles what has changed.
#   arm_compile.sh CXX SOURCE_DIR BUILD_DIR
set -euo pipefail
cxx=$1 source=$2 build=$3
if [ -z "$cxx" ] || [ "${cxx%NOTFOUND}" != "$cxx" ]; then
  echo "arm_compile: no aarch64-linux-gnu-g++: run ./setup" >&2
  exit 1
fi
# Highway's headers are the same for every architecture, but /usr/include as a
# whole is the host's: link the one folder that is needed.
mkdir -p "$build/include"
ln -sfn /usr/include/hwy "$build/include/hwy"
cd "$source"
launcher=$(command -v ccache || true)
compile() {
  local march=$1 file=$2
  local object=$build/$march/${file//\//_}.o
  mkdir -p "$(dirname "$object")"
  $launcher "$cxx" -std=c++20 -O1 -Wall -Wextra -Werror -Wno-psabi -ffp-contract=off \
    -fno-math-errno -fno-exceptions -fno-rtti -march="$march" \
    -I"$build/include" -I. -Iruntime/include \
    "-DHWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_AVX3_DL|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)" \
    -c "$file" -o "$object"
}
export -f compile
export cxx build launcher
count=0
for march in armv8-a armv8-a+sve; do
  find simd runtime -name '*.cc' | sort |
    xargs -P "$(nproc)" -I FILE bash -c "compile $march FILE"
  count=$((count + $(find simd runtime -name '*.cc' | wc -l)))
done
echo "arm_compile: $count objects"
