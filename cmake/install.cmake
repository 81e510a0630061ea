# What is installed: the command (component temper), and two static libraries with
# their headers, for CMake and pkg-config (component dev): temper, the runtime,
# which is all that a program without files links, and temper-models, ready models
# and model files. The public headers are those in */include/temper and no others.
# Next: packages.cmake.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# Debian's place, so that the libraries of several architectures can lie side by
# side. CMake itself only chooses it for the prefix /usr.
set(temper_libdir ${CMAKE_INSTALL_LIBDIR})
if(CMAKE_LIBRARY_ARCHITECTURE)
  set(temper_libdir lib/${CMAKE_LIBRARY_ARCHITECTURE})
endif()
string(REGEX MATCH "^[0-9]+\\.[0-9]+" temper_hwy_series "${hwy_VERSION}")
string(REPLACE "." "\\\\." temper_hwy_series_regex "${temper_hwy_series}")
string(REGEX REPLACE "^[0-9]+\\." "" temper_hwy_next "${temper_hwy_series}")
math(EXPR temper_hwy_next "${temper_hwy_next} + 1")
string(REGEX REPLACE "\\..*" ".${temper_hwy_next}" temper_hwy_next
  "${temper_hwy_series}")

add_library(temper_archive STATIC
  $<TARGET_OBJECTS:temper_runtime> $<TARGET_OBJECTS:temper_simd>)
add_library(temper::temper ALIAS temper_archive)
set_target_properties(temper_archive PROPERTIES
  OUTPUT_NAME temper EXPORT_NAME temper LINKER_LANGUAGE CXX)
target_compile_features(temper_archive INTERFACE cxx_std_20)
target_include_directories(temper_archive INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>
  $<INSTALL_INTERFACE:include>)
target_link_libraries(temper_archive INTERFACE hwy::hwy)
set(temper_pc_libs "")
if(TEMPER_HAS_XNNPACK)
  # By name: where they lie is the business of the machine that links.
  target_link_libraries(temper_archive INTERFACE XNNPACK pthreadpool)
  set(temper_pc_libs " -lXNNPACK -lpthreadpool")
endif()

set(temper_archives temper_archive)
if(TARGET temper_files)
  add_library(temper_models_archive STATIC
    $<TARGET_OBJECTS:temper_models> $<TARGET_OBJECTS:temper_files>)
  add_library(temper::models ALIAS temper_models_archive)
  set_target_properties(temper_models_archive PROPERTIES
    OUTPUT_NAME temper-models EXPORT_NAME models LINKER_LANGUAGE CXX)
  target_include_directories(temper_models_archive INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/models/include>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/ports/files/include>
    $<INSTALL_INTERFACE:include>)
  # By its name: the folder that it lies in here is not that of the program.
  target_link_libraries(temper_models_archive INTERFACE temper_archive md)
  list(APPEND temper_archives temper_models_archive)
endif()

set(temper_cmake_dir ${temper_libdir}/cmake/temper)
install(TARGETS ${temper_archives} EXPORT temperTargets
  ARCHIVE DESTINATION ${temper_libdir} COMPONENT dev)
install(EXPORT temperTargets NAMESPACE temper::
  DESTINATION ${temper_cmake_dir} COMPONENT dev)
configure_package_config_file(cmake/temperConfig.cmake.in
  ${PROJECT_BINARY_DIR}/install/temperConfig.cmake
  INSTALL_DESTINATION ${temper_cmake_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/install/temperConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/install/temperConfig.cmake
  ${PROJECT_BINARY_DIR}/install/temperConfigVersion.cmake
  DESTINATION ${temper_cmake_dir} COMPONENT dev)
set(temper_pc temper)
set(temper_includes runtime/include/temper)
if(TARGET temper_models_archive)
  list(APPEND temper_pc temper-models)
  list(APPEND temper_includes models/include/temper ports/files/include/temper)
endif()
install(DIRECTORY ${temper_includes} DESTINATION include COMPONENT dev
  FILES_MATCHING PATTERN "*.h")
# The prefix is only known when it is installed: cmake --install --prefix, cpack.
install(CODE "
  set(PROJECT_VERSION ${PROJECT_VERSION})
  set(hwy_VERSION ${hwy_VERSION})
  set(temper_pc_libs \"${temper_pc_libs}\")
  set(temper_libdir ${temper_libdir})
  set(temper_hwy_next ${temper_hwy_next})
  foreach(name ${temper_pc})
    configure_file(\"${PROJECT_SOURCE_DIR}/cmake/\${name}.pc.in\"
      \"${PROJECT_BINARY_DIR}/install/\${name}.pc\" @ONLY)
  endforeach()
  " COMPONENT dev)
list(TRANSFORM temper_pc REPLACE "(.+)" "${PROJECT_BINARY_DIR}/install/\\1.pc"
  OUTPUT_VARIABLE temper_pc_files)
install(FILES ${temper_pc_files}
  DESTINATION ${temper_libdir}/pkgconfig COMPONENT dev)

if(TARGET temper)
  install(TARGETS temper RUNTIME DESTINATION bin COMPONENT temper)
  file(GLOB temper_zoo CONFIGURE_DEPENDS models/zoo/*.safetensors)
  install(FILES ${temper_zoo} DESTINATION share/temper COMPONENT temper)
  # Packages have it compressed (packages.cmake), and leave this component out.
  install(FILES docs/temper.1 DESTINATION share/man/man1 COMPONENT man)
  # Pages where they lie here: they link to each other.
  install(FILES README.md CHANGELOG.md CONTRIBUTING.md
    DESTINATION share/doc/temper COMPONENT temper)
  install(DIRECTORY docs DESTINATION share/doc/temper COMPONENT temper
    FILES_MATCHING PATTERN "*.md")
  install(DIRECTORY examples DESTINATION share/doc/temper COMPONENT temper
    FILES_MATCHING PATTERN "*.cc")
  install(FILES bench/RESULTS.md bench/mca.md
    DESTINATION share/doc/temper/bench COMPONENT temper)
  install(DIRECTORY bench/history
    DESTINATION share/doc/temper/bench COMPONENT temper)
  install(FILES tests/runtime/readme_test.cc
    DESTINATION share/doc/temper/tests/runtime COMPONENT temper)
endif()
install(FILES tests/runtime/readme_test.cc
  DESTINATION share/doc/libtemper-dev/examples COMPONENT dev RENAME train.cc)
install(FILES examples/personalize.cc
  DESTINATION share/doc/libtemper-dev/examples COMPONENT dev)
