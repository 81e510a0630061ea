# Run by cpack: computes what the package of the command depends on, from the
# libraries and symbol versions that the command names. dpkg-shlibdeps would want a
# dpkg database of the other architecture, which a sysroot has not; natively
# tests/packaging compares with it.
#
# A library's package is named after its soname, as Debian's policy wants; at least
# the version that was built with is asked for. Highway has a lower and an upper
# bound: its soname stayed the same when the numbers of its targets moved.
set(root "${CPACK_TEMPER_SYSROOT}")
if(NOT EXISTS "${CPACK_TEMPER_BINARY}")
  message(FATAL_ERROR "cpack: ${CPACK_TEMPER_BINARY} is not built yet")
endif()
execute_process(COMMAND ${CPACK_TEMPER_READELF} -W --dynamic --version-info
  "${CPACK_TEMPER_BINARY}" OUTPUT_VARIABLE elf COMMAND_ERROR_IS_FATAL ANY)

# The highest N of PREFIX_N among the symbol versions that are needed.
function(highest_version prefix out)
  string(REGEX MATCHALL "Name: ${prefix}_[0-9.]+" names "${elf}")
  set(highest 0)
  foreach(name IN LISTS names)
    string(REGEX REPLACE ".*_" "" number "${name}")
    if(number VERSION_GREATER highest)
      set(highest ${number})
    endif()
  endforeach()
  set(${out} ${highest} PARENT_SCOPE)
endfunction()

# The upstream version of a library in the root, by its pkg-config file.
function(built_version pc out)
  file(GLOB found "${root}/usr/lib/*/pkgconfig/${pc}.pc")
  file(GLOB more "${root}/usr/lib/pkgconfig/${pc}.pc")
  list(APPEND found ${more})
  # Several architectures of one release: the same version.
  set(version "")
  if(found)
    list(GET found 0 file)
    file(STRINGS "${file}" line REGEX "^Version:" LIMIT_COUNT 1)
    string(REGEX REPLACE "^Version: *" "" version "${line}")
    string(STRIP "${version}" version)
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

highest_version(GLIBC libc)
highest_version(GLIBCXX libstdcxx)
# Which GCC brought a version of libstdc++: its manual, "ABI Policy".
set(gcc 11)
foreach(pair 3.4.30:12 3.4.31:13 3.4.33:14 3.4.34:15)
  string(REPLACE ":" ";" pair "${pair}")
  list(GET pair 0 symbols)
  if(libstdcxx VERSION_GREATER_EQUAL symbols)
    list(GET pair 1 gcc)
  endif()
endforeach()

string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[[^]\n]+\\]" needed "${elf}")
set(depends "")
foreach(line IN LISTS needed)
  string(REGEX REPLACE ".*\\[(.*)\\]" "\\1" soname "${line}")
  if(soname MATCHES "^(libc|libm|ld-linux.*)\\.so")
    list(APPEND depends "libc6 (>= ${libc})")
  elseif(soname MATCHES "^libstdc\\+\\+\\.so")
    list(APPEND depends "libstdc++6 (>= ${gcc})")
  elseif(soname MATCHES "^libgcc_s\\.so")
    list(APPEND depends "libgcc-s1")
  elseif(soname MATCHES "^libz\\.so")
    built_version(zlib version)
    list(APPEND depends "zlib1g (>= 1:${version})")
  elseif(soname STREQUAL "libjpeg.so.62")
    built_version(libjpeg version)
    list(APPEND depends "libjpeg62-turbo (>= 1:${version})")
  elseif(soname STREQUAL "libjpeg.so.8")  # Ubuntu's choice of the interface
    built_version(libjpeg version)
    list(APPEND depends "libjpeg-turbo8 (>= ${version})")
  elseif(soname MATCHES "^(lib[A-Za-z]+[0-9]*)\\.so\\.([0-9.]+)$")
    set(library ${CMAKE_MATCH_1})
    set(number ${CMAKE_MATCH_2})
    set(package ${library}${number})
    # After a digit, Debian's policy wants a dash: libpng16-16.
    if(library MATCHES "[0-9]$")
      set(package ${library}-${number})
    endif()
    string(TOLOWER "${package}" package)
    # Libraries whose interface holds a time were renamed in 2024. Where nothing is
    # installed that could tell (a sysroot), these are the ones that are meant.
    set(docs "${root}/usr/share/doc")
    if(EXISTS "${docs}/${package}t64")
      set(package ${package}t64)
    elseif(EXISTS "${docs}/dpkg" AND NOT EXISTS "${docs}/${package}")
      message(FATAL_ERROR "cpack: which package has ${soname}? There is no "
        "${docs}/${package}")
    elseif(NOT EXISTS "${docs}/dpkg" AND library MATCHES "^(libhwy|libpng16)$"
           AND CPACK_TEMPER_HIGHWAY_NEXT VERSION_GREATER 1.1)
      set(package ${package}t64)
    endif()
    string(REGEX REPLACE "^lib" "" stem "${library}")
    set(version "")
    foreach(pc ${library} ${stem})
      if(NOT version)
        built_version(${pc} version)
      endif()
    endforeach()
    if(version)
      list(APPEND depends "${package} (>= ${version})")
    else()
      list(APPEND depends "${package}")
    endif()
    if(stem STREQUAL "hwy")
      list(APPEND depends "${package} (<< ${CPACK_TEMPER_HIGHWAY_NEXT})")
    endif()
  else()
    message(FATAL_ERROR "cpack: which package has ${soname}?")
  endif()
endforeach()
# The system user of the systemd unit.
list(APPEND depends adduser)
list(REMOVE_DUPLICATES depends)
list(SORT depends)
list(JOIN depends ", " CPACK_DEBIAN_TEMPER_PACKAGE_DEPENDS)
message(STATUS "temper depends on ${CPACK_DEBIAN_TEMPER_PACKAGE_DEPENDS}")
