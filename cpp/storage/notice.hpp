// What storage wants people to read.
#pragma once

#include <cstdint>
#include <string>

namespace paxledger::storage {

// Something that was found or done at start, e.g. a torn tail that was cut off. Storage itself
// writes no log lines; its callers do.
struct Notice {
  enum class Level : std::uint8_t { info, warning, error };
  Level level = Level::info;
  std::string text;
};

}  // namespace paxledger::storage
