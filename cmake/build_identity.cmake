# cmake -D SOURCE=… -D OUTPUT=… -P build_identity.cmake: the commit of the tree and whether it has changes, as a
# header that is written only where it says something new. Outside of git, or in somebody else's
# repository, the commit is empty.
set(commit "")
set(dirty false)
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(COMMAND "${GIT_EXECUTABLE}" -C "${SOURCE}" rev-parse --show-toplevel HEAD
                  OUTPUT_VARIABLE answer ERROR_QUIET RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed)
    string(REPLACE "\n" ";" answer "${answer}")
    list(GET answer 0 top)
    get_filename_component(top "${top}" REALPATH)
    get_filename_component(source "${SOURCE}" REALPATH)
    if(top STREQUAL source)
      list(GET answer 1 commit)
      execute_process(COMMAND "${GIT_EXECUTABLE}" -C "${SOURCE}" status --porcelain --untracked-files=no
                      OUTPUT_VARIABLE changes ERROR_QUIET)
      if(NOT changes STREQUAL "")
        set(dirty true)
      endif()
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
#pragma once
#define GRAFT_COMMIT "@commit@"
#define GRAFT_DIRTY @dirty@
]])
