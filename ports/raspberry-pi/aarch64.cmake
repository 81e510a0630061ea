# 64-bit ARM: Raspberry Pi 3, 4, 5, Zero 2 W and any other Armv8-A. The baseline needs
# neither AES nor LSE; SVE is found at run time. -DTEMPER_CPU=cortex-a53 (a72, a76)
# makes a program for that CPU alone. Read next: debian.cmake.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(temper_triplet aarch64-linux-gnu)
set(temper_debian_arch arm64)
set(temper_qemu qemu-aarch64)
set(TEMPER_CPU "" CACHE STRING "CPU that the program is made for; empty: any Armv8-A")
set(temper_arch_flags "")
if(TEMPER_CPU)
  set(temper_arch_flags "-mcpu=${TEMPER_CPU}")
endif()
include("${CMAKE_CURRENT_LIST_DIR}/debian.cmake")
