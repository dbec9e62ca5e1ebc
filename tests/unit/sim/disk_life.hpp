// One node's storage through many lives, without a replica: what a random test does to it, and the
// checks of every start.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "ledger/chain.hpp"
#include "sim/node_disk.hpp"
#include "sim/safety.hpp"

namespace paxledger::sim {

inline const std::string kDiskCluster = "a cluster of one disk";
inline constexpr NodeId kDiskNode{7};

// Stands for the replica: accepts at rising slots, decides them in order, and starts again.
class DiskLife {
 public:
  explicit DiskLife(DiskOptions options = {8192, 6000})
      : cluster_(ledger::cluster_id(kDiskCluster)),
        disk(kDiskCluster, cluster_, kDiskNode, options),
        safety_(paxos::Membership({kDiskNode}), cluster_) {
    EXPECT_TRUE(start());
  }

  // False if the disk refuses. Whether it kept its promises is in violations().
  bool start() {
    auto recovered = disk.start();
    if (!recovered) {
      refusal = recovered.error().message;
      return false;
    }
    safety_.recovered(kDiskNode, disk.remembered(), *recovered);
    chain_ = ledger::Chain(cluster_);
    for (const SharedBytes& octets : disk.blocks()) {
      const auto block = ledger::decode_block(octets);
      EXPECT_TRUE(block.ok() && chain_.append(*block).ok());
    }
    round_ = std::max(round_, recovered->durable.promised.round.value()) + 1;
    slot_ = chain_.height().value();
    last = std::move(*recovered);
    return true;
  }

  // Hands over one write of `accepts` acceptances of about `bytes` octets each.
  void write(std::uint64_t accepts, std::size_t bytes) {
    engine::Persist persist;
    persist.ticket = Ticket(++ticket_);
    const paxos::Ballot ballot{Round(round_), kDiskNode};
    persist.records.push_back(paxos::PromiseRecord{ballot});
    for (std::uint64_t i = 0; i < accepts; ++i) {
      std::string value = std::to_string(++slot_) + " in round " + std::to_string(round_) + " ";
      value.resize(std::max(value.size(), bytes), static_cast<char>('a' + slot_ % 26));
      persist.records.push_back(
          paxos::AcceptRecord{ballot, Slot(slot_), SharedBytes(std::move(value))});
    }
    disk.begin_write(std::move(persist));
  }

  // All that is pending, in one group.
  void complete() {
    if (disk.writing()) disk.complete_writes(disk.pending_count());
  }

  void decide(std::size_t bytes) {
    std::string command = "command at " + std::to_string(chain_.height().value()) + " ";
    command.resize(std::max(command.size(), bytes), 'c');
    std::string ops;
    append_le(ops, static_cast<std::uint32_t>(command.size()));
    ops += command;
    disk.append_block(chain_.extend(SharedBytes(std::move(ops)), {command},
                                    Timestamp(1'000'000 + chain_.height().value()), 0, 0));
  }

  // A busy while: writes, blocks and syncs.
  void work(Prng& random, std::uint64_t turns) {
    for (; turns > 0 && !disk.failure(); --turns) {
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2:
          write(random.between(0, 3), random.chance(1, 20) ? 12'000 : random.below(700));
          break;
        case 3:
        case 4:
          if (disk.writing()) disk.complete_writes(random.between(1, disk.pending_count()));
          break;
        case 5:
        case 6:
          decide(random.below(900));
          break;
        default:
          if (random.chance(1, 3)) disk.sync_blocks();
          break;
      }
    }
  }

  [[nodiscard]] const std::vector<std::string>& violations() const { return safety_.violations(); }

 private:
  ClusterId cluster_;

 public:
  NodeDisk disk;
  std::string refusal;
  std::optional<engine::Recovered> last;

 private:
  SafetyCheck safety_;
  ledger::Chain chain_{cluster_};
  std::uint64_t round_ = 0;
  std::uint64_t slot_ = 0;
  std::uint64_t ticket_ = 0;
};

// No promise was broken, or the test says which.
inline void expect_kept(const DiskLife& life) {
  for (const std::string& text : life.violations()) ADD_FAILURE() << text;
}

}  // namespace paxledger::sim
