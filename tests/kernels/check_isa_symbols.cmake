# Holds the rule of kernels/cpu/vector.h: an object compiled for one vector unit defines no symbol
# that the linker could share with code for another. Such symbols are weak (W, V, u), and the linker
# keeps the first one it meets, whatever processor it was compiled for. (DW.ref.… is a pointer to the
# unwinder's routine, which sanitizers bring in: no code.)
# cmake -DNM=nm -DISA=avx2 -DOBJECTS=a.o,b.o -P check_isa_symbols.cmake

string(REPLACE "," ";" objects "${OBJECTS}")
list(LENGTH objects count)
if(count EQUAL 0)
  message(FATAL_ERROR "no objects of ${ISA} to look at")
endif()
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} -C --defined-only ${object} OUTPUT_VARIABLE symbols
                  RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
  foreach(line IN LISTS lines)
    if(line MATCHES "^[0-9a-fA-F]+ [WVu] " AND NOT line MATCHES " [^ ]*graft::cpu::${ISA}::"
       AND NOT line MATCHES " V DW[.]ref[.]")
      message(SEND_ERROR "${object} shares a symbol with code for other processors: ${line}")
    endif()
  endforeach()
endforeach()
message(STATUS "${count} objects of ${ISA} keep their code to themselves")
