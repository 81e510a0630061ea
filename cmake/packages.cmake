# Debian packages, by cpack in the build folder: temper (the command, its man page,
# the zoo, a systemd unit) and libtemper-dev (the libraries for C++ programs).
#
# One package per Debian release and architecture: the release is that of the
# libraries it was built against, the sysroot's when cross compiling, and stands in
# the version (0.1.0+deb12). What the command needs is computed from the command
# itself when cpack runs: package_depends.cmake.
set(TEMPER_PACKAGE_CONTACT "temper maintainers <maintainers@temper.invalid>"
  CACHE STRING "Maintainer of the packages: Name <address>")

set(temper_sysroot "${CMAKE_SYSROOT}")
if(CMAKE_CROSSCOMPILING AND NOT temper_sysroot AND CMAKE_FIND_ROOT_PATH)
  list(GET CMAKE_FIND_ROOT_PATH 0 temper_sysroot)
endif()
function(temper_no_packages why)
  message(STATUS "No Debian packages: ${why}")
endfunction()

# A program for one CPU (presets pi-3, pi-4, pi-5) must not be taken for the package
# that runs on all of them.
if(TEMPER_CPU)
  temper_no_packages("built for ${TEMPER_CPU} alone")
  return()
endif()

# A cross build names the release itself (ports/raspberry-pi/debian.cmake): its
# sysroot holds libraries, but no /etc.
set(release "")
if(CMAKE_CROSSCOMPILING)
  if(TEMPER_DEBIAN)
    set(release deb${TEMPER_DEBIAN})
  endif()
elseif(EXISTS /etc/os-release)
  file(STRINGS /etc/os-release lines REGEX "^(ID|VERSION_ID)=")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^([A-Z_]+)=[\"']?([^\"']*)[\"']?$" "\\1;\\2" pair "${line}")
    list(GET pair 0 key)
    list(GET pair 1 release_${key})
  endforeach()
  # 32-bit Raspberry Pi OS calls itself raspbian and numbers as Debian does.
  string(REGEX REPLACE "^(debian|raspbian)$" "deb" release_ID "${release_ID}")
  set(release ${release_ID}${release_VERSION_ID})
endif()
if(NOT release MATCHES "^[a-z]+[0-9.]+$")
  temper_no_packages("which release of Debian? /etc/os-release or TEMPER_DEBIAN tells")
  return()
endif()

# The triplet knows that a 32-bit system may run on a 64-bit kernel.
set(machine "${CMAKE_LIBRARY_ARCHITECTURE}")
if(NOT machine)
  set(machine "${CMAKE_SYSTEM_PROCESSOR}")
endif()
if(machine MATCHES "^(x86_64|amd64|AMD64)")
  set(architecture amd64)
elseif(machine MATCHES "^(aarch64|arm64)" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(architecture arm64)
elseif(machine MATCHES "^(arm|aarch64)" AND CMAKE_SIZEOF_VOID_P EQUAL 4)
  set(architecture armhf)
else()
  temper_no_packages("no Debian architecture for ${machine}")
  return()
endif()

find_program(TEMPER_GZIP gzip)
if(NOT TEMPER_GZIP OR NOT CMAKE_READELF)
  temper_no_packages("gzip or readelf is missing")
  return()
endif()

set(version ${PROJECT_VERSION}+${release})
set(folder ${PROJECT_BINARY_DIR}/debian)
set(source ${PROJECT_SOURCE_DIR}/ports/raspberry-pi/debian)
file(MAKE_DIRECTORY ${folder})

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${folder}/changelog
  "temper (${version}) stable; urgency=medium\n\n"
  "  * temper ${PROJECT_VERSION}; what is new: /usr/share/doc/temper/CHANGELOG.md\n\n"
  " -- ${TEMPER_PACKAGE_CONTACT}  ${date}\n")
configure_file(docs/temper.1 ${folder}/temper.1 COPYONLY)
foreach(name changelog temper.1)
  execute_process(COMMAND ${TEMPER_GZIP} -9 -n -c ${folder}/${name}
    OUTPUT_FILE ${folder}/${name}.gz COMMAND_ERROR_IS_FATAL ANY)
endforeach()
foreach(package temper libtemper-dev)
  set(component temper)
  if(package MATCHES "-dev$")
    set(component dev)
  endif()
  install(FILES ${folder}/changelog.gz ${source}/copyright
    DESTINATION share/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${folder}/temper.1.gz DESTINATION share/man/man1
  COMPONENT temper EXCLUDE_FROM_ALL)
install(FILES ports/raspberry-pi/temper@.service
  DESTINATION lib/systemd/system COMPONENT temper EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL temper dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_folders.cmake)
set(CPACK_PACKAGE_NAME temper)
set(CPACK_PACKAGE_VERSION ${version})
set(CPACK_PACKAGE_CONTACT "${TEMPER_PACKAGE_CONTACT}")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${architecture})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_TEMPER_PACKAGE_NAME temper)
set(CPACK_DEBIAN_TEMPER_PACKAGE_SECTION science)
set(CPACK_DEBIAN_TEMPER_PACKAGE_SUGGESTS dataset-fashion-mnist)
set(CPACK_DEBIAN_TEMPER_PACKAGE_CONTROL_EXTRA
  ${source}/postinst ${source}/prerm ${source}/postrm)
set(CPACK_COMPONENT_TEMPER_DESCRIPTION
"trains neural networks on the CPU, inside fixed memory
temper trains and fine-tunes neural networks on the CPU of a Raspberry Pi or
a small PC, inside an arena whose size it names beforehand and never exceeds.
A run that was stopped, or lost its power, goes on bit for bit.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libtemper-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEV_DESCRIPTION
"runtime and model files of temper for C++ programs
The headers and the static libraries of temper, which trains neural networks
inside memory that the program owns, and reads and writes the models of the
command temper. For CMake (find_package) and pkg-config.")
# The minor version of Highway counts (temperConfig.cmake.in).
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
  "libhwy-dev (>= ${hwy_VERSION}), libhwy-dev (<< ${temper_hwy_next}), libmd-dev")
if(TEMPER_HAS_XNNPACK)
  string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
    ", libxnnpack-dev, libpthreadpool-dev")
endif()

# For package_depends.cmake, which cpack runs.
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/package_depends.cmake)
set(CPACK_TEMPER_BINARY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/temper)
set(CPACK_TEMPER_READELF ${CMAKE_READELF})
set(CPACK_TEMPER_SYSROOT "${temper_sysroot}")
set(CPACK_TEMPER_HIGHWAY_NEXT ${temper_hwy_next})
include(CPack)
