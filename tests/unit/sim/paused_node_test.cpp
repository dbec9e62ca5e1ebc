// A node that stands still takes nothing in; what it was sent waits in its sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "sim/world.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;

constexpr NodeId kNode{1};

class PausedNode : public testing::Test {
 protected:
  PausedNode() {
    for (int i = 0; i < 100 && world.replica(kNode).role() != engine::Role::leader; ++i) {
      world.set_now(std::max(world.now(), world.deadline(kNode)));
      world.fire(kNode);
    }
  }
  static Options options() {
    Options options;
    options.nodes = 1;
    return options;
  }
  Listeners listeners() {
    Listeners listeners;
    listeners.answered = [this](const Answered& answered) { replies.insert(answered.request.key); };
    return listeners;
  }
  RequestKey read() {
    return world.read(kNode, "key", engine::ReadConsistency::local, milliseconds(50));
  }

  std::set<RequestKey> replies;
  World world{options(), listeners()};
};

TEST_F(PausedNode, TakesARequestWhenItGoesOn) {
  EXPECT_TRUE(replies.contains(read()));
  world.set_stalled(kNode, true);
  const RequestKey waiting = read();
  EXPECT_FALSE(replies.contains(waiting));
  // However long that takes: the node counts from when it has the request.
  world.set_now(world.now() + milliseconds(500));
  world.check_overdue(milliseconds(20), {});
  EXPECT_TRUE(world.violations().empty());
  world.set_stalled(kNode, false);
  EXPECT_TRUE(replies.contains(waiting));
  EXPECT_EQ(world.open_requests(), 0u);
}

TEST_F(PausedNode, LosesWhatWaitedForItWhenItDies) {
  world.set_stalled(kNode, true);
  const RequestKey waiting = read();
  world.kill(kNode, nullptr);
  world.restart(kNode);
  world.set_stalled(kNode, false);
  EXPECT_FALSE(replies.contains(waiting));
  EXPECT_EQ(world.open_requests(), 0u);
}

}  // namespace
}  // namespace paxledger::sim
