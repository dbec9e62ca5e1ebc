// Requests that somebody makes at a node of his choice, and what stands of them in the history.
#include "sim/direct_requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "sim/world.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;
using Kind = DirectRequest::Kind;

constexpr NodeId kNode{1};

// A cluster of one, which decides within the call; with more nodes none of their messages arrives.
class DirectRequestsTest : public testing::Test {
 protected:
  explicit DirectRequestsTest(std::uint32_t nodes = 1)
      : clients_(WorkProfile{.clients = 0}, Prng(Seed{1}), false),
        direct_([this](DirectRequests::Sent sent) { again_.push_back(std::move(sent)); }),
        world_(options(nodes), listeners()) {
    pass(milliseconds(1000));
  }

  static Options options(std::uint32_t nodes) {
    Options options;
    options.nodes = nodes;
    return options;
  }
  Listeners listeners() {
    Listeners listeners;
    listeners.answered = [this](const Answered& answered) {
      taken_.push_back(direct_.answered(answered, world_, clients_));
    };
    return listeners;
  }
  void pass(Duration time) {
    const Instant end = world_.now() + time;
    while (world_.deadline(kNode) <= end) {
      world_.set_now(std::max(world_.now(), world_.deadline(kNode)));
      world_.fire(kNode);
    }
    world_.set_now(end);
  }
  // Returns the place of the request in the history.
  std::size_t ask(Kind kind, const std::string& key, const std::string& value = "") {
    const DirectRequest request{kind, key, value};
    const std::size_t place = direct_.record(kNode, request, world_, clients_);
    direct_.send({kNode, request, place, milliseconds(200)}, world_);
    return place;
  }
  void send_again() {
    for (auto& sent : std::exchange(again_, {})) direct_.send(std::move(sent), world_);
  }
  [[nodiscard]] const Recorded& at(std::size_t place) const { return clients_.history()[place]; }

  Clients clients_;
  std::vector<DirectRequests::Sent> again_;
  std::vector<bool> taken_;  // whether each answer was one to a request of these
  DirectRequests direct_;
  World world_;
};

TEST_F(DirectRequestsTest, TheFirstCommandOpensTheSessionAndIsSentAfterThat) {
  const std::size_t place = ask(Kind::put, "k", "v");
  ASSERT_EQ(again_.size(), 1u);
  EXPECT_EQ(again_.front().place, place);
  EXPECT_FALSE(at(place).ended) << "what was answered is the open_session";
  send_again();
  EXPECT_TRUE(again_.empty());
  const Recorded& put = at(place);
  EXPECT_EQ(put.what, "put");
  EXPECT_EQ(put.code, ErrorCode::ok);
  EXPECT_TRUE(put.ended);
  EXPECT_EQ(put.height, world_.history().height());
  EXPECT_TRUE(put.operation.known);
  EXPECT_EQ(put.revision, Revision(1));
  EXPECT_FALSE(put.excluded);
  // The next one finds the session open.
  const std::size_t removal = ask(Kind::remove, "k");
  EXPECT_TRUE(again_.empty());
  EXPECT_EQ(at(removal).what, "delete");
  EXPECT_EQ(at(removal).code, ErrorCode::ok);
}

TEST_F(DirectRequestsTest, CommandsThatCameBeforeTheSessionWasOpenShareIt) {
  world_.set_instant_disk(kNode, false);
  const std::size_t first = ask(Kind::put, "a", "1");
  const std::size_t second = ask(Kind::put, "b", "2");
  world_.set_instant_disk(kNode, true);
  ASSERT_EQ(again_.size(), 2u);
  send_again();
  EXPECT_EQ(at(first).code, ErrorCode::ok);
  EXPECT_EQ(at(second).code, ErrorCode::ok);
  EXPECT_NE(at(first).revision, at(second).revision) << "two commands, not two copies of one";
  EXPECT_TRUE(world_.violations().empty());
}

TEST_F(DirectRequestsTest, ReadsStandInTheHistoryWithWhatTheyFound) {
  ask(Kind::put, "k", "v");
  send_again();
  const Recorded found = at(ask(Kind::get, "k"));
  EXPECT_EQ(found.what, "get");
  EXPECT_TRUE(found.operation.known && found.operation.succeeded);
  EXPECT_EQ(found.operation.value, "v");
  EXPECT_FALSE(found.excluded);
  const Recorded nothing = at(ask(Kind::get, "other"));
  EXPECT_EQ(nothing.code, ErrorCode::not_found);
  EXPECT_TRUE(nothing.operation.known);
  EXPECT_FALSE(nothing.operation.succeeded);
  const Recorded local = at(ask(Kind::get_local, "k"));
  EXPECT_EQ(local.what, "get_local");
  EXPECT_EQ(local.operation.value, "v");
  EXPECT_TRUE(local.excluded) << "a local read may be old, so it judges nothing";
}

TEST_F(DirectRequestsTest, LeavesTheAnswersToOthersAlone) {
  (void)world_.read(kNode, "k", engine::ReadConsistency::local, milliseconds(200));
  ask(Kind::get_local, "k");
  EXPECT_EQ(taken_, (std::vector<bool>{false, true}));
  EXPECT_EQ(clients_.history().size(), 1u);
}

TEST_F(DirectRequestsTest, WhatGotNoAnswerInTimeHasAnUnknownOutcome) {
  ask(Kind::put, "k", "v");
  send_again();
  world_.set_instant_disk(kNode, false);
  const std::size_t place = ask(Kind::put, "k", "w");
  pass(milliseconds(200));
  EXPECT_EQ(at(place).code, ErrorCode::timeout);
  EXPECT_TRUE(at(place).ended);
  EXPECT_FALSE(at(place).operation.known);
  EXPECT_FALSE(at(place).excluded) << "it may have taken effect";
}

class DirectRequestsWithoutQuorumTest : public DirectRequestsTest {
 protected:
  DirectRequestsWithoutQuorumTest() : DirectRequestsTest(3) {}
};

TEST_F(DirectRequestsWithoutQuorumTest, WhatFoundNoSessionWasNeverSent) {
  const std::size_t place = ask(Kind::put, "k", "v");
  pass(milliseconds(200));
  EXPECT_TRUE(again_.empty());
  EXPECT_EQ(at(place).code, ErrorCode::no_quorum);
  EXPECT_TRUE(at(place).excluded);
}

}  // namespace
}  // namespace paxledger::sim
