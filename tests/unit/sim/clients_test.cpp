// What the simulated clients make of answers.
#include "sim/clients.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace paxledger::sim {
namespace {

constexpr NodeId kOnlyNode{1};

// One client of a world of one node that answers nothing by itself.
class OneClient : public testing::Test {
 protected:
  static WorkProfile work() {
    WorkProfile work;
    work.operations = 100;
    work.reads_percent = 0;
    work.session_ms = kv::kSessionMillisecondsMax;
    work.patience_ms_max = 20;
    return work;
  }
  static Options options() {
    Options options;
    options.nodes = 1;
    return options;
  }

  // The client's turn; returns the first request that it makes in it.
  RequestKey wake() {
    const RequestKey request = world.next_request();
    clients.wake(0, world);
    return request;
  }
  void answer(RequestKey request, SessionId session, ErrorCode code) {
    Answered answered;
    answered.request.key = request;
    answered.request.node = kOnlyNode;
    answered.request.session = session;
    answered.reply.request = request;
    kv::CommandResult result;
    result.code = code;
    answered.reply.what = result;
    clients.answered(answered, world);
  }

  World world{options(), {}};
  Clients clients{work(), Prng(Seed{1}), false};
};

TEST_F(OneClient, UsesASessionOnlyWhenItIsToldThatThisOneIsOpen) {
  const SessionId first(1'000'000);
  const RequestKey opening = wake();
  world.set_now(world.now() + std::chrono::seconds(5));
  const RequestKey opening_again = wake();
  ASSERT_NE(opening, opening_again);
  answer(opening_again, first, ErrorCode::ok);
  const RequestKey command = wake();
  ASSERT_EQ(clients.history().size(), 1u);
  answer(command, first, ErrorCode::session_expired);
  const RequestKey opening_next = wake();
  answer(opening, first, ErrorCode::ok);
  wake();
  EXPECT_EQ(clients.history().size(), 1u) << "something is begun in a session that may not be open";
  answer(opening_next, SessionId(first.value() + 1), ErrorCode::ok);
  wake();
  EXPECT_EQ(clients.history().size(), 2u);
}

}  // namespace
}  // namespace paxledger::sim
