# paxledger_module(NAME [DEPS module…] [LIBS library…] [PRIVATE_LIBS library…])
#
# One folder = one module = one static library `paxledger_NAME` with the alias `paxledger::NAME`,
# made of every .cpp file of the folder but main.cpp. DEPS are the modules that it may include
# (scripts/check_includes.py holds the arrows against the table of the architecture).
function(paxledger_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(NOT sources)
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/headers_only.cpp)
    file(CONFIGURE OUTPUT ${sources} CONTENT "// This module consists of headers.\n")
  endif()
  add_library(paxledger_${name} STATIC ${sources})
  add_library(paxledger::${name} ALIAS paxledger_${name})
  target_link_libraries(paxledger_${name} PUBLIC paxledger_options)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(paxledger_${name} PUBLIC paxledger::${dep})
  endforeach()
  target_link_libraries(paxledger_${name} PUBLIC ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
endfunction()

# paxledger_program(NAME [DEPS module…] [LIBS library…])
#
# The program NAME from the folder's main.cpp, put into PAXLEDGER_BIN_DIR (build/bin for the
# release preset) and installed with the project.
function(paxledger_program name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
    message(WARNING "${CMAKE_CURRENT_SOURCE_DIR}/main.cpp is missing, so ${name} is not built")
    return()
  endif()
  add_executable(program_${name} main.cpp)
  set_target_properties(program_${name} PROPERTIES OUTPUT_NAME ${name}
                                                   RUNTIME_OUTPUT_DIRECTORY ${PAXLEDGER_BIN_DIR})
  target_link_libraries(program_${name} PRIVATE paxledger_options ${ARG_LIBS})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(program_${name} PRIVATE paxledger::${dep})
  endforeach()
  # In a wheel, scripts are what lands on the PATH of an environment.
  if(DEFINED SKBUILD_SCRIPTS_DIR)
    install(TARGETS program_${name} RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT python)
  else()
    install(TARGETS program_${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT python)
  endif()
endfunction()
