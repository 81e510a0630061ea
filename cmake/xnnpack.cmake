# XNNPACK, the backend for what only predicts. TEMPER_XNNPACK: AUTO takes it if it is
# installed, ON fails without it, OFF leaves it out. docs/xnnpack.md.
set(TEMPER_XNNPACK AUTO CACHE STRING "Backend XNNPACK: AUTO, ON or OFF")
set_property(CACHE TEMPER_XNNPACK PROPERTY STRINGS AUTO ON OFF)

if(TEMPER_XNNPACK)
  find_library(TEMPER_XNNPACK_LIBRARY XNNPACK)
  find_library(TEMPER_PTHREADPOOL_LIBRARY pthreadpool)
  find_path(TEMPER_XNNPACK_INCLUDE xnnpack.h)
  find_path(TEMPER_PTHREADPOOL_INCLUDE pthreadpool.h)
  if(TEMPER_XNNPACK_LIBRARY AND TEMPER_PTHREADPOOL_LIBRARY
     AND TEMPER_XNNPACK_INCLUDE AND TEMPER_PTHREADPOOL_INCLUDE)
    set(TEMPER_HAS_XNNPACK ON)
    # Its version is in the name of the file: it has no other.
    file(REAL_PATH "${TEMPER_XNNPACK_LIBRARY}" temper_xnnpack_file)
    get_filename_component(TEMPER_XNNPACK_VERSION "${temper_xnnpack_file}" NAME)
  elseif(NOT TEMPER_XNNPACK STREQUAL "AUTO")
    message(FATAL_ERROR "TEMPER_XNNPACK is ${TEMPER_XNNPACK}, but XNNPACK or pthreadpool "
      "is missing: install libxnnpack-dev and libpthreadpool-dev, or set it to OFF")
  endif()
endif()

function(temper_use_xnnpack target)
  if(NOT TEMPER_HAS_XNNPACK)
    return()
  endif()
  target_link_libraries(${target} PUBLIC
    ${TEMPER_XNNPACK_LIBRARY} ${TEMPER_PTHREADPOOL_LIBRARY})
  set_source_files_properties(simd/xnnpack_backend.cc PROPERTIES
    COMPILE_DEFINITIONS "TEMPER_XNNPACK=\"${TEMPER_XNNPACK_VERSION}\"")
  target_include_directories(${target} PRIVATE
    ${TEMPER_XNNPACK_INCLUDE} ${TEMPER_PTHREADPOOL_INCLUDE})
endfunction()
