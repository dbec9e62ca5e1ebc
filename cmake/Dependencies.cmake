# What Paxledger stands on, under one name for each purpose, so that a module says `paxledger::zmq`
# and only this file knows how a system ships it. scripts/install-deps installs all of it.
#
#   paxledger::zmq      libzmq and cppzmq            #include <zmq.hpp>
#   paxledger::msgpack  msgpack-cxx without Boost    #include <msgpack.hpp>
#   paxledger::yaml     yaml-cpp                     #include <yaml-cpp/yaml.h>
#   paxledger::log      spdlog on the system's fmt   #include <spdlog/spdlog.h>, <fmt/format.h>
#   paxledger::json     nlohmann-json                #include <nlohmann/json.hpp>
#   paxledger::cli11    CLI11                        #include <CLI/CLI.hpp>
#   paxledger::crc32c   ISA-L                        #include <isa-l/crc.h>, crc32_iscsi()
#   paxledger::http     GNU libmicrohttpd            #include <microhttpd.h>
#   OpenSSL::Crypto, Threads::Threads                under their own names
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)

# paxledger_dependency(NAME LIBRARY…) makes the target paxledger::NAME of the given libraries.
function(paxledger_dependency name)
  add_library(paxledger_dep_${name} INTERFACE)
  add_library(paxledger::${name} ALIAS paxledger_dep_${name})
  target_link_libraries(paxledger_dep_${name} INTERFACE ${ARGN})
endfunction()

# Debian's libzmq comes without a CMake file, so pkg-config finds it; cppzmq is a header beside it.
pkg_check_modules(libzmq REQUIRED IMPORTED_TARGET libzmq>=4.3.4)
find_path(CPPZMQ_INCLUDE_DIR zmq.hpp REQUIRED)
paxledger_dependency(zmq PkgConfig::libzmq Threads::Threads)
target_include_directories(paxledger_dep_zmq SYSTEM INTERFACE ${CPPZMQ_INCLUDE_DIR})

# The package file of msgpack-cxx demands Boost, which MSGPACK_NO_BOOST makes needless.
find_path(MSGPACK_INCLUDE_DIR msgpack.hpp REQUIRED)
paxledger_dependency(msgpack)
target_include_directories(paxledger_dep_msgpack SYSTEM INTERFACE ${MSGPACK_INCLUDE_DIR})
target_compile_definitions(paxledger_dep_msgpack INTERFACE MSGPACK_NO_BOOST
                                                           MSGPACK_DEFAULT_API_VERSION=3)
# Without inlining, GCC takes the zone's own operators new and delete for mismatched ones.
target_compile_options(paxledger_dep_msgpack INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)

find_package(yaml-cpp REQUIRED)
if(TARGET yaml-cpp::yaml-cpp)
  paxledger_dependency(yaml yaml-cpp::yaml-cpp)
else()
  paxledger_dependency(yaml yaml-cpp)
endif()

find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
paxledger_dependency(log spdlog::spdlog fmt::fmt)

find_package(nlohmann_json 3.10 REQUIRED)
paxledger_dependency(json nlohmann_json::nlohmann_json)

find_package(CLI11 REQUIRED)
paxledger_dependency(cli11 CLI11::CLI11)

# Debian 12 has no package of google/crc32c. ISA-L is packaged everywhere, and its crc32_iscsi is
# the same polynomial, with the processor's own instruction.
pkg_check_modules(isal REQUIRED IMPORTED_TARGET libisal)
paxledger_dependency(crc32c PkgConfig::isal)

pkg_check_modules(libmicrohttpd REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
paxledger_dependency(http PkgConfig::libmicrohttpd)
