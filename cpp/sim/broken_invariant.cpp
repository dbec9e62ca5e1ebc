#include "sim/broken_invariant.hpp"

#include <source_location>
#include <string_view>

#include "base/invariant.hpp"

namespace paxledger::sim {

namespace {

thread_local int catching = 0;

void throw_if_catching(std::string_view what, std::source_location where) {
  if (catching == 0) return;
  const std::string_view path = where.file_name();
  const std::size_t folder = path.rfind("cpp/");
  throw BrokenInvariant(std::string(folder == std::string_view::npos ? path : path.substr(folder)) +
                        ":" + std::to_string(where.line()) + ": " + std::string(what));
}

// Once, by whichever simulation comes first; the handler itself tells the threads apart.
void install() {
  static const bool installed = [] {
    set_invariant_handler(throw_if_catching);
    return true;
  }();
  static_cast<void>(installed);
}

}  // namespace

CatchInvariants::CatchInvariants() {
  install();
  ++catching;
}
CatchInvariants::~CatchInvariants() {
  --catching;
}

}  // namespace paxledger::sim
