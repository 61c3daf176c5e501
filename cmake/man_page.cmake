# The manual page, made of what `graft COMMAND --help` prints for each command. `cmake --install` includes this file with
# `program`, the program that was built, and `version`.

# Sets PAGE to the help of the command and of its subcommands, as sections of troff.
function(graft_help_sections page)
  execute_process(COMMAND "${program}" ${ARGN} --help OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
  list(JOIN ARGN " " command)
  string(REPLACE "\\" "\\(rs" text "\n${help}")
  string(REPLACE "-" "\\-" text "${text}")
  string(REGEX REPLACE "\n([.'])" "\n\\\\&\\1" text "${text}")
  string(STRIP "graft ${command}" command)
  set(text ".SS ${command}\n.nf${text}.fi\n")
  if(help MATCHES "\nSubcommands:\n(( [^\n]*\n)+)")
    string(REGEX MATCHALL "(^|\n)  [a-z]+" names "${CMAKE_MATCH_1}")
    foreach(name ${names})
      string(STRIP "${name}" name)
      graft_help_sections(section ${ARGN} ${name})
      string(APPEND text "${section}")
    endforeach()
  endif()
  set(${page} "${text}" PARENT_SCOPE)
endfunction()

graft_help_sections(sections)
string(TIMESTAMP date "%Y-%m-%d" UTC)
set(file "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/share/man/man1/graft.1")
file(WRITE "${file}" ".TH graft 1 ${date} \"graft ${version}\"
.SH NAME
graft \\- trains a new classifier on a frozen VGG16
.SH SYNOPSIS
.B graft
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
${sections}")
execute_process(COMMAND gzip -9nf "${file}" COMMAND_ERROR_IS_FATAL ANY)
