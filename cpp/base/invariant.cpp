#include "base/invariant.hpp"

#include <cstdio>
#include <cstdlib>

namespace paxledger {

namespace {

InvariantHandler handler = nullptr;

}  // namespace

InvariantHandler set_invariant_handler(InvariantHandler wanted) {
  InvariantHandler before = handler;
  handler = wanted;
  return before;
}

void invariant_broken(std::string_view what, std::source_location where) {
  if (handler != nullptr) handler(what, where);
  std::fprintf(stderr, "paxledger: invariant broken at %s:%u: %.*s\n", where.file_name(),
               static_cast<unsigned>(where.line()), static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace paxledger
