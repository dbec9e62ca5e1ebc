# Where PAXLEDGER_PREBUILT names another build of the same sources, its libraries and programs are
# taken as they are, and an empty library stands for each of them here.
set(stand_in ${PROJECT_BINARY_DIR}/stand_in.cpp)
file(CONFIGURE OUTPUT ${stand_in} CONTENT "// The code is elsewhere.\n")
if(PAXLEDGER_PREBUILT)
  load_cache(${PAXLEDGER_PREBUILT} READ_WITH_PREFIX prebuilt_ PAXLEDGER_BIN_DIR PAXLEDGER_PYTHON)
  if(NOT prebuilt_PAXLEDGER_PYTHON)
    message(FATAL_ERROR "${PAXLEDGER_PREBUILT} was built without PAXLEDGER_PYTHON")
  endif()
endif()

# paxledger_library(NAME SOURCE…) makes paxledger_NAME with the alias paxledger::NAME.
function(paxledger_library name)
  if(PAXLEDGER_PREBUILT)
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    add_library(paxledger_${name} STATIC ${stand_in})
    # A target of its own, so that CMake knows which libraries must come behind it.
    add_library(paxledger_${name}_prebuilt STATIC IMPORTED GLOBAL)
    set_target_properties(paxledger_${name}_prebuilt PROPERTIES
      IMPORTED_LOCATION ${PAXLEDGER_PREBUILT}/${folder}/libpaxledger_${name}.a)
    target_link_libraries(paxledger_${name} INTERFACE paxledger_${name}_prebuilt)
  else()
    add_library(paxledger_${name} STATIC ${ARGN})
  endif()
  add_library(paxledger::${name} ALIAS paxledger_${name})
endfunction()

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
    set(sources ${stand_in})
  endif()
  paxledger_library(${name} ${sources})
  target_link_libraries(paxledger_${name} PUBLIC paxledger_options)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(paxledger_${name} PUBLIC paxledger::${dep})
  endforeach()
  target_link_libraries(paxledger_${name} PUBLIC ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
  if(TARGET paxledger_${name}_prebuilt)
    foreach(dep IN LISTS ARG_DEPS)
      target_link_libraries(paxledger_${name}_prebuilt INTERFACE paxledger::${dep})
    endforeach()
    target_link_libraries(paxledger_${name}_prebuilt INTERFACE ${ARG_LIBS} ${ARG_PRIVATE_LIBS})
  endif()
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
  # In a wheel, scripts are what lands on the PATH of an environment.
  set(folder ${CMAKE_INSTALL_BINDIR})
  if(DEFINED SKBUILD_SCRIPTS_DIR)
    set(folder ${SKBUILD_SCRIPTS_DIR})
  endif()
  if(PAXLEDGER_PREBUILT)
    install(PROGRAMS ${prebuilt_PAXLEDGER_BIN_DIR}/${name} DESTINATION ${folder} COMPONENT python)
    return()
  endif()
  add_executable(program_${name} main.cpp)
  set_target_properties(program_${name} PROPERTIES OUTPUT_NAME ${name}
                                                   RUNTIME_OUTPUT_DIRECTORY ${PAXLEDGER_BIN_DIR})
  target_link_libraries(program_${name} PRIVATE paxledger_options ${ARG_LIBS})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(program_${name} PRIVATE paxledger::${dep})
  endforeach()
  install(TARGETS program_${name} RUNTIME DESTINATION ${folder} COMPONENT python)
endfunction()
