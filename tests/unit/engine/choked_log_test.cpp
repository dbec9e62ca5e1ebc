// A disk that does not keep up must not fill the memory of the node.
#include <gtest/gtest.h>

#include <string>

#include "engine/batch.hpp"
#include "engine/replica.hpp"

namespace paxledger::engine {
namespace {

constexpr ClusterId kCluster{7};

Replica follower(Settings settings) {
  settings.self = NodeId(2);
  settings.cluster = kCluster;
  return Replica(paxos::Membership({NodeId(1), NodeId(2), NodeId(3)}), settings,
                 Recovered(kCluster), Seed{1}, Instant());
}

SharedBytes batch_of(std::size_t bytes) {
  return encode_batch(Timestamp(1), 0, {SharedBytes(std::string(bytes, 'x'))});
}

Output accept(Replica& replica, std::uint64_t slot, std::size_t bytes, Slot decided = Slot(0)) {
  Output out;
  replica.step(Received{NodeId(1),
                        paxos::Accept{{Round(1), NodeId(1)}, Slot(slot), batch_of(bytes), decided}},
               Instant(), out);
  return out;
}

TEST(ChokedLog, AcceptsNothingMoreUntilTheDiskHasCaughtUp) {
  Settings settings;
  settings.limits.window_bytes = 1000;
  Replica replica = follower(settings);
  std::uint64_t slot = 1;
  Ticket newest;
  std::size_t accepted_bytes = 0;
  for (;; ++slot) {
    const Output out = accept(replica, slot, 500);
    if (out.persist.empty()) break;
    newest = out.persist.ticket;
    accepted_bytes += 500;
    ASSERT_LT(slot, 100U) << "a node whose disk stands still goes on accepting";
  }
  EXPECT_LE(accepted_bytes, settings.limits.undurable_bytes_max() + 500);

  Output out;
  replica.step(Persisted{newest, Timestamp(2)}, Instant(), out);
  accept(replica, slot, 500, Slot(slot - 1));  // tells what is decided, so that room is made
  EXPECT_FALSE(accept(replica, slot, 500).persist.empty())
      << "the disk has caught up, and still nothing is accepted";
}

}  // namespace
}  // namespace paxledger::engine
