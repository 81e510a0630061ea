# 32-bit ARM: Raspberry Pi 2, 3, 4 under a 32-bit system. ARMv7-A with NEON and VFPv4
# (fused multiply-add); results are within tolerance, not exact, since NEON flushes
# subnormals there. Read next: debian.cmake.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(temper_triplet arm-linux-gnueabihf)
set(temper_debian_arch armhf)
set(temper_qemu qemu-arm)
set(temper_arch_flags "-march=armv7-a -mfpu=neon-vfpv4")
if(NOT TEMPER_DEBIAN EQUAL 13)
  string(APPEND temper_arch_flags " -mfp16-format=ieee")  # Highway; GCC's name
endif()
include("${CMAKE_CURRENT_LIST_DIR}/debian.cmake")
