#include "base/invariant.hpp"

#include <cstdio>
#include <cstdlib>

namespace paxledger {

void invariant_broken(std::string_view what, std::source_location where) {
  std::fprintf(stderr, "paxledger: invariant broken at %s:%u: %.*s\n", where.file_name(),
               static_cast<unsigned>(where.line()), static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace paxledger
