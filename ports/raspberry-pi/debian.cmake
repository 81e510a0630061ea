# What the toolchain files of this folder share: the sysroot of a Debian release, the
# compiler that goes with it, and qemu to run what was built. The file that includes
# this one sets
#   temper_triplet, temper_debian_arch (arm64, armhf), temper_qemu, temper_arch_flags
# Choose with -DTEMPER_DEBIAN=12 or 13. Why these compilers: docs/cross-compiling.md.
set(TEMPER_DEBIAN 12 CACHE STRING "Debian release of the sysroot: 12 or 13")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TEMPER_DEBIAN TEMPER_CPU)

get_filename_component(temper_root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(CMAKE_SYSROOT "${temper_root}/build/sysroot/debian-${TEMPER_DEBIAN}-${temper_debian_arch}")
if(NOT EXISTS "${CMAKE_SYSROOT}/.recipe")
  message(FATAL_ERROR "No sysroot for Debian ${TEMPER_DEBIAN}: run "
    "ports/raspberry-pi/sysroot ${TEMPER_DEBIAN} ${temper_debian_arch}")
endif()

# The compiler must not be newer than the sysroot's libstdc++, and Highway 1.0.3
# (Debian 12) dispatches at run time with GCC only.
if(TEMPER_DEBIAN EQUAL 12)
  set(CMAKE_CXX_COMPILER ${temper_triplet}-g++-12)
else()
  set(CMAKE_CXX_COMPILER clang++-19)
  set(CMAKE_CXX_COMPILER_TARGET ${temper_triplet})
  foreach(kind EXE SHARED MODULE)
    set(CMAKE_${kind}_LINKER_FLAGS_INIT "-fuse-ld=lld")
  endforeach()
endif()
set(CMAKE_CXX_FLAGS_INIT "${temper_arch_flags}")
set(CMAKE_LIBRARY_ARCHITECTURE ${temper_triplet})

set(CMAKE_FIND_ROOT_PATH "${CMAKE_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Tests run under qemu (or as the file that includes this one says); the environment's QEMU_CPU names the CPU (test presets).
find_program(TEMPER_QEMU ${temper_qemu})
if(TEMPER_QEMU AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${TEMPER_QEMU};-L;${CMAKE_SYSROOT}")
endif()
