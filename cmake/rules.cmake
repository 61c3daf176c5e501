# How every target of the project is compiled.
add_library(graft_options INTERFACE)
target_include_directories(graft_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/graft>)
target_compile_features(graft_options INTERFACE $<INSTALL_INTERFACE:cxx_std_20>)
# -ffp-contract=off: a product and a sum are fused only where the code says so, on every machine alike.
target_compile_options(graft_options INTERFACE
  "$<BUILD_INTERFACE:-Wall;-Wextra;-Wpedantic;-Wshadow;-Werror;-ffp-contract=off>")
if(GRAFT_SANITIZE)
  target_compile_options(graft_options INTERFACE
    -fsanitize=${GRAFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  # A sanitizer calls dlopen in the program's place, where only the older kind of run path counts.
  target_link_options(graft_options INTERFACE -fsanitize=${GRAFT_SANITIZE} LINKER:--disable-new-dtags)
endif()

# graft_library(NAME SOURCES file... DEPENDS target... PRIVATE target...): one folder as a static library.
# It can include only the libraries that it names, so that data cannot flow backwards.
function(graft_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(graft_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(graft_${name} PUBLIC graft_options ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE})
endfunction()

# graft_cuda_kernels(NAME SOURCES file...): kernels for the GPU, as a static library: SASS for each
# architecture and PTX of the newest. The CUDA runtime is the shared one, so that the virtual GPU can
# stand in for it.
function(graft_cuda_kernels name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_library(graft_${name} STATIC ${ARG_SOURCES})
  target_include_directories(graft_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(graft_${name} PUBLIC CUDA::cudart)
  set_target_properties(graft_${name} PROPERTIES
    CUDA_RUNTIME_LIBRARY Shared POSITION_INDEPENDENT_CODE ON)
  # -std by hand: CMake 3.25 does not know that CUDA 13 has C++20. -fmad=false: a product and a sum are
  # fused only where the code says so, as on the CPU. Kernels are optimised in a debug build too.
  # -lineinfo, for profilers: the line of each instruction. A spilled register is an error.
  set(cuda_options -std=c++20 -fmad=false -O3 -lineinfo --Werror=all-warnings
    -Xptxas=-warn-spills,-warn-lmem-usage -Xcompiler=-Wall,-Wextra,-Wshadow,-Werror)
  target_compile_options(graft_${name} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${cuda_options}>")
endfunction()

# graft_test(NAME SOURCES file... DEPENDS target...): one GoogleTest program; each of its tests is a
# test of ctest's. A test that cannot run says GTEST_SKIP() and is counted as skipped.
function(graft_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  target_link_libraries(test_${name} PRIVATE graft_options graft_test_support ${ARG_DEPENDS}
                                             GTest::gtest GTest::gmock GTest::gtest_main)
  # A test spends its time in the libraries; -O1 saves a third of the time that compiling the tests takes.
  target_compile_options(test_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  gtest_discover_tests(test_${name} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 300 LABELS ${name})
endfunction()

# graft_skipped_test(NAME LABEL REASON): what cannot run on this machine, so that ctest counts it and
# says why.
function(graft_skipped_test name label reason)
  add_test(NAME ${name} COMMAND sh -c "echo \"skipped: ${reason}\"; exit 77")
  set_tests_properties(${name} PROPERTIES LABELS ${label} SKIP_RETURN_CODE 77)
endfunction()

# graft_python_test(NAME LABEL label COMMAND argument... ENVIRONMENT variable...): Python 3.11 with these
# arguments, in the folder of the tests; skipped where there is none. A test that skips itself ends with 77.
function(graft_python_test name)
  cmake_parse_arguments(ARG "" "LABEL" "COMMAND;ENVIRONMENT" ${ARGN})
  if(NOT Python3_FOUND)
    graft_skipped_test(${name} ${ARG_LABEL} "Python 3.11 is not found")
    return()
  endif()
  add_test(NAME ${name} COMMAND ${Python3_EXECUTABLE} -B ${ARG_COMMAND}
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} COMMAND_EXPAND_LISTS)
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS ${ARG_LABEL} SKIP_RETURN_CODE 77
                       ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
