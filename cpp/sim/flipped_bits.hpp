// Which flipped bits of a data directory must be told of, and at which place: decided by the
// formats (docs/reference/log-format.md, docs/reference/chain-format.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "sim/simulated_disk.hpp"
#include "storage/directory.hpp"
#include "storage/verify.hpp"

namespace paxledger::sim {

// A flip where something is kept.
struct KeptFlip {
  SimulatedDisk::Flip flip;
  enum class Part : std::uint8_t { identity, log, blocks } part = Part::log;
  // Damage, or only octets that say nothing: padding, marks, seals that the next segment replaces.
  bool damage = true;
  // Where the batch, frame or header begins that holds the flip; that place is told.
  std::uint64_t offset = 0;
  // A frame whose header is flipped right after another damaged one: the two are told of as one.
  bool may_be_hidden = false;

  // "FILE at offset N".
  [[nodiscard]] std::string place() const;
};

// In the order in which a start comes upon them. What lies in files that do not count, in space
// that was never used, in a torn tail, or in blocks that may count as torn, is not among them.
[[nodiscard]] std::vector<KeptFlip> kept_flips(const SimulatedDisk& disk,
                                               const storage::DirectoryPaths& paths,
                                               ClusterId cluster, NodeId node);

// The flips that a verification of the directory passes over in silence, each as a complaint.
[[nodiscard]] std::vector<std::string> untold(const std::vector<KeptFlip>& flips,
                                              const storage::VerifyReport& report);
// The same of a start, which tells of the first damage of the log and of the first damage of the
// blocks, and sets the rest aside with it.
[[nodiscard]] std::vector<std::string> untold(const std::vector<KeptFlip>& flips,
                                              const std::string& damage,
                                              const std::vector<storage::Notice>& notices);

}  // namespace paxledger::sim
