# Which tests of a cross build run under qemu, and as which CPU. Label "emulated" is
# what `ctest --preset pi-...` and ./test run; "unit" is everything:
#   QEMU_CPU=max ctest --test-dir build/pi-aarch64 -L unit
# Without a CPU in its name a test runs as $QEMU_CPU, which the test presets set.

# Whole models in many variants: minutes each under qemu, and what they ask is asked
# of each layer and kernel by the others.
set(temper_long runtime/fusion_test runtime/plan_test runtime/pytorch_agreement_test
  runtime/slabs_test runtime/trainer_test)

# temper_emulate(CPU TESTS...): the tests once more, as that CPU.
function(temper_emulate cpu)
  foreach(test IN LISTS ARGN)
    string(REPLACE / _ target ${test})
    add_test(NAME ${cpu}/${test} COMMAND ${target})
    set_tests_properties(${cpu}/${test} PROPERTIES
      LABELS emulated TIMEOUT 600 ENVIRONMENT QEMU_CPU=${cpu})
  endforeach()
endfunction()

get_property(temper_all DIRECTORY PROPERTY TESTS)
set(temper_kernels "")
foreach(test IN LISTS temper_all)
  if(test MATCHES "^(simd|layers|models|runtime|host|fuzz)/" AND NOT test IN_LIST temper_long
     AND NOT test MATCHES "_slow_test$|/session_test$")
    set_tests_properties(${test} PROPERTIES LABELS "unit;emulated")
    if(test MATCHES "^simd/")
      list(APPEND temper_kernels ${test})
    endif()
  endif()
endforeach()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64" AND NOT TEMPER_CPU)
  temper_emulate(max ${temper_kernels})  # SVE
  foreach(cpu cortex-a72 cortex-a76)
    temper_emulate(${cpu} simd/gemm_test simd/depthwise_test simd/norm_test
      layers/conv2d_test runtime/readme_test)
  endforeach()
endif()
