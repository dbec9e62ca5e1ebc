// What the tests of the log share: records, a place, and the promise that nothing acknowledged is
// lost.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/simulated_disk.hpp"
#include "storage/log.hpp"
#include "storage/log_scan.hpp"

namespace paxledger::storage {

inline const LogPlace kLogPlace{"d/log", "d/set-aside", ClusterId(77), NodeId(2)};
inline constexpr LogOptions kSmallSegments{8192};

inline paxos::DurableRecord accept_record(std::uint64_t slot, std::uint64_t round,
                                          std::size_t bytes = 40) {
  std::string value =
      "value of slot " + std::to_string(slot) + " in round " + std::to_string(round) + " ";
  while (value.size() < bytes) value += static_cast<char>('a' + value.size() % 26);
  return paxos::AcceptRecord{{Round(round), NodeId(1)}, Slot(slot), SharedBytes(std::move(value))};
}
inline paxos::DurableRecord promise_record(std::uint64_t round) {
  return paxos::PromiseRecord{{Round(round), NodeId(3)}};
}

// A state as text, so that two of them can be compared and printed.
inline std::string described(const paxos::DurableState& state, Slot above = Slot(0)) {
  std::string text = "promised " + paxos::to_string(state.promised);
  for (const auto& [node, generation] : state.generations) {
    text +=
        " generation " + std::to_string(node.value()) + "=" + std::to_string(generation.value());
  }
  text += " abstain " + std::to_string(state.abstain.through.value()) +
          (state.abstain.open ? " open" : "");
  for (const auto& [slot, accepted] : state.accepted) {
    if (slot <= above) continue;
    text += "\n  " + std::to_string(slot.value()) + " " + paxos::to_string(accepted.ballot) + " " +
            std::string(accepted.value.view());
  }
  return text;
}

inline std::unique_ptr<sim::SimulatedDisk> new_log_disk() {
  auto disk = std::make_unique<sim::SimulatedDisk>();
  EXPECT_TRUE(disk->make_directories(kLogPlace.directory).ok());
  EXPECT_TRUE(disk->make_directories(kLogPlace.set_aside).ok());
  return disk;
}

inline std::unique_ptr<Log> new_log(sim::SimulatedDisk& disk,
                                    const LogOptions& options = kSmallSegments) {
  auto log = Log::start_over(disk, kLogPlace, options, SegmentOrigin::initialised, LogReport{});
  EXPECT_TRUE(log.ok()) << log.error().message;
  return std::move(*log);
}

inline Log::Opened open_log(Disk& disk, const LogOptions& options = kSmallSegments) {
  auto opened = Log::open(disk, kLogPlace, options);
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  return std::move(*opened);
}

inline std::string segment_path(std::uint64_t first) {
  return kLogPlace.directory + "/" + segment_name(first);
}

}  // namespace paxledger::storage
