# Compile flags, in interface targets: nothing global is set.
add_library(temper_flags INTERFACE)
target_compile_features(temper_flags INTERFACE cxx_std_20)
# -ffp-contract=off is part of the exact contract (docs/numerics.md): a compiler
# that fuses a*b+c on its own would change bits between targets.
target_compile_options(temper_flags INTERFACE
  -Wall -Wextra -Wshadow -Wno-psabi -ffp-contract=off -fno-math-errno
  $<$<BOOL:${TEMPER_WERROR}>:-Werror>)
# 32 bits: folders and files of any size can be read, and times after 2038 are valid.
# Without the first, readdir() fails on file systems with 64-bit positions.
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  target_compile_definitions(temper_flags INTERFACE
    _FILE_OFFSET_BITS=64 _TIME_BITS=64)
endif()
if(TEMPER_SANITIZE)
  target_compile_options(temper_flags INTERFACE
    -fsanitize=${TEMPER_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(temper_flags INTERFACE -fsanitize=${TEMPER_SANITIZE})
endif()

# Instrumented for the scopes of locals, kernels take three times as long to compile
# (depthwise.cc minutes); they keep no address of a local that a scope ends.
add_library(temper_kernel_flags INTERFACE)
if(TEMPER_SANITIZE MATCHES "address")
  target_compile_options(temper_kernel_flags INTERFACE
    -fno-sanitize-address-use-after-scope)
endif()

# With AVX2 as what the compiler may use anyway, a sanitized build has no other x86
# target to compile: half of the time again. Where the CPU has it.
if(TEMPER_SANITIZE AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64" AND NOT CMAKE_CROSSCOMPILING)
  include(CheckCXXSourceRuns)
  check_cxx_source_runs("
    int main() {
      return !(__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") &&
               __builtin_cpu_supports(\"bmi2\"));
    }" TEMPER_CPU_HAS_AVX2)
  if(TEMPER_CPU_HAS_AVX2)
    target_compile_options(temper_kernel_flags INTERFACE -march=haswell)
  endif()
endif()

# Sanitized, the host's code is compiled without optimisation, in two thirds of the
# time: its tests spend theirs in kernels.
add_library(temper_host_flags INTERFACE)
if(TEMPER_SANITIZE)
  target_compile_options(temper_host_flags INTERFACE -O0)
endif()
# A target whose code runs once in a job: half as large, and compiled in three quarters
# of the time. Files of it that work on every sample are named after it; they cannot
# read headers that were compiled for the others.
function(temper_optimize_for_size name)
  if(NOT TEMPER_SANITIZE)
    target_compile_options(${name} PRIVATE "$<$<CONFIG:Release>:-Os>")
    if(ARGN)
      set_source_files_properties(${ARGN} PROPERTIES
        COMPILE_OPTIONS "$<$<CONFIG:Release>:-O3>" SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endif()
endfunction()

if(TEMPER_BUILD_FUZZERS)
  # Every library reports its coverage to libFuzzer; the fuzzers add its main.
  target_compile_options(temper_flags INTERFACE
    -fsanitize=address,fuzzer-no-link -fno-omit-frame-pointer)
  target_link_options(temper_flags INTERFACE -fsanitize=address)
endif()

# The runtime and the kernels work without exceptions and run-time types: linked
# PRIVATE, so that models, ports and tests keep both.
add_library(temper_core_flags INTERFACE)
target_compile_options(temper_core_flags INTERFACE -fno-exceptions -fno-rtti)

# Highway targets that are compiled: AVX2, AVX3 (AVX-512), SSE4, NEON, SVE and
# the baseline. The others stay disabled until a measurement shows that they pay;
# each costs object size and build time in every kernel file.
set(temper_disabled "HWY_SSSE3|HWY_AVX3_DL|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128")
if(hwy_VERSION VERSION_GREATER_EQUAL 1.1)
  string(APPEND temper_disabled "|HWY_SSE2|HWY_AVX3_ZEN4|HWY_AVX3_SPR")
endif()
# Sanitized builds leave out more (presets): instrumented kernels take minutes to
# compile for each target, and one FMA target shows what there is to see.
set(TEMPER_SKIP_TARGETS "" CACHE STRING "More Highway targets to leave out, separated by |")
if(TEMPER_SKIP_TARGETS)
  string(APPEND temper_disabled "|${TEMPER_SKIP_TARGETS}")
endif()
# Highway 1.1 split NEON in two; the half with AES holds nothing that we use.
if(hwy_VERSION VERSION_GREATER_EQUAL 1.1)
  string(APPEND temper_disabled "|HWY_NEON|HWY_NEON_BF16")
endif()
# One target, the best of the compiler's flags: for a program that is made for one
# CPU (presets pi-3, pi-4, pi-5).
option(TEMPER_STATIC_DISPATCH "Kernels for the compiler's target alone" OFF)
add_library(temper_highway INTERFACE)
target_link_libraries(temper_highway INTERFACE hwy::hwy)
target_compile_definitions(temper_highway INTERFACE
  "HWY_DISABLED_TARGETS=(${temper_disabled})"
  $<$<BOOL:${TEMPER_STATIC_DISPATCH}>:HWY_COMPILE_ONLY_STATIC>)
