# What `cmake --install` and `cpack` put where. The installed tree can be moved. A program finds graft-hdf5 and
# libgraft_cuda.so in the folder of its own file only, so all three are in lib/graft, and bin/graft is a link.
#   component graft        the program, its man page, the configs: the package graft
#   component graft-cuda   libgraft_cuda.so: the package graft-cuda
#   component development  headers, static libraries, find_package(graft); in no package

install(TARGETS graft graft-hdf5 RUNTIME DESTINATION lib/graft COMPONENT graft)
install(CODE [[
  file(MAKE_DIRECTORY "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin")
  file(CREATE_LINK ../lib/graft/graft "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin/graft" SYMBOLIC)]] COMPONENT graft)
install(DIRECTORY configs DESTINATION share/graft COMPONENT graft)
if(NOT CMAKE_CROSSCOMPILING)  # the program itself says what the page says
  install(CODE "set(program \"$<TARGET_FILE:graft>\")\nset(version ${PROJECT_VERSION})" COMPONENT graft)
  install(SCRIPT cmake/man_page.cmake COMPONENT graft)
endif()
set(packages graft)
if(GRAFT_HAS_CUDA)
  list(APPEND packages graft-cuda)
  # It looks for CUDA and cuDNN where they were found, too: the loader may not know these folders.
  set_target_properties(graft_cuda PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS graft_cuda LIBRARY DESTINATION lib/graft COMPONENT graft-cuda)
endif()
foreach(package ${packages})
  install(FILES LICENSE DESTINATION share/doc/${package} RENAME copyright COMPONENT ${package})
  # Libraries of headers only are a part of the program. Their licences are where Debian puts them.
  foreach(library libcli11-dev libkainjow-mustache-dev libstb-dev nlohmann-json3-dev)
    install(FILES /usr/share/doc/${library}/copyright DESTINATION share/doc/${package}
            RENAME copyright.${library} COMPONENT ${package} OPTIONAL)
  endforeach()
endforeach()

# engine/job/job.h, engine/config/config_file.h and what they include; the libraries behind them.
foreach(header
    backend/backend backend/run_context base/digest base/error base/file base/json base/observer base/trace config/config
    config/config_file config/paths dataset/dataset dataset/kept_files dataset/reading dataset/shard features/features
    features/key features/npy features/pipeline head/history head/trainer job/crossvalidation job/job report/metrics report/report vgg16/vgg16
    weights/vgg16_weights)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES engine/${header}.h DESTINATION include/graft/engine/${folder} COMPONENT development)
endforeach()
foreach(library options base config vgg16 image dataset weights backend_interface kernels_cpu backend features head
        report job)
  set_target_properties(graft_${library} PROPERTIES EXPORT_NAME ${library})
  install(TARGETS graft_${library} EXPORT graft ARCHIVE DESTINATION lib/graft COMPONENT development)
endforeach()
set_target_properties(graft_job PROPERTIES EXPORT_NAME graft)  # it brings the others
install(EXPORT graft NAMESPACE graft:: FILE graftTargets.cmake DESTINATION lib/cmake/graft COMPONENT development)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(graftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/graftConfig.cmake cmake/libraries.cmake ${CMAKE_CURRENT_BINARY_DIR}/graftConfigVersion.cmake
        DESTINATION lib/cmake/graft COMPONENT development)

# Debian packages. Those of Debian that they need are found by dpkg-shlibdeps.
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL ${packages})
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_CONTACT "graft <graft@localhost>" CACHE STRING "Maintainer of the packages")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_GRAFT_PACKAGE_NAME graft)
set(CPACK_COMPONENT_GRAFT_DESCRIPTION "Computes the features that VGG16 finds in folders of photos, and trains
a small classifier on them, which then sorts other photos.")
if(GRAFT_HAS_CUDA)
  # In NVIDIA's repository, whose names hold the version of the toolkit.
  set(toolkit ${CUDAToolkit_VERSION_MAJOR}-${CUDAToolkit_VERSION_MINOR})
  set(CPACK_DEBIAN_GRAFT-CUDA_PACKAGE_NAME graft-cuda)
  set(CPACK_DEBIAN_GRAFT-CUDA_PACKAGE_SECTION contrib/science)
  set(CPACK_DEBIAN_GRAFT-CUDA_PACKAGE_DEPENDS "graft (= ${PROJECT_VERSION}), cuda-cudart-${toolkit}, \
libcublas-${toolkit}, libcudnn9-cuda-${CUDAToolkit_VERSION_MAJOR}")
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CUDAToolkit_LIBRARY_DIR})
  set(CPACK_DEBIAN_GRAFT_PACKAGE_SUGGESTS graft-cuda)
  set(CPACK_COMPONENT_GRAFT-CUDA_DESCRIPTION "The library that lets graft run on an NVIDIA GPU. It needs a driver for
CUDA ${CUDAToolkit_VERSION_MAJOR}.")
endif()
include(CPack)
