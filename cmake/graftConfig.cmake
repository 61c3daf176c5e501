# find_package(graft): the target graft::graft, and a function.
include("${CMAKE_CURRENT_LIST_DIR}/libraries.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/graftTargets.cmake")

# graft_link_helpers(TARGET): graft looks for graft-hdf5, which reads weights in HDF5, and for libgraft_cuda.so in the
# folder of the running program only. This puts links to the installed ones there.
function(graft_link_helpers target)
  foreach(name graft-hdf5 libgraft_cuda.so)
    get_filename_component(file "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../graft/${name}" ABSOLUTE)
    if(EXISTS "${file}")
      add_custom_command(TARGET ${target} POST_BUILD VERBATIM
        COMMAND ${CMAKE_COMMAND} -E create_symlink "${file}" "$<TARGET_FILE_DIR:${target}>/${name}")
    endif()
  endforeach()
endfunction()
