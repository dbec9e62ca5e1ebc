// Durations and sizes as people write them in cluster.yaml and on the command line.
//
//   duration := number unit      unit := "us" | "ms" | "s" | "min" | "h"
//   size     := number [ unit ]  unit := "B" | "KiB" | "MiB" | "GiB" | "kB" | "KB" | "MB" | "GB"
//   number   := digits [ "." digits ]
//
// A size without a unit counts octets; a duration always needs its unit. Spaces may stand between
// number and unit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace paxledger::node {

// Errors: configuration, with what was found and what was expected.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

// "50ms", "1s", "2min": the largest unit that gives a whole number.
[[nodiscard]] std::string format_duration(Duration duration);
// "64MiB", "10000B": the largest binary unit that gives a whole number.
[[nodiscard]] std::string format_size(std::uint64_t octets);

}  // namespace paxledger::node
