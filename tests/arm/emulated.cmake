# Which tests of a cross build run under qemu, and as which CPU. Labels:
#   emulated  what `ctest --preset pi-...` runs
#   short     the part of it that ./test runs: kernels, a few of everything else, a few
#             as other cores; needs the target short_emulated_tests
#   smoke     a few tests of everything; needs smoke_tests
#   range     simd/math.h over every 509th float, minutes each: ./test long arm
#   sve-long  kernels' tests as SVE that take minutes: ./test long arm-sve
#   full      every test of the build once (unit, slow, host) but simd/math_slow_test,
#             as the CPU that is named: ./test long full. Needs everything built.
#     ctest --preset pi-aarch64-full                          # Cortex-A53
#     QEMU_CPU=max ctest --test-dir build/pi-aarch64 -L full  # SVE
# Without a CPU in its name a test runs as $QEMU_CPU, which the test presets set.

# The command line from outside; the script takes one program.
if(TARGET temper)
  string(REPLACE ";" " " temper_emulator "${CMAKE_CROSSCOMPILING_EMULATOR}")
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/emulated_temper
    CONTENT "#!/bin/sh\nexec ${temper_emulator} $<TARGET_FILE:temper> \"$@\"\n"
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  add_test(NAME host/cli_test COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_CURRENT_SOURCE_DIR}/host/cli_test.py
    ${CMAKE_CURRENT_BINARY_DIR}/emulated_temper)
  set_tests_properties(host/cli_test PROPERTIES LABELS host)
endif()

# Whole models in many variants: up to minutes each under qemu, and what they ask of
# kernels is asked by the others. So are the tests of models, host, simulation and
# fuzzing, which depend on the CPU least: all of these are in ./test long arm.
set(temper_long runtime/fusion_test runtime/plan_test runtime/pytorch_agreement_test
  runtime/slabs_test runtime/trainer_test runtime/footprint_test
  runtime/whole_gradients_test runtime/backend_test runtime/optimizers_test
  runtime/initializer_test runtime/hooks_test runtime/partial_backward_test
  runtime/random_graphs_test runtime/training_calls_test runtime/lr_find_test
  runtime/layer_statistics_test runtime/diagnosis_test runtime/class_weights_test
  runtime/signal_test runtime/graph_test runtime/cost_test runtime/update_hook_test
  runtime/packed_weights_test)

# temper_emulate(CPU TESTS...): the tests once more, as that CPU.
function(temper_emulate cpu)
  foreach(test IN LISTS ARGN)
    string(REPLACE / _ target ${test})
    add_test(NAME ${cpu}/${test} COMMAND ${target})
    set_tests_properties(${cpu}/${test} PROPERTIES
      LABELS emulated TIMEOUT 600 ENVIRONMENT QEMU_CPU=${cpu})
  endforeach()
endfunction()

# Beside kernels and temper_smoke, what ./test runs as ARM.
set(temper_few runtime/backend_cores_test runtime/mixup_test
  runtime/augment_warp_test)

get_property(temper_all DIRECTORY PROPERTY TESTS)
set(temper_kernels "")
foreach(test IN LISTS temper_all)
  get_test_property(${test} LABELS labels)
  # 2^32 floats through five functions: half a day as SVE. simd/math_test has the
  # stored hashes of every 509th and every 65537th.
  if(test STREQUAL "simd/math_slow_test")
    continue()
  endif()
  set_tests_properties(${test} PROPERTIES LABELS "${labels};full" TIMEOUT 3600)
  if(test MATCHES "^(simd|layers|runtime)/" AND NOT test IN_LIST temper_long
     AND NOT test MATCHES "_slow_test$")
    set_tests_properties(${test} PROPERTIES LABELS "unit;emulated;full" TIMEOUT 600)
    if(test MATCHES "^simd/")
      list(APPEND temper_kernels ${test})
    endif()
    if(test MATCHES "^simd/" OR test IN_LIST temper_few)
      set_tests_properties(${test} PROPERTIES LABELS "unit;emulated;short;full")
    endif()
  endif()
endforeach()
# Every 509th float is for the label "range".
set(temper_range "*Every509th*")
add_test(NAME range/simd/math_test
  COMMAND simd_math_test --gtest_filter=${temper_range})
set_tests_properties(range/simd/math_test PROPERTIES LABELS "range;full"
  TIMEOUT 1800)
set_tests_properties(simd/math_test PROPERTIES
  ENVIRONMENT "GTEST_FILTER=-${temper_range}")
set(temper_smoke simd/gemm_test simd/depthwise_test simd/norm_test
  layers/conv2d_test runtime/readme_test)
foreach(test IN LISTS temper_smoke)
  set_tests_properties(${test} PROPERTIES LABELS "unit;emulated;short;full;smoke")
endforeach()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64" AND NOT TEMPER_STATIC_DISPATCH)
  temper_emulate(max ${temper_kernels})  # SVE
  set_tests_properties(max/simd/conv_test max/simd/depthwise_test PROPERTIES
    LABELS sve-long)
  set_tests_properties(max/simd/math_test PROPERTIES
    ENVIRONMENT "QEMU_CPU=max;GTEST_FILTER=-${temper_range}")
  foreach(name gemm math update activation elementwise loss)
    set_tests_properties(max/simd/${name}_test PROPERTIES LABELS "emulated;short")
  endforeach()
  add_test(NAME max/range/simd/math_test
    COMMAND simd_math_test --gtest_filter=${temper_range})
  set_tests_properties(max/range/simd/math_test PROPERTIES LABELS range
    TIMEOUT 1800 ENVIRONMENT QEMU_CPU=max)
  temper_emulate(cortex-a72 ${temper_smoke})
  temper_emulate(cortex-a76 ${temper_smoke})

  foreach(cpu cortex-a72 cortex-a76)
    set_tests_properties(${cpu}/simd/gemm_test ${cpu}/runtime/readme_test PROPERTIES
      LABELS "emulated;short")
  endforeach()

  # qemu's models of these cores have AES, the Raspberry Pi 3 and 4 have not.
  add_library(temper_mask_features MODULE arm/mask_features.cc)
  list(APPEND temper_test_targets temper_mask_features)
  foreach(test IN LISTS temper_smoke)
    string(REPLACE / _ target ${test})
    add_test(NAME no_aes/${test} COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR}
      -cpu cortex-a53 -E LD_PRELOAD=$<TARGET_FILE:temper_mask_features>
      $<TARGET_FILE:${target}>)
    # Highway warns on stderr where it believes that NEON is missing.
    set_tests_properties(no_aes/${test} PROPERTIES LABELS emulated TIMEOUT 600
      FAIL_REGULAR_EXPRESSION "WARNING")
  endforeach()
  set_tests_properties(no_aes/simd/gemm_test no_aes/runtime/readme_test PROPERTIES
    LABELS "emulated;short")
  # GNU's: with Clang CMake names llvm-objdump, which by default does not know SVE.
  find_program(TEMPER_OBJDUMP aarch64-linux-gnu-objdump REQUIRED)
  add_test(NAME arm/baseline_test COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_CURRENT_SOURCE_DIR}/arm/baseline_test.py ${TEMPER_OBJDUMP}
    $<TARGET_FILE:temper>)
  set_tests_properties(arm/baseline_test PROPERTIES LABELS "emulated;short")
endif()

# What temper costs in a program that trains and nothing else.
add_executable(small_training arm/small_training.cc)
target_link_libraries(small_training PRIVATE temper_models)
list(APPEND temper_test_targets small_training)
add_test(NAME arm/small_training COMMAND small_training)
set_tests_properties(arm/small_training PROPERTIES LABELS "emulated;short" TIMEOUT 600)
if(TEMPER_STATIC_DISPATCH)
  add_test(NAME arm/size_test COMMAND ${Python3_EXECUTABLE}
    ${CMAKE_CURRENT_SOURCE_DIR}/arm/size_test.py ${CMAKE_STRIP}
    $<TARGET_FILE:small_training> 1500000)
  set_tests_properties(arm/size_test PROPERTIES LABELS emulated)
endif()

# What those with the label "short" need.
string(REPLACE / _ temper_short_targets "${temper_kernels};${temper_smoke};${temper_few}")
list(REMOVE_DUPLICATES temper_short_targets)
add_custom_target(short_emulated_tests DEPENDS ${temper_short_targets} small_training)
foreach(target temper temper_mask_features)
  if(TARGET ${target})
    add_dependencies(short_emulated_tests ${target})
  endif()
endforeach()

string(REPLACE / _ temper_smoke_targets "${temper_smoke}")
add_custom_target(smoke_tests DEPENDS ${temper_smoke_targets})
if(TARGET temper)
  add_dependencies(smoke_tests temper)
endif()
