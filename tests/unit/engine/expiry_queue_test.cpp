#include "engine/expiry_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/prng.hpp"

namespace paxledger::engine {
namespace {

Instant after(std::uint64_t milliseconds) {
  return Instant() + std::chrono::milliseconds(milliseconds);
}

TEST(ExpiryQueue, GivesWhatExpiresFirstWhateverLeavesInBetween) {
  Prng prng(Seed{3});
  ExpiryQueue queue;
  std::set<ExpiryQueue::Item> plain;
  std::map<ExpiryQueue::Place, ExpiryQueue::Item> by_place;
  for (std::uint64_t id = 1; id <= 50'000; ++id) {
    const auto place = static_cast<ExpiryQueue::Place>(prng.below(id < 25'000 ? 500 : 50));
    if (const auto found = by_place.find(place); found != by_place.end()) {
      queue.remove(place);
      plain.erase(found->second);
      by_place.erase(found);
    } else {
      const ExpiryQueue::Item item{after(id / 4 + prng.below(40)), id, place};
      queue.add(item);
      plain.insert(item);
      by_place[place] = item;
    }
    if (prng.chance(1, 4) && !plain.empty()) {
      by_place.erase(plain.begin()->place);
      plain.erase(plain.begin());
      queue.remove(queue.front().place);
    }
    ASSERT_EQ(queue.empty(), plain.empty());
    if (!plain.empty()) {
      ASSERT_EQ(queue.front(), *plain.begin());
    }
  }
}

TEST(ExpiryQueue, GivesTheOlderOfTwoThatExpireTogether) {
  ExpiryQueue queue;
  queue.add({after(5), 2, 0});
  queue.add({after(5), 1, 1});
  EXPECT_EQ(queue.front().id, 1u);
  queue.remove(1);
  EXPECT_EQ(queue.front().id, 2u);
}

}  // namespace
}  // namespace paxledger::engine
