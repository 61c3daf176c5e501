# What the project links against. README.md says why each is here; tools/install_deps.sh installs them.
include(${CMAKE_CURRENT_LIST_DIR}/libraries.cmake)
find_package(CLI11 2.1 REQUIRED)
pkg_check_modules(hdf5 REQUIRED IMPORTED_TARGET hdf5)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
find_path(STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb REQUIRED)
find_path(MUSTACHE_INCLUDE_DIR kainjow/mustache.hpp REQUIRED)

if(GRAFT_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()

# The CUDA parts are on where nvcc and cuBLAS of CUDA 13 and cuDNN 9 are. ON makes their absence an
# error.
set(GRAFT_HAS_CUDA OFF)
if(NOT GRAFT_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib)
  find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  set(cudnn_9 "")
  if(CUDNN_INCLUDE_DIR AND EXISTS "${CUDNN_INCLUDE_DIR}/cudnn_version.h")
    file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" cudnn_9 REGEX "define +CUDNN_MAJOR +9")
  endif()
  if(CUDAToolkit_NVCC_EXECUTABLE AND TARGET CUDA::cublas AND CUDAToolkit_VERSION VERSION_GREATER_EQUAL 13
     AND CUDNN_LIBRARY AND cudnn_9)
    set(GRAFT_HAS_CUDA ON)
  elseif(GRAFT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "GRAFT_CUDA is ON, but nvcc or cuBLAS of CUDA 13 or cuDNN 9 is not found")
  endif()
endif()
message(STATUS "CUDA parts: ${GRAFT_HAS_CUDA}")
