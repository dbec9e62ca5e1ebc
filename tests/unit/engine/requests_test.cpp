#include "engine/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/prng.hpp"

namespace paxledger::engine {
namespace {

constexpr std::uint64_t kFirstId = 1000;

SharedBytes put(CommandKey key) {
  kv::Command command;
  command.session = key.session;
  command.sequence = key.sequence;
  command.key = "k";
  command.value = "v";
  return SharedBytes(kv::encode_command(command));
}

Instant after(std::uint64_t milliseconds) {
  return Instant() + std::chrono::milliseconds(milliseconds);
}

class RequestsTest : public testing::Test {
 protected:
  std::uint64_t admit(Origin origin, CommandKey key, std::uint64_t expires = 1000) {
    return requests.admit(origin, put(key), key, after(expires), 0);
  }
  std::vector<Origin> resolve(CommandKey key) {
    std::vector<Origin> origins;
    requests.resolve(key, [&](const Origin& origin) { origins.push_back(origin); });
    return origins;
  }
  std::vector<Origin> resolve_proposed(CommandKey key) {
    std::vector<Origin> origins;
    requests.resolve_proposed(key, [&](const Origin& origin) { origins.push_back(origin); });
    return origins;
  }

  Requests requests{Limits(), kFirstId};
  const CommandKey one{SessionId(1), Sequence(1)};
  const CommandKey two{SessionId(1), Sequence(2)};
};

TEST_F(RequestsTest, AnswerAllCopiesOfACommandInTheOrderInWhichTheyCame) {
  admit(RequestKey(1), one);
  admit(RequestKey(2), two);
  admit(RemoteOrigin{NodeId(3), 7}, one);
  admit(RequestKey(4), one);
  EXPECT_EQ(resolve(one),
            (std::vector<Origin>{RequestKey(1), RemoteOrigin{NodeId(3), 7}, RequestKey(4)}));
  EXPECT_TRUE(resolve(one).empty());
  EXPECT_FALSE(requests.knows({NodeId(3), 7}));
  EXPECT_EQ(requests.size(), 1u);
}

TEST_F(RequestsTest, ProposeOneOfTheCopiesWhicheverOfThemEnds) {
  const auto first = admit(RequestKey(1), one);
  const auto second = admit(RequestKey(2), one);
  requests.enqueue(first);
  requests.enqueue(second);
  EXPECT_TRUE(requests.take(first).has_value());
  EXPECT_EQ(requests.cut_batch(1 << 20, 10).size(), 1u);
  EXPECT_EQ(requests.find(second)->stage, Requests::Stage::proposed);
  const auto third = admit(RequestKey(3), one);
  requests.enqueue(third);
  EXPECT_EQ(requests.queued(), 0u) << "a copy of it stands in a slot already";
  EXPECT_EQ(requests.find(third)->stage, Requests::Stage::proposed);
}

TEST_F(RequestsTest, ResolveOnlyWhatWasProposedIfAskedTo) {
  const auto first = admit(RequestKey(1), one);
  requests.enqueue(first);
  EXPECT_EQ(requests.cut_batch(1 << 20, 10).size(), 1u);
  requests.on_leadership_lost();
  admit(RequestKey(2), one);
  EXPECT_TRUE(resolve_proposed(one).empty());
  requests.on_leadership_won();
  EXPECT_EQ(requests.cut_batch(1 << 20, 10).size(), 1u);
  EXPECT_EQ(resolve_proposed(one), (std::vector<Origin>{RequestKey(1), RequestKey(2)}));
  EXPECT_TRUE(requests.empty());
}

// Compared with a plain map, while slots are used again and again.
TEST_F(RequestsTest, KnowEveryRequestUntilItEnds) {
  struct Plain {
    CommandKey key;
    Instant expires;
  };
  Prng prng(Seed{1});
  std::map<std::uint64_t, Plain> plain;
  for (std::uint64_t round = 0; round < 20'000; ++round) {
    const std::uint64_t now = round / 10;
    const CommandKey key{SessionId(1 + prng.below(4)), Sequence(1 + prng.below(60))};
    const Instant expires = after(now + 5 + prng.below(50));
    const Origin origin =
        prng.chance(1, 2) ? Origin(RequestKey(round)) : Origin(RemoteOrigin{NodeId(2), round});
    const auto id = requests.admit(origin, put(key), key, expires, 0);
    ASSERT_EQ(id, kFirstId + round);
    plain[id] = {key, expires};
    if (prng.chance(1, 2)) requests.enqueue(id);
    if (prng.chance(1, 20)) static_cast<void>(requests.cut_batch(1 << 20, 50));
    if (prng.chance(1, 3)) {
      const CommandKey ended{SessionId(1 + prng.below(4)), Sequence(1 + prng.below(60))};
      const auto count = std::erase_if(plain, [&](auto& each) { return each.second.key == ended; });
      ASSERT_EQ(resolve(ended).size(), count);
    }
    for (const auto& expired : requests.take_expired(after(now))) {
      ASSERT_LE(expired.expires, after(now));
    }
    std::erase_if(plain, [&](auto& each) { return each.second.expires <= after(now); });
    const std::uint64_t asked = kFirstId + prng.below(round + 1);
    ASSERT_EQ(requests.find(asked) != nullptr, plain.contains(asked));
    ASSERT_EQ(requests.size(), plain.size());
    Instant next = Instant::never();
    for (const auto& [each, request] : plain) next = std::min(next, request.expires);
    ASSERT_EQ(requests.next_expiry(), next);
  }
  // In the order of their ids, wherever they stand.
  std::vector<QueuedItem> items;
  requests.describe(items, SIZE_MAX);
  ASSERT_EQ(items.size(), plain.size());
  auto expected = plain.begin();
  for (const auto& item : items) EXPECT_EQ(item.sequence, (expected++)->second.key.sequence);
}

}  // namespace
}  // namespace paxledger::engine
