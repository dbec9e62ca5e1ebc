// Which of several connections a request takes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/dispatcher.hpp"
#include "unit/client/dispatcher_fixture.hpp"

namespace paxledger::client {
namespace {

// One endpoint, so that a link is a connection.
class DispatcherConnections : public DispatcherTest {
 protected:
  static constexpr std::size_t kConnections = 4;

  void SetUp() override { start({"tcp://a:1"}, kConnections); }

  void get_many(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) calls_.push_back(get("key"));
  }
  // What is to be sent, by connection.
  std::vector<std::vector<std::uint64_t>> packets() {
    std::vector<std::vector<std::uint64_t>> all;
    for (std::size_t link = 0; link < kConnections; ++link) all.push_back(ids(link));
    return all;
  }
  std::vector<std::size_t> packet_sizes() {
    std::vector<std::size_t> sizes;
    for (const auto& packet : packets()) sizes.push_back(packet.size());
    return sizes;
  }
  void answer(std::size_t link, const std::vector<std::uint64_t>& packet) {
    for (const std::uint64_t id : packet) reply(link, id, ErrorCode::ok);
  }

  std::vector<std::shared_ptr<Call>> calls_;
};

using Sizes = std::vector<std::size_t>;

TEST_F(DispatcherConnections, ShareEvenlyWhatBeginsAtOnce) {
  get_many(12);
  EXPECT_EQ(packet_sizes(), Sizes({3, 3, 3, 3}));
  get_many(2);
  const Sizes more = packet_sizes();
  EXPECT_EQ(*std::max_element(more.begin(), more.end()), 1u);
}

TEST_F(DispatcherConnections, TakeTurnsWhereOneRequestFollowsTheOther) {
  for (std::size_t i = 0; i < 2 * kConnections; ++i) {
    get_many(1);
    const auto all = packets();
    ASSERT_EQ(all[i % kConnections].size(), 1u) << i;
    answer(i % kConnections, all[i % kConnections]);
  }
}

// Whoever asks again for each answer fills one packet for each that was answered.
TEST_F(DispatcherConnections, FillTheOnesThatWereAnswered) {
  get_many(16);
  auto asked = packets();
  answer(1, asked[1]);
  get_many(4);
  EXPECT_EQ(packet_sizes(), Sizes({0, 4, 0, 0}));
  answer(0, asked[0]);
  answer(3, asked[3]);
  get_many(8);
  EXPECT_EQ(packet_sizes(), Sizes({4, 0, 0, 4}));
}

TEST_F(DispatcherConnections, CountRequestsThatEndedWithoutAnAnswer) {
  get_many(8);
  EXPECT_EQ(packet_sizes(), Sizes({2, 2, 2, 2}));
  pass(milliseconds(5010));
  for (const auto& call : calls_) ASSERT_TRUE(call->end);
  calls_.clear();
  get_many(8);
  EXPECT_EQ(packet_sizes(), Sizes({2, 2, 2, 2}));
}

TEST_F(DispatcherConnections, OpenTheSessionOverTheOneWhoseTurnItIs) {
  const auto write = put("a");
  const auto all = packets();
  const std::size_t opened = static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const auto& packet) { return !packet.empty(); }));
  EXPECT_EQ(opened, 1u) << "the write waits for its session";
}

}  // namespace
}  // namespace paxledger::client
