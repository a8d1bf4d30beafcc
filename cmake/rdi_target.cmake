# SPDX-License-Identifier: Apache-2.0
# rdi_target(NAME): the settings every target of this project shares - include root, warnings, sanitizers.
function(rdi_target name)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -Wno-unused-parameter)
  if(RDI_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${RDI_SANITIZE} -fno-omit-frame-pointer
                                           -fno-sanitize-recover=undefined)
    target_link_options(${name} PRIVATE -fsanitize=${RDI_SANITIZE})
  endif()
endfunction()

# rdi_test(NAME SOURCES... LIBRARIES...): a GoogleTest program whose every TEST is one ctest entry.
function(rdi_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LIBRARIES;DEFINITIONS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LIBRARIES} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE ${TEST_DEFINITIONS}
    RDI_SOURCE_DIR="${PROJECT_SOURCE_DIR}" RDI_BINARY_DIR="${PROJECT_BINARY_DIR}")
  rdi_target(${name})
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()
