# 64-bit x86 against another Debian release's libraries (TEMPER_DEBIAN=13: Highway
# 1.2.0), for packages and for the proof that they give the same bits. The baseline is
# plain x86-64; AVX2 and AVX-512 are found at run time. Programs run through the
# sysroot's own loader. Read next: ../raspberry-pi/debian.cmake.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(temper_triplet x86_64-linux-gnu)
set(temper_debian_arch amd64)
set(temper_qemu qemu-x86_64)
set(temper_arch_flags "")
include("${CMAKE_CURRENT_LIST_DIR}/../raspberry-pi/debian.cmake")
set(CMAKE_CROSSCOMPILING_EMULATOR
  "${CMAKE_SYSROOT}/lib64/ld-linux-x86-64.so.2;--library-path;${CMAKE_SYSROOT}/usr/lib/x86_64-linux-gnu")
